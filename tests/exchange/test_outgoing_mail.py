"""Are letters sent, once, does a refused one stop no other, and is nothing lost when the server fails?"""

from __future__ import annotations

import smtplib
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from exchange import clock, outgoing_mail
from exchange.database import db, unit_of_work
from exchange.identity.actors import Audience
from exchange.outgoing_mail import OutgoingMail, Sent
from exchange.scheduler import jobs, runner
from exchange.scheduler.records import RunState
from tests.support.mail_server import MailServer, mail_server
from tests.support.signing_in import AT, make_login, sign_in


class Encrypting(smtplib.SMTP):
    """A connection that is not made, but says whether it would be encrypted."""

    def __init__(self, *address: Any, timeout: float = 0) -> None:
        self.address, self.encrypted = address, False

    def starttls(self, *_args: Any, **_kwargs: Any) -> Any:
        self.encrypted = True


@pytest.fixture
def server() -> Iterator[MailServer]:
    with mail_server() as listening:
        yield listening


def write(*recipients: str, subject: str = "Hello", at: datetime = AT) -> None:
    with unit_of_work():
        for recipient in recipients:
            outgoing_mail.write(recipient, subject=subject, body=f"For {recipient}: a secret", at=at)


def send_all(server: MailServer, *, at: datetime = AT) -> list[Sent]:
    """What became of each letter that was due, until the server hung up or none was left."""
    became: list[Sent] = []
    with outgoing_mail.server_at(server.address) as connection:
        while Sent.HUNG_UP not in became:
            with unit_of_work():
                one = outgoing_mail.send_next(connection, sender="us@example.org", at=at)
            if one is None:
                break
            became.append(one)
    return became


def letter(recipient: str) -> OutgoingMail:
    db.session.rollback()
    return db.session.execute(select(OutgoingMail).where(OutgoingMail.recipient == recipient)).scalar_one()


class TestSendNext:
    def test_sends_each_letter_once_and_forgets_its_text(self, app: Flask, server: MailServer) -> None:
        write("ada@example.org", "ben@example.org")

        assert (send_all(server), send_all(server)) == ([Sent.TAKEN, Sent.TAKEN], [])

        assert [recipient for recipient, _text in server.taken] == ["ada@example.org", "ben@example.org"]
        assert "For ada@example.org: a secret" in server.taken[0][1]
        assert set(db.session.execute(select(OutgoingMail.body)).scalars()) == {""}

    @pytest.mark.parametrize(
        ("recipient", "answer"),
        [("nobody@example.org", "550"), ("later@example.org", "450"), ("ñandú@example.org", "address")],
    )
    def test_that_is_refused_stops_no_other(self, app: Flask, server: MailServer, recipient: str, answer: str) -> None:
        write("ada@example.org", recipient, "ben@example.org")

        assert send_all(server) == [Sent.TAKEN, Sent.REFUSED, Sent.TAKEN]

        assert [to for to, _text in server.taken] == ["ada@example.org", "ben@example.org"]
        refused = letter(recipient)
        assert (refused.sent_at, refused.refusals, refused.refused_with) == (None, 1, answer)
        assert "a secret" in refused.body

    @pytest.mark.parametrize("recipient", ["busy@example.org", "gone@example.org"])
    def test_at_which_the_server_hangs_up_is_behind_the_others_the_next_time(
        self, app: Flask, server: MailServer, recipient: str
    ) -> None:
        write("ada@example.org", recipient, "ben@example.org")

        assert (send_all(server), send_all(server)) == ([Sent.TAKEN, Sent.HUNG_UP], [Sent.TAKEN])

        assert [to for to, _text in server.taken] == ["ada@example.org", "ben@example.org"]

    def test_with_a_subject_that_no_letter_can_have_stops_no_other(self, app: Flask, server: MailServer) -> None:
        write("ada@example.org", subject="two\nlines")
        write("ben@example.org")

        assert send_all(server) == [Sent.REFUSED, Sent.TAKEN]

    def test_is_written_to_a_domain_in_any_script(self, app: Flask, server: MailServer) -> None:
        write("ada@bücher.example")

        assert send_all(server) == [Sent.TAKEN]
        assert server.taken[0][0] == "ada@xn--bcher-kva.example"

    def test_is_tried_again_later_and_later_for_two_days_and_then_given_up(
        self, app: Flask, server: MailServer
    ) -> None:
        write("nobody@example.org")
        at, waited = AT, []
        while (due := outgoing_mail.oldest_due(at)) is not None:
            assert send_all(server, at=at) == [Sent.REFUSED]
            assert outgoing_mail.oldest_due(at) is None
            due = letter("nobody@example.org")
            assert due.try_after is not None
            waited.append(due.try_after - at)
            at = due.try_after

        assert waited[:3] == [timedelta(minutes=10), timedelta(minutes=20), timedelta(minutes=40)]
        assert max(waited) == timedelta(hours=12)
        assert timedelta(days=1.5) < sum(waited[:-1], timedelta()) < timedelta(days=3)
        given_up = letter("nobody@example.org")
        assert (given_up.given_up_at is not None, given_up.body) == (True, "")
        assert outgoing_mail.waiting() == outgoing_mail.Waiting(0, None, 0)

    def test_reaches_him_whose_mailbox_is_there_again(self, app: Flask, server: MailServer) -> None:
        write("later@example.org")
        send_all(server)
        with unit_of_work():
            letter("later@example.org").recipient = "now@example.org"

        assert send_all(server, at=AT + timedelta(minutes=9)) == []
        assert send_all(server, at=AT + timedelta(minutes=10)) == [Sent.TAKEN]
        assert "For later@example.org: a secret" in server.taken[0][1]


