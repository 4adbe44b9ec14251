"""Is a page in the language that its reader chose?"""

from __future__ import annotations

from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from flask import Flask
from flask.testing import FlaskClient

from exchange.web import language
from tests.exchange.web import styleguide

OWN = {"Origin": "http://localhost", "Sec-Fetch-Site": "same-origin"}


def language_of(client: FlaskClient, **headers: str) -> str:
    """What the page's ``lang`` says."""
    text = client.get("/list", headers={name.replace("_", "-"): value for name, value in headers.items()}).text
    return text.partition('<html lang="')[2][:2]


class TestLanguage:
    @pytest.mark.parametrize(
        ("asked", "given"),
        [("", "en"), ("es", "es"), ("es-MX,es;q=0.9,en;q=0.1", "es"), ("fr", "en"), ("en;q=0.2,es;q=0.8", "es")],
    )
    def test_follows_what_the_browser_asks_for(self, client: FlaskClient, asked: str, given: str) -> None:
        assert language_of(client, Accept_Language=asked) == given

    def test_that_was_chosen_wins_over_the_browsers(self, client: FlaskClient) -> None:
        client.post("/language", data={"language": "es", "next": "/list"}, headers=OWN)

        assert language_of(client, Accept_Language="en") == "es"

    def test_is_english_where_there_is_no_request(self, app: Flask) -> None:
        with app.app_context():
            assert language.select_language() is None
            assert language.current_language() == "en"

    def test_forged_in_a_cookie_is_passed_over(self, client: FlaskClient) -> None:
        client.set_cookie("language", "../../etc")

        assert language_of(client) == "en"


class TestChoosing:
    def test_leads_back_to_the_page(self, client: FlaskClient) -> None:
        answer = client.post("/language", data={"language": "es", "next": "/list?page=2"}, headers=OWN)

        assert (answer.status_code, answer.location) == (303, "/list?page=2")

    def test_leads_nowhere_else(self, client: FlaskClient) -> None:
        answer = client.post("/language", data={"language": "es", "next": "//evil.example"}, headers=OWN)

        assert answer.location == "/"

    @pytest.mark.parametrize(
        ("headers", "status"),
        [
            ({"Sec-Fetch-Site": "same-origin"}, 303),
            ({"Origin": "http://localhost"}, 303),
            ({"Sec-Fetch-Site": "cross-site", "Origin": "http://localhost"}, 400),
            ({"Sec-Fetch-Site": "same-site"}, 400),
            ({"Origin": "http://evil.example"}, 400),
            ({"Origin": "null"}, 400),
            ({}, 400),
        ],
    )
    def test_is_taken_from_our_own_pages_only(self, client: FlaskClient, headers: dict[str, str], status: int) -> None:
        answer = client.post("/language", data={"language": "es"}, headers=headers)

        assert answer.status_code == status
        assert ("Set-Cookie" in answer.headers) == (status == 303)

    @pytest.mark.parametrize("code", ["fr", "", "EN", "es\n"])
    def test_of_a_language_we_do_not_have_is_refused(self, client: FlaskClient, code: str) -> None:
        assert client.post("/language", data={"language": code}, headers=OWN).status_code == 400


class TestSpanish:
    @pytest.fixture
    def catalogue(self) -> Catalog:
        """What has been translated so far."""
        with (styleguide.ROOT / "translations/es/LC_MESSAGES/messages.po").open("rb") as file:
            return read_po(file)

    def test_speaks_of_the_same_figures_as_the_english(self, catalogue: Catalog) -> None:
        assert [(message.id, str(error)) for message, errors in catalogue.check() for error in errors] == []
        assert [message.id for message in catalogue if message.id and message.fuzzy] == []

    def test_is_what_a_reader_of_spanish_sees(self, catalogue: Catalog, tmp_path: Path) -> None:
        folder = tmp_path / "es" / "LC_MESSAGES"
        folder.mkdir(parents=True)
        with (folder / "messages.mo").open("wb") as file:
            write_mo(file, catalogue)
        client = styleguide.create_app({"BABEL_TRANSLATION_DIRECTORIES": str(tmp_path)}).test_client()

        text = client.get("/nope", headers={"Accept-Language": "es"}).text

        assert "Esta página no existe" in text
        assert "Iniciar sesión" in text
        assert "There is no such page" not in text
