"""How does a process hold its connections to the database?

A few in a pool, each with limits of time that the server keeps: nothing is said per transaction. Before a
pooled connection is used it is looked at, not asked: a server that went away has left its farewell in the
socket. On PostgreSQL a program lives in the schema that the search path names first; nothing names a schema.

A standby that is made the primary begins a new timeline. Once a process has seen it, it does not go back to
the primary before, which may still be there and take writes that nobody would keep.
"""

from __future__ import annotations

import os
import re
import select
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, cast

import psycopg
from sqlalchemy import event
from sqlalchemy.engine import URL
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.pool import Pool

# A process serves one request at a time, which takes one connection, and one more to count attempts.
POOL: Final = {"size": 2, "overflow": 3, "recycle": 1800, "wait": 10}
TIMEOUTS: Final = {"connect": 5, "statement": 30, "lock": 10, "idle": 60}
_LIMITS: Final = {
    "statement": "statement_timeout",
    "lock": "lock_timeout",
    "idle": "idle_in_transaction_session_timeout",
}
_SCHEMA: Final = re.compile(r"(?!pg_)[a-z_][a-z0-9_]{0,62}")
# A peer that is silent for long, behind a firewall that forgot us, is noticed by the kernel.
_KEEPALIVE: Final = {
    "keepalives": 1,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
}
_LONGEST_NAME: Final = 63  # bytes that PostgreSQL keeps of an application's name


@dataclass(frozen=True, slots=True)
class Connecting:
    """How the engine connects: sizes and seconds, see ``POOL`` and ``TIMEOUTS``.

    ``behind_pooler``: between us and the server stands a pooler that hands a connection on after each transaction.
    """

    schema: str | None = None
    pool: Mapping[str, int] = field(default_factory=lambda: POOL)
    timeouts: Mapping[str, int] = field(default_factory=lambda: TIMEOUTS)
    behind_pooler: bool = False


def is_schema(name: str) -> bool:
    """Whether a schema may be called that without quotes."""
    return _SCHEMA.fullmatch(name) is not None


def figures(text: str | None, defaults: Mapping[str, int]) -> dict[str, int]:
    """``"size=5 recycle=600"`` over the defaults. Raises ``ValueError`` for other words, or what is no whole number."""
    found = dict(defaults)
    for pair in (text or "").split():
        name, _, number = pair.partition("=")
        if name not in defaults or not (number.isascii() and number.isdecimal()):
            raise ValueError(pair)
        found[name] = int(number)
    return found


def engine_options(url: URL, how: Connecting) -> dict[str, Any]:
    """What SQLAlchemy's engine is made with. What the address says itself (``?options=-c…``) wins."""
    # An error's words reach logs that are not ours to write (gunicorn's): values are somebody's.
    quiet = {"hide_parameters": True}
    if url.get_backend_name() != "postgresql":
        return quiet
    return {
        **quiet,
        "pool_size": how.pool["size"],
        "max_overflow": how.pool["overflow"],
        "pool_recycle": how.pool["recycle"],
        "pool_timeout": how.pool["wait"],
        "connect_args": {
            "connect_timeout": how.timeouts["connect"],
            "fallback_application_name": "exchange",
            **_KEEPALIVE,
            **({"prepare_threshold": None} if how.behind_pooler else {"options": _options(url, how)}),
        },
    }


def _options(url: URL, how: Connecting) -> str:
    given = str(url.query.get("options", ""))
    wanted = {name: f"{how.timeouts[word]}s" for word, name in _LIMITS.items()}
    if how.schema is not None:
        wanted["search_path"] = how.schema
    missing = [f"-c {name}={value}" for name, value in wanted.items() if name not in given]
    return " ".join([given, *missing]).strip()


def name_process(name: str) -> None:
    """Let the server show which process a connection is: ``exchange web on host:pid``, unless PGAPPNAME says it."""
    os.environ.setdefault("PGAPPNAME", f"exchange {name} on {socket.gethostname()}:{os.getpid()}"[:_LONGEST_NAME])


class Keeping(psycopg.Connection[Any]):
    """A connection that keeps what it has prepared when a transaction is given up in which nothing failed.

    Each request that only read ends so. The driver would let the server forget every statement then, for those who
    drop tables and make others of the same name; PostgreSQL itself looks whether a plan still holds.
    """

    def rollback(self) -> None:
        """As the driver does it, where something has failed. A server that is gone has given it up by itself: that is
        no failure, or a page would be lost that was finished. Whoever uses the connection next finds it closed.
        """
        try:
            status = self.pgconn.transaction_status
            if status == psycopg.pq.TransactionStatus.IDLE:
                return
            if status != psycopg.pq.TransactionStatus.INTRANS:
                super().rollback()
            elif self.pgconn.exec_(b"ROLLBACK").status != psycopg.pq.ExecStatus.COMMAND_OK:
                self.close()
        except psycopg.OperationalError:
            if self.pgconn.status == psycopg.pq.ConnStatus.OK:
                raise
            self.close()


@event.listens_for(Pool, "connect")
def _keep(connection: Any, _record: object) -> None:
    """Whoever has connected: SQLAlchemy asks the driver for a connection, not for one of a class."""
    if type(connection) is psycopg.Connection:
        connection.__class__ = Keeping


# The first eight digits of a log file's name are its timeline. A standby writes no log.
_TIMELINE: Final = (
    "SELECT system_identifier, left(CASE WHEN pg_is_in_recovery() THEN NULL"
    " ELSE pg_walfile_name(pg_current_wal_insert_lsn()) END, 8) FROM pg_control_system()"
)
# The newest timeline that this process has seen of each cluster (by the identifier that copies of it share).
_newest: dict[int, int] = {}


@event.listens_for(Pool, "connect")
def _note_timeline(connection: Any, record: Any) -> None:
    """Refuse the primary of an older timeline as if it could not be reached."""
    if not isinstance(connection, psycopg.Connection):
        return
    try:
        cluster, digits = cast(tuple[int, str | None], connection.execute(_TIMELINE).fetchone())
        connection.rollback()
    except psycopg.Error:
        connection.close()  # the pool does not know it yet
        raise
    if digits is None:
        return
    timeline = int(digits, 16)
    newest = _newest[cluster] = max(timeline, _newest.get(cluster, 0))
    if timeline < newest:
        connection.close()
        raise psycopg.OperationalError(f"this primary is of timeline {timeline}; timeline {newest} has begun")
    record.info["primary"] = cluster, timeline


@event.listens_for(Pool, "checkout")
def _look(connection: Any, record: Any, _proxy: object) -> None:
    """Refuse a connection that is closed, or with something to read in it: nobody asked, so it is the server's
    farewell. And one to a primary that another has followed since.
    """
    if not isinstance(connection, psycopg.Connection):
        return
    if connection.closed or _is_readable(connection.pgconn.socket):
        raise DisconnectionError("the server has said good-bye")
    cluster, timeline = record.info.get("primary", (0, 0))
    if timeline < _newest.get(cluster, 0):
        raise DisconnectionError("another server has become the primary")


def _is_readable(descriptor: int) -> bool:
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(0))
