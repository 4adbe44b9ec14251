"""What stands between the program and PostgreSQL, to break what passes?

A small proxy that knows one thing of the protocol: a COMMIT is a simple query. It can lose the request before the
server sees it, or the server's reply after it was done, or let the server fail with a state of our choice.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from flask import Flask
from sqlalchemy import event

from exchange.database import db

_COMMIT = b"COMMIT\0"
LOSE_REQUEST = "lose the request"
LOSE_REPLY = "lose the reply"
PASS = "pass"


@dataclass
class Proxy:
    """``faults``: what happens to the next COMMITs, one after another: a loss, an SQLSTATE, or nothing (``PASS``).
    Then all is well.
    """

    server: tuple[str, int]
    faults: deque[str] = field(default_factory=deque)
    # How many faults have happened.
    happened: int = 0

    def serve(self, listening: socket.socket) -> None:
        """Take connections until the socket is closed."""
        with contextlib.suppress(OSError):
            while True:
                client, _ = listening.accept()
                threading.Thread(target=self._relay, args=(client,), daemon=True).start()

    def _relay(self, client: socket.socket) -> None:
        server = socket.create_connection(self.server)
        for end in (client, server):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # a question is several small messages
        back = threading.Thread(target=_pump, args=(server, client), daemon=True)
        with client, server, contextlib.suppress(OSError):
            try:
                _pass_start(client, server)
                back.start()
                self._pass_on(client, server)
            finally:
                server.shutdown(socket.SHUT_RDWR)  # the other thread listens to it: closing alone would not end it

    def _pass_on(self, client: socket.socket, server: socket.socket) -> None:
        while (message := _message(client)) is not None:
            is_commit = message[:1] == b"Q" and message[5:] == _COMMIT
            fault = self.faults.popleft() if is_commit and self.faults else PASS
            if fault == PASS:
                server.sendall(message)
                continue
            self.happened += 1
            if not self._fail(fault, client, server, message):
                return

    @staticmethod
    def _fail(fault: str, client: socket.socket, server: socket.socket, message: bytes) -> bool:
        """Whether the connection lives on."""
        if fault == LOSE_REQUEST:
            client.shutdown(socket.SHUT_RDWR)
            server.shutdown(socket.SHUT_RDWR)
            return False
        if fault == LOSE_REPLY:
            client.shutdown(socket.SHUT_RDWR)  # nothing reaches it any more, whatever the server says
            server.sendall(message)
            server.sendall(b"X" + struct.pack("!I", 4))  # it commits, then ends: once it is gone, it is committed
            while server.recv(4096):
                pass
            return False
        statement = f"DO $$ BEGIN RAISE EXCEPTION 'on purpose' USING ERRCODE = '{fault}'; END $$".encode() + b"\0"
        server.sendall(b"Q" + struct.pack("!I", len(statement) + 4) + statement)
        return True


def _pass_start(client: socket.socket, server: socket.socket) -> None:
    """The first messages have no letter: a question for encryption, which the server answers, and who it is."""
    while True:
        length = _exactly(client, 4)
        rest = _exactly(client, struct.unpack("!I", length)[0] - 4)
        server.sendall(length + rest)
        if struct.unpack("!I", rest[:4])[0] >> 16 == 3:
            return
        client.sendall(_exactly(server, 1))


def _message(client: socket.socket) -> bytes | None:
    kind = client.recv(1)
    if not kind:
        return None
    length = _exactly(client, 4)
    return kind + length + _exactly(client, struct.unpack("!I", length)[0] - 4)


def _exactly(source: socket.socket, count: int) -> bytes:
    got = b""
    while len(got) < count:
        part = source.recv(count - len(got))
        if not part:
            raise OSError("closed")
        got += part
    return got


def _pump(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while part := source.recv(65536):
            target.sendall(part)
        target.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def proxy_before(app: Flask) -> Iterator[Proxy]:
    """Let the application, whose context is pushed, reach its database through a proxy."""
    url = db.engine.url
    proxy = Proxy((url.host or "127.0.0.1", url.port or 5432))
    listening = socket.create_server(("127.0.0.1", 0))
    port = listening.getsockname()[1]

    def reroute(_dialect: object, _record: object, _args: object, parameters: dict[str, object]) -> None:
        parameters.update(host="127.0.0.1", port=port)

    threading.Thread(target=proxy.serve, args=(listening,), daemon=True).start()
    db.session.remove()
    db.engine.dispose()
    event.listen(db.engine, "do_connect", reroute)
    try:
        yield proxy
    finally:
        event.remove(db.engine, "do_connect", reroute)
        db.session.remove()
        db.engine.dispose()
        listening.close()
