"""Does four times as many workers cost the database four times as much, and not sixteen times?"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import text

from benchmarks.crowd import BY, CLOSED, EFFECTIVE, Crowd, gather
from enrollment import cutover, rolling_back, switching, turns
from enrollment.models import EnrollmentWindow
from exchange.database import db, in_unit_of_work, is_sqlite, unit_of_work
from exchange.ledger import journal
from exchange.ledger.journal import Posting, Transfer
from exchange.money import Unit
from tests.support.effort import Effort, effort

FEW, MANY = 500, 2_000
MORE = (
    8_000  # rows that a statement has written itself it passes over: only their blocks are counted, with many in each
)
# Sorting costs a little more than in proportion; what is done once makes it less.
MOST = 1.25 * MANY / FEW
# A batch that read more than its own workers would take nearly as much when it is small.
LEAST = 0.85 * MANY / FEW
LATER = EFFECTIVE + timedelta(days=1)


class Undone(Exception):
    """Ends a unit of work whose cost is known by now."""


@pytest.fixture
def crowd(app: Flask) -> Crowd:
    """Everybody has chosen the other one of two providers; the database has counted its rows."""
    return gather(MANY)


@pytest.fixture
def spent(crowd: Crowd) -> Iterator[Effort]:
    """What the database does."""
    with effort() as present:
        yield present


def window_of(crowd: Crowd) -> EnrollmentWindow:
    return db.session.get_one(EnrollmentWindow, crowd.window_id)


def say(words: str, **given: object) -> None:
    db.session.execute(text(words), given)


def growth(
    spent: Effort,
    deed: Callable[[int], int],
    *,
    before: Callable[[int], object] = lambda _few: None,
    few: int = FEW,
    many: int = MANY,
) -> float:
    """How many times as much it takes for many workers as for few. Nothing of it stays.

    ``before``: what is to be arranged so that the deed finds so many.
    """
    costs = []
    for workers in (few, few, many):  # the first of all prepares what stays prepared
        with suppress(Undone), unit_of_work():
            before(workers)
            db.session.flush()
            spent.done = 0
            assert deed(workers) == workers
            costs.append(spent.done)
            raise Undone
        _sweep()
    print(costs)
    return costs[2] / costs[1]


def _sweep() -> None:
    """Not even the room stays that was taken: PostgreSQL tells from it how many rows a table has."""
    if not is_sqlite():
        with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("VACUUM"))


def only(workers: int) -> None:
    """So many have chosen."""
    say("UPDATE election SET state = 'undone' WHERE benefit_account_id > :workers", workers=workers)


class TestOrdering:
    @pytest.fixture
    def crowd(self, app: Flask) -> Crowd:
        """More of them."""
        return gather(MORE)

    def test_of_an_enrollment_grows_with_those_who_chose(self, crowd: Crowd, spent: Effort) -> None:
        def order(_workers: int) -> int:
            return switching.order_window(window_of(crowd), by=BY, at=CLOSED)

        assert growth(spent, order, before=only, few=MANY, many=MORE) < MOST

    def test_for_events_grows_with_those_who_chose(self, spent: Effort) -> None:
        def order(_workers: int) -> int:
            return switching.order_special(by=BY, at=LATER)

        assert growth(spent, order, before=choose_for_an_event, few=MANY, many=MORE) < MOST


def choose_for_an_event(workers: int) -> None:
    """So many have chosen in a window of their own."""
    only(0)
    say(
        "INSERT INTO enrollment_window (kind, plan_year, opens_at, closes_at, published_at, benefit_account_id, cause,"
        " event_on) SELECT 'special', e.plan_year, w.opens_at, w.closes_at, w.published_at, e.benefit_account_id,"
        " 'court_order', DATE('2027-01-01') FROM election e JOIN enrollment_window w ON w.id = e.window_id"
        " WHERE e.benefit_account_id <= :workers",
        workers=workers,
    )
    say(
        "INSERT INTO election (benefit_account_id, window_id, plan_year, package_version_id, state, decided_at,"
        " effective_at, retroactive) SELECT e.benefit_account_id, w.id, e.plan_year, e.package_version_id, 'standing',"
        " e.decided_at, e.effective_at, e.retroactive FROM election e"
        " JOIN enrollment_window w ON w.benefit_account_id = e.benefit_account_id"
    )


class TestCutover:
    @pytest.fixture(autouse=True)
    def _ordered(self, crowd: Crowd) -> None:
        in_unit_of_work(lambda: switching.order_window(window_of(crowd), by=BY, at=CLOSED))

    def test_grows_with_those_in_a_batch(self, crowd: Crowd, spent: Effort) -> None:
        def carry_out(workers: int) -> int:
            which = switching.due(EFFECTIVE, crowd.window_id)
            return switching.carry_out(which, policy=crowd.policy, by=BY, at=EFFECTIVE, limit=workers)

        assert LEAST < growth(spent, carry_out) < MOST

    def test_outside_of_enrollments_grows_with_those_in_a_batch(self, crowd: Crowd, spent: Effort) -> None:
        """Each has an order of the enrollment, too, which begins where the event has led him."""

        def for_an_event(workers: int) -> None:
            say(
                "INSERT INTO switch (cause, benefit_account_id, plan_year, from_provider_id, from_package_id,"
                " to_provider_id, to_package_id, to_version_id, effective_at, state, ordered_at)"
                " SELECT 'placement', benefit_account_id, plan_year, from_provider_id, from_package_id, to_provider_id,"
                " to_package_id, to_version_id, effective_at - 1, 'ordered', ordered_at FROM switch"
                " WHERE benefit_account_id <= :workers",
                workers=workers,
            )

        def carry_out(_workers: int) -> int:
            carried, more = switching.carry_out_others(policy=crowd.policy, by=BY, at=EFFECTIVE)
            assert not more and turns.outside(EFFECTIVE).since is None
            assert cutover.settle_others(by=BY, at=EFFECTIVE) == carried
            return carried

        assert LEAST < growth(spent, carry_out, before=for_an_event) < MOST

    def test_rolled_back_grows_with_those_in_a_batch(self, crowd: Crowd, spent: Effort) -> None:
        which = switching.due(EFFECTIVE, crowd.window_id)
        in_unit_of_work(lambda: switching.carry_out(which, policy=crowd.policy, by=BY, at=EFFECTIVE))

        def roll_back(workers: int) -> int:
            return rolling_back.roll_back(window_of(crowd), by=BY, at=EFFECTIVE, limit=workers).workers

        assert LEAST < growth(spent, roll_back) < MOST


class TestPosting:
    def test_grows_with_what_is_posted(self, spent: Effort) -> None:
        def post(workers: int) -> int:
            rows = db.session.execute(
                text("SELECT source_id, target_id FROM ledger_transfer WHERE unit = 'USD' AND seq = 0")
            )
            pairs = rows.all()[:workers]
            spent.done = 0
            postings = [
                Posting(f"deed:{n}", "crowd", EFFECTIVE.date(), (Transfer(source, target, Unit.USD, 5),))
                for n, (source, target) in enumerate(pairs)
            ]
            return len(journal.post(postings, by=BY, at=EFFECTIVE))

        assert growth(spent, post) < MOST
