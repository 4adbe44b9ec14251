"""Does the server remember what it was asked often, from one request to the next?"""

from __future__ import annotations

import pytest
from flask import Flask
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError

from exchange.database import db
from exchange.identity.organizations import Organization
from exchange.ledger.journal import InsufficientBalance
from tests.support.ledger_makers import Books, balance, entry, post_by_sets

pytestmark = pytest.mark.parametrize("engine_name", ["postgresql"])
OFTEN = 8  # the driver lets the server prepare what it has asked five times


@pytest.fixture
def books(app: Flask) -> Books:
    """A small set of books; the session begins with a new connection."""
    books = Books()
    db.engine.dispose()
    return books


def ask_often() -> None:
    """As pages do that only read: the transaction is given up at the end."""
    for _ in range(OFTEN):
        db.session.execute(select(func.count()).select_from(Organization)).scalar_one()
        db.session.rollback()


def prepared() -> int:
    """How many statements that name organizations the server has prepared."""
    count = "SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE '%FROM organization'"
    return int(db.session.execute(text(count)).scalar_one())


@pytest.mark.usefixtures("books")
class TestConnection:
    def test_keeps_what_is_prepared_when_a_request_only_read(self) -> None:
        ask_often()

        assert prepared() == 1

    def test_prepares_anew_after_something_has_failed(self) -> None:
        ask_often()

        with pytest.raises(DBAPIError):
            db.session.execute(text("SELECT 1 / 0"))
        db.session.rollback()

        assert prepared() == 0

    def test_gives_up_what_was_written(self) -> None:
        db.session.execute(text("UPDATE organization SET name = 'Nobody'"))
        db.session.rollback()

        named = select(func.count()).where(Organization.name == "Nobody")
        assert db.session.execute(named).scalar_one() == 0


class TestStagedPosting:
    def test_goes_on_after_refusals_that_took_its_temporary_tables_away(self, books: Books) -> None:
        ada = books.worker(1)
        db.session.remove()
        db.engine.dispose()

        for number in range(OFTEN):
            with pytest.raises(InsufficientBalance):
                post_by_sets(entry(f"too much:{number}", (ada, books.money, 1)))
        for number in range(OFTEN):
            post_by_sets(entry(f"paid in:{number}", (books.money, ada, 1)))

        assert balance(ada) == OFTEN
