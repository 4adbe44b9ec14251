"""How many pages a second does the real application serve, against a Flask "hello" on the same server?

500 packages, a million workers, thirty million transfers; gunicorn with two sync workers, 16 connections.
Each page is asked for by 64 people: warm (the server has shown it to them before), with what their
browsers have kept (304), and cold: the server keeps no page, so each is written anew, as one that nobody asked for
before. What it is made of (the frame of pages, the law, offers) is remembered then as always. Rounds alternate
with "hello" in the same run: a view of the real application; ``bare`` is a Flask application with nothing else.
"""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flask import Flask
from flask_login import utils as login_utils
from sqlalchemy import select

from app import create_app
from benchmarks.crowd import ROOT
from benchmarks.engines import ENGINES, application
from benchmarks.history import live_through
from benchmarks.load import AGENT, Measured, answer_to, ask, request_for
from benchmarks.market import Market, open_market
from benchmarks.sizes import sized, tell
from exchange import clock
from exchange.database import db
from exchange.identity.actors import Audience
from exchange.identity.people import Login

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment

WORKERS = sized(small=500, full=1_000_000)
PROVIDERS, PACKAGES, COMPARED = sized(small=(4, 20, 5), full=(50, 500, 50))
READERS = 64
SECONDS = sized(small=0.1, full=2.0)
ROUNDS = sized(small=1, full=3)
COOKIE = "session"
HELLO = [request_for("/hello")]


@dataclass(frozen=True, slots=True)
class Page:
    """A page and who asks for it: nobody, or as many people of an audience as there are."""

    name: str
    path: str
    audience: Audience


