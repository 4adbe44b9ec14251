"""When a time server sets the clock back by a few seconds, which is let pass: what holds, and what does not?

The order of the books is that in which they were written, and of the seals that follow it. ``posted_at`` is what the
clock said, and may go back by what is let pass; no more. Nothing is done twice.
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import time_machine
from flask import Flask
from sqlalchemy import select

from exchange import clock
from exchange.clock import AGREE_WITHIN_SECONDS
from exchange.clock import local_date as date_in
from exchange.database import db, in_unit_of_work
from exchange.ledger import invariants, journal, seals
from exchange.ledger.journal import LedgerEntry
from exchange.scheduler import runner
from tests.support.ledger_makers import BY, Books, balance, entry
from tests.support.scheduling import each_day, on_keys, worked
from tests.support.seal_makers import make_ring, seal

ZONE = "America/Los_Angeles"
LET_PASS = [0, 1, 2, 3, 4, 0, 4]  # seconds behind: back second by second, right again, and back at once
HAND = runner.Hand("test")


def machine_behind(seconds: int) -> time_machine.travel:
    return time_machine.travel(datetime.now(UTC) - timedelta(seconds=seconds))


class TestSmallStepBack:
    def test_keeps_the_order_of_the_books_and_moves_their_times_by_what_is_let_pass_at_most(
        self, app: Flask, tmp_path: Path
    ) -> None:
        books, ring = Books(), make_ring(app, tmp_path)
        for number, seconds in enumerate(LET_PASS):
            posting = entry(f"step:{number}", (books.money, books.pool, 1))
            with machine_behind(seconds):
                for _ in range(2):  # whoever does not know that it was done asks again
                    in_unit_of_work(lambda one=posting: journal.post([one], by=BY, at=clock.now()))  # type: ignore[misc]
            seal(ring)

        rows = db.session.execute(
            select(LedgerEntry.id, LedgerEntry.key, LedgerEntry.posted_at).order_by(LedgerEntry.id)
        )
        ids, keys, times = zip(*rows, strict=True)
        assert list(keys) == [f"step:{number}" for number in range(len(LET_PASS))]
        assert [seals.position_of(id_) for id_ in ids] == list(range(len(LET_PASS)))
        for n, at in enumerate(times):
            assert max(times[: n + 1]) - at <= timedelta(seconds=AGREE_WITHIN_SECONDS)
        assert balance(books.pool) == len(LET_PASS)
        assert invariants.broken() == []

    def test_does_nothing_twice(self, app: Flask) -> None:
        app.config["PROGRAM_ZONE"] = ZONE
        today = date_in(clock.now(), ZONE)
        yesterday = today - timedelta(days=1)
        jobs = [each_day("each-day", since=yesterday), on_keys("some-keys", ["a", "b"])]
        for seconds in LET_PASS:
            with machine_behind(seconds):
                list(runner.run_due(HAND, among=jobs))

        assert worked() == Counter({"a": 1, "b": 1, yesterday.isoformat(): 1, today.isoformat(): 1})
