"""May somebody carry out batches beside the scheduler, and is nothing netted without what he holds?"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import date, timedelta

import pytest
from flask import Flask
from flask.testing import FlaskCliRunner
from sqlalchemy import Engine, event, func, select

from enrollment import cutover, cutover_control, dry_run, jobs, memberships, switch_list, switching
from enrollment.models import Election, ElectionState, EnrollmentWindow, Switch
from exchange import clock, settlement
from exchange.database import db, in_unit_of_work, is_sqlite, unit_of_work
from exchange.ledger import invariants
from exchange.scheduler.jobs import PutOff
from exchange.settlement import SettlementObligation
from tests.support.enrollment_makers import BY, EFFECTIVE, LEAVE, Town

PATIENCE = 20  # seconds after which a test gives up waiting for another thread
A_MOMENT = 0.5  # long enough for a statement to be given to the database


@pytest.fixture
def town(app: Flask) -> Town:
    """Three workers leave Harbor for Valley; the cutover is due by the clock."""
    town = Town()
    for number in range(3):
        town.choose(town.member(f"W{number}", package_id=town.harbor, holding=LEAVE), town.valley)
    town.order()
    app.config["DEMO"] = True  # job and command read the clock
    in_unit_of_work(lambda: clock.move_demo_clock(to=EFFECTIVE))
    return town


@pytest.fixture
def cli(app: Flask) -> FlaskCliRunner:
    """The command line."""
    return app.test_cli_runner()


def netted(town: Town) -> int | None:
    """How many workers the settlement of the cutover counts; None before there is one."""
    window = db.session.get_one(EnrollmentWindow, town.window.id)
    batch_id = settlement.id_of(cutover.reference_of(window))
    return None if batch_id is None else max((pair.workers for pair in settlement.pairs_of(batch_id)), default=0)


def run_job() -> str:
    """The scheduler's job, from beginning to end."""
    return str(jobs.cut_over("2027", hold=lambda _progress=None, /: None, by=BY))


class TestHelpOut:
    def test_carries_out_what_waits_and_leaves_the_netting_to_the_job(self, town: Town, cli: FlaskCliRunner) -> None:
        answer = cli.invoke(args=["cutover", "help-out", "2027"])

        assert answer.output.startswith("3 workers carried out from here")
        assert switching.progress(town.window.id) == switching.Progress(3, 3)
        assert netted(town) is None
        assert run_job() == "3 switches carried out, 0 of them in this run"
        assert netted(town) == 3
        assert invariants.broken() == []

    def test_says_that_nothing_is_left(self, town: Town, cli: FlaskCliRunner) -> None:
        run_job()

        answer = cli.invoke(args=["cutover", "help-out", "2027"])

        assert answer.exit_code == 1
        assert answer.output == "Error: This cutover is carried out and netted: nothing of it is left.\n"

    def test_begins_nothing_before_there_are_orders_or_before_they_take_effect(self, app: Flask) -> None:
        town = Town()
        town.choose(town.member("W", package_id=town.harbor, holding=LEAVE), town.valley)
        with pytest.raises(cutover_control.NothingToCarryOut, match="have not become switch orders yet"):
            cutover_control.must_be_due(town.window, at=EFFECTIVE)

        town.order()
        with pytest.raises(cutover_control.NothingToCarryOut, match="has not taken effect yet"):
            cutover_control.must_be_due(town.window, at=EFFECTIVE - timedelta(seconds=1))
        cutover_control.must_be_due(town.window, at=EFFECTIVE)

    def test_begins_nothing_while_the_cutover_is_paused(self, town: Town, cli: FlaskCliRunner) -> None:
        in_unit_of_work(
            lambda: cutover_control.pause(
                cutover_control.held(town.window.id), reason="a wrong table", by=BY, at=EFFECTIVE
            )
        )

        answer = cli.invoke(args=["cutover", "help-out", "2027"])

        assert answer.exit_code == 1
        assert "paused" in answer.output
        assert switching.progress(town.window.id) == switching.Progress(0, 3)


class TestStatus:
    def test_tells_instants_as_the_page_and_the_list_of_jobs_do(self, town: Town, cli: FlaskCliRunner) -> None:
        said = cli.invoke(args=["cutover", "status", "2027"]).output

        assert "0 of 3 workers carried out" in said
        assert "takes effect: 2027-01-01 00:00:00 PST" in said

    def test_tells_that_there_are_no_orders_yet_instead_of_none_of_none(self, app: Flask, cli: FlaskCliRunner) -> None:
        Town()

        said = cli.invoke(args=["cutover", "status", "2027"]).output

        assert said.startswith("The choices have not become switch orders yet")
        assert "0 of 0" not in said


