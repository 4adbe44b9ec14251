"""What time is it?  The only reader of the system clock.

The deciding clock is the database's: on PostgreSQL it is asked inside the running transaction; an
SQLite database lives in this process's machine, whose clock it shares. In demo mode, and only
there, a stranger may move the clock forward: the offset stands in ``demo_clock``.

No clock is believed alone. Whoever writes does so only while three agree to five seconds: the
database's, this machine's, and this machine's counter of seconds since it was started, which nobody
sets. A clock that jumps (a wrong time server, a machine that was put to sleep) opens no window early.
"""

from __future__ import annotations

import time
from datetime import UTC, date, datetime, timedelta
from typing import cast
from zoneinfo import ZoneInfo

import structlog
from flask import current_app
from flask_babel import lazy_gettext as _l
from sqlalchemy import BigInteger, CheckConstraint, ColumnElement, Text, bindparam, func, select
from sqlalchemy.orm import Mapped, mapped_column

from exchange.database import Base, db, is_sqlite, is_writing, note_transaction
from exchange.errors import Refusal

_log = structlog.get_logger(__name__)
_NOW_AND_NUMBER = select(func.clock_timestamp(), func.pg_current_xact_id().cast(Text))


class DemoClock(Base):
    """How far the demo's clock stands before the real one (at most one row, only in demo mode)."""

    __tablename__ = "demo_clock"
    __table_args__ = (CheckConstraint("id = 1", name="one_row"), CheckConstraint("offset_us >= 0", name="never_back"))

    id: Mapped[int] = mapped_column(primary_key=True, default=1, autoincrement=False)
    offset_us: Mapped[int]


AGREE_WITHIN_SECONDS = 5.0
LET_PASS = timedelta(seconds=2 * AGREE_WITHIN_SECONDS)
"""How far a clock may go back between two writes unnoticed: from that much ahead to that much behind."""


def _counted() -> float:
    # Linux counts on while the machine sleeps with this one only; elsewhere the usual one does.
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


_LOADED = time.time() - _counted()


class ClocksDisagree(Refusal):
    """The clocks differ: nothing that depends on the time is decided until they agree."""

    code = "clocks_disagree"
    status = 503


def now() -> datetime:
    """The present instant by the database's clock, UTC, to be read inside the deciding transaction."""
    return real_now() + demo_offset()


def real_now() -> datetime:
    """The same without the demo's offset: for leases and heartbeats, which measure machines, not the program."""
    if is_sqlite():
        instant = datetime.now(UTC)
        _refuse_to_write_if_apart(instant)
        return instant
    if is_writing():
        # The transaction's number comes along: if the connection is lost at COMMIT, it tells what became of it.
        instant, number = db.session.execute(_NOW_AND_NUMBER).one()
        note_transaction(number)
    else:
        instant = db.session.execute(select(func.clock_timestamp())).scalar_one()
    instant = cast(datetime, instant).astimezone(UTC)
    _refuse_to_write_if_apart(instant)
    return instant


def seconds_apart(instant: datetime) -> float:
    """The largest difference between the three clocks; ``instant`` is what the database's says now."""
    machine = time.time()
    return max(abs(machine - instant.timestamp()), abs(machine - _counted() - _LOADED))


def seconds_that_forbid_writing() -> float:
    """By how much the clocks differ now; nothing where they need not agree."""
    return seconds_apart(real_now()) if _must_agree() else 0.0


def _must_agree() -> bool:
    # The demo's clock is moved by strangers anyway, and its machine is a laptop that sleeps.
    return not current_app.config["DEMO"] and current_app.config.get("CLOCKS_MUST_AGREE", True)


def _refuse_to_write_if_apart(instant: datetime) -> None:
    if not is_writing() or not _must_agree():
        return
    if (apart := seconds_apart(instant)) > AGREE_WITHIN_SECONDS:
        _log.error("clocks disagree: nothing is written", seconds=round(apart, 1))
        raise ClocksDisagree(
            _l(
                "Our clocks do not agree at the moment, so nothing that depends on the time is taken. "
                "Nothing was changed; please try again in a few minutes."
            )
        )


def microseconds() -> ColumnElement[int]:
    """The same as ``now`` as a column, in microseconds since 1970, for a statement that asks for other things besides.

    It has a parameter, for which ``parameter_of_microseconds`` is to be given.
    """
    if is_sqlite():
        return bindparam("machine_us", type_=BigInteger)
    ahead = bindparam("ahead_us", type_=BigInteger)
    return (func.extract("epoch", func.clock_timestamp()) * 1_000_000).cast(BigInteger) + ahead


def parameter_of_microseconds() -> dict[str, int]:
    """What ``microseconds`` has to be told: on SQLite the machine's clock is the database's."""
    ahead_us = demo_offset() // timedelta(microseconds=1) if current_app.config.get("DEMO") else 0
    return {"machine_us": machine_microseconds() + ahead_us, "ahead_us": ahead_us}


def machine_microseconds() -> int:
    """Microseconds since 1970 by this machine."""
    return time.time_ns() // 1_000


def machine_seconds() -> int:
    """Seconds since 1970 by this machine: for sessions, which measure people at their browsers and ask no database."""
    return int(time.time())


def demo_offset() -> timedelta:
    """By how much the demo's clock is ahead; nothing outside demo mode."""
    if not current_app.config.get("DEMO"):
        return timedelta(0)
    offset = db.session.execute(select(DemoClock.offset_us)).scalar_one_or_none()
    return timedelta(microseconds=offset or 0)


def move_demo_clock(*, to: datetime) -> None:
    """Move the demo's clock forward to ``to``. Never back; never outside demo mode."""
    assert current_app.config.get("DEMO"), "the clock moves in demo mode only"
    ahead = (to - now()) + demo_offset()
    offset_us = ahead // timedelta(microseconds=1)
    row = db.session.get(DemoClock, 1)
    if row is None:
        db.session.add(DemoClock(id=1, offset_us=max(offset_us, 0)))
    else:
        row.offset_us = max(offset_us, row.offset_us)
    db.session.flush()


def local_date(instant: datetime, zone: str) -> date:
    """The date that calendars in ``zone`` (an IANA name) show at ``instant``."""
    return instant.astimezone(ZoneInfo(zone)).date()
