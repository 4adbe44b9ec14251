"""Do those who carry out a cutover side by side, killed at any point and paused in between, end as one undisturbed?"""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Callable
from typing import Final

import pytest
from flask import Flask
from sqlalchemy import Engine, event, select

from enrollment import cutover, cutover_control, jobs, switching
from enrollment.models import EnrollmentWindow, Membership
from exchange import clock, settlement
from exchange.database import db, in_unit_of_work
from exchange.ledger import invariants
from exchange.money import Unit
from exchange.scheduler.jobs import PutOff
from tests.support.databases import TestDatabase
from tests.support.enrollment_makers import BY, EFFECTIVE, LEAVE, Town, held_by

WORKERS: Final = 24
BATCH: Final = 2
PUT_OFF: Final = 3  # the exit status of whoever was put off
BATCHES: Final = 10  # of a helper, who is killed before
NEVER: Final = -1
HELPER_DIES_BY: Final = 90  # statements: in one of his first three batches
SCHEDULER_DIES_BY: Final = 30  # it takes what is free in one batch, and is killed within it

pytestmark = pytest.mark.parametrize("engine_name", ["postgresql"])


def make_town(app: Flask) -> Town:
    """Workers who cross between two providers; the cutover is due by the clock."""
    town = Town()
    for number in range(WORKERS):
        leaves, joins = (town.harbor, town.valley) if number % 3 else (town.valley, town.harbor)
        holding = {**LEAVE, ("retirement", Unit.USD): 1_000 + number}
        town.choose(town.member(f"W{number}", package_id=leaves, holding=holding), joins)
    town.order()
    app.config["DEMO"] = True  # the job reads the clock
    in_unit_of_work(lambda: clock.move_demo_clock(to=EFFECTIVE))
    return town


def end_state(town: Town) -> tuple[object, ...]:
    """What each holds and where, who is with whom, what was netted."""
    window = db.session.get_one(EnrollmentWindow, town.window_id)
    batch_id = settlement.id_of(cutover.reference_of(window))
    assert batch_id is not None, "it is netted"
    m = Membership
    present = select(m.benefit_account_id, m.provider_id, m.package_id).where(m.ends_at.is_(None))
    return (
        [held_by(number) for number in range(1, WORKERS + 1)],
        sorted(tuple(row) for row in db.session.execute(present)),
        sorted(map(repr, settlement.pairs_of(batch_id))),
        switching.progress(town.window_id),
    )


def run_job() -> None:
    """The scheduler's job, from beginning to end."""
    jobs.cut_over("2027", hold=lambda _progress=None, /: None, by=BY)


def help_out(window_id: int) -> None:
    """As ``flask cutover help-out``, in small batches."""

    def batch() -> int:
        window = cutover_control.held(window_id, shared=True)
        return cutover_control.carry_batch(window, by=BY, at=EFFECTIVE, limit=BATCH)

    for _ in range(BATCHES):
        in_unit_of_work(batch)


def beside(work: Callable[[], None], *, dies_at: int) -> int:
    """Begin the work in a process of its own, which is killed at its n-th statement; the process."""
    child = os.fork()
    if child:
        return child
    code, seen = 1, 0

    def count(*_arguments: object) -> None:
        nonlocal seen
        seen += 1
        if seen == dies_at:
            os.kill(os.getpid(), signal.SIGKILL)

    try:
        db.engine.dispose(close=False)  # the connections are the parent's
        event.listen(Engine, "before_cursor_execute", count)
        work()
        code = 0
    except PutOff:
        code = PUT_OFF
    finally:
        os._exit(code)


def ended(child: int) -> int:
    """How it ended: an exit status, or the signal that killed it, negative."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


class TestHelpOut:
    @pytest.mark.parametrize("kills", [8, pytest.param(200, marks=pytest.mark.long)])
    def test_killed_beside_the_scheduler_ends_as_if_undisturbed(
        self, app: Flask, database: TestDatabase, kills: int
    ) -> None:
        undisturbed = make_town(app)
        run_job()
        expected = end_state(undisturbed)
        database.renew()
        town, chance, killed, put_off = make_town(app), random.Random(kills), 0, 0
        window_id = town.window_id

        for number in range(kills):
            if number % 4 == 3:
                self.put_both_off(window_id)
                put_off += 2
            dies_at = chance.randrange(1, HELPER_DIES_BY), chance.randrange(1, SCHEDULER_DIES_BY)
            statuses = self.side_by_side(window_id, dies_at)
            killed += statuses.count(-signal.SIGKILL)
            assert set(statuses) <= {0, -signal.SIGKILL}
            assert invariants.broken() == []
        before = switching.progress(window_id)
        run_job()

        assert end_state(town) == expected
        assert invariants.broken() == []
        print(f"{killed} processes killed, {put_off} put off while it was paused, {before.done} workers carried out")
        assert killed >= kills
        assert before.done > 0
        db.session.rollback()

    def put_both_off(self, window_id: int) -> None:
        """While it is paused both end by themselves, and nothing is carried out."""
        self.decide(cutover_control.pause, window_id)
        before = switching.progress(window_id)

        assert self.side_by_side(window_id, (NEVER, NEVER)) == [PUT_OFF, PUT_OFF]

        assert switching.progress(window_id) == before
        self.decide(cutover_control.resume, window_id)

    @staticmethod
    def side_by_side(window_id: int, dies_at: tuple[int, int]) -> list[int]:
        """Helper and scheduler at once; how each ended."""
        db.session.remove()
        helper, scheduler = dies_at
        both = [beside(lambda: help_out(window_id), dies_at=helper), beside(run_job, dies_at=scheduler)]
        return [ended(child) for child in both]

    @staticmethod
    def decide(deed: Callable[..., None], window_id: int) -> None:
        in_unit_of_work(lambda: deed(cutover_control.held(window_id), reason="a look", by=BY, at=EFFECTIVE))
