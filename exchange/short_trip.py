"""How is a question put to PostgreSQL with nothing around it: no cursor, no transaction, a message there and one back?

The server prepares each question once for a connection. Behind a pooler that hands connections on after each
transaction nothing stays prepared; there the words go along each time.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import psycopg
from psycopg import errors, pq
from psycopg.adapt import Transformer

_PLACE: Final = re.compile(r"%(?:\((\w+)\)s|%)")
_BIGINT, _UNKNOWN = 20, 0
_GONE: Final = b"26000"  # what was prepared is not there: somebody let the server forget it
_NAMES: Final = "names of short trips"
Value = int | str | None


@dataclass(frozen=True, slots=True)
class Words:
    """A question in the server's own words, and which value goes to each of its places."""

    text: bytes
    order: tuple[str, ...]


@lru_cache(maxsize=256)
def words(statement: str) -> Words:
    """The question that a statement with places like ``%(name)s`` asks."""
    order: list[str] = []

    def place(found: re.Match[str]) -> str:
        name = found[1]
        if name is None:
            return "%"
        if name not in order:
            order.append(name)
        return f"${order.index(name) + 1}"

    text = _PLACE.sub(place, statement)
    return Words(text.encode(), tuple(order))


def rows(
    connection: psycopg.Connection[Any], memory: dict[Any, Any], statement: str, values: Mapping[str, Value]
) -> Sequence[tuple[Any, ...]]:
    """What the server answers. ``memory`` lasts as long as the connection. Raises the driver's own errors."""
    asked = words(statement)
    given = [values[name] for name in asked.order]
    # A number is said to be one, a text is left to the statement: it may be a day.
    types = [_BIGINT if isinstance(value, int) else _UNKNOWN for value in given]
    sent = [None if value is None else str(value).encode() for value in given]
    result = _answer(connection, memory, asked, types, sent)
    reader: Any = memory.get(Transformer) or memory.setdefault(Transformer, Transformer(connection))
    reader.set_pgresult(result)
    found: list[tuple[Any, ...]] = reader.load_rows(0, result.ntuples, tuple)
    return found


def _answer(
    connection: psycopg.Connection[Any],
    memory: dict[Any, Any],
    asked: Words,
    types: Sequence[int],
    sent: Sequence[Any],
) -> pq.abc.PGresult:
    server = connection.pgconn
    if connection.prepare_threshold is None:
        return _good(server, server.exec_params(asked.text, sent, types))
    names: dict[Any, bytes] = memory.setdefault(_NAMES, {})
    key = (asked.text, *types)
    name = names.get(key)
    if name is not None:
        result = server.exec_prepared(name, sent)
        if result.error_field(pq.DiagnosticField.SQLSTATE) != _GONE:
            return _good(server, result)
    name = names[key] = b"trip_%d" % (len(names) + 1) if name is None else name
    _good(server, server.prepare(name, asked.text, types))
    return _good(server, server.exec_prepared(name, sent))


def _good(server: pq.abc.PGconn, result: pq.abc.PGresult) -> pq.abc.PGresult:
    if result.status in {pq.ExecStatus.TUPLES_OK, pq.ExecStatus.COMMAND_OK}:
        return result
    if server.status == pq.ConnStatus.BAD or result.error_field(pq.DiagnosticField.SQLSTATE) is None:
        raise psycopg.OperationalError(result.get_error_message())
    raise errors.error_from_result(result)
