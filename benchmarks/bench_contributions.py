"""How fast do an employer's parsed lines become committed contributions, against the raw copying of the same rows?

Turn about in the same run: a report taken and, paid, posted through the public operations (rules, splits, leave,
idempotency, audit, foreign keys, append-only); then the transfers that this made, from Python into a bare table as
fast as the engine takes them: PostgreSQL by COPY into a temporary table and INSERT … SELECT into a table with a
primary key, SQLite by executemany (``ratio``); then the same once more with both balances of each transfer kept, as
books must (``ratio_with_balances``); then into a table with the key and the index that the journal's transfers have
(``ratio_of_same_tables``). All commit once for each employer and count transfers in a second.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from sqlalchemy import select, text

from benchmarks.engines import ENGINES, application
from benchmarks.sizes import peak_mb, sized, tell
from benchmarks.workforce import employ, gather
from enrollment import contributions, reporting
from enrollment.models import Contribution, Employer, Remittance
from enrollment.report_lines import ReportLine
from exchange.database import db, in_unit_of_work, is_sqlite, writing
from exchange.ledger import invariants
from exchange.ledger.journal import LedgerTransfer
from tests.support.employer_makers import AT, BY

# Lines of each employer, and how many employers: so many rounds are measured.
SHAPES: dict[int, int] = sized(small={25: 4, 200: 2}, full={25: 200, 1_000: 20, 100_000: 1})
_COLUMNS = "entry_id bigint, seq smallint, source_id bigint, target_id bigint, unit text, amount bigint"
_CHANGES = (
    "SELECT account_id, sum(delta) AS delta FROM (SELECT source_id AS account_id, -amount AS delta FROM {rows}"
    " UNION ALL SELECT target_id, amount FROM {rows}) AS moves GROUP BY account_id"
)


@dataclass
class Clocks:
    """Seconds of each kind of work, round by round."""

    seconds: dict[str, list[float]] = field(default_factory=dict)

    def time(self, name: str, work: Callable[[], Any]) -> Any:
        """Do it, keep its seconds, return what it returns."""
        began = time.perf_counter()
        try:
            return work()
        finally:
            self.seconds.setdefault(name, []).append(time.perf_counter() - began)

    def total(self, name: str) -> float:
        """All rounds."""
        return sum(self.seconds[name])

    def ratio(self, limit: str) -> float:
        """The median over the rounds of what the limit takes to what a report takes until it is posted."""
        rounds = zip(self.seconds[limit], self.seconds["submit"], self.seconds["post"], strict=True)
        return round(median(raw / (submit + post) for raw, submit, post in rounds), 3)


def main() -> None:
    """Measure each engine and each size of employer in a process of its own: its peak memory is its own."""
    for engine in sys.argv[1:] or ENGINES:
        for lines, employers in SHAPES.items():
            child = os.fork()
            if child == 0:
                with application(engine):
                    _measure(engine, lines, employers)
                os._exit(0)
            os.waitpid(child, 0)


def _measure(engine: str, lines: int, employers: int) -> None:
    warm = 1 if employers > 1 else 0  # statements compiled, pages read
    gather(lines * (employers + warm))
    reports = in_unit_of_work(lambda: employ(employers + warm, of=lines))
    ids = [employer.organization_id for employer, _ in reports]
    in_unit_of_work(_prepare_raw)
    for _ in range(warm):
        _raw(first := Clocks(), _real(first, ids.pop(0), reports.pop(0)[1]))
    clocks = Clocks()
    grown = 0.0
    transfers = 0
    for employer_id, (_, report) in zip(ids, reports, strict=True):
        before = peak_mb()
        remittance_id = _real(clocks, employer_id, report)
        grown += peak_mb() - before
        transfers += _raw(clocks, remittance_id)
    broken = invariants.broken()
    assert not broken, broken
    real = clocks.total("submit") + clocks.total("post")
    tell(
        f"contributions_{lines}_{engine}",
        n=transfers,
        lines=lines * employers,
        seconds=round(real, 2),
        per_second=round(transfers / real),
        peak_mb=peak_mb(),
        grew_mb=round(grown, 1),
        limit_per_second=round(transfers / clocks.total("raw")),
        ratio=clocks.ratio("raw"),
        limit_with_balances=round(transfers / clocks.total("raw_balances")),
        ratio_with_balances=clocks.ratio("raw_balances"),
        limit_of_same_tables=round(transfers / clocks.total("raw_same")),
        ratio_of_same_tables=clocks.ratio("raw_same"),
        preview_seconds=round(clocks.total("preview"), 2),
        submit_seconds=round(clocks.total("submit"), 2),
        post_seconds=round(clocks.total("post"), 2),
    )


def _real(clocks: Clocks, employer_id: int, report: list[ReportLine]) -> int:
    """One employer's report through the exchange; the remittance's id."""
    clocks.time("preview", lambda: _preview(employer_id, report))
    remittance_id: int = clocks.time("submit", lambda: in_unit_of_work(lambda: _submit(employer_id, report)))
    clocks.time("post", lambda: in_unit_of_work(lambda: _post(remittance_id)))
    return remittance_id


def _preview(employer_id: int, report: list[ReportLine]) -> None:
    found = reporting.preview(report, employer=db.session.get_one(Employer, employer_id), at=AT)
    assert not found.problems.count, found.problems.kept[:3]
    db.session.rollback()


def _submit(employer_id: int, report: list[ReportLine]) -> int:
    employer = db.session.get_one(Employer, employer_id)
    return contributions.submit(report, employer=employer, source="csv", request_key="october", by=BY, at=AT).id


def _post(remittance_id: int) -> None:
    """What the gateway's word does, once the money is there."""
    cents = db.session.execute(select(Remittance.total_cents).where(Remittance.id == remittance_id)).scalar_one()
    contributions.book(remittance_id, payment_id=0, amount_cents=cents, by=BY, at=AT)


