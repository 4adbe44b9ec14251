"""Does the database itself refuse what refers to nothing, and keep what is referred to, whoever asks?

SQLite holds it by foreign keys; on PostgreSQL those of the largest tables are triggers (docs/adr/0006).
"""

from __future__ import annotations

from datetime import date

import pytest
from flask import Flask
from sqlalchemy import insert, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from exchange.database import core, db, in_unit_of_work, is_sqlite, unit_of_work
from exchange.ledger import invariants, staging
from exchange.ledger.accounts import LedgerAccount, LedgerBalance
from exchange.ledger.journal import LedgerEntry, LedgerKey, LedgerTransfer
from tests.support.ledger_makers import Books, entry, post

TRANSFER = "INSERT INTO ledger_transfer (entry_id, seq, source_id, target_id, unit, amount) VALUES"
LINE = "INSERT INTO ledger_account (id, kind, organization_id, component, unit) VALUES"
# What is written beside the application, and refers to nothing: 1 is an entry, 1 and 2 are lines in US cents and in
# minutes, 3 is a pool in US cents.
ORPHANS = {
    "a transfer of no entry": f"{TRANSFER} (999, 0, 1, 3, 'USD', 5)",
    "a transfer from no line": f"{TRANSFER} (1, 9, 999, 3, 'USD', 5)",
    "a transfer to no line": f"{TRANSFER} (1, 9, 1, 999, 'USD', 5)",
    "a transfer from a line of another unit": f"{TRANSFER} (1, 9, 2, 3, 'USD', 5)",
    "a transfer to a line of another unit": f"{TRANSFER} (1, 9, 1, 2, 'USD', 5)",
    "an orphan among good ones": f"{TRANSFER} (1, 7, 1, 3, 'USD', 5), (1, 8, 1, 999, 'USD', 5), (1, 9, 3, 1, 'USD', 5)",
    "a key of no entry": "INSERT INTO ledger_key (key, entry_id) VALUES ('stray', 999)",
    "a balance of no line": "INSERT INTO ledger_balance (account_id, amount) VALUES (999, 5)",
    "a balance that moves to no line": "UPDATE ledger_balance SET account_id = 999",
    "a line of no organization": f"{LINE} (999, 'pool', 999, 'life', 'USD')",
}
EFFECTIVE_ON = date(2027, 1, 1)
REMOVALS = ("DELETE FROM ledger_entry", "DELETE FROM ledger_account", "DELETE FROM organization WHERE id = 2")


@pytest.fixture
def books(app: Flask) -> Books:
    """Books with one entry, number 1, which brought a worker 100 cents."""
    books = Books()
    post(entry("first", (books.money, books.worker(1), 100)))
    return books


def everything() -> list[list[tuple[object, ...]]]:
    """All rows of the tables that orphans are tried on."""
    tables = (LedgerEntry, LedgerKey, LedgerTransfer, LedgerAccount, LedgerBalance)
    return [[tuple(row) for row in db.session.execute(select(table.__table__)).all()] for table in tables]


class TestOrphan:
    @pytest.mark.parametrize("statement", ORPHANS.values(), ids=ORPHANS.keys())
    def test_is_refused_with_the_whole_statement(self, books: Books, statement: str) -> None:
        before = everything()

        with pytest.raises(IntegrityError), unit_of_work():
            db.session.execute(text(statement))

        assert everything() == before

    def test_does_not_hide_behind_a_good_row_of_its_own_transaction(self, books: Books) -> None:
        def write() -> None:
            for statement in (
                f"{LINE} (999, 'pool', {books.harbor}, 'life', 'USD')",
                f"{TRANSFER} (1, 8, 1, 999, 'USD', 5)",
                f"{TRANSFER} (1, 9, 1, 998, 'USD', 5)",
            ):
                db.session.execute(text(statement))

        with pytest.raises(IntegrityError):
            in_unit_of_work(write)

        assert db.session.get(LedgerAccount, 999) is None
        assert invariants.broken() == []

    @pytest.mark.parametrize("number", [1, 200])
    def test_is_seen_among_keys_that_follow_their_entries(self, books: Books, number: int) -> None:
        keys = [{"key": f"stray:{n}", "entry_id": 1 + n} for n in range(number)]
        keys[-1]["entry_id"] = 999
        before = everything()

        def write() -> None:
            made = (
                "INSERT INTO ledger_entry (id, key, kind, posted_at, effective_on) VALUES (:entry_id, :key, '', 0, :on)"
            )
            on = EFFECTIVE_ON.isoformat() if is_sqlite() else EFFECTIVE_ON
            if number > 1:
                db.session.execute(text(made), [{**one, "on": on} for one in keys[1:-1]])
            with staging.keys_follow():
                db.session.execute(insert(core(LedgerKey)).values(keys))

        with pytest.raises(IntegrityError):
            in_unit_of_work(write)

        assert everything() == before


@pytest.mark.parametrize("engine_name", ["postgresql"])
class TestTwoSessions:
    def test_cannot_refer_to_what_the_other_has_not_committed(self, books: Books) -> None:
        with db.engine.connect() as other, other.begin():
            other.execute(text(f"{LINE} (999, 'pool', {books.harbor}, 'life', 'USD')"))

            with pytest.raises(IntegrityError), unit_of_work():
                db.session.execute(text(f"{TRANSFER} (1, 9, 1, 999, 'USD', 5)"))

    @pytest.mark.parametrize("statement", REMOVALS)
    def test_cannot_take_away_what_the_other_is_about_to_refer_to(self, books: Books, statement: str) -> None:
        with db.engine.connect() as other, other.begin() as writing:
            other.execute(text(f"{LINE} (999, 'pool', 2, 'life', 'USD')"))

            with pytest.raises(DBAPIError), unit_of_work():
                db.session.execute(text(statement))
            writing.commit()

        assert in_unit_of_work(lambda: db.session.get_one(LedgerAccount, 999)).organization_id == books.harbor

    def test_are_neither_of_them_kept_waiting_by_a_line_that_both_post_to(self, books: Books) -> None:
        with db.engine.connect() as other, other.begin() as posting:
            other.execute(text(f"{TRANSFER} (1, 8, 1, 3, 'USD', 5)"))
            db.session.execute(text("SET LOCAL lock_timeout = '100ms'"))

            locked = db.session.execute(text("SELECT id FROM ledger_account WHERE id IN (1, 3) FOR UPDATE NOWAIT"))

            assert len(locked.all()) == 2
            posting.rollback()
            db.session.rollback()


@pytest.mark.parametrize("engine_name", ["postgresql"])
class TestSecondKey:
    def test_of_an_entry_is_told_by_the_check_of_the_books(self, books: Books) -> None:
        db.session.execute(text("INSERT INTO ledger_key (key, entry_id) VALUES ('stray', 1)"))

        broken = invariants.broken()

        db.session.rollback()
        assert [found.finding for found in broken] == ["the key stray names an entry that has another one"]
