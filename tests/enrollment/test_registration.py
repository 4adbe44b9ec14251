"""Does a person come out of registration with a sign-in, an account and a number, or with nothing?"""

from __future__ import annotations

from dataclasses import replace

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select

from enrollment import account_numbers, memberships, registration
from enrollment.models import BenefitAccount, Worker
from enrollment.pages.worker_register import AT_MOST_AN_HOUR
from enrollment.registration import Person
from exchange.database import db, in_unit_of_work
from exchange.errors import Refusal
from exchange.identity import login
from exchange.identity.actors import ANONYMOUS, Audience
from exchange.identity.people import Login
from exchange.notices import Notice
from tests.support.at_once import at_once
from tests.support.databases import CONFIG, AppFactory
from tests.support.enrollment_makers import WHILE_OPEN, Town
from tests.support.signing_in import post, sign_in

ADA = Person("Ada Flores", "Ada.Flores@Example.org", "seven green boats", "US-WA/King County")


@pytest.fixture
def town(app: Flask) -> Town:
    """Three providers and an open enrollment on this test's database."""
    return Town()


def register(town: Town, person: Person) -> int:
    """Register in a unit of work of its own; the account's id."""
    return in_unit_of_work(
        lambda: registration.register(person, policy=town.policy, by=ANONYMOUS, at=WHILE_OPEN).account.id
    )


class TestTwoAtOnce:
    def test_with_one_address_come_out_as_one_person(self, app: Flask, town: Town) -> None:
        said = at_once(app, lambda: register(town, ADA), times=6)

        assert said == {"done": 1, "EmailTaken": 5}
        assert db.session.execute(select(func.count()).select_from(Worker)).scalar_one() == 1


class TestThroughThePage:
    def test_too_many_tries_are_slowed_down(self, client: FlaskClient, town: Town) -> None:
        data = {"name": "Ada", "email": "nonsense", "place": "US-WA", "password": "seven green boats"}

        answers = [post(client, "/register/", data).status_code for _ in range(AT_MOST_AN_HOUR + 1)]

        assert set(answers[:-1]) == {422}
        assert answers[-1] == 429
        assert db.session.execute(select(Worker)).first() is None

    def test_works_in_a_demonstration_which_counts_no_tries(
        self, app: Flask, town: Town, create_app: AppFactory
    ) -> None:
        demo = create_app({**CONFIG, "DEMO": True, "SQLALCHEMY_DATABASE_URI": app.config["SQLALCHEMY_DATABASE_URI"]})
        demo.test_client_class = app.test_client_class
        data = {"name": "Ada", "email": "ada@example.org", "place": "US-WA", "password": "seven green boats"}

        with demo.app_context():
            answer = post(demo.test_client(), "/register/", data)
            db.session.remove()
            db.engine.dispose()

        assert (answer.status_code, answer.location) == (303, "/worker/card?welcome=yes")

    def test_a_worker_who_is_signed_in_is_led_home(self, client: FlaskClient, town: Town) -> None:
        account = db.session.get_one(BenefitAccount, register(town, ADA))
        login_id = db.session.get_one(Worker, account.worker_id).login_id
        assert login_id is not None
        sign_in(client, login_id)

        assert client.get("/register/").location == "/account/start"


class TestRegister:
    def test_gives_a_sign_in_and_an_account_that_the_exchange_holds(self, town: Town) -> None:
        account_id = register(town, ADA)

        account = db.session.get_one(BenefitAccount, account_id)
        worker = db.session.get_one(Worker, account.worker_id)
        way_in = db.session.get_one(Login, worker.login_id)
        assert account_numbers.parse(account.number) == account.number
        assert (way_in.email, way_in.audience) == ("ada.flores@example.org", Audience.WORKER)
        assert memberships.current(account_id).provider_id == town.exchange
        assert account.number in db.session.execute(select(Notice.body)).scalar_one()

    @pytest.mark.parametrize(
        ("person", "refusal"),
        [
            (ADA, login.EmailTaken),
            (replace(ADA, email="ada at example"), login.BadEmail),
            (replace(ADA, email="b@example.org", password="short"), login.WeakPassword),
            (replace(ADA, email="b@example.org", place="US-OR"), registration.UnknownPlace),
        ],
    )
    def test_refuses_and_leaves_nothing_behind(self, town: Town, person: Person, refusal: type[Refusal]) -> None:
        register(town, ADA)

        with pytest.raises(refusal):
            register(town, person)

        counted = [
            db.session.execute(select(func.count()).select_from(table)).scalar_one()
            for table in (Worker, BenefitAccount)
        ]
        assert counted == [1, 1]
