"""Do several processes on one database make one exchange, and does each end in good order?"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TextIO

import pytest
from cryptography.fernet import Fernet
from flask import Flask
from sqlalchemy import select, text

from exchange.database import db
from exchange.ledger import seals
from exchange.ledger.seal_store import JournalSeal
from exchange.scheduler import jobs, lease
from exchange.scheduler.process import Scheduler
from exchange.scheduler.records import JobRun, RunState
from tests.support.ledger_makers import Books, entry, post
from tests.support.seal_makers import EXCHANGE, make_ring
from tests.support.web_process import PATIENCE_SECONDS, ROOT, Web, serving
from tests.support.worker_makers import PASSWORD, Market

ADA = "ada.flores@example.org"
TOKEN = "the watcher's own token"

pytestmark = pytest.mark.parametrize("engine_name", ["postgresql"])


def environment(app: Flask, folder: Path) -> dict[str, str]:
    """Settings for processes on this test's database."""
    return {
        "DATABASE_URL": app.config["SQLALCHEMY_DATABASE_URI"],
        "SECRET_KEY": secrets.token_urlsafe(32),
        "TOTP_SECRETS": json.dumps({"1": secrets.token_urlsafe(32)}),
        "RECOVERY_KEYS": Fernet.generate_key().decode(),
        "EXCHANGE_ID": EXCHANGE,
        "SEAL_KEYS": str(folder),
        "METRICS_TOKEN": TOKEN,
        "URL_SCHEME": "http",
    }


class TestTwoWebServers:
    def test_are_one_to_whoever_is_sent_to_either(self, app: Flask, tmp_path: Path) -> None:
        """One life of two servers tells all of it, since starting them is what costs."""
        Market().worker("Ada Flores")
        with serving(environment(app, tmp_path), tmp_path, count=2) as (first, second):
            self.share_sessions(first, second)
            self.count_attempts_together(first, second)
            self.end_sessions_together(first, second)
            self.show_which_process_is_connected(first)
            self.finish_what_they_have_in_hand(first)
            assert second.get("/readyz", {}).status == 200
            assert first.process.returncode == 0
            log = first.log() + second.log()

        assert '"event": "request"' in log
        assert not [word for word in ("ada.flores", "Ada", PASSWORD, "csrf") if word in log]

    @staticmethod
    def share_sessions(first: Web, second: Web) -> None:
        jar: dict[str, str] = {}

        assert first.post("/sign-in", jar, {"email": ADA, "password": PASSWORD}).status == 302
        assert second.get("/worker/", jar).status == 200

    @staticmethod
    def count_attempts_together(first: Web, second: Web) -> None:
        wrong = {"email": "nobody@example.org", "password": "seven red boats"}

        statuses = [(first, second)[number % 2].post("/sign-in", {}, wrong).status for number in range(11)]

        assert statuses == [200] * 10 + [429]

    @staticmethod
    def end_sessions_together(first: Web, second: Web) -> None:
        jar: dict[str, str] = {}
        first.post("/sign-in", jar, {"email": ADA, "password": PASSWORD})
        kept = dict(jar)

        assert second.post("/sign-out", jar, {}, shown_at="/worker/").status == 302

        assert first.get("/worker/", kept).status == 302

    @staticmethod
    def show_which_process_is_connected(web: Web) -> None:
        shown = web.get("/metrics", {}, Authorization=f"Bearer {TOKEN}").text
        connected = db.session.execute(text("SELECT application_name FROM pg_stat_activity")).scalars().all()

        assert 'pbx_request_seconds_count{endpoint="security.login"' in shown
        assert len({name for name in connected if name.startswith("exchange web on ")}) == 2
        db.session.rollback()

    @staticmethod
    def finish_what_they_have_in_hand(web: Web) -> None:
        """A request is half sent when the server is told to stop, and answered all the same."""
        body = b"email=x&password=y"
        half = http.client.HTTPConnection("127.0.0.1", web.port, timeout=PATIENCE_SECONDS)
        half.putrequest("POST", "/sign-in")
        half.putheader("Content-Type", "application/x-www-form-urlencoded")
        half.putheader("Content-Length", str(len(body)))
        half.endheaders(body[:5])
        time.sleep(0.3)  # until the worker has read that much

        web.process.terminate()
        time.sleep(0.3)
        half.send(body[5:])

        assert half.getresponse().status == 400  # it carries no token, and says so
        assert web.process.wait(PATIENCE_SECONDS) == 0


