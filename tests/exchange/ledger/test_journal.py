"""Does the one door let in what belongs in the books, once, and nothing else?"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable

import pytest
from flask import Flask
from sqlalchemy import delete, func, select, text, update
from sqlalchemy.exc import DatabaseError, IntegrityError

from exchange.database import db, in_unit_of_work, unit_of_work
from exchange.ledger import journal
from exchange.ledger.accounts import LedgerAccount, LedgerBalance
from exchange.ledger.journal import (
    MAX_KEY,
    BadPosting,
    InsufficientBalance,
    KeyReused,
    LedgerDetail,
    LedgerEntry,
    LedgerKey,
    LedgerTransfer,
)
from exchange.money import Unit
from tests.support.ledger_makers import AT, BY, Books, Post, balance, entry, post, post_by_sets


@pytest.fixture
def books(app: Flask) -> Books:
    """A small set of books on this test's database."""
    return Books()


@pytest.fixture(params=[post, post_by_sets])
def post_either_way(request: pytest.FixtureRequest) -> Post:
    """The door as a few postings pass it, and as thousands do: what is promised is the same."""
    way: Post = request.param
    return way


def entries() -> int:
    """How many entries the journal has."""
    return db.session.execute(select(func.count()).select_from(LedgerEntry)).scalar_one()


