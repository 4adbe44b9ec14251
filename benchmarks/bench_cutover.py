"""How fast does a cutover go through the public operation, against raw set-based SQL on the same rows?

Both carry 5,000 workers in a transaction, turn about in the same run: a batch of the real cutover
(orders, locks, opening accounts, idempotency keys, foreign keys, append-only triggers, memberships,
rights, audit), then a batch of bare INSERT and UPDATE on tables with a primary key and nothing else.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

from flask import Flask
from sqlalchemy import text

from benchmarks.crowd import BY, CLOSED, EFFECTIVE, Crowd, gather
from benchmarks.engines import ENGINES, application
from enrollment import cutover, switching
from enrollment.models import EnrollmentWindow
from exchange.database import db, in_unit_of_work, is_sqlite
from exchange.ledger import invariants

WORKERS = int(os.environ.get("BENCH_WORKERS", "100000"))

_RAW = (
    "CREATE TABLE raw_balance (account_id bigint PRIMARY KEY, holder_id bigint NOT NULL, amount bigint NOT NULL)",
    "CREATE TABLE raw_transfer (id bigint PRIMARY KEY, source_id bigint, target_id bigint, amount bigint)",
    # Sources have even ids, each target the odd one after it.
    (
        "INSERT INTO raw_balance SELECT 2 * a.id, a.holder_id, b.amount FROM ledger_account a"
        " JOIN ledger_balance b ON b.account_id = a.id"
    ),
    "INSERT INTO raw_balance SELECT 2 * a.id + 1, 0, 0 FROM ledger_account a WHERE a.holder_id IS NOT NULL",
    "CREATE INDEX ix_raw_balance_holder_id ON raw_balance (holder_id)",
)
_RAW_BATCH = (
    (
        "INSERT INTO raw_transfer SELECT b.account_id, b.account_id, b.account_id + 1, b.amount FROM raw_balance b"
        " WHERE b.holder_id BETWEEN :first AND :last AND b.amount > 0"
    ),
    (
        "UPDATE raw_balance SET amount = raw_balance.amount + t.amount FROM raw_transfer t"
        " WHERE raw_balance.account_id = t.target_id AND t.source_id IN"
        " (SELECT account_id FROM raw_balance s WHERE s.holder_id BETWEEN :first AND :last)"
    ),
    "UPDATE raw_balance SET amount = 0 WHERE holder_id BETWEEN :first AND :last",
)


@dataclass
class Clock:
    """Seconds spent in one kind of work."""

    seconds: float = 0.0

    def time(self, work: Callable[[], int]) -> int:
        """Do it, count its seconds, return what it returns."""
        began = time.perf_counter()
        try:
            return in_unit_of_work(work)
        finally:
            self.seconds += time.perf_counter() - began


def main() -> None:
    """Measure each engine, in a process of its own so that its peak memory is its own."""
    for engine in sys.argv[1:] or ENGINES:
        child = os.fork()
        if child == 0:
            with application(engine) as app:
                _measure(engine, app)
            os._exit(0)
        os.waitpid(child, 0)


def _measure(engine: str, _app: Flask) -> None:
    crowd = gather(WORKERS)
    in_unit_of_work(_prepare_raw)
    window = db.session.get_one(EnrollmentWindow, crowd.window_id)
    in_unit_of_work(lambda: switching.order_window(window, by=BY, at=CLOSED))
    before = _peak_mb()
    real, raw = Clock(), Clock()
    first = 1
    while real.time(lambda: switching.carry_out(switching.due(EFFECTIVE), policy=crowd.policy, by=BY, at=EFFECTIVE)):
        raw.time(lambda first=first: _raw_batch(first))  # type: ignore[misc]
        first += switching.BATCH
    settled = Clock()
    settled.time(lambda: _finish(crowd))
    peak = _peak_mb()
    broken = invariants.broken()
    assert not broken, broken
    _tell(
        name=f"cutover_{engine}",
        n=crowd.transfers,
        seconds=round(real.seconds, 2),
        per_second=round(crowd.transfers / real.seconds),
        peak_mb=peak,
        grew_mb=round(peak - before, 1),
        limit_per_second=round(crowd.transfers / raw.seconds),
        ratio=round(raw.seconds / real.seconds, 3),
        settlement_seconds=round(settled.seconds, 2),
        workers=crowd.workers,
    )


def _prepare_raw() -> None:
    for statement in _RAW:
        db.session.execute(text(statement))
    if not is_sqlite():
        db.session.execute(text("ANALYZE raw_balance"))


def _raw_batch(first: int) -> int:
    for statement in _RAW_BATCH:
        db.session.execute(text(statement), {"first": first, "last": first + switching.BATCH - 1})
    return 0


def _finish(crowd: Crowd) -> int:
    cutover.finish(db.session.get_one(EnrollmentWindow, crowd.window_id), by=BY, at=EFFECTIVE)
    return 0


def _peak_mb() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (1024 if sys.platform != "darwin" else 1024 * 1024), 1)


def _tell(**figures: float | str) -> None:
    sys.stdout.write(json.dumps(figures) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
