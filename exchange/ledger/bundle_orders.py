"""Who asked for a bundle of the books and why, where does it lie, and who took it?

A bundle of millions of entries takes minutes to write: a regulator asks, a job writes the file, he takes
it when it is there, as often as his line breaks. Asking and taking stand in the audit log. The file is
for some days only; another one can always be asked for.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from flask import current_app
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from sqlalchemy import CheckConstraint, ColumnElement, ForeignKey, Index, false, select, text, true
from sqlalchemy.orm import Mapped, mapped_column

from exchange import audit, notices
from exchange.database import Base, db
from exchange.errors import NotAllowed, NotFound, Refusal
from exchange.identity.access import scope_of
from exchange.identity.actors import Actor, Audience
from exchange.ledger import bundle
from exchange.ledger.bundle import Tell, Written
from exchange.ledger.keys import KeyRing

KEPT: Final = timedelta(days=3)
_OWNER_ONLY: Final = 0o700


class BundleOrder(Base):
    """A bundle that a regulator asked for: the file that was written, until it is removed."""

    __tablename__ = "bundle_order"
    __table_args__ = (
        CheckConstraint(
            "(written_at IS NULL) = (entries IS NULL) AND (written_at IS NULL) = (length IS NULL)"
            " AND (written_at IS NULL) = (sha256 IS NULL)",
            name="written_whole",
        ),
        CheckConstraint("removed_at IS NULL OR written_at IS NOT NULL", name="removed_after_written"),
        Index(
            "ix_bundle_order_waiting", "id",
            postgresql_where=text("written_at IS NULL"), sqlite_where=text("written_at IS NULL"),
        ),
    )  # fmt: skip

    id: Mapped[int] = mapped_column(primary_key=True)
    asked_at: Mapped[datetime]
    asked_by_id: Mapped[int | None] = mapped_column(ForeignKey("login.id"))
    reason: Mapped[str]
    # With the leaves, which name workers and say what each of them has.
    confidential: Mapped[bool]
    written_at: Mapped[datetime | None]
    entries: Mapped[int | None]
    length: Mapped[int | None]
    sha256: Mapped[str | None]
    removed_at: Mapped[datetime | None]

    @property
    def file_name(self) -> str:
        """What the file is called on the regulator's machine."""
        return f"books-{self.id}{'' if self.confidential else '-without-names'}.zip"

    @property
    def kept_until(self) -> datetime | None:
        """When the file is removed."""
        return None if self.written_at is None else self.written_at + KEPT


class NotThere(Refusal):
    """The file is not written yet, or not any more."""

    code = "bundle_not_there"
    status = 409


@scope_of(BundleOrder)
def _orders_of(actor: Actor) -> ColumnElement[bool]:
    """Every regulator sees what any of them asked for."""
    return true() if actor.audience in {Audience.REGULATOR, Audience.SYSTEM} else false()


# --- asking and taking ----------------------------------------------------------------------------


def ask(*, reason: str, confidential: bool, by: Actor, at: datetime) -> BundleOrder:
    """A regulator asks for a bundle. Asked again before it is written, it is the same order."""
    if by.audience is not Audience.REGULATOR:
        raise NotAllowed(_l("Only a regulator can ask for the books."))
    o = BundleOrder
    same = (o.written_at.is_(None), o.asked_by_id == by.login_id, o.confidential == confidential)
    waiting = db.session.execute(select(o).where(*same).limit(1)).scalar_one_or_none()
    if waiting is not None:
        return waiting
    order = BundleOrder(asked_at=at, asked_by_id=by.login_id, reason=reason, confidential=confidential)
    db.session.add(order)
    db.session.flush()
    audit.record("bundle.asked", _subject(order), by=by, at=at, reason=reason, facts=_kind(order))
    return order


def take(order: BundleOrder, *, by: Actor, at: datetime) -> None:
    """Somebody takes the file: it is written down before the first byte leaves. Refuses ``NotThere``."""
    file_of(order)
    audit.record(
        "bundle.taken", _subject(order), by=by, at=at, reason=order.reason, facts=f"{_kind(order)} {order.sha256}"
    )


def file_of(order: BundleOrder) -> Path:
    """Where the file lies. Refuses ``NotThere``."""
    path = _path(order)
    if order.written_at is None or order.removed_at is not None or not path.is_file():
        raise NotThere(_l("There is no such file now: ask for another bundle."))
    return path


def listed(*, at_most: int) -> Sequence[BundleOrder]:
    """The newest first."""
    return db.session.execute(select(BundleOrder).order_by(BundleOrder.id.desc()).limit(at_most)).scalars().all()


# --- writing and removing -------------------------------------------------------------------------


def waiting() -> Sequence[BundleOrder]:
    """What is asked for and not written, the oldest first."""
    o = BundleOrder
    return db.session.execute(select(o).where(o.written_at.is_(None)).order_by(o.id)).scalars().all()


def outlived(at: datetime) -> Sequence[BundleOrder]:
    """Whose files are there for longer than they should be."""
    o = BundleOrder
    return db.session.execute(select(o).where(o.written_at <= at - KEPT, o.removed_at.is_(None))).scalars().all()


def called(order_id: int) -> BundleOrder:
    """An order by its number. ``NotFound``."""
    found = db.session.get(BundleOrder, order_id)
    if found is None:
        raise NotFound(_l("There is no such page or record, or it is not yours to see."))
    return found


def write(order: BundleOrder, *, keys: KeyRing, at: datetime, tell: Tell) -> Written:
    """Write the file; outside of a unit of work, as ``bundle.write``. Written again it takes the other's place.

    Under its own name it stands only when it is whole and on the disk.
    """
    path, confidential = _path(order), order.confidential
    path.parent.mkdir(mode=_OWNER_ONLY, parents=True, exist_ok=True)
    draft = path.with_suffix(".part")
    written = bundle.write(draft, keys=keys, at=at, confidential=confidential, tell=tell)
    with draft.open("rb") as file:
        os.fsync(file.fileno())
    draft.replace(path)
    return written


def note_written(order: BundleOrder, written: Written, *, by: Actor, at: datetime) -> None:
    """The file is there: tell who asked for it."""
    order.written_at, order.entries = at, written.entries
    order.length, order.sha256 = written.length, written.sha256
    bundle.note_written(written, by=by, at=at)
    if order.asked_by_id is not None:
        notices.notify(
            _("Your bundle of the books is written"),
            body=_(
                "Bundle %(number)s holds %(entries)s entries. It can be taken until %(until)s. "
                "Compare the file with this SHA-256 before you use it: %(sha256)s",
                number=order.id,
                entries=written.entries,
                until=f"{order.kept_until:%Y-%m-%d %H:%M} UTC",
                sha256=written.sha256,
            ),
            login_id=order.asked_by_id,
            by=by,
            at=at,
        )


def remove(order: BundleOrder, *, by: Actor, at: datetime) -> None:
    """Remove the file; who asked for it, and its SHA-256, stay on record. Twice is once."""
    _path(order).unlink(missing_ok=True)
    if order.removed_at is None:
        order.removed_at = at
        audit.record("bundle.removed", _subject(order), by=by, at=at)


def _path(order: BundleOrder) -> Path:
    return Path(current_app.config["BUNDLES"]).joinpath(f"{order.id}.zip")


def _subject(order: BundleOrder) -> str:
    return f"bundle:{order.id}"


def _kind(order: BundleOrder) -> str:
    return "with names" if order.confidential else "without names"
