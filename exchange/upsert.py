"""How are many rows from a file written, so that the same file twice is once?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from sqlalchemy import Table, select, tuple_
from sqlalchemy.dialects import postgresql, sqlite

from exchange.database import db, is_sqlite

_AT_ONCE: Final = 1_000  # keys in one question; SQLite takes 32,766 variables in a statement


@dataclass(frozen=True, slots=True)
class Written:
    """How many rows were new, had changed, or were there already just so."""

    added: int = 0
    changed: int = 0
    unchanged: int = 0

    def __add__(self, other: Written) -> Written:
        return Written(self.added + other.added, self.changed + other.changed, self.unchanged + other.unchanged)


def upsert(
    table: Table, rows: Iterable[Mapping[str, Any]], *, key: Sequence[str], stamp: Mapping[str, Any] | None = None
) -> Written:
    """Insert the rows, or update those whose ``key`` is there (a unique constraint of the table names it).

    All rows have the same columns, some beside the key. ``stamp`` holds values for columns that tell
    when and whence a row was last seen: they are written to every row and do not count as a change.
    Rows come in any number and are taken in pieces; two rows with one key: the later one stands.
    """
    written = Written()
    source = iter(rows)
    while piece := list(islice(source, _AT_ONCE)):
        written += _write(table, piece, key=key, stamp=stamp or {})
    return written


def _write(table: Table, rows: Sequence[Mapping[str, Any]], *, key: Sequence[str], stamp: Mapping[str, Any]) -> Written:
    wanted = {tuple(row[name] for name in key): row for row in rows}
    values = [name for name in rows[0] if name not in key]
    there = _present(table, list(wanted), key=key, values=values)
    added = wanted.keys() - there.keys()
    changed = [at for at, found in there.items() if found != tuple(wanted[at][name] for name in values)]
    # Sorted, so that two imports at once wait for one another and do not embrace.
    to_write = sorted(wanted) if stamp else sorted((*added, *changed))
    if to_write:
        # Not "insert" alone for the new ones: another import may have written them since the question.
        insert = (sqlite.insert if is_sqlite() else postgresql.insert)(table)
        updated = {name: insert.excluded[name] for name in (*values, *stamp)}
        statement = insert.on_conflict_do_update(index_elements=list(key), set_=updated)
        db.session.execute(statement, [{**wanted[at], **stamp} for at in to_write])
    return Written(added=len(added), changed=len(changed), unchanged=len(there) - len(changed))


def _present(
    table: Table, keys: list[tuple[Any, ...]], *, key: Sequence[str], values: Sequence[str]
) -> dict[tuple[Any, ...], tuple[Any, ...]]:
    columns = [table.c[name] for name in key]
    matches = columns[0].in_([at[0] for at in keys]) if len(columns) == 1 else tuple_(*columns).in_(keys)
    found = db.session.execute(select(*columns, *(table.c[name] for name in values)).where(matches))
    return {tuple(row[: len(columns)]): tuple(row[len(columns) :]) for row in found}
