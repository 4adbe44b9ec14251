"""Is what was paid booked once, and only what was paid?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import NoReturn

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from exchange import audit
from exchange.audit import AuditEvent
from exchange.database import db, in_unit_of_work, unit_of_work
from exchange.errors import NotFound, Refusal
from exchange.identity import organizations
from exchange.identity.access import selecting
from exchange.identity.actors import ANONYMOUS, Actor, Audience, system_actor
from exchange.identity.organizations import OrganizationKind
from exchange.payments import gateway, payments, purposes
from exchange.payments.gateway import Charge, ChargeState, Checkout, NoGateway, Request
from exchange.payments.local_gateway import LocalCharge
from exchange.payments.payments import OtherPaymentUnderWay, Payment, PaymentContradicted, PaymentState
from exchange.payments.purposes import Purpose
from tests.support.signing_in import make_login, post, sign_in

BY = system_actor("test")
AT = datetime(2026, 11, 2, 17, tzinfo=UTC)
BACK = "/employer/remittances/7"
DOUBLES = 100


class CannotBook(Refusal):
    """The remittance is gone."""


def book(subject_id: int, /, *, payment_id: int, amount_cents: int, by: Actor, at: datetime) -> None:
    audit.record("test.booked", f"remittance:{subject_id}", by=by, at=at, facts=f"{payment_id} {amount_cents}")


def refuse(_subject_id: int, /, *, payment_id: int, amount_cents: int, by: Actor, at: datetime) -> NoReturn:
    raise CannotBook("The remittance is gone.")


class FarAway:
    """Another gateway, of which only the name matters here."""

    name = "far away"

    def begin(self, request: Request, /) -> Checkout:
        return Checkout("/", request.reference)

    def status(self, gateway_reference: str, /) -> Charge:
        return Charge(gateway_reference, ChargeState.OPEN, 1)


def booked() -> Counter[str]:
    db.session.rollback()
    events = select(AuditEvent.subject).where(AuditEvent.action == "test.booked")
    return Counter(db.session.execute(events).scalars())


@pytest.fixture(autouse=True)
def _purposes(app: Flask) -> Iterator[None]:
    real = app.extensions["payment_purposes"]
    purposes.init_app(app, {"remittance": Purpose("Contributions", book), "lost": Purpose("Lost", refuse)})
    yield
    purposes.init_app(app, real)


@pytest.fixture
def payer(app: Flask) -> int:
    with unit_of_work():
        employer = organizations.found("Oak Street Cafe", kind=OrganizationKind.EMPLOYER, by=BY, at=AT)
        return employer.id


def start(payer: int, *, purpose: str = "remittance", subject_id: int = 7, cents: int = 12_050) -> int:
    return in_unit_of_work(
        lambda: payments.start(
            purpose, subject_id=subject_id, payer_id=payer, amount_cents=cents, reference="R-7", by=BY, at=AT
        )
    )


def checkout(app: Flask, payment_id: int) -> str:
    """The address of the bank's page."""
    with app.test_request_context():
        return payments.checkout(payment_id, return_url=BACK)


@pytest.fixture
def bank_page(app: Flask, payer: int) -> str:
    return checkout(app, start(payer))


def name_of(page: str) -> str:
    return page.rpartition("/")[2]


def tell(name: str, state: ChargeState, cents: int = 12_050) -> PaymentState:
    return in_unit_of_work(lambda: payments.record(Charge(name, state, cents), by=BY, at=AT))


def standing(subject_id: int = 7) -> PaymentState | None:
    db.session.rollback()
    latest = payments.latest("remittance", subject_id)
    return None if latest is None else latest.state


class TestStart:
    def test_again_with_the_same_is_the_same_payment(self, payer: int) -> None:
        assert start(payer) == start(payer)

    def test_refuses_another_amount_while_one_is_under_way(self, payer: int) -> None:
        first = start(payer)

        with pytest.raises(OtherPaymentUnderWay):
            start(payer, cents=12_051)

        latest = payments.latest("remittance", 7)
        assert latest is not None
        assert (latest.payment_id, latest.amount_cents) == (first, 12_050)

    def test_is_another_payment_after_one_was_refused(self, app: Flask, payer: int) -> None:
        first = start(payer)
        tell(name_of(checkout(app, first)), ChargeState.REFUSED)

        assert start(payer, cents=9_900) != first

    def test_twice_at_once_is_one_payment(self, app: Flask, payer: int) -> None:
        def again(_: int) -> int:
            with app.app_context():
                return start(payer)

        with ThreadPoolExecutor(8) as pool:
            assert len(set(pool.map(again, range(24)))) == 1


