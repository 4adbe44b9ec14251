"""Are letters sent, once, and is nothing lost when the server fails?"""

from __future__ import annotations

import smtplib
from contextlib import AbstractContextManager
from email.message import EmailMessage
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from exchange import outgoing_mail
from exchange.database import db, unit_of_work
from exchange.outgoing_mail import OutgoingMail
from exchange.scheduler import jobs
from tests.support.signing_in import AT


class Server(smtplib.SMTP):
    """A mail server that keeps what it is given, and fails at one address."""

    def __init__(self, *address: Any, timeout: float = 0) -> None:
        self.address, self.encrypted = address, False
        self.taken: list[EmailMessage] = []

    def starttls(self, *_args: Any, **_kwargs: Any) -> Any:
        self.encrypted = True

    def send_message(self, msg: Any, *_args: Any, **_kwargs: Any) -> Any:
        if msg["To"] == "broken@example.org":
            raise smtplib.SMTPServerDisconnected
        self.taken.append(msg)

    def __exit__(self, *_args: object) -> None:
        pass


def write(*recipients: str) -> None:
    with unit_of_work():
        for recipient in recipients:
            outgoing_mail.write(recipient, subject="Hello", body=f"For {recipient}: a secret", at=AT)


def send(server: AbstractContextManager[smtplib.SMTP]) -> int:
    with unit_of_work():
        return outgoing_mail.send_waiting(server, sender="us@example.org", at=AT)


class TestSendWaiting:
    def test_sends_each_letter_once_and_forgets_its_text(self, app: Flask) -> None:
        write("ada@example.org", "ben@example.org")
        server = Server()

        assert (send(server), send(server)) == (2, 0)

        assert [message["To"] for message in server.taken] == ["ada@example.org", "ben@example.org"]
        assert "a secret" in server.taken[0].get_content()
        assert set(db.session.execute(select(OutgoingMail.body)).scalars()) == {""}

    def test_keeps_all_when_the_server_fails(self, app: Flask) -> None:
        write("ada@example.org", "broken@example.org")

        with pytest.raises(smtplib.SMTPServerDisconnected):
            send(Server())

        assert db.session.execute(select(OutgoingMail.sent_at)).scalars().all() == [None, None]


class TestServerAt:
    @pytest.mark.parametrize(
        ("address", "reached", "encrypted"),
        [
            ("mail.example.org:587", ("mail.example.org", 587), True),
            ("mail.example.org", ("mail.example.org", 25), True),
            ("localhost:1025", ("localhost", 1025), False),
        ],
    )
    def test_speaks_in_secret_to_any_other_machine(
        self, address: str, reached: tuple[str, int], encrypted: bool
    ) -> None:
        server = outgoing_mail.server_at(address, connect=Server)

        assert isinstance(server, Server)
        assert (server.address, server.encrypted) == (reached, encrypted)


class TestSendLettersJob:
    def test_is_due_only_where_there_is_a_server_and_a_letter(self, app: Flask) -> None:
        send_letters = jobs.called("send-letters")
        app.config["MAIL_SERVER"] = "localhost:1"
        assert send_letters.due(AT) == []
        write("ada@example.org")
        assert [due.at for due in send_letters.due(AT)] == [AT]

        app.config["MAIL_SERVER"] = None

        assert send_letters.due(AT) == []
