from __future__ import annotations

from datetime import date, timedelta

import pytest
from flask import Flask
from sqlalchemy import select

from enrollment import contributions, corrections
from enrollment.corrections import AlreadyUsed, CorrectionState, NotCorrectable, SamePerson
from enrollment.models import BenefitAccount, Contribution, Employer
from exchange.database import db, in_unit_of_work, unit_of_work
from exchange.errors import NotAllowed
from exchange.identity.actors import Actor, Audience
from exchange.ledger import invariants, journal
from exchange.ledger.accounts import AccountKind, LedgerAccount, Line, open_lines
from exchange.ledger.journal import LedgerEntry, LedgerTransfer, Posting, Transfer
from exchange.money import Unit
from providers.models import Package
from tests.support.at_once import at_once
from tests.support.employer_makers import (
    AT,
    BY,
    balances_of,
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

OPERATOR = Actor(Audience.OPERATOR, "Olga")


@pytest.fixture
def employer(app: Flask) -> Employer:
    with unit_of_work():
        open_program()
        return make_employer()


@pytest.fixture
def account(employer: Employer) -> BenefitAccount:
    with unit_of_work():
        return make_account()


def reported(employer: Employer, *lines: object) -> list[Contribution]:
    """Report and pay; the contributions in the order of the lines."""
    with unit_of_work():
        made = contributions.submit(list(lines), employer=employer, source="form", by=BY, at=AT)  # type: ignore[arg-type]
        remittance_id = made.id
    pay(remittance_id)
    return list(contributions.lines_of(remittance_id))


def asked(contribution: Contribution, by: Actor = BY) -> corrections.Correction:
    with unit_of_work():
        return corrections.ask(contribution, reason="Reported twice", by=by, at=AT)


def make_free(name: str) -> Package:
    """A package that takes no fee."""
    return make_package({"paid_leave": 2000, "sick_leave": 2000, "emergency": 6000}, fee_bp=0, name=name)


def providers_that_gave(correction: corrections.Correction, account: BenefitAccount) -> set[int]:
    """With whom the worker's lines stood from which it was taken."""
    moves = select(LedgerAccount.organization_id).join(LedgerTransfer, LedgerTransfer.source_id == LedgerAccount.id)
    rows = moves.where(LedgerTransfer.entry_id == correction.entry_id, LedgerAccount.holder_id == account.id)
    return set(db.session.execute(rows).scalars())


class TestCarryOut:
    def test_gives_back_all_of_it_by_an_entry_that_names_the_first(
        self, employer: Employer, account: BenefitAccount
    ) -> None:
        (contribution,) = reported(employer, work(account, minutes=600))
        correction = asked(contribution)

        with unit_of_work():
            corrections.carry_out(correction, by=OPERATOR, at=AT)

        assert balances_of(account.id) == {}
        assert funds_of(employer.organization_id) == 3540
        entry = db.session.get_one(LedgerEntry, correction.entry_id)
        assert entry.corrects_id == contribution.entry_id
        assert contribution.reversed_by_id == entry.id

    def test_takes_it_from_the_provider_that_the_worker_is_with_now(
        self, employer: Employer, account: BenefitAccount
    ) -> None:
        shares = {"paid_leave": 2000, "sick_leave": 2000, "emergency": 6000}
        with unit_of_work():
            first = make_package(shares, fee_bp=0)
            join(account, first)
        (contribution,) = reported(employer, work(account))
        with unit_of_work():
            second = make_package(shares, fee_bp=0, name="Credit Circle")
            _move_everything(account, first.provider_id, second.provider_id)
            join(account, second, at=AT + timedelta(hours=1))
        correction = asked(contribution)

        with unit_of_work():
            corrections.carry_out(correction, by=OPERATOR, at=AT)

        assert balances_of(account.id) == {}
        assert funds_of(employer.organization_id) == 354

    def test_takes_twenty_back_one_by_one_after_a_switch_and_nothing_from_the_first_provider(
        self, employer: Employer, account: BenefitAccount
    ) -> None:
        with unit_of_work():
            first, second = make_free("Harbor Union"), make_free("Credit Circle")
            join(account, first)
        hours = range(1, 21)
        days = {hour: date(2026, 10, hour) for hour in hours}
        made = reported(
            employer,
            *(work(account, n, first_day=days[n], last_day=days[n], minutes=60 * n) for n in hours),
        )
        with unit_of_work():
            _move_everything(account, first.provider_id, second.provider_id)
            join(account, second, at=AT + timedelta(hours=1))

        back = 0
        for hour, contribution in zip(hours, made, strict=True):
            correction = asked(contribution)
            with unit_of_work():
                corrections.carry_out(correction, by=OPERATOR, at=AT)

            back += 354 * hour
            assert funds_of(employer.organization_id) == back
            assert providers_that_gave(correction, account) == {second.provider_id}
            assert invariants.broken() == []
        assert balances_of(account.id) == {}

    def test_leaves_the_leave_that_the_other_work_earned(self, employer: Employer, account: BenefitAccount) -> None:
        days = [date(2026, 10, day) for day in (5, 6, 7)]
        first, *_ = reported(
            employer,
            *(work(account, line, first_day=day, last_day=day, minutes=30) for line, day in enumerate(days, 1)),
        )
        assert balances_of(account.id)["paid_leave", Unit.MIN] == 2  # 90 minutes at one for forty
        correction = asked(first)

        with unit_of_work():
            corrections.carry_out(correction, by=OPERATOR, at=AT)

        assert balances_of(account.id)["paid_leave", Unit.MIN] == 1  # 60 minutes

    def test_is_refused_when_the_worker_has_used_it(self, employer: Employer, account: BenefitAccount) -> None:
        (contribution,) = reported(employer, work(account))
        correction = asked(contribution)
        _move_on(account, 1)
        before = balances_of(account.id)

        with pytest.raises(AlreadyUsed), unit_of_work():
            corrections.carry_out(correction, by=OPERATOR, at=AT)

        assert balances_of(account.id) == before
        assert funds_of(employer.organization_id) == 0
        with unit_of_work():
            corrections.refuse(correction, reason="It was withdrawn", by=OPERATOR, at=AT)
        assert correction.state is CorrectionState.REFUSED

    def test_takes_a_second_person(self, employer: Employer, account: BenefitAccount) -> None:
        with unit_of_work():
            kim = staff_of(employer)
        (contribution,) = reported(employer, work(account))
        correction = asked(contribution, by=kim)

        with pytest.raises(NotAllowed), unit_of_work():
            corrections.carry_out(correction, by=kim, at=AT)
        with pytest.raises(SamePerson), unit_of_work():
            corrections.carry_out(correction, by=Actor(Audience.OPERATOR, "Kim", login_id=kim.login_id), at=AT)

        assert funds_of(employer.organization_id) == 0

    def test_twice_is_refused(self, employer: Employer, account: BenefitAccount) -> None:
        (contribution,) = reported(employer, work(account))
        correction = asked(contribution)
        with unit_of_work():
            corrections.carry_out(correction, by=OPERATOR, at=AT)

        with pytest.raises(NotCorrectable), unit_of_work():
            corrections.carry_out(correction, by=OPERATOR, at=AT)
        with pytest.raises(NotCorrectable):
            asked(contribution)

        assert funds_of(employer.organization_id) == 354


class TestAsk:
    def test_is_refused_for_what_is_not_in_the_books(self, employer: Employer, account: BenefitAccount) -> None:
        with unit_of_work():
            made = contributions.submit([work(account)], employer=employer, source="form", by=BY, at=AT)

        with pytest.raises(NotCorrectable):
            asked(next(contributions.lines_of(made.id)))

    def test_is_refused_to_another_employer(self, employer: Employer, account: BenefitAccount) -> None:
        with unit_of_work():
            stranger = staff_of(make_employer("Green Cab"))
        (contribution,) = reported(employer, work(account))

        with pytest.raises(NotAllowed):
            asked(contribution, by=stranger)


def _move_everything(account: BenefitAccount, from_id: int, to_id: int) -> None:
    """What a switch does with the balances."""
    rows = select(LedgerAccount).where(LedgerAccount.holder_id == account.id, LedgerAccount.organization_id == from_id)
    sources = db.session.scalars(rows).all()
    held = balances_of(account.id)
    targets = open_lines(Line(s.kind, to_id, s.unit, s.component, s.holder_id) for s in sources)
    moves = tuple(
        Transfer(
            s.id, targets[Line(s.kind, to_id, s.unit, s.component, s.holder_id)], s.unit, held[s.component, s.unit]
        )
        for s in sources
        if (s.component, s.unit) in held
    )
    journal.post([Posting("switch:test", "switch", AT.date(), moves)], by=BY, at=AT)


def _move_on(account: BenefitAccount, cents: int) -> None:
    """Something of his emergency savings comes to stand elsewhere."""
    rows = select(LedgerAccount).where(LedgerAccount.holder_id == account.id, LedgerAccount.component == "emergency")
    with unit_of_work():
        own = db.session.scalars(rows).one()
        there = Line(AccountKind.WORKER, own.organization_id, Unit.USD, "retirement", account.id)
        move = Transfer(own.id, open_lines([there])[there], Unit.USD, cents)
        journal.post([Posting("move:test", "switch", AT.date(), (move,))], by=BY, at=AT)


class TestTwoAtOnce:
    def test_ask_the_same_back_once(self, app: Flask, employer: Employer, account: BenefitAccount) -> None:
        (contribution,) = reported(employer, work(account, minutes=600))
        id_ = contribution.id

        said = at_once(app, lambda: _ask_back(id_), times=6)

        assert said == {"done": 1, "NotCorrectable": 5}

    def test_take_it_back_once(self, app: Flask, employer: Employer, account: BenefitAccount) -> None:
        (contribution,) = reported(employer, work(account, minutes=600))
        id_, account_id, employer_id = asked(contribution).id, account.id, employer.organization_id

        said = at_once(app, lambda: _take_back(id_), times=6)

        assert said == {"done": 1, "NotCorrectable": 5}
        assert balances_of(account_id) == {}
        assert funds_of(employer_id) == 3540


def _ask_back(contribution_id: int) -> None:
    in_unit_of_work(
        lambda: corrections.ask(
            db.session.get_one(Contribution, contribution_id), reason="Reported twice", by=BY, at=AT
        )
    )  # fmt: skip


def _take_back(correction_id: int) -> None:
    in_unit_of_work(
        lambda: corrections.carry_out(db.session.get_one(corrections.Correction, correction_id), by=OPERATOR, at=AT)
    )
