"""Does a tick read more rows when the scheduler has run for years?"""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Select, text

from exchange import clock
from exchange.database import db, is_sqlite
from exchange.scheduler import records
from tests.support.scheduling import LONG_AGO

RUNS = 20_000
HISTORY = """
    WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < :n)
    INSERT INTO job_run (name, due_key, state, due_at, started_at, finished_at, late, actor_name, holder, held_until)
    SELECT 'seal-journal', 'entry ' || n, CASE n % 1000 WHEN 0 THEN 'failed' ELSE 'done' END, n, n, n, {no}, '', '', n
    FROM numbers
"""


@pytest.fixture(autouse=True)
def _years(app: Flask) -> None:
    """Very many runs; never committed."""
    db.session.execute(text(HISTORY.format(no="0" if is_sqlite() else "false")), {"n": RUNS})
    db.session.execute(text("ANALYZE job_run"))


def plan_of(asked: Select[Any]) -> str:
    """How the database would go about it, in its own words."""
    words = str(asked.compile(dialect=db.engine.dialect, compile_kwargs={"literal_binds": True}))
    explain = "EXPLAIN QUERY PLAN " if is_sqlite() else "EXPLAIN "
    return " ".join(str(row) for row in db.session.execute(text(explain + words)).all())


class TestTick:
    def test_finds_what_failed_by_its_index(self) -> None:
        plan = plan_of(records.failed(asked_since=LONG_AGO))

        assert "ix_job_run_failed" in plan
        assert "Seq Scan" not in plan
        assert len(records.failures(clock.now())) == RUNS // 1_000


class TestOverview:
    def test_finds_the_last_run_of_each_job_by_the_index(self) -> None:
        plan = plan_of(records.latest_of(["seal-journal", "cutover"]))

        assert "ix_job_run_name_id" in plan
        assert "Seq Scan" not in plan
        assert "SCAN job_run" not in plan.replace("SCAN job_run USING INDEX ix_job_run_failed", "")
        assert {run.due_key for run in records.last_runs(["seal-journal", "cutover"]).values()} == {f"entry {RUNS}"}
