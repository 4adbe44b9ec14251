from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select
from sqlalchemy.orm import aliased

from enrollment import contributions, posting
from enrollment.contributions import Confirmed
from enrollment.lateness import apportion
from enrollment.models import Contribution, Employer, LeaveTally, Remittance, RemittanceState
from exchange.database import db, unit_of_work
from exchange.identity.organizations import exchange_id
from exchange.ledger import invariants, journal
from exchange.ledger.accounts import AccountKind, LedgerAccount, Line, open_lines
from exchange.ledger.balances import shared_of
from exchange.ledger.journal import LedgerTransfer, Posting, Transfer
from exchange.money import BP, Unit, split
from tests.support.databases import TestDatabase
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
    work,
)

UNION = {"paid_leave": 1000, "retirement": 2500, "health": 4000, "disability": 1000, "workers_compensation": 900}
PLACES = ["US-WA", "US-WA/King County/Seattle", "US-OR"]
TRADES = ["", "creative", "household"]  # by the hour; nothing until a threshold is reached; by the hour
OCTOBER = [date(2026, 10, day) for day in range(1, 32)]


@pytest.fixture
def employer(app: Flask) -> Employer:
    with unit_of_work():
        open_program()
        return make_employer()


def paid(employer: Employer, *lines: object) -> int:
    """Report and pay; the remittance's id."""
    with unit_of_work():
        made = contributions.submit(
            list(lines),  # type: ignore[arg-type]
            employer=employer,
            source="form",
            confirmed=Confirmed(other_work=True),
            by=BY,
            at=AT,
        )
        remittance_id = made.id
    pay(remittance_id)
    return remittance_id


class TestPost:
    def test_splits_by_the_workers_package_to_the_last_cent(self, employer: Employer) -> None:
        with unit_of_work():
            ada = make_account()
            package = make_package(UNION, fee_bp=600)
            join(ada, package)

        paid(employer, work(ada, minutes=60))  # $3.54

        # 10 % is 35.4, 25 % is 88.5, 40 % is 141.6, 10 % is 35.4, 9 % is 31.86, 6 % is 21.24: three are left over.
        assert balances_of(ada.id) == {
            ("paid_leave", Unit.USD): 35,
            ("paid_leave", Unit.MIN): 1,
            ("retirement", Unit.USD): 89,
        }
        pools = shared_of(package.provider_id, AccountKind.POOL)
        assert {code: cents for (code, _), cents in pools.items()} == {
            "health": 142,
            "disability": 35,
            "workers_compensation": 32,
        }
        assert shared_of(package.provider_id, AccountKind.FEE) == {("", Unit.USD): 21}
        assert funds_of(employer.organization_id) == 0

    def test_holds_the_money_of_who_has_chosen_nobody(self, employer: Employer) -> None:
        with unit_of_work():
            ada = make_account()

        paid(employer, work(ada, minutes=600))  # $35.40, and ten hours: a quarter of an hour of each leave

        assert balances_of(ada.id) == {
            ("paid_leave", Unit.USD): 708,
            ("paid_leave", Unit.MIN): 15,
            ("sick_leave", Unit.USD): 708,
            ("sick_leave", Unit.MIN): 15,
            ("emergency", Unit.USD): 2124,
        }
        assert db.session.execute(select(Contribution.provider_id)).scalar_one() == exchange_id()

    def test_sends_earlier_work_to_the_present_provider(self, employer: Employer) -> None:
        with unit_of_work():
            ada = make_account()
            remittance_id = contributions.submit([work(ada)], employer=employer, source="form", by=BY, at=AT).id
            package = make_package(UNION, fee_bp=600)
            join(ada, package)

        pay(remittance_id)

        kept = db.session.execute(select(Contribution)).scalar_one()
        assert kept.provider_id == package.provider_id
        assert kept.package_version_id is not None

    def test_loses_no_fraction_of_leave_over_many_short_pieces_of_work(self, employer: Employer) -> None:
        with unit_of_work():
            ada = make_account()

        paid(employer, *(work(ada, line, first_day=day, last_day=day, minutes=7) for line, day in enumerate(OCTOBER)))
        paid(employer, *(work(ada, line, first_day=day, last_day=day, minutes=13) for line, day in enumerate(OCTOBER)))

        # 31 × 20 minutes at one for forty.
        assert balances_of(ada.id)["paid_leave", Unit.MIN] == 31 * 20 // 40

    def test_gives_the_better_of_the_packages_leave_and_the_laws(self, employer: Employer) -> None:
        with unit_of_work():
            ada = make_account()
            join(ada, make_package({"sick_leave": 5000, "health": 5000}, fee_bp=0, accrual_hours=40))

        paid(employer, work(ada, minutes=600, place="US-WA/King County/Seattle"), work(ada, 2, minutes=600))

        # Seattle's law says one for thirty, the package one for forty.
        assert balances_of(ada.id)["sick_leave", Unit.MIN] == 20 + 15

    @pytest.mark.parametrize("piece", [1, 100])
    def test_gives_leave_for_work_that_costs_nothing_yet(self, employer: Employer, piece: int) -> None:
        with unit_of_work():
            ada, bo = make_account(), make_account("Bo Lund")
            # Nothing is owed for creative work until $1,000 is earned in the quarter.
            lines = [work(ada, sector="creative", minutes=600, earnings_cents=900), work(bo, 2, minutes=600)]
            remittance = contributions.submit(lines, employer=employer, source="form", by=BY, at=AT)
            posting.post(remittance, by=BY, at=AT, piece=piece)

        assert balances_of(ada.id) == {("paid_leave", Unit.MIN): 15, ("sick_leave", Unit.MIN): 15}
        assert balances_of(bo.id)["emergency", Unit.USD] == 2124

    def test_serves_many_workers_and_providers_in_one_remittance(self, employer: Employer) -> None:
        with unit_of_work():
            ada, bo, cy = make_account(), make_account("Bo Lund"), make_account("Cy Ito")
            join(ada, make_package(UNION, fee_bp=600))
            join(bo, make_package({"retirement": 9000, "health": 1000}, fee_bp=0, name="Credit Circle"))

        paid(employer, work(ada), work(bo, 2), work(cy, 3))

        assert balances_of(bo.id) == {("retirement", Unit.USD): 319}
        assert funds_of(employer.organization_id) == 0


