"""What does the exchange tell a person or an organization, and has it been read?

A notice is written in the transaction of the deed it tells of. To a person it also goes by mail.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import CheckConstraint, ColumnElement, ForeignKey, Index, func, select, update
from sqlalchemy.orm import Mapped, mapped_column

from exchange import outgoing_mail
from exchange.database import Base, db
from exchange.identity.access import scope_of
from exchange.identity.actors import Actor
from exchange.identity.people import Login

LONGEST_SUBJECT = 200


class Notice(Base):
    """A message to one login, or to everybody who acts for one organization."""

    __tablename__ = "notice"
    __table_args__ = (
        CheckConstraint("(login_id IS NULL) <> (organization_id IS NULL)", name="one_reader"),
        CheckConstraint(f"length(subject) BETWEEN 1 AND {LONGEST_SUBJECT}", name="subject_length"),
        Index("ix_notice_login_id_at", "login_id", "at"),
        Index("ix_notice_organization_id_at", "organization_id", "at"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    login_id: Mapped[int | None] = mapped_column(ForeignKey("login.id"))
    organization_id: Mapped[int | None] = mapped_column(ForeignKey("organization.id"))
    at: Mapped[datetime]
    subject: Mapped[str]
    body: Mapped[str]
    read_at: Mapped[datetime | None]


@scope_of(Notice)
def _readers(actor: Actor) -> ColumnElement[bool]:
    # Comparing with None would mean IS NULL, and reach what is the other kind of reader's.
    own = Notice.login_id.is_not(None) & (Notice.login_id == actor.login_id)
    ours = Notice.organization_id.is_not(None) & (Notice.organization_id == actor.organization_id)
    return own | ours


def notify(
    subject: str,
    *,
    body: str,
    login_id: int | None = None,
    organization_id: int | None = None,
    by: Actor,  # noqa: ARG001 - every operation is told who does it; the deed itself is in the audit
    at: datetime,
) -> None:
    """Tell one login, or the staff of one organization (exactly one of the two is given).

    ``subject`` and ``body`` are plain text in the reader's language. A person gets a letter as well.
    """
    assert (login_id is None) != (organization_id is None), "a notice has one reader"
    db.session.add(Notice(login_id=login_id, organization_id=organization_id, at=at, subject=subject, body=body))
    if login_id is not None:
        address = db.session.execute(select(Login.email).where(Login.id == login_id)).scalar_one()
        outgoing_mail.write(address, subject=subject, body=body, at=at)


def newest(actor: Actor, *, at_most: int) -> Sequence[Notice]:
    """The actor's notices, the newest first."""
    newest_first = select(Notice).where(_readers(actor)).order_by(Notice.at.desc(), Notice.id.desc()).limit(at_most)
    return db.session.execute(newest_first).scalars().all()


def count_unread(actor: Actor) -> int:
    """How many notices nobody has read yet."""
    counted = select(func.count()).select_from(Notice).where(_readers(actor), Notice.read_at.is_(None))
    return db.session.execute(counted).scalar_one()


def mark_read(notice_ids: Sequence[int], *, by: Actor, at: datetime) -> None:
    """The actor has read these; what is not his stays as it is. Twice is once."""
    unread = update(Notice).where(Notice.id.in_(notice_ids), _readers(by), Notice.read_at.is_(None))
    db.session.execute(unread.values(read_at=at), execution_options={"synchronize_session": False})
