"""Which runs of jobs were there, and what came of each?

One row for each attempt. At most one attempt of a key is running or done: the unique index says so,
whoever tries. A run's id is its fencing token: whoever lost the row can write nothing any more.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from flask_babel import lazy_gettext as _l
from sqlalchemy import CheckConstraint, Index, Row, Select, func, literal_column, select, text, update
from sqlalchemy.orm import Mapped, mapped_column

from exchange.database import Base, Choice, db, insert_or_ignore, one_of
from exchange.errors import Refusal
from exchange.scheduler.telling import Kept, Telling

CLAIM = timedelta(seconds=60)
"""How long a run that gives no sign of life is left alone, by the machine's clock."""

_A_DAY: Final = timedelta(days=1)

ASKING: Final = "what is due"
"""The key under which a question for what is due is written down when it fails."""


class RunState(StrEnum):
    """What became of an attempt."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    ABANDONED = "abandoned"  # its process died or lost its lease, or it was put off; another attempt follows


MAY_BECOME: Mapping[RunState, frozenset[RunState]] = {
    RunState.RUNNING: frozenset({RunState.DONE, RunState.FAILED, RunState.ABANDONED}),
    RunState.DONE: frozenset(),
    RunState.FAILED: frozenset(),
    RunState.ABANDONED: frozenset(),
}

_STANDING = "state IN ('running', 'done')"
_FAILED = "state = 'failed'"


class JobRun(Base):
    """One attempt to do one key of one job."""

    __tablename__ = "job_run"
    __table_args__ = (
        one_of("state", RunState),
        CheckConstraint("(state = 'running') = (finished_at IS NULL)", name="finished"),
        # Two schedulers, a person at a button and a person at a keyboard: the work is done once.
        Index(
            "uq_job_run_standing", "name", "due_key",
            unique=True, postgresql_where=text(_STANDING), sqlite_where=text(_STANDING),
        ),
        Index("ix_job_run_name_id", "name", "id"),
        Index("ix_job_run_failed", "name", "due_key", postgresql_where=text(_FAILED), sqlite_where=text(_FAILED)),
    )  # fmt: skip

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    due_key: Mapped[str]
    state: Mapped[RunState] = mapped_column(Choice(RunState))
    due_at: Mapped[datetime]
    started_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    late: Mapped[bool]
    # What was done; while a long job runs, how far it is. Text: the sentence of a release that kept sentences.
    result: Mapped[Telling | str | None] = mapped_column(Kept)
    error: Mapped[str | None]
    # Rules found broken after it, a line each; empty is good.
    broken: Mapped[str | None]
    # Who asked: a job by itself, or a person.
    actor_name: Mapped[str]
    # Machine and process, for whoever looks for a run that hangs.
    holder: Mapped[str]
    # The scheduler's fencing token; empty when run by hand.
    token: Mapped[int | None]
    # By the machine's clock: until when it counts as alive without a further sign.
    held_until: Mapped[datetime]


class AlreadyDone(Refusal):
    """The key was done before."""

    code = "already_done"
    status = 409


class BeingDone(Refusal):
    """Another process is at it."""

    code = "being_done"
    status = 409


class TakenOver(Refusal):
    """This process was silent for too long; another has taken its work over."""

    code = "taken_over"
    status = 409


@dataclass(frozen=True, slots=True)
class DoneDates:
    """Which dates a daily job has done, in short."""

    first: date | None
    last: date | None
    count: int

    @property
    def has_no_gap(self) -> bool:
        """Whether every date from the first to the last is done."""
        return self.first is not None and self.last is not None and (self.last - self.first).days + 1 == self.count


def done_dates(name: str) -> DoneDates:
    """The first and last date a daily job has done, and how many."""
    r = JobRun
    rows = select(func.min(r.due_key), func.max(r.due_key), func.count()).where(
        r.name == name, r.state == RunState.DONE
    )
    first, last, count = db.session.execute(rows).one()
    return DoneDates(_date(first), _date(last), count)


def dates_done_since(name: str, first: date) -> frozenset[date]:
    """Every date from ``first`` on that a daily job has done."""
    r = JobRun
    rows = select(r.due_key).where(r.name == name, r.state == RunState.DONE, r.due_key >= first.isoformat())
    return frozenset(date.fromisoformat(key) for key in db.session.execute(rows).scalars())


def done_among(name: str, keys: Collection[str]) -> frozenset[str]:
    """Those of the keys that a job has done."""
    r = JobRun
    rows = select(r.due_key).where(r.name == name, r.state == RunState.DONE, r.due_key.in_(keys))
    return frozenset(db.session.execute(rows).scalars())


def _date(key: str | None) -> date | None:
    return None if key is None else date.fromisoformat(key)


def claim(values: Mapping[str, Any], *, real_now: datetime) -> int:
    """Begin an attempt: the id of its row. Refuses ``AlreadyDone`` and ``BeingDone``.

    ``values`` are the row's columns. An attempt that is given up is marked so first.
    """
    r = JobRun
    same_key = (r.name == values["name"]) & (r.due_key == values["due_key"])
    standing = db.session.execute(
        select(r.id, r.state, r.held_until, r.token).where(same_key, r.state.in_([RunState.RUNNING, RunState.DONE]))
    ).one_or_none()
    if standing is not None and standing.state is RunState.DONE:
        raise AlreadyDone(_l("%(name)s is already done for %(key)s.", name=values["name"], key=values["due_key"]))
    if standing is not None:
        if not _is_given_up(standing, values["token"], real_now) or not _is_free(standing.id):
            raise _being_done(values)
        become(standing.id, RunState.ABANDONED, finished_at=values["started_at"])
    row = {**values, "state": RunState.RUNNING, "held_until": real_now + CLAIM}
    new = insert_or_ignore(JobRun).rows().values(row).returning(r.id)
    id_: int | None = db.session.execute(new).scalar_one_or_none()
    if id_ is None:
        raise _being_done(values)
    return id_


def _being_done(values: Mapping[str, Any]) -> BeingDone:
    return BeingDone(
        _l(
            "%(name)s for %(key)s is being done just now, by another process.",
            name=values["name"],
            key=values["due_key"],
        )
    )


def _is_given_up(standing: Row[*tuple[Any, ...]], token: int | None, real_now: datetime) -> bool:
    # A scheduler that another has followed can write nothing any more: no need to wait for it.
    followed = token is not None and standing.token is not None and standing.token < token
    return followed or bool(standing.held_until <= real_now)


def _is_free(run_id: int) -> bool:
    # Its row is locked as long as its unit of work is open, however long that takes.
    unlocked = (
        select(JobRun.id).where(JobRun.id == run_id, JobRun.state == RunState.RUNNING).with_for_update(skip_locked=True)
    )
    return db.session.execute(unlocked).first() is not None


def become(run_id: int, state: RunState, **values: Any) -> None:
    """Set a run's state. Raises ``TakenOver`` when it has another one meanwhile."""
    sources = [source for source, targets in MAY_BECOME.items() if state in targets]
    _write_if(run_id, sources, {"state": state, **values})


