from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime
from threading import Barrier

import pytest
from flask import Flask
from sqlalchemy import delete, func, select

from enrollment import contributions, employers
from enrollment.contributions import AlreadyReported, NotOpen, ReportRefused, RequestKeyReused
from enrollment.models import (
    BenefitAccount,
    Contribution,
    Employer,
    Employment,
    Remittance,
    RemittanceState,
    Worker,
)
from exchange.database import db, in_unit_of_work, unit_of_work
from exchange.errors import NotAllowed
from exchange.identity import access, login
from exchange.identity.actors import Actor, Audience
from exchange.identity.people import Login
from exchange.money import Unit
from exchange.outgoing_mail import OutgoingMail
from tests.support.at_once import at_once
from tests.support.employer_makers import (
    AT,
    BY,
    balances_of,
    entries,
    funds_of,
    join,
    make_account,
    make_employer,
    make_package,
    open_program,
    pay,
    staff_of,
    work,
)

pytestmark = pytest.mark.usefixtures("app")


@pytest.fixture
def employer(app: Flask) -> Employer:
    with unit_of_work():
        open_program()
        return make_employer()


@pytest.fixture
def account(employer: Employer) -> BenefitAccount:
    with unit_of_work():
        return make_account()


def report(employer: Employer, *lines: object, at: datetime = AT, **more: object) -> int:
    """Take a report; the remittance's id."""
    with unit_of_work():
        made = contributions.submit(list(lines), employer=employer, source="form", by=BY, at=at, **more)  # type: ignore[arg-type]
        return made.id


def total(remittance_id: int) -> tuple[int, int]:
    """Cents of the whole, and of it what is late."""
    r = db.session.get_one(Remittance, remittance_id)
    return r.total_cents, r.late_cents


