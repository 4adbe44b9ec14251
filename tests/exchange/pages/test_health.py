"""Does whoever watches the exchange learn how it stands, and nobody else?"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import text

from exchange import clock, figures
from exchange.database import db, unit_of_work
from exchange.scheduler import lease, runner
from tests.support.ledger_makers import Books, entry, post
from tests.support.seal_makers import make_ring, seal
from tests.support.worker_makers import Market

TOKEN = "the watcher's own token"


class TestLives:
    @pytest.mark.parametrize("engine_name", ["sqlite"])
    def test_is_answered_without_the_database(self, app: Flask, client: FlaskClient) -> None:
        app.config["SQLALCHEMY_DATABASE_URI"] = "sqlite:////nowhere/at/all.db"

        answer = client.get("/healthz")

        assert (answer.status_code, answer.json) == (200, {"alive": True})
        assert answer.headers["Cache-Control"] == "no-store"


class TestReady:
    def test_says_so(self, client: FlaskClient) -> None:
        answer = client.get("/readyz")

        assert (answer.status_code, answer.json) == (
            200,
            {"ready": True, "troubles": [], "scheduler_leads": False},
        )
        assert answer.headers["Cache-Control"] == "no-store"

    def test_says_whether_a_scheduler_leads(self, client: FlaskClient) -> None:
        mine = lease.lease_for(runner.this_process())
        mine.acquire()
        try:
            assert client.get("/readyz").json == {"ready": True, "troubles": [], "scheduler_leads": True}
        finally:
            mine.release()

    def test_is_not_when_the_database_is_behind_the_program(self, client: FlaskClient) -> None:
        with unit_of_work():
            db.session.execute(text("UPDATE alembic_version SET version_num = '0001'"))

        answer = client.get("/readyz")

        assert answer.status_code == 503
        assert answer.json is not None
        assert "migrated to 0001" in answer.json["troubles"][0]

    def test_is_when_the_database_is_ahead_of_the_program(self, client: FlaskClient) -> None:
        with unit_of_work():
            db.session.execute(text("UPDATE alembic_version SET version_num = '9999'"))

        assert client.get("/readyz").status_code == 200

    def test_is_not_without_its_tables(self, client: FlaskClient) -> None:
        with unit_of_work():
            db.session.execute(text("ALTER TABLE alembic_version RENAME TO gone"))

        answer = client.get("/readyz")

        assert answer.status_code == 503
        assert answer.json is not None
        assert "not migrated" in answer.json["troubles"][0]

    def test_is_told_to_the_command_line(self, app: Flask) -> None:
        ask = app.test_cli_runner().invoke

        assert ask(args=["ready"]).exit_code == 0
        assert ask(args=["ready", "--scheduler"]).exit_code == 1


class TestFigures:
    @pytest.fixture(autouse=True)
    def _token(self, app: Flask) -> None:
        app.config["METRICS_TOKEN"] = TOKEN

    @staticmethod
    def shown(client: FlaskClient) -> dict[str, dict[str, float]]:
        """Figure → labels → value, as Prometheus' own reader reads them."""
        answer = client.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
        assert answer.status_code == 200
        found: dict[str, dict[str, float]] = {}
        for family in text_string_to_metric_families(answer.text):
            for sample in family.samples:
                labels = ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items()))
                found.setdefault(sample.name, {})[labels] = sample.value
        return found

    @pytest.mark.parametrize("shown", [None, "Bearer wrong", f"Basic {TOKEN}", "Bearer "])
    def test_are_refused_without_the_token(self, client: FlaskClient, shown: str | None) -> None:
        answer = client.get("/metrics", headers={"Authorization": shown} if shown else {})

        assert answer.status_code == 401
        assert "pbx_" not in answer.text

    def test_are_refused_to_everybody_where_no_token_is_set(self, app: Flask, client: FlaskClient) -> None:
        app.config["METRICS_TOKEN"] = None

        assert client.get("/metrics", headers={"Authorization": "Bearer None"}).status_code == 401

    def test_tell_of_entries_and_their_seals(self, app: Flask, client: FlaskClient, tmp_path: Path) -> None:
        books, ring = Books(), make_ring(app, tmp_path)
        post(entry("a", (books.money, books.pool, 5)), entry("b", (books.money, books.pool, 5)))
        seal(ring)
        post(entry("c", (books.money, books.pool, 5)))

        shown = self.shown(client)

        assert shown["pbx_entries_sealed"][""] == 2
        assert shown["pbx_entries_unsealed"][""] == 1
        assert shown["pbx_oldest_unsealed_seconds"][""] >= 0
        assert shown["pbx_sealing_stopped"][""] == 0

    def test_tell_of_windows_jobs_and_requests(self, client: FlaskClient) -> None:
        Market()
        client.get("/sign-in")

        shown = self.shown(client)

        assert shown["pbx_windows_open"] == {"kind=open": 1, "kind=special": 0}
        assert "pbx_cutover_switches" not in shown  # none is due
        assert shown["pbx_job_due"]["name=check-invariants"] == 1
        assert shown["pbx_request_seconds_count"]["endpoint=security.login,method=GET,status=200"] >= 1

    def test_name_nobody(self, client: FlaskClient) -> None:
        market = Market()
        market.contribute(market.worker("Ada Flores"), months=1)
        client.get("/packages?q=Ada+Flores")

        text = figures.text(clock.now())

        assert not re.search(r"Ada|Flores|PB-|@|Harbor", text)
