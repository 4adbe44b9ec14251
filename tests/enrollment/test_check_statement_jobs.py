"""Does every reserve check rest on signed statements of the very books that it speaks of, whoever posts meanwhile?"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import func, insert, select

from enrollment import check_statement_jobs, liability_statements
from exchange import clock
from exchange.clock import local_date
from exchange.database import core, db, in_unit_of_work
from exchange.ledger import earlier, invariants, seals, statements
from exchange.ledger.keys import KeyRing
from exchange.ledger.seal_store import LiabilityLeaf, LiabilityStatement
from exchange.ledger.seals import Head
from exchange.ledger.statements import Moment
from exchange.money import Unit
from exchange.scheduler import runner
from exchange.scheduler.records import RunState
from exchange.scheduler.runner import Ran
from providers import reserve_checks, reserve_citations, reserve_filings, reserve_standing
from providers.models import CheckCause, Provider, ReserveCheck
from tests.support.enrollment_makers import BY, LEAVE, Town
from tests.support.seal_makers import make_ring

USD = Unit.USD
JOB = "state-checked-liabilities"


@pytest.fixture
def town(app: Flask) -> Town:
    """Three providers; two members of Harbor, one of Valley, and one worker who is with nobody."""
    town = Town()
    town.member("Ada", package_id=town.harbor, holding=LEAVE)
    town.member("Ben", package_id=town.harbor, holding={("retirement", USD): 700})
    town.member("Cleo", package_id=town.valley, holding={("retirement", USD): 50})
    town.member("Dan", package_id=None, holding={("retirement", USD): 5})
    return town


@pytest.fixture
def ring(app: Flask, town: Town, tmp_path: Path) -> KeyRing:
    """The exchange's keys; all of it is sealed."""
    ring = make_ring(app, tmp_path)
    seal(ring)
    return ring


def seal(ring: KeyRing) -> None:
    in_unit_of_work(lambda: seals.seal(ring, by=BY, at=clock.now()))


def give(town: Town, cents: int, *, key: str) -> None:
    """One more contribution for the first member, which nobody seals."""
    in_unit_of_work(lambda: town.give(1, {("paid_leave", USD): cents}, key=key))


def today(town: Town) -> date:
    return local_date(clock.now(), town.policy.zone)


def check(town: Town, *, cause: CheckCause = CheckCause.DAILY) -> list[ReserveCheck]:
    """Check everybody today; the checks."""
    in_unit_of_work(
        lambda: reserve_checks.check(None, policy=town.policy, on=today(town), cause=cause, by=BY, at=clock.now())
    )
    return list(reserve_standing.latest_checks().values())


def run(name: str = JOB) -> list[Ran]:
    db.session.rollback()
    ran = list(runner.run_by_hand(name, by=BY))
    assert [one for one in ran if one.state is not RunState.DONE or one.broken] == []
    return ran


def of_provider(checks: list[ReserveCheck], organization_id: int) -> ReserveCheck:
    return next(one for one in checks if one.provider_id == organization_id)


class TestCheck:
    def test_names_the_journal_whose_balances_it_took(self, town: Town, ring: KeyRing) -> None:
        give(town, 1_000, key="not sealed")

        made = of_provider(check(town), town.provider_of(town.harbor))

        assert (made.journal_size, made.liabilities_cents) == (4, 12_345 + 700)
        assert reserve_standing.liabilities([made.provider_id]) == {made.provider_id: 12_345 + 700 + 1_000}
        assert invariants.broken() == []

    def test_takes_the_books_of_now_where_nothing_was_sealed_lately(self, town: Town, ring: KeyRing) -> None:
        at = clock.now() + earlier.BEHIND + timedelta(minutes=1)
        give(town, 1_000, key="not sealed")

        in_unit_of_work(
            lambda: reserve_checks.check(
                None, policy=town.policy, on=at.date(), cause=CheckCause.FILING, by=BY, at=at + timedelta(days=300)
            )
        )

        made = reserve_standing.latest_checks()[town.provider_of(town.harbor)]
        assert (made.journal_size, made.liabilities_cents) == (None, 12_345 + 700 + 1_000)

    def test_on_a_filing_cites_statements_of_its_provider_alone(self, town: Town, ring: KeyRing) -> None:
        harbor = db.session.get_one(Provider, town.provider_of(town.harbor))

        in_unit_of_work(
            lambda: reserve_filings.file_reserves(
                harbor, as_of=today(town), holdings={"cash": 1}, policy=town.policy, by=BY, at=clock.now()
            )
        )
        run()

        (made,) = reserve_standing.latest_checks().values()
        cited = reserve_citations.statements_of([made.id])[made.id]
        assert {one.organization_id for one in cited} == {harbor.organization_id}
        assert db.session.execute(select(LiabilityStatement.organization_id).distinct()).scalars().all() == [
            harbor.organization_id
        ]


