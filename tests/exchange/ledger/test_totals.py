"""Are the sums that are kept of the books those of the books, whatever is counted already and whatever is not?"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import date, timedelta

import pytest
from flask import Flask
from sqlalchemy import Engine, event, func, select, text, update

from exchange.database import db, in_unit_of_work, unit_of_work
from exchange.ledger import gaps, invariants, journal, totals
from exchange.ledger.accounts import AccountKind
from exchange.ledger.gaps import Span
from exchange.ledger.journal import InsufficientBalance
from exchange.ledger.totals import LedgerCountGap, LedgerPoolDay, LedgerTotal
from exchange.money import Unit
from tests.support.ledger_makers import AT, BY, ON, Books, entry, post


@pytest.fixture
def books(app: Flask) -> Books:
    return Books()


def count(*, limit: int = totals.PIECE, later: timedelta = timedelta(0)) -> int:
    return in_unit_of_work(lambda: totals.count(at=AT + later, limit=limit))


def owed(books: Books) -> int:
    """What Harbor Union's workers' lines come to, in cents."""
    total = totals.current().c
    rows = select(func.sum(total.amount)).where(
        total.organization_id == books.harbor, total.kind == AccountKind.WORKER, total.unit == Unit.USD
    )
    return int(db.session.execute(rows).scalar_one() or 0)


def pool_days(books: Books) -> dict[date, int]:
    day = totals.pool_days().c
    rows = select(day.effective_on, func.sum(day.cents)).where(day.organization_id == books.harbor)
    return {on: int(cents) for on, cents in db.session.execute(rows.group_by(day.effective_on))}


def some(books: Books, number: int) -> None:
    """Three cents for a worker and ten for the pool."""
    post(entry(f"some-{number}", (books.money, books.worker(1), 3), (books.money, books.pool, 10)))


def gaps_left() -> list[Span]:
    g = LedgerCountGap
    return [Span(*row) for row in db.session.execute(select(g.first_id, g.last_id).order_by(g.first_id))]


class TestCount:
    def test_changes_no_answer_however_far_it_is(self, books: Books) -> None:
        for number in range(5):
            some(books, number)

        for counted in (2, 2, 1, 0):
            assert (owed(books), pool_days(books)) == (15, {ON: 50})
            assert count(limit=2) == counted
        assert (owed(books), pool_days(books)) == (15, {ON: 50})

    def test_adds_what_comes_later_to_what_is_kept(self, books: Books) -> None:
        some(books, 1)
        count()
        some(books, 2)

        count()

        assert count() == 0
        kept = select(LedgerTotal.amount).where(LedgerTotal.kind == AccountKind.POOL)
        assert db.session.execute(kept).scalar_one() == 20

    def test_puts_an_entry_to_the_day_on_which_it_takes_effect(self, books: Books) -> None:
        yesterday = ON - timedelta(days=1)
        some(books, 1)
        count()
        post(replace(entry("late", (books.money, books.pool, 7)), effective_on=yesterday))

        count()

        assert pool_days(books) == {ON: 10, yesterday: 7}

    def test_takes_corrections_from_pools_and_nothing_else_that_leaves_them(self, books: Books) -> None:
        first = post(entry("first", (books.money, books.pool, 10)))
        post(entry("claim", (books.pool, books.money, 4)))
        count()
        post(replace(entry("back", (books.pool, books.money, 6)), corrects_id=first["first"]))

        before = pool_days(books)
        count()

        assert pool_days(books) == before == {ON: 4}

    def test_is_told_what_waits_longest(self, books: Books) -> None:
        assert totals.oldest_uncounted() is None
        some(books, 1)

        waiting = totals.oldest_uncounted()

        assert waiting is not None
        assert waiting.posted_at == AT
        count()
        assert totals.oldest_uncounted() is None

    @pytest.mark.parametrize("engine_name", ["postgresql"])
    def test_finds_an_entry_whose_transaction_was_open_when_later_ones_were_counted(
        self, app: Flask, books: Books
    ) -> None:
        some(books, 0)
        with held_open(app, books):
            some(books, 1)
            assert count() == 2
            assert len(gaps_left()) == 1
            some(books, 2)
            count()
            assert owed(books) == 9
        db.session.rollback()

        assert owed(books) == 109, "not counted yet, and there"
        assert count() == 1
        assert (owed(books), count(), gaps_left()) == (109, 0, [])

    @pytest.mark.parametrize("engine_name", ["postgresql"])
    def test_waits_a_day_for_an_entry_that_was_rolled_back(self, books: Books) -> None:
        some(books, 0)
        with pytest.raises(InsufficientBalance):
            post(entry("lost", (books.worker(1), books.money, 4)))
        some(books, 1)
        count()
        assert len(gaps_left()) == 1

        count(later=totals.OPEN_AT_MOST)
        assert len(gaps_left()) == 1
        count(later=totals.OPEN_AT_MOST + timedelta(seconds=1))

        assert gaps_left() == []

    @pytest.mark.parametrize("engine_name", ["postgresql"])
    def test_leaves_no_entry_out_that_came_while_nobody_counted_for_days(self, app: Flask, books: Books) -> None:
        some(books, 0)
        with held_open(app, books, entries=5):
            some(books, 1)
            count()

        while count(limit=2, later=2 * totals.OPEN_AT_MOST):
            assert owed(books) == 506
        assert (owed(books), gaps_left()) == (506, [])

    @pytest.mark.parametrize("engine_name", ["postgresql"])
    def test_changes_no_answer_where_very_many_were_rolled_back_and_very_many_come_late(self, books: Books) -> None:
        """More than a statement takes parameters: every second id is missing, and half of those have come."""
        some(books, 0)
        very_many = 70_000
        in_unit_of_work(lambda: db.session.execute(text(_ENTRIES), {"first": 10, "last": very_many}))
        some(books, 1)
        while count():
            pass
        in_unit_of_work(lambda: db.session.execute(text(_ENTRIES), {"first": 11, "last": very_many // 2}))
        some(books, 2)

        assert owed(books) == 9
        waiting = totals.oldest_uncounted()
        assert waiting is not None
        assert waiting.entry_id == 11
        while count():
            pass
        assert (owed(books), gaps_left()[-1]) == (9, Span(very_many + 1, very_many + 2))


# Entries that move nothing, as whatever wrote them left them; the next one is beyond.
_ENTRIES = """
WITH written AS (
    INSERT INTO ledger_entry (id, key, kind, posted_at, effective_on)
    SELECT id, 'moves-nothing:' || id, 'test', 1, '2026-11-02'
    FROM generate_series(CAST(:first AS bigint), :last, 2) AS id RETURNING id, key
), named AS (INSERT INTO ledger_key (key, entry_id) SELECT key, id FROM written)
SELECT setval('ledger_entry_id_seq', 70002)
"""


@contextmanager
def held_open(app: Flask, books: Books, *, entries: int = 1) -> Iterator[None]:
    """Meanwhile a transaction has posted a hundred cents to a worker, by each entry, and does not end before this."""
    line = books.worker(2)
    has_posted, may_end = threading.Event(), threading.Event()

    def post_slowly() -> None:
        with app.app_context(), unit_of_work():
            slow = [entry(f"slow-{number}", (books.money, line, 100)) for number in range(entries)]
            journal.post(slow, by=BY, at=AT)
            has_posted.set()
            assert may_end.wait(30)

    thread = threading.Thread(target=post_slowly)
    thread.start()
    assert has_posted.wait(30)
    try:
        yield
    finally:
        may_end.set()
        thread.join()


@pytest.mark.parametrize("engine_name", ["postgresql"])
class TestFarBehind:
    def test_the_balances_and_the_journal_answer(self, books: Books) -> None:
        some(books, 1)
        far = func.setval("ledger_entry_id_seq", totals.FAR + 100)
        in_unit_of_work(lambda: db.session.execute(select(far)))
        some(books, 2)

        assert not totals.is_near()
        assert (owed(books), pool_days(books)) == (6, {ON: 20})
        count()
        assert totals.is_near()
        assert (owed(books), pool_days(books)) == (6, {ON: 20})


@pytest.mark.breaks_rules
class TestRule:
    def test_names_a_total_that_the_balances_contradict(self, books: Books) -> None:
        some(books, 1)
        count()
        assert invariants.broken() == []

        in_unit_of_work(
            lambda: db.session.execute(
                update(LedgerTotal).where(LedgerTotal.kind == AccountKind.POOL).values(amount=11)
            )
        )
        in_unit_of_work(lambda: db.session.execute(update(LedgerPoolDay).values(cents=9)))

        assert [one.finding for one in invariants.broken()] == [
            f"{books.harbor} pool health USD: kept as 11, the balances come to 10",
            f"pools of {books.harbor} on {ON}: kept as 9 cents, the journal says 10",
        ]


@pytest.mark.parametrize("engine_name", ["postgresql"])
class TestRuleWhileOthersPost:
    def test_finds_nothing_where_an_entry_comes_into_a_gap_between_two_questions(
        self, app: Flask, books: Books
    ) -> None:
        some(books, 0)
        with ExitStack() as stack:
            stack.enter_context(held_open(app, books))
            some(books, 1)
            count()
            with _before_the_first("ledger_total", stack.close):
                found = invariants.broken()

        assert found == []
        assert owed(books) == 106


@contextmanager
def _before_the_first(word: str, deed: Callable[[], None]) -> Iterator[None]:
    """Do the deed before the first statement that has the word in it."""
    done: list[str] = []

    def look(_connection: object, _cursor: object, given: str, *_rest: object) -> None:
        if word in given and not done:
            done.append(given)
            deed()

    event.listen(Engine, "before_cursor_execute", look)
    yield
    event.remove(Engine, "before_cursor_execute", look)
    assert done, "there was such a statement"


class TestSpan:
    @pytest.mark.parametrize(
        ("ids", "left"),
        [
            ([], [(3, 9)]),
            ([3], [(4, 9)]),
            ([9], [(3, 8)]),
            ([5, 6], [(3, 4), (7, 9)]),
            ([1, 5, 12], [(3, 4), (6, 9)]),
            ([3, 4, 5, 6, 7, 8, 9], []),
        ],
    )
    def test_loses_the_ids_that_have_come(self, ids: list[int], left: list[tuple[int, int]]) -> None:
        assert list(gaps.without(Span(3, 9), ids)) == left

    def test_lies_between_ids_that_do_not_follow_one_another(self) -> None:
        assert list(gaps.between(3, [4, 7, 8, 10])) == [(5, 6), (9, 9)]
