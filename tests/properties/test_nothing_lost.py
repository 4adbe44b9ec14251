"""Whatever the order of contributions, choices, leave and cutovers: is a cent or a minute ever made or lost?"""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta

from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from enrollment import contributions, corrections, elections, leave, switching, windows
from enrollment.models import BenefitAccount, Contribution, Employer, EnrollmentWindow, LeaveRequest, WindowKind
from exchange.database import db, in_unit_of_work
from exchange.errors import Refusal
from exchange.ledger import balances, invariants
from exchange.ledger.accounts import AccountKind, LedgerAccount
from exchange.money import Unit
from tests.support import employer_makers
from tests.support.databases import TestDatabase
from tests.support.enrollment_makers import BY, CLOSES, EFFECTIVE, WHILE_OPEN, Town, totals_of

WORKERS = 3
PACKAGES = 3
worker = st.integers(0, WORKERS - 1)
package = st.integers(0, PACKAGES - 1)
DEEDS = st.lists(
    st.one_of(
        st.tuples(st.just("contribute"), worker, st.integers(1, 50_000)),
        st.tuples(st.just("elect"), worker, package),
        st.tuples(st.just("switch at once"), worker, package),
        st.tuples(st.just("take leave"), worker, st.integers(1, 40)),
        st.tuples(st.just("correct"), worker, st.just(0)),
        st.tuples(st.just("cut over"), st.just(0), st.integers(1, 3)),
    ),
    min_size=1,
    max_size=12,
)


class Story:
    """Three workers, three packages, one employer; each deed happens a minute after the one before."""

    def __init__(self) -> None:
        """Found the town and its people."""
        self.town = Town()
        self.packages = [self.town.harbor, self.town.valley, self.town.summit]
        starts = [self.town.harbor, self.town.summit, None]
        self.accounts = [self.town.member(f"Worker{n}", package_id=start) for n, start in enumerate(starts)]
        self.employer_id = in_unit_of_work(lambda: employer_makers.make_employer("Big Builder").organization_id)
        self.at = WHILE_OPEN
        self.paid_in = 0
        self.number = 0

    def do(self, deed: str, who: int, what: int) -> None:
        """One deed; a refusal is an answer like any other."""
        self.number += 1
        self.at += timedelta(minutes=1)
        try:
            getattr(self, deed.replace(" ", "_"))(who, what)
        except Refusal:
            db.session.rollback()

    def contribute(self, who: int, minutes: int) -> None:
        """Work on a day of its own is reported, and paid."""
        account_id = self.accounts[who]
        day = date(2026, 10, 1) + timedelta(days=self.number)
        minutes = minutes % 1_440 + 1

        def report() -> tuple[int, int]:
            account = db.session.get_one(BenefitAccount, account_id)
            line = employer_makers.work(account, first_day=day, last_day=day, minutes=minutes)
            employer = db.session.get_one(Employer, self.employer_id)
            made = contributions.submit([line], employer=employer, source="form", by=BY, at=self.at)
            return made.id, made.total_cents

        remittance_id, cents = in_unit_of_work(report)
        employer_makers.pay(remittance_id, at=self.at)
        self.paid_in += cents

    def elect(self, who: int, which: int) -> None:
        """Choose in the open enrollment."""
        self.town.choose(self.accounts[who], self.packages[which], at=self.at)

    def switch_at_once(self, who: int, which: int) -> None:
        """Choose in a special enrollment that takes effect on the day of its event, and is carried out."""
        account_id, at = self.accounts[who], self.at
        cause = self.town.policy.cause("court_order")
        event_on = date(2026, 11, 1) + timedelta(days=self.number)

        def choose() -> None:
            windows.open_special([account_id], cause=cause, event_on=event_on, policy=self.town.policy, by=BY, at=at)
            window = db.session.execute(
                select(EnrollmentWindow).where(
                    EnrollmentWindow.kind == WindowKind.SPECIAL,
                    EnrollmentWindow.benefit_account_id == account_id,
                    EnrollmentWindow.event_on == event_on,
                )
            ).scalar_one()
            version = self.town.version_of(self.packages[which], plan_year="2026")
            elections.elect(
                db.session.get_one(BenefitAccount, account_id),
                window=window,
                version=version,
                policy=self.town.policy,
                by=BY,
                at=at,
            )
            switching.order_special(by=BY, at=at)

        before = totals_of(account_id)
        in_unit_of_work(choose)
        self.town.carry_out(at=at)
        assert totals_of(account_id) == before

    def take_leave(self, who: int, minutes: int) -> None:
        """Ask for leave, and get it."""
        days = date(2026, 12, 3), date(2026, 12, 30)

        def ask_and_approve() -> None:
            account = db.session.get_one(BenefitAccount, self.accounts[who])
            wanted = leave.TimeOff("paid_leave", minutes, *days)
            request = leave.ask(account, wanted, policy=self.town.policy, by=BY, at=self.at)
            leave.approve(request, policy=self.town.policy, by=BY, at=self.at)

        in_unit_of_work(ask_and_approve)

    def correct(self, who: int, _what: int) -> None:
        """The last contribution for the worker was wrong, and is taken back."""
        account_id = self.accounts[who]

        def ask_and_carry_out() -> None:
            last = (
                select(Contribution)
                .where(Contribution.benefit_account_id == account_id)
                .order_by(Contribution.id.desc())
                .limit(1)
            )
            contribution = db.session.execute(last).scalar_one_or_none()
            if contribution is not None:
                correction = corrections.ask(contribution, reason="wrong worker", by=BY, at=self.at)
                corrections.carry_out(correction, by=BY, at=self.at)

        in_unit_of_work(ask_and_carry_out)

    def cut_over(self, _who: int, batch: int) -> None:
        """Close the open enrollment and carry it out, in small batches; once."""
        before = [totals_of(account_id) for account_id in self.accounts]
        self.town.order(at=CLOSES)
        self.at = max(self.at, EFFECTIVE)
        while self.town.carry_out(at=self.at, limit=batch):
            pass
        assert [totals_of(account_id) for account_id in self.accounts] == before

    def assert_nothing_is_lost(self) -> None:
        """What employers paid is with workers, in pools, in fees, was paid out as leave, or is theirs again."""
        assert [str(broken) for broken in invariants.broken()] == []
        balance = balances.current()
        rows = (
            select(LedgerAccount.kind, LedgerAccount.unit, func.sum(balance.c.amount))
            .join(balance, balance.c.account_id == LedgerAccount.id)
            .group_by(LedgerAccount.kind, LedgerAccount.unit)
        )
        sums: Counter[tuple[AccountKind, Unit]] = Counter()
        for kind, unit, amount in db.session.execute(rows):
            sums[kind, unit] = int(amount)
        leave_paid = db.session.execute(select(func.sum(LeaveRequest.paid_cents))).scalar_one() or 0
        held = sum(sums[kind, Unit.USD] for kind in (AccountKind.WORKER, AccountKind.POOL, AccountKind.FEE))
        assert held + leave_paid + sums[AccountKind.FUNDS, Unit.USD] == self.paid_in
        assert sums[AccountKind.WORKER, Unit.MIN] == -sums[AccountKind.ACCRUAL, Unit.MIN]


class TestNothing:
    @settings(
        max_examples=12,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )
    @given(deeds=DEEDS)
    def test_is_made_or_lost_in_whatever_order_things_happen(
        self, app: Flask, database: TestDatabase, deeds: list[tuple[str, int, int]]
    ) -> None:
        db.session.remove()
        database.renew()
        story = Story()

        for deed, who, what in deeds:
            story.do(deed, who, what)

        story.assert_nothing_is_lost()
