"""Does everything that a worker's lines hold go where it is sent, each line once, or nothing at all?"""

from __future__ import annotations

import pytest
from flask import Flask
from sqlalchemy import func, insert, select

from exchange.database import db, in_unit_of_work, is_sqlite
from exchange.ledger import balances, invariants, journal, moves, staging
from exchange.ledger.accounts import AccountKind, LedgerAccount
from exchange.money import Unit
from tests.support.ledger_makers import AT, BY, ON, Books, balance, entry, post


@pytest.fixture
def books(app: Flask) -> Books:
    """A worker with 100 cents for retirement and 50 for training, both with Harbor Union."""
    books = Books()
    post(entry("first", (books.money, books.worker(1), 100), (books.money, books.worker(1, component="training"), 50)))
    return books


def move_both(books: Books, *, target: int | None, amounts: tuple[int, int] = (100, 50)) -> None:
    """Move both lines to the worker's line for retirement with Valley Mutual, which is opened unless it is given."""

    def work() -> None:
        staging.empty(staging.entry, staging.move)
        entry_id = staging.allot_ids(1)[0]
        deed = {"ordinal": 1, "entry_id": entry_id, "key": "switch:1", "kind": "switch", "effective_on": ON}
        db.session.execute(insert(staging.entry), [deed])
        worker = (AccountKind.WORKER, books.harbor)
        sources = [books.line(*worker, component=component, holder=1) for component in ("retirement", "training")]
        db.session.execute(
            insert(staging.move),
            [
                {
                    "entry_id": entry_id, "seq": seq, "source_id": source, "unit": Unit.USD, "amount": amount,
                    "holder_id": 1, "organization_id": books.valley, "component": "retirement", "coming": amount,
                    "target_id": target or _new_line(), "opens": target is None, "is_first": is_sqlite() or seq == 0,
                }
                for seq, (source, amount) in enumerate(zip(sources, amounts, strict=True))
            ],
        )  # fmt: skip
        moves.post_moves(by=BY, at=AT, subject="switches:1")

    in_unit_of_work(work)


def _new_line() -> int:
    return 0 if is_sqlite() else db.session.execute(select(func.nextval("ledger_account_id_seq"))).scalar_one()


def held(books: Books) -> dict[int, int]:
    """What the worker holds with each provider."""
    sums: dict[int, int] = {}
    for (organization_id, _, _), amount in balances.of_holder(1).items():
        sums[organization_id] = sums.get(organization_id, 0) + amount
    return sums


class TestMoves:
    def test_of_two_lines_open_the_one_they_lead_to_and_fill_it_with_both(self, books: Books) -> None:
        move_both(books, target=None)

        assert held(books) == {books.harbor: 0, books.valley: 150}
        assert invariants.broken() == []

    def test_of_two_lines_are_added_to_what_is_there(self, books: Books) -> None:
        there = books.worker(1, at=books.valley)
        post(entry("more", (books.money, there, 7)))

        move_both(books, target=there)

        assert balance(there) == 157
        assert invariants.broken() == []

    @pytest.mark.parametrize("amounts", [(99, 50), (100, 51)])
    def test_of_less_or_more_than_a_line_holds_are_not_made_at_all(
        self, books: Books, amounts: tuple[int, int]
    ) -> None:
        lines = select(func.count()).select_from(LedgerAccount)
        before = db.session.execute(lines).scalar_one()

        with pytest.raises(AssertionError):
            move_both(books, target=None, amounts=amounts)

        assert held(books) == {books.harbor: 150}
        assert db.session.execute(lines).scalar_one() == before

    def test_under_a_key_that_is_there_are_refused_and_nothing_moves(self, books: Books) -> None:
        post(entry("switch:1", (books.money, books.worker(2), 9)))

        with pytest.raises(journal.KeyReused) as refused:
            move_both(books, target=None)

        assert refused.value.details == {"key": "switch:1"}
        assert held(books) == {books.harbor: 150}
        assert invariants.broken() == []
