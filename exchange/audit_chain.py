"""Is the audit log still what it was?

The database refuses to change or remove what is written there; whoever owns the database could do it all the same.
So once a day the events that came are hashed onto those before, and the hash is entered in the journal (an entry
without transfers): one that is changed, removed or slipped in afterwards no longer leads to what was sealed, and what
regulators have signed. docs/verification.md says which bytes are hashed.

An event gets its number before its transaction ends. A link therefore reaches only as far as the log did when the
link before was made: that long no transaction lives.
"""

from __future__ import annotations

import base64
import hashlib
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import CheckConstraint, ForeignKey, Row, func, select
from sqlalchemy.orm import Mapped, mapped_column

from exchange import audit
from exchange.audit import AuditEvent
from exchange.database import Base, db, to_microseconds
from exchange.identity.actors import Actor
from exchange.ledger import encoding, journal
from exchange.ledger.journal import LedgerEntry, LedgerKey, Posting

KIND: Final = "audit"
EVERY: Final = timedelta(days=1)
MOST: Final = 500_000
"""Numbers of events that one link spans at most: what has waited for longer becomes several links."""
BEGINNING: Final = bytes(32)
_AT_ONCE: Final = 5_000
_U64: Final = struct.Struct(">Q")
_WORDS: Final = ("action", "subject", "audience", "actor_name", "reason", "facts", "request_id", "address")


class AuditLink(Base):
    """One link of the chain: the events above the last link's ``last_id`` up to its own. Never changed."""

    __tablename__ = "audit_link"
    __table_args__ = (
        CheckConstraint("number > 0 AND events >= 0", name="counted"),
        CheckConstraint("last_id <= highest_id", name="in_order"),
    )

    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    last_id: Mapped[int]
    events: Mapped[int]
    digest: Mapped[bytes]
    # How far the log went, and when it was looked up: up to there the next links reach, a day later.
    highest_id: Mapped[int]
    looked_at: Mapped[datetime]
    entry_id: Mapped[int] = mapped_column(ForeignKey("ledger_entry.id"), unique=True)


@dataclass(frozen=True, slots=True)
class Checked:
    """How many events lead to how many links, and a sentence on each link that they do not lead to."""

    events: int
    links: int
    broken: tuple[str, ...]


def newest() -> AuditLink | None:
    """The link that was made last."""
    return db.session.execute(select(AuditLink).order_by(AuditLink.number.desc()).limit(1)).scalar_one_or_none()


def is_due(now: datetime) -> bool:
    """Whether another link can be made: for the first event, then a day after the last (or the clock was set back)."""
    last = newest()
    if last is None:
        return (
            db.session.execute(select(AuditEvent.id).where(AuditEvent.at <= now - EVERY).limit(1)).first() is not None
        )
    return not last.looked_at <= now < last.looked_at + EVERY


def add_link(*, by: Actor, at: datetime, most: int = MOST) -> AuditLink:
    """Hash what has come onto the chain, and enter it in the journal; the caller knows that it is due.

    Of two who do so at once the later one fails by the chain's key, as a whole.
    """
    before = newest()
    number, first, last, digest = 1, 0, 0, BEGINNING
    highest, looked_at = db.session.execute(select(func.max(AuditEvent.id))).scalar_one() or 0, at
    if before is not None:
        number, first, digest = before.number + 1, before.last_id, before.digest
        last = min(before.highest_id, before.last_id + most)
        if last < before.highest_id:  # not caught up yet: the next one may follow at once
            highest, looked_at = before.highest_id, before.looked_at
    events, digest = _hashed(digest, first, last)
    key = _key(number)
    text = link_text(number, events=events, last_id=last, digest=digest)
    posting = Posting(key, KIND, at.date(), (), details=text, salt=encoding.OPEN_SALT)
    link = AuditLink(
        number=number,
        last_id=last,
        events=events,
        digest=digest,
        highest_id=highest,
        looked_at=looked_at,
        entry_id=journal.post([posting], by=by, at=at)[key],
    )
    db.session.add(link)
    db.session.flush()
    audit.record("audit.chained", f"audit_link:{number}", by=by, at=at, facts=f"events={events}")
    return link


