"""Does the log tell what happened, and nothing about anybody?"""

from __future__ import annotations

import errno
import io
import json
import logging
import re
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from flask import Flask
from flask.testing import FlaskClient

from enrollment import employers
from enrollment.models import BenefitAccount
from exchange.database import core, db, unit_of_work
from exchange.web import log
from tests.support.employer_makers import AT, BY, make_account, make_employer, open_program, staff_of
from tests.support.signing_in import post, sign_in

PASSWORD = "seven green boats"

pytestmark = pytest.mark.parametrize("engine_name", ["sqlite"])


class FullDisk(io.StringIO):
    """Where nothing can be written any more."""

    def write(self, text: str, /) -> int:
        """Say so."""
        raise OSError(errno.ENOSPC, "No space left on device")


@pytest.fixture
def written(app: Flask) -> Iterator[io.StringIO]:
    """What the process writes meanwhile."""
    root = logging.getLogger()
    before, level = root.handlers, root.level
    stream = io.StringIO()
    log.begin("json", stream=stream)
    app.config["PROPAGATE_EXCEPTIONS"] = False
    yield stream
    root.handlers, root.level = before, level
    structlog.reset_defaults()


def events(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def said(stream: io.StringIO) -> str:
    """All that was written, but for the numbers of requests: drawn by lot, they may well read "3adabcd"."""
    return re.sub(r'"request_id": "[0-9a-f]+"', "", stream.getvalue())


class TestRequest:
    def test_leaves_its_endpoint_status_duration_and_audience(self, client: FlaskClient, written: io.StringIO) -> None:
        answer = client.get("/worker/?account=PB-1204")

        (event,) = events(written)
        assert event.pop("ms") >= 0
        assert event.pop("timestamp").endswith("Z")
        assert event == {
            "event": "request",
            "request_id": answer.headers["X-Request-ID"],
            "endpoint": "worker_home.home",
            "method": "GET",
            "status": 302,
            "audience": "worker",
            "level": "info",
        }

    def test_is_answered_though_the_disk_of_the_log_is_full(self, client: FlaskClient, written: io.StringIO) -> None:
        log.begin("json", stream=FullDisk())

        assert client.get("/healthz").status_code == 200

    def test_to_nowhere_leaves_no_address(self, client: FlaskClient, written: io.StringIO) -> None:
        client.get("/PB-ABCD-EFGH-3/ada.flores@example.org")

        assert events(written)[0]["endpoint"] == "none"
        assert "ada" not in said(written)


class TestNobody:
    def test_is_in_the_log_of_signing_in_a_report_and_an_error(self, app: Flask, written: io.StringIO) -> None:
        with unit_of_work():
            open_program()
            employer = make_employer()
            boss = staff_of(employer)
            account = make_account()
            token = employers.make_token(employer, name="Payroll", by=BY, at=AT)
        number = account.number

        client = app.test_client()
        post(client, "/sign-in", {"email": "ada.flores@example.org", "password": PASSWORD})
        sign_in(client, boss.login_id or 0)
        table = f"account_number,first_day,place,minutes\n{number},2026-10-05,US-WA,60\n"
        upload = {"file": (io.BytesIO(table.encode()), "Ada Flores.csv")}
        post(client, "/employer/report/file", upload, content_type="multipart/form-data")
        bearer = {"Authorization": f"Bearer {token}"}
        client.post("/api/v1/remittances", json={"lines": [{"account_number": number}]}, headers=bearer)
        self.break_something(app, account)

        text = said(written)
        assert [one for one in events(written) if one["status" if "status" in one else "level"] in {500, "error"}]
        for word in ("ada", "flores", "example.org", "kim", "boss", number, PASSWORD, token, "Blue Cab"):
            assert word.lower() not in text.lower(), word

    @staticmethod
    def break_something(app: Flask, account: BenefitAccount) -> None:
        """An error whose words hold a person's, at an address that does: the row is entered twice."""

        def view(name: str) -> str:
            db.session.execute(core(BenefitAccount).insert().values(id=account.id, number=account.number))
            raise ValueError(name)

        app.view_functions["broken"] = view
        rule = app.url_rule_class("/broken/<name>", endpoint="broken")
        app.url_map.add(rule)
        assert app.test_client().get("/broken/Ada%20Flores?number=" + account.number).status_code == 500


class TestLine:
    def test_of_a_library_says_its_words_and_not_an_errors(self, app: Flask, written: io.StringIO) -> None:
        name = "Ada Flores".lower()
        try:
            int(name)
        except ValueError:
            logging.getLogger("library").exception("it went\nwrong")

        (event,) = events(written)
        assert (event["event"], event["error"], event["level"]) == ("it went wrong", "ValueError", "error")
        assert "test_log.py" in event["trace"]
        assert name not in written.getvalue()