class TestCheckout:
    def test_again_leads_to_the_same_page_of_the_bank(self, app: Flask, payer: int) -> None:
        payment = start(payer)

        assert checkout(app, payment) == checkout(app, payment)
        assert len(db.session.execute(select(LocalCharge)).all()) == 1

    def test_of_what_is_paid_leads_back(self, app: Flask, payer: int) -> None:
        payment = start(payer)
        tell(name_of(checkout(app, payment)), ChargeState.PAID)

        assert checkout(app, payment) == BACK


class TestRecord:
    def test_books_what_was_paid(self, bank_page: str) -> None:
        assert tell(name_of(bank_page), ChargeState.PAID) is PaymentState.PAID

        assert booked() == {"remittance:7": 1}
        assert standing() is PaymentState.PAID

    def test_told_again_books_nothing_more(self, bank_page: str) -> None:
        tell(name_of(bank_page), ChargeState.PAID)

        tell(name_of(bank_page), ChargeState.PAID)

        assert booked() == {"remittance:7": 1}

    def test_of_an_open_charge_changes_nothing(self, bank_page: str) -> None:
        assert tell(name_of(bank_page), ChargeState.OPEN) is PaymentState.STARTED

        assert booked() == {}

    @pytest.mark.parametrize(
        ("first", "then"), [(ChargeState.PAID, ChargeState.REFUSED), (ChargeState.REFUSED, ChargeState.PAID)]
    )
    def test_refuses_the_opposite_of_what_was_told(self, bank_page: str, first: ChargeState, then: ChargeState) -> None:
        tell(name_of(bank_page), first)
        before = standing(), booked()

        with pytest.raises(PaymentContradicted):
            tell(name_of(bank_page), then)

        assert (standing(), booked()) == before

    def test_refuses_another_amount(self, bank_page: str) -> None:
        with pytest.raises(PaymentContradicted):
            tell(name_of(bank_page), ChargeState.PAID, cents=12_049)

        assert standing() is PaymentState.STARTED
        assert booked() == {}

    def test_refuses_a_charge_that_is_not_ours(self, app: Flask) -> None:
        with pytest.raises(NotFound):
            tell("somebody-elses", ChargeState.PAID)

    def test_leaves_the_payment_as_it_was_when_it_cannot_be_booked(self, app: Flask, payer: int) -> None:
        name = name_of(checkout(app, start(payer, purpose="lost")))

        with pytest.raises(CannotBook):
            tell(name, ChargeState.PAID)

        latest = payments.latest("lost", 7)
        assert latest is not None
        assert latest.state is PaymentState.STARTED

    def test_told_by_a_hundred_at_once_books_once(self, app: Flask, bank_page: str) -> None:
        def once(_: int) -> PaymentState:
            with app.app_context():
                return tell(name_of(bank_page), ChargeState.PAID)

        with ThreadPoolExecutor(12) as pool:
            states = list(pool.map(once, range(DOUBLES)))

        assert set(states) == {PaymentState.PAID}
        assert booked() == {"remittance:7": 1}


class TestTransitions:
    def test_name_every_state(self) -> None:
        assert set(payments.MAY_BECOME) == set(PaymentState) == set(payments.ACTIONS)

    def test_answer_every_word_of_a_gateway(self, app: Flask, payer: int) -> None:
        for number, state in enumerate(ChargeState, start=1):
            name = name_of(checkout(app, start(payer, subject_id=number)))
            assert tell(name, state) in set(PaymentState)


