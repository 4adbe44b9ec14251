"""Does a batch of a cutover read more rows when there are more workers?"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Engine, Select, event, select, text

from enrollment import receipts, rolling_back, switching
from enrollment.models import Switch
from exchange.database import db, in_unit_of_work, is_sqlite
from tests.support.enrollment_makers import BY, EFFECTIVE, LEAVE, Town

ORDERED = 50_000
SWITCHES = """
    WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < :n)
    INSERT INTO switch (cause, benefit_account_id, plan_year, from_provider_id, to_provider_id, to_package_id,
        to_version_id, effective_at, state, ordered_at)
    SELECT 'placement', n, '2027', 1, 2, 2, 2, :at, 'ordered', 0 FROM numbers
"""

# What there is more of with every worker.
GROWING = (
    *("switch", "election", "membership", "member_right"),
    *("ledger_account", "ledger_balance", "ledger_entry", "ledger_key", "ledger_transfer"),
)
# Under each of these SQLite names what it would ask of rows that wait for the new one, if any did.
NAMES_WHO_MAY_WAIT = ("INSERT INTO ledger_entry", "INSERT INTO ledger_account")


@pytest.fixture
def _ordered(app: Flask) -> None:
    """Very many orders of workers who are not there; never committed."""
    unchecked = "PRAGMA defer_foreign_keys = ON" if is_sqlite() else "SET LOCAL session_replication_role = replica"
    db.session.execute(text(unchecked))
    db.session.execute(text(SWITCHES), {"n": ORDERED, "at": 1})
    db.session.execute(text("ANALYZE switch"))


def plan_of(which: Select[Switch] | Select[int]) -> str:
    """How the database would go about it, in its own words."""
    asked = str(which.compile(dialect=db.engine.dialect, compile_kwargs={"literal_binds": True}))
    explain = "EXPLAIN QUERY PLAN " if is_sqlite() else "EXPLAIN "
    plan = " ".join(str(row) for row in db.session.execute(text(explain + asked)).all())
    db.session.rollback()
    return plan


@pytest.mark.usefixtures("_ordered")
class TestDue:
    def test_is_read_from_the_index_of_those_ordered_and_not_sorted(self) -> None:
        plan = plan_of(switching.due(EFFECTIVE).limit(switching.BATCH))

        assert "ix_switch_ordered" in plan
        assert "Sort" not in plan
        assert "TEMP B-TREE" not in plan


@pytest.mark.usefixtures("_ordered")
class TestOfAccount:
    def test_reads_no_switch_of_anybody_else(self) -> None:
        plan = plan_of(select(Switch).where(receipts.of_account(7)))

        assert "uq_switch_effective" in plan
        assert "ix_switch_abandoned" in plan
        assert "Seq Scan" not in plan
        assert "SCAN switch" not in plan


@pytest.fixture
def town(app: Flask) -> Town:
    """Two workers whose switches are ordered, in a database that believes it has a million."""
    town = Town()
    for name in ("Ada", "Ben"):
        town.choose(town.member(name, package_id=town.harbor, holding=LEAVE), town.valley)
    town.order()
    if is_sqlite():
        in_unit_of_work(_believe_in_a_million)
    return town


def _believe_in_a_million() -> None:
    """PostgreSQL needs no such thing: a batch tells it what it shall think of reading a table."""
    db.session.execute(text("ANALYZE"))
    for table in GROWING:
        db.session.execute(text("DELETE FROM sqlite_stat1 WHERE tbl = :table"), {"table": table})
        db.session.execute(text("INSERT INTO sqlite_stat1 VALUES (:table, NULL, '1000000')"), {"table": table})
    db.session.execute(text("ANALYZE sqlite_schema"))


@contextmanager
def read_whole() -> Iterator[list[str]]:
    """The plans of what is asked meanwhile that read all rows of a table which grows with the workers."""
    found: list[str] = []

    def explain(connection: Any, _cursor: object, asked: str, given: Any, _context: object, many: bool) -> None:
        if many or asked.split(maxsplit=1)[0] not in {"INSERT", "UPDATE", "DELETE", "SELECT", "WITH"}:
            return
        if asked.startswith(NAMES_WHO_MAY_WAIT):
            return
        explaining = "EXPLAIN QUERY PLAN " if is_sqlite() else "EXPLAIN "
        lines = connection.connection.driver_connection.cursor().execute(explaining + asked, given).fetchall()
        plan = [str(line[-1]) for line in lines]
        whole = [f"{word} {table}" for word in ("SCAN", "BLOOM FILTER ON", "Seq Scan on") for table in GROWING]
        whole.append("AUTOMATIC")  # an index of all rows that SQLite makes for one question
        found.extend(f"{asked}: {line}" for line in plan if any(f"{one} " in f"{line} " for one in whole))

    event.listen(Engine, "before_cursor_execute", explain)
    try:
        yield found
    finally:
        event.remove(Engine, "before_cursor_execute", explain)


class TestCarryOut:
    def test_reads_no_table_whole_that_grows_with_the_workers(self, town: Town) -> None:
        with read_whole() as found:
            carried = town.carry_out()

        assert carried == 2
        assert found == []


class TestRollBack:
    def test_reads_no_table_whole_that_grows_with_the_workers(self, town: Town) -> None:
        town.carry_out()

        with read_whole() as found:
            rolled_back = in_unit_of_work(lambda: rolling_back.roll_back(town.window, by=BY, at=EFFECTIVE).workers)

        assert rolled_back == 2
        assert found == []
