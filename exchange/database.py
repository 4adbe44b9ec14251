"""Where is everything kept, and what is one unit of work?

One SQLAlchemy metadata for two engines: SQLite (embedded default) and PostgreSQL 15+. Tables are
STRICT on SQLite; instants are whole microseconds since 1970 UTC in a BIGINT on both engines, so the
same set-based SQL runs on either, and the journal hashes what the database holds.

Operations never commit. A page, a command or one item of a job is one ``unit_of_work``.
"""

from __future__ import annotations

import contextvars
import random
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import Any, Final, NamedTuple, TypeVar, cast

from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Date,
    Engine,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
    event,
    text,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection, CursorResult, Dialect, Result
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import DeclarativeBase, Session, SessionTransaction, registry
from sqlalchemy.types import TypeDecorator

from exchange import commits

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

T = TypeVar("T")
E = TypeVar("E", bound=StrEnum)


def to_microseconds(instant: datetime) -> int:
    """Whole microseconds since 1970-01-01T00:00Z. A naive datetime is a programming error."""
    assert instant.tzinfo is not None, "an instant carries its zone"
    return (instant - EPOCH) // _MICROSECOND


def from_microseconds(value: int) -> datetime:
    """The UTC instant ``value`` microseconds after the epoch."""
    return EPOCH + timedelta(microseconds=value)


