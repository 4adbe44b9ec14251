"""How much does the database do for a deed? Counted, not timed: so it is the same on every machine.

On SQLite the steps of its virtual machine. On PostgreSQL, of every statement, those in triggers too: the rows that each
part of its plan looked at, and the blocks that it touched.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
from sqlalchemy import event

from exchange.database import db

_STEPS = 1_000  # of SQLite's machine, between two looks
_EXPLAINED = ("analyze", "buffers", "nested_statements")
_BLOCKS = tuple(f"{where} {how} Blocks" for where in ("Shared", "Local", "Temp") for how in ("Hit", "Read"))
_LOOKED_AT = ("Actual Rows", *(f"Rows Removed by {why}" for why in ("Filter", "Join Filter", "Index Recheck")))


@dataclass
class Effort:
    """What was done since it was last set to zero."""

    done: int = 0

    def hear(self, told: psycopg.errors.Diagnostic) -> None:
        """A plan, as PostgreSQL tells it after a statement."""
        _, _, plan = (told.message_primary or "").partition("plan:\n")
        if plan:
            root = json.loads(plan)["Plan"]
            self.done += _rows(root) + sum(root.get(blocks, 0) for blocks in _BLOCKS)

    def step(self) -> None:
        """SQLite has taken so many steps more."""
        self.done += _STEPS


def _rows(node: dict[str, Any]) -> int:
    here = sum(int(node.get(word, 0)) for word in _LOOKED_AT) * int(node["Actual Loops"])
    return here + sum(map(_rows, node.get("Plans", ())))


@contextmanager
def effort() -> Iterator[Effort]:
    """Counts on connections that are opened meanwhile; those that are open are given up."""
    present = Effort()

    def listen(connection: Any, _record: object) -> None:
        if isinstance(connection, psycopg.Connection):
            _explain_everything(connection)
            connection.add_notice_handler(present.hear)
        else:
            connection.set_progress_handler(present.step, _STEPS)

    _give_up_connections()
    event.listen(db.engine, "connect", listen)
    try:
        yield present
    finally:
        event.remove(db.engine, "connect", listen)
        _give_up_connections()


def _give_up_connections() -> None:
    db.session.remove()
    db.engine.dispose()


def _explain_everything(connection: psycopg.Connection[Any]) -> None:
    connection.execute("LOAD 'auto_explain'")
    for word, value in (
        *((f"log_{what}", "on") for what in _EXPLAINED),
        *(("log_timing", "off"), ("log_format", "json"), ("log_level", "notice"), ("log_min_duration", "0")),
    ):
        connection.execute("SELECT set_config(%s, %s, false)", (f"auto_explain.{word}", value))
    connection.commit()
