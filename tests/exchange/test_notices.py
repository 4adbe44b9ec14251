"""Does a notice reach its reader, and nobody else?"""

from __future__ import annotations

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from exchange import notices
from exchange.database import db, unit_of_work
from exchange.identity.actors import Audience
from exchange.identity.people import Login
from exchange.notices import Notice
from exchange.outgoing_mail import OutgoingMail
from tests.support.signing_in import AT, BY, make_login, post, sign_in


def tell(subject: str, **reader: int | None) -> None:
    with unit_of_work():
        notices.notify(subject, body="First line.\nSecond line.", by=BY, at=AT, **reader)


class TestNotice:
    def test_to_a_person_stands_on_his_page_and_goes_by_mail(self, client: FlaskClient) -> None:
        ada, ben = make_login(Audience.WORKER), make_login(Audience.WORKER, "Ben Ito")
        tell("Your leave was approved", login_id=ada)

        sign_in(client, ada)
        hers = client.get("/account/").text
        sign_in(client, ben)
        his = client.get("/account/").text

        assert "Your leave was approved" in hers
        assert "Second line." in hers
        assert "Your leave was approved" not in his
        letter = db.session.execute(select(OutgoingMail)).scalar_one()
        assert (letter.recipient, letter.sent_at) == (db.session.get_one(Login, ada).email, None)

    def test_to_an_organization_is_read_by_its_staff_alone(self, client: FlaskClient) -> None:
        one, other = make_login(Audience.PROVIDER), make_login(Audience.PROVIDER, "Ben Ito")
        tell("Your standing changed", organization_id=db.session.get_one(Login, one).organization_id)

        sign_in(client, one)
        assert "Your standing changed" in client.get("/account/").text
        sign_in(client, other)
        assert "Your standing changed" not in client.get("/account/").text

    def test_is_read_once_and_only_by_its_reader(self, client: FlaskClient) -> None:
        ada, ben = make_login(Audience.WORKER), make_login(Audience.WORKER, "Ben Ito")
        tell("Your leave was approved", login_id=ada)
        sign_in(client, ben)
        post(client, "/account/notices/read")
        assert db.session.execute(select(Notice.read_at)).scalar_one() is None

        sign_in(client, ada)
        post(client, "/account/notices/read")

        first = db.session.execute(select(Notice.read_at)).scalar_one()
        post(client, "/account/notices/read")
        assert first is not None
        assert db.session.execute(select(Notice.read_at)).scalar_one() == first
        assert notices.count_unread(db.session.get_one(Login, ada).as_actor()) == 0

    @pytest.mark.parametrize("reader", [{}, {"login_id": 1, "organization_id": 1}])
    def test_has_exactly_one_reader(self, app: Flask, reader: dict[str, int]) -> None:
        with pytest.raises(AssertionError), unit_of_work():
            notices.notify("To whom?", body="", by=BY, at=AT, **reader)