class TestPaymentsOf:
    @pytest.mark.parametrize(
        ("audience", "own", "sees"),
        [
            (Audience.EMPLOYER, True, True),
            (Audience.EMPLOYER, False, False),
            (Audience.WORKER, False, False),
            (Audience.OPERATOR, False, True),
            (Audience.REGULATOR, False, True),
        ],
    )
    def test_are_seen_by_the_payer_and_by_those_who_oversee(
        self, payer: int, audience: Audience, *, own: bool, sees: bool
    ) -> None:
        start(payer)
        actor = Actor(audience, "Ada", login_id=1, organization_id=payer if own else payer + 1)

        assert (db.session.execute(selecting(Payment, actor)).first() is not None) is sees

    def test_are_hidden_from_strangers(self, payer: int) -> None:
        start(payer)

        assert db.session.execute(selecting(Payment, ANONYMOUS)).first() is None


class TestLocalBank:
    def test_shows_payee_amount_and_reference(self, client: FlaskClient, bank_page: str) -> None:
        page = client.get(bank_page)

        assert page.status_code == 200
        assert all(words in page.text for words in ("$120.50", "R-7", "Contributions", "Portable Benefits Exchange"))
        assert page.headers["Cache-Control"] == "no-store"

    def test_pays_and_leads_back(self, client: FlaskClient, bank_page: str) -> None:
        answer = post(client, bank_page, {"decision": "pay"})

        assert (answer.status_code, answer.location) == (303, BACK)
        assert booked() == {"remittance:7": 1}
        assert "You have paid this." in client.get(bank_page).text

    def test_refuses_and_leads_back(self, client: FlaskClient, bank_page: str) -> None:
        answer = post(client, bank_page, {"decision": "refuse"})

        assert (answer.status_code, answer.location) == (303, BACK)
        assert standing() is PaymentState.REFUSED
        assert booked() == {}

    def test_takes_no_other_decision_afterwards(self, client: FlaskClient, bank_page: str) -> None:
        post(client, bank_page, {"decision": "refuse"})

        assert post(client, bank_page, {"decision": "pay"}).status_code == 409
        assert booked() == {}

    @pytest.mark.parametrize("decision", ["", "PAY", "yes"])
    def test_takes_nothing_but_pay_for_a_yes(self, client: FlaskClient, bank_page: str, decision: str) -> None:
        assert post(client, bank_page, {"decision": decision}).status_code == 400

        assert standing() is PaymentState.STARTED

    def test_knows_only_its_own_charges(self, client: FlaskClient) -> None:
        assert client.get("/local-bank/no-such-charge").status_code == 404

    def test_wants_the_forms_token(self, client: FlaskClient, bank_page: str) -> None:
        assert client.post(bank_page, data={"decision": "pay"}).status_code == 400
        assert booked() == {}

    def test_is_not_there_when_another_gateway_carries_the_money(
        self, app: Flask, client: FlaskClient, bank_page: str
    ) -> None:
        present = gateway.present()
        gateway.init_app(app, FarAway())
        try:
            assert client.get(bank_page).status_code == 404
        finally:
            gateway.init_app(app, present)

    def test_is_not_there_and_nothing_is_paid_where_nobody_carries_money(
        self, app: Flask, client: FlaskClient, payer: int, bank_page: str
    ) -> None:
        """At this bank a click says that it was paid: where money counts, nobody may click."""
        present = gateway.present()
        gateway.init_app(app, None)
        try:
            with pytest.raises(NoGateway):
                start(payer, subject_id=8)
            answers = client.get(bank_page), post(client, bank_page, {"decision": "pay"})
        finally:
            gateway.init_app(app, present)

        assert [answer.status_code for answer in answers] == [404, 404]
        assert (standing(7), standing(8)) == (PaymentState.STARTED, None)

    def test_asked_by_a_hundred_at_once_pays_once(self, app: Flask, bank_page: str) -> None:
        def press(_: int) -> int:
            with app.app_context():
                return post(app.test_client(), bank_page, {"decision": "pay"}).status_code

        with ThreadPoolExecutor(12) as pool:
            answers = Counter(pool.map(press, range(DOUBLES)))

        assert answers == {303: DOUBLES}
        assert booked() == {"remittance:7": 1}


class TestPaymentsPage:
    def test_lists_payments_by_state(self, client: FlaskClient, bank_page: str) -> None:
        sign_in(client, make_login(Audience.OPERATOR))

        assert "Oak Street Cafe" in client.get("/operator/payments/?state=started").text
        assert "No payments yet" in client.get("/operator/payments/?state=paid").text
        assert "$120.50" in client.get("/operator/payments/?state=nonsense").text
