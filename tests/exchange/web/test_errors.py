"""Does every failure tell its reader, in plain words, what happened and what to do?"""

from __future__ import annotations

import errno
import sqlite3

import pytest
from flask import Flask
from flask.testing import FlaskClient
from psycopg.errors import LockNotAvailable, QueryCanceled, SerializationFailure
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from exchange.web import errors


def failing_with(app: Flask, error: Exception) -> None:
    """Make ``/raise`` and ``/api/raise`` fail with ``error``."""

    def fail() -> str:
        raise error

    app.add_url_rule("/raise", "raise", fail)
    app.add_url_rule("/api/raise", "api_raise", fail)


class TestPage:
    @pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 413, 415, 418, 422, 429, 500, 501, 503])
    def test_explains_each_status_in_plain_words(self, client: FlaskClient, status: int) -> None:
        answer = client.get(f"/fail/{status}")

        assert answer.status_code == status
        assert "<h1>" in answer.text
        assert answer.headers["X-Request-ID"] in answer.text

    def test_of_a_refusal_carries_its_sentence_code_and_status(self, client: FlaskClient) -> None:
        answer = client.get("/fail/refusal")

        assert answer.status_code == 422
        assert "The window closed on November 30. The next one opens on November 1." in answer.text
        assert "window_closed" in answer.text

    def test_of_what_is_not_his_to_see_reads_as_if_there_were_nothing(self, client: FlaskClient) -> None:
        answer = client.get("/fail/hidden")

        assert answer.status_code == 404
        assert "There is no such page" in answer.text

    def test_of_our_own_fault_tells_nothing_of_its_cause(self, client: FlaskClient) -> None:
        answer = client.get("/fail/secret-detail")

        assert answer.status_code == 500
        assert "secret-detail" not in answer.text.replace("/fail/secret-detail", "")
        assert "nothing was half done" in answer.text

    def test_keeps_the_header_that_belongs_to_it(self, client: FlaskClient) -> None:
        assert set(client.put("/list").headers["Allow"].split(", ")) >= {"GET", "HEAD"}

    def test_of_a_bad_host_is_plain_text(self, client: FlaskClient) -> None:
        answer = client.get("/", headers={"Host": "evil.example"})

        assert (answer.status_code, answer.mimetype) == (400, "text/plain")


class TestDatabase:
    @pytest.mark.parametrize(
        "error",
        [
            OperationalError("SELECT 1", {}, sqlite3.OperationalError("database is locked")),
            OperationalError("SELECT 1", {}, sqlite3.OperationalError("unable to open database file")),
            OperationalError("SELECT 1", {}, SerializationFailure("could not serialize access")),
            OperationalError("SELECT 1", {}, QueryCanceled("canceling statement due to statement timeout")),
            OperationalError("SELECT 1", {}, LockNotAvailable("canceling statement due to lock timeout")),
            OperationalError("INSERT", {}, sqlite3.OperationalError("attempt to write a readonly database")),
            PoolTimeout("no connection is free"),
            OSError(errno.ENOSPC, "No space left on device"),
            OSError(errno.EROFS, "Read-only file system"),
        ],
    )
    def test_that_is_busy_or_away_asks_to_come_again(self, app: Flask, client: FlaskClient, error: Exception) -> None:
        failing_with(app, error)

        answer = client.get("/raise")

        assert (answer.status_code, answer.headers["Retry-After"]) == (503, str(errors.RETRY_AFTER_SECONDS))
        assert "nothing was changed" in answer.text

    def test_is_not_what_a_file_lacks_that_is_missing(self, app: Flask, client: FlaskClient) -> None:
        app.config["PROPAGATE_EXCEPTIONS"] = False
        failing_with(app, FileNotFoundError(errno.ENOENT, "No such file or directory"))

        assert client.get("/raise").status_code == 500

    def test_that_lacks_a_table_is_our_fault(self, client: FlaskClient) -> None:
        assert client.get("/fail/schema").status_code == 500


class TestProblemDocument:
    def test_of_a_refusal_has_its_code_and_details(self, client: FlaskClient) -> None:
        answer = client.get("/api/v1/fail/refusal")

        assert answer.mimetype == "application/problem+json"
        assert answer.get_json() == {
            "type": "about:blank",
            "title": "This could not be done",
            "status": 422,
            "detail": "The window closed on November 30. The next one opens on November 1.",
            "code": "window_closed",
            "closes": "2026-12-01",
            "request_id": answer.headers["X-Request-ID"],
        }

    @pytest.mark.parametrize(("path", "status"), [("/api/v1/none", 404), ("/api/v1/fail/429", 429), ("/api", 404)])
    def test_is_what_every_error_below_api_answers(self, client: FlaskClient, path: str, status: int) -> None:
        answer = client.get(path)

        assert (answer.status_code, answer.mimetype) == (status, "application/problem+json")
        assert answer.get_json()["status"] == status

    def test_is_not_what_a_page_answers(self, client: FlaskClient) -> None:
        assert client.get("/apiary").mimetype == "text/html"

    def test_of_a_busy_database_says_when_to_come_again(self, app: Flask, client: FlaskClient) -> None:
        failing_with(app, OperationalError("SELECT 1", {}, sqlite3.OperationalError("database is locked")))

        answer = client.get("/api/raise")

        assert (answer.get_json()["code"], answer.headers["Retry-After"]) == ("busy", "5")

    def test_lists_what_a_schema_found(self, app: Flask, client: FlaskClient) -> None:
        from werkzeug.exceptions import UnprocessableEntity

        error = UnprocessableEntity()
        error.data = {"messages": {"json": {"number": ["Unknown field."]}}}  # type: ignore[attr-defined]  # as webargs
        failing_with(app, error)

        assert client.get("/api/raise").get_json()["errors"] == {"json": {"number": ["Unknown field."]}}
