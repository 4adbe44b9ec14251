"""Is a posting that is written at once what it would be had it been staged, and does it wait where it should?"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError

from exchange import audit
from exchange.audit import AuditEvent
from exchange.database import db, in_unit_of_work, is_sqlite, unit_of_work
from exchange.errors import Refusal
from exchange.ledger import journal
from exchange.ledger.journal import SMALL, BadPosting, InsufficientBalance, KeyReused, LedgerDetail, LedgerEntry
from exchange.money import MAX_AMOUNT
from tests.support.databases import TestDatabase
from tests.support.ledger_makers import AT, BY, ON, Books, Post, balance, entry, post, post_by_sets

ENTRY = "(SELECT key FROM ledger_entry WHERE id = entry_id)"  # a number that was given back leaves a gap
TABLES = {
    "ledger_key": f"key, {ENTRY}",
    "ledger_entry": "key, kind, posted_at, effective_on, details_digest IS NULL, corrects_id",
    "ledger_transfer": f"{ENTRY}, seq, source_id, target_id, unit, amount",
    "ledger_detail": f"{ENTRY}, details",
    "ledger_balance": "account_id, amount",
    "ledger_shared_balance": "account_id, amount",
    "ledger_shared_delta": "account_id, amount",
    "audit_event": "at, action, subject, audience, actor_name, facts, request_id, address",
}


@pytest.fixture
def books(app: Flask) -> Books:
    """A small set of books on this test's database."""
    return Books()


LINES = st.integers(0, 5)
TRANSFERS = st.lists(st.tuples(LINES, LINES, st.integers(1, 400)).filter(lambda t: t[0] != t[1]), max_size=5)
ENTRIES = st.tuples(st.sampled_from("abcdef"), TRANSFERS, st.none() | st.text(st.characters(codec="utf-8"), max_size=9))
REQUESTS = st.lists(st.lists(ENTRIES, min_size=1, max_size=3, unique_by=lambda e: e[0]), min_size=3, max_size=12)


class TestBothWays:
    @settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(requests=REQUESTS)
    def test_write_the_same_rows_and_refuse_the_same(
        self, app: Flask, database: TestDatabase, requests: list[list[tuple[Any, ...]]]
    ) -> None:
        told = []
        for way in (post, post_by_sets):
            db.session.remove()
            database.renew()
            told.append(told_by(way, requests))

        at_once, by_sets = told
        assert at_once == by_sets


def told_by(way: Post, requests: list[list[tuple[Any, ...]]]) -> tuple[list[str], dict[str, list[tuple[Any, ...]]]]:
    """What became of each request, and what stands in the tables after all of them."""
    books = Books()
    lines = [books.money, books.pool, *(books.worker(number) for number in range(1, 5))]
    came = []
    for request in requests:
        postings = [
            entry(key, *((lines[source], lines[target], amount) for source, target, amount in moves), details=words)
            for key, moves, words in request
            if words is None or "\0" not in words
        ]
        try:
            came.append(" ".join(sorted(way(*postings))) if postings else "")
        except Refusal as refusal:
            came.append(refusal.code)
    rows = {
        table: sorted(tuple(row) for row in db.session.execute(text(f"SELECT {columns} FROM {table}")))
        for table, columns in TABLES.items()
    }
    return came, rows