class TestSealer:
    @pytest.fixture(autouse=True)
    def _posted(self, app: Flask, tmp_path: Path) -> None:
        make_ring(app, tmp_path)
        books = Books()
        post(*(entry(f"e{number}", (books.money, books.pool, 1)) for number in range(50)))

    def test_seals_without_leading_the_scheduler(self, app: Flask) -> None:
        with contextlib.closing(Scheduler(app, among=[jobs.called("seal-journal")], leads=False)) as sealer:
            ran = sealer.tick()

        assert [one.state for one in ran] == [RunState.DONE]
        assert sealed() == 50
        assert not lease.is_held()

    def test_run_by_hand_is_given_up_when_told_to_end(self, app: Flask, tmp_path: Path) -> None:
        db.session.execute(text("LOCK TABLE journal_seal IN SHARE MODE"))  # nobody can write a seal
        process = flask("job", "run", "seal-journal", environ=environment(app, tmp_path))
        waiting = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
        try:
            wait_until(lambda: db.session.execute(waiting).scalar_one())
            process.terminate()

            assert process.wait(PATIENCE_SECONDS) == 1
        finally:
            process.kill()
            process.wait()
        db.session.rollback()
        assert [run.state for run in db.session.execute(select(JobRun)).scalars()] == [RunState.ABANDONED]

    @pytest.mark.parametrize("name", ["sealer", "scheduler"])
    def test_is_called_by_its_own_name_in_its_log_as_the_scheduler_is(
        self, app: Flask, tmp_path: Path, name: str
    ) -> None:
        log = tmp_path / "log"
        with log.open("w") as told:
            process = flask(name, environ=environment(app, tmp_path), told=told)
            try:
                wait_until(lambda: f'"{name} started"' in log.read_text())
                process.terminate()
                process.wait(PATIENCE_SECONDS)
            finally:
                process.kill()
                process.wait()

        events = [json.loads(line)["event"] for line in log.read_text().splitlines()]
        assert [event for event in events if event.endswith(("started", "stopped"))] == [
            f"{name} started",
            f"{name} stopped",
        ]

    @pytest.mark.long
    def test_beside_another_seals_once_and_ends_when_told(self, app: Flask, tmp_path: Path) -> None:
        sealers = [flask("sealer", environ=environment(app, tmp_path)) for _ in range(2)]
        try:
            wait_until(lambda: sealed() == 50)
            for process in sealers:
                process.terminate()

            assert [process.wait(PATIENCE_SECONDS) for process in sealers] == [0, 0]
        finally:
            for process in sealers:
                process.kill()
                process.wait()
        positions = db.session.execute(select(JournalSeal.position).order_by(JournalSeal.position))
        assert positions.scalars().all() == list(range(50))


def flask(*words: str, environ: Mapping[str, str], told: TextIO | None = None) -> subprocess.Popen[bytes]:
    """A command in a process of its own, which tells its log to ``told``."""
    return subprocess.Popen(
        [sys.executable, "-m", "flask", "--app", "app", *words],
        cwd=ROOT,
        env={**os.environ, **environ},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL if told is None else told,
    )


def sealed() -> int:
    """How many entries the last checkpoint covers."""
    newest = seals.latest()
    size = 0 if newest is None else newest.size
    db.session.rollback()
    return size


def wait_until(condition: Callable[[], object]) -> None:
    """Look until it is so."""
    end = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.1)
