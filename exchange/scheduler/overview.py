"""How do the jobs stand, for whoever looks after them?"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from flask_babel import LazyString

from exchange.scheduler import jobs, records
from exchange.scheduler.jobs import Due, Job
from exchange.scheduler.records import JobRun, RunState


@dataclass(frozen=True, slots=True)
class LastRun:
    """The latest attempt of a job; ``at`` is its end, or its beginning while it runs."""

    state: RunState
    key: str
    at: datetime
    late: bool
    text: str
    broken: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Standing:
    """One job: how many things are due now and since when, else when the next will be; and its last run."""

    name: str
    description: str | LazyString
    is_long: bool
    due_now: int
    due_at: datetime | None
    last: LastRun | None


def standings(now: datetime, *, among: Collection[Job] | None = None) -> list[Standing]:
    """Every job, in the order in which they run."""
    last = records.last_runs()
    chosen = jobs.registered() if among is None else among
    return [_standing(job, job.due(now), now, last.get(job.name)) for job in chosen]


def _standing(job: Job, due: Sequence[Due], now: datetime, run: JobRun | None) -> Standing:
    due_at = min((one.at for one in due), default=None) or job.upcoming(now)
    return Standing(job.name, job.description, job.long_work is not None, len(due), due_at, _last(run))


def _last(run: JobRun | None) -> LastRun | None:
    if run is None:
        return None
    at = run.finished_at or run.started_at
    return LastRun(run.state, run.due_key, at, run.late, run.error or run.result or "", lines_of(run.broken))


def lines_of(broken: str | None) -> tuple[str, ...]:
    """The findings of a run, one by one."""
    return tuple((broken or "").splitlines())
