"""When many choose until the last moment: is nothing lost, nothing taken late, nothing refused that came in time?"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import func, select

from enrollment import elections, windows
from enrollment.models import BenefitAccount, Election, ElectionState, Switch, SwitchState, Worker
from exchange import clock
from exchange.database import db, unit_of_work
from exchange.scheduler import jobs, runner
from exchange.scheduler.records import RunState
from tests.support.databases import CONFIG, AppFactory
from tests.support.scheduling import move_to
from tests.support.signing_in import post, sign_in
from tests.support.worker_makers import BY, Market

TABS = 2  # each worker sits before two tabs, and both choose
PACKAGES = 4


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one choice: between which instants it was answered, and whether it was taken."""

    account_id: int
    before: datetime
    after: datetime
    is_taken: bool
    words: str


@pytest.fixture
def market(app: Flask) -> Market:
    app.config["PROGRAM_ZONE"] = "America/Los_Angeles"
    return Market()


@pytest.fixture
def later(app: Flask, market: Market, create_app: AppFactory) -> Iterator[Flask]:
    """The same program in demo mode, where the clock can be moved."""
    given = {name: app.config[name] for name in ("SQLALCHEMY_DATABASE_URI", "PROGRAM_ZONE")}
    made = create_app({**CONFIG, **given, "DEMO": True})
    made.test_client_class = app.test_client_class
    with made.app_context():
        yield made
        db.session.remove()
        db.engine.dispose()


def choose_until(
    app: Flask, account_id: int, version_ids: list[int], ready: threading.Barrier, end: datetime
) -> list[Answer]:
    """One tab: choose at random, again and again, until after the close."""
    chance = random.Random(account_id * 1_000_003 + threading.get_ident())
    answers = []
    with app.app_context():
        client = app.test_client()
        login_id = db.session.execute(
            select(Worker.login_id)
            .join(BenefitAccount, BenefitAccount.worker_id == Worker.id)
            .where(BenefitAccount.id == account_id)
        ).scalar_one()
        assert login_id is not None
        sign_in(client, login_id)
        ready.wait()
        while (before := clock.now()) < end:
            db.session.rollback()
            said = post(client, f"/worker/choose/{chance.choice(version_ids)}")
            after = clock.now()
            db.session.rollback()
            assert said.status_code in {303, 404, 409, 422}, said.text
            answers.append(Answer(account_id, before, after, said.status_code == 303, said.text))
        db.session.remove()
    return answers


class TestClosingHour:
    @pytest.mark.parametrize(
        ("workers", "seconds"), [(5, 1.5), pytest.param(12, 60, marks=pytest.mark.long)], ids=["short", "long"]
    )
    def test_loses_nothing_takes_nothing_late_and_refuses_nothing_in_time(
        self, market: Market, later: Flask, workers: int, seconds: float
    ) -> None:
        accounts = [market.worker(f"Worker {'ABCDEFGHIJKL'[number]}", package=0) for number in range(workers)]
        versions = [market.version_of(number).id for number in range(PACKAGES)]
        closes_at = market.window.closes_at
        db.session.rollback()
        ready = threading.Barrier(workers * TABS)
        move_to(closes_at - timedelta(seconds=seconds))

        with ThreadPoolExecutor(workers * TABS) as pool:
            tabs = [
                pool.submit(choose_until, later, id_, versions, ready, closes_at + timedelta(seconds=0.5))
                for id_ in accounts * TABS
            ]
            answers = [answer for tab in tabs for answer in tab.result()]

        taken = [answer for answer in answers if answer.is_taken]
        refused = [answer for answer in answers if not answer.is_taken]
        assert taken
        assert refused
        assert all(answer.before < closes_at for answer in taken), "taken late"
        assert all(answer.after >= closes_at for answer in refused), "refused though it came in time"
        e = Election
        assert db.session.execute(select(func.count()).select_from(e)).scalar_one() == len(taken)
        assert db.session.execute(select(func.max(e.decided_at))).scalar_one() < closes_at
        last = select(e.benefit_account_id, func.max(e.decided_at)).group_by(e.benefit_account_id)
        stands = select(e.benefit_account_id, e.decided_at).where(e.state == ElectionState.STANDING)
        assert sorted(db.session.execute(last).all()) == sorted(db.session.execute(stands).all())
        self.order_and_compare(market, closes_at)

    def test_counts_what_came_in_time_however_long_it_waited(self, market: Market, later: Flask) -> None:
        account_id = market.worker(package=0)
        version_id, closes_at = market.version_of(1).id, market.window.closes_at
        db.session.rollback()
        ready, is_held, may_go_on = threading.Barrier(2), threading.Event(), threading.Event()

        def hold() -> None:
            with later.app_context():
                with unit_of_work():
                    elections.hold_accounts(BenefitAccount.id == account_id)
                    db.session.execute(select(Election.id)).all()  # SQLite: one writes, everybody waits
                    is_held.set()
                    may_go_on.wait(10)
                db.session.remove()

        def choose() -> Answer:
            return choose_until(later, account_id, [version_id], ready, closes_at)[0]

        with ThreadPoolExecutor(2) as pool:
            chooser = pool.submit(choose)
            while not ready.n_waiting:  # it has signed in
                time.sleep(0.01)
            move_to(closes_at - timedelta(seconds=1))
            holder = pool.submit(hold)
            is_held.wait(10)
            ready.wait()
            while clock.now() < closes_at:
                db.session.rollback()
                time.sleep(0.02)
            may_go_on.set()
            answer = chooser.result()
            holder.result()

        assert answer.before < closes_at <= answer.after
        assert answer.is_taken, answer.words
        self.order_and_compare(market, closes_at)

    def order_and_compare(self, market: Market, closes_at: datetime) -> None:
        """What stood at the close is ordered, and nothing else; not before those on their way have arrived."""
        db.session.rollback()
        stood = select(Election.id, Election.package_version_id).where(Election.state == ElectionState.STANDING)
        own = market.version_of(0).id
        expected = {id_: version for id_, version in db.session.execute(stood) if version != own}
        due = jobs.called("order-switches").due
        assert not due(closes_at + windows.SETTLING - timedelta(microseconds=1))
        move_to(closes_at + windows.SETTLING)
        for ran in runner.run_by_hand("order-switches", by=BY):
            assert ran.state is RunState.DONE, ran.text

        orders = select(Switch.election_id, Switch.to_version_id).where(Switch.state == SwitchState.ORDERED)
        assert dict(db.session.execute(orders).all()) == expected
