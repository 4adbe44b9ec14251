"""Does the database itself refuse memberships, rights and switches that refer to nothing, one or very many at once?

SQLite holds it by foreign keys; on PostgreSQL these are triggers for each statement (docs/adr/0006).
"""

from __future__ import annotations

import pytest
from flask import Flask
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from enrollment.models import MemberRight, Membership, Switch
from exchange.database import db, in_unit_of_work, unit_of_work
from exchange.ledger.journal import LedgerTransfer
from tests.support.enrollment_makers import LEAVE, Town

MEMBERSHIP = "INSERT INTO membership (benefit_account_id, provider_id, package_id, starts_at, ends_at, cause) SELECT"
RIGHT = "INSERT INTO member_right (membership_id, component, covered_since, deductible_met_cents) SELECT"
NUMBERS = "WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 300)"
# 1 is a worker's account and his first membership, 2 his present one. 1 is also an entry, 2 the world's line in cents,
# 3 and 4 the worker's in minutes and in cents.
ORPHANS = {
    "a membership of nobody": f"{MEMBERSHIP} 999, 1, NULL, 1, 2, 'opened'",
    "a membership with nobody": f"{MEMBERSHIP} 1, 999, NULL, 1, 2, 'opened'",
    "a membership in no package": f"{MEMBERSHIP} 1, 1, 999, 1, 2, 'opened'",
    "a membership that moves to no package": "UPDATE membership SET package_id = 999",
    "a right of no membership": f"{RIGHT} 999, 'health', '2026-01-01', 0",
    "a switch of no entry": "UPDATE switch SET entry_id = 999",
    "one membership among very many": (
        f"{MEMBERSHIP.replace(' SELECT', '')} {NUMBERS} SELECT CASE n WHEN 200 THEN 2 ELSE 1 END, 1, NULL, n, n + 1,"
        " 'opened' FROM numbers"
    ),
    "one right among very many": (
        f"{RIGHT.replace(' SELECT', '')} {NUMBERS} SELECT CASE n WHEN 200 THEN 3 ELSE 1 END, 'right-' || n,"
        " '2026-01-01', 0 FROM numbers"
    ),
    "one transfer among very many": (
        f"INSERT INTO ledger_transfer (entry_id, seq, source_id, target_id, unit, amount) {NUMBERS} SELECT 1, 9 + n,"
        " 2, CASE n WHEN 200 THEN 900 ELSE 4 END, 'USD', 1 FROM numbers"
    ),
    "one transfer in another unit among very many": (
        f"INSERT INTO ledger_transfer (entry_id, seq, source_id, target_id, unit, amount) {NUMBERS} SELECT 1, 9 + n,"
        " 2, CASE n WHEN 200 THEN 3 ELSE 4 END, 'USD', 1 FROM numbers"
    ),
}


@pytest.fixture
def town(app: Flask) -> Town:
    """One worker, who holds leave in money and in minutes and whose switch is ordered."""
    town = Town()
    town.choose(town.member("Ada", package_id=town.harbor, holding=LEAVE), town.valley)
    town.order()
    return town


def everything() -> list[list[tuple[object, ...]]]:
    """All rows of the tables that orphans are tried on."""
    tables = (Membership, MemberRight, Switch, LedgerTransfer)
    return [[tuple(row) for row in db.session.execute(select(table.__table__)).all()] for table in tables]


@pytest.mark.usefixtures("town")
class TestOrphan:
    @pytest.mark.parametrize("statement", ORPHANS.values(), ids=ORPHANS.keys())
    def test_is_refused_with_the_whole_statement(self, statement: str) -> None:
        before = everything()

        with pytest.raises(IntegrityError, match=r"does not refer|FOREIGN KEY"), unit_of_work():
            db.session.execute(text(statement))

        assert everything() == before

    def test_is_not_seen_where_all_of_very_many_refer_to_something(self) -> None:
        good = ORPHANS["one right among very many"].replace("THEN 3", "THEN 2")

        in_unit_of_work(lambda: db.session.execute(text(good)))

        assert len(everything()[1]) == 300


class TestWhatIsReferredTo:
    @pytest.mark.parametrize("table", ["benefit_account", "package", "membership"])
    def test_cannot_be_taken_away_under_what_refers_to_it(self, town: Town, table: str) -> None:
        town.carry_out()
        before = everything()

        with pytest.raises(DBAPIError), unit_of_work():
            db.session.execute(text(f"DELETE FROM {table} WHERE id = (SELECT max(id) FROM {table} WHERE id < 4)"))

        assert everything() == before

    @pytest.mark.parametrize("engine_name", ["postgresql"])
    def test_cannot_go_while_another_session_writes_a_right_for_it(self, town: Town) -> None:
        with db.engine.connect() as other, other.begin() as writing:
            other.execute(text(f"{RIGHT} 2, 'training', '2026-01-01', 0"))

            def take_away() -> None:
                db.session.execute(text("SET LOCAL lock_timeout = '100ms'"))
                db.session.execute(text("DELETE FROM membership WHERE id = 2"))

            with pytest.raises(DBAPIError), unit_of_work():
                take_away()
            writing.commit()

        assert [len(rows) for rows in everything()[:2]] == [2, 1]
