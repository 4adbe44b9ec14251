"""Is anything written to a primary that another has followed, when it still answers?"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import Flask
from flask_migrate import upgrade
from sqlalchemy.exc import OperationalError

from exchange.database import db, unit_of_work
from exchange.ledger import journal
from exchange.settings import ROOT
from tests.support import postgres
from tests.support.databases import CONFIG, AppFactory
from tests.support.ledger_makers import AT, BY, Books, balance, entry, post
from tests.support.standby import Switchboard, connected_by, switchboard

REFUSALS = 20

pytestmark = pytest.mark.parametrize("engine_name", ["postgresql"])


@pytest.fixture
def board(app: Flask) -> Iterator[Switchboard]:
    folder = postgres.begin_run() / f"primaries-{db.engine.url.database}"
    folder.mkdir(mode=0o755)
    try:
        with switchboard(folder) as board:
            yield board
    except postgres.NoPostgres as error:
        pytest.skip(str(error))


@pytest.fixture
def replicated(board: Switchboard, create_app: AppFactory) -> Iterator[Flask]:
    """The application on a database that will fail over."""
    address = board.old.render_as_string(hide_password=False)
    app = create_app({**CONFIG, "SQLALCHEMY_DATABASE_URI": address})
    with app.app_context(), connected_by(board):
        upgrade(directory=str(ROOT / "migrations"))
        yield app


class TestOldPrimary:
    def test_that_still_answers_is_written_to_by_nobody_who_saw_the_new_one(
        self, board: Switchboard, replicated: Flask
    ) -> None:
        books = Books()
        post(entry("before", (books.money, books.pool, 1)))
        board.fail_over()
        post(entry("unnoticed", (books.money, books.pool, 10)))  # nobody here could know
        board.lead_to_new(at_once=False)
        kept, new = db.engine.connect(), db.engine.connect()  # the first is one of the pool, to the old one
        kept.close()
        new.close()

        post(entry("after", (books.money, books.pool, 100)))
        assert balance(books.pool) == 101

        board.lead_to_old()
        for number in range(REFUSALS):
            stale = entry(f"stale{number}", (books.money, books.pool, 1_000))
            with pytest.raises(OperationalError, match="timeline 2 has begun"), unit_of_work():
                journal.post([stale], by=BY, at=AT)
        answer = replicated.test_client().get("/packages")
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")

        board.lead_to_new()
        assert balance(books.pool) == 101
        post(entry("again", (books.money, books.pool, 1)))
        assert balance(books.pool) == 102