def hold(run_id: int, *, real_now: datetime, progress: Telling | None) -> None:
    """Give a sign of life from within a unit of work of the run. Raises ``TakenOver``."""
    values: dict[str, Any] = {"held_until": real_now + CLAIM}
    if progress is not None:
        values["result"] = progress
    _write_if(run_id, [RunState.RUNNING], values)


def note(run_id: int, **values: Any) -> None:
    """Write down what came of a run, beside its state."""
    db.session.execute(update(JobRun).where(JobRun.id == run_id).values(**values))


def _write_if(run_id: int, states: Sequence[RunState], values: Mapping[str, Any]) -> None:
    mine = update(JobRun).where(JobRun.id == run_id, JobRun.state.in_(states)).values(**values).returning(JobRun.id)
    if db.session.execute(mine).first() is None:
        raise TakenOver(_l("Another process has taken this run over; nothing was written."))


@dataclass(frozen=True, slots=True)
class Failures:
    """How often a key has failed, and when last."""

    count: int
    last_at: datetime

    @property
    def retry_at(self) -> datetime:
        """When it is tried again: after half a minute, then twice as long each time, at most an hour."""
        wait_seconds = min(30 << min(self.count - 1, 10), 3_600)
        return self.last_at + timedelta(seconds=wait_seconds)


def failures(now: datetime) -> dict[tuple[str, str], Failures]:
    """The keys that failed and are not done: (name, key) → how often; a question for what is due within a day.

    A question is never done: whatever it failed for in all the years would make the next failure wait an hour.
    """
    found = db.session.execute(failed(asked_since=now - _A_DAY))
    return {(name, key): Failures(count, last_at) for name, key, count, last_at in found if last_at is not None}


def failed(*, asked_since: datetime) -> Select[*tuple[Any, ...]]:
    """Name, key, how often and when last. Asked at every tick: of years of runs it reads those alone that failed."""
    r, done = JobRun, JobRun.__table__.alias()
    is_done = (
        select(done.c.id)
        .where(done.c.name == r.name, done.c.due_key == r.due_key, done.c.state == RunState.DONE)
        .exists()
    )
    has_failed = r.state == literal_column(f"'{RunState.FAILED}'")  # in these words the index has it
    lately = (r.due_key != ASKING) | (r.finished_at > asked_since)
    rows = select(r.name, r.due_key, func.count(), func.max(r.finished_at)).where(has_failed, lately, ~is_done)
    return rows.group_by(r.name, r.due_key)


def last_runs(names: Iterable[str]) -> dict[str, JobRun]:
    """The latest attempt of each of these jobs."""
    rows = db.session.execute(latest_of(names)).scalars()
    return {run.name: run for run in rows}


def latest_of(names: Iterable[str]) -> Select[JobRun]:
    """The same as a question: it reads one run of each job, however many there are."""
    newest = [select(func.max(JobRun.id)).where(JobRun.name == name).scalar_subquery() for name in names]
    return select(JobRun).where(JobRun.id.in_(newest))


def latest(name: str, key: str) -> JobRun | None:
    """The latest attempt at one key of a job."""
    newest = select(JobRun).where(JobRun.name == name, JobRun.due_key == key).order_by(JobRun.id.desc()).limit(1)
    return db.session.execute(newest).scalar_one_or_none()


def history(*, name: str | None = None, state: RunState | None = None) -> Select[*tuple[Any, ...]]:
    """Runs, the latest first, as a Core select of the columns that pages show."""
    r = JobRun
    rows = select(
        r.id, r.name, r.due_key, r.state, r.late, r.started_at, r.finished_at, r.result, r.error, r.broken, r.actor_name
    ).order_by(r.id.desc())
    if name is not None:
        rows = rows.where(r.name == name)
    return rows if state is None else rows.where(r.state == state)
