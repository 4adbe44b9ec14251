"""How many answers a second does a server give, and how long does each take?

A small load generator in a process of its own: one thread, so many connections at once, each asking anew
as soon as it is answered. The server's sync workers close after every answer, so every request connects.
"""

from __future__ import annotations

import json
import selectors
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

CONNECTIONS = 16
AGENT = "load"


@dataclass(frozen=True, slots=True)
class Measured:
    """What a round found: answers, seconds, and milliseconds that the middle and the slowest hundredth took."""

    answers: int
    seconds: float
    median_ms: float
    p99_ms: float

    @property
    def per_second(self) -> float:
        """Answers a second."""
        return self.answers / self.seconds


@dataclass(slots=True)
class Slot:
    """One connection: the request under way, when it began, and what has come back of the answer."""

    request: bytes
    began: float
    sent: bool = False
    head: bytes = b""


def ask(port: int, requests: Sequence[bytes], *, status: int, seconds: float) -> Measured:
    """Ask for ``seconds``, in another process, turning over the requests; every answer must have the status."""
    asked = {"port": port, "requests": [one.decode() for one in requests], "status": status, "seconds": seconds}
    done = subprocess.run(  # noqa: S603 - ourselves
        [sys.executable, str(Path(__file__))], input=json.dumps(asked), capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(done.stderr)
    return Measured(**json.loads(done.stdout))


def request_for(path: str, **headers: str) -> bytes:
    """A GET as a browser would write it; underscores in names of headers stand for hyphens."""
    lines = [
        f"GET {path} HTTP/1.1",
        "Host: localhost",
        "Accept: text/html",
        "Accept-Language: en",
        f"User-Agent: {AGENT}",
    ]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return ("\r\n".join([*lines, "Connection: close"]) + "\r\n\r\n").encode()


def answer_to(port: int, request: bytes) -> tuple[int, dict[str, str], bytes]:
    """Ask once: status, headers in lower case, and body."""
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(request)
        whole = b"".join(iter(lambda: connection.recv(1 << 16), b""))
    head, _, body = whole.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    pairs = (line.partition(": ") for line in lines)
    return int(first.split()[1]), {name.lower(): value for name, _, value in pairs}, body


def main() -> None:
    """Read from standard input what is asked for; write what was measured."""
    asked = json.load(sys.stdin)
    requests = [one.encode() for one in asked["requests"]]
    expected = f" {asked['status']} ".encode()
    took: list[float] = []
    selector = selectors.DefaultSelector()
    began = time.perf_counter()
    until = began + asked["seconds"]
    number = 0
    for number in range(CONNECTIONS):
        _begin(selector, asked["port"], requests[number % len(requests)])
    number += 1
    while selector.get_map():
        for key, _ in selector.select():
            if not _goes_on(selector, key):
                slot: Slot = key.data
                if expected not in slot.head[:16]:
                    sys.exit(f"{slot.request.decode()!r} was answered {slot.head[:200]!r}")
                now = time.perf_counter()
                took.append(now - slot.began)
                if now < until:
                    _begin(selector, asked["port"], requests[number % len(requests)])
                    number += 1
    took.sort()
    found = {
        "answers": len(took),
        "seconds": time.perf_counter() - began,
        "median_ms": round(took[len(took) // 2] * 1_000, 2),
        "p99_ms": round(took[len(took) * 99 // 100] * 1_000, 2),
    }
    sys.stdout.write(json.dumps(found))


def _begin(selector: selectors.BaseSelector, port: int, request: bytes) -> None:
    connection = socket.socket()
    connection.setblocking(False)
    connection.connect_ex(("127.0.0.1", port))
    selector.register(connection, selectors.EVENT_WRITE, Slot(request, time.perf_counter()))


def _goes_on(selector: selectors.BaseSelector, key: selectors.SelectorKey) -> bool:
    """Send or read what there is; False once the answer is complete."""
    connection, slot = key.fileobj, key.data
    assert isinstance(connection, socket.socket)
    if not slot.sent:
        connection.send(slot.request)  # a request is far shorter than the buffer of a socket
        slot.sent = True
        selector.modify(connection, selectors.EVENT_READ, slot)
        return True
    part = connection.recv(1 << 18)
    if not slot.head:
        slot.head = part[:200]
    if part:
        return True
    selector.unregister(connection)
    connection.close()
    return False


if __name__ == "__main__":
    main()
