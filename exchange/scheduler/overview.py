"""How do the jobs stand, for whoever looks after them?"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from flask_babel import LazyString

from exchange.database import db
from exchange.scheduler import jobs, records
from exchange.scheduler.jobs import Job
from exchange.scheduler.records import JobRun, RunState
from exchange.scheduler.runner import in_words
from exchange.scheduler.telling import Telling


@dataclass(frozen=True, slots=True)
class LastRun:
    """The latest attempt of a job; ``at`` is its end, or its beginning while it runs; ``text`` what came of it."""

    state: RunState
    key: str
    at: datetime
    late: bool
    text: Telling | str
    broken: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Standing:
    """One job: how many things are due now and since when, else when the next will be; and its last run.

    ``trouble`` says why it cannot tell what is due, when it cannot.
    """

    name: str
    description: str | LazyString
    is_long: bool
    due_now: int
    due_at: datetime | None
    last: LastRun | None
    trouble: str = ""

    @property
    def failed(self) -> bool:
        """Whether its last run failed. If the question for what is due did, that is over once it is answered again."""
        if self.last is None or self.last.state is not RunState.FAILED:
            return False
        return bool(self.trouble) or self.last.key != records.ASKING


def standings(now: datetime, *, among: Collection[Job] | None = None) -> list[Standing]:
    """Every job, in the order in which they run."""
    chosen = jobs.registered() if among is None else among
    last = {name: _last(run) for name, run in records.last_runs(job.name for job in chosen).items()}
    return [_standing(job, now, last.get(job.name)) for job in chosen]


def _standing(job: Job, now: datetime, last: LastRun | None) -> Standing:
    is_long = job.long_work is not None
    try:
        due = job.due(now)
        due_at = min((one.at for one in due), default=None) or job.upcoming(now)
    except Exception as error:  # noqa: BLE001 - one job's mistake must not hide the others from the operator
        db.session.rollback()
        return Standing(job.name, job.description, is_long, 0, None, last, in_words(error))
    return Standing(job.name, job.description, is_long, len(due), due_at, last)


def _last(run: JobRun) -> LastRun:
    at = run.finished_at or run.started_at
    return LastRun(run.state, run.due_key, at, run.late, run.error or run.result or "", lines_of(run.broken))


def lines_of(broken: str | None) -> tuple[str, ...]:
    """The findings of a run, one by one."""
    return tuple((broken or "").splitlines())
