"""How fast do single postings get into the books, and how fast is a balance read, against the bare deed?

Turn about in the same run, medians of the rounds: one entry with one transfer in a unit of work of its own through
the public operation (keys, rules, foreign keys, append-only, audit), every commit on the disk; and, as the limit,
one statement for each commit that inserts into a bare table and updates two bare balances, sent by the driver.
``spread``: between workers' lines; ``shared``: all writers take from one line of one provider. Writers are
processes. A balance is read among a million transfers, against the driver's own read of one row by its key.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from multiprocessing.synchronize import Barrier
from statistics import median
from typing import Any, Final

import psycopg
from flask import Flask
from sqlalchemy import select, text

from benchmarks.crowd import BY, EFFECTIVE, gather
from benchmarks.engines import ENGINES, application
from benchmarks.sizes import sized, tell
from exchange.database import db, in_unit_of_work, is_sqlite
from exchange.ledger import balances, journal
from exchange.ledger.accounts import AccountKind, LedgerAccount, Line, open_lines
from exchange.ledger.journal import Posting, Transfer
from exchange.money import Unit

WORKERS: Final = sized(small=1_000, full=250_000)
EACH: Final = sized(small=100, full=2_000)
READS: Final = sized(small=200, full=5_000)
ROUNDS: Final = sized(small=1, full=5)
WARM: Final = 50
WRITERS: Final = (1, 4)

Deed = Callable[[int], object]

_PREPARE: Final = (
    "CREATE TABLE raw_balance (account_id bigint PRIMARY KEY, amount bigint NOT NULL){}",
    "INSERT INTO raw_balance SELECT account_id, amount FROM ledger_balance",
    "CREATE TABLE raw_transfer (id {} PRIMARY KEY, source_id bigint, target_id bigint, amount bigint)",
)
_RAW: Final = """
WITH moved AS (INSERT INTO raw_transfer (source_id, target_id, amount) VALUES (%s, %s, %s) RETURNING *),
paid AS (UPDATE raw_balance b SET amount = b.amount - m.amount FROM moved m WHERE b.account_id = m.source_id)
UPDATE raw_balance b SET amount = b.amount + m.amount FROM moved m WHERE b.account_id = m.target_id
"""
_RAW_SQLITE: Final = (
    "INSERT INTO raw_transfer (source_id, target_id, amount) VALUES (:source, :target, 1)",
    "UPDATE raw_balance SET amount = amount + iif(account_id = :source, -1, 1) WHERE account_id IN (:source, :target)",
)


@dataclass(frozen=True, slots=True)
class Lines:
    """What is written to: workers' lines in cents, and one that all share."""

    workers: tuple[int, ...]
    shared: int

    def pair(self, number: int) -> tuple[int, int]:
        """Two different workers' lines, others for each number."""
        size = len(self.workers)
        first = number * 7_919 % size
        return self.workers[first], self.workers[(first + 1 + number % (size - 1)) % size]


def main() -> None:
    """Measure each engine."""
    for engine in sys.argv[1:] or ENGINES:
        with application(engine) as app:
            gather(WORKERS)
            lines = in_unit_of_work(_prepare)
            for writers in WRITERS:
                _measure_posts(app, engine, lines, writers)
            _measure_reads(engine, lines)


def _prepare() -> Lines:
    row, number = ("", "integer") if is_sqlite() else (" WITH (fillfactor = 45)", "bigserial")
    for statement, how in zip(_PREPARE, (row, "", number), strict=True):
        db.session.execute(text(statement.format(how)))
    rows = select(LedgerAccount.id, LedgerAccount.organization_id).where(
        LedgerAccount.kind == AccountKind.WORKER, LedgerAccount.unit == Unit.USD
    )
    found = db.session.execute(rows).all()
    pool = Line(AccountKind.POOL, found[0][1], Unit.USD, "health")
    return Lines(tuple(id_ for id_, _ in found), open_lines([pool])[pool])


# --- posts ----------------------------------------------------------------------------------------


def _measure_posts(app: Flask, engine: str, lines: Lines, writers: int) -> None:
    rates: dict[str, list[float]] = {"raw": [], "spread": [], "shared": []}
    for name in ("raw", "spread", "shared") * ROUNDS:
        rates[name].append(_rate(app, lines, name, writers))
    limit = median(rates.pop("raw"))
    for name, found in rates.items():
        tell(
            f"post_{name}_{writers}_{engine}",
            n=EACH * writers * ROUNDS,
            per_second=round(median(found)),
            limit_per_second=round(limit),
            ratio=round(median(found) / limit, 3),
        )


