"""Does the money that is posted while a cutover runs ever stay with the provider that was left?

Real transactions on connections of their own, on either engine: whoever comes second waits, and then
finds the worker where he is.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import date, timedelta
from functools import partial

import pytest
from flask import Flask
from psycopg.errors import DeadlockDetected
from sqlalchemy import Engine, event, select
from sqlalchemy.exc import OperationalError

from enrollment import contributions, elections, jobs, memberships, switching, windows
from enrollment.models import BenefitAccount, Contribution, Employer, Remittance, Switch, SwitchState
from exchange import clock
from exchange.database import db, in_unit_of_work, is_sqlite, unit_of_work
from exchange.ledger import invariants
from exchange.ledger.accounts import AccountKind, LedgerAccount, LedgerBalance
from exchange.money import Unit
from tests.support.at_once import all_at_once
from tests.support.employer_makers import AT, make_employer, work
from tests.support.enrollment_makers import BY, CLOSES, EFFECTIVE, LEAVE, Town, held_by

WORKERS = 12
REPORTS = 8
PATIENCE = 20  # seconds after which a test gives up waiting for another thread
A_MOMENT = 0.5  # long enough for a statement to be given to the database


@pytest.fixture
def town(app: Flask) -> Town:
    """Three providers and an open enrollment on this test's database."""
    return Town()


def reported(account_ids: list[int], *, reports: int) -> list[int]:
    """So many remittances, each of an hour of every worker's on a day of its own; their ids."""

    def report(employer_id: int, day: date) -> int:
        accounts = [db.session.get_one(BenefitAccount, id_) for id_ in account_ids]
        lines = [work(one, place, first_day=day, last_day=day) for place, one in enumerate(accounts, start=1)]
        employer = db.session.get_one(Employer, employer_id)
        return contributions.submit(lines, employer=employer, source="api", by=BY, at=AT).id

    employer_id = in_unit_of_work(lambda: make_employer().organization_id)
    days = [date(2026, 10, 1) + timedelta(days=place) for place in range(reports)]
    return [in_unit_of_work(partial(report, employer_id, day)) for day in days]


def post(remittance_id: int) -> None:
    """The money of a remittance comes in."""

    def book() -> None:
        cents = db.session.get_one(Remittance, remittance_id).total_cents
        contributions.book(remittance_id, payment_id=1, amount_cents=cents, by=BY, at=EFFECTIVE)

    in_unit_of_work(book)


def left_with(organization_id: int) -> int:
    """How much of whatever unit stands on workers' lines with an organization."""
    a = LedgerAccount
    rows = (
        select(LedgerBalance.amount)
        .join(a, a.id == LedgerBalance.account_id)
        .where(a.kind == AccountKind.WORKER, a.organization_id == organization_id)
    )
    return sum(db.session.execute(rows).scalars())


def in_a_thread(app: Flask, deed: Callable[[], None]) -> Callable[[], None]:
    """The deed with an application context, and so a session and a connection, of its own."""

    def run() -> None:
        with app.app_context():
            deed()

    return run


class TestMoneyPostedAtTheCutover:
    def test_never_stays_with_the_provider_that_was_left(self, app: Flask, town: Town) -> None:
        accounts = [town.member(f"W{n}", package_id=town.harbor, holding=LEAVE) for n in range(WORKERS)]
        for account_id in accounts:
            town.choose(account_id, town.valley)
        town.order()
        remittances = reported(accounts, reports=REPORTS)
        harbor, valley = town.provider_of(town.harbor), town.provider_of(town.valley)
        cut_over = partial(_all_batches, town)

        said = all_at_once(app, [*(partial(post, id_) for id_ in remittances), cut_over, cut_over])

        assert said == {"done": REPORTS + 2}
        assert {memberships.current(id_).provider_id for id_ in accounts} == {valley}
        assert left_with(harbor) == 0
        assert set(db.session.execute(select(Contribution.provider_id)).scalars()) <= {harbor, valley}
        assert all(held_by(id_)[valley, "paid_leave", Unit.USD] > LEAVE["paid_leave", Unit.USD] for id_ in accounts)
        assert invariants.broken() == []

    def test_moves_along_when_it_came_first(self, app: Flask, town: Town) -> None:
        ada, (remittance_id,) = _one_who_leaves(town)

        _second_waits_for_first(app, first=partial(_post_in_here, remittance_id), second=partial(_all_batches, town))

        assert left_with(town.provider_of(town.harbor)) == 0
        assert held_by(ada)[town.provider_of(town.valley), "retirement", Unit.USD] > 0
        assert invariants.broken() == []

    def test_goes_to_the_new_provider_when_it_came_second(self, app: Flask, town: Town) -> None:
        _ada, (remittance_id,) = _one_who_leaves(town)
        valley = town.provider_of(town.valley)

        _second_waits_for_first(app, first=partial(_carry_out_in_here, town), second=partial(post, remittance_id))

        assert left_with(town.provider_of(town.harbor)) == 0
        assert db.session.execute(select(Contribution.provider_id)).scalar_one() == valley
        assert invariants.broken() == []

    def test_moves_along_between_two_switches_of_one_worker(self, app: Flask, town: Town) -> None:
        if is_sqlite():
            pytest.skip("one writer at a time: nobody comes between")
        ada, (remittance_id,) = _one_who_leaves(town)
        _leaves_again(town, ada)
        db.session.remove()
        first_done, first_may_end, second_paused = threading.Event(), threading.Event(), threading.Event()

        def first() -> None:
            with unit_of_work():
                assert _carry_out_in_here(town) == 1
                first_done.set()
                assert first_may_end.wait(PATIENCE)

        def second() -> None:
            assert first_done.wait(PATIENCE)
            threading.Timer(A_MOMENT, first_may_end.set).start()
            with _pausing_before("UPDATE membership", second_paused):
                in_unit_of_work(lambda: _carry_out_in_here(town))

        def poster() -> None:
            assert second_paused.wait(PATIENCE)
            post(remittance_id)

        with ThreadPoolExecutor(3) as pool:
            for deed in [pool.submit(in_a_thread(app, deed)) for deed in (first, second, poster)]:
                deed.result(PATIENCE)

        present = memberships.current(ada).provider_id
        assert set(_states()) == {SwitchState.CARRIED_OUT}
        assert {holder for holder, _, _ in held_by(ada)} <= {present, town.exchange}
        assert invariants.broken() == []