class TestCutoverJob:
    def test_nets_when_the_last_batch_of_another_is_committed(self, app: Flask, town: Town) -> None:
        if is_sqlite():
            pytest.skip("one writer at a time: nobody is beside him")
        window_id = town.window.id
        db.session.remove()
        picked, may_commit = threading.Event(), threading.Event()

        def helper() -> None:
            with app.app_context(), unit_of_work():
                window = cutover_control.held(window_id, shared=True)
                assert cutover_control.carry_batch(window, by=BY, at=EFFECTIVE) == 3
                picked.set()
                assert may_commit.wait(PATIENCE)

        def job() -> str:
            assert picked.wait(PATIENCE)
            threading.Timer(A_MOMENT, may_commit.set).start()
            with app.app_context():
                return run_job()

        with ThreadPoolExecutor(2) as pool:
            beside, told = pool.submit(helper), pool.submit(job)
            beside.result(PATIENCE)

            assert told.result(PATIENCE) == "3 switches carried out, 0 of them in this run"
        assert netted(town) == 3
        assert invariants.broken() == []


@contextmanager
def beside(app: Flask, deed: Callable[[Callable[[], None]], object]) -> Iterator[Callable[[], None]]:
    """Somebody at a connection of his own, who goes on with his deed where it asks to wait once he is told to."""
    db.session.remove()
    waits, may_go_on = threading.Event(), threading.Event()

    def wait() -> None:
        waits.set()
        assert may_go_on.wait(PATIENCE)

    def run() -> None:
        with app.app_context():
            deed(wait)

    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(run)
        assert waits.wait(PATIENCE) or done.result()

        def go_on() -> None:
            may_go_on.set()
            done.result(PATIENCE)

        try:
            yield go_on
        finally:
            go_on()


@contextmanager
def in_the_middle_of_a_batch(deed: Callable[[], None]) -> Iterator[None]:
    """Do it when the batch of this thread has moved balances and begins memberships."""

    def listen(_connection: object, _cursor: object, asked: str, *_: object) -> None:
        if asked.startswith("INSERT INTO membership ") and threading.current_thread() is mine:
            deed()

    mine = threading.current_thread()
    event.listen(Engine, "before_cursor_execute", listen)
    try:
        yield
    finally:
        event.remove(Engine, "before_cursor_execute", listen)


def soon(deed: Callable[[], None]) -> None:
    """Have it done in a moment, while we do something else."""
    threading.Timer(A_MOMENT, deed).start()


class TestFinish:
    def test_is_put_off_while_an_order_is_open(self, town: Town) -> None:
        town.carry_out(limit=2)

        with pytest.raises(PutOff):
            in_unit_of_work(lambda: cutover.finish(town.window, by=BY, at=EFFECTIVE))

        assert netted(town) is None
        assert town.window.cut_over_at is None
        assert run_job() == "3 switches carried out, 1 of them in this run"
        assert netted(town) == 3


@pytest.mark.parametrize("engine_name", ["postgresql"])
class TestCutoverJobBesideSomebody:
    def test_says_how_far_it_is_whoever_carries_out(self, app: Flask, town: Town) -> None:
        said: list[str] = []

        def help_out() -> None:
            with app.app_context():
                assert town.carry_out(limit=2) == 2
                in_unit_of_work(lambda: clock.move_demo_clock(to=clock.now() + jobs.COUNTED_EVERY))

        def hold(progress: object = None, /) -> None:
            said.append(str(progress))
            if len(said) == 1:
                with ThreadPoolExecutor(1) as pool:
                    pool.submit(help_out).result(PATIENCE)

        jobs.cut_over("2027", hold=hold, by=BY)

        assert [words.partition(",")[0] for words in said] == ["0 of 3 workers", "3 of 3 workers"]

    def test_nets_no_batch_of_a_stranger_away(self, app: Flask, town: Town) -> None:
        """Who carries out whatever is due holds no window."""

        def stranger(wait: Callable[[], None]) -> None:
            with unit_of_work():
                assert switching.carry_out(switching.due(EFFECTIVE), policy=town.policy, by=BY, at=EFFECTIVE) == 3
                wait()

        with beside(app, stranger) as commit:
            with pytest.raises(PutOff):
                run_job()
            assert netted(town) is None
            commit()

            assert run_job() == "3 switches carried out, 0 of them in this run"
        assert netted(town) == 3

    def test_waits_for_a_batch_that_is_only_tried(self, app: Flask, town: Town) -> None:
        def trial(wait: Callable[[], None]) -> None:
            with in_the_middle_of_a_batch(wait):
                list(dry_run.tried(town.window, policy=town.policy, by=BY, at=EFFECTIVE))

        with beside(app, trial) as let_go:
            soon(let_go)

            assert run_job() == "3 switches carried out"
        assert netted(town) == 3

    def test_waits_for_who_may_give_a_switch_up_and_does_not(self, app: Flask, town: Town) -> None:
        def undecided(wait: Callable[[], None]) -> None:
            with unit_of_work():
                switch_list.held(1)
                wait()

        with beside(app, undecided) as leave_it:
            soon(leave_it)

            assert run_job() == "3 switches carried out"
        assert netted(town) == 3