class TestJob:
    def test_lets_each_check_cite_statements_that_say_what_it_says(self, town: Town, ring: KeyRing) -> None:
        checks = check(town)
        give(town, 1_000, key="meanwhile")
        seal(ring)
        give(town, 30, key="and after that")

        run()

        cited = reserve_citations.statements_of([one.id for one in checks])
        for one in checks:
            mine = cited[one.id]
            assert sum(int(s.sum) for s in mine if s.unit is USD) == one.liabilities_cents
            assert {(s.organization_id, s.journal_size) for s in mine} == {(one.provider_id, 4)}
        assert invariants.broken() == []

    def test_states_the_exchanges_own_with_those_of_everybody(self, town: Town, ring: KeyRing) -> None:
        check(town)

        run()

        s = LiabilityStatement
        stated = db.session.execute(select(s.sum).where(s.unit == USD)).scalars()
        assert sum(int(one) for one in stated) == 12_345 + 700 + 50 + 5
        assert "exchange" in set(db.session.execute(select(s.provider)).scalars())

    def test_has_nothing_to_do_twice_and_where_nothing_is_owed(self, town: Town, ring: KeyRing) -> None:
        check(town)
        run()

        with pytest.raises(runner.NothingDue):
            run()

    def test_goes_on_where_it_was_stopped(self, town: Town, ring: KeyRing) -> None:
        (one,) = waiting_after(check(town))
        moment = Moment(Head(4, seals.checkpoint_at(4).root), today(town), statements.FOR_CHECKS)
        everything = liability_statements.plan(policy=town.policy, as_of=moment.as_of, size=4)
        planned = liability_statements.of_providers(everything, one.provider_ids)
        some = in_unit_of_work(
            lambda: liability_statements.state_some(
                planned, moment=moment, leaves=150, keys=ring, by=BY, at=clock.now()
            )
        )

        (ran,) = run()

        made = db.session.execute(select(func.count()).select_from(LiabilityStatement)).scalar_one()
        assert 0 < some < made == len(planned)
        assert str(ran.text).startswith(f"{made - some} statements made")

    def test_lets_no_check_cite_statements_that_say_something_else(self, town: Town, ring: KeyRing) -> None:
        made = of_provider(check(town), town.provider_of(town.harbor))
        run()
        wrong = {**{c.name: getattr(made, c.name) for c in core(ReserveCheck).c}, "cause": CheckCause.FILING}
        wrong |= {"id": made.id + 100, "liabilities_cents": made.liabilities_cents + 1}

        def cite() -> None:
            db.session.execute(insert(core(ReserveCheck)), [wrong])
            reserve_citations.cite(made.journal_size or 0, by=BY, at=clock.now())

        with pytest.raises(reserve_citations.Disagreement, match=r"13046 cents, by its statements 13045"):
            in_unit_of_work(cite)


def waiting_after(_checks: list[ReserveCheck]) -> list[reserve_citations.Waiting]:
    return reserve_citations.waiting(clock.now() - timedelta(days=1))


class TestForgetLeaves:
    def test_drops_those_of_reserve_checks_after_a_week_and_no_others(
        self, app: Flask, town: Town, ring: KeyRing
    ) -> None:
        app.config["DEMO"] = True  # so that its clock can be moved
        check(town)
        run()
        run("state-liabilities")
        gone = today(town) + check_statement_jobs.KEPT + timedelta(days=1)
        later = datetime.combine(gone, time(20), tzinfo=UTC)  # past the hour of the job, whatever the hour is now
        in_unit_of_work(lambda: clock.move_demo_clock(to=later))

        run("forget-leaves")

        s, f = LiabilityStatement, LiabilityLeaf
        causes = select(s.cause).join(f, f.statement_id == s.id).distinct()
        (left,) = db.session.execute(causes).scalars()
        assert left.startswith("monthly")