class TestAFewPostings:
    def test_are_staged_like_many_only_where_they_are_there_already(self, books: Books) -> None:
        moves, is_staged = [(books.money, books.pool, 1)], []

        for name, count in (("small", SMALL - 1), ("large", SMALL), ("large", SMALL)):
            post(entry(name, *moves * count))
            is_staged.append(has_staging_tables())

        assert is_staged == [False, False, True]
        assert balance(books.pool) == 2 * SMALL - 1

    def test_keep_every_letter_of_key_and_words(self, books: Books) -> None:
        key, words = "ключ'\"\\{}%s:name\n", "\\x00 '); — “é” {a,b} NULL %(entries)s 🦔"

        ids = post(entry(key, (books.money, books.pool, 1), details=words))

        assert db.session.get_one(LedgerEntry, ids[key]).key == key
        assert db.session.get_one(LedgerDetail, ids[key]).details == words

    def test_stand_in_the_audit_log_after_what_was_done_before(self, books: Books) -> None:
        def work() -> None:
            audit.record("test.before", "test:1", by=BY, at=AT)
            journal.post([entry("a", (books.money, books.pool, 1))], by=BY, at=AT)
            audit.record("test.after", "test:1", by=BY, at=AT)

        in_unit_of_work(work)

        last = select(AuditEvent.action).order_by(AuditEvent.id.desc()).limit(3)
        assert db.session.execute(last).scalars().all() == ["test.after", "ledger.posted", "test.before"]

    def test_that_name_what_they_correct_say_so_in_the_journal(self, books: Books) -> None:
        first = post(entry("a", (books.money, books.pool, 1)))["a"]
        back = entry("b", (books.pool, books.money, 1)).transfers

        ids = post(journal.Posting("b", "test", ON, back, corrects_id=first))

        assert db.session.get_one(LedgerEntry, ids["b"]).corrects_id == first

    def test_cannot_move_more_than_the_ledger_can_hold(self, books: Books) -> None:
        with pytest.raises(BadPosting):
            post(entry("a", (books.money, books.pool, MAX_AMOUNT), (books.money, books.pool, 1)))

        assert balance(books.pool) == 0

    def test_that_were_refused_cannot_be_committed_all_the_same(self, books: Books) -> None:
        ada = books.worker(1)

        def swallow() -> None:
            with pytest.raises(InsufficientBalance):
                journal.post([entry("a", (ada, books.money, 1))], by=BY, at=AT)

        with pytest.raises(IntegrityError), unit_of_work():
            swallow()

        assert db.session.execute(select(LedgerEntry)).first() is None


@pytest.mark.parametrize("engine_name", ["postgresql"], indirect=True)
class TestWhatWaits:
    """Only PostgreSQL has two writers at a time."""

    def test_for_a_balance_sees_what_was_spent_meanwhile(self, app: Flask, books: Books) -> None:
        ada = books.worker(1)
        post(entry("a", (books.money, ada, 500)))

        with somebody_else(app, entry("b", (ada, books.money, 300))), waiting(app) as wait:
            later = wait(lambda: post(entry("c", (ada, books.money, 300))))

        with pytest.raises(InsufficientBalance):
            later.result()
        assert balance(ada) == 200

    def test_for_a_balance_adds_to_what_came_meanwhile(self, app: Flask, books: Books) -> None:
        ada = books.worker(1)

        with somebody_else(app, entry("a", (books.money, ada, 300))), waiting(app) as wait:
            later = wait(lambda: post(entry("b", (ada, books.money, 200))))

        assert later.result().keys() == {"b"}
        assert balance(ada) == 100

    def test_too_long_and_loses_its_connection_is_done_again(self, app: Flask, books: Books) -> None:
        ada = books.worker(1)
        lost: list[int] = []

        def work() -> dict[str, int]:
            if not lost:
                lost.append(db.session.execute(text("SELECT pg_backend_pid()")).scalar_one())
                with db.engine.begin() as another:
                    another.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": lost[0]})
            return journal.post([entry("a", (books.money, ada, 500))], by=BY, at=AT)

        posted = in_unit_of_work(work)

        assert posted.keys() == {"a"}
        assert balance(ada) == 500

    def test_for_one_key_of_several_writes_the_others(self, app: Flask, books: Books) -> None:
        same = entry("m", (books.money, books.pool, 3))

        with somebody_else(app, same), waiting(app) as wait:
            later = wait(lambda: post(entry("a", (books.money, books.pool, 20)), same))

        assert later.result().keys() == {"a", "m"}
        assert balance(books.pool) == 23
        assert facts() == ["entries=1", "entries=1"]

    def test_for_a_key_is_refused_when_other_content_took_it(self, app: Flask, books: Books) -> None:
        with somebody_else(app, entry("m", (books.money, books.pool, 3))), waiting(app) as wait:
            later = wait(
                lambda: post(entry("a", (books.money, books.pool, 20)), entry("m", (books.money, books.pool, 4)))
            )

        with pytest.raises(KeyReused):
            later.result()
        assert balance(books.pool) == 3


def has_staging_tables() -> bool:
    """Whether this connection has ever staged anything."""
    tables = "SELECT name FROM temp.sqlite_schema" if is_sqlite() else "SELECT tablename FROM pg_tables"
    return "staged_entry" in db.session.execute(text(tables)).scalars().all()


def facts() -> list[str | None]:
    """What the audit log says of what was posted."""
    told = select(AuditEvent.facts).where(AuditEvent.action == "ledger.posted").order_by(AuditEvent.id)
    return list(db.session.execute(told).scalars())


