"""Which mail server takes letters, refuses some and hangs up on some, by whom they are for?

The part of an address before the ``@`` says it: ``nobody`` is refused for good, ``later`` for now, ``busy`` with the
word that it closes, ``gone`` without a word.
"""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

_REFUSED = {"nobody": "550 5.1.1 no such mailbox", "later": "450 4.2.1 not now", "busy": "421 4.3.2 closing"}


@dataclass
class MailServer:
    """Where it listens, and what it took: for whom, and the text."""

    address: str = ""
    taken: list[tuple[str, str]] = field(default_factory=list)


@contextmanager
def mail_server() -> Iterator[MailServer]:
    """Listen until the end."""
    made = MailServer()

    class Conversation(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            recipient = ""
            self._say("220 ready")
            while line := self.rfile.readline().decode():
                word = line.strip().upper()
                if word.startswith("RCPT"):
                    recipient = line[line.index("<") + 1 : line.index(">")]
                    answer = _REFUSED.get(who := recipient.partition("@")[0], "250 fine")
                    if who == "gone":
                        return
                    self._say(answer)
                    if answer.startswith("421"):
                        return
                elif word == "DATA":
                    self._say("354 go on")
                    text = "".join(iter(lambda: self.rfile.readline().decode(), ".\r\n"))
                    made.taken.append((recipient, text))
                    self._say("250 taken")
                else:
                    self._say("221 bye" if word == "QUIT" else "250 fine")

        def _say(self, line: str) -> None:
            self.wfile.write(f"{line}\r\n".encode())

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Conversation) as server:
        made.address = f"localhost:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield made
        finally:
            server.shutdown()
            thread.join()