class TestSubmit:
    def test_keeps_what_was_reported_and_how_it_was_computed(self, employer: Employer, account: BenefitAccount) -> None:
        remittance_id = report(employer, work(account, minutes=90, extra_cents=100))

        kept = next(contributions.lines_of(remittance_id))
        assert (kept.rule, kept.owed_cents, kept.extra_cents) == ("construction", 531, 100)
        assert kept.explanation == "1 h 30 min at $3.54 per hour = $5.31"
        assert total(remittance_id) == (631, 0)
        employment = db.session.execute(select(Employment)).scalar_one()
        assert (employment.first_worked_on, employment.last_worked_on) == (date(2026, 10, 5), date(2026, 10, 5))

    def test_takes_nothing_when_one_line_of_many_is_wrong(self, employer: Employer, account: BenefitAccount) -> None:
        with pytest.raises(ReportRefused) as refused:
            report(employer, work(account), work(account, line=2, place="US-WA/Nowhere"))

        assert [(p.line, p.column) for p in refused.value.problems.kept] == [(2, "place")]
        assert db.session.execute(select(func.count()).select_from(Remittance)).scalar_one() == 0
        assert db.session.execute(select(func.count()).select_from(Employment)).scalar_one() == 0

    def test_of_the_same_again_is_refused_and_names_the_first(
        self, employer: Employer, account: BenefitAccount
    ) -> None:
        two = [work(account), work(account, line=2, first_day=date(2026, 10, 6), last_day=date(2026, 10, 6))]
        first = report(employer, *two)

        with pytest.raises(AlreadyReported) as refused:
            report(employer, replace(two[1], line=1), replace(two[0], line=2))

        assert refused.value.details == {"remittance_id": first}
        assert "2026-11-02" in str(refused.value)

    def test_of_the_same_is_taken_again_after_the_first_was_cancelled(
        self, employer: Employer, account: BenefitAccount
    ) -> None:
        first = report(employer, work(account))
        with unit_of_work():
            contributions.cancel(db.session.get_one(Remittance, first), by=BY, at=AT)

        assert report(employer, work(account)) != first

    def test_under_one_request_key_is_one_remittance(self, employer: Employer, account: BenefitAccount) -> None:
        first = report(employer, work(account), request_key="october")

        assert report(employer, work(account), request_key="october") == first
        with pytest.raises(RequestKeyReused):
            report(employer, work(account, minutes=61), request_key="october")
        assert db.session.execute(select(func.count()).select_from(Contribution)).scalar_one() == 1

    def test_for_another_employer_is_refused(self, employer: Employer, account: BenefitAccount) -> None:
        with unit_of_work():
            stranger = staff_of(make_employer("Green Cab"))

        with pytest.raises(NotAllowed), unit_of_work():
            contributions.submit([work(account)], employer=employer, source="form", by=stranger, at=AT)

    def test_of_work_that_costs_nothing_is_paid_at_once(self, employer: Employer, account: BenefitAccount) -> None:
        remittance_id = report(employer, work(account, place="US-OR"))

        assert db.session.get_one(Remittance, remittance_id).state is RemittanceState.PAID
        assert balances_of(account.id) == {}
        assert next(contributions.lines_of(remittance_id)).explanation.startswith("Work outside of Washington")

    def test_widens_the_days_of_an_employment(self, employer: Employer, account: BenefitAccount) -> None:
        report(employer, work(account))
        report(employer, work(account, first_day=date(2026, 9, 1), last_day=date(2026, 9, 30)))
        report(employer, work(account, first_day=date(2026, 10, 31), last_day=date(2026, 11, 1)))

        employment = db.session.execute(select(Employment)).scalar_one()
        assert (employment.first_worked_on, employment.last_worked_on) == (date(2026, 9, 1), date(2026, 11, 1))

    def test_by_several_at_once_is_taken_once(self, app: Flask, employer: Employer, account: BenefitAccount) -> None:
        employer_id, line = employer.organization_id, work(account)
        db.session.rollback()
        start = Barrier(4)

        def one() -> str:
            with app.app_context():
                start.wait()
                try:
                    in_unit_of_work(
                        lambda: contributions.submit(
                            [line], employer=db.session.get_one(Employer, employer_id), source="api", by=BY, at=AT
                        )
                    )
                except AlreadyReported:
                    return "refused"
                return "taken"

        with ThreadPoolExecutor(4) as pool:
            answers = [future.result() for future in [pool.submit(one) for _ in range(4)]]

        assert sorted(answers) == ["refused", "refused", "refused", "taken"]
        assert db.session.execute(select(func.count()).select_from(Contribution)).scalar_one() == 1

    def test_by_several_at_once_under_one_name_is_taken_once_and_none_is_refused(
        self, app: Flask, employer: Employer, account: BenefitAccount
    ) -> None:
        employer_id, line = employer.organization_id, work(account)

        def send() -> None:
            sender = db.session.get_one(Employer, employer_id)
            contributions.submit([line], employer=sender, source="api", request_key="a-1", by=BY, at=AT)

        said = at_once(app, lambda: in_unit_of_work(send), times=6)

        assert said == {"done": 6}
        assert db.session.execute(select(func.count()).select_from(Contribution)).scalar_one() == 1


class TestScope:
    def test_shows_each_what_is_his(self, employer: Employer, account: BenefitAccount) -> None:
        with unit_of_work():
            package = make_package({"emergency": 10_000}, fee_bp=0)
            join(account, package)
            owner = login.create(
                "ada@example.org",
                password=None,
                name="Ada",
                audience=Audience.WORKER,
                organization_id=None,
                by=BY,
                at=AT,
            ).as_actor()
            db.session.get_one(Worker, account.worker_id).login_id = owner.login_id
        pay(report(employer, work(account)))
        other, provider = employer.organization_id + 1_000, package.provider_id
        seen = {
            Actor(Audience.EMPLOYER, "own", organization_id=employer.organization_id): (1, 1, 1),
            Actor(Audience.EMPLOYER, "other", organization_id=other): (0, 0, 0),
            owner: (1, 0, 0),
            Actor(Audience.WORKER, "other", login_id=10_000): (0, 0, 0),
            Actor(Audience.PROVIDER, "own", organization_id=provider): (1, 0, 0),
            Actor(Audience.PROVIDER, "other", organization_id=other): (0, 0, 0),
            Actor(Audience.REGULATOR, "any", organization_id=other): (1, 1, 1),
            Actor(Audience.OPERATOR, "any", organization_id=other): (1, 1, 1),
            Actor(Audience.PUBLIC, "any"): (0, 0, 0),
        }

        for actor, counts in seen.items():
            found = tuple(
                len(db.session.execute(access.selecting(model, actor)).all())
                for model in (Contribution, Remittance, Employer)
            )
            assert found == counts, actor


