"""How do journeys get a browser, what must each of its pages keep to, and who serves them?

The distribution's Chromium, never a downloaded one. Its network is closed but for loopback, so a
page that asks a third party for anything shows it at once.
"""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import ConsoleMessage, Page, Request
from werkzeug.exceptions import ServiceUnavailable
from werkzeug.serving import make_server

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1",
]
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
ON_A_MAC = ("Chromium", "Google Chrome")
OWN_SCHEMES = ("data", "blob", "about")
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]

_complaints: WeakKeyDictionary[Page, list[str]] = WeakKeyDictionary()


class NoBrowser(Exception):
    """There is no Chromium on this machine; the message says how to get one."""


def program() -> Path:
    """Chromium's program: ``CHROMIUM`` when it is set, else what the machine has. Raises ``NoBrowser``."""
    given = os.environ.get("CHROMIUM")
    if given:
        return Path(given)
    for name in NAMES:
        found = shutil.which(name)
        if found:
            return Path(found)
    for name in ON_A_MAC:
        found_app = Path(f"/Applications/{name}.app/Contents/MacOS/{name}")
        if found_app.exists():
            return found_app
    raise NoBrowser("Chromium is missing: run `make test`, which installs it.")


@contextmanager
def serving(app: WSGIApplication) -> Iterator[str]:
    """Serve ``app`` on a free loopback port while the block runs; gives the address of its root.

    In this process, on threads of its own: what a journey's test commits, the pages show. The name
    is ``localhost``, because passkeys refuse an address. It ends when what was asked is answered, though
    the browser may have turned away: a request under way uses the database that the next test replaces.
    """
    under_way = UnderWay(app)
    web = make_server("localhost", 0, under_way, threaded=True)
    thread = threading.Thread(target=web.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://localhost:{web.server_port}"
    finally:
        web.shutdown()
        thread.join()
        web.server_close()
        under_way.end()


class UnderWay:
    """An application that knows how many of its requests are not yet answered to their end, and takes no more then."""

    def __init__(self, app: WSGIApplication) -> None:
        self._app = app
        self._count = 0
        self._ended = False
        self._changed = threading.Condition()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """One request; it ends when its answer is sent or given up."""
        with self._changed:
            if self._ended:
                return ServiceUnavailable()(environ, start_response)
            self._count += 1
        try:
            answer = self._app(environ, start_response)
        except BaseException:
            self._leave()
            raise
        return self._sent(answer)

    def _sent(self, answer: Iterable[bytes]) -> Iterator[bytes]:
        # The server forgets to close what it sends when the browser hangs up meanwhile. A generator ends anyway.
        try:
            yield from answer
        finally:
            if hasattr(answer, "close"):
                answer.close()
            self._leave()

    def end(self) -> None:
        """Wait until there are none. Raises ``AssertionError`` after half a minute."""
        with self._changed:
            self._ended = True
            assert self._changed.wait_for(lambda: self._count == 0, timeout=30), f"{self._count} requests never ended"

    def _leave(self) -> None:
        with self._changed:
            self._count -= 1
            self._changed.notify_all()


def watch(page: Page) -> None:
    """Write down whatever ``page`` asks of anybody else, and every error in its console."""
    complaints = _complaints.setdefault(page, [])

    def note_request(request: Request) -> None:
        address = urlsplit(request.url)
        if address.scheme not in OWN_SCHEMES and address.hostname not in {"localhost", "127.0.0.1"}:
            complaints.append(f"asked a third party: {request.url}")

    def note_console(message: ConsoleMessage) -> None:
        # The browser itself reports an answer like 403 or 422 as an error; a journey asserts those itself.
        if message.type == "error" and not message.text.startswith("Failed to load resource"):
            complaints.append(f"console: {message.text}")

    page.on("request", note_request)
    page.on("console", note_console)
    page.on("pageerror", lambda error: complaints.append(f"script: {error}"))


def assert_no_third_party(page: Page) -> None:
    """No request left this machine, no script failed, and the content security policy stopped nothing."""
    assert page in _complaints, "this page is not watched: use the fixture `page`, or call watch(page) first"
    assert _complaints[page] == [], "\n".join(_complaints[page])


def watch_anew(page: Page) -> None:
    """Forget what was noted so far (for a test that provokes it)."""
    _complaints[page].clear()


def assert_accessible(page: Page) -> None:
    """Axe finds nothing on the page as it is now, by WCAG 2.2 AA and best practice."""
    answer = Axe().run(page, options={"runOnly": {"type": "tag", "values": TAGS}})
    found = [
        f"{violation['impact']}: {violation['help']} [{violation['id']}] at {node['html'][:160]}"
        for violation in answer.response["violations"]
        for node in violation["nodes"]
    ]
    assert found == [], f"{page.url}\n" + "\n".join(found)


def assert_fits(page: Page) -> None:
    """The page itself never scrolls sideways (a wide table scrolls in a region of its own)."""
    wide = page.evaluate("() => document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert wide <= 0, f"{page.url} is {wide} px wider than the window"
