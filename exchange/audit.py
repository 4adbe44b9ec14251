"""Who did what, when and why?  Written in the same transaction as the deed, and never changed."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from flask import g, has_request_context, request
from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column

from exchange.bulk import Prepared
from exchange.database import Base, to_microseconds
from exchange.identity.actors import Actor


class AuditEvent(Base):
    """One deed: the actor, the action (``noun.verb``), its subject (``kind:id``) and the reason given."""

    __tablename__ = "audit_event"
    __table_args__ = (Index("ix_audit_event_subject", "subject"), Index("ix_audit_event_at", "at"))

    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime]
    action: Mapped[str]
    subject: Mapped[str]
    audience: Mapped[str]
    actor_name: Mapped[str]
    # Opaque ids: a login that is forgotten leaves its number here and nothing else.
    login_id: Mapped[int | None]
    organization_id: Mapped[int | None]
    reason: Mapped[str | None]
    # What changed, in plain figures; no personal data.
    facts: Mapped[str | None]
    request_id: Mapped[str | None]
    address: Mapped[str | None]


def record(
    action: str, subject: str, *, by: Actor, at: datetime, reason: str | None = None, facts: str | None = None
) -> None:
    """Write the deed down. ``subject`` is ``kind:id``; ``facts`` holds figures, never personal data."""
    written = event(action, subject, by=by, at=at, reason=reason, facts=facts)
    _WRITE.run(**{**written, "at": to_microseconds(at)})


_COLUMNS: Final = (
    "at", "action", "subject", "audience", "actor_name", "login_id", "organization_id", "reason", "facts", "request_id",
    "address",
)  # fmt: skip
_WRITE: Final = Prepared(
    f"INSERT INTO audit_event ({', '.join(_COLUMNS)}) VALUES ({', '.join(f'{{{name}}}' for name in _COLUMNS)})",  # noqa: S608 - our own names
    values=_COLUMNS,
)


def event(
    action: str, subject: str, *, by: Actor, at: datetime, reason: str | None = None, facts: str | None = None
) -> dict[str, Any]:
    """The row that ``record`` writes, by the names of its columns; for the ledger, which writes it with its own."""
    in_request = has_request_context()
    return {
        "at": at,
        "action": action,
        "subject": subject,
        "audience": by.audience.value,
        "actor_name": by.name,
        "login_id": by.login_id,
        "organization_id": by.organization_id,
        "reason": reason,
        "facts": facts,
        "request_id": g.get("request_id") if in_request else None,
        "address": request.remote_addr if in_request else None,
    }
