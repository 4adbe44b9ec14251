"""How can a payment be clicked through with no network?

A bank of our own making, for demonstrations and tests: its charges are rows, its pages stand in
``exchange/pages/payments.py``. Whoever knows a charge's unguessable name may decide it, as with the
hosted page of a payment company.
"""

from __future__ import annotations

import secrets
from datetime import datetime

from flask import url_for
from flask_babel import lazy_gettext as _l
from sqlalchemy import CheckConstraint, select, update
from sqlalchemy.orm import Mapped, mapped_column

from exchange import clock
from exchange.database import Base, Choice, db, in_unit_of_work, insert_or_ignore, one_of
from exchange.errors import NotFound, Refusal
from exchange.payments.gateway import Charge, ChargeState, Checkout, Request


class LocalCharge(Base):
    """A charge at the local bank. Not ours: the exchange only reads it through ``status``."""

    __tablename__ = "local_charge"
    __table_args__ = (
        one_of("state", ChargeState),
        CheckConstraint("amount_cents > 0", name="amount_positive"),
        CheckConstraint("(state = 'open') = (decided_at IS NULL)", name="decided"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    idempotency_key: Mapped[str] = mapped_column(unique=True)
    amount_cents: Mapped[int]
    purpose: Mapped[str]
    reference: Mapped[str]
    return_url: Mapped[str]
    state: Mapped[ChargeState] = mapped_column(Choice(ChargeState), default=ChargeState.OPEN)
    opened_at: Mapped[datetime]
    decided_at: Mapped[datetime | None]


class AlreadyDecided(Refusal):
    """The payer has said the opposite before."""

    code = "already_decided"
    status = 409


class LocalGateway:
    """The local bank, as a gateway."""

    name = "local"

    def begin(self, request: Request, /) -> Checkout:
        """See ``Gateway``."""
        opened = in_unit_of_work(lambda: self._open(request))
        return Checkout(url_for("local_bank.show", name=opened), opened)

    @staticmethod
    def _open(request: Request) -> str:
        row = {
            "name": secrets.token_urlsafe(16),
            "idempotency_key": request.idempotency_key,
            "amount_cents": request.amount_cents,
            "purpose": request.purpose,
            "reference": request.reference,
            "return_url": request.return_url,
            "state": ChargeState.OPEN,
            "opened_at": clock.now(),
        }
        db.session.execute(insert_or_ignore(LocalCharge).rows(), [row])
        opened = select(LocalCharge.name).where(LocalCharge.idempotency_key == request.idempotency_key)
        return db.session.execute(opened).scalar_one()

    def status(self, gateway_reference: str, /) -> Charge:
        """See ``Gateway``."""
        charge = charge_called(gateway_reference)
        return Charge(charge.name, charge.state, charge.amount_cents)


def charge_called(name: str) -> LocalCharge:
    """The charge of that name. Refuses ``NotFound``."""
    found = db.session.execute(select(LocalCharge).where(LocalCharge.name == name)).scalar_one_or_none()
    if found is None:
        raise NotFound(_l("The bank knows no such payment."))
    return found


def decide(name: str, *, pay: bool, at: datetime) -> None:
    """Pay or refuse; the same again changes nothing. Refuses ``NotFound`` and ``AlreadyDecided``."""
    target = ChargeState.PAID if pay else ChargeState.REFUSED
    c = LocalCharge
    changed = (
        update(c).where(c.name == name, c.state == ChargeState.OPEN).values(state=target, decided_at=at).returning(c.id)
    )
    if db.session.execute(changed).first() is not None:
        return
    if charge_called(name).state is not target:
        raise AlreadyDecided(_l("You have decided on this payment already; it cannot be changed here."))