def served() -> Flask:
    """The real application as gunicorn serves it, with the two "hello" that it is measured against."""
    app, bare = create_app(), Flask("bare")
    app.add_url_rule("/hello", "hello", lambda: "hello")
    bare.add_url_rule("/bare", "bare", lambda: "hello")
    whole = app.wsgi_app

    def either(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        one = bare.wsgi_app if environ["PATH_INFO"] == "/bare" else whole
        return one(environ, start_response)

    app.wsgi_app = either  # type: ignore[method-assign]
    return app


def main() -> None:
    """Measure on PostgreSQL and on SQLite, or on those that are named."""
    for engine in sys.argv[1:] or ENGINES:
        with application(engine) as app:
            market = open_market(providers=PROVIDERS, packages=PACKAGES)
            live_through(market, workers=WORKERS)
            measure(engine, app, market)


def measure(engine: str, app: Flask, market: Market) -> None:
    """Every page, warm, unchanged and cold."""
    versions = "&".join(f"package={PACKAGES + number}" for number in range(1, COMPARED + 1))
    pages = [
        Page("compare", f"/worker/choose/compare?window={market.window_id}&{versions}", Audience.WORKER),
        Page("shop", f"/worker/choose/?window={market.window_id}", Audience.WORKER),
        Page("home", "/worker/", Audience.WORKER),
        Page("catalogue", "/packages", Audience.PUBLIC),
        Page("board", "/regulator/", Audience.REGULATOR),
    ]
    with served_by_gunicorn(app) as port:
        for page in pages:
            _warm(f"{page.name}_{engine}", port, page, _readers(app, market, page.audience))
        found = _alternate(port, HELLO, {"bare": ([request_for("/bare")], 200)})
        _tell(f"bare_{engine}", *found["bare"])
    with served_by_gunicorn(app, KEPT_PAGES_MIB="0") as port:
        for page in pages:
            plain = _asking(page, _readers(app, market, page.audience))
            found = _alternate(port, HELLO, {"cold": (plain, 200)})
            _tell(f"page_{page.name}_cold_{engine}", *found["cold"])


def _warm(name: str, port: int, page: Page, cookies: Sequence[str]) -> None:
    """Shown before, and not changed since."""
    plain = _asking(page, cookies)
    unchanged: list[bytes] = []
    for request in plain * 3:  # both of the server's workers have seen it, very nearly
        status, headers, body = answer_to(port, request)
        assert status == 200 and b"</html>" in body, (name, status, body[:500])
        if len(unchanged) < len(plain) and "etag" in headers:
            unchanged.append(request[:-2] + f"If-None-Match: {headers['etag']}\r\n\r\n".encode())
    pages: dict[str, tuple[Sequence[bytes], int]] = {"warm": (plain, 200)}
    if unchanged:
        pages["304"] = (unchanged, 304)
    for kind, found in _alternate(port, HELLO, pages).items():
        _tell(f"page_{name.replace('_', f'_{kind}_', 1)}", *found, bytes=len(body) if kind == "warm" else None)


def _asking(page: Page, cookies: Sequence[str]) -> list[bytes]:
    return [request_for(page.path, Cookie=f"{COOKIE}={cookie}") for cookie in cookies]


def _alternate(
    port: int, hello: Sequence[bytes], pages: Mapping[str, tuple[Sequence[bytes], int]]
) -> dict[str, tuple[list[Measured], list[Measured]]]:
    """Turn about, so that what else the machine does hits all: rounds of hello, and of each page."""
    found: dict[str, tuple[list[Measured], list[Measured]]] = {name: ([], []) for name in pages}
    for _ in range(ROUNDS):
        limit = ask(port, hello, status=200, seconds=SECONDS)
        for name, (requests, status) in pages.items():
            found[name][0].append(limit)
            found[name][1].append(ask(port, requests, status=status, seconds=SECONDS))
    return found


def _tell(name: str, limits: Sequence[Measured], found: Sequence[Measured], **more: float | None) -> None:
    median = statistics.median(one.median_ms for one in found)
    p99 = statistics.median(one.p99_ms for one in found)
    ratio = statistics.median(one.per_second / hello.per_second for hello, one in zip(limits, found, strict=True))
    tell(
        name,
        n=sum(one.answers for one in found),
        per_second=round(statistics.median(one.per_second for one in found)),
        limit_per_second=round(statistics.median(one.per_second for one in limits)),
        ratio=round(ratio, 3),
        median_ms=median,
        p99_ms=p99,
        p99_to_median=round(p99 / median, 2),
        **more,
    )


def _readers(app: Flask, market: Market, audience: Audience) -> list[str]:
    """Cookies of people who have just signed in."""
    if audience is Audience.PUBLIC:
        return [""]
    ids = [1000 + number for number in range(1, READERS + 1)]
    if audience is not Audience.WORKER:
        ids = [market.staff[audience]]
    names = db.session.execute(select(Login.fs_uniquifier).where(Login.id.in_(ids))).scalars().all()
    return session_cookies(app, names, [secrets.token_hex(20) for _ in names])


def session_cookies(app: Flask, names: Sequence[str], tokens: Sequence[str]) -> list[str]:
    """Cookies of people (by their session's name) who have just signed in, each with the secret of his forms."""
    with app.test_request_context(headers={"User-Agent": AGENT}, environ_base={"REMOTE_ADDR": "127.0.0.1"}):
        browser = login_utils._create_identifier()  # noqa: SLF001 - what a session is bound to at sign-in
    serializer = app.session_interface.get_signing_serializer(app)  # type: ignore[attr-defined]
    now = clock.machine_seconds()
    return [
        serializer.dumps(
            {
                "_user_id": name, "_fresh": True, "_id": browser, "fs_paa": now, "began_at": now, "seen_at": now,
                "rests": 28_800, "lasts": 28_800, "csrf_token": token,
            }
        )
        for name, token in zip(names, tokens, strict=True)
    ]  # fmt: skip


@contextmanager
def served_by_gunicorn(app: Flask, *, workers: int = 2, **environment: str) -> Iterator[int]:
    """A real server on a free port, with the application's own database."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    settings = {
        **os.environ,
        "DATABASE_URL": app.config["SQLALCHEMY_DATABASE_URI"],
        "SECRET_KEY": app.config["SECRET_KEY"],
        "TOTP_SECRETS": json.dumps({"1": "of this benchmark only"}),
        "RECOVERY_KEYS": "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=",
        "URL_SCHEME": "http",
        "PYTHONPATH": str(ROOT),
        **environment,
    }
    command = [
        sys.executable, "-m", "gunicorn", "--workers", str(workers), "--worker-class", "sync",
        "--bind", f"127.0.0.1:{port}", "--log-level", "warning", "benchmarks.bench_pages:served()",
    ]  # fmt: skip
    # The log is written as always, and read by nobody.
    server = subprocess.Popen(command, cwd=ROOT, env=settings, stderr=subprocess.DEVNULL)  # noqa: S603 - our own
    try:
        _wait(port)
        yield port
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(timeout=30)


def _wait(port: int) -> None:
    for _ in range(300):
        try:
            answer_to(port, request_for("/hello"))
        except OSError:
            time.sleep(0.1)
        else:
            return
    sys.exit("The server did not start.")


if __name__ == "__main__":
    main()
