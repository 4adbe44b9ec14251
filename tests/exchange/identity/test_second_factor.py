"""Does the second factor do what a second factor should?"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from flask import current_app
from flask.testing import FlaskClient

from exchange.database import db
from exchange.identity.actors import Audience
from exchange.identity.people import Login
from tests.support.signing_in import make_login, post

PASSWORD = "nine red doors"
NOON = datetime(2026, 11, 2, 20, tzinfo=UTC)
MUST_HAVE_ONE = (Audience.PROVIDER, Audience.REGULATOR, Audience.OPERATOR)


@pytest.fixture
def clock() -> Iterator[time_machine.Traveller]:
    """Time that stands until it is moved: codes change every 30 seconds."""
    with time_machine.travel(NOON, tick=False) as traveller:
        yield traveller


def begin(client: FlaskClient, login_id: int) -> str:
    """Give the password; gives where that leads."""
    email = db.session.get_one(Login, login_id).email
    return post(client, "/sign-in", {"email": email, "password": PASSWORD}).location or ""


def code_of(login_id: int) -> str:
    """The code that the person's authenticator shows now."""
    secret = db.session.get_one(Login, login_id).tf_totp_secret
    return str(current_app.extensions["security"].totp_factory.generate_totp_password(secret))


def set_up(client: FlaskClient, login_id: int) -> None:
    """Go through the setting up of the second step, signed in or on the way in."""
    shown = post(client, "/account/second-step", {"setup": "authenticator"}).text
    with client.session_transaction() as session:
        secret = session["tf_totp_secret"]
    code = current_app.extensions["security"].totp_factory.generate_totp_password(secret)
    token = re.search(r'action="(/account/second-step/[^"]+|/sign-in/code)"', shown)
    assert token is not None
    assert post(client, token[1], {"code": code}).status_code == 302
    assert db.session.get_one(Login, login_id).has_second_factor


def with_second_factor(
    client: FlaskClient, clock: time_machine.Traveller, audience: Audience = Audience.OPERATOR
) -> int:
    """A member of staff who set the second step up a while ago and signed out."""
    who = make_login(audience, password=PASSWORD)
    begin(client, who)
    set_up(client, who)
    post(client, "/sign-out")
    clock.shift(timedelta(minutes=5))
    return who


class TestSetUp:
    @pytest.mark.parametrize("audience", MUST_HAVE_ONE)
    def test_comes_before_anything_else_for_who_must_have_one(
        self, client: FlaskClient, clock: time_machine.Traveller, audience: Audience
    ) -> None:
        who = make_login(audience, password=PASSWORD)

        assert begin(client, who) == "/account/second-step"
        assert client.get("/account/").status_code == 302

        set_up(client, who)

        assert client.get("/account/").status_code == 200

    def test_is_left_to_the_worker(self, client: FlaskClient, clock: time_machine.Traveller) -> None:
        who = make_login(Audience.WORKER, password="seven green boats")
        post(client, "/sign-in", {"email": db.session.get_one(Login, who).email, "password": "seven green boats"})
        assert client.get("/account/").status_code == 200

        set_up(client, who)

        assert db.session.get_one(Login, who).check_tf_required([], False)[0]

    def test_cannot_be_undone_since_the_password_may_be_short(
        self, client: FlaskClient, clock: time_machine.Traveller
    ) -> None:
        who = make_login(Audience.OPERATOR, password=PASSWORD)
        begin(client, who)
        set_up(client, who)

        answer = post(client, "/account/second-step", {"setup": "disable"})

        assert "not taken away" in answer.text
        assert db.session.get_one(Login, who).has_second_factor

    def test_needs_the_right_code(self, client: FlaskClient, clock: time_machine.Traveller) -> None:
        who = make_login(Audience.OPERATOR, password=PASSWORD)
        begin(client, who)
        post(client, "/account/second-step", {"setup": "authenticator"})

        post(client, "/sign-in/code", {"code": "000000"})

        assert not db.session.get_one(Login, who).has_second_factor
        assert client.get("/account/").status_code == 302


