"""Does a batch of a cutover read more rows when there are more workers?"""

from __future__ import annotations

import pytest
from flask import Flask
from sqlalchemy import Select, select, text

from enrollment import receipts, switching
from enrollment.models import Switch
from exchange.database import db, is_sqlite
from tests.support.enrollment_makers import EFFECTIVE

ORDERED = 50_000
SWITCHES = """
    WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < :n)
    INSERT INTO switch (cause, benefit_account_id, plan_year, from_provider_id, to_provider_id, to_package_id,
        to_version_id, effective_at, state, ordered_at)
    SELECT 'placement', n, '2027', 1, 2, 2, 2, :at, 'ordered', 0 FROM numbers
"""


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
