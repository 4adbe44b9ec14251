"""Which jobs do the scheduler's tests run, and how does a process die in the middle of one?

The jobs leave an audit event for each piece of work, so that "once" can be counted.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime

from sqlalchemy import event, select
from sqlalchemy.engine import Engine

from exchange import audit, clock
from exchange.audit import AuditEvent
from exchange.database import db, unit_of_work
from exchange.identity.actors import Actor
from exchange.scheduler.jobs import Due, Hold, Job, daily
from exchange.scheduler.records import JobRun
from exchange.scheduler.telling import Telling, said

LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)
BATCHES = 3


def work_of(key: str, /, *, by: Actor, at: datetime) -> Telling:
    """One piece of work, counted."""
    audit.record("test.worked", f"key:{key}", by=by, at=at)
    return said("worked on %(key)s", key=key)


def day_of(on: date, /, *, by: Actor, at: datetime) -> Telling:
    """One day's work, counted."""
    return work_of(on.isoformat(), by=by, at=at)


def worked() -> Counter[str]:
    """How often each key was worked on."""
    db.session.rollback()
    rows = select(AuditEvent.subject).where(AuditEvent.action == "test.worked").order_by(AuditEvent.id)
    return Counter(subject.removeprefix("key:") for subject in db.session.execute(rows).scalars())


def runs(name: str) -> list[JobRun]:
    """The runs of a job, in their order."""
    db.session.rollback()
    return list(db.session.execute(select(JobRun).where(JobRun.name == name).order_by(JobRun.id)).scalars())


def on_keys(
    name: str, keys: Sequence[str], work: Callable[..., Telling] = work_of, *, order: int = 50, posts: bool = False
) -> Job:
    """A job with these keys to do; each is due as long as it is not worked on."""
    return Job(name, "Works.", _undone(keys), work=work, order=order, posts=posts)


def in_batches(name: str, key: str) -> Job:
    """A long job: some batches of one key, each in a unit of work of its own."""

    def batches(key: str, /, *, hold: Hold, by: Actor) -> Telling:
        for number in range(1, BATCHES + 1):
            with unit_of_work():
                hold(said("%(number)s of %(total)s", number=number, total=BATCHES))
                if worked()[f"{key}.{number}"] == 0:
                    work_of(f"{key}.{number}", by=by, at=clock.now())
        return said("all batches")

    return Job(name, "Works long.", _undone([key], done=f"{key}.done"), long_work=batches)


def each_day(name: str, since: date | None = None) -> Job:
    """A daily job."""
    return daily(name, "Works every day.", day_of, since=(lambda: since) if since else None)


def move_to(at: datetime) -> None:
    """Move the demo's clock."""
    with unit_of_work():
        clock.move_demo_clock(to=at)


def _undone(keys: Sequence[str], *, done: str | None = None) -> Callable[[datetime], list[Due]]:
    def due(_now: datetime) -> list[Due]:
        seen = worked()
        return [Due(key, LONG_AGO) for key in keys if not seen[done or key]]

    return due


def killed_at_step(step: int, deed: Callable[[], None]) -> bool:
    """Do the deed in a process of its own that dies before its ``step``-th statement or commit.

    Whether it was killed: False when it came to its end first.
    """
    db.session.remove()
    db.engine.dispose()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            _die_before(step)
            deed()
            status = 0
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    assert code in {0, 9}, f"the child ended with {code}"
    return code == 9


def _die_before(step: int) -> None:
    left = [step]

    def count(*_: object) -> None:
        left[0] -= 1
        if left[0] == 0:
            os._exit(9)

    event.listen(Engine, "before_cursor_execute", count)
    event.listen(Engine, "commit", count)
