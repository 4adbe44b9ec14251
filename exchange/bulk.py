"""How do many rows get in, and how is after many asked, as fast as the engine takes it?

Rows are plain tuples on their way past the ORM and the types of columns: PostgreSQL copies them,
SQLite takes them with one prepared statement. Values are what the column holds: whole numbers, text,
bytes, None; days as ISO text, words of an enum as text.
"""

from __future__ import annotations

import gc
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from types import NoneType
from typing import Any, Final

from sqlalchemy import ARRAY, ColumnElement, Table, any_, column, func, literal, select
from sqlalchemy.orm import InstrumentedAttribute

from exchange.database import driver, is_sqlite, told_by_sqlalchemy

# Rows that are sent to PostgreSQL at a time: few, so that it takes them in while the next are put into words.
_AT_ONCE: Final = 500


@contextmanager
def uncollected() -> Iterator[None]:
    """While many rows are objects of Python, for a moment: they are in no cycles, and to look for cycles among them and
    all else that the process holds costs more than to make them.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def insert_rows(table: Table, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Insert the rows, which may be a generator: only some of them are in memory at a time.

    Raises what SQLAlchemy raises: a unique key that is taken is an ``IntegrityError``. A listener does not see it.
    """
    present, named = driver(), ", ".join(columns)
    if present.is_sqlite:
        statement = f"INSERT INTO {table.name} ({named}) VALUES ({', '.join('?' * len(columns))})"  # noqa: S608 - our own names
        with told_by_sqlalchemy(present.connection, statement):
            present.cursor.executemany(statement, rows)
        return
    statement, source = f"COPY {table.name} ({named}) FROM STDIN", iter(rows)
    with told_by_sqlalchemy(present.connection, statement), present.cursor.copy(statement) as copy:
        while piece := list(islice(source, _AT_ONCE)):
            copy.write(_block(piece))


def _block(rows: Sequence[Sequence[Any]]) -> str:
    """The rows as COPY reads them. By columns, because what a column holds is of one kind."""
    columns = (_texts(column) for column in zip(*rows, strict=True))
    return "\n".join((*map("\t".join, zip(*columns, strict=True)), ""))


def _texts(column: Sequence[Any]) -> Iterable[str]:
    kinds = set(map(type, column))
    if kinds == {int}:
        return map(str, column)
    if kinds == {str} and not _SPECIAL.search("".join(column)):
        return column
    return map(_text, column)


_SPECIAL: Final = re.compile(r"[\\\t\n\r]")
_ESCAPED: Final = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})


def _text(value: Any) -> str:
    if value is None:
        return "\\N"
    if isinstance(value, bytes):
        return f"\\\\x{value.hex()}"
    assert isinstance(value, (str, int)), "values are what the column holds"
    return str(value).translate(_ESCAPED)


def among(attribute: InstrumentedAttribute[Any] | ColumnElement[Any], values: Sequence[Any]) -> ColumnElement[bool]:
    """``attribute IN values`` with one parameter however many there are: a question that stays prepared."""
    if is_sqlite():
        listed = func.json_each(json.dumps(list(values))).table_valued("value")
        return attribute.in_(select(column("value")).select_from(listed))
    return attribute == any_(literal(list(values), ARRAY(attribute.type)))


def _array(column: Sequence[Any]) -> str | list[Any]:
    """A column as PostgreSQL reads a list: whole numbers as text, which the driver would look at one by one."""
    kinds = set(map(type, column))
    if kinds <= {int, NoneType}:
        return f"{{{','.join(map(str, column))}}}".replace("None", "NULL")
    if kinds == {str} and not _QUOTED.search("".join(column)):
        return '{"' + '","'.join(column) + '"}'
    return list(column)


_QUOTED: Final = re.compile(r'[\\"]')


class Prepared:
    """A statement over rows that are given with it, put together once: for what is done for each of many small reports.

    In ``statement`` ``{rows}`` stands for the rows as a table of that ``name``, ``{word}`` for each other value and
    ``{for_share}`` for the lock, which SQLite does without. ``columns``: the names in the order of a row's values, and
    their types on PostgreSQL (a literal in our own code); none for a statement that is given values only.
    """

    def __init__(self, statement: str, name: str = "", values: Sequence[str] = (), **columns: str) -> None:
        picked = ", ".join(f"value ->> {place} AS {column}" for place, column in enumerate(columns))
        self._on_sqlite = statement.format(
            rows=f"(SELECT {picked} FROM json_each(:rows)) AS {name}",  # noqa: S608 - our own names
            for_share="",
            **{value: f":{value}" for value in values},
        )
        lists = ", ".join(f"%({column}_list)s::{kind}[]" for column, kind in columns.items())
        self._on_postgresql = statement.format(
            rows=f"unnest({lists}) AS {name} ({', '.join(columns)})",
            for_share="FOR SHARE",
            **{value: f"%({value})s" for value in values},
        )
        self._lists = [f"{column}_list" for column in columns]

    def run(self, rows: Sequence[Sequence[Any]] = (), **values: Any) -> list[tuple[Any, ...]]:
        """Do it in the present transaction, for one row at least where it takes rows; what it returns.

        A listener does not see it, and what the session has not written yet it does not see.
        """
        present, given = driver(), values
        text = self._on_sqlite if present.is_sqlite else self._on_postgresql
        if self._lists and present.is_sqlite:
            given = {"rows": json.dumps(rows), **values}
        elif self._lists:
            lists = map(_array, zip(*rows, strict=True))
            given = {**dict(zip(self._lists, lists, strict=True)), **values}
        with told_by_sqlalchemy(present.connection, text):
            answer = present.cursor.execute(text, given)
            return answer.fetchall() if answer.description else []
