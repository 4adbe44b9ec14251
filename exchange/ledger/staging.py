"""Where do postings wait while the ledger looks at them as a set?

Temporary tables of the connection: nobody else sees them, and they are empty again when the
transaction ends. ``entry`` and ``transfer`` hold what is asked, ``change`` what it would do to each
ledger account. Callers with millions of rows fill the first two with ``INSERT … SELECT``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Date,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    column,
    func,
    insert,
    literal,
    literal_column,
    select,
    true,
    union_all,
    update,
)
from sqlalchemy import table as lightweight
from sqlalchemy.schema import CreateTable

from exchange.bulk import Prepared
from exchange.database import Choice, db, is_sqlite
from exchange.money import Unit

_metadata = MetaData()


def temporary(name: str, *columns: Column[Any]) -> Table:
    """Define a table that only its connection sees, and that a commit empties; ``empty`` makes it exist."""
    return Table(name, _metadata, *columns, prefixes=["TEMPORARY"], postgresql_on_commit="DELETE ROWS")


def empty(*tables: Table) -> None:
    """Make temporary tables exist on this connection, with no rows."""
    for table in tables:
        db.session.execute(CreateTable(table, if_not_exists=True))
        db.session.execute(table.delete())


def plan_by_index() -> None:
    """Until the transaction ends: reach rows of large tables by their keys, as many as the staged rows ask for.

    PostgreSQL takes what is read at random for four times as dear as what is read in a row, and would rather read a
    whole table for a batch, which costs more with every worker there is. What a batch touches lies close together.
    """
    if not is_sqlite():
        _BY_INDEX.run()


_BY_INDEX: Final = Prepared(
    "SELECT set_config('seq_page_cost', '100', true), set_config('random_page_cost', '1', true),"
    " set_config('enable_mergejoin', 'off', true), set_config('jit', 'off', true)"
)


@contextmanager
def keys_follow() -> Iterator[None]:
    """In here keys are written whose entries stand already: PostgreSQL looks for these at once, set by set."""
    if is_sqlite():
        yield
        return
    _SAY_KEYS_FOLLOW.run(whether="on")
    yield
    _SAY_KEYS_FOLLOW.run(whether="off")


_SAY_KEYS_FOLLOW: Final = Prepared("SELECT set_config('exchange.keys_follow', {whether}, true)", values=("whether",))

entry = temporary(
    "staged_entry",
    Column("ordinal", BigInteger, nullable=False),
    Column("entry_id", BigInteger, primary_key=True, autoincrement=False),
    Column("key", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("effective_on", Date, nullable=False),
    Column("details_digest", LargeBinary),
    Column("salt", LargeBinary),
    Column("details", Text),
    Column("corrects_id", BigInteger),
    Column("is_new", Boolean, nullable=False, server_default=true()),
)
transfer = temporary(
    "staged_transfer",
    Column("entry_id", BigInteger, primary_key=True, autoincrement=False),
    Column("seq", SmallInteger, primary_key=True, autoincrement=False),
    Column("source_id", BigInteger, nullable=False),
    Column("target_id", BigInteger, nullable=False),
    Column("unit", Choice(Unit), nullable=False),
    Column("amount", BigInteger, nullable=False),
)
# Transfers that each take all that a worker's line holds to another line of his, which is opened where there is none.
move = temporary(
    "staged_move",
    Column("entry_id", BigInteger, nullable=False),
    Column("seq", SmallInteger, nullable=False),
    Column("source_id", BigInteger, nullable=False),
    Column("target_id", BigInteger, nullable=False),
    Column("unit", Choice(Unit), nullable=False),
    Column("amount", BigInteger, nullable=False),
    # What the target is; ``opens`` where it does not exist yet and ``target_id`` is the number that it gets.
    Column("holder_id", BigInteger, nullable=False),
    Column("organization_id", BigInteger, nullable=False),
    Column("component", Text, nullable=False),
    Column("opens", Boolean, nullable=False),
    # Of several moves that lead to one line the first opens and fills it, with all that is coming to it. Not said on
    # SQLite, which passes over what is there (and has no cheap way of numbering rows).
    Column("is_first", Boolean, nullable=False),
    Column("coming", BigInteger, nullable=False),
)
change = temporary(
    "staged_change",
    Column("account_id", BigInteger, primary_key=True, autoincrement=False),
    Column("delta", BigInteger, nullable=False),
)


def clear() -> None:
    """Make the staging tables of this connection exist, and empty."""
    empty(entry, transfer, change)


def allot_ids(count: int) -> list[int]:
    """``count`` entry ids, ascending. On SQLite the write lock makes the next free ones ours."""
    if is_sqlite():
        base = _last_id()
        return list(range(base + 1, base + count + 1))
    return sorted(number for (number,) in _NUMBERS.run(count=count))


_NUMBERS: Final = Prepared("SELECT nextval('ledger_entry_id_seq') FROM generate_series(1, {count})", values=("count",))


def next_id(ordinal: ColumnElement[int], table: str = "ledger_entry") -> ColumnElement[int]:
    """The same inside an ``INSERT … SELECT`` whose rows are numbered from 1 by ``ordinal``; for any table."""
    if is_sqlite():
        return literal(_last_id(table)) + ordinal
    return func.nextval(f"{table}_id_seq", type_=BigInteger)


def id_or_new(found: ColumnElement[int | None], table: str) -> ColumnElement[int]:
    """The id found by an outer join, else a new one; on SQLite ``number_moves`` says afterwards which."""
    return func.coalesce(found, 0 if is_sqlite() else func.nextval(f"{table}_id_seq", type_=BigInteger))


def number_moves() -> None:
    """Say which new lines the moves lead to, where this could not be said while they were staged."""
    if is_sqlite():
        new = literal(_last_id("ledger_account")) + literal_column("rowid", BigInteger)
        db.session.execute(update(move).where(move.c.opens).values(target_id=new))


def sum_moves() -> None:
    """Say what is coming in all to each line that several moves lead to."""
    m = move.alias("each")
    total = select(m.c.target_id, func.sum(m.c.amount).cast(BigInteger).label("amount")).group_by(m.c.target_id)
    coming = total.having(func.count() > 1).subquery("total").c
    db.session.execute(
        update(move).where(move.c.is_first, move.c.target_id == coming.target_id).values(coming=coming.amount)
    )


def _last_id(table: str = "ledger_entry") -> int:
    highest = db.session.execute(
        select(func.max(column("id", BigInteger))).select_from(lightweight(table))
    ).scalar_one()
    return int(highest or 0)


def add(entries: Sequence[dict[str, Any]], transfers: Sequence[dict[str, Any]]) -> None:
    """Stage rows that come from Python."""
    db.session.execute(insert(entry), entries)
    if transfers:
        db.session.execute(insert(transfer), transfers)


def sum_changes() -> None:
    """Fill ``change`` with what the new entries' transfers would do to each ledger account."""
    is_new = transfer.join(entry, entry.c.entry_id == transfer.c.entry_id)
    leaving = (
        select(transfer.c.source_id.label("account_id"), (-transfer.c.amount).label("delta"))
        .select_from(is_new)
        .where(entry.c.is_new)
    )
    coming = select(transfer.c.target_id, transfer.c.amount).select_from(is_new).where(entry.c.is_new)
    moves = union_all(leaving, coming).subquery()
    db.session.execute(change.delete())
    db.session.execute(
        insert(change).from_select(
            ["account_id", "delta"],
            select(moves.c.account_id, func.sum(moves.c.delta).cast(BigInteger)).group_by(moves.c.account_id),
        )
    )
