"""Can the journal be split by ranges of its ids, and is it then what it was?"""

from __future__ import annotations

import secrets
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError

from exchange import grants
from exchange.database import db, unit_of_work
from exchange.ledger import invariants
from exchange.ledger.journal import LedgerEntry, LedgerTransfer
from tests.support.enrollment_makers import LEAVE, Town, held_by

SCRIPT = Path(__file__).parents[3] / "deploy" / "partition_journal.sql"


@pytest.fixture
def town(app: Flask) -> Town:
    return Town()


def split(rows_each: int) -> None:
    """What the operator runs."""
    with unit_of_work():
        db.session.execute(text(f"SET LOCAL journal.rows_per_partition = '{rows_each}'"))
        db.session.connection().exec_driver_sql(SCRIPT.read_text(encoding="utf-8").replace("%", "%%"))


def in_partition(name: str) -> int:
    return int(db.session.execute(text(f"SELECT count(*) FROM {name}")).scalar_one())


@pytest.mark.parametrize("engine_name", ["postgresql"])
class TestPartitionedJournal:
    def test_keeps_what_was_posted_and_takes_what_comes(self, town: Town) -> None:
        members = [town.member(f"Worker{n}", package_id=town.harbor, holding=LEAVE) for n in range(5)]
        before = db.session.execute(select(LedgerTransfer.entry_id, LedgerTransfer.seq, LedgerTransfer.amount)).all()

        split(4)

        after = db.session.execute(select(LedgerTransfer.entry_id, LedgerTransfer.seq, LedgerTransfer.amount)).all()
        assert sorted(after) == sorted(before)
        for account_id in members:
            town.choose(account_id, town.valley)
        town.order()
        assert town.carry_out() == 5
        assert all(held_by(account_id) for account_id in members)
        assert db.session.execute(select(func.count()).select_from(LedgerEntry)).scalar_one() == 10
        assert [in_partition(f"ledger_entry_{n}") for n in range(3)] == [3, 4, 3]
        assert in_partition("ledger_entry_rest") == 0
        assert invariants.broken() == []

    @pytest.mark.parametrize(
        "deed",
        [
            "UPDATE ledger_transfer SET amount = 1", "DELETE FROM ledger_entry_0", "TRUNCATE ledger_transfer CASCADE",
            "TRUNCATE ledger_transfer_0", "INSERT INTO ledger_transfer VALUES (999, 0, 1, 2, 'USD', 1)",
        ],
    )  # fmt: skip
    def test_refuses_what_the_whole_one_refused(self, town: Town, deed: str) -> None:
        town.member("Ada", package_id=town.harbor, holding=LEAVE)
        split(4)

        with pytest.raises(DBAPIError), unit_of_work():
            db.session.execute(text(deed))

    @pytest.mark.parametrize("part", ["ledger_entry_0", "ledger_transfer_0", "ledger_entry_rest"])
    @pytest.mark.parametrize("deed", ["INSERT INTO {0} SELECT * FROM {0}", "DELETE FROM {0}", "TRUNCATE {0} CASCADE"])
    def test_is_reached_by_the_whole_alone(self, town: Town, deed: str, part: str) -> None:
        town.member("Ada", package_id=town.harbor, holding=LEAVE)
        split(4)

        with pytest.raises(DBAPIError, match="is reached by the whole"), unit_of_work():
            db.session.execute(text(deed.format(part)))

    def test_is_not_to_be_changed_by_the_programs_role_either(self, app: Flask) -> None:
        split(4)
        may_change = text(
            "SELECT relname FROM pg_class WHERE relnamespace = current_schema()::regnamespace"
            " AND relkind IN ('r', 'p') AND has_table_privilege(:role, oid, 'UPDATE, DELETE, TRUNCATE')"
        )
        role = f"program_{secrets.token_hex(4)}"

        with db.engine.connect() as connection:
            connection.execute(text(f"CREATE ROLE {role}"))
            grants.grant(connection, role)
            found = set(connection.execute(may_change, {"role": role}).scalars())
            connection.rollback()

        assert "ledger_balance" in found
        assert {name for name in found if name.startswith(("ledger_entry", "ledger_transfer"))} == set()