class TestPost:
    def test_moves_each_amount_from_one_account_to_another(self, books: Books, post_either_way: Post) -> None:
        ada = books.worker(1)

        post_either_way(entry("a", (books.money, ada, 500)))
        post_either_way(entry("b", (ada, books.pool, 200)))

        assert (balance(books.money), balance(ada), balance(books.pool)) == (-500, 300, 200)

    def test_keeps_transfers_in_the_order_in_which_they_were_asked(self, books: Books, post_either_way: Post) -> None:
        ada, ben = books.worker(1), books.worker(2)

        ids = post_either_way(entry("a", (books.money, ben, 7), (books.money, ada, 5), (books.money, ben, 3)))

        t = LedgerTransfer
        rows = db.session.execute(select(t.target_id, t.amount).where(t.entry_id == ids["a"]).order_by(t.seq))
        assert rows.all() == [(ben, 7), (ada, 5), (ben, 3)]

    def test_repeated_with_the_same_content_is_one_entry(self, books: Books, post_either_way: Post) -> None:
        ada = books.worker(1)
        once = post_either_way(entry("a", (books.money, ada, 500), details="October"))

        again = post_either_way(entry("a", (books.money, ada, 500), details="October"))

        assert again == once
        assert balance(ada) == 500
        assert entries() == 1

    def test_takes_the_new_ones_of_a_batch_that_was_half_there(self, books: Books, post_either_way: Post) -> None:
        ada = books.worker(1)
        first = post_either_way(entry("a", (books.money, ada, 500)))

        both = post_either_way(entry("a", (books.money, ada, 500)), entry("b", (books.money, ada, 20)))

        assert both["a"] == first["a"]
        assert balance(ada) == 520
        assert entries() == 2

    @pytest.mark.parametrize(
        "change",
        [
            pytest.param(lambda books, ada: entry("a", (books.money, ada, 501), details="October"), id="amount"),
            pytest.param(lambda books, ada: entry("a", (books.pool, ada, 500), details="October"), id="source"),
            pytest.param(lambda books, ada: entry("a", (books.money, ada, 500)), id="no-details"),
            pytest.param(lambda books, ada: entry("a", (books.money, ada, 500), details="November"), id="details"),
            pytest.param(
                lambda books, ada: entry("a", (books.money, ada, 250), (books.money, ada, 250), details="October"),
                id="transfers",
            ),
        ],
    )
    def test_refuses_the_same_key_with_other_content(
        self, books: Books, post_either_way: Post, change: Callable[[Books, int], journal.Posting]
    ) -> None:
        ada = books.worker(1)
        post_either_way(entry("a", (books.money, ada, 500), details="October"))

        with pytest.raises(KeyReused) as refused:
            post_either_way(change(books, ada))

        assert refused.value.details == {"key": "a"}
        assert (balance(ada), entries()) == (500, 1)

    def test_refuses_to_take_more_than_there_is_and_moves_nothing(self, books: Books, post_either_way: Post) -> None:
        ada, ben = books.worker(1), books.worker(2)
        post_either_way(entry("a", (books.money, ada, 500)))

        with pytest.raises(InsufficientBalance):
            post_either_way(entry("b", (books.money, ben, 70)), entry("c", (ada, ben, 501)))

        assert (balance(ada), balance(ben), entries()) == (500, 0, 1)

    def test_lets_the_last_cent_go(self, books: Books, post_either_way: Post) -> None:
        ada = books.worker(1)
        post_either_way(entry("a", (books.money, ada, 500)))

        post_either_way(entry("b", (ada, books.money, 500)))

        assert balance(ada) == 0

    def test_lets_the_world_owe(self, books: Books, post_either_way: Post) -> None:
        post_either_way(entry("a", (books.money, books.pool, 9_000_000_000_000_000)))

        assert balance(books.money) == -9_000_000_000_000_000

    @pytest.mark.parametrize("amount", [0, -1, 2**63])
    def test_refuses_amounts_that_are_none(self, books: Books, amount: int) -> None:
        ada = books.worker(1)

        with pytest.raises(BadPosting):
            post(entry("a", (books.money, ada, amount)))

        assert (balance(ada), entries()) == (0, 0)

    def test_refuses_a_transfer_to_the_same_account(self, books: Books) -> None:
        with pytest.raises(BadPosting):
            post(entry("a", (books.pool, books.pool, 1)))

        assert entries() == 0

    @pytest.mark.parametrize("key", ["", "k" * (MAX_KEY + 1)])
    def test_refuses_keys_that_say_nothing_or_too_much(self, books: Books, key: str) -> None:
        with pytest.raises(BadPosting):
            post(entry(key, (books.money, books.pool, 1)))

        assert entries() == 0

    def test_refuses_two_postings_under_one_key(self, books: Books) -> None:
        with pytest.raises(BadPosting):
            post(entry("a", (books.money, books.pool, 1)), entry("a", (books.money, books.pool, 2)))

        assert entries() == 0

    def test_of_nothing_writes_nothing(self, app: Flask) -> None:
        assert post() == {}
        assert entries() == 0

    def test_keeps_only_a_salted_digest_of_the_words(self, books: Books, post_either_way: Post) -> None:
        ids = post_either_way(entry("a", (books.money, books.pool, 1), details="a word about Ada"))

        detail = db.session.get_one(LedgerDetail, ids["a"])
        digest = db.session.get_one(LedgerEntry, ids["a"]).details_digest
        expected = hashlib.sha256(b"pbx/jrn/detail/v1\0" + detail.salt + b"a word about Ada").digest()
        assert (digest, len(detail.salt)) == (expected, 32)

    def test_stands_when_the_words_are_erased(self, books: Books, post_either_way: Post) -> None:
        posting = entry("a", (books.money, books.pool, 1), details="a word about Ada")
        once = post_either_way(posting)
        with unit_of_work():
            db.session.execute(delete(LedgerDetail))

        again = post_either_way(posting)

        assert again == once

    def test_rolls_all_of_it_back_with_the_unit_of_work(self, books: Books) -> None:
        ada = books.worker(1)

        def post_and_fail() -> None:
            journal.post([entry("a", (books.money, ada, 500))], by=BY, at=AT)
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            in_unit_of_work(post_and_fail)

        assert (balance(ada), entries()) == (0, 0)


