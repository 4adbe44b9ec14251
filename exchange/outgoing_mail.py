"""Which letters wait to be sent?

A letter is written in the transaction that gives cause for it, and sent afterwards: what is rolled back tells
nobody. Without a mail server letters stay here; a demo shows them.

A letter that the mail server refuses, whatever it says, is tried again later and later, for about two days; meanwhile
all others go out. So neither an address that nobody can be reached at stops the letters of everybody, nor does an hour
of a server that is set up wrongly lose one.
"""

from __future__ import annotations

import smtplib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.message import EmailMessage
from enum import Enum, StrEnum, auto
from typing import Any, Final

import email_validator
from sqlalchemy import ColumnElement, Index, Select, func, or_, select
from sqlalchemy.orm import Mapped, mapped_column

from exchange.database import Base, db

_TIMEOUT_SECONDS = 10
# After its first refusal a letter waits so long, then twice as long each time, up to the longest; then it is given up.
FIRST_WAIT: Final = timedelta(minutes=10)
LONGEST_WAIT: Final = timedelta(hours=12)
REFUSALS_AT_MOST: Final = 10
# The server hangs up after it has said this (RFC 5321 §3.8).
_CLOSING: Final = 421


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
    # How often the mail server refused it, what it said last (a code, or our word for it), and when it is tried again.
    refusals: Mapped[int] = mapped_column(default=0, server_default="0")
    refused_with: Mapped[str | None]
    try_after: Mapped[datetime | None]
    given_up_at: Mapped[datetime | None]


def write(recipient: str, *, subject: str, body: str, at: datetime) -> None:
    """Put a letter among those that wait."""
    db.session.add(OutgoingMail(written_at=at, recipient=recipient, subject=subject, body=body))


def oldest_due(at: datetime) -> OutgoingMail | None:
    """The letter that is to be sent next; None where none is, now."""
    return db.session.execute(_due(at)).scalar_one_or_none()


def _due(at: datetime) -> Select[OutgoingMail]:
    m = OutgoingMail
    return select(m).where(_waits(), or_(m.try_after.is_(None), m.try_after <= at)).order_by(m.id).limit(1)


def _waits() -> ColumnElement[bool]:
    return OutgoingMail.sent_at.is_(None) & OutgoingMail.given_up_at.is_(None)


@dataclass(frozen=True, slots=True)
class Waiting:
    """How many letters wait, since when the oldest that was never refused does, and how many were refused so far."""

    count: int
    since: datetime | None
    refused: int


def waiting() -> Waiting:
    """The letters that are not sent yet, nor given up."""
    m = OutgoingMail
    since = func.min(m.written_at).filter(m.refusals == 0)
    found = select(func.count(), since, func.count().filter(m.refusals > 0)).where(_waits())
    return Waiting(*db.session.execute(found).one())


class State(StrEnum):
    """Where a letter stands."""

    WAITS = "waiting"
    SENT = "sent"
    GIVEN_UP = "given_up"


def listed(state: State | None = None) -> Select[*tuple[Any, ...]]:
    """A SELECT of letters (id, recipient, subject, written_at, sent_at, refused_with, try_after, given_up_at), the
    latest first; None: in any state.
    """
    m = OutgoingMail
    shown = (m.id, m.recipient, m.subject, m.written_at, m.sent_at, m.refused_with, m.try_after, m.given_up_at)
    rows = select(*shown).order_by(m.id.desc())
    match state:
        case State.WAITS:
            return rows.where(_waits())
        case State.SENT:
            return rows.where(m.sent_at.is_not(None))
        case State.GIVEN_UP:
            return rows.where(m.given_up_at.is_not(None))
        case None:
            return rows


class Sent(Enum):
    """What became of a letter."""

    TAKEN = auto()
    REFUSED = auto()
    # As refused; and the server is gone.
    HUNG_UP = auto()


def send_next(server: smtplib.SMTP, *, sender: str, at: datetime) -> Sent | None:
    """Send the oldest letter that is due, or put it off; None where none is. The caller's unit of work keeps that it
    was sent: where that fails it is sent twice, never lost.
    """
    letter = db.session.execute(_due(at).with_for_update(skip_locked=True)).scalar_one_or_none()
    if letter is None:
        return None
    answer = _refusal(server, letter, sender)
    if answer is None:
        letter.sent_at, letter.body = at, ""
        return Sent.TAKEN
    letter.refusals += 1
    letter.refused_with = answer
    letter.try_after = at + min(FIRST_WAIT * 2 ** (letter.refusals - 1), LONGEST_WAIT)
    if letter.refusals == REFUSALS_AT_MOST:
        letter.given_up_at, letter.body = at, ""
    return Sent.HUNG_UP if answer == HUNG_UP else Sent.REFUSED


HUNG_UP: Final = "hung up"
NOT_TO_BE_WRITTEN: Final = "address"


def _refusal(server: smtplib.SMTP, letter: OutgoingMail, sender: str) -> str | None:
    """What the server says against the letter: its code; or that it hung up, or takes no such address."""
    try:
        server.send_message(_message(letter, sender))
    except smtplib.SMTPRecipientsRefused as error:
        code = max(code for code, _words in error.recipients.values())
    except smtplib.SMTPResponseException as error:
        code = error.smtp_code
    except (smtplib.SMTPNotSupportedError, ValueError):
        return NOT_TO_BE_WRITTEN
    except (smtplib.SMTPException, OSError):
        return HUNG_UP
    else:
        return None
    return HUNG_UP if code == _CLOSING else str(code)


def server_at(address: str, connect: Callable[..., smtplib.SMTP] = smtplib.SMTP) -> smtplib.SMTP:
    """A connection to ``host:port``, encrypted from the first letter on unless the server is this machine."""
    host, _, port = address.partition(":")
    server = connect(host, int(port or 25), timeout=_TIMEOUT_SECONDS)
    if host not in {"localhost", "127.0.0.1"}:
        server.starttls()
    return server


def _message(letter: OutgoingMail, sender: str) -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = sender, _in_ascii(letter.recipient), letter.subject
    message.set_content(letter.body)
    return message


def _in_ascii(address: str) -> str:
    """The address with its domain as servers of old know it (RFC 5891); unchanged where there is no such form."""
    try:
        found = email_validator.validate_email(address, check_deliverability=False, test_environment=True)
    except email_validator.EmailNotValidError:
        return address
    return found.ascii_email or address
