"""What can a stranger do in a demonstration, and never outside it?"""

from __future__ import annotations

from datetime import timedelta

import pytest
from flask import Flask, current_app
from flask.testing import FlaskClient

from exchange import clock
from exchange.database import unit_of_work
from exchange.identity import login
from exchange.identity.actors import Audience
from exchange.pages import demo as demo_pages
from tests.support.signing_in import AT, BY, make_login, post

AUDIENCES = (Audience.WORKER, Audience.EMPLOYER, Audience.PROVIDER, Audience.REGULATOR, Audience.OPERATOR)


class TestOutsideDemo:
    def test_there_is_no_such_page(self, app: Flask, client: FlaskClient) -> None:
        assert [rule.rule for rule in app.url_map.iter_rules() if rule.rule.startswith("/demo")] == []
        assert client.get("/demo/sign-in").status_code == 404
        assert post(client, f"/demo/sign-in/{make_login(Audience.WORKER)}").status_code == 404
        assert client.get("/account/").status_code == 302

    def test_the_pages_refuse_even_if_they_were_there(self, demo: FlaskClient) -> None:
        current_app.config["DEMO"] = False

        assert demo.get("/demo/sign-in").status_code == 404
        assert post(demo, f"/demo/sign-in/{make_login(Audience.WORKER)}").status_code == 404
        assert demo.get("/account/").status_code == 302

    def test_they_cannot_be_registered(self, app: Flask) -> None:
        with pytest.raises(AssertionError):
            demo_pages.init_app(app, [])


class TestSignInAs:
    @pytest.mark.parametrize("audience", AUDIENCES)
    def test_needs_one_click_and_no_second_step(self, demo: FlaskClient, audience: Audience) -> None:
        who = make_login(audience)

        answer = post(demo, f"/demo/sign-in/{who}")

        assert (answer.status_code, answer.location) == (303, "/account/start")
        assert demo.get("/account/").status_code == 200
        assert demo.get("/account/contact").status_code == 200

    def test_ends_being_somebody_else(self, demo: FlaskClient) -> None:
        first, second = make_login(Audience.WORKER, "Ada Flores"), make_login(Audience.EMPLOYER, "Ben Ito")
        post(demo, f"/demo/sign-in/{first}")
        post(demo, f"/demo/sign-in/{second}")

        assert "Ben Ito" in demo.get("/account/").text
        assert "Ada Flores" not in demo.get("/account/").text

    def test_needs_the_forms_token(self, demo: FlaskClient) -> None:
        assert demo.post(f"/demo/sign-in/{make_login(Audience.WORKER)}").status_code == 400
        assert demo.get("/account/").status_code == 302

    def test_finds_nobody_disabled(self, demo: FlaskClient) -> None:
        who = make_login(Audience.WORKER)
        with unit_of_work():
            login.disable(who, reason="gone", by=BY, at=AT)

        assert post(demo, f"/demo/sign-in/{who}").status_code == 404

    def test_finds_people_by_a_part_of_their_name(self, demo: FlaskClient) -> None:
        for number in range(60):
            make_login(Audience.WORKER, f"Person {number:02d}")
        make_login(Audience.PROVIDER, "Zoe Okafor")

        everybody = demo.get("/demo/sign-in").text
        found = demo.get("/demo/sign-in?q=okaf").text

        assert "60 people" in everybody
        assert "Person 00" in everybody
        assert "Person 59" not in everybody
        assert "Person 59" in demo.get("/demo/sign-in?page=2").text
        assert "Zoe Okafor" in found
        assert "Person" not in found


class TestClock:
    def test_moves_forward_to_a_moment_offered(self, demo: FlaskClient) -> None:
        now = clock.now()
        moments = current_app.extensions["demo_moments"]
        moments.clear()
        moments += [
            ("the close", lambda: now + timedelta(days=10)),
            ("long ago", lambda: now - timedelta(days=10)),
            ("nothing planned", lambda: None),
        ]
        page = demo.get("/demo/sign-in").text

        answer = post(demo, "/demo/clock", {"moment": "0", "next": "/demo/sign-in"})

        assert "the close" in page
        assert "long ago" not in page
        assert (answer.status_code, answer.location) == (303, "/demo/sign-in")
        assert clock.now() >= now + timedelta(days=10)

    @pytest.mark.parametrize("moment", ["1", "2", "3", "-1", "x", ""])
    def test_never_moves_back_nor_anywhere_else(self, demo: FlaskClient, moment: str) -> None:
        now = clock.now()
        moments = current_app.extensions["demo_moments"]
        moments.clear()
        moments += [
            ("ahead", lambda: now + timedelta(days=10)),
            ("ago", lambda: now - timedelta(1)),
            ("never", lambda: None),
        ]

        assert post(demo, "/demo/clock", {"moment": moment}).status_code == 404
        assert clock.demo_offset() == timedelta(0)


class TestLetters:
    def test_are_shown_instead_of_sent(self, demo: FlaskClient) -> None:
        with unit_of_work():
            who = login.create("ada@example.org", password=None, name="Ada", audience=Audience.WORKER, by=BY, at=AT)
            login_id = who.id
        post(demo, "/password/reset", {"email": "ada@example.org"})

        page = demo.get("/demo/letters").text

        assert login_id
        assert "ada@example.org" in page
        assert "/password/reset/" in page
