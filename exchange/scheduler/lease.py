"""Which scheduler may work, when several were started?

One leads, the others stand by. On PostgreSQL an advisory lock on a connection of its own decides: it
goes with its process, and the server cuts off a holder that is silent for long. On SQLite a row
that is renewed every few seconds decides. Whoever comes to lead gets a higher token, and a unit of
work that carries an older one is refused: a process that slept through its own end can't write.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, Protocol

from flask_babel import lazy_gettext as _l
from sqlalchemy import ColumnElement, Connection, func, select, text, true, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Mapped, mapped_column

from exchange import clock
from exchange.database import EPOCH, Base, db, in_unit_of_work, insert_or_ignore, is_sqlite, is_transient
from exchange.scheduler.records import TakenOver

NAME = "scheduler"
SECONDS = 30
_SILENCE = 2  # after so many times the lease's seconds PostgreSQL ends the session of a holder that does not beat
_LOCK = 0x5C4ED  # any number, the same for all schedulers


class SchedulerLease(Base):
    """Who leads, under which token; on SQLite also until when."""

    __tablename__ = "scheduler_lease"

    name: Mapped[str] = mapped_column(primary_key=True)
    token: Mapped[int]
    holder: Mapped[str]
    # By the machine's clock; on PostgreSQL the advisory lock is asked instead.
    held_until: Mapped[datetime]


class Lease(Protocol):
    """The right to be the scheduler. ``token`` is None as long as another leads."""

    token: int | None

    def acquire(self) -> int | None:
        """Try to lead: the new token, or None while another leads."""
        ...

    def renew(self) -> bool:
        """Give a sign of life; False when the lease was lost."""
        ...

    def release(self) -> None:
        """Let another lead at once."""
        ...


def lease_for(holder: str, *, seconds: int = SECONDS) -> Lease:
    """The lease that fits the database. ``holder`` names machine and process."""
    return RowLease(holder, seconds=seconds) if is_sqlite() else AdvisoryLease(holder, seconds=seconds)


def check(token: int) -> None:
    """Called in a unit of work of a scheduler: raises ``TakenOver`` when another has followed it.

    Nobody can follow it before that unit of work ends.
    """
    present = select(SchedulerLease.token).where(SchedulerLease.name == NAME).with_for_update(read=True)
    if db.session.execute(present).scalar_one_or_none() != token:
        raise TakenOver(_l("Another scheduler leads now; nothing was written."))


def is_held() -> bool:
    """Whether some scheduler leads just now."""
    if is_sqlite():
        until = db.session.execute(
            select(SchedulerLease.held_until).where(SchedulerLease.name == NAME)
        ).scalar_one_or_none()
        return until is not None and until > clock.real_now()
    return bool(db.session.execute(_LOCK_IS_HELD, {"lock": _LOCK}).scalar_one())


# Looked up, not tried: a try would keep a scheduler that starts just now from leading.
_LOCK_IS_HELD = text(
    "SELECT EXISTS (SELECT 1 FROM pg_locks JOIN pg_database ON pg_database.oid = pg_locks.database"
    " WHERE locktype = 'advisory' AND granted AND datname = current_database()"
    " AND (classid::bigint << 32) | objid::bigint = hashtextextended(current_schema(), :lock))"
)


def _lock_number() -> Any:
    # One schema is one program; two programs in one database do not exclude each other.
    return func.hashtextextended(func.current_schema(), _LOCK)


class RowLease:
    """A row with an end that is moved on by every sign of life."""

    def __init__(self, holder: str, *, seconds: int = SECONDS) -> None:
        self.token: int | None = None
        self._holder, self._span = holder, timedelta(seconds=seconds)

    def acquire(self) -> int | None:
        """See ``Lease``."""
        self.token = None if is_held() else in_unit_of_work(self._take)
        return self.token

    def _take(self) -> int | None:
        now = clock.real_now()
        return _next_token(self._holder, now + self._span, SchedulerLease.held_until <= now)

    def renew(self) -> bool:
        """See ``Lease``. A database that is locked for long keeps everybody else out, too."""
        try:
            kept = in_unit_of_work(lambda: self._move_end(self._span))
        except DBAPIError as error:
            if not is_transient(error):
                raise
            return True
        if not kept:
            self.token = None
        return kept

    def _move_end(self, span: timedelta) -> bool:
        mine = (SchedulerLease.name == NAME) & (SchedulerLease.token == self.token)
        moved = (
            update(SchedulerLease)
            .where(mine)
            .values(held_until=clock.real_now() + span)
            .returning(SchedulerLease.token)
        )
        return db.session.execute(moved).first() is not None

    def release(self) -> None:
        """See ``Lease``."""
        if self.token is not None:
            in_unit_of_work(lambda: self._move_end(timedelta(0)))
            self.token = None


class AdvisoryLease:
    """A lock of a database session that does nothing else."""

    def __init__(self, holder: str, *, seconds: int = SECONDS) -> None:
        self.token: int | None = None
        self._holder, self._silence = holder, f"{max(1, _SILENCE * seconds)}s"
        self._session: Connection | None = None
        # The heart beats in one thread, the work is done in another.
        self._one_at_a_time = threading.Lock()

    def acquire(self) -> int | None:
        """See ``Lease``."""
        with self._one_at_a_time:
            try:
                if not self._lock():
                    return None
                self.token = in_unit_of_work(lambda: _next_token(self._holder, EPOCH, true()))
            except BaseException:
                self._disconnect()
                raise
            return self.token

    def _lock(self) -> bool:
        if self._session is None:
            self._session = db.engine.connect().execution_options(isolation_level="AUTOCOMMIT")
            self._session.detach()  # not the pool's any more: nobody else may get a session that holds the lock
            self._session.execute(select(func.set_config("idle_session_timeout", self._silence, False)))
        return bool(self._session.execute(select(func.pg_try_advisory_lock(_lock_number()))).scalar_one())

    def renew(self) -> bool:
        """See ``Lease``. The session alive is the lock held."""
        with self._one_at_a_time:
            if self._session is None:
                return False
            try:
                self._session.execute(select(1))
            except DBAPIError:
                self._disconnect()
                return False
            return self.token is not None

    def release(self) -> None:
        """See ``Lease``."""
        with self._one_at_a_time:
            try:
                if self._session is not None:
                    # The server notices a closed connection a moment later: whoever stands by need not wait for that.
                    with suppress(DBAPIError):
                        self._session.execute(select(func.pg_advisory_unlock(_lock_number())))
            finally:
                self._disconnect()

    def _disconnect(self) -> None:
        self.token = None
        if self._session is not None:
            session, self._session = self._session, None
            session.close()


def _next_token(holder: str, held_until: datetime, condition: ColumnElement[bool]) -> int | None:
    lease = SchedulerLease
    first = {"name": NAME, "token": 0, "holder": "", "held_until": EPOCH}
    db.session.execute(insert_or_ignore(lease).rows(), [first])
    taken = (
        update(lease)
        .where(lease.name == NAME, condition)
        .values(token=lease.token + 1, holder=holder, held_until=held_until)
        .returning(lease.token)
    )
    return db.session.execute(taken).scalar_one_or_none()