class Instant(TypeDecorator[datetime]):
    """A UTC instant, stored as whole microseconds since the epoch (BIGINT)."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | int | None, dialect: Dialect) -> int | None:
        """Python → column. Plain integers pass: they are already microseconds."""
        if value is None or isinstance(value, int):
            return value
        return to_microseconds(value)

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:
        """Column → Python, always aware and UTC."""
        return None if value is None else from_microseconds(value)

    def coerce_compared_value(self, op: Any, value: Any) -> Any:
        """Compare with datetimes as instants, with integers as integers."""
        return self if isinstance(value, datetime) else BigInteger()


class Choice(TypeDecorator[StrEnum]):
    """A ``StrEnum`` stored as its text; pair it with ``one_of`` so that the database checks it."""

    impl = String
    cache_ok = True

    def __init__(self, enum: type[StrEnum]) -> None:
        super().__init__()
        self.enum = enum

    def process_bind_param(self, value: StrEnum | str | None, dialect: Dialect) -> str | None:
        """Refuse words that are not of the enum before the database has to."""
        return None if value is None else self.enum(value).value

    def process_result_value(self, value: str | None, dialect: Dialect) -> StrEnum | None:
        """Column → enum member."""
        return None if value is None else self.enum(value)


def one_of(column: str, enum: type[StrEnum]) -> CheckConstraint:
    """The CHECK that keeps ``column`` within ``enum``."""
    words = ", ".join(f"'{member.value}'" for member in enum)
    return CheckConstraint(f"{column} IN ({words})", name=column)


# SQLite's STRICT tables know five types; these are the ones that SQLAlchemy would spell otherwise.
@compiles(BigInteger, "sqlite")
@compiles(SmallInteger, "sqlite")
@compiles(Integer, "sqlite")
@compiles(Boolean, "sqlite")
def _integer(element: Any, compiler: Any, **kw: Any) -> str:
    return "INTEGER"


@compiles(String, "sqlite")
@compiles(Text, "sqlite")
@compiles(Date, "sqlite")
def _text(element: Any, compiler: Any, **kw: Any) -> str:
    return "TEXT"


@compiles(LargeBinary, "sqlite")
def _blob(element: Any, compiler: Any, **kw: Any) -> str:
    return "BLOB"


class Base(DeclarativeBase):
    """Every mapped class. Names of constraints are derived, so that migrations can name them."""

    registry = registry(
        metadata=MetaData(
            naming_convention={
                "ix": "ix_%(table_name)s_%(column_0_N_name)s",
                "uq": "uq_%(table_name)s_%(column_0_N_name)s",
                "ck": "ck_%(table_name)s_%(constraint_name)s",
                "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
                "pk": "pk_%(table_name)s",
            }
        ),
        type_annotation_map={int: BigInteger, str: Text, datetime: Instant, date: Date, bytes: LargeBinary},
    )

    def __init_subclass__(cls, **kw: Any) -> None:
        """Make every table STRICT on SQLite."""
        if "__tablename__" in cls.__dict__:
            args = cls.__dict__.get("__table_args__", ())
            if isinstance(args, dict):
                args = (args,)
            options = args[-1] if args and isinstance(args[-1], dict) else {}
            rest = args[:-1] if args and isinstance(args[-1], dict) else args
            cls.__table_args__ = (*rest, {"sqlite_strict": True, **options})
        super().__init_subclass__(**kw)


db = SQLAlchemy(model_class=Base, disable_autonaming=True)

# --- transactions ---------------------------------------------------------------------------

_writing: contextvars.ContextVar[bool] = contextvars.ContextVar("writing", default=False)
# Serialization failure; deadlock; and a unique key that somebody else took between our question and our insert:
# asked again, the question finds his row, and the answer is a refusal in words.
RETRIED_SQLSTATES = frozenset({"40001", "40P01", "23505"})
# With these words the server ends a connection. Whether we hear them or find the line dead is a matter of luck.
_FAREWELLS: Final = frozenset({"57P01", "57P02"})
RETRIES = 5
# Nobody waits longer for a repetition to begin: a page has its reader, a worker of the web server its time limit.
PATIENCE_SECONDS = 10
_LONG: Final = text("SET LOCAL statement_timeout = '1h'")
_NUMBER = "transaction_number"
_DRIVER = "driver"


@event.listens_for(Engine, "connect")
def _prepare_sqlite(connection: Any, record: Any) -> None:
    if not isinstance(connection, sqlite3.Connection):
        return
    connection.isolation_level = None  # SQLAlchemy's "begin" event below says BEGIN, not the driver
    for pragma in (
        "journal_mode = WAL",
        "synchronous = FULL",
        "foreign_keys = ON",
        "recursive_triggers = ON",  # so that REPLACE cannot delete behind the triggers
        "trusted_schema = OFF",
        "busy_timeout = 15000",
        "temp_store = FILE",  # what is sorted goes to a file where it would outgrow the cache
    ):
        connection.execute(f"PRAGMA {pragma}")


@event.listens_for(Engine, "begin")
def _begin_sqlite(connection: Connection) -> None:
    # A deferred transaction that writes later fails at once when another one wrote meanwhile,
    # whatever the timeout: writers take the lock first.
    if connection.dialect.name == "sqlite":
        with told_by_sqlalchemy(connection):
            _cursor(connection).execute("BEGIN IMMEDIATE" if _writing.get() else "BEGIN")


@contextmanager
def writing() -> Iterator[None]:
    """Transactions that begin in here mean to write. Operations use ``unit_of_work``; this is for what stands beside
    the session: migrations, counters with a connection of their own.
    """
    token = _writing.set(True)
    try:
        yield
    finally:
        _writing.reset(token)


@contextmanager
def unit_of_work() -> Iterator[None]:
    """Do all of it or none: commit at the end, roll back on any exception.

    What was only read before it in the same session is released first, so that the transaction
    begins now and sees what is committed now. Units of work do not nest.
    """
    assert not _writing.get(), "units of work do not nest"
    session = db.session()
    assert not (session.new or session.dirty or session.deleted), "unsaved work before a unit of work"
    session.rollback()
    session.info.pop(_NUMBER, None)
    with writing():
        try:
            yield
            _commit(session)
        except BaseException:
            session.rollback()
            raise


def _commit(session: Session) -> None:
    """Commit. When the connection is lost meanwhile another one is asked what became of it."""
    session.flush()
    mark, present = None, driver() if session.in_transaction() else None
    if present is not None and not present.is_sqlite:
        mark = commits.mark(present.connection, session.info.get(_NUMBER) or _number(present))
    try:
        session.commit()
    except DBAPIError as error:
        is_lost = _is_lost(error)
        if is_lost and present is not None:
            present.connection.invalidate()  # whoever asks next is not to find it, though its line may seem to be alive
        session.rollback()
        if mark is None or not is_lost or not commits.was_committed(db.engine, mark):
            raise


def _number(present: Driver) -> str | None:
    """The number of the present transaction; None when it wrote nothing."""
    with told_by_sqlalchemy(present.connection, commits.NUMBER):
        (number,) = present.cursor.execute(commits.NUMBER).fetchone()
    return cast("str | None", number)


def allow_long_statements() -> None:
    """Until the present transaction ends, let a statement take up to an hour: for a job or command over a million
    workers, which no reader waits for. The limit that holds otherwise (DATABASE_TIMEOUTS) is a page's.
    """
    if not is_sqlite():
        db.session.execute(_LONG)


def is_writing() -> bool:
    """Whether a unit of work is open."""
    return _writing.get()


def note_transaction(number: str) -> None:
    """Remember the number of the present transaction, from whoever asked the database something anyway."""
    db.session.info[_NUMBER] = number


def in_unit_of_work(work: Callable[[], T]) -> T:
    """Run ``work`` in a unit of work; repeat the whole of it when the database asks for that.

    PostgreSQL asks with one of ``RETRIED_SQLSTATES`` or by closing the connection, SQLite by being locked. After
    five repetitions with jitter the database's error is raised to the caller, which answers 503. What was committed
    is never repeated: refuses ``OutcomeUnknown`` where nobody can tell.
    """
    end = time.monotonic() + PATIENCE_SECONDS
    for attempt in range(RETRIES + 1):
        try:
            with unit_of_work():
                return work()
        except DBAPIError as error:
            if attempt == RETRIES or time.monotonic() > end or not is_transient(error):
                raise
            time.sleep(random.uniform(0, 0.02 * 2**attempt))  # noqa: S311 - jitter, not a secret
    raise AssertionError("unreachable")


def is_transient(error: DBAPIError) -> bool:
    """Whether repeating the whole transaction can help."""
    if isinstance(error.orig, sqlite3.Error):
        return isinstance(error, OperationalError) and "locked" in str(error.orig)
    if getattr(error.orig, "sqlstate", None) in RETRIED_SQLSTATES:
        return True
    # Without a state it is not the server that speaks, but our side, which has lost it or did not reach it.
    is_silent = isinstance(error, OperationalError) and getattr(error.orig, "sqlstate", None) is None
    return is_silent or _is_lost(error)


def _is_lost(error: DBAPIError) -> bool:
    """Whether the connection is gone: SQLAlchemy has noticed it, or the server has said so."""
    return error.connection_invalidated or getattr(error.orig, "sqlstate", None) in _FAREWELLS


class Driver(NamedTuple):
    """The driver's own way into the present transaction of the session."""

    transaction: SessionTransaction
    connection: Connection
    # One for each connection: what the driver has learned of a question it knows the next time.
    cursor: Any
    is_sqlite: bool


