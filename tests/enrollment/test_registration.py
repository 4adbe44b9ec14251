"""Does a person come out of registration with a sign-in, an account and a number, or with nothing?"""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select, update

from enrollment import account_numbers, memberships, registration
from enrollment.models import BenefitAccount, Worker
from enrollment.pages.worker_register import AT_MOST_AN_HOUR
from enrollment.registration import Person
from exchange.database import db, in_unit_of_work, unit_of_work
from exchange.errors import Refusal
from exchange.identity import login
from exchange.identity.actors import ANONYMOUS, Audience
from exchange.identity.login.newcomers import LETTERS_AN_HOUR
from exchange.identity.people import Login
from exchange.notices import Notice
from exchange.outgoing_mail import OutgoingMail
from tests.support.at_once import at_once
from tests.support.counting import statements
from tests.support.databases import CONFIG, AppFactory
from tests.support.enrollment_makers import WHILE_OPEN, Town
from tests.support.signing_in import post, sign_in
from tests.support.spanish import teach

PASSWORD = "seven green boats"
MARIA = {"name": "Maria Chen", "email": "maria@example.org", "place": "US-WA"}
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


def letters_to(address: str) -> list[str]:
    """The texts of all letters to somebody, the latest last."""
    m = OutgoingMail
    return list(db.session.execute(select(m.body).where(m.recipient == address).order_by(m.id)).scalars())


def everybody() -> list[str]:
    """All sign-ins and account numbers."""
    found = select(Login.email).union_all(select(BenefitAccount.number))
    return sorted(db.session.execute(found).scalars())


class TestTwoAtOnce:
    def test_with_one_address_come_out_as_one_person(self, app: Flask, town: Town) -> None:
        said = at_once(app, lambda: register(town, ADA), times=6)

        assert said == {"done": 1, "EmailTaken": 5}
        assert db.session.execute(select(func.count()).select_from(Worker)).scalar_one() == 1


class TestThroughThePage:
    def test_a_newcomer_chooses_a_password_by_a_letter_and_finds_his_number(
        self, client: FlaskClient, town: Town
    ) -> None:
        post(client, "/register/", MARIA)
        link = re.search(r"http://localhost(/password/reset/\S+)", letters_to(MARIA["email"])[-1])
        assert link is not None
        post(client, link[1], {"password": PASSWORD, "password_confirm": PASSWORD})

        answer = post(client, "/sign-in", {"email": MARIA["email"], "password": PASSWORD})

        assert (answer.status_code, answer.location) == (302, "/account/start")
        assert db.session.execute(select(BenefitAccount.number)).scalar_one() in client.get("/worker/card").text

    def test_tells_nobody_whether_an_address_has_an_account(self, app: Flask, client: FlaskClient, town: Town) -> None:
        register(town, replace(ADA, password=PASSWORD))
        statements_of, shown = [], []
        for email in ("new@example.org", ADA.email.upper(), "other@example.org"):
            visitor = app.test_client()
            with statements() as told:
                answer = post(visitor, "/register/", {**MARIA, "email": email})
            assert (answer.status_code, answer.location) == (303, "/register/sent")
            page = visitor.get("/register/sent")
            shown.append(page.text.replace(email.lower(), "").replace(page.headers["X-Request-ID"], ""))
            statements_of.append(len(told))
            signed_in = post(visitor, "/sign-in", {"email": email, "password": "some other words"})
            assert "Address or password is not right" in signed_in.text
        assert shown[0] == shown[1] == shown[2]
        assert abs(statements_of[1] - statements_of[2]) <= 3, "whose address it is takes as long as a new one"

    def test_tells_the_owner_of_an_address_in_his_language_and_enters_nothing(
        self, client: FlaskClient, town: Town
    ) -> None:
        register(town, ADA)
        with unit_of_work():
            db.session.execute(update(Login).values(language="es"))
        before = everybody()
        teach(client.application)

        post(client, "/register/", {**MARIA, "email": ADA.email})

        assert everybody() == before
        assert "http://localhost/sign-in" in letters_to(ADA.email.lower())[-1]
        assert "Alguien" in letters_to(ADA.email.lower())[-1]

    def test_sends_one_address_a_few_letters_only(self, client: FlaskClient, town: Town) -> None:
        answers = [post(client, "/register/", MARIA).status_code for _ in range(LETTERS_AN_HOUR + 1)]

        assert answers == [303] * LETTERS_AN_HOUR + [422]
        assert len(letters_to(MARIA["email"])) == 1 + LETTERS_AN_HOUR  # the number, and how to go on

    def test_shows_nothing_sent_to_whoever_sent_nothing(self, client: FlaskClient, town: Town) -> None:
        assert client.get("/register/sent").location == "/register/"

    def test_too_many_tries_are_slowed_down(self, client: FlaskClient, town: Town) -> None:
        data = {**MARIA, "email": "nonsense"}

        answers = [post(client, "/register/", data).status_code for _ in range(AT_MOST_AN_HOUR + 1)]

        assert set(answers[:-1]) == {422}
        assert answers[-1] == 429
        assert db.session.execute(select(Worker)).first() is None

    def test_works_in_a_demonstration_which_counts_no_tries(
        self, app: Flask, town: Town, create_app: AppFactory
    ) -> None:
        demo = create_app({**CONFIG, "DEMO": True, "SQLALCHEMY_DATABASE_URI": app.config["SQLALCHEMY_DATABASE_URI"]})
        demo.test_client_class = app.test_client_class

        with demo.app_context():
            visitor = demo.test_client()
            answers = [post(visitor, "/register/", MARIA) for _ in range(LETTERS_AN_HOUR + 1)]
            db.session.remove()
            db.engine.dispose()

        assert {(answer.status_code, answer.location) for answer in answers} == {(303, "/register/sent")}

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
