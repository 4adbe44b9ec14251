"""What do a projection and a rehearsal come to, where adding up takes longer than anybody waits for a page?

In a small exchange a page adds up what workers have chosen and own while it is asked for. In a large one somebody
asks for it, it is added up in the background, from one state of the database and a piece of all accounts at a time,
and kept as it was at that instant. Whoever waits sees how far it is.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import astuple
from datetime import datetime
from enum import StrEnum
from typing import Final

from sqlalchemy import CheckConstraint, ForeignKey, Index, select, text
from sqlalchemy.orm import Mapped, mapped_column

from enrollment import cutover, dry_run, pieces, rehearsal
from enrollment.cutover import Flow
from enrollment.dry_run import Conservation, Line
from enrollment.models import EnrollmentWindow
from enrollment.rehearsal import Move, Rehearsal
from exchange import audit
from exchange.database import Base, Choice, db, one_of
from exchange.identity.actors import Actor
from exchange.ledger import statements
from exchange.money import Unit
from exchange.policy.document import Policy

SMALL: Final = 20_000
"""Up to so many accounts a page adds up by itself."""


class ReckoningKind(StrEnum):
    """What is added up."""

    PROJECTION = "projection"
    REHEARSAL = "rehearsal"


_WAITS: Final = text("reckoned_at IS NULL")


class Reckoning(Base):
    """One adding up that somebody asked for: what it came to, once it is done."""

    __tablename__ = "reckoning"
    __table_args__ = (
        one_of("kind", ReckoningKind),
        CheckConstraint("(reckoned_at IS NULL) = (result IS NULL)", name="whole"),
        Index("ix_reckoning_window_id_kind", "window_id", "kind", "id"),
        Index(
            "ix_reckoning_waiting", "id",
            postgresql_where=_WAITS, sqlite_where=_WAITS,
        ),
        # Two who ask at the same instant: one asks, and the other's unit of work, repeated, finds what he asked.
        Index(
            "uq_reckoning_waiting", "window_id", "kind",
            unique=True, postgresql_where=_WAITS, sqlite_where=_WAITS,
        ),
    )  # fmt: skip

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[ReckoningKind] = mapped_column(Choice(ReckoningKind))
    window_id: Mapped[int] = mapped_column(ForeignKey("enrollment_window.id"))
    asked_at: Mapped[datetime]
    asked_by_id: Mapped[int | None] = mapped_column(ForeignKey("login.id"))
    # The instant of the state that was added up.
    reckoned_at: Mapped[datetime | None]
    # JSON: lists of whole numbers and codes, no personal data.
    result: Mapped[str | None]


def is_small() -> bool:
    """Whether pages add up by themselves: one look at an index."""
    return pieces.highest_account() <= SMALL


def ask(window: EnrollmentWindow, *, kind: ReckoningKind, by: Actor, at: datetime) -> Reckoning:
    """Have it added up. Asked again before it is done, it is the same one."""
    waiting = awaited(window, kind)
    if waiting is not None:
        return waiting
    made = Reckoning(kind=kind, window_id=window.id, asked_at=at, asked_by_id=by.login_id)
    db.session.add(made)
    db.session.flush()
    audit.record("reckoning.asked", f"reckoning:{made.id}", by=by, at=at, facts=f"{kind.value} window:{window.id}")
    return made


def awaited(window: EnrollmentWindow, kind: ReckoningKind) -> Reckoning | None:
    """The one that was asked for and is not done."""
    r = Reckoning
    rows = select(r).where(r.window_id == window.id, r.kind == kind, r.reckoned_at.is_(None))
    return db.session.execute(rows.order_by(r.id).limit(1)).scalar_one_or_none()


def newest(window: EnrollmentWindow, kind: ReckoningKind) -> Reckoning | None:
    """The last one that is done."""
    r = Reckoning
    rows = select(r).where(r.window_id == window.id, r.kind == kind, r.reckoned_at.is_not(None))
    return db.session.execute(rows.order_by(r.id.desc()).limit(1)).scalar_one_or_none()


def waiting() -> Sequence[Reckoning]:
    """All that are asked for and not done, the oldest first."""
    r = Reckoning
    return db.session.execute(select(r).where(r.reckoned_at.is_(None)).order_by(r.id)).scalars().all()


def called(reckoning_id: int) -> Reckoning:
    """The one with that id, which must exist."""
    return db.session.get_one(Reckoning, reckoning_id)


def reckon(reckoning_id: int, *, policy: Policy, tell: Callable[[int], None], at_once: int = pieces.AT_ONCE) -> str:
    """Add it up from one state of the database: the result as ``note`` keeps it. Only reads.

    The first thing in its transaction. ``tell`` is told after each piece how many accounts were looked at.
    """
    statements.begin_snapshot()
    reckoning = called(reckoning_id)
    window = db.session.get_one(EnrollmentWindow, reckoning.window_id)
    if reckoning.kind is ReckoningKind.PROJECTION:
        return json.dumps([astuple(flow) for flow in _flows(window, tell=tell, at_once=at_once)])
    found = rehearse(window, policy=policy, tell=tell, at_once=at_once)
    return json.dumps(
        {
            "workers": [found.workers, found.of_others],
            "moves": [astuple(move) for move in found.moves],
            "lines": [astuple(line) for line in dry_run.conservation(found).lines],
        }
    )


def note(reckoning: Reckoning, result: str, *, of: datetime, by: Actor, at: datetime) -> None:
    """Keep what it came to, ``of`` the instant when it began to be read."""
    reckoning.reckoned_at, reckoning.result = of, result
    audit.record("reckoning.done", f"reckoning:{reckoning.id}", by=by, at=at)


def rehearse(
    window: EnrollmentWindow, *, policy: Policy, tell: Callable[[int], None], at_once: int = pieces.AT_ONCE
) -> Rehearsal:
    """As ``rehearsal.rehearse``, a piece at a time."""
    found = []
    for piece in pieces.of_all(at_once=at_once):
        found.append(rehearsal.rehearse(window, policy=policy, piece=piece))
        tell(piece.end - 1)
    return rehearsal.together(found)


def _flows(window: EnrollmentWindow, *, tell: Callable[[int], None], at_once: int) -> list[Flow]:
    found: list[Flow] = []
    for piece in pieces.of_all(at_once=at_once):
        found = cutover.together([found, cutover.projected_flows(window, piece=piece)])
        tell(piece.end - 1)
    return found


def flows_of(reckoning: Reckoning) -> list[Flow]:
    """What a projection came to."""
    assert reckoning.result is not None, "it is done"
    return [Flow(*row) for row in json.loads(reckoning.result)]


def report_of(reckoning: Reckoning) -> tuple[Rehearsal, Conservation]:
    """What a rehearsal came to."""
    assert reckoning.result is not None, "it is done"
    kept = json.loads(reckoning.result)
    moves = [
        Move(from_id, to_id, component, becomes, Unit(unit), amount, workers)
        for from_id, to_id, component, becomes, unit, amount, workers in kept["moves"]
    ]
    lines = [Line(org, component, Unit(unit), *amounts) for org, component, unit, *amounts in kept["lines"]]
    return rehearsal.of_moves(moves, *kept["workers"]), dry_run.summed(lines)
