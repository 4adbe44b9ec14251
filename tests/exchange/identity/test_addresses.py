"""Does somebody sign in with another address only once he has read a letter there, and learn nothing of others'?"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import time_machine
from flask.testing import FlaskClient
from sqlalchemy import select

from exchange.database import db
from exchange.identity.actors import Audience
from exchange.identity.people import Login
from exchange.outgoing_mail import OutgoingMail
from exchange.pages.account import LETTERS_AN_HOUR, NEW_ADDRESSES_AN_HOUR
from tests.support.signing_in import make_login, post, sign_in

NOON = datetime(2026, 11, 2, 20, tzinfo=UTC)
NEW = "new@example.org"


def address_of(login_id: int) -> str:
    db.session.rollback()
    return db.session.execute(select(Login.email).where(Login.id == login_id)).scalar_one()


def letters(to: str) -> list[str]:
    db.session.rollback()
    rows = select(OutgoingMail.body).where(OutgoingMail.recipient == to).order_by(OutgoingMail.id)
    return list(db.session.execute(rows).scalars())


def link_in(letter: str) -> str:
    found = re.search(r"http://localhost(/account/address/\S+)", letter)
    assert found, letter
    return found[1]


def ask(client: FlaskClient, email: str) -> str:
    """Ask, and give what the page says then, without the address itself and the forms' tokens."""
    assert post(client, "/account/contact", {"name": "Eve", "email": email}).status_code == 303
    page = client.get("/account/").text.replace(email, "…")
    return "\n".join(line for line in page.splitlines() if "csrf_token" not in line)


class TestAnotherAddress:
    def test_counts_once_the_link_in_its_letter_is_followed_and_both_are_told(self, client: FlaskClient) -> None:
        eve = make_login(Audience.WORKER)
        before = address_of(eve)
        sign_in(client, eve)

        assert "you sign in with the old address" in ask(client, "New@Example.org").replace("…", NEW)
        assert address_of(eve) == before
        link = link_in(letters(NEW)[0])
        assert NEW in client.get(link).text
        assert address_of(eve) == before  # to look is not to say yes
        assert post(client, link).status_code == 303

        assert address_of(eve) == NEW
        assert "was changed" not in letters(NEW)[0]
        assert len(letters(before)) == 1
        assert len(letters(NEW)) == 2

    def test_of_somebody_else_is_answered_alike_and_tells_him(self, client: FlaskClient) -> None:
        eve, other = make_login(Audience.WORKER), address_of(make_login(Audience.WORKER))
        sign_in(client, eve)

        assert ask(client, other) == ask(client, NEW)

        assert "/account/address/" not in letters(other)[0]
        assert "you do so already" in letters(other)[0]

    def test_is_not_taken_by_a_link_that_is_old_used_changed_or_of_somebody_else(self, client: FlaskClient) -> None:
        eve, mallory = make_login(Audience.WORKER), make_login(Audience.WORKER)
        before = address_of(eve)
        with time_machine.travel(NOON, tick=False) as clock:
            sign_in(client, eve)
            ask(client, NEW)
            link = link_in(letters(NEW)[0])

            for wrong in (link[:-2], link.replace("/address/", "/address/x"), "/account/address/nonsense"):
                assert "This link is good once" in post(client, wrong).text
            sign_in(client, mallory)
            assert "This link is good once" in post(client, link).text
            clock.shift(timedelta(minutes=10, seconds=1))
            sign_in(client, eve)
            assert "This link is good once" in post(client, link).text
            assert address_of(eve) == before

            ask(client, NEW)
            assert post(client, link_in(letters(NEW)[1])).status_code == 303
            assert "This link is good once" in post(client, link_in(letters(NEW)[1])).text
            assert address_of(eve) == NEW
            assert address_of(mallory) != NEW

    def test_that_somebody_else_took_meanwhile_is_refused(self, client: FlaskClient) -> None:
        eve, other = make_login(Audience.WORKER), make_login(Audience.WORKER)
        sign_in(client, eve)
        ask(client, NEW)
        db.session.get_one(Login, other).email = NEW
        db.session.commit()

        answer = post(client, link_in(letters(NEW)[0]))

        assert answer.status_code == 422
        assert "Somebody signs in with this address already." in answer.text
        assert address_of(eve) != NEW

    def test_is_asked_for_a_few_times_an_hour_so_that_nobody_is_flooded_with_letters(self, client: FlaskClient) -> None:
        sign_in(client, make_login(Audience.WORKER))
        for number in range(NEW_ADDRESSES_AN_HOUR):
            ask(client, f"{number}@example.org")
        refused = post(client, "/account/contact", {"name": "Eve", "email": "one-more@example.org"})
        assert "There were too many tries." in refused.text
        assert letters("one-more@example.org") == []

        for number in range(LETTERS_AN_HOUR + 1):
            sign_in(client, make_login(Audience.WORKER))
            post(client, "/account/contact", {"name": f"Eve {number}", "email": "victim@example.org"})
        assert len(letters("victim@example.org")) == LETTERS_AN_HOUR