class TestConcurrentPosts:
    WRITERS = 6
    EACH = 12

    def test_lose_nothing_when_all_touch_one_pool(self, app: Flask, books: Books, post_either_way: Post) -> None:
        lines = [books.worker(number + 1) for number in range(self.WRITERS)]

        def write(writer: int) -> None:
            for number in range(self.EACH):
                post_either_way(
                    entry(f"{writer}:{number}", (books.money, lines[writer], 3), (books.money, books.pool, 2))
                )

        self._at_once(app, write)

        count = self.WRITERS * self.EACH
        assert [balance(line) for line in lines] == [3 * self.EACH] * self.WRITERS
        assert (balance(books.pool), balance(books.money), entries()) == (2 * count, -5 * count, count)

    def test_of_the_same_key_have_one_effect(self, app: Flask, books: Books, post_either_way: Post) -> None:
        ada = books.worker(1)

        self._at_once(app, lambda _writer: post_either_way(entry("the same", (books.money, ada, 500))))

        assert (balance(ada), entries()) == (500, 1)

    def test_cannot_spend_the_same_cent_twice(self, app: Flask, books: Books, post_either_way: Post) -> None:
        ada = books.worker(1)
        post_either_way(entry("a", (books.money, ada, 500)))
        refused = []

        def spend(writer: int) -> None:
            try:
                post_either_way(entry(f"spend:{writer}", (ada, books.money, 300)))
            except InsufficientBalance:
                refused.append(writer)

        self._at_once(app, spend)

        assert (balance(ada), len(refused)) == (200, self.WRITERS - 1)

    def test_in_opposite_directions_do_not_embrace(self, app: Flask, books: Books, post_either_way: Post) -> None:
        ada, ben = books.worker(1), books.worker(2)
        post_either_way(entry("a", (books.money, ada, 1_000), (books.money, ben, 1_000)))

        def swap(writer: int) -> None:
            there, back = ((ada, ben), (ben, ada))[writer % 2], ((ben, ada), (ada, ben))[writer % 2]
            for number in range(self.EACH):
                post_either_way(entry(f"{writer}:{number}", (*there, 1)), entry(f"{writer}:{number}:back", (*back, 1)))

        self._at_once(app, swap)

        assert (balance(ada), balance(ben)) == (1_000, 1_000)

    def _at_once(self, app: Flask, work: Callable[[int], object]) -> None:
        failures = []
        start = threading.Barrier(self.WRITERS)

        def run(writer: int) -> None:
            with app.app_context():
                start.wait()
                try:
                    work(writer)
                except Exception as error:  # noqa: BLE001 - shown by the assertion below
                    failures.append(error)

        threads = [threading.Thread(target=run, args=(writer,)) for writer in range(self.WRITERS)]
        db.session.rollback()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []


class TestTheDatabaseItself:
    @pytest.mark.parametrize("table", [LedgerEntry, LedgerKey, LedgerTransfer, LedgerAccount])
    @pytest.mark.parametrize("deed", ["update", "delete"])
    def test_refuses_to_change_or_delete_what_is_posted(
        self, books: Books, table: type[LedgerEntry], deed: str
    ) -> None:
        post(entry("a", (books.money, books.worker(1), 500)))
        column = {"ledger_key": "key", "ledger_transfer": "amount", "ledger_account": "component"}
        name = column.get(table.__tablename__, "kind")
        statement = delete(table) if deed == "delete" else update(table).values({name: text(name)})

        with pytest.raises(DatabaseError, match="append-only"), unit_of_work():
            db.session.execute(statement)

        assert entries() == 1

    def test_refuses_to_replace_what_is_posted(self, books: Books, engine_name: str) -> None:
        if engine_name != "sqlite":
            pytest.skip("only SQLite has INSERT OR REPLACE")
        post(entry("a", (books.money, books.worker(1), 500)))

        with pytest.raises(DatabaseError, match="append-only"), unit_of_work():
            db.session.execute(text("INSERT OR REPLACE INTO ledger_transfer SELECT * FROM ledger_transfer"))

        assert balance(books.money) == -500

    def test_refuses_to_empty_the_journal(self, books: Books, engine_name: str) -> None:
        if engine_name != "postgresql":
            pytest.skip("only PostgreSQL has TRUNCATE")
        post(entry("a", (books.money, books.worker(1), 500)))

        with pytest.raises(DatabaseError, match="append-only"), unit_of_work():
            db.session.execute(text("TRUNCATE ledger_transfer"))

        assert balance(books.money) == -500

    def test_refuses_a_worker_balance_below_zero(self, books: Books) -> None:
        ada = books.worker(1)

        with pytest.raises(IntegrityError, match="never_negative"), unit_of_work():
            db.session.execute(update(LedgerBalance).values(amount=-1))

        assert balance(ada) == 0

    def test_refuses_a_transfer_between_units(self, books: Books) -> None:
        minutes = books.worker(1, component="paid_leave", unit=Unit.MIN)

        with pytest.raises(IntegrityError):
            post(entry("a", (books.money, minutes, 60)))

        assert entries() == 0