class TestWaiting:
    def test_counts_those_refused_apart(self, app: Flask, server: MailServer) -> None:
        write("nobody@example.org")
        send_all(server)
        write("ada@example.org", at=AT + timedelta(hours=1))

        assert outgoing_mail.waiting() == outgoing_mail.Waiting(2, AT + timedelta(hours=1), 1)


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
        server = outgoing_mail.server_at(address, connect=Encrypting)

        assert isinstance(server, Encrypting)
        assert (server.address, server.encrypted) == (reached, encrypted)


class TestSendLettersJob:
    def run(self) -> list[RunState]:
        db.session.rollback()
        ran = [one for one in runner.run_due(runner.Hand(runner.this_process())) if one.name == "send-letters"]
        db.session.rollback()
        return [one.state for one in ran]

    def test_is_due_only_where_there_is_a_server_and_a_letter(self, app: Flask) -> None:
        send_letters = jobs.called("send-letters")
        app.config["MAIL_SERVER"] = "localhost:1"
        assert send_letters.due(AT) == []
        write("ada@example.org")
        assert [due.at for due in send_letters.due(AT)] == [AT]

        app.config["MAIL_SERVER"] = None

        assert send_letters.due(AT) == []

    def test_sends_what_can_be_sent_and_comes_back_for_the_rest(self, app: Flask, server: MailServer) -> None:
        app.config["MAIL_SERVER"] = server.address
        now = clock.now()
        write("nobody@example.org", "ada@example.org", at=now - timedelta(minutes=1))

        assert self.run() == [RunState.DONE]

        assert [to for to, _text in server.taken] == ["ada@example.org"]
        send_letters = jobs.called("send-letters")
        assert send_letters.due(now) == []
        (again,) = send_letters.due(now + timedelta(minutes=11))
        assert again.key == f"{letter('nobody@example.org').id}/1"

    def test_fails_where_the_server_hangs_up_and_loses_nothing(self, app: Flask, server: MailServer) -> None:
        app.config["MAIL_SERVER"] = server.address
        write("ada@example.org", "gone@example.org", "ben@example.org", at=clock.now() - timedelta(minutes=1))

        states = self.run()

        assert states[0] is RunState.FAILED
        assert letter("ada@example.org").sent_at is not None
        assert letter("gone@example.org").refused_with == outgoing_mail.HUNG_UP
        assert [to for to, _text in server.taken] == ["ada@example.org", "ben@example.org"][: len(states)]


class TestPage:
    @pytest.mark.parametrize("engine_name", ["sqlite"])
    @pytest.mark.parametrize(
        ("recipient", "words"),
        [
            ("nobody@example.org", "The mail server answered 550."),
            ("gone@example.org", "The mail server hung up."),
            ("ñandú@example.org", "The mail server knows no such form of address."),
        ],
    )
    def test_says_what_the_server_said(
        self, app: Flask, client: FlaskClient, server: MailServer, recipient: str, words: str
    ) -> None:
        write(recipient)
        send_all(server)
        sign_in(client, make_login(Audience.OPERATOR))

        page = client.get("/operator/letters?state=waiting").text

        assert words in page
        assert "1 letter waits to be sent. The mail server refused 1 of them, which is tried again later." in page
        assert "No letters" in client.get("/operator/letters?state=given_up").text
