"""Which letters wait to be sent?

A letter is written in the transaction that gives cause for it, and sent afterwards: what is rolled back tells
nobody. Without a mail server letters stay here; a demo shows them.
"""

from __future__ import annotations

import smtplib
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from typing import Any

from sqlalchemy import Index, Select, func, select
from sqlalchemy.orm import Mapped, mapped_column

from exchange.database import Base, db

AT_ONCE = 100
_TIMEOUT_SECONDS = 10


class OutgoingMail(Base):
    """One letter. Its text is forgotten when it is sent: it may hold a key to somebody's account."""

    __tablename__ = "outgoing_mail"
    __table_args__ = (Index("ix_outgoing_mail_sent_at_id", "sent_at", "id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    written_at: Mapped[datetime]
    recipient: Mapped[str]
    subject: Mapped[str]
    body: Mapped[str]
    sent_at: Mapped[datetime | None]


def write(recipient: str, *, subject: str, body: str, at: datetime) -> None:
    """Put a letter among those that wait."""
    db.session.add(OutgoingMail(written_at=at, recipient=recipient, subject=subject, body=body))


def oldest_waiting() -> OutgoingMail | None:
    """The letter that waits longest."""
    oldest = select(OutgoingMail).where(OutgoingMail.sent_at.is_(None)).order_by(OutgoingMail.id).limit(1)
    return db.session.execute(oldest).scalar_one_or_none()


@dataclass(frozen=True, slots=True)
class Waiting:
    """How many letters wait, and since when the oldest does."""

    count: int
    since: datetime | None


def waiting() -> Waiting:
    """The letters that are not sent yet."""
    unsent = select(func.count(), func.min(OutgoingMail.written_at)).where(OutgoingMail.sent_at.is_(None))
    return Waiting(*db.session.execute(unsent).one())


def listed(*, is_sent: bool | None = None) -> Select[*tuple[Any, ...]]:
    """A SELECT of letters (id, recipient, subject, written_at, sent_at), the latest first; None: all of them."""
    m = OutgoingMail
    rows = select(m.id, m.recipient, m.subject, m.written_at, m.sent_at).order_by(m.id.desc())
    if is_sent is None:
        return rows
    return rows.where(m.sent_at.is_not(None) if is_sent else m.sent_at.is_(None))


def send_waiting(server: AbstractContextManager[smtplib.SMTP], *, sender: str, at: datetime) -> int:
    """Send what waits, oldest first, at most 100; gives how many. The caller's unit of work keeps that they were.

    When the server fails half-way, its error is raised and the unit of work with it: some letters may then be sent
    twice, none is lost.
    """
    oldest = select(OutgoingMail).where(OutgoingMail.sent_at.is_(None)).order_by(OutgoingMail.id).limit(AT_ONCE)
    waiting = db.session.execute(oldest.with_for_update(skip_locked=True)).scalars().all()
    if not waiting:
        return 0
    with server as connection:
        for letter in waiting:
            connection.send_message(_message(letter, sender))
            letter.sent_at, letter.body = at, ""
    return len(waiting)


def server_at(address: str, connect: Callable[..., smtplib.SMTP] = smtplib.SMTP) -> smtplib.SMTP:
    """A connection to ``host:port``, encrypted from the first letter on unless the server is this machine."""
    host, _, port = address.partition(":")
    server = connect(host, int(port or 25), timeout=_TIMEOUT_SECONDS)
    if host not in {"localhost", "127.0.0.1"}:
        server.starttls()
    return server


def _message(letter: OutgoingMail, sender: str) -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = sender, letter.recipient, letter.subject
    message.set_content(letter.body)
    return message
