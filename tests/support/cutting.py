"""What stands between the program and PostgreSQL, to break what passes?

A small proxy that knows one thing of the protocol: a COMMIT is a simple query. It can lose the request before the
server sees it, or the server's reply after it was done, or let the server fail with a state of our choice. In the
place of what is lost the client may be told that the server ends the connection, as one does that is shut down.
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
ADMIN_SHUTDOWN, CRASH_SHUTDOWN = "57P01", "57P02"


def with_farewell(loss: str, sqlstate: str) -> str:
    """A loss at which the client is told good-bye with these words."""
    return f"{loss}: {sqlstate}"


@dataclass
class Proxy:
    """``faults``: what happens to the next COMMITs, one after another: a loss (also ``with_farewell``), an SQLSTATE, or
    nothing (``PASS``). Then all is well.
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
        with client, contextlib.suppress(OSError), socket.create_connection(self.server) as server:
            for end in (client, server):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # a question is several small messages
            back = threading.Thread(target=_pump, args=(server, client), daemon=True)
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
        loss, _, farewell = fault.partition(": ")
        if loss == LOSE_REQUEST:
            _leave(client, farewell)
            server.shutdown(socket.SHUT_RDWR)
            return False
        if loss == LOSE_REPLY:
            _leave(client, farewell)  # nothing reaches it any more, whatever the server says
            server.sendall(message)
            server.sendall(b"X" + struct.pack("!I", 4))  # it commits, then ends: once it is gone, it is committed
            while server.recv(4096):
                pass
            return False
        statement = f"DO $$ BEGIN RAISE EXCEPTION 'on purpose' USING ERRCODE = '{fault}'; END $$".encode() + b"\0"
        server.sendall(b"Q" + struct.pack("!I", len(statement) + 4) + statement)
        return True


def _leave(client: socket.socket, farewell: str) -> None:
    if farewell:
        fields = b"".join(one + b"\0" for one in (b"SFATAL", b"VFATAL", b"C" + farewell.encode(), b"Mgood-bye"))
        # It waits for more, as a pooler does that keeps its end: that the line is dead shows later.
        ready = b"Z" + struct.pack("!I", 5) + b"I"
        client.sendall(b"E" + struct.pack("!I", len(fields) + 5) + fields + b"\0" + ready)
    client.shutdown(socket.SHUT_RDWR)


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
    """Whichever way the source ends, also by a reset: whoever waits for more is not left waiting."""
    with contextlib.suppress(OSError):
        try:
            while part := source.recv(65536):
                target.sendall(part)
        finally:
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
