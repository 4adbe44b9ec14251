"""Which passwords are good enough, and how is one changed?"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select

from exchange.database import db, unit_of_work
from exchange.identity import login
from exchange.identity.actors import Audience
from exchange.identity.login import WeakPassword
from exchange.identity.login.common_passwords import is_common
from exchange.identity.people import Login
from exchange.outgoing_mail import OutgoingMail
from tests.support.signing_in import AT, BY, make_login, post

PASSWORD, ANOTHER = "seven green boats", "twelve blue horses"
NOON = datetime(2026, 11, 2, 20, tzinfo=UTC)


def letters() -> list[OutgoingMail]:
    return list(db.session.execute(select(OutgoingMail).order_by(OutgoingMail.id)).scalars())


def person(login_id: int) -> Login:
    return db.session.get_one(Login, login_id)


def ask_for_link(client: FlaskClient, email: str) -> str:
    """Ask for a letter; gives the path of the link in it."""
    post(client, "/password/reset", {"email": email})
    found = re.search(r"http://localhost(/password/reset/\S+)", letters()[-1].body)
    assert found is not None
    return found[1]


WORDS = """
    Password Password1 P@ssw0rd P@ssw0rd! Passw0rd2026! Summer2026 Summer2026! Welcome1 welcome123 qwerty123 1q2w3e4r
    1Q2W3E4R! letmein! iloveyou sunshine1 passwordpassword qwertyqwertyqwerty Winter26! Admin123! trustno1 changeme1
    Benefits2026 zaq12wsx football1 123password
