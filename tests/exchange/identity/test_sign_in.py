"""Who gets in by a password, for how long, and where is he led?"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from urllib.parse import urljoin, urlsplit

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select

from exchange.audit import AuditEvent
from exchange.database import db, unit_of_work
from exchange.identity import login
from exchange.identity.actors import Audience
from exchange.identity.people import Login
from exchange.web.redirects import local_path
from tests.support.signing_in import AT, BY, make_login, post, sign_in

PASSWORD = "seven green boats"
NOON = datetime(2026, 11, 2, 20, tzinfo=UTC)
# After lists of open-redirect payloads that scanners try; each is somebody else's site to some browser.
ELSEWHERE = (
    "https://evil.example",
    "http://evil.example/",
    "//evil.example",
    "///evil.example",
    "////evil.example",
    "/\\evil.example",
    "\\\\evil.example",
    "\\/evil.example",
    "/\\/evil.example",
    "https:evil.example",
    "https:/evil.example",
    "https:///evil.example",
    "HTTPS://evil.example",
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    "data:text/html,x",
    "vbscript:x",
    "ftp://evil.example",
    "//evil.example/%2f..",
    "/%2f/evil.example",
    "/%5cevil.example",
    "/%09/evil.example",
    "/%0d%0aLocation:https://evil.example",
    "/\r\nLocation: https://evil.example",
    "\t//evil.example",
    " //evil.example",
    "//evil.example@localhost",
    "https://localhost@evil.example",
    "https://localhost.evil.example",
    "//localhost:80@evil.example",
    "/..//evil.example",
    "/.//evil.example",
    "//",
    "///",
    "/\t/evil.example",
    "/\n/evil.example",
    "\x00//evil.example",
    "http:\\\\evil.example",
    "//evil%E3%80%82example",
    "〱evil.example",
    "evil.example",
    "?next=//evil.example",
)


def address_of(login_id: int) -> str:
    return db.session.execute(select(Login.email).where(Login.id == login_id)).scalar_one()


def count_audited(action: str) -> int:
    return db.session.execute(
        select(func.count()).select_from(AuditEvent).where(AuditEvent.action == action)
    ).scalar_one()


class TestSignIn:
    def test_lets_a_worker_in_by_his_password(self, client: FlaskClient) -> None:
        email = address_of(make_login(Audience.WORKER, password=PASSWORD))

        answer = post(client, "/sign-in", {"email": email.upper(), "password": PASSWORD})

        assert (answer.status_code, answer.location) == (302, "/account/start")
        assert client.get("/account/").status_code == 200
        assert count_audited("login.signed_in") == 1

    def test_notes_the_language_for_letters_and_a_change_of_it_too(self, client: FlaskClient) -> None:
        login_id = make_login(Audience.WORKER, password=PASSWORD)

        client.set_cookie("language", "es")
        post(client, "/sign-in", {"email": address_of(login_id), "password": PASSWORD})
        noted = db.session.get_one(Login, login_id).language
        db.session.rollback()
        client.post("/language", data={"language": "en"}, headers={"Sec-Fetch-Site": "same-origin"})

        assert (noted, db.session.get_one(Login, login_id).language) == ("es", "en")

    def test_leads_back_to_the_page_that_was_asked_for(self, client: FlaskClient) -> None:
        email = address_of(make_login(Audience.WORKER, password=PASSWORD))
        asked = client.get("/account/contact?from=letter")

        answer = post(client, asked.location, {"email": email, "password": PASSWORD})

        assert answer.location == "/account/contact?from=letter"

    @pytest.mark.parametrize("elsewhere", ELSEWHERE)
    def test_never_leads_to_another_site(self, client: FlaskClient, elsewhere: str) -> None:
        email = address_of(make_login(Audience.WORKER, password=PASSWORD))
        data = {"email": email, "password": PASSWORD}

        by_form = post(client, "/sign-in", {**data, "next": elsewhere})
        post(client, "/sign-out")
        by_address = post(client, "/sign-in", data, query_string={"next": elsewhere})

        for answer in (by_form, by_address):
            if "\x00" in elsewhere:  # nothing that holds a NUL is taken at all
                assert answer.status_code == 400
                continue
            assert answer.status_code == 302
            assert local_path(answer.location, default="") == answer.location
            assert urlsplit(urljoin("http://localhost/sign-in", answer.location)).netloc == "localhost"

    def test_says_the_same_of_unknown_wrong_disabled_and_unset(self, client: FlaskClient) -> None:
        known = make_login(Audience.WORKER, password=PASSWORD)
        disabled = make_login(Audience.WORKER, password=PASSWORD)
        unset = make_login(Audience.WORKER)
        with unit_of_work():
            login.disable(disabled, reason="test", by=BY, at=AT)
        tries = [
            ("nobody@example.org", PASSWORD),
            (address_of(known), "seven brown boats"),
            (address_of(disabled), PASSWORD),
            (address_of(unset), PASSWORD),
        ]

        answers = [post(client, "/sign-in", {"email": email, "password": password}) for email, password in tries]

        pages = {
            answer.text.replace(email, "").replace(answer.headers["X-Request-ID"], "")
            for answer, (email, _) in zip(answers, tries, strict=True)
        }
        assert {answer.status_code for answer in answers} == {200}
        assert len({strip_tokens(page) for page in pages}) == 1
        assert "Address or password is not right" in answers[0].text
        assert count_audited("login.refused") == len(tries)
        assert client.get("/account/").status_code == 302

    @pytest.mark.parametrize("length", [257, 5_000, 300_000])
    def test_by_a_password_longer_than_any_is_refused_like_a_wrong_one(self, client: FlaskClient, length: int) -> None:
        known = address_of(make_login(Audience.WORKER, password=PASSWORD))

        for email in (known, "nobody@example.org"):
            answer = post(client, "/sign-in", {"email": email, "password": "x" * length})
            assert (answer.status_code, "Address or password is not right" in answer.text) == (200, True)
        assert client.get("/account/").status_code == 302

    def test_keeps_nothing_of_the_session_before_it(self, app: Flask, client: FlaskClient) -> None:
        email = address_of(make_login(Audience.WORKER, password=PASSWORD))
        client.get("/sign-in")
        planted = client.get_cookie("session")
        with client.session_transaction() as session:
            session["planted"] = "by somebody else"
            token = session.get("csrf_token")

        post(client, "/sign-in", {"email": email, "password": PASSWORD})

        with client.session_transaction() as session:
            assert "planted" not in session
            assert session.get("csrf_token") != token or token is None
        thief = app.test_client()
        assert planted is not None
        thief.set_cookie("session", planted.value)
        assert thief.get("/account/").status_code == 302

    def test_needs_the_forms_token(self, client: FlaskClient) -> None:
        email = address_of(make_login(Audience.WORKER, password=PASSWORD))

        answer = client.post("/sign-in", data={"email": email, "password": PASSWORD})

        assert answer.status_code == 400
        assert client.get("/account/").status_code == 302

    def test_by_a_token_in_a_header_or_an_address_is_impossible(self, app: Flask, client: FlaskClient) -> None:
        person = db.session.get_one(Login, make_login(Audience.WORKER, password=PASSWORD))
        with app.test_request_context():
            token = person.get_auth_token()

        assert client.get("/account/", headers={"Authentication-Token": str(token)}).status_code == 302
        assert client.get("/account/", query_string={"auth_token": str(token)}).status_code == 302


class TestSignOut:
    def test_makes_a_copied_cookie_worthless(self, app: Flask, client: FlaskClient) -> None:
        sign_in(client, make_login(Audience.WORKER))
        copied = client.get_cookie("session")
        assert copied is not None

        answer = post(client, "/sign-out")

        thief = app.test_client()
        thief.set_cookie("session", copied.value)
        assert answer.headers["Clear-Site-Data"] == '"cache"'
        assert client.get("/account/").status_code == 302
        assert thief.get("/account/").status_code == 302

    def test_is_not_done_by_a_link(self, client: FlaskClient) -> None:
        sign_in(client, make_login(Audience.WORKER))

        assert client.get("/sign-out").status_code == 405
        assert client.get("/account/").status_code == 200


class TestSession:
    def test_of_a_disabled_login_ends_at_its_next_request(self, client: FlaskClient) -> None:
        who = make_login(Audience.WORKER)
        sign_in(client, who)
        assert client.get("/account/").status_code == 200

        with unit_of_work():
            login.disable(who, reason="asked for", by=BY, at=AT)

        assert client.get("/account/").status_code == 302

    @pytest.mark.parametrize(
        ("audience", "minutes", "status"),
        [
            (Audience.WORKER, 15, 200),
            (Audience.WORKER, 16, 302),
            (Audience.EMPLOYER, 5, 200),
            (Audience.EMPLOYER, 6, 302),
        ],
    )
    def test_ends_after_a_rest(self, client: FlaskClient, audience: Audience, minutes: int, status: int) -> None:
        email = address_of(make_login(audience, password=PASSWORD))
        with time_machine.travel(NOON, tick=False) as clock:
            post(client, "/sign-in", {"email": email, "password": PASSWORD})
            clock.shift(timedelta(minutes=minutes))

            assert client.get("/account/").status_code == status

    def test_goes_on_while_somebody_is_there_but_not_for_ever(self, client: FlaskClient) -> None:
        email = address_of(make_login(Audience.WORKER, password=PASSWORD))
        with time_machine.travel(NOON, tick=False) as clock:
            post(client, "/sign-in", {"email": email, "password": PASSWORD})
            seen = []
            for _ in range(50):
                clock.shift(timedelta(minutes=10))
                seen.append(client.get("/account/").status_code)

        assert seen == [200] * 48 + [302] * 2

    def test_that_is_over_sends_a_form_to_sign_in_and_says_so(self, client: FlaskClient) -> None:
        came_from = "http://localhost/account/contact"

        answer = client.post("/account/contact", data={"name": "Eve"}, headers={"Referer": came_from})

        assert (answer.status_code, answer.location) == (303, "/sign-in?next=/account/contact")
        assert "was not carried out" in client.get(answer.location).text

    def test_of_another_site_is_not_led_back_there(self, client: FlaskClient) -> None:
        answer = client.post("/account/contact", headers={"Referer": "https://evil.example/account"})

        assert (answer.status_code, answer.location) == (303, "/sign-in")


class TestStepUp:
    def test_asks_again_after_ten_minutes(self, client: FlaskClient) -> None:
        email = address_of(make_login(Audience.WORKER, password=PASSWORD))
        with time_machine.travel(NOON, tick=False) as clock:
            post(client, "/sign-in", {"email": email, "password": PASSWORD})
            clock.shift(timedelta(minutes=9))
            before = client.get("/account/contact").status_code
            clock.shift(timedelta(minutes=2))
            asked = client.get("/account/contact")

            again = post(client, asked.location, {"password": PASSWORD})

            assert before == 200
            assert (asked.status_code, asked.location) == (303, "/sign-in/again?next=/account/contact")
            assert again.location == "/account/contact"
            assert client.get("/account/contact").status_code == 200

    def test_refuses_a_wrong_password_and_changes_nothing(self, client: FlaskClient) -> None:
        email = address_of(make_login(Audience.WORKER, password=PASSWORD))
        with time_machine.travel(NOON, tick=False) as clock:
            post(client, "/sign-in", {"email": email, "password": PASSWORD})
            clock.shift(timedelta(minutes=11))

            post(client, "/sign-in/again", {"password": "seven brown boats"})
            answer = post(client, "/account/contact", {"name": "Eve", "email": "eve@example.org"})

            assert answer.status_code == 303
            assert address_of_name("Eve") is None


def address_of_name(name: str) -> str | None:
    return db.session.execute(select(Login.email).where(Login.name == name)).scalar_one_or_none()


def strip_tokens(page: str) -> str:
    """The page without what differs each time: the forms' tokens."""
    return "\n".join(line for line in page.splitlines() if "csrf_token" not in line)
