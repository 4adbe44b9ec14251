"""Is a browser's report taken in both of its forms, and does it leave nothing that is anybody's?"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
import time_machine
from flask import Flask
from flask.testing import FlaskClient

from exchange.web import log, requests_seen, safety, violations

OLDER = {
    "csp-report": {
        "document-uri": "http://localhost/worker/contributions/7?name=Ada+Flores",
        "violated-directive": "script-src-elem 'self'",
        "blocked-uri": "https://user:secret@evil.example:8443/take/Ada?number=PB-1204",
        "script-sample": "steal('Ada')",
    }
}
NEWER = [
    {
        "type": "csp-violation",
        "url": "http://localhost/list?q=Ada",
        "user_agent": "Mozilla/5.0 (Ada's)",
        "body": {"documentURL": "http://localhost/list?q=Ada", "effectiveDirective": "img-src", "blockedURL": "inline"},
    }
]


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """The program's log."""
    stream = io.StringIO()
    log.begin("json", stream=stream)
    yield stream
    structlog.reset_defaults()


def told(written: io.StringIO) -> list[tuple[str, str, str]]:
    lines = [json.loads(line) for line in written.getvalue().splitlines()]
    return [(one["directive"], one["blocked"], one["page"]) for one in lines if one["event"] == "csp violation"]


def counted(directive: str) -> float:
    lines = [line for line in requests_seen.text().splitlines() if f'reports_total{{directive="{directive}"}}' in line]
    return float(lines[0].split()[-1]) if lines else 0


def blocked(uri: Any) -> dict[str, Any]:
    return {"csp-report": {"document-uri": "x", "effective-directive": "img-src", "blocked-uri": uri}}


class TestPolicy:
    def test_tells_older_and_newer_browsers_where_to_report(self, client: FlaskClient) -> None:
        answer = client.get("/")

        assert f"report-uri {violations.ADDRESS}; report-to csp" in answer.headers["Content-Security-Policy"]
        assert answer.headers["Reporting-Endpoints"] == f'csp="{violations.ADDRESS}"'
        assert "//" not in safety.CONTENT_SECURITY_POLICY


class TestReport:
    def test_of_either_kind_leaves_directive_origin_and_page(self, client: FlaskClient, written: io.StringIO) -> None:
        before = counted("img-src")

        assert client.post(violations.ADDRESS, json=OLDER, content_type="application/csp-report").status_code == 204
        assert client.post(violations.ADDRESS, json=NEWER, content_type="application/reports+json").status_code == 204

        assert told(written) == [
            ("script-src-elem", "https://evil.example:8443", "worker.history"),
            ("img-src", "inline", "public.listing"),
        ]
        assert counted("img-src") == before + 1

    def test_leaves_nothing_that_is_anybodys(self, client: FlaskClient, written: io.StringIO) -> None:
        client.post(violations.ADDRESS, json=OLDER)
        client.post(violations.ADDRESS, json=NEWER)

        for word in ("Ada", "ada", "1204", "secret", "steal", "Mozilla", "127.0.0.1", "take"):
            assert word not in written.getvalue()

    @pytest.mark.parametrize(
        ("uri", "origin"),
        [
            ("https://evil.example/a?b#c", "https://evil.example"),
            ("data", "data"),
            ("chrome-extension://abcdef/x.js", "chrome-extension:"),
            ("https://[::1]/x", "https://[::1]"),
            ("https://ev\nil.example{}", "other"),
            ("https://[", "other"),
            ("https://a:99999999/", "other"),
            ("PB-1204", "other"),
            ("", "other"),
            (7, "other"),
        ],
    )
    def test_names_an_origin_or_nothing(
        self, client: FlaskClient, written: io.StringIO, uri: object, origin: str
    ) -> None:
        assert client.post(violations.ADDRESS, json=blocked(uri)).status_code == 204

        assert [found for _, found, _ in told(written)] == [origin]

    @pytest.mark.parametrize(
        "body",
        [b"", b"[", b"null", b"7", b"[[]]", b'{"csp-report": 7}', b'[{"body": 7}]', b"\xff\xfe", b"[" * 5_000],
    )
    def test_that_is_none_is_no_fault_of_ours(self, client: FlaskClient, written: io.StringIO, body: bytes) -> None:
        assert client.post(violations.ADDRESS, data=body).status_code < 500
        assert told(written) == []

    def test_that_is_large_is_refused(self, client: FlaskClient) -> None:
        assert client.post(violations.ADDRESS, json=blocked("x" * violations.MOST_BYTES)).status_code == 413

    def test_of_an_unknown_directive_makes_no_figure_of_its_own(self, client: FlaskClient) -> None:
        before = counted("other")
        one = {"csp-report": {"effective-directive": "ada-flores", "blocked-uri": "inline"}}

        client.post(violations.ADDRESS, json=one)

        assert counted("other") == before + 1
        assert "ada-flores" not in requests_seen.text()

    def test_in_a_flood_is_counted_and_not_told(self, app: Flask, client: FlaskClient, written: io.StringIO) -> None:
        before, sent = counted("img-src"), violations.LINES_A_MINUTE // violations.MOST_AT_ONCE + 2
        with time_machine.travel(0, tick=False):
            for _ in range(sent):
                client.post(violations.ADDRESS, json=NEWER * (violations.MOST_AT_ONCE + 5))

        assert len(told(written)) == violations.LINES_A_MINUTE
        assert counted("img-src") == before + sent * violations.MOST_AT_ONCE
