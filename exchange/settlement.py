"""What do organizations owe one another after a cutover, gross and net?

Every worker's transfer from one organization to another is a gross obligation to hand over its cash.
Cash is netted multilaterally: one figure for each organization, summing to zero, so that at most one
payment each is needed. Leave minutes carry no cash of their own: their value is in the cents.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask_babel import lazy_gettext as _l
from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Select, UniqueConstraint, func, insert, select
from sqlalchemy.orm import Mapped, mapped_column

from exchange import audit
from exchange.database import Base, db
from exchange.errors import NotFound
from exchange.identity.actors import Actor
from exchange.ledger import invariants


class SettlementBatch(Base):
    """One netting: of all switches of a cutover, or of those that took effect on one day."""

    __tablename__ = "settlement_batch"

    id: Mapped[int] = mapped_column(primary_key=True)
    # The deed that is netted, e.g. "cutover:2027"; netted once.
    reference: Mapped[str] = mapped_column(unique=True)
    effective_at: Mapped[datetime]
    netted_at: Mapped[datetime]


class SettlementObligation(Base):
    """Gross: what one organization must hand to another for the workers who went, by component."""

    __tablename__ = "settlement_obligation"
    __table_args__ = (
        CheckConstraint("payer_id <> payee_id", name="two_organizations"),
        CheckConstraint("amount_cents > 0", name="positive"),
    )

    batch_id: Mapped[int] = mapped_column(ForeignKey("settlement_batch.id"), primary_key=True, autoincrement=False)
    payer_id: Mapped[int] = mapped_column(ForeignKey("organization.id"), primary_key=True, autoincrement=False)
    payee_id: Mapped[int] = mapped_column(ForeignKey("organization.id"), primary_key=True, autoincrement=False)
    component: Mapped[str] = mapped_column(primary_key=True)
    amount_cents: Mapped[int]
    workers: Mapped[int]


class SettlementPosition(Base):
    """Net: what an organization is owed (positive) or owes (negative) in a batch."""

    __tablename__ = "settlement_position"
    __table_args__ = (UniqueConstraint("batch_id", "organization_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    batch_id: Mapped[int] = mapped_column(ForeignKey("settlement_batch.id"))
    organization_id: Mapped[int] = mapped_column(ForeignKey("organization.id"))
    net_cents: Mapped[int]


@dataclass(frozen=True, slots=True)
class Gross:
    """One gross obligation to be netted: ``amount_cents`` ≥ 1 from payer to payee for a component."""

    payer_id: int
    payee_id: int
    component: str
    amount_cents: int
    workers: int


def positions_of(obligations: list[Gross]) -> Mapping[int, int]:
    """Net cents by organization: what comes in less what goes out. Sums to zero."""
    net: dict[int, int] = {}
    for owed in obligations:
        net[owed.payer_id] = net.get(owed.payer_id, 0) - owed.amount_cents
        net[owed.payee_id] = net.get(owed.payee_id, 0) + owed.amount_cents
    assert sum(net.values()) == 0, "what one pays another receives"
    return net


def settle(
    reference: str, *, obligations: list[Gross], effective_at: datetime, by: Actor, at: datetime
) -> SettlementBatch:
    """Write a batch with its gross obligations and net positions; called again it returns the one there is."""
    existing = db.session.execute(
        select(SettlementBatch).where(SettlementBatch.reference == reference)
    ).scalar_one_or_none()
    if existing is not None:
        return existing
    batch = SettlementBatch(reference=reference, effective_at=effective_at, netted_at=at)
    db.session.add(batch)
    db.session.flush()
    gross = [
        {
            "batch_id": batch.id,
            "payer_id": owed.payer_id,
            "payee_id": owed.payee_id,
            "component": owed.component,
            "amount_cents": owed.amount_cents,
            "workers": owed.workers,
        }
        for owed in obligations
    ]
    if gross:
        db.session.execute(insert(SettlementObligation), gross)
        net = positions_of(obligations)
        db.session.execute(
            insert(SettlementPosition),
            [{"batch_id": batch.id, "organization_id": id_, "net_cents": cents} for id_, cents in sorted(net.items())],
        )
    audit.record("settlement.netted", f"settlement:{batch.id}", by=by, at=at, facts=f"obligations={len(gross)}")
    return batch


# --- looking back ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Summary:
    """One batch in a line: all gross obligations, and the cash that has to move after netting, in cents."""

    id: int
    reference: str
    effective_at: datetime
    netted_at: datetime
    gross_cents: int
    net_cents: int
    payments: int


@dataclass(frozen=True, slots=True)
class Pair:
    """Gross: what one organization hands to another for one component."""

    payer_id: int
    payee_id: int
    component: str
    amount_cents: int
    workers: int


def batches() -> Select[*tuple[Any, ...]]:
    """A SELECT of every batch (the columns of ``Summary``), the latest first."""
    b, o, p = SettlementBatch, SettlementObligation, SettlementPosition
    gross = select(func.sum(o.amount_cents).cast(BigInteger)).where(o.batch_id == b.id).scalar_subquery()
    owing = (p.batch_id == b.id, p.net_cents < 0)
    net = select(func.sum(-p.net_cents).cast(BigInteger)).where(*owing).scalar_subquery()
    payments = select(func.count()).select_from(p).where(*owing).correlate(b).scalar_subquery()
    return select(
        b.id,
        b.reference,
        b.effective_at,
        b.netted_at,
        func.coalesce(gross, 0).label("gross_cents"),
        func.coalesce(net, 0).label("net_cents"),
        payments.label("payments"),
    ).order_by(b.id.desc())


def summary_of(batch_id: int) -> Summary:
    """One batch; ``NotFound`` where there is none."""
    row = db.session.execute(batches().where(SettlementBatch.id == batch_id)).one_or_none()
    if row is None:
        raise NotFound(_l("There is no such settlement."))
    return Summary(*row)


def id_of(reference: str) -> int | None:
    """The batch that netted a deed; None where there is none."""
    b = SettlementBatch
    return db.session.execute(select(b.id).where(b.reference == reference)).scalar_one_or_none()


def pairs_of(batch_id: int) -> list[Pair]:
    """The gross obligations of a batch, the largest first."""
    o = SettlementObligation
    rows = (
        select(o.payer_id, o.payee_id, o.component, o.amount_cents, o.workers)
        .where(o.batch_id == batch_id)
        .order_by(o.amount_cents.desc(), o.payer_id, o.payee_id, o.component)
    )
    return [Pair(*row) for row in db.session.execute(rows)]


def nets_of(batch_id: int) -> dict[int, int]:
    """Each organization's net position in a batch: owed to it, or (negative) owed by it, in cents."""
    p = SettlementPosition
    rows = select(p.organization_id, p.net_cents).where(p.batch_id == batch_id).order_by(p.net_cents.desc(), p.id)
    return dict(db.session.execute(rows).all())


@invariants.rule(8, _l("settlement sums to zero and equals the gross pairs"))
def _nets_equal_gross() -> list[str]:
    o, p = SettlementObligation, SettlementPosition
    outgoing = select(o.batch_id, o.payer_id.label("organization_id"), (-o.amount_cents).label("cents"))
    incoming = select(o.batch_id, o.payee_id, o.amount_cents)
    netted = select(p.batch_id, p.organization_id, (-p.net_cents).label("cents"))
    everything = outgoing.union_all(incoming, netted).subquery()
    off = (
        select(everything.c.batch_id, everything.c.organization_id, func.sum(everything.c.cents).cast(BigInteger))
        .group_by(everything.c.batch_id, everything.c.organization_id)
        .having(func.sum(everything.c.cents) != 0)
        .limit(invariants.FIRST)
    )
    return [
        f"settlement {batch}, organization {org}: the net is off by {cents} cents"
        for batch, org, cents in db.session.execute(off)
    ]