@contextmanager
def somebody_else(app: Flask, posting: journal.Posting) -> Iterator[None]:
    """Has posted, and commits when the block ends."""
    posted, may_commit = threading.Event(), threading.Event()

    def work() -> None:
        with app.app_context(), unit_of_work():
            journal.post([posting], by=BY, at=AT)
            posted.set()
            may_commit.wait(10)

    db.session.rollback()
    with ThreadPoolExecutor(1) as pool:
        other = pool.submit(work)
        assert posted.wait(10)
        try:
            yield
        finally:
            may_commit.set()
            other.result()


@contextmanager
def waiting(app: Flask) -> Iterator[Callable[[Callable[[], dict[str, int]]], Future[dict[str, int]]]]:
    """Begins a deed, and goes on when it stands and waits for a lock."""
    pool = ThreadPoolExecutor(1)

    def wait(deed: Callable[[], dict[str, int]]) -> Future[dict[str, int]]:
        def work() -> dict[str, int]:
            with app.app_context():
                return deed()

        begun = pool.submit(work)
        while not begun.done() and not is_anybody_waiting():
            db.session.rollback()
        db.session.rollback()
        assert not begun.done()
        return begun

    yield wait
    pool.shutdown(wait=False)


def is_anybody_waiting() -> bool:
    """Whether a connection to this database waits for a lock."""
    asked = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    return bool(db.session.execute(text(asked)).scalar_one())


class TestManyPostings:
    """More than ``SMALL``: their transfers go straight to where they stay."""

    def test_write_each_once_when_some_are_there_already(self, books: Books) -> None:
        moves = (books.money, books.worker(1), 2), (books.money, books.pool, 1)
        many = [entry(f"deed:{n}", *moves, details=f"words {n}") for n in range(SMALL // 2)]

        earlier = post(*many[: SMALL // 3 + 1])
        ids = post(*many)

        assert earlier.items() <= ids.items() and len(ids) == len(many)
        assert balance(books.worker(1)) == 2 * len(many)
        assert db.session.get_one(LedgerDetail, ids["deed:7"]).details == "words 7"

    def test_are_refused_together_when_one_balance_does_not_suffice(self, books: Books) -> None:
        lines = [books.worker(n) for n in range(1, 4)]
        many = [entry(f"deed:{n}", (books.money, lines[n % 3], 1)) for n in range(SMALL)]

        with pytest.raises(InsufficientBalance):
            post(*many, entry("too much", (lines[1], books.pool, SMALL)))

        assert post(entry("deed:1", (books.money, lines[1], 5)))
        assert balance(lines[1]) == 5


@pytest.mark.parametrize("engine_name", ["postgresql"])
class TestAmongManyLines:
    @pytest.fixture
    def line_id(self, books: Books) -> int:
        """One of very many."""

        def open_many() -> int:
            db.session.execute(text(MANY_LINES), {"organization": books.harbor})
            db.session.execute(text("ANALYZE ledger_account, ledger_balance"))
            return int(db.session.execute(text("SELECT max(id) FROM ledger_account")).scalar_one())

        return in_unit_of_work(open_many)

    def test_reaches_each_balance_by_its_key(self, books: Books, line_id: int) -> None:
        def read_whole() -> int:
            counted = "SELECT seq_scan FROM pg_stat_xact_user_tables WHERE relname = 'ledger_balance'"
            return int(db.session.execute(text(counted)).scalar_one())

        def post_one() -> int:
            before = read_whole()
            journal.post([entry("a", (books.money, line_id, 5))], by=BY, at=AT)
            return read_whole() - before

        assert in_unit_of_work(post_one) == 0

    def test_is_planned_a_few_times_and_not_at_each_posting(self, books: Books, line_id: int) -> None:
        planned = "SELECT max(custom_plans) FROM pg_prepared_statements WHERE statement LIKE '%WITH asked AS%'"
        for number in range(30):
            post(entry(f"e{number}", (books.money, line_id, 5)))

        assert db.session.execute(text(planned)).scalar_one() == 5


MANY_LINES = """
    WITH line AS (
        INSERT INTO ledger_account (kind, organization_id, unit, component, holder_id)
        SELECT 'worker', :organization, 'USD', 'retirement', n FROM generate_series(1, 5000) n RETURNING id
    )
    INSERT INTO ledger_balance (account_id, amount) SELECT id, 0 FROM line
"""
