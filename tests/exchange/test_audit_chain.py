"""Is an event of the audit log that is changed, removed or slipped in afterwards found, and nothing else?"""

from __future__ import annotations

import base64
import hashlib
import struct
from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import select, text
from sqlalchemy.exc import DatabaseError

from exchange import audit, audit_chain
from exchange.audit import AuditEvent
from exchange.audit_chain import AuditLink
from exchange.database import db, in_unit_of_work, is_sqlite, unit_of_work
from exchange.identity.actors import Actor, Audience
from exchange.ledger import encoding, journal
from exchange.ledger.journal import LedgerDetail, LedgerEntry
from exchange.scheduler import jobs
from tests.conftest import Cli
from tests.support.ledger_makers import AT, BY

A_DAY = timedelta(days=1)
RITA = Actor(Audience.REGULATOR, "Rita Moss", login_id=7)


def happen(count: int = 1, *, at: datetime = AT) -> None:
    """So many deeds."""
    with unit_of_work():
        for number in range(count):
            audit.record("test.done", f"thing:{number}", by=RITA, at=at, reason="because: ñ", facts=f"n={number}")


def link(*, at: datetime = AT, most: int = audit_chain.MOST) -> int:
    """Make one more link; how many events it is over."""
    return in_unit_of_work(lambda: audit_chain.add_link(by=BY, at=at, most=most).events)


@pytest.fixture
def chained(app: Flask) -> int:
    """Three links: over nothing, and over what had happened by the days before; the number of the middle event."""
    happen(3)
    assert link() == 0
    happen(2, at=AT + A_DAY)
    assert link(at=AT + A_DAY) == 3
    assert link(at=AT + 2 * A_DAY) == 2 + 2  # the first link is a deed, and its entry in the journal another
    return db.session.execute(select(AuditEvent.id).order_by(AuditEvent.id)).scalars().all()[1]


def as_owner(table: str, *statements: str) -> None:
    """What somebody does who owns the database."""
    with unit_of_work():
        if is_sqlite():
            for deed in ("update", "delete"):
                db.session.execute(text(f"DROP TRIGGER IF EXISTS {table}_no_{deed}"))
        else:
            db.session.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER USER"))
        for statement in statements:
            db.session.execute(text(statement))