def driver() -> Driver:
    """The driver's cursor in the present transaction: for a deed whose way through SQLAlchemy would cost more than
    the deed. Use it within ``told_by_sqlalchemy``, and fetch what it answers at once. A listener does not see it.
    """
    session = db.session()
    kept: Driver | None = session.info.get(_DRIVER)
    if kept is not None and kept.transaction is session.get_transaction() and kept.transaction.is_active:
        return kept
    connection = session.connection()
    begun = session.get_transaction()
    assert begun is not None, "whoever has a connection has a transaction"
    present = Driver(begun, connection, _cursor(connection), connection.dialect.name == "sqlite")
    session.info[_DRIVER] = present
    return present


def _cursor(connection: Connection) -> Any:
    pooled = connection.connection
    return pooled.info.get(_DRIVER) or pooled.info.setdefault(_DRIVER, pooled.cursor())


@contextmanager
def told_by_sqlalchemy(connection: Connection, statement: str | None = None) -> Iterator[None]:
    """Raise what the driver raises as the error of SQLAlchemy's that ``in_unit_of_work`` knows."""
    try:
        yield
    except connection.dialect.loaded_dbapi.Error as error:
        raise of_sqlalchemy(error, connection, statement) from error


def of_sqlalchemy(error: Exception, connection: Connection, statement: str | None = None) -> DBAPIError:
    """The error of SQLAlchemy's for one of the driver's; a lost connection is given up."""
    dialect = connection.dialect
    is_lost = getattr(error, "sqlstate", None) in _FAREWELLS or dialect.is_disconnect(cast(Any, error), None, None)
    if is_lost:
        connection.invalidate(error)
    base = dialect.loaded_dbapi.Error
    told = DBAPIError.instance(statement, None, error, base, connection_invalidated=is_lost, dialect=dialect)
    return cast(DBAPIError, told)


def insert_or_ignore(table: type[Base]) -> _PassingOver:
    """An INSERT that passes over rows which are there already (by any unique key), on either engine.

    Use ``.rows()`` with ``execute(statement, rows)`` or ``.from_select(columns, select)``.
    """
    return _PassingOver(table)


def core(table: type[Base]) -> Table:
    """The Core table of a mapped class, for ``INSERT … SELECT`` without the ORM's bookkeeping."""
    return cast(Table, table.__table__)


def rows_of(result: Result[Any]) -> int:
    """How many rows a statement wrote (``INSERT … SELECT`` counts with ``preserve_rowcount`` only)."""
    count = cast(CursorResult[Any], result).rowcount
    assert count >= 0, "the driver counted"
    return count


class _PassingOver:
    """``INSERT … ON CONFLICT DO NOTHING`` in the dialect of the session."""

    def __init__(self, table: type[Base]) -> None:
        # The Core table, not the class: the ORM would ask for the new rows back and lose their count.
        self._insert: Any = sqlite.insert(core(table)) if is_sqlite() else postgresql.insert(core(table))

    def rows(self) -> Any:
        """For rows given as parameters."""
        return self._insert.on_conflict_do_nothing().execution_options(preserve_rowcount=True)

    def from_select(self, columns: list[str], rows: Any) -> Any:
        """For rows given by a SELECT; on SQLite it needs a WHERE, or ON is read as a join's."""
        written = self._insert.from_select(columns, rows).on_conflict_do_nothing()
        return written.execution_options(preserve_rowcount=True)


def is_sqlite() -> bool:
    """Whether the session talks to the embedded engine."""
    return db.session.get_bind().dialect.name == "sqlite"
