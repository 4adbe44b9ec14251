"""How does a whole web server run, for a test to ask, and to stop while it answers?"""

from __future__ import annotations

import http.client
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from pathlib import Path
from urllib.parse import urlencode

ROOT = Path(__file__).parents[2]
PATIENCE_SECONDS = 90.0  # a machine may have more to do than this


@dataclass
class Web:
    """One gunicorn with our own configuration, and somebody's browser at it."""

    port: int
    process: subprocess.Popen[bytes]
    folder: Path

    def get(self, path: str, jar: dict[str, str], **headers: str) -> Answer:
        """GET; cookies are taken from and put into ``jar``."""
        return self._ask("GET", path, jar, None, headers)

    def post(self, path: str, jar: dict[str, str], data: Mapping[str, str], *, shown_at: str = "") -> Answer:
        """POST a form with the token that the page ``path`` itself shows, or another one."""
        token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', self.get(shown_at or path, jar).text)
        return self._ask("POST", path, jar, {**data, "csrf_token": token[1] if token else ""}, {})

    def _ask(
        self, method: str, path: str, jar: dict[str, str], data: Mapping[str, str] | None, headers: Mapping[str, str]
    ) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_SECONDS)
        sent = {"Cookie": "; ".join(f"{name}={value}" for name, value in jar.items()), **headers}
        if data is not None:
            sent["Content-Type"] = "application/x-www-form-urlencoded"
        connection.request(method, path, body=None if data is None else urlencode(data), headers=sent)
        response = connection.getresponse()
        answer = Answer(response.status, response.read().decode(), dict(response.getheaders()))
        for one in response.msg.get_all("Set-Cookie") or []:
            for name, morsel in SimpleCookie(one).items():
                jar[name] = morsel.value
        connection.close()
        return answer

    def stop(self) -> int:
        """Ask it to end; its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE_SECONDS)

    def log(self) -> str:
        """What it has written."""
        return self.folder.joinpath(f"{self.port}.log").read_text(encoding="utf-8")


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    text: str = field(repr=False)
    headers: dict[str, str] = field(default_factory=dict, repr=False)


@contextmanager
def serving(settings: Mapping[str, str], folder: Path, *, count: int) -> Iterator[list[Web]]:
    """So many web servers with these settings, one worker each, once all answer."""
    servers = [_start(settings, folder) for _ in range(count)]
    try:
        for one in servers:
            _await(one)
        yield servers
    finally:
        for one in servers:
            one.process.kill()
            one.process.wait()


def free_port() -> int:
    """A port that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def _start(settings: Mapping[str, str], folder: Path) -> Web:
    port = free_port()
    environ = {**os.environ, **settings, "WEB_BIND": f"127.0.0.1:{port}", "WEB_WORKERS": "1"}
    with folder.joinpath(f"{port}.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", "--config", "deploy/gunicorn.conf.py"],
            cwd=ROOT, env=environ, stdout=log, stderr=log,
        )  # fmt: skip
    return Web(port, process, folder)


def _await(web: Web) -> None:
    end = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < end and web.process.poll() is None:
        try:
            if web.get("/healthz", {}).status == 200:
                return
        except OSError:
            time.sleep(0.05)
    raise AssertionError(f"the web server did not start:\n{web.log()}")