class TestCutoverJob:
    def test_goes_on_when_the_database_asks_for_a_batch_again(self, app: Flask, town: Town) -> None:
        for number in range(3):
            town.choose(town.member(f"W{number}", package_id=town.harbor, holding=LEAVE), town.valley)
        town.order()
        asked = iter([True, False])

        def hold(_progress: object = None, /) -> None:
            if next(asked, False):
                raise OperationalError("UPDATE membership", {}, DeadlockDetected("deadlock detected"))

        app.config["DEMO"] = True  # the job reads the clock
        in_unit_of_work(lambda: clock.move_demo_clock(to=EFFECTIVE))
        told = jobs.cut_over("2027", hold=hold, by=BY)

        assert str(told) == "3 switches carried out"


def _one_who_leaves(town: Town) -> tuple[int, list[int]]:
    """Ada, who holds nothing yet, is to leave Harbor for Valley; an hour of her work is reported, not paid."""
    ada = town.member("Ada", package_id=town.harbor)
    town.choose(ada, town.valley)
    town.order()
    return ada, reported([ada], reports=1)


def _leaves_again(town: Town, account_id: int) -> None:
    """By a special enrollment of the old plan year she is to go to Summit as well."""
    after_close = CLOSES + timedelta(days=1)
    town.open_special(account_id, cause="court_order", event_on=date(2026, 12, 17), at=after_close)

    def elect() -> None:
        account = db.session.get_one(BenefitAccount, account_id)
        elections.elect(
            account,
            window=windows.open_for(account, after_close)[0],
            version=town.version_of(town.summit, plan_year="2026"),
            policy=town.policy,
            by=BY,
            at=after_close,
        )

    in_unit_of_work(elect)
    in_unit_of_work(lambda: switching.order_special(by=BY, at=EFFECTIVE))
    assert _states() == [SwitchState.ORDERED, SwitchState.ORDERED]


def _states() -> list[SwitchState]:
    return list(db.session.execute(select(Switch.state)).scalars())


def _all_batches(town: Town) -> None:
    while town.carry_out(limit=3):
        pass


def _carry_out_in_here(town: Town) -> int:
    return switching.carry_out(switching.due(EFFECTIVE), policy=town.policy, by=BY, at=EFFECTIVE, limit=1)


def _post_in_here(remittance_id: int) -> None:
    cents = db.session.get_one(Remittance, remittance_id).total_cents
    contributions.book(remittance_id, payment_id=1, amount_cents=cents, by=BY, at=EFFECTIVE)


def _second_waits_for_first(app: Flask, *, first: Callable[[], object], second: Callable[[], object]) -> None:
    """Begin ``second`` while the transaction in which ``first`` was done is still open."""
    db.session.remove()
    begun, ended = threading.Event(), threading.Event()

    def one() -> None:
        with unit_of_work():
            first()
            begun.set()
            assert not ended.wait(A_MOMENT), "the second did not wait"

    def other() -> None:
        assert begun.wait(PATIENCE)
        second()
        ended.set()

    with ThreadPoolExecutor(2) as pool:
        for deed in [pool.submit(in_a_thread(app, deed)) for deed in (one, other)]:
            deed.result(PATIENCE)


@contextmanager
def _pausing_before(statement: str, paused: threading.Event) -> Iterator[None]:
    """In this thread, wait a moment before the first statement that begins so, and say that we do."""
    me = threading.get_ident()

    def pause(_connection: object, _cursor: object, given: str, *_rest: object) -> None:
        if threading.get_ident() == me and given.startswith(statement) and not paused.is_set():
            paused.set()
            threading.Event().wait(2 * A_MOMENT)

    event.listen(Engine, "before_cursor_execute", pause)
    try:
        yield
    finally:
        event.remove(Engine, "before_cursor_execute", pause)
