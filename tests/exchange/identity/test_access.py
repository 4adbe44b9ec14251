"""Is what an actor may reach decided in one place, the same for everybody?"""

from __future__ import annotations

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from exchange import notices
from exchange.database import db, unit_of_work
from exchange.errors import NotAllowed, NotFound
from exchange.identity import access
from exchange.identity.access import ANONYMOUS
from exchange.identity.actors import Audience, system_actor
from exchange.identity.organizations import Organization
from exchange.identity.people import Login
from exchange.notices import Notice
from tests.support.signing_in import AT, BY, make_login, sign_in


class TestOne:
    def test_finds_what_is_the_actors_and_hides_what_is_not(self, app: Flask) -> None:
        ada, ben = make_login(Audience.WORKER), make_login(Audience.WORKER)
        with unit_of_work():
            notices.notify("Hello", body="", login_id=ada, by=BY, at=AT)
        notice_id = db.session.execute(select(Notice.id)).scalar_one()

        assert access.one(Notice, db.session.get_one(Login, ada).as_actor(), id=notice_id).subject == "Hello"
        for other in (db.session.get_one(Login, ben).as_actor(), ANONYMOUS, system_actor("job:x")):
            with pytest.raises(NotFound):
                access.one(Notice, other, id=notice_id)

    def test_hides_an_organizations_from_who_acts_for_none(self, app: Flask) -> None:
        staff = db.session.get_one(Login, make_login(Audience.PROVIDER)).as_actor()
        worker = db.session.get_one(Login, make_login(Audience.WORKER)).as_actor()
        with unit_of_work():
            notices.notify("Hello", body="", organization_id=staff.organization_id, by=BY, at=AT)
        notice_id = db.session.execute(select(Notice.id)).scalar_one()

        assert access.one(Notice, staff, id=notice_id).subject == "Hello"
        for other in (worker, ANONYMOUS, system_actor("job:x")):
            with pytest.raises(NotFound):
                access.one(Notice, other, id=notice_id)

    def test_says_the_same_of_what_does_not_exist(self, app: Flask) -> None:
        ada = db.session.get_one(Login, make_login(Audience.WORKER)).as_actor()

        with pytest.raises(NotFound):
            access.one(Notice, ada, id=404)

    def test_needs_somebody_to_have_said_who_may(self, app: Flask) -> None:
        with pytest.raises(AssertionError, match="Organization"):
            access.selecting(Organization, ANONYMOUS)

    def test_is_said_once_for_each_table(self) -> None:
        with pytest.raises(AssertionError, match="Notice"):
            access.scope_of(Notice)(lambda _actor: Notice.id > 0)


class TestRequireOrganization:
    def test_gives_that_of_staff_and_refuses_a_worker(self, app: Flask) -> None:
        staff = db.session.get_one(Login, make_login(Audience.EMPLOYER))

        assert access.require_organization(staff.as_actor()) == staff.organization_id
        with pytest.raises(NotAllowed):
            access.require_organization(db.session.get_one(Login, make_login(Audience.WORKER)).as_actor())


class TestSecondFactor:
    def test_that_was_taken_away_is_asked_for_at_the_next_page(self, client: FlaskClient) -> None:
        who = make_login(Audience.OPERATOR)
        sign_in(client, who)
        assert client.get("/operator/").status_code == 200
        with unit_of_work():
            person = db.session.get_one(Login, who)
            person.tf_primary_method = person.tf_totp_secret = None

        answer = client.get("/operator/")

        assert (answer.status_code, answer.location) == (302, "/account/second-step")