def booked(remittance_id: int) -> list[tuple[object, ...]]:
    """Every transfer of a remittance's contributions, by line: which line of the books, and how much."""
    t, a, c, source = LedgerTransfer, LedgerAccount, Contribution, aliased(LedgerAccount)
    rows = (
        select(c.line, c.provider_id, c.package_version_id, a.kind, a.organization_id, a.holder_id, a.component)
        .add_columns(a.unit, source.kind, t.amount)
        .join(t, t.entry_id == c.entry_id)
        .join(source, source.id == t.source_id)
        .join(a, a.id == t.target_id)
        .where(c.remittance_id == remittance_id)
        .order_by(c.line, t.seq)
    )
    return [tuple(row) for row in db.session.execute(rows)]


@pytest.mark.usefixtures("app")
class TestBothWays:
    @settings(max_examples=4, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(
        hours=st.lists(
            st.tuples(st.integers(0, 3), st.integers(0, 1440), st.sampled_from([0, 317]), st.sampled_from(PLACES)),
            min_size=1,
            max_size=15,
        )
    )
    def test_post_the_same(self, database: TestDatabase, hours: list[tuple[int, int, int, str]]) -> None:
        """What is posted does not depend on how much is posted at a time."""
        books = [self._posted(database, hours, piece=piece) for piece in (1, 2, 100)]

        assert books[0] == books[1] == books[2]

    @staticmethod
    def _posted(
        database: TestDatabase, hours: list[tuple[int, int, int, str]], *, piece: int
    ) -> list[list[tuple[object, ...]]]:
        db.session.remove()
        database.renew()
        with unit_of_work():
            open_program()
            employer = make_employer()
            people = [make_account(name) for name in ("Ada Flores", "Bo Lund", "Cy Ito", "Di Moss")]
            join(people[1], make_package(UNION, fee_bp=600, accrual_hours=25))
            join(people[2], make_package({"sick_leave": 9990}, fee_bp=10, name="Credit Circle"))
            join(people[3], make_package(UNION, fee_bp=600, name="Valley Mutual"))
            lines = [
                work(people[who], place, minutes=minutes, extra_cents=extra, place=where, sector=sector, first_day=day)
                for place, ((who, minutes, extra, where), day, sector) in enumerate(
                    zip(hours, OCTOBER, TRADES * 5, strict=False), 1
                )
            ]
            lines = [replace(line, last_day=line.first_day, earnings_cents=1_000) for line in lines]
            remittance = contributions.submit(lines, employer=employer, source="form", by=BY, at=AT)
            if remittance.state is not RemittanceState.PAID:
                posting.post(remittance, by=BY, at=AT, piece=piece)
            remittance_id = remittance.id
        assert invariants.broken() == []
        t = LeaveTally
        tallies = select(t.benefit_account_id, t.component, t.worked, t.earned, t.minutes).order_by(
            t.benefit_account_id, t.component, t.worked
        )
        return [booked(remittance_id), [tuple(row) for row in db.session.execute(tallies)]]


class TestRules:
    @pytest.mark.breaks_rules
    def test_find_funds_that_nobody_was_given(self, employer: Employer) -> None:
        lines = [
            Line(AccountKind.OUTSIDE, exchange_id(), Unit.USD),
            Line(AccountKind.FUNDS, employer.organization_id, Unit.USD),
        ]
        with unit_of_work():
            ids = open_lines(lines)
            move = Transfer(ids[lines[0]], ids[lines[1]], Unit.USD, 5)
            journal.post([Posting("stray", "test", AT.date(), (move,))], by=BY, at=AT)

        assert [broken.number for broken in invariants.broken()] == [14]

    @pytest.mark.breaks_rules
    def test_find_a_contribution_that_is_paid_and_not_in_the_books(self, employer: Employer) -> None:
        with unit_of_work():
            remittance = contributions.submit([work(make_account())], employer=employer, source="form", by=BY, at=AT)
            db.session.get_one(Remittance, remittance.id).paid_at = AT
            db.session.get_one(Remittance, remittance.id).state = RemittanceState.PAID

        assert [broken.number for broken in invariants.broken()] == [13]


SHARES = st.lists(st.integers(1, 5_000), min_size=1, max_size=9).map(
    lambda weights: dict(zip("abcdefghi", apportion(BP, weights), strict=False))
)


class TestApportion:
    @given(st.integers(0, 10**15), st.lists(st.integers(0, 10**12), min_size=1, max_size=30).filter(any))
    def test_loses_nothing_and_is_never_a_cent_off(self, amount: int, weights: list[int]) -> None:
        parts = apportion(amount, weights)

        assert sum(parts) == amount
        whole = sum(weights)
        assert all(abs(part * whole - amount * weight) < whole for part, weight in zip(parts, weights, strict=True))

    @given(st.integers(0, 10**15), SHARES)
    def test_agrees_with_the_split_by_basis_points(self, amount: int, shares: dict[str, int]) -> None:
        assert sum(split(amount, shares).values()) == amount


@pytest.mark.usefixtures("app")
class TestMoney:
    @settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(
        hours=st.lists(
            st.tuples(st.integers(0, 2), st.integers(0, 1440), st.integers(0, 9_999)), min_size=1, max_size=12
        ),
        weights=st.lists(st.integers(1, 99), min_size=4, max_size=4),
    )
    def test_is_neither_made_nor_lost(
        self, database: TestDatabase, hours: list[tuple[int, int, int]], weights: list[int]
    ) -> None:
        db.session.remove()
        database.renew()
        shares = dict(zip(("paid_leave", "retirement", "health", "fee"), apportion(BP, weights), strict=True))
        fee_bp = shares.pop("fee")
        with unit_of_work():
            open_program()
            employer = make_employer()
            people = [make_account(), make_account("Bo Lund"), make_account("Cy Ito")]
            package = make_package(shares, fee_bp=fee_bp)
            join(people[1], package)
            lines = [
                work(
                    people[who],
                    place,
                    minutes=minutes,
                    extra_cents=extra,
                    first_day=OCTOBER[place],
                    last_day=OCTOBER[place],
                )
                for place, (who, minutes, extra) in enumerate(hours)
            ]
            remittance = contributions.submit(lines, employer=employer, source="form", by=BY, at=AT)
            remittance_id, total = remittance.id, remittance.total_cents
        if total:
            pay(remittance_id)

        provider = (
            *shared_of(package.provider_id, AccountKind.POOL).values(),
            *shared_of(package.provider_id, AccountKind.FEE).values(),
        )
        own = [cents for one in people for (_, unit), cents in balances_of(one.id).items() if unit is Unit.USD]
        assert sum(own) + sum(provider) == total
        assert invariants.broken() == []
