"""Are the stored balances what the journal says, folded or not?"""

from __future__ import annotations

import pytest
from flask import Flask
from sqlalchemy import func, select, update

from exchange.database import db, in_unit_of_work, unit_of_work
from exchange.ledger import balances, invariants
from exchange.ledger.accounts import AccountKind, LedgerBalance, LedgerSharedDelta
from exchange.money import Unit
from tests.support.ledger_makers import Books, balance, entry, post


@pytest.fixture
def books(app: Flask) -> Books:
    """A small set of books on this test's database."""
    return Books()


class TestFold:
    def test_changes_no_balance(self, books: Books) -> None:
        for number in range(5):
            post(entry(f"{number}", (books.money, books.pool, 10)))
        before = balance(books.pool), balance(books.money)

        folded = in_unit_of_work(balances.fold)

        assert folded == 10
        assert (balance(books.pool), balance(books.money)) == before == (50, -50)
        assert db.session.execute(select(func.count()).select_from(LedgerSharedDelta)).scalar_one() == 0

    def test_of_nothing_is_nothing(self, books: Books) -> None:
        assert in_unit_of_work(balances.fold) == 0

    def test_goes_on_where_the_last_one_ended(self, books: Books) -> None:
        post(entry("a", (books.money, books.pool, 10)))
        in_unit_of_work(balances.fold)
        post(entry("b", (books.money, books.pool, 5)))

        in_unit_of_work(balances.fold)

        assert balance(books.pool) == 15


class TestQuestions:
    def test_tell_a_worker_what_he_has_with_whom(self, books: Books) -> None:
        ada = books.worker(1)
        books.worker(1, at=books.valley)
        hours = books.worker(1, component="paid_leave", unit=Unit.MIN)
        post(entry("a", (books.money, ada, 500)), entry("b", (books.time, hours, 90), unit=Unit.MIN))

        held = balances.of_holder(1)

        assert held == {
            (books.harbor, "retirement", Unit.USD): 500,
            (books.valley, "retirement", Unit.USD): 0,
            (books.harbor, "paid_leave", Unit.MIN): 90,
        }

    def test_of_one_line_and_of_several_agree(self, books: Books) -> None:
        ada, idle = books.worker(1), books.worker(2)
        post(entry("a", (books.money, ada, 500), (books.money, books.pool, 30)))
        in_unit_of_work(balances.fold)
        post(entry("b", (books.money, books.pool, 4)))
        lines = [books.money, books.pool, ada, idle]

        assert [balances.line(line) for line in lines] == [-534, 34, 500, 0]
        assert balances.of(lines) == dict(zip(lines, [-534, 34, 500, 0], strict=True))

    def test_of_a_line_that_is_not_there_tell_nothing(self, books: Books) -> None:
        assert balances.line(books.pool + 1_000) is None

    def test_tell_an_organization_what_it_owes(self, books: Books) -> None:
        post(
            entry("a", (books.money, books.worker(1), 500), (books.money, books.worker(2), 70)),
            entry("b", (books.money, books.worker(3, at=books.valley), 9)),
        )

        assert balances.owed_by(books.harbor) == {("retirement", Unit.USD): 570}

    def test_tell_what_stands_on_shared_lines(self, books: Books) -> None:
        post(entry("a", (books.money, books.pool, 10)))

        assert balances.shared_of(books.harbor, AccountKind.POOL) == {("health", Unit.USD): 10}


class TestRulesThatAlwaysHold:
    def test_are_kept_by_ordinary_postings(self, books: Books) -> None:
        post(entry("a", (books.money, books.worker(1), 500), (books.money, books.pool, 70)))

        assert invariants.broken() == []

    @pytest.mark.breaks_rules
    def test_name_a_balance_that_was_changed_behind_the_door(self, books: Books) -> None:
        ada = books.worker(1)
        post(entry("a", (books.money, ada, 500)))
        with unit_of_work():
            db.session.execute(update(LedgerBalance).values(amount=499))

        broken = invariants.broken()

        assert {one.number for one in broken} == {2, 12}
        assert f"la-{ada} is stored as 499, the journal says 500" in {one.finding for one in broken}