class TestLateness:
    def test_adds_interest_and_penalty_after_the_due_day(self, employer: Employer, account: BenefitAccount) -> None:
        # Work of August is due by 15 September; 2 November is 48 days later: 12 % × 48/365 + 20 %.
        remittance_id = report(
            employer, work(account, first_day=date(2026, 8, 3), last_day=date(2026, 8, 7), minutes=2400)
        )

        assert total(remittance_id) == (14160 + 223 + 2832, 223 + 2832)

    def test_is_nothing_on_the_due_day_itself(self, employer: Employer, account: BenefitAccount) -> None:
        remittance_id = report(employer, work(account), at=datetime(2026, 11, 15, 20, tzinfo=UTC))

        assert total(remittance_id) == (354, 0)

    def test_grows_until_paying_begins_and_goes_to_the_workers(
        self, employer: Employer, account: BenefitAccount
    ) -> None:
        with unit_of_work():
            other = make_account("Bo Lund")
        remittance_id = report(employer, work(account, minutes=6000, last_day=date(2026, 10, 10)), work(other, line=2))
        assert total(remittance_id) == (35754, 0)

        pay(remittance_id, at=datetime(2026, 12, 15, 20, tzinfo=UTC))

        # Thirty days late: $3.53 of interest and $71.51 of penalty on $357.54.
        assert total(remittance_id) == (35754 + 7504, 7504)
        parts = [line.late_cents for line in contributions.lines_of(remittance_id)]
        assert parts == [7430, 74]
        money = sum(cents for (_, unit), cents in balances_of(account.id).items() if unit is Unit.USD)
        assert money == 35400 + 7430


class TestCancel:
    def test_is_refused_when_it_is_paid(self, employer: Employer, account: BenefitAccount) -> None:
        remittance_id = report(employer, work(account))
        pay(remittance_id)

        with pytest.raises(NotOpen), unit_of_work():
            contributions.cancel(db.session.get_one(Remittance, remittance_id), by=BY, at=AT)

    def test_is_refused_while_a_payment_is_under_way(self, employer: Employer, account: BenefitAccount) -> None:
        remittance_id = report(employer, work(account))
        with unit_of_work():
            contributions.start_payment(db.session.get_one(Remittance, remittance_id), by=BY, at=AT)

        with pytest.raises(NotOpen), unit_of_work():
            contributions.cancel(db.session.get_one(Remittance, remittance_id), by=BY, at=AT)

    def test_leaves_nothing_due(self, employer: Employer, account: BenefitAccount) -> None:
        remittance_id = report(employer, work(account))
        assert contributions.due(employer.organization_id) == contributions.Due(1, 354)

        with unit_of_work():
            contributions.cancel(db.session.get_one(Remittance, remittance_id), by=BY, at=AT)

        assert contributions.due(employer.organization_id) == contributions.Due(0, 0)
        with pytest.raises(NotOpen), unit_of_work():
            contributions.start_payment(db.session.get_one(Remittance, remittance_id), by=BY, at=AT)