"""
UNCOMMON = ["nine red doors", "Tidewater-9 kayak", "summer boats at nine", "password of my aunt", "k7#fPq2z", ""]


class TestCommonPassword:
    @pytest.mark.parametrize("password", WORDS.split())
    def test_is_known_with_a_year_a_sign_or_a_capital_put_to_it(self, password: str) -> None:
        assert is_common(password)

    @pytest.mark.parametrize("password", UNCOMMON)
    def test_is_not_what_only_holds_a_common_word(self, password: str) -> None:
        assert not is_common(password)


class TestStrength:
    @pytest.mark.parametrize(
        ("audience", "password", "good"),
        [
            (Audience.WORKER, "14 characters.", False),
            (Audience.WORKER, "15 characters..", True),
            (Audience.EMPLOYER, "14 characters.", False),
            (Audience.PROVIDER, "7 chars", False),
            (Audience.PROVIDER, "8 chars.", True),
            (Audience.PROVIDER, "Welcome2026!", False),
            (Audience.WORKER, "a" * 40, False),
            (Audience.WORKER, "aaaabbbbccccaaaabbbb", False),
            (Audience.WORKER, "abcdefghijklmnop", False),
            (Audience.WORKER, "Ada Maria Flores Cruz", False),
            (Audience.WORKER, "短い短い秘密のことば十五文字以上です", True),
            (Audience.WORKER, "word " * 52, False),
            (Audience.WORKER, "four little words " * 4, True),
        ],
    )
    def test_is_a_matter_of_length_and_of_guessing(self, audience: Audience, password: str, good: bool) -> None:
        someone = Login(audience=audience, name="Ada Maria Flores Cruz", email="ada@example.org")

        assert (login.weakness(password, someone) is None) is good

    def test_is_asked_of_a_new_login_and_nothing_is_made(self, app: Flask) -> None:
        with pytest.raises(WeakPassword), unit_of_work():
            login.create("ada@example.org", password="short", name="Ada", audience=Audience.WORKER, by=BY, at=AT)

        assert db.session.execute(select(func.count()).select_from(Login)).scalar_one() == 0

    def test_is_kept_as_argon2id(self, app: Flask) -> None:
        assert str(person(make_login(Audience.WORKER, password=PASSWORD)).password).startswith("$argon2id$")

    def test_in_earnest_costs_19_mebibytes_and_two_passes(self) -> None:
        from exchange.identity.login.sign_in import ARGON2

        assert ARGON2["argon2__memory_cost"] == 19 * 1024
        assert (ARGON2["argon2__type"], ARGON2["argon2__time_cost"]) == ("ID", 2)


class TestReset:
    def test_by_the_link_lets_the_new_password_in_and_the_old_one_not(self, client: FlaskClient) -> None:
        email = person(make_login(Audience.WORKER, password=PASSWORD)).email

        answer = post(client, ask_for_link(client, email), {"password": ANOTHER, "password_confirm": ANOTHER})

        assert (answer.status_code, answer.location) == (302, "/sign-in")
        assert post(client, "/sign-in", {"email": email, "password": PASSWORD}).status_code == 200
        assert post(client, "/sign-in", {"email": email, "password": ANOTHER}).status_code == 302

    def test_link_works_once(self, client: FlaskClient) -> None:
        who = make_login(Audience.WORKER, password=PASSWORD)
        link = ask_for_link(client, person(who).email)
        post(client, link, {"password": ANOTHER, "password_confirm": ANOTHER})
        kept = person(who).password

        post(client, link, {"password": "eleven old clocks", "password_confirm": "eleven old clocks"})

        assert person(who).password == kept

    @pytest.mark.parametrize(("minutes", "works"), [(9, True), (11, False)])
    def test_link_works_ten_minutes(self, client: FlaskClient, minutes: int, works: bool) -> None:
        who = make_login(Audience.WORKER, password=PASSWORD)
        before = person(who).password
        with time_machine.travel(NOON, tick=False) as clock:
            link = ask_for_link(client, person(who).email)
            clock.shift(timedelta(minutes=minutes))
            post(client, link, {"password": ANOTHER, "password_confirm": ANOTHER})

        assert (person(who).password != before) is works

    def test_says_the_same_for_an_unknown_address(self, client: FlaskClient) -> None:
        email = person(make_login(Audience.WORKER, password=PASSWORD)).email

        known = post(client, "/password/reset", {"email": email}, follow_redirects=True)
        unknown = post(client, "/password/reset", {"email": "nobody@example.org"}, follow_redirects=True)

        assert known.status_code == unknown.status_code
        assert "If somebody signs in with this address" in known.text
        assert "If somebody signs in with this address" in unknown.text
        assert [letter.recipient for letter in letters()] == [email]
        assert "/password/reset/" not in known.text

    def test_does_not_go_past_the_second_step(self, client: FlaskClient) -> None:
        who = make_login(Audience.OPERATOR, password="nine red doors")

        post(client, ask_for_link(client, person(who).email), {"password": ANOTHER, "password_confirm": ANOTHER})
        answer = post(client, "/sign-in", {"email": person(who).email, "password": ANOTHER})

        assert answer.location == "/account/second-step"


class TestChange:
    def test_ends_every_other_session_and_tells_the_person(self, app: Flask, client: FlaskClient) -> None:
        email = person(make_login(Audience.WORKER, password=PASSWORD)).email
        other = app.test_client()
        for one in (client, other):
            post(one, "/sign-in", {"email": email, "password": PASSWORD})
        words = {"password": PASSWORD, "new_password": ANOTHER, "new_password_confirm": ANOTHER}

        answer = post(client, "/account/password", words)

        assert answer.status_code == 302
        assert client.get("/account/").status_code == 200
        assert other.get("/account/").status_code == 302
        assert "Your password was changed" in client.get("/account/").text

    @pytest.mark.parametrize(
        ("present", "new", "repeated"),
        [
            ("seven brown boats", ANOTHER, ANOTHER),
            (PASSWORD, "too short", "too short"),
            (PASSWORD, ANOTHER, "twelve blue horse"),
            (PASSWORD, PASSWORD, PASSWORD),
        ],
    )
    def test_is_refused_and_nothing_moves(self, client: FlaskClient, present: str, new: str, repeated: str) -> None:
        who = make_login(Audience.WORKER, password=PASSWORD)
        before = person(who).password
        post(client, "/sign-in", {"email": person(who).email, "password": PASSWORD})

        answer = post(
            client, "/account/password", {"password": present, "new_password": new, "new_password_confirm": repeated}
        )

        assert "usa-error-message" in answer.text
        assert person(who).password == before