class TestAnOrderThatIsGivenUp:
    def test_stays_given_up_when_its_worker_is_switched_to_the_same_package_meanwhile(
        self, app: Flask, town: Town
    ) -> None:
        """By the operator, who commits while the job is about to give it up as well: his decision was the first."""
        order = db.session.get_one(Switch, 1)
        account_id, election_id = order.benefit_account_id, order.election_id
        town.open_special(account_id, cause="court_order", event_on=date(2026, 12, 19), at=EFFECTIVE)
        town.choose(account_id, town.valley, at=EFFECTIVE, special=True, plan_year="2026")

        def operator(wait: Callable[[], None]) -> None:
            with unit_of_work():
                switching.abandon(switch_list.held(1), reason="wrong", by=BY, at=EFFECTIVE)
                db.session.flush()
                wait()

        with beside(app, operator) as commit:
            soon(commit)
            jobs.carry_out_switches("1:1", hold=lambda _progress=None, /: None, by=BY)

        assert memberships.current(account_id).package_id == town.valley
        assert db.session.get_one(Switch, 1).reason == "wrong"
        assert db.session.get_one(Election, election_id).state is ElectionState.UNDONE
        assert invariants.broken() == []


class TestCarryOutSwitchesJob:
    @pytest.fixture(autouse=True)
    def court_orders(self, town: Town) -> None:
        """Two workers choose for a cause, and it has taken effect."""
        for number in range(2):
            self.choose_for_a_cause(town, f"Late{number}")
        in_unit_of_work(lambda: clock.move_demo_clock(to=EFFECTIVE + timedelta(days=30)))

    @staticmethod
    def choose_for_a_cause(town: Town, name: str) -> None:
        at = EFFECTIVE + timedelta(days=3)
        account_id = town.member(name, package_id=town.harbor, holding=LEAVE)
        town.open_special(account_id, cause="court_order", event_on=date(2027, 1, 2), at=at)
        town.choose(account_id, town.valley, at=at, special=True)

    @staticmethod
    def workers_netted() -> int | None:
        o = SettlementObligation
        netted: int | None = db.session.execute(
            select(func.sum(o.workers)).where(o.component == "paid_leave")
        ).scalar_one()
        return netted

    def test_goes_on_after_it_was_killed_between_order_and_batch(self, town: Town) -> None:
        in_unit_of_work(lambda: switching.order_special(by=BY, at=clock.now()))

        told = jobs.carry_out_switches("1:1", hold=lambda _progress=None, /: None, by=BY)

        assert str(told) == "2 switches carried out"
        assert self.workers_netted() == 2

    @pytest.mark.parametrize("engine_name", ["postgresql"])
    def test_nets_what_another_run_of_it_carries_out_meanwhile(self, app: Flask, town: Town) -> None:
        def another_run(wait: Callable[[], None]) -> None:
            with in_the_middle_of_a_batch(wait):
                jobs.carry_out_switches("1:1", hold=lambda _progress=None, /: None, by=BY)

        with beside(app, another_run) as go_on:
            self.choose_for_a_cause(town, "Latest")
            soon(go_on)
            jobs.carry_out_switches("1:2", hold=lambda _progress=None, /: None, by=BY)

        assert self.workers_netted() == 3