class TestPaying:
    def test_twice_has_one_effect(self, employer: Employer, account: BenefitAccount) -> None:
        remittance_id = report(employer, work(account))
        pay(remittance_id)
        before = balances_of(account.id), entries()

        with pytest.raises(NotOpen):
            pay(remittance_id)

        assert (balances_of(account.id), entries()) == before
        assert funds_of(employer.organization_id) == 0

    def test_goes_on_at_the_amount_it_was_started_with(self, employer: Employer, account: BenefitAccount) -> None:
        remittance_id = report(employer, work(account))
        with unit_of_work():
            contributions.start_payment(db.session.get_one(Remittance, remittance_id), by=BY, at=AT)

        pay(remittance_id, at=datetime(2026, 12, 15, 20, tzinfo=UTC))

        assert total(remittance_id) == (354, 0)


class TestToken:
    def test_signs_in_its_employer_until_it_is_revoked(self, employer: Employer) -> None:
        with unit_of_work():
            token = employers.make_token(employer, name="Payroll", by=BY, at=AT)

        actor = employers.actor_with(token)
        assert actor is not None
        assert actor.organization_id == employer.organization_id
        with unit_of_work():
            employers.revoke_token(employers.tokens_of(employer)[0], by=BY, at=AT)
        assert employers.actor_with(token) is None
        assert employers.tokens_of(employer) == []

    def test_is_told_to_everybody_who_acts_for_the_employer_and_to_nobody_else(self, employer: Employer) -> None:
        """Whoever makes one with somebody's session does not stay unseen."""
        with unit_of_work():
            kim, lee = staff_of(employer, "Kim Boss"), staff_of(employer, "Lee Boss")
            staff_of(make_employer("Somebody Else"), "Eve Stranger")
            token = employers.make_token(employer, name="Payroll", by=kim, at=AT)

        letters = db.session.execute(select(OutgoingMail.recipient, OutgoingMail.body)).all()
        addresses = select(Login.email).where(Login.id.in_([kim.login_id, lee.login_id]))
        assert sorted(to for to, _ in letters) == sorted(db.session.scalars(addresses))
        assert len(letters) == 2
        assert all("Payroll" in body and token not in body for _, body in letters)

    def test_of_somebody_who_is_disabled_is_told_to_his_colleagues_and_goes_on(self, employer: Employer) -> None:
        with unit_of_work():
            kim, lee = staff_of(employer, "Kim Boss"), staff_of(employer, "Lee Boss")
            token = employers.make_token(employer, name="Payroll", by=kim, at=AT)
            employers.make_token(employer, name="Trips", by=lee, at=AT)
            db.session.execute(delete(OutgoingMail))
        with unit_of_work():
            login.disable(kim.login_id or 0, reason="left", by=BY, at=AT)

        ((to, body),) = db.session.execute(select(OutgoingMail.recipient, OutgoingMail.body)).all()
        assert to == db.session.get_one(Login, lee.login_id).email
        assert "“Payroll”" in body and "Kim Boss" in body and "Trips" not in body
        assert employers.actor_with(token) is not None
        makers = employers.makers_of(employers.tokens_of(employer))
        assert set(makers.values()) == {("Kim Boss", False), ("Lee Boss", True)}

    def test_that_nobody_could_stop_any_more_is_revoked(self, employer: Employer) -> None:
        with unit_of_work():
            kim = staff_of(employer, "Kim Boss")
            token = employers.make_token(employer, name="Payroll", by=kim, at=AT)
        with unit_of_work():
            login.disable(kim.login_id or 0, reason="left", by=BY, at=AT)

        assert employers.actor_with(token) is None
        assert employers.tokens_of(employer) == []

    def test_stands_in_no_table(self, employer: Employer) -> None:
        with unit_of_work():
            token = employers.make_token(employer, name="Payroll", by=BY, at=AT)

        row = db.session.execute(select(employers.ApiToken)).scalar_one()
        assert token.encode() not in row.digest
        assert row.ending == token[-4:]


class TestRegister:
    def test_refuses_a_sector_that_no_policy_knows(self, employer: Employer) -> None:
        with pytest.raises(employers.UnknownSector), unit_of_work():
            make_employer("Space Cab", sector="space")
