"""May somebody carry out batches beside the scheduler, and does the netting wait for his last one?"""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from flask import Flask
from flask.testing import FlaskCliRunner

from enrollment import cutover, cutover_control, jobs, switching
from enrollment.models import EnrollmentWindow
from exchange import clock, settlement
from exchange.database import db, in_unit_of_work, is_sqlite, unit_of_work
from exchange.ledger import invariants
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
    return jobs.cut_over("2027", hold=lambda _progress=None, /: None, by=BY)


class TestHelpOut:
    def test_carries_out_what_waits_and_leaves_the_netting_to_the_job(self, town: Town, cli: FlaskCliRunner) -> None:
        answer = cli.invoke(args=["cutover", "help-out", "2027"])

        assert answer.output.startswith("3 workers carried out from here")
        assert switching.progress(town.window.id) == switching.Progress(3, 3)
        assert netted(town) is None
        assert run_job() == "0 switches carried out"
        assert netted(town) == 3
        assert invariants.broken() == []

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

            assert told.result(PATIENCE) == "0 switches carried out"
        assert netted(town) == 3
        assert invariants.broken() == []