# --- the raw limits -------------------------------------------------------------------------------


def _prepare_raw() -> None:
    key = ", PRIMARY KEY (entry_id, seq)"
    for name in ("raw", "raw_balances", "raw_same"):
        is_keyed = name == "raw_same" or not is_sqlite()
        db.session.execute(text(f"CREATE TABLE {name}_transfer ({_COLUMNS}{key if is_keyed else ''})"))
    db.session.execute(text("CREATE INDEX ix_raw_same_transfer ON raw_same_transfer (target_id)"))
    db.session.execute(text("CREATE TABLE raw_balance (account_id bigint PRIMARY KEY, amount bigint NOT NULL)"))
    db.session.execute(text("INSERT INTO raw_balance SELECT id, 0 FROM ledger_account"))


def _raw(clocks: Clocks, remittance_id: int) -> int:
    """The transfers of a remittance once more, raw and without anything; how many there are."""
    t = LedgerTransfer
    made = select(t.entry_id, t.seq, t.source_id, t.target_id, t.unit, t.amount)
    of_remittance = made.join(Contribution, Contribution.entry_id == t.entry_id).where(
        Contribution.remittance_id == remittance_id
    )
    rows = [tuple(row) for row in db.session.execute(of_remittance)]
    db.session.rollback()
    clocks.time("raw", lambda: _copy("raw", rows))
    clocks.time("raw_balances", lambda: _copy("raw_balances", rows))
    clocks.time("raw_same", lambda: _copy("raw_same", rows))
    return len(rows)


def _copy(name: str, rows: list[tuple[Any, ...]]) -> None:
    with writing(), db.engine.begin() as connection:
        if is_sqlite():
            last = connection.exec_driver_sql(f"SELECT coalesce(max(rowid), 0) FROM {name}_transfer").scalar_one()
            connection.exec_driver_sql(f"INSERT INTO {name}_transfer VALUES (?, ?, ?, ?, ?, ?)", rows)
            copied = f"{name}_transfer WHERE rowid > {last}"
        else:
            copied = f"{name}_staged"
            connection.exec_driver_sql(
                f"CREATE TEMPORARY TABLE IF NOT EXISTS {copied} (LIKE {name}_transfer) ON COMMIT DELETE ROWS"
            )
            driver: Any = connection.connection.driver_connection
            with driver.cursor() as cursor, cursor.copy(f"COPY {copied} FROM STDIN") as copy:
                for row in rows:
                    copy.write_row(row)
            connection.exec_driver_sql(f"INSERT INTO {name}_transfer SELECT * FROM {copied}")
        if name != "raw":
            changes = _CHANGES.format(rows=copied)
            connection.exec_driver_sql(
                f"UPDATE raw_balance SET amount = raw_balance.amount + c.delta FROM ({changes}) AS c"
                " WHERE c.account_id = raw_balance.account_id"
            )


if __name__ == "__main__":
    main()
