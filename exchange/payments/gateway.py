"""What do we ask of whoever carries the money?

In our own words, so that a bank's pages on this machine and a payment company far away look the
same. An outside call happens between two units of work, never within one; asked twice with the same
idempotency key, the gateway answers the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from flask import Flask, current_app
from flask_babel import lazy_gettext as _l

from exchange.errors import Refusal


class ChargeState(StrEnum):
    """What the gateway says of a charge."""

    OPEN = "open"
    PAID = "paid"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Checkout:
    """Where the payer goes to pay, and the gateway's own name for the charge."""

    url: str
    gateway_reference: str


@dataclass(frozen=True, slots=True)
class Charge:
    """A charge as the gateway knows it; its word counts, not that of a message about it."""

    gateway_reference: str
    state: ChargeState
    amount_cents: int


@dataclass(frozen=True, slots=True)
class Request:
    """What is to be paid: how much, for what, under which reference, to come back where."""

    amount_cents: int
    purpose: str
    reference: str
    # A path on this site.
    return_url: str
    idempotency_key: str


class Gateway(Protocol):
    """Carries money from a payer to the exchange."""

    name: str

    def begin(self, request: Request, /) -> Checkout:
        """Open a charge; the same idempotency key again is the same charge."""
        ...

    def status(self, gateway_reference: str, /) -> Charge:
        """Look the charge up. Refuses ``NotFound``."""
        ...


_EXTENSION = "payment_gateway"


class NoGateway(Refusal):
    """Nobody carries money to this exchange: what nobody paid must not count as paid."""

    code = "no_gateway"
    status = 503


def init_app(app: Flask, gateway: Gateway | None) -> None:
    """Say through which gateway this application is paid; None: through none yet."""
    app.extensions[_EXTENSION] = gateway


def present() -> Gateway:
    """The gateway that this application pays through. Refuses ``NoGateway``."""
    gateway: Gateway | None = current_app.extensions[_EXTENSION]
    if gateway is None:
        raise NoGateway(_l("Nothing can be paid here yet: no company that carries the money is connected."))
    return gateway


def is_a(kind: type[Gateway]) -> bool:
    """Whether the gateway is one of this kind."""
    return isinstance(current_app.extensions[_EXTENSION], kind)
