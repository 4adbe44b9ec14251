"""What was to be paid, what has been, and was it booked once?

A payment is started in one unit of work, the gateway is asked after it, and what the gateway says is
written down in another: marking it paid and booking its purpose are one transaction.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from flask_babel import lazy_gettext as _l
from sqlalchemy import (
    CheckConstraint,
    ColumnElement,
    ForeignKey,
    Index,
    Select,
    false,
    func,
    select,
    text,
    true,
    update,
)
from sqlalchemy.orm import Mapped, mapped_column

from exchange import audit
from exchange.database import Base, Choice, db, in_unit_of_work, insert_or_ignore, one_of
from exchange.errors import NotFound, Refusal
from exchange.identity.access import scope_of
from exchange.identity.actors import Actor, Audience
from exchange.identity.organizations import Organization
from exchange.payments import gateway, purposes
from exchange.payments.gateway import Charge, ChargeState, Request


class PaymentState(StrEnum):
    """Where a payment stands."""

    STARTED = "started"
    PAID = "paid"
    REFUSED = "refused"  # the payer or his bank said no; another payment may follow


MAY_BECOME: Mapping[PaymentState, frozenset[PaymentState]] = {
    PaymentState.STARTED: frozenset({PaymentState.PAID, PaymentState.REFUSED}),
    PaymentState.PAID: frozenset(),
    PaymentState.REFUSED: frozenset(),
}
ACTIONS: Mapping[PaymentState, str] = {
    PaymentState.STARTED: "payment.started",
    PaymentState.PAID: "payment.paid",
    PaymentState.REFUSED: "payment.refused",
}
_AFTER: Mapping[ChargeState, PaymentState] = {
    ChargeState.OPEN: PaymentState.STARTED,
    ChargeState.PAID: PaymentState.PAID,
    ChargeState.REFUSED: PaymentState.REFUSED,
}
_STANDING = "state IN ('started', 'paid')"


class Payment(Base):
    """One attempt to pay for one thing. At most one for each thing is under way or paid."""

    __tablename__ = "payment"
    __table_args__ = (
        one_of("state", PaymentState),
        CheckConstraint("amount_cents > 0", name="amount_positive"),
        CheckConstraint("(state = 'started') = (settled_at IS NULL)", name="settled"),
        CheckConstraint("state <> 'paid' OR gateway_reference IS NOT NULL", name="paid_through_gateway"),
        Index(
            "uq_payment_standing", "purpose", "subject_id",
            unique=True, postgresql_where=text(_STANDING), sqlite_where=text(_STANDING),
        ),
        Index("ix_payment_payer_id", "payer_id"),
    )  # fmt: skip

    id: Mapped[int] = mapped_column(primary_key=True)
    # What for: a purpose that app.py knows, and the id of the remittance, settlement, … No foreign key: it lies above.
    purpose: Mapped[str]
    subject_id: Mapped[int]
    payer_id: Mapped[int] = mapped_column(ForeignKey("organization.id"))
    amount_cents: Mapped[int]
    # What the payer sees at his bank. No personal data.
    reference: Mapped[str]
    state: Mapped[PaymentState] = mapped_column(Choice(PaymentState))
    gateway: Mapped[str]
    # Empty until the gateway has answered.
    gateway_reference: Mapped[str | None] = mapped_column(unique=True)
    # Written before the gateway is asked: after a crash the same question finds the same charge.
    request_key: Mapped[str] = mapped_column(unique=True)
    created_at: Mapped[datetime]
    settled_at: Mapped[datetime | None]


@scope_of(Payment)
def _payments_of(actor: Actor) -> ColumnElement[bool]:
    if actor.audience in {Audience.OPERATOR, Audience.REGULATOR, Audience.SYSTEM}:
        return true()
    if actor.audience in {Audience.EMPLOYER, Audience.PROVIDER}:
        return Payment.payer_id == actor.organization_id
    return false()


class OtherPaymentUnderWay(Refusal):
    """For this thing a payment of another amount, or by somebody else, is under way or done."""

    code = "other_payment_under_way"
    status = 409


class PaymentContradicted(Refusal):
    """The gateway says something else than what we know."""

    code = "payment_contradicted"
    status = 409


def start(
    purpose: str, *, subject_id: int, payer_id: int, amount_cents: int, reference: str, by: Actor, at: datetime
) -> int:
    """Start paying for a thing; the payment's id. Called again with the same, it is the same payment.

    After a refused payment it is a new one. Refuses ``OtherPaymentUnderWay``. Then, when this is
    committed: ``checkout``.
    """
    assert amount_cents > 0, "there is something to pay"
    purposes.named(purpose)
    subject = (Payment.purpose == purpose) & (Payment.subject_id == subject_id)
    attempts = select(func.count()).where(subject, Payment.state == PaymentState.REFUSED)
    row = {
        "purpose": purpose,
        "subject_id": subject_id,
        "payer_id": payer_id,
        "amount_cents": amount_cents,
        "reference": reference,
        "state": PaymentState.STARTED,
        "gateway": gateway.present().name,
        "request_key": f"{purpose}:{subject_id}:{db.session.execute(attempts).scalar_one() + 1}",
        "created_at": at,
    }
    new = db.session.execute(insert_or_ignore(Payment).rows().values(row).returning(Payment.id)).scalar_one_or_none()
    if new is not None:
        audit.record(
            ACTIONS[PaymentState.STARTED],
            f"payment:{new}",
            by=by,
            at=at,
            facts=f"cents={amount_cents} {row['request_key']}",
        )
        return int(new)
    same = (Payment.amount_cents == amount_cents) & (Payment.payer_id == payer_id)
    standing = select(Payment.id).where(subject, same, Payment.state.in_([PaymentState.STARTED, PaymentState.PAID]))
    id_ = db.session.execute(standing).scalar_one_or_none()
    if id_ is None:
        raise OtherPaymentUnderWay(
            _l("A payment of another amount, or by somebody else, is under way for this. Finish that one first.")
        )
    return id_


def checkout(payment_id: int, *, return_url: str) -> str:
    """Where to send the payer: the gateway's page, or ``return_url`` (a path here) when nothing is left to pay.

    Called outside of any unit of work, after the one of ``start``: the gateway is asked in between.
    """
    p = Payment
    row = select(p.state, p.amount_cents, p.purpose, p.reference, p.request_key).where(p.id == payment_id)
    payment = db.session.execute(row).one()
    db.session.rollback()
    if payment.state is not PaymentState.STARTED:
        return return_url
    opened = gateway.present().begin(
        Request(
            payment.amount_cents,
            str(purposes.named(payment.purpose).label),
            payment.reference,
            return_url=return_url,
            idempotency_key=payment.request_key,
        )
    )
    named = (
        update(p)
        .where(p.id == payment_id, p.gateway_reference.is_(None))
        .values(gateway_reference=opened.gateway_reference)
    )
    in_unit_of_work(lambda: db.session.execute(named))
    return opened.url


def record(charge: Charge, *, by: Actor, at: datetime) -> PaymentState:
    """Write down what the gateway says; a payment that becomes paid is booked, in the same transaction.

    However often and by however many at once it is told, a payment is booked once. Refuses
    ``NotFound`` and ``PaymentContradicted``, and whatever the booking refuses: then nothing has changed.
    """
    p = Payment
    payment = db.session.execute(
        select(p.id, p.state, p.purpose, p.subject_id, p.amount_cents)
        .where(p.gateway_reference == charge.gateway_reference)
        .with_for_update()
    ).one_or_none()
    if payment is None:
        raise NotFound(_l("No payment is known under this reference."))
    target: PaymentState = _AFTER[charge.state]
    if payment.state == target:
        return target  # told again
    if target not in MAY_BECOME[payment.state] or charge.amount_cents != payment.amount_cents:
        raise PaymentContradicted(
            _l(
                "The gateway says “%(theirs)s” of a payment that is “%(ours)s” here, or names another amount.",
                theirs=charge.state.value,
                ours=payment.state.value,
            )
        )
    db.session.execute(update(p).where(p.id == payment.id).values(state=target, settled_at=at))
    if target is PaymentState.PAID:
        book = purposes.named(payment.purpose).book
        book(payment.subject_id, payment_id=payment.id, amount_cents=payment.amount_cents, by=by, at=at)
    audit.record(ACTIONS[target], f"payment:{payment.id}", by=by, at=at, facts=f"cents={payment.amount_cents}")
    return target


@dataclass(frozen=True, slots=True)
class Standing:
    """Where paying for a thing stands: its latest payment."""

    payment_id: int
    state: PaymentState
    amount_cents: int
    created_at: datetime
    settled_at: datetime | None


def latest(purpose: str, subject_id: int) -> Standing | None:
    """The latest payment for a thing, if any was started."""
    p = Payment
    rows = (
        select(p.id, p.state, p.amount_cents, p.created_at, p.settled_at)
        .where(p.purpose == purpose, p.subject_id == subject_id)
        .order_by(p.id.desc())
        .limit(1)
    )
    row = db.session.execute(rows).one_or_none()
    return None if row is None else Standing(*row)


def under_way() -> int:
    """How many payments are started and neither paid nor refused."""
    return db.session.execute(select(func.count()).where(Payment.state == PaymentState.STARTED)).scalar_one()


def listed(state: PaymentState | None = None) -> Select[*tuple[Any, ...]]:
    """All payments, the latest first, as a Core select of what the operator's page shows."""
    p = Payment
    rows = select(
        p.id,
        p.purpose,
        p.reference,
        p.amount_cents,
        p.state,
        p.created_at,
        p.settled_at,
        Organization.name.label("payer"),
    ).join(Organization, Organization.id == p.payer_id)
    rows = rows.order_by(p.id.desc())
    return rows if state is None else rows.where(p.state == state)
