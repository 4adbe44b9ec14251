"""Does the operator see how the jobs stand, and can he run one?"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from exchange import outgoing_mail
from exchange.audit import AuditEvent
from exchange.database import db, in_unit_of_work
from exchange.identity.actors import Audience
from exchange.scheduler import jobs, runner
from exchange.scheduler.jobs import Due
from exchange.scheduler.lease import lease_for
from tests.support.scheduling import LONG_AGO, runs
from tests.support.signing_in import make_login, post, sign_in

HAND = runner.Hand("test")


@pytest.fixture
def operator(app: Flask, client: FlaskClient) -> FlaskClient:
    sign_in(client, make_login(Audience.OPERATOR, "Opal Reed"))
    return client


@pytest.fixture
def broken_rules(app: Flask) -> Iterator[None]:
    app.extensions["after_posting_job"] = lambda: ("3. no worker's balance is ever negative: la-1",)
    yield
    del app.extensions["after_posting_job"]


def fold() -> runner.Ran:
    return runner.perform(jobs.called("fold-shared-balances"), Due("2026-01-05", LONG_AGO), hand=HAND)


class TestLetters:
    @pytest.mark.parametrize("address", ["/operator/", "/operator/letters"])
    def test_are_counted_as_every_other_number_is_written(self, operator: FlaskClient, address: str) -> None:
        def write_many() -> None:
            for number in range(1_200):
                outgoing_mail.write(
                    f"w{number}@workers.example", subject="Your receipt", body="It is ready.", at=LONG_AGO
                )

        in_unit_of_work(write_many)

        assert "1,200 letters wait to be sent." in operator.get(address).text


class TestJobsPage:
    def test_shows_every_job_and_its_last_run(self, operator: FlaskClient) -> None:
        fold()

        page = operator.get("/operator/jobs")

        assert page.status_code == 200
        assert all(job.name in page.text for job in jobs.registered())
        assert "0 changes folded" in page.text
        assert "Late" in page.text

    def test_shows_broken_rules_first(self, operator: FlaskClient, broken_rules: None) -> None:
        fold()

        for address in ("/operator/jobs", "/operator/", "/operator/jobs/runs"):
            assert "balance is ever negative: la-1" in operator.get(address).text

    def test_says_when_no_scheduler_is_at_work(self, operator: FlaskClient) -> None:
        assert "No scheduler is at work" in operator.get("/operator/jobs").text

        lease = lease_for("test")
        lease.acquire()
        page = operator.get("/operator/jobs")
        lease.release()

        assert "No scheduler is at work" not in page.text

    @pytest.mark.parametrize("audience", [Audience.WORKER, Audience.PROVIDER, Audience.REGULATOR, Audience.EMPLOYER])
    def test_is_the_operators_alone(self, client: FlaskClient, audience: Audience) -> None:
        sign_in(client, make_login(audience))

        assert client.get("/operator/jobs").status_code == 403
        assert post(client, "/operator/jobs/check-invariants/run").status_code == 403
        assert runs("check-invariants") == []


class TestRunsPage:
    def test_lists_runs_of_one_job_or_in_one_state(self, operator: FlaskClient) -> None:
        fold()

        assert "0 changes folded" in operator.get("/operator/jobs/runs?job=fold-shared-balances&state=done").text
        assert "No runs yet" in operator.get("/operator/jobs/runs?job=check-invariants").text
        assert "No runs yet" in operator.get("/operator/jobs/runs?state=failed").text
        assert "0 changes folded" in operator.get("/operator/jobs/runs?state=nonsense").text


class TestRunNow:
    def test_does_what_is_due_and_records_who_asked(self, operator: FlaskClient) -> None:
        answer = post(operator, "/operator/jobs/check-invariants/run")

        assert answer.status_code == 303
        assert [run.actor_name for run in runs("check-invariants")] == ["Opal Reed"]
        events = select(AuditEvent.subject).where(AuditEvent.action == "job.run_by_hand")
        assert db.session.execute(events).scalars().all() == ["job:check-invariants"]
        assert "1 run done." in operator.get("/operator/jobs").text

    def test_says_so_when_nothing_is_due(self, operator: FlaskClient) -> None:
        post(operator, "/operator/jobs/check-invariants/run")
        post(operator, "/operator/jobs/check-invariants/run")

        assert "Nothing is due for check-invariants now" in operator.get("/operator/jobs").text
        assert len(runs("check-invariants")) == 1

    def test_knows_no_other_jobs(self, operator: FlaskClient) -> None:
        assert post(operator, "/operator/jobs/no-such-job/run").status_code == 404
