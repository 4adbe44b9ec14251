"""How do many rows get in, and how is after many asked, as fast as the engine takes it?

Rows are plain tuples on their way past the ORM and the types of columns: PostgreSQL copies them,
SQLite takes them with one prepared statement. Values are what the column holds: whole numbers, text,
bytes, None; days as ISO text, words of an enum as text.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any, Final

from sqlalchemy import ARRAY, ColumnElement, Table, any_, column, func, literal, select
from sqlalchemy.orm import InstrumentedAttribute

from exchange.database import db, is_sqlite, told_by_sqlalchemy

_AT_ONCE: Final = 5_000


def insert_rows(table: Table, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Insert the rows, which may be a generator: only some of them are in memory at a time.

    Raises what SQLAlchemy raises: a unique key that is taken is an ``IntegrityError``.
    """
    connection = db.session.connection()
    named = ", ".join(columns)
    if is_sqlite():
        statement = f"INSERT INTO {table.name} ({named}) VALUES ({', '.join('?' * len(columns))})"  # noqa: S608 - our own names
        source = iter(rows)
        while piece := [tuple(row) for row in islice(source, _AT_ONCE)]:
            connection.exec_driver_sql(statement, piece)
        return
    statement = f"COPY {table.name} ({named}) FROM STDIN"
    driver: Any = connection.connection.driver_connection
    with told_by_sqlalchemy(connection, statement), driver.cursor() as cursor, cursor.copy(statement) as copy:
        for row in rows:
            copy.write_row(row)


def among(attribute: InstrumentedAttribute[Any], values: Sequence[Any]) -> ColumnElement[bool]:
    """``attribute IN values`` with one parameter however many there are: a question that stays prepared."""
    if is_sqlite():
        listed = func.json_each(json.dumps(list(values))).table_valued("value")
        return attribute.in_(select(column("value")).select_from(listed))
    return attribute == any_(literal(list(values), ARRAY(attribute.type)))
