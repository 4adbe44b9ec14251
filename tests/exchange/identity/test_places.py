"""Is the owner told when his account is signed in to from somewhere new, and is nobody's way kept?"""

from __future__ import annotations

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from exchange.database import db, unit_of_work
from exchange.identity.actors import Audience
from exchange.identity.login import places
from exchange.identity.people import Login
from exchange.notices import Notice
from exchange.outgoing_mail import OutgoingMail
from tests.support.signing_in import make_login, post

PASSWORD = "seven green boats"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
NEWER = FIREFOX.replace("140", "141")
OTHER = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/143.0.0.0 Safari/537.36"
HOME, NEIGHBOUR, ABROAD = "198.51.100.7", "198.51.7.9", "203.0.113.7"


@pytest.fixture
def ada(app: Flask) -> Login:
    """A worker who has signed in at home once."""
    found = db.session.get_one(Login, make_login(Audience.WORKER, password=PASSWORD))
    enter(app.test_client(), found)
    return found


def enter(client: FlaskClient, login: Login, *, address: str = HOME, browser: str = FIREFOX) -> None:
    """Sign in by the form."""
    answer = post(
        client,
        "/sign-in",
        {"email": login.email, "password": PASSWORD},
        environ_overrides={"REMOTE_ADDR": address},
        headers={"User-Agent": browser},
    )
    assert answer.status_code in {302, 303}


def letters() -> list[tuple[str, str]]:
    rows = select(OutgoingMail.recipient, OutgoingMail.subject).order_by(OutgoingMail.id)
    return [(recipient, subject) for recipient, subject in db.session.execute(rows)]


class TestSignIn:
    def test_of_the_first_time_tells_nobody(self, ada: Login) -> None:
        assert letters() == []

    @pytest.mark.parametrize(
        ("address", "browser", "is_told"),
        [
            (HOME, FIREFOX, False),
            (HOME, NEWER, False),
            (NEIGHBOUR, FIREFOX, False),
            (ABROAD, FIREFOX, True),
            (HOME, OTHER, True),
            ("2001:db8:7::1", FIREFOX, True),
        ],
    )
    def test_from_somewhere_new_is_told_to_the_owner(
        self, app: Flask, ada: Login, address: str, browser: str, is_told: bool
    ) -> None:
        enter(app.test_client(), ada, address=address, browser=browser)

        assert letters() == [(ada.email, "Somebody signed in from somewhere new")] * is_told
        assert [one.login_id for one in db.session.execute(select(Notice)).scalars()] == [ada.id] * is_told

    def test_from_there_again_is_not(self, app: Flask, ada: Login) -> None:
        for address in (ABROAD, HOME, ABROAD):
            enter(app.test_client(), ada, address=address)

        assert len(letters()) == 1

    def test_is_told_in_the_owners_language_whatever_the_visitors_is(self, app: Flask, ada: Login) -> None:
        with unit_of_work():
            db.session.get_one(Login, ada.id).language = "es"

        enter(app.test_client(), ada, address=ABROAD)

        assert [subject for _, subject in letters()] == ["Alguien ha entrado desde un lugar nuevo"]

    def test_that_is_refused_is_no_place(self, app: Flask, ada: Login) -> None:
        wrong = {"email": ada.email, "password": "not the right one"}
        post(app.test_client(), "/sign-in", wrong, environ_overrides={"REMOTE_ADDR": ABROAD})

        assert letters() == []


class TestPlaces:
    def test_are_kept_as_digests_that_two_logins_do_not_share(self, app: Flask, ada: Login) -> None:
        ben = db.session.get_one(Login, make_login(Audience.WORKER, "Ben Ortiz", password=PASSWORD))
        enter(app.test_client(), ben)

        (of_ada,), (of_ben,) = ada.known_from or [], ben.known_from or []
        assert of_ada != of_ben
        assert (len(of_ada), HOME in of_ada, "Firefox" in of_ada) == (32, False, False)

    def test_are_the_latest_only(self, app: Flask, ada: Login) -> None:
        for n in range(places.AT_MOST + 3):
            enter(app.test_client(), ada, address=f"10.{n}.0.1")

        assert len(ada.known_from or []) == places.AT_MOST