def _rate(app: Flask, lines: Lines, name: str, writers: int) -> float:
    """Deeds a second of some processes that begin together; connecting and warming up do not count."""
    db.session.remove()
    fork = multiprocessing.get_context("fork")
    both = fork.Barrier(writers + 1)
    processes = [fork.Process(target=_write, args=(app, lines, name, number, both)) for number in range(writers)]
    for process in processes:
        process.start()
    both.wait(60)
    began = time.perf_counter()
    both.wait(600)
    seconds = time.perf_counter() - began
    for process in processes:
        process.join()
        if process.exitcode:
            sys.exit(f"A writer of {name} has failed.")
    return writers * EACH / seconds


def _write(app: Flask, lines: Lines, name: str, number: int, both: Barrier) -> None:
    with app.app_context():
        db.engine.dispose(close=False)  # the connections are the parent's
        first = number * 1_000_003 + time.time_ns() % 1_000_000_007
        with _deed(lines, name) as deed:
            for step in range(WARM):
                deed(first + step)
            both.wait(60)
            for step in range(WARM, WARM + EACH):
                deed(first + step)
            both.wait(600)
        db.session.remove()
        db.engine.dispose()


@contextlib.contextmanager
def _deed(lines: Lines, name: str) -> Iterator[Deed]:
    if name != "raw":
        yield _poster(lines, shared=name == "shared")
    elif is_sqlite():
        yield from _raw_on_sqlite(lines)
    else:
        with psycopg.connect(_address(), autocommit=True) as connection:
            yield lambda number: connection.execute(_RAW, (*lines.pair(number), 1))


def _poster(lines: Lines, *, shared: bool) -> Deed:
    process, numbers = os.getpid(), count()

    def post(number: int) -> None:
        source, target = lines.pair(number)
        moved = (Transfer(lines.shared if shared else source, target, Unit.USD, 1),)
        posting = Posting(f"post:{process}:{next(numbers)}:{number}", "benchmark", EFFECTIVE.date(), moved)
        in_unit_of_work(lambda: journal.post([posting], by=BY, at=EFFECTIVE))

    return post


def _raw_on_sqlite(lines: Lines) -> Iterator[Deed]:
    connection = sqlite3.connect(str(db.engine.url.database), isolation_level=None)
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "busy_timeout = 15000"):
        connection.execute(f"PRAGMA {pragma}")

    def write(number: int) -> None:
        source, target = lines.pair(number)
        connection.execute("BEGIN IMMEDIATE")
        for statement in _RAW_SQLITE:
            connection.execute(statement, {"source": source, "target": target})
        connection.execute("COMMIT")

    yield write
    connection.close()


def _address() -> str:
    return db.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)


# --- reads ----------------------------------------------------------------------------------------


def _measure_reads(engine: str, lines: Lines) -> None:
    bare, read = _bare_reader(), {name: [0.0] * 0 for name in ("bare", "worker", "shared")}
    deeds: dict[str, Deed] = {
        "bare": lambda number: bare(lines.pair(number)[0]),
        "worker": lambda number: balances.line(lines.pair(number)[0]),
        "shared": lambda _: balances.line(lines.shared),
    }
    in_unit_of_work(balances.fold)
    if engine == "postgresql":  # what the server does by itself, within a minute
        with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("VACUUM ledger_shared_delta"))
    for name in tuple(deeds) * ROUNDS:
        began = time.perf_counter()
        for number in range(READS):
            deeds[name](number)
        read[name].append((time.perf_counter() - began) / READS)
    limit = median(read.pop("bare"))
    for name, found in read.items():
        tell(
            f"balance_{name}_{engine}",
            n=READS * ROUNDS,
            per_second=round(1 / median(found)),
            limit_per_second=round(1 / limit),
            times_the_bare_read=round(median(found) / limit, 2),
        )


def _bare_reader() -> Callable[[int], Any]:
    """One row by its key, as the driver reads it on the session's own connection."""
    cursor = db.session.connection().connection.cursor()
    mark = "?" if is_sqlite() else "%s"
    question = f"SELECT amount FROM ledger_balance WHERE account_id = {mark}"
    return lambda id_: cursor.execute(question, (id_,)).fetchone()


if __name__ == "__main__":
    main()
