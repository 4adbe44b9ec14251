"""Does the database itself refuse contributions, employments and tallies that refer to nothing, one or many at once?

SQLite holds it by foreign keys; on PostgreSQL these are triggers for each statement (docs/adr/0006).
"""

from __future__ import annotations

import pytest
from flask import Flask
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from enrollment import contributions
from enrollment.models import Contribution, Employment, LeaveTally
from exchange.database import core, db, in_unit_of_work, unit_of_work
from tests.support.employer_makers import (
    AT,
    BY,
    join,
    make_account,
    make_employer,
    make_package,
    open_program,
    pay,
    work,
)

WRITTEN = ("remittance_id", "employer_id", "benefit_account_id", "policy_version_id")
POSTED = ("provider_id", "package_version_id", "entry_id", "reversed_by_id")
NUMBERS = "WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 300)"
NOBODY = 999


@pytest.fixture
def paid(app: Flask) -> int:
    """A remittance that is paid, of one contribution."""
    with unit_of_work():
        open_program()
        ada, employer = make_account(), make_employer()
        join(ada, make_package({"paid_leave": 4000, "health": 5000}, fee_bp=1_000))
        made = contributions.submit([work(ada)], employer=employer, source="form", by=BY, at=AT)
        remittance_id = made.id
    pay(remittance_id)
    return remittance_id


def copied(table: str, rows: str = "", /, **changed: str) -> str:
    """The statement that writes the table's one row once more (or for each of ``rows``), with other values in it."""
    columns = [column.name for column in db.metadata.tables[table].columns if column.name != "id"]
    values = ", ".join(changed.get(column, f"c.{column}") for column in columns)
    return (
        f"INSERT INTO {table} ({', '.join(columns)}) {rows} SELECT {values} FROM {table} c{', numbers' if rows else ''}"
    )


def everything() -> list[list[tuple[object, ...]]]:
    tables = (core(Contribution), core(Employment), core(LeaveTally))
    return [[tuple(row) for row in db.session.execute(select(table)).all()] for table in tables]


def assert_refused(statement: str) -> None:
    before = everything()

    with pytest.raises(IntegrityError, match=r"does not refer|FOREIGN KEY"), unit_of_work():
        db.session.execute(text(statement))

    assert everything() == before


@pytest.mark.usefixtures("paid")
class TestOrphan:
    def test_contribution_is_refused_when_it_is_written(self) -> None:
        for column in (*WRITTEN, *POSTED):
            assert_refused(copied("contribution", line="9", **{column: str(NOBODY)}))

    def test_contribution_is_refused_when_it_is_posted(self) -> None:
        for column in POSTED:
            assert_refused(f"UPDATE contribution SET {column} = {NOBODY}")

    def test_is_refused_among_very_many_with_all_of_them(self) -> None:
        for column in ("remittance_id", "benefit_account_id", "entry_id"):
            one = {column: f"CASE n WHEN 200 THEN {NOBODY} ELSE c.{column} END"}
            assert_refused(copied("contribution", NUMBERS, line="9 + n", **one))

    def test_employment_is_refused(self) -> None:
        for column in ("employer_id", "benefit_account_id"):
            assert_refused(copied("employment", **{column: str(NOBODY)}))

    def test_tally_of_leave_is_refused(self) -> None:
        assert_refused(copied("leave_tally", benefit_account_id=str(NOBODY)))

    @pytest.mark.breaks_rules
    def test_is_not_seen_where_all_of_very_many_refer_to_something(self) -> None:
        in_unit_of_work(lambda: db.session.execute(text(copied("contribution", NUMBERS, line="9 + n"))))

        assert len(everything()[0]) == 301


@pytest.mark.usefixtures("paid")
class TestWhatIsReferredTo:
    def test_can_neither_go_nor_get_another_key(self) -> None:
        for table in ("remittance", "employer", "policy_version", "package_version", "benefit_account"):
            key = "organization_id" if table == "employer" else "id"
            for deed in (f"DELETE FROM {table}", f"UPDATE {table} SET {key} = {NOBODY}"):
                with pytest.raises(DBAPIError), unit_of_work():
                    db.session.execute(text(f"{deed} WHERE {key} = (SELECT min({table}_id) FROM contribution)"))

    @pytest.mark.parametrize("engine_name", ["postgresql"])
    def test_is_not_exchanged_for_something_else(self) -> None:
        for table, columns in (
            ("contribution", WRITTEN),
            ("employment", ("employer_id", "benefit_account_id")),
            ("leave_tally", ("benefit_account_id",)),
        ):
            for column in columns:
                with pytest.raises(DBAPIError, match="fixed columns"), unit_of_work():
                    db.session.execute(text(f"UPDATE {table} SET {column} = {column} + 1"))
