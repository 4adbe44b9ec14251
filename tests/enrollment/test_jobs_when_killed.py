"""Does every job that dies anywhere end, when it is done again, as if it had not died?

The days around the close of an open enrollment and its cutover are lived through, job by job. Each job is done once
undisturbed; then again and again from the state before it, each time with a fault at another of its calls: an error,
a process that is killed, a full disk, a reply to COMMIT that is lost, a COMMIT that never arrives. Done once more, it
must have come to the same books.
"""

from __future__ import annotations

import contextlib
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Engine, event, func, literal, select, text, union_all
from sqlalchemy.exc import DBAPIError

from enrollment import elections
from enrollment.models import BenefitAccount, Membership
from exchange import clock
from exchange.audit import AuditEvent
from exchange.commits import OutcomeUnknown
from exchange.database import Base, db, in_unit_of_work, is_sqlite
from exchange.ledger import invariants
from exchange.ledger.accounts import LedgerAccount, LedgerBalance
from exchange.ledger.journal import LedgerKey
from exchange.scheduler import jobs, lease, runner
from exchange.scheduler.records import RunState
from providers.models import Provider
from tests.support.cutting import LOSE_REPLY, LOSE_REQUEST, PASS, Proxy, proxy_before
from tests.support.databases import TestDatabase
from tests.support.provider_makers import file_cash
from tests.support.scheduling import killed_at_step, move_to, runs
from tests.support.seal_makers import make_ring
from tests.support.worker_makers import BY, Market

AT_CLOSE = ("seal-journal", "order-switches", "check-reserves", "state-checked-liabilities")
AT_CUTOVER = ("state-liabilities", "cutover", "state-liabilities", "open-first-windows", "place-unplaced",
              "publish-windows", "close-past-plan-years", "fold-shared-balances", "seal-journal")  # fmt: skip
BY_DAY = {"order-switches", "cutover", "seal-journal"}  # the others are killed in the night only
# Attempts, marks of life and the like: what differs when something was tried twice.
OF_THE_TRYING = {
    "job_run", "scheduler_lease", "rate_limit", "demo_clock", "audit_event", "seal_checkpoint",
    "seal_gap", "ledger_count_gap",  # numbers that PostgreSQL had given to entries that never came
}  # fmt: skip
COMMIT_FAULTS = {"lost reply": LOSE_REPLY, "lost request": LOSE_REQUEST, "full at commit": "53100"}
HOURS = timedelta(hours=3)
PATIENCE_SECONDS = 10
DAILY = ("check-reserves", "publish-windows", "close-past-plan-years", "fold-shared-balances", "check-invariants")


class Died(Exception):
    """Stands for whatever breaks in the middle."""


def do(name: str) -> None:
    """Whatever is due for the job, by a scheduler that has just come to lead."""
    mine = lease.lease_for(runner.this_process(), seconds=0)
    end = time.monotonic() + PATIENCE_SECONDS
    while mine.acquire() is None:  # the server is about to notice that the last one is gone
        assert time.monotonic() < end
        time.sleep(0.01)
    try:
        list(runner.run_due(runner.Hand(runner.this_process(), token=mine.token, by=BY), among=[jobs.called(name)]))
    finally:
        mine.release()


def books() -> dict[str, Any]:
    """What a job may have changed, without instants, random numbers and ids."""
    tables = [table for table in Base.metadata.sorted_tables if table.name not in OF_THE_TRYING]
    done = select(AuditEvent.action, func.count()).where(AuditEvent.action != "job.run_by_hand")
    counts = union_all(*(select(literal(table.name), func.count()).select_from(table) for table in tables))
    a, b, m = LedgerAccount, LedgerBalance, Membership
    line = (a.kind, a.organization_id, a.holder_id, a.component, a.unit)
    own = select(*line, b.amount).join(b, b.account_id == a.id)
    found = {
        "rows": {row[0]: row[1] for row in db.session.execute(counts)},
        "audit": {row[0]: row[1] for row in db.session.execute(done.group_by(AuditEvent.action))},
        "keys": set(db.session.execute(select(LedgerKey.key)).scalars()),
        "balances": Counter(tuple(row) for row in db.session.execute(own)),
        "memberships": Counter(
            tuple(row) for row in db.session.execute(select(m.benefit_account_id, m.package_id, m.ends_at.is_(None)))
        ),
    }
    db.session.rollback()
    return found


# --- faults: each breaks the n-th call, counted from 1 ---------------------------------------------


@contextmanager
def before_calls(deed: Callable[[], None]) -> Iterator[None]:
    """Do it before every statement."""

    def act(*_arguments: object) -> None:
        deed()

    event.listen(Engine, "before_cursor_execute", act)
    try:
        yield
    finally:
        event.remove(Engine, "before_cursor_execute", act)


def calls_of(work: Callable[[], None]) -> int:
    """How many statements there are."""
    seen = [0]

    def count() -> None:
        seen[0] += 1

    with before_calls(count):
        work()
    return seen[0]


