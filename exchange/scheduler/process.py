"""What keeps the clockwork going, and how does it stop?

APScheduler in UTC with two things in memory: a tick every few seconds that does whatever is due, and
a heartbeat for the lease. Nothing is scheduled by date here; dates are asked of the database.
"""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Collection
from datetime import UTC
from types import FrameType

import structlog
from apscheduler.events import EVENT_SCHEDULER_STARTED
from apscheduler.schedulers.blocking import BlockingScheduler
from apscheduler.triggers.interval import IntervalTrigger
from flask import Flask

from exchange.scheduler import runner
from exchange.scheduler.jobs import Job
from exchange.scheduler.lease import SECONDS, Lease, lease_for
from exchange.scheduler.records import TakenOver

TICK_SECONDS = 3
BEAT_SECONDS = 5
_log = structlog.get_logger(__name__)
# A tick that falls into a long run is left out: no news, every three seconds of a cutover.
logging.getLogger("apscheduler.scheduler").setLevel(logging.ERROR)


class Scheduler:
    """One scheduler process: leads or stands by, ticks, beats, and stops between two runs when asked to.

    ``leads``: off for a process that does a few jobs beside the scheduler: each run is one process's anyway. ``name``:
    what its log calls it.
    """

    def __init__(
        self,
        app: Flask,
        *,
        tick_seconds: float = TICK_SECONDS,
        beat_seconds: float = BEAT_SECONDS,
        lease_seconds: int = SECONDS,
        among: Collection[Job] | None = None,
        leads: bool = True,
        name: str = "scheduler",
    ) -> None:
        self._app, self._among, self._name = app, among, name
        self._stop = threading.Event()
        self._holder = runner.this_process()
        self._tick_seconds, self._beat_seconds = tick_seconds, beat_seconds
        with app.app_context():
            self._lease = lease_for(self._holder, seconds=lease_seconds) if leads else None
        # misfire_grace_time=None: a tick that comes late still comes.
        self._clockwork = BlockingScheduler(
            timezone=UTC, job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None}
        )

    def run(self) -> None:
        """Work until SIGTERM or SIGINT; the run in hand is finished first. For a process's main thread."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._asked_to_stop)
        self._clockwork.add_job(self.tick, IntervalTrigger(seconds=self._tick_seconds, timezone=UTC))
        self._clockwork.add_job(self.beat, IntervalTrigger(seconds=self._beat_seconds, timezone=UTC))
        self._clockwork.add_listener(self._await_the_end, EVENT_SCHEDULER_STARTED)
        _log.info(f"{self._name} started", holder=self._holder)
        self._clockwork.start()
        self.close()
        _log.info(f"{self._name} stopped", holder=self._holder)

    def stop(self) -> None:
        """Stop after the run in hand. May be called from any thread."""
        self._stop.set()

    def close(self) -> None:
        """Let another lead at once."""
        with self._app.app_context():
            if self._lease is not None:
                self._lease.release()

    def tick(self) -> list[runner.Ran]:
        """Do everything that is due, if we lead."""
        with self._app.app_context():
            token = None if self._lease is None else self._lease.token or self._lead(self._lease)
            if self._lease is not None and token is None:
                return []
            hand = runner.Hand(self._holder, token=token)
            try:
                return list(runner.run_due(hand, among=self._among, should_stop=self._stop.is_set))
            except TakenOver:
                _log.warning("another process leads now", holder=self._holder)
                if self._lease is not None:
                    self._lease.release()
                return []

    def beat(self) -> None:
        """Keep the lease, if we lead."""
        with self._app.app_context():
            if self._lease is not None and self._lease.token is not None and not self._lease.renew():
                _log.warning("lease lost", holder=self._holder)

    def _lead(self, lease: Lease) -> int | None:
        token = lease.acquire()
        if token is not None:
            _log.info("this scheduler leads", holder=self._holder, token=token)
        return token

    def _asked_to_stop(self, _number: int, _frame: FrameType | None) -> None:
        # A signal may come while the main thread holds the clockwork's own locks: only a note is left here.
        self._stop.set()

    def _await_the_end(self, _event: object) -> None:
        threading.Thread(target=self._end, name="end of the scheduler", daemon=True).start()

    def _end(self) -> None:
        self._stop.wait()
        self._clockwork.shutdown(wait=True)