class TestCode:
    def test_is_asked_for_after_the_password(self, client: FlaskClient, clock: time_machine.Traveller) -> None:
        who = with_second_factor(client, clock)

        assert begin(client, who).startswith("/sign-in/code")
        assert client.get("/account/").status_code == 302
        assert post(client, "/sign-in/code", {"code": code_of(who)}).status_code == 302
        assert client.get("/account/").status_code == 200

    def test_works_once(self, client: FlaskClient, clock: time_machine.Traveller) -> None:
        who = with_second_factor(client, clock)
        code = code_of(who)
        begin(client, who)
        post(client, "/sign-in/code", {"code": code})
        post(client, "/sign-out")

        begin(client, who)
        again = post(client, "/sign-in/code", {"code": code})

        assert "used before" in again.text
        assert client.get("/account/").status_code == 302

    def test_older_than_the_last_one_taken_is_refused(self, client: FlaskClient, clock: time_machine.Traveller) -> None:
        who = with_second_factor(client, clock)
        older = code_of(who)
        clock.shift(timedelta(seconds=30))
        begin(client, who)
        post(client, "/sign-in/code", {"code": code_of(who)})
        post(client, "/sign-out")

        begin(client, who)
        post(client, "/sign-in/code", {"code": older})

        assert client.get("/account/").status_code == 302

    @pytest.mark.parametrize(("seconds", "status"), [(0, 200), (30, 200), (120, 302)])
    def test_works_a_short_while(
        self, client: FlaskClient, clock: time_machine.Traveller, seconds: int, status: int
    ) -> None:
        who = with_second_factor(client, clock)
        begin(client, who)
        code = code_of(who)
        clock.shift(timedelta(seconds=seconds))

        post(client, "/sign-in/code", {"code": code})

        assert client.get("/account/").status_code == status

    def test_without_the_password_opens_nothing(self, client: FlaskClient, clock: time_machine.Traveller) -> None:
        who = with_second_factor(client, clock)

        answer = post(client, "/sign-in/code", {"code": code_of(who)})

        assert (answer.status_code, answer.location) == (302, "/sign-in")
        assert client.get("/account/").status_code == 302

    @pytest.mark.parametrize("engine_name", ["sqlite"])
    @pytest.mark.parametrize("page", ["/sign-in/code", "/sign-in/recovery"])
    def test_is_guessed_fifty_times_an_hour_whatever_the_form_says_and_wherever_it_comes_from(
        self, client: FlaskClient, clock: time_machine.Traveller, page: str
    ) -> None:
        """Three codes in a million are right: a field more must not make each guess another account's."""
        begin(client, with_second_factor(client, clock))

        tried = [
            post(
                client,
                page,
                {"code": "000000", "email": f"person{n}@example.org"},
                environ_overrides={"REMOTE_ADDR": f"198.51.{n}.4"},
            ).status_code
            for n in range(51)
        ]

        assert tried == [200] * 50 + [429]


class TestRecoveryCode:
    def test_lets_in_once(self, client: FlaskClient, clock: time_machine.Traveller) -> None:
        who = make_login(Audience.OPERATOR, password=PASSWORD)
        begin(client, who)
        set_up(client, who)
        shown = post(client, "/account/recovery-codes").text
        code = re.findall(r"<li>([^<\s]+)</li>", shown)[0]
        post(client, "/sign-out")

        begin(client, who)
        first = post(client, "/sign-in/recovery", {"code": code})
        inside = client.get("/account/").status_code
        post(client, "/sign-out")
        begin(client, who)
        post(client, "/sign-in/recovery", {"code": code})

        assert (first.status_code, inside) == (302, 200)
        assert client.get("/account/").status_code == 302
        assert len(db.session.get_one(Login, who).mf_recovery_codes or []) == 9

    def test_is_not_kept_in_plain_letters(self, client: FlaskClient, clock: time_machine.Traveller) -> None:
        who = make_login(Audience.OPERATOR, password=PASSWORD)
        begin(client, who)
        set_up(client, who)

        shown = re.findall(r"<li>([^<\s]+)</li>", post(client, "/account/recovery-codes").text)

        kept = db.session.get_one(Login, who).mf_recovery_codes or []
        assert len(shown) == len(kept) == 10
        assert not set(shown) & set(kept)