class Faults:
    """The ways in which a call can fail on this engine. Each method says whether it came to the fault."""

    def __init__(self, proxy: Proxy | None) -> None:
        self._proxy = proxy
        self.kinds = ["error", "kill"]
        if proxy is not None:
            self.kinds += COMMIT_FAULTS
        elif is_sqlite():
            self.kinds.append("full")

    def breaks(self, kind: str, call: int, work: Callable[[], None]) -> bool:
        """Do the work with a fault of this kind at that call."""
        if kind in COMMIT_FAULTS:
            return self._at_commit(COMMIT_FAULTS[kind], call, work)
        deed: Callable[[int, Callable[[], None]], bool] = getattr(self, f"_{kind}")
        return deed(call, work)

    @staticmethod
    def _error(call: int, work: Callable[[], None]) -> bool:
        left = [call]

        def die() -> None:
            left[0] -= 1
            if left[0] == 0:
                raise Died

        with before_calls(die), contextlib.suppress(Died):
            work()
        return left[0] <= 0

    @staticmethod
    def _kill(call: int, work: Callable[[], None]) -> bool:
        return killed_at_step(call, work)

    @staticmethod
    def _full(call: int, work: Callable[[], None]) -> bool:
        """The file may grow by so many pages less one."""
        pages = int(db.session.execute(text("PRAGMA page_count")).scalar_one()) + call - 1
        is_full = [False]

        def restrict(connection: Any, _record: object) -> None:
            connection.execute(f"PRAGMA max_page_count = {pages}")

        def note(context: Any) -> None:
            is_full[0] |= "full" in str(context.original_exception)

        with reconnected("connect", restrict), reconnected("handle_error", note), contextlib.suppress(DBAPIError):
            work()
        return is_full[0]

    def _at_commit(self, fault: str, call: int, work: Callable[[], None]) -> bool:
        assert self._proxy is not None
        self._proxy.faults.extend([PASS] * (call - 1) + [fault])
        with contextlib.suppress(DBAPIError, OutcomeUnknown):
            work()
        came = not self._proxy.faults
        self._proxy.faults.clear()
        return came


@contextmanager
def reconnected(name: str, listener: Callable[..., None]) -> Iterator[None]:
    """Listen to the engine on connections that are made meanwhile."""
    db.session.remove()
    db.engine.dispose()
    event.listen(db.engine, name, listener)
    try:
        yield
    finally:
        event.remove(db.engine, name, listener)
        db.session.remove()
        db.engine.dispose()


# --- the days ----------------------------------------------------------------------------------------


class Days:
    """Six workers with balances, of whom four chose another package; and the means to live the same hour again."""

    def __init__(self, database: TestDatabase, folder: Path, faults: Faults) -> None:
        self._database, self._keys, self._faults = database, folder / "keys", faults
        self._kept = folder / "kept"
        self._keys.mkdir()
        database.app.config["DEMO"] = True  # so that the clock can be moved
        self.market = Market()
        make_ring(database.app, self._keys, *(f"org-{self.market.provider_of(one)}" for one in self.market.packages))
        for package in self.market.packages:
            provider = db.session.get_one(Provider, self.market.provider_of(package))
            in_unit_of_work(partial(file_cash, provider, 100_000_000, at=clock.now(), as_of=self.market.today))
        for number, name in enumerate(("Ada", "Ben", "Cid", "Dee", "Eve", "Fay")):
            account_id = self.market.worker(f"{name} Flores", package=number if number < 4 else None)
            self.market.contribute(account_id, months=1)
            if number < 4:
                self._choose(account_id, (number + 1) % 4)

    def _choose(self, account_id: int, package: int) -> None:
        in_unit_of_work(
            lambda: elections.elect(
                db.session.get_one(BenefitAccount, account_id),
                window=self.market.window,
                version=self.market.version_of(package),
                policy=self.market.policy,
                by=BY,
                at=clock.now(),
            )
        )

    def keep(self) -> None:
        """Keep this hour: the database, and the folder of keys with what was published."""
        db.session.remove()
        self._database.keep()
        shutil.rmtree(self._kept, ignore_errors=True)
        shutil.copytree(self._keys, self._kept)

    def bring_back(self) -> None:
        """The hour that was kept."""
        db.session.remove()
        self._database.bring_back()
        shutil.rmtree(self._keys)
        shutil.copytree(self._kept, self._keys)

    def live_through(self, name: str, *, at_most: int) -> int:
        """Do a job undisturbed, and then with every kind of fault at some of its calls; how many faults happened."""
        self.keep()
        calls = calls_of(lambda: do(name))
        expected, happened = books(), 0
        assert runs(name)[-1].state is RunState.DONE, name
        for kind in self._faults.kinds:
            step = 1 if kind not in {"error", "kill"} else max(1, calls // at_most)
            for call in range(step, at_most * step + 1, step):
                self.bring_back()
                if not self._faults.breaks(kind, call, lambda: do(name)):
                    break
                happened += 1
                do(name)
                assert books() == expected, (name, kind, call)
        return happened


@contextmanager
def faults_of(app: Flask, *, at_commit: bool) -> Iterator[Faults]:
    """``at_commit``: with a proxy before PostgreSQL, to break its COMMITs."""
    with proxy_before(app) if at_commit and not is_sqlite() else contextlib.nullcontext() as proxy:
        yield Faults(proxy)


class TestJobs:
    @pytest.mark.parametrize("at_most", [1, pytest.param(8, marks=pytest.mark.long)])
    def test_that_die_anywhere_come_to_the_same_books(
        self, app: Flask, database: TestDatabase, tmp_path: Path, at_most: int
    ) -> None:
        found: list[tuple[str, int]] = []
        with faults_of(app, at_commit=at_most > 1) as faults:
            days = Days(database, tmp_path, faults)
            for name in DAILY:
                list(runner.run_by_hand(name, by=BY, on=days.market.today))
            window = days.market.window
            assert window.effective_at is not None
            closes, effective = window.closes_at, window.effective_at
            for instant, names in ((closes + HOURS, AT_CLOSE), (effective + HOURS, AT_CUTOVER)):
                move_to(instant)
                for name in names:
                    if at_most > 1 or name in BY_DAY:
                        found.append((name, days.live_through(name, at_most=at_most)))
                    else:
                        do(name)
        assert invariants.broken() == []
        assert all(happened for _, happened in found), found
        print(f"{sum(happened for _, happened in found)} faults: {found}")
