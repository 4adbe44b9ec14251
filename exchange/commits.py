"""Was it committed, when the connection was lost at COMMIT?

Nobody has answered, so another connection is asked. PostgreSQL knows what became of a transaction by its
number, as long as it is the same server's: one that was promoted meanwhile counts anew, and is not believed.
Then, and only then, the outcome stays unknown, and the person is told so.
"""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from typing import Any, Final

import psycopg
from flask_babel import lazy_gettext as _l
from sqlalchemy import Connection, Engine, event, text
from sqlalchemy.exc import DBAPIError

from exchange.errors import Refusal

TRIES: Final = 8
_FIRST_WAIT_SECONDS: Final = 0.02
NUMBER: Final = "SELECT CAST(pg_current_xact_id_if_assigned() AS text)"
_STATUS: Final = text("SELECT pg_xact_status(CAST(:number AS xid8))")
# The first eight digits of a log file's name; a standby has none of its own.
_TIMELINE: Final = (
    "SELECT CASE WHEN pg_is_in_recovery() THEN '' ELSE left(pg_walfile_name(pg_current_wal_insert_lsn()), 8) END"
)


class OutcomeUnknown(Refusal):
    """The connection was lost at the very end, and nobody can say yet what became of the work."""

    code = "outcome_unknown"
    status = 503


@dataclass(frozen=True, slots=True)
class Mark:
    """Names a transaction on one line of servers."""

    number: str
    timeline: str


@event.listens_for(Engine, "connect")
def _note_timeline(connection: Any, record: Any) -> None:
    if isinstance(connection, psycopg.Connection):
        connection.autocommit = True  # so that one question is one trip
        row = connection.execute(_TIMELINE).fetchone()
        connection.autocommit = False
        record.info["timeline"] = row[0] if row else ""


def mark(connection: Connection, number: str | None) -> Mark | None:
    """The name of the connection's transaction, which has that ``number``; None when it wrote nothing and has none."""
    return None if number is None else Mark(number, connection.info["timeline"])


def was_committed(engine: Engine, lost: Mark) -> bool:
    """What became of a transaction whose connection was lost. Refuses ``OutcomeUnknown``."""
    for attempt in range(TRIES):
        try:
            with engine.connect() as connection:
                if connection.info["timeline"] != lost.timeline:
                    break
                status = connection.execute(_STATUS, {"number": lost.number}).scalar_one()
        except DBAPIError:
            status = None
        if status in {"committed", "aborted"}:
            return bool(status == "committed")
        time.sleep(_FIRST_WAIT_SECONDS * 2**attempt * random.uniform(0.5, 1))  # noqa: S311 - jitter, not a secret
    raise OutcomeUnknown(
        _l(
            "The connection to our database was lost at the very last moment, and we cannot tell whether your request "
            "was carried out. Wait a minute and look whether it was, before you send it again."
        )
    )