def check(*, tell: Callable[[int], None] = lambda _done: None) -> Checked:
    """Hash the whole log anew, and compare each link with its entry in the journal; ``tell`` is told events read.

    Each link goes on from what the one before says: so a finding names the link that it is in.
    """
    links = {link.number: link for link in db.session.execute(select(AuditLink)).scalars()}
    entered = _entered(max(links, default=0) + 1)
    done, first, digest, broken = 0, 0, BEGINNING, []
    for number in sorted(links.keys() | entered.keys()):
        link, said = links.get(number), entered.get(number)
        if link is None:
            broken.append(f"Link {number} stands in the journal and is gone.")
            continue
        events, found = _hashed(digest, first, link.last_id, tell=lambda here, done=done: tell(done + here))  # type: ignore[misc]
        done += events
        text = link_text(number, events=events, last_id=link.last_id, digest=found)
        if journal.details_digest(encoding.OPEN_SALT, text) != said:
            counts = f"{link.events:,} then, {events:,} now"
            broken.append(
                f"Link {number}, events {first + 1:,} to {link.last_id:,}: not what the journal says ({counts})."
            )
        first, digest = link.last_id, link.digest
    return Checked(done, len(links), tuple(broken))


def _entered(highest: int) -> dict[int, bytes | None]:
    """What the journal says of each link up to a number, where it says anything."""
    found: dict[int, bytes | None] = {}
    for first in range(1, highest + 1, _AT_ONCE):
        keys = {_key(number): number for number in range(first, min(first + _AT_ONCE, highest + 1))}
        rows = select(LedgerKey.key, LedgerEntry.details_digest).join(LedgerEntry, LedgerEntry.id == LedgerKey.entry_id)
        said = db.session.execute(rows.where(LedgerKey.key.in_(keys)))
        found |= {keys[key]: digest for key, digest in said}
    return found


def _key(number: int) -> str:
    return f"audit:{number}"


def link_text(number: int, *, events: int, last_id: int, digest: bytes) -> str:
    """What stands in the journal of a link."""
    return f"pbx-audit/v1\nlink {number}\nevents {events}\nlast {last_id}\ndigest {base64.b64encode(digest).decode()}\n"


def event_bytes(event: Row[Any] | AuditEvent) -> bytes:
    """What is hashed of an event: every column, so that none can be changed."""
    numbers = (_number(event.login_id), _number(event.organization_id))
    words = (_word(getattr(event, name)) for name in _WORDS)
    return b"".join((_U64.pack(event.id), _U64.pack(to_microseconds(event.at)), *numbers, *words))


def _number(value: int | None) -> bytes:
    return b"\x00" if value is None else b"\x01" + _U64.pack(value)


def _word(value: str | None) -> bytes:
    # Not made plain: what somebody wrote is hashed as it stands.
    return b"\x00" if value is None else b"\x01" + encoding.lp(value.encode())


def _hashed(
    before: bytes, first: int, last: int, *, tell: Callable[[int], None] = lambda _done: None
) -> tuple[int, bytes]:
    """How many events lie above ``first`` up to ``last``, and the hash over them and ``before``."""
    hashed, count = hashlib.sha256(b"pbx/audit/v1\0" + before), 0
    for event in _events(first, last):
        hashed.update(event_bytes(event))
        count += 1
        if count % _AT_ONCE == 0:
            tell(count)
    return count, hashed.digest()


def _events(first: int, last: int) -> Iterator[Row[Any]]:
    rows = select(AuditEvent.__table__).where(AuditEvent.id > first, AuditEvent.id <= last).order_by(AuditEvent.id)
    yield from db.session.execute(rows.execution_options(yield_per=_AT_ONCE))
