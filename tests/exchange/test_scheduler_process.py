"""Does the work survive the processes that do it?"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import select

from exchange import clock
from exchange.database import db
from exchange.scheduler import lease, runner
from exchange.scheduler.jobs import Job
from exchange.scheduler.process import Scheduler
from exchange.scheduler.records import RunState
from tests.support.scheduling import BATCHES, each_day, in_batches, killed_at_step, move_to, on_keys, runs, worked

SCRIPT = Path(__file__).parents[1] / "support" / "scheduler_process.py"
PATIENCE_SECONDS = 30
KEYS = 20
LEASE_SECONDS = 2  # as in the script

HAND_OVERS = 100  # of the night
NIGHT_KEYS, NIGHT_PAUSE = 5_000, 0.1  # more than they come to do, and how long they rest before each

Start = Callable[..., "subprocess.Popen[bytes]"]


def leading(among: list[Job]) -> None:
    """What a scheduler does, from coming to lead to the end of its first tick; its lease ends with it."""
    mine = lease.lease_for(runner.this_process(), seconds=0)
    token = mine.acquire()
    if token is not None:
        list(runner.run_due(runner.Hand(runner.this_process(), token=token), among=among))
    mine.release()


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)


def leading_now() -> tuple[int, str]:
    """Token and holder of whoever leads, or led last."""
    db.session.rollback()
    token, holder = db.session.execute(select(lease.SchedulerLease.token, lease.SchedulerLease.holder)).one()
    return token, holder


class TestKilledMidway:
    def test_a_run_has_not_begun_or_is_complete(self, app: Flask) -> None:
        step, killed = 0, True
        while killed:
            step += 1
            jobs = [on_keys(f"job{step}", [f"{step}.a", f"{step}.b"])]
            killed = killed_at_step(step, lambda jobs=jobs: leading(jobs))  # type: ignore[misc]  # a bound default
            wait_for(lambda jobs=jobs, step=step: self.is_done_again(jobs, [f"{step}.a", f"{step}.b"]))  # type: ignore[misc]
        assert step > 20
        assert set(worked().values()) == {1}

    def test_a_long_job_goes_on_where_it_was(self, app: Flask) -> None:
        step, killed = 0, True
        while killed:
            step += 1
            jobs = [in_batches(f"long{step}", f"{step}")]
            killed = killed_at_step(step, lambda jobs=jobs: leading(jobs))  # type: ignore[misc]  # a bound default
            wait_for(
                lambda jobs=jobs, step=step: self.is_done_again(jobs, [f"{step}.{n}" for n in range(1, BATCHES + 1)])  # type: ignore[misc]
            )
        assert step > 20
        assert set(worked().values()) == {1}

    @staticmethod
    def is_done_again(jobs: list[Job], keys: list[str]) -> bool:
        leading(jobs)
        done = worked()
        return all(done[key] == 1 for key in keys) and runs(jobs[0].name)[-1].state is RunState.DONE


class TestSchedulerProcesses:
    @pytest.fixture
    def start(self, app: Flask) -> Iterator[Start]:
        started: list[subprocess.Popen[bytes]] = []
        address = app.config["SQLALCHEMY_DATABASE_URI"]

        def one(keys: int = KEYS, *, pause: float = 0) -> subprocess.Popen[bytes]:
            started.append(
                subprocess.Popen(
                    [sys.executable, str(SCRIPT), address, str(keys), str(pause)],
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                )
            )
            return started[-1]

        yield one
        for process in started:
            process.send_signal(signal.SIGCONT)
            process.kill()
            process.wait()

    def test_two_started_by_mistake_do_the_work_once(self, start: Start) -> None:
        start(), start()

        wait_for(lambda: len(worked()) == KEYS)

        assert set(worked().values()) == {1}
        assert len({run.token for run in runs("keys")}) == 1

    def test_the_second_takes_over_when_the_first_is_killed(self, start: Start) -> None:
        first = start()
        wait_for(lambda: len(worked()) >= 3)
        start()

        first.kill()

        wait_for(lambda: len(worked()) == KEYS)
        assert set(worked().values()) == {1}
        assert len({run.token for run in runs("keys") if run.state is RunState.DONE}) == 2

    def test_one_that_is_told_to_stop_finishes_what_it_has_in_hand(self, start: Start) -> None:
        first = start()
        wait_for(lambda: len(worked()) >= 3)

        first.send_signal(signal.SIGTERM)

        assert first.wait(PATIENCE_SECONDS) == 0
        assert len(worked()) < KEYS
        assert {run.state for run in runs("keys")} == {RunState.DONE}
        assert not lease.is_held()

    def test_one_that_was_paused_writes_nothing_that_its_successor_did(self, start: Start) -> None:
        first = start()
        wait_for(lambda: len(worked()) >= 3)
        first.send_signal(signal.SIGSTOP)
        second = start()
        time.sleep(LEASE_SECONDS + 1)  # the first may have been stopped with the database's lock in its hand

        first.send_signal(signal.SIGCONT)

        wait_for(lambda: len(worked()) == KEYS)
        assert set(worked().values()) == {1}
        assert second.poll() is None

    @pytest.mark.long
    def test_two_take_turns_a_hundred_times_when_the_one_that_leads_is_paused(self, start: Start) -> None:
        both = [start(NIGHT_KEYS, pause=NIGHT_PAUSE) for _ in range(2)]
        handed_over, pauses = 0, 0
        while handed_over < HAND_OVERS:
            pauses += 1
            handed_over += self.pause_the_leader()

        tokens = [run.token or 0 for run in runs("keys")]
        assert tokens == sorted(tokens)
        assert set(worked().values()) == {1}
        assert [process.poll() for process in both] == [None, None]
        print(f"{handed_over} hand-overs in {pauses} pauses, {len(worked())} pieces of work, each done once")

    @staticmethod
    def pause_the_leader() -> bool:
        """Until the other leads and has worked; whether it came to that.

        It does not where the leader was stopped with SQLite's lock in its hand.
        """
        done = len(worked())
        wait_for(lambda: len(worked()) >= done + 2)
        leader = leading_now()
        process_id = int(leader[1].rpartition(":")[2])
        os.kill(process_id, signal.SIGSTOP)
        try:
            end = time.monotonic() + 5 * LEASE_SECONDS
            while leading_now() == leader and time.monotonic() < end:
                time.sleep(0.05)
            if leading_now() == leader:
                return False
            done = len(worked())
            wait_for(lambda: len(worked()) >= done + 1)
        finally:
            os.kill(process_id, signal.SIGCONT)
        return True


class TestTick:
    @pytest.mark.parametrize("seconds", [0, 0.5, 1, 10, 60, 120, 3_600])
    def test_that_comes_late_still_does_its_work(self, app: Flask, seconds: float) -> None:
        app.config["DEMO"] = True
        job = each_day("days")
        with contextlib.closing(Scheduler(app, among=[job])) as scheduler:
            scheduler.tick()
            following = job.upcoming(clock.now())
            assert following is not None
            move_to(following + timedelta(seconds=seconds))

            ran = scheduler.tick()

        assert [(one.state, one.late) for one in ran] == [(RunState.DONE, False)]
        assert len(runs("days")) == 2

    def test_of_one_that_does_not_lead_does_nothing(self, app: Flask) -> None:
        with (
            contextlib.closing(Scheduler(app, among=[])) as first,
            contextlib.closing(Scheduler(app, among=[on_keys("keys", ["a"])])) as second,
        ):
            first.tick()
            assert second.tick() == []

            first.beat()
            first.close()

            assert [one.key for one in second.tick()] == ["a"]
