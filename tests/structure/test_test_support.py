"""Do the tests stand on what they think they stand on?"""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest
from flask import Flask, g
from playwright.sync_api import Page

from exchange.clock import DemoClock
from exchange.database import db, is_sqlite, unit_of_work
from tests.conftest import Cli, NetworkIsClosed
from tests.support import browser
from tests.support.cutting import Proxy
from tests.support.databases import TestDatabase


class TestDatabaseOfATest:
    @pytest.mark.parametrize("turn", [1, 2])
    def test_holds_nothing_of_the_test_before(self, app: Flask, turn: int) -> None:
        assert db.session.query(DemoClock).count() == 0

        with unit_of_work():
            db.session.add(DemoClock(id=1, offset_us=turn))

        assert db.session.query(DemoClock).count() == 1

    def test_is_of_the_engine_that_it_is_named_after(self, app: Flask, engine_name: str) -> None:
        assert is_sqlite() == (engine_name == "sqlite")

    def test_is_as_new_after_renewal(self, app: Flask, database: TestDatabase) -> None:
        with unit_of_work():
            db.session.add(DemoClock(id=1, offset_us=1))

        database.renew()

        assert db.session.query(DemoClock).count() == 0

    def test_takes_several_connections_at_once(self, app: Flask) -> None:
        def count(_: int) -> int:
            with app.app_context():
                return db.session.query(DemoClock).count()

        with ThreadPoolExecutor(4) as pool:
            assert list(pool.map(count, range(4))) == [0, 0, 0, 0]


class TestVisitor:
    def test_shares_no_context_with_the_test(self, app: Flask) -> None:
        g.person = "who reads the test"
        app.before_request_funcs.setdefault(None, []).insert(0, lambda: str(g.get("person", "nobody")))

        try:
            assert app.test_client().get("/").text == "nobody"
        finally:
            app.before_request_funcs[None].pop(0)


class TestNetwork:
    def test_is_closed(self) -> None:
        with pytest.raises(NetworkIsClosed):
            socket.create_connection(("192.0.2.1", 80), timeout=1)

    def test_knows_no_names(self) -> None:
        with pytest.raises(NetworkIsClosed):
            socket.getaddrinfo("example.org", 80)


class TestCli:
    def test_runs_the_applications_commands(self, app: Flask, cli: Cli) -> None:
        result = cli("--help")

        assert result.exit_code == 0
        assert "Commands" in result.output


class TestServer:
    def test_ends_when_what_was_asked_is_answered(self, app: Flask) -> None:
        asked, may_answer, answered = (threading.Event() for _ in range(3))

        def slowly(environ: object, start_response: Callable[..., object]) -> Iterator[bytes]:
            start_response("200 OK", [])
            asked.set()
            may_answer.wait()
            yield b""
            answered.set()

        with browser.serving(slowly) as address:
            host, port = urlsplit(address).netloc.split(":")
            with socket.create_connection((host, int(port))) as visitor:
                visitor.sendall(b"GET / HTTP/1.0\r\n\r\n")
                asked.wait()
            threading.Timer(0.1, may_answer.set).start()

        assert answered.is_set()


@pytest.mark.journey
class TestBrowser:
    def test_sees_what_the_server_serves_and_nothing_else(self, live_server: str, page: Page) -> None:
        answer = page.goto(live_server + "/no-such-page")

        assert answer is not None
        assert answer.status == 404
        browser.assert_no_third_party(page)

    def test_that_asks_a_third_party_is_caught(self, page: Page) -> None:
        page.set_content('<html lang="en"><title>t</title><img alt="" src="http://example.org/pixel.png"></html>')
        page.wait_for_timeout(200)

        with pytest.raises(AssertionError, match="third party"):
            browser.assert_no_third_party(page)

        browser.watch_anew(page)

    def test_shows_what_is_not_accessible(self, page: Page) -> None:
        page.set_content("<html><img src='data:,'></html>")

        with pytest.raises(AssertionError, match="alternative text"):
            browser.assert_accessible(page)


class TestProxyBeforePostgresql:
    def test_leaves_nobody_waiting_whose_server_resets_the_line(self) -> None:
        reset_at_close = struct.pack("ii", 1, 0)
        with socket.create_server(("127.0.0.1", 0)) as server, socket.create_server(("127.0.0.1", 0)) as listening:
            proxy = Proxy(server.getsockname())
            threading.Thread(target=proxy.serve, args=(listening,), daemon=True).start()
            with socket.create_connection(listening.getsockname(), timeout=10) as client:
                client.sendall(struct.pack("!II", 8, 3 << 16))
                line, _ = server.accept()
                with line:
                    assert len(line.recv(8, socket.MSG_WAITALL)) == 8
                    line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset_at_close)

                assert client.recv(1) == b""
