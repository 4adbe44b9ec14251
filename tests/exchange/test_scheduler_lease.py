"""Can two schedulers get in each other's way?"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from flask import Flask

from exchange import clock
from exchange.database import in_unit_of_work, is_sqlite, unit_of_work
from exchange.scheduler import lease, runner
from exchange.scheduler.jobs import Due
from exchange.scheduler.lease import AdvisoryLease, Lease, RowLease, lease_for
from exchange.scheduler.records import RunState, TakenOver
from tests.exchange.test_scheduler_runner import claim_of_another
from tests.support.scheduling import LONG_AGO, in_batches, on_keys, runs, worked

Leases = Callable[..., Lease]


@pytest.fixture
def leases(app: Flask) -> Iterator[Leases]:
    made: list[Lease] = []

    def make(holder: str, seconds: int = 30) -> Lease:
        made.append(lease_for(holder, seconds=seconds))
        return made[-1]

    yield make
    for one in made:
        one.release()


class TestLease:
    def test_is_had_by_one_at_a_time(self, leases: Leases) -> None:
        first, second = leases("first"), leases("second")

        assert not lease.is_held()
        assert first.acquire() == 1
        assert second.acquire() is None
        assert lease.is_held()

    def test_goes_to_the_next_when_released(self, leases: Leases) -> None:
        first, second = leases("first"), leases("second")
        first.acquire()

        first.release()

        assert second.acquire() == 2
        assert first.token is None

    def test_is_kept_by_signs_of_life(self, leases: Leases) -> None:
        first, second = leases("first"), leases("second")
        first.acquire()

        assert first.renew()
        assert second.acquire() is None

    def test_is_not_renewed_by_one_that_does_not_lead(self, leases: Leases) -> None:
        first, second = leases("first"), leases("second")
        first.acquire()

        assert not second.renew()

    def test_is_of_the_kind_that_fits_the_database(self, leases: Leases) -> None:
        assert isinstance(leases("first"), RowLease if is_sqlite() else AdvisoryLease)


class TestStaleScheduler:
    """One that slept through its own end and wakes up in the middle of its work."""

    @pytest.fixture
    def stale(self, leases: Leases) -> runner.Hand:
        sleeper = leases("sleeper", seconds=0)
        token = sleeper.acquire()
        if not is_sqlite():
            sleeper.release()  # as the server does when it hears nothing for a minute
        assert leases("successor").acquire() == 2
        return runner.Hand("sleeper", token=token)

    def test_can_begin_nothing(self, stale: runner.Hand) -> None:
        with pytest.raises(TakenOver):
            list(runner.run_due(stale, among=[on_keys("keys", ["a"])]))

        assert runs("keys") == []

    def test_can_write_nothing(self, stale: runner.Hand) -> None:
        def write() -> None:
            claim_of_another(token=None)
            assert stale.token is not None
            lease.check(stale.token)

        with pytest.raises(TakenOver):
            in_unit_of_work(write)

        assert runs("keys") == []

    def test_loses_what_it_had_begun_to_its_successor_at_once(self, stale: runner.Hand) -> None:
        in_unit_of_work(lambda: claim_of_another(token=stale.token))

        list(runner.run_due(runner.Hand("successor", token=2), among=[on_keys("keys", ["a"])]))

        assert [run.state for run in runs("keys")] == [RunState.ABANDONED, RunState.DONE]
        assert worked() == {"a": 1}

    def test_cannot_go_on_with_a_long_job(self, stale: runner.Hand) -> None:
        with pytest.raises(TakenOver):
            runner.perform(in_batches("long", "l"), Due("l", LONG_AGO), hand=stale)

        assert worked() == {}


class TestRowLease:
    """As on SQLite; a row is a row on either engine."""

    def test_ends_when_no_sign_of_life_comes(self, app: Flask) -> None:
        sleeper = RowLease("sleeper", seconds=0)
        sleeper.acquire()

        successor = RowLease("successor", seconds=30)
        if is_sqlite():
            assert successor.acquire() == 2
            assert not sleeper.renew()
            assert sleeper.token is None

    def test_is_measured_by_the_machine_not_by_the_demo(self, app: Flask) -> None:
        app.config["DEMO"] = True
        first = RowLease("first")
        first.acquire()
        with unit_of_work():
            clock.move_demo_clock(to=clock.now().replace(year=clock.now().year + 1))

        if is_sqlite():
            assert RowLease("second").acquire() is None
