"""How many statements does a page ask of the database?"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import event

from exchange import glance
from exchange.database import db

TRANSACTIONS = ("BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE")


@contextmanager
def statements() -> Iterator[list[str]]:
    """What the database is asked meanwhile; beginning and ending a transaction is no question."""
    told: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if not statement.lstrip().upper().startswith(TRANSACTIONS):
            told.append(statement)

    event.listen(db.engine, "before_cursor_execute", note)
    try:
        with glance.asked.connected_to(told.append):
            yield told
    finally:
        event.remove(db.engine, "before_cursor_execute", note)