def bytes_by_the_book(event: AuditEvent) -> bytes:
    """An event as docs/verification.md says, written a second time."""

    def number(value: int | None) -> bytes:
        return b"\0" if value is None else b"\1" + struct.pack(">Q", value)

    def word(value: str | None) -> bytes:
        return b"\0" if value is None else b"\1" + struct.pack(">I", len(value.encode())) + value.encode()

    instant = (event.at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    numbers = number(event.login_id) + number(event.organization_id)
    words = (event.action, event.subject, event.audience, event.actor_name, event.reason, event.facts)
    asked = word(event.request_id) + word(event.address)
    return struct.pack(">QQ", event.id, instant) + numbers + b"".join(map(word, words)) + asked


class TestAddLink:
    def test_enters_in_the_journal_what_its_events_hash_to(self, chained: int) -> None:
        first, second, third = db.session.execute(select(AuditLink).order_by(AuditLink.number)).scalars()
        events = list(db.session.execute(select(AuditEvent).order_by(AuditEvent.id)).scalars())

        digest = hashlib.sha256(b"pbx/audit/v1\0" + bytes(32)).digest()
        digest = hashlib.sha256(b"pbx/audit/v1\0" + digest + b"".join(map(bytes_by_the_book, events[:3]))).digest()

        assert (first.last_id, first.events) == (0, 0)
        assert (second.last_id, second.events, second.digest) == (events[2].id, 3, digest)
        assert third.last_id > second.last_id
        words = (
            f"pbx-audit/v1\nlink 2\nevents 3\nlast {events[2].id}\n"
            f"digest {base64.b64encode(digest).decode()}\n"
        )  # fmt: skip
        assert db.session.get(LedgerDetail, second.entry_id).details == words  # type: ignore[union-attr]
        entry = db.session.get(LedgerEntry, second.entry_id)
        assert entry is not None
        assert (entry.kind, entry.key) == ("audit", "audit:2")
        assert entry.details_digest == journal.details_digest(encoding.OPEN_SALT, words)

    def test_leaves_out_what_came_since_the_link_before_whose_transactions_may_be_open(self, app: Flask) -> None:
        happen(2)
        link()
        happen(5, at=AT + A_DAY)

        assert link(at=AT + A_DAY) == 2

    def test_catches_up_in_several_links_without_waiting(self, app: Flask) -> None:
        happen(10)
        link()

        assert [link(at=AT + A_DAY, most=4) for _ in range(2)] == [4, 4]
        assert audit_chain.is_due(AT + A_DAY)
        assert link(at=AT + A_DAY, most=4) == 2
        assert not audit_chain.is_due(AT + A_DAY)
        assert audit_chain.check().broken == ()


class TestCheck:
    def test_finds_nothing_where_nothing_was_done(self, chained: int) -> None:
        happen(4, at=AT + 3 * A_DAY)

        checked = audit_chain.check()

        assert (checked.links, checked.broken) == (3, ())
        assert checked.events == 3 + 4

    @pytest.mark.parametrize(
        "statement",
        [
            "UPDATE audit_event SET reason = 'other' WHERE id = :id",
            "UPDATE audit_event SET reason = NULL WHERE id = :id",
            "UPDATE audit_event SET at = at + 1 WHERE id = :id",
            "UPDATE audit_event SET login_id = NULL WHERE id = :id",
            "UPDATE audit_event SET organization_id = 7, login_id = NULL WHERE id = :id",
            "UPDATE audit_event SET facts = reason, reason = facts WHERE id = :id",
            "UPDATE audit_event SET address = '127.0.0.1' WHERE id = :id",
            "DELETE FROM audit_event WHERE id = :id",
        ],
    )
    def test_names_the_link_whose_events_were_changed_and_no_other(self, chained: int, statement: str) -> None:
        as_owner("audit_event", statement.replace(":id", str(chained)))

        (finding,) = audit_chain.check().broken

        assert finding.startswith("Link 2, events 1 to ")

    def test_finds_an_event_that_was_slipped_in(self, chained: int) -> None:
        as_owner("audit_event", f"DELETE FROM audit_event WHERE id = {chained}")
        link(at=AT + 3 * A_DAY)
        again = f"INSERT INTO audit_event (id, at, action, subject, audience, actor_name) VALUES ({chained}"
        as_owner("audit_event", f"{again}, 1, 'test.done', 'thing:1', 'regulator', 'Rita Moss')")

        assert len(audit_chain.check().broken) == 1

    @pytest.mark.parametrize("number", [2, 3])
    def test_finds_a_link_that_was_removed(self, chained: int, number: int) -> None:
        as_owner("audit_link", f"DELETE FROM audit_link WHERE number = {number}")

        assert f"Link {number} stands in the journal and is gone." in audit_chain.check().broken

    def test_finds_a_link_that_was_made_to_fit(self, chained: int) -> None:
        as_owner("audit_event", f"DELETE FROM audit_event WHERE id = {chained}")
        digest = audit_chain._hashed(bytes(32), 0, 0)[1]
        last = db.session.execute(select(AuditLink.last_id).where(AuditLink.number == 2)).scalar_one()
        events, digest = audit_chain._hashed(digest, 0, last)
        written = f"X'{digest.hex()}'" if is_sqlite() else f"'\\x{digest.hex()}'"
        as_owner("audit_link", f"UPDATE audit_link SET events = {events}, digest = {written} WHERE number = 2")

        # The third one was hashed onto the second as it had been.
        assert [finding.partition(",")[0] for finding in audit_chain.check().broken] == ["Link 2", "Link 3"]


class TestAuditLink:
    @pytest.mark.parametrize("statement", ["UPDATE audit_link SET events = 9", "DELETE FROM audit_link"])
    def test_is_refused_by_the_database_to_whoever_would_change_it(self, chained: int, statement: str) -> None:
        with pytest.raises(DatabaseError, match="append-only"), unit_of_work():
            db.session.execute(text(statement))


class TestTheJob:
    def test_is_due_once_a_day_and_after_the_clock_was_set_back(self, app: Flask) -> None:
        def due(at: datetime) -> list[str]:
            return [one.key for one in jobs.called("chain-audit-log").due(at)]

        assert due(AT) == []
        happen()
        assert due(AT) == []
        assert due(AT + A_DAY) == ["1"]
        link(at=AT + A_DAY)
        assert due(AT + 2 * A_DAY - timedelta(seconds=1)) == []
        assert due(AT + 2 * A_DAY) == ["2"]
        assert due(AT) == ["2"]


class TestTheCommand:
    def test_says_how_much_it_read(self, chained: int, cli: Cli) -> None:
        result = cli("audit-log", "check")

        assert result.exit_code == 0
        assert "7 events lead to 3 links of the chain." in result.output

    def test_ends_with_one_when_something_is_not_what_it_was(self, chained: int, cli: Cli) -> None:
        as_owner("audit_event", f"DELETE FROM audit_event WHERE id = {chained}")

        result = cli("audit-log", "check")

        assert result.exit_code == 1
        assert "Link 2, events 1 to 3: not what the journal says (3 then, 2 now)." in result.output
        assert "The audit log is not what it was." in result.output
