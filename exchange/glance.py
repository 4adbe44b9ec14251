"""What does the database say in one short trip, for a page that is asked for often?

A SELECT that is compiled once and put to the driver directly, outside of any transaction: one trip there and
back, about a third of what it costs through the session. Values come as the database holds them, instants as
microseconds, choices as their words. Only for reading, and only for what one statement can tell: two
glances may see two moments.

What the program says itself stands in the words, not beside them: only then does PostgreSQL know that an index of
standing elections serves who asks for standing ones, and plans the question once, not at every asking.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import psycopg
from blinker import Signal
from sqlalchemy import BindParameter, ScalarSelect, Select, Text, func, select
from sqlalchemy.engine import Dialect
from sqlalchemy.exc import OperationalError
from sqlalchemy.sql import visitors
from sqlalchemy.sql.compiler import SQLCompiler

from exchange import clock, short_trip
from exchange.database import db, is_sqlite

Question = Select[*tuple[Any, ...]]
asked = Signal("sent with the words of each question, for those who count them")
_BROKEN = (psycopg.OperationalError, psycopg.InterfaceError)
_TOO_LONG = (psycopg.errors.QueryCanceled, psycopg.errors.LockNotAvailable)


class Glance:
    """One question. ``statement`` makes the SELECT, on first use; its ``bindparam`` without values are given then."""

    def __init__(self, statement: Callable[[], Question]) -> None:
        self._statement = statement
        self._compiled: dict[str, _Compiled] = {}

    def row(self, **given: int | str | None) -> tuple[Any, ...] | None:
        """The first row, None where there is none."""
        rows = self.rows(**given)
        return rows[0] if rows else None

    def rows(self, **given: int | str | None) -> Sequence[tuple[Any, ...]]:
        """All rows. A broken connection is replaced once; then it is SQLAlchemy's ``OperationalError``."""
        dialect = db.engine.dialect
        compiled = self._compiled.get(dialect.name)
        if compiled is None:
            compiled = self._compiled[dialect.name] = _Compiled(self._statement(), dialect)
        asked.send(compiled.words)
        parameters = compiled.parameters(given)
        try:
            return _at_the_driver(compiled.words, parameters)
        except _TOO_LONG as error:  # and it would again: who asked has waited once
            raise OperationalError(compiled.words, None, error) from error
        except _BROKEN:
            try:
                return _at_the_driver(compiled.words, parameters)
            except _BROKEN as error:
                raise OperationalError(compiled.words, None, error) from error


def together(rows: Select[*tuple[Any, ...]]) -> ScalarSelect[str]:
    """All rows of a SELECT as one text, a column of a statement that asks for other things besides: see ``apart``.

    Choices come as their words, days as ``2026-11-22``; in which order the rows come nobody has said.
    """
    found = rows.subquery()
    if is_sqlite():
        written: Any = func.json_group_array(func.json_array(*found.c))
    else:
        written = func.json_agg(func.json_build_array(*found.c)).cast(Text)
    return select(written).select_from(found).scalar_subquery()


def apart(text: str | None) -> list[list[Any]]:
    """The rows that ``together`` has put into one text."""
    rows: list[list[Any]] = json.loads(text) if text else []
    return rows


def _at_the_driver(words: str, parameters: Any) -> Sequence[tuple[Any, ...]]:
    connection = db.engine.raw_connection()
    try:
        driver: Any = connection.driver_connection
        if isinstance(driver, psycopg.Connection):
            rows = short_trip.rows(driver, connection.info, words, parameters)
        else:
            cursor = connection.cursor()
            cursor.execute(words, parameters)
            rows = cursor.fetchall()
            cursor.close()
    except BaseException:
        connection.invalidate()
        raise
    connection.close()
    return rows


class _Compiled:
    """A SELECT in the words of an engine; what is to be given at each asking stands open."""

    def __init__(self, statement: Question, dialect: Dialect) -> None:
        said = visitors.cloned_traverse(statement, {}, {"bindparam": _say})
        compiled = said.compile(dialect=dialect)
        assert isinstance(compiled, SQLCompiler)
        given = {name: None for name, bind in compiled.binds.items() if bind.required}
        whole = compiled.construct_expanded_state(given)
        self.words, self._order = whole.statement, whole.positiontup
        # An engine's own words can bring a value: SQLite says OFFSET 0 wherever there is a LIMIT.
        binds = compiled.binds.items()
        self._said = {name: bind.value for name, bind in binds if not (bind.required or bind.literal_execute)}
        self._asks_the_time = not given.keys().isdisjoint({"machine_us", "ahead_us"})

    def parameters(self, given: dict[str, Any]) -> Any:
        """What is given, in the driver's form."""
        whole = given | self._said | clock.parameter_of_microseconds() if self._asks_the_time else given | self._said
        return whole if self._order is None else [whole[name] for name in self._order]


def _say(bind: BindParameter[Any]) -> None:
    """What the program has said itself is none of what is given: never anything that came from outside."""
    if not bind.required:
        bind.literal_execute = True
