"""Is a frame that is written once for many still everybody's own?"""

from __future__ import annotations

import re

from flask import Flask
from flask.testing import FlaskClient

from exchange.identity.actors import Audience
from tests.support.signing_in import make_login, sign_in

TOKEN = re.compile(r'name="csrf_token" value="([^"]+)"')
NEXT = re.compile(r'name="next" value="([^"]+)"')
PRESENT = re.compile(r'aria-current="page">([^<]+)<')


def reader(app: Flask, name: str) -> FlaskClient:
    client = app.test_client()
    sign_in(client, make_login(Audience.WORKER, name))
    return client


class TestPart:
    def test_has_the_name_and_the_token_of_who_asks(self, app: Flask) -> None:
        ada, bo = reader(app, "Ada Flores"), reader(app, "Bo & Co")

        pages = [one.get("/account/").text for one in (ada, bo, ada)]

        assert ["Ada Flores" in page for page in pages] == [True, False, True]
        assert ["Bo &amp; Co" in page for page in pages] == [False, True, False]
        assert TOKEN.findall(pages[0])[0] != TOKEN.findall(pages[1])[0]
        assert bo.post("/sign-out", data={"csrf_token": TOKEN.findall(pages[1])[0]}).status_code == 302

    def test_leads_back_to_where_the_reader_is(self, client: FlaskClient) -> None:
        paths = ["/packages?q=a", "/packages?q=%22b", "/providers"]

        found = [NEXT.findall(client.get(path).text) for path in paths]

        assert found == [["/packages?q=a"], ["/packages?q=%22b"], ["/providers"]]

    def test_marks_the_page_and_speaks_the_language_of_the_moment(self, client: FlaskClient) -> None:
        pages = [("/packages", "en"), ("/providers", "en"), ("/packages", "es"), ("/packages", "en")]

        texts = [client.get(path, headers={"Accept-Language": language}).text for path, language in pages]

        marks = [PRESENT.findall(text) for text in texts]
        assert marks[0] == marks[3] != marks[1]
        assert ["Skip to the main content" in text for text in texts] == [True, True, False, True]
        assert len({*map(str, marks)}) == 3

    def test_of_a_page_that_found_nothing_asks_nobody_to_sign_out(self, app: Flask, client: FlaskClient) -> None:
        reader(app, "Ada Flores").get("/account/")

        text = client.get("/nope").text

        assert "csrf_token" not in text
        assert "Ada Flores" not in text

    def test_is_another_one_of_another_program(self, app: Flask) -> None:
        client = app.test_client()
        before = client.get("/packages").text
        app.config["PROGRAM_NAME"] = "Harbor Benefits"

        after = client.get("/providers").text

        assert [text.count('aria-label="Harbor Benefits"') for text in (before, after)] == [0, 1]
