"""What is done with a payment once it is paid?

A table from purpose to the function that books it. Payments lie below the packages that know about
remittances or settlements, so ``app.py`` fills it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from flask import Flask, current_app
from flask_babel import LazyString

from exchange.identity.actors import Actor

_EXTENSION = "payment_purposes"


class Booking(Protocol):
    """Books a paid payment; runs in the transaction that marks it paid, once for each payment."""

    def __call__(self, subject_id: int, /, *, payment_id: int, amount_cents: int, by: Actor, at: datetime) -> None:
        """Book it. A refusal leaves the payment as it was."""
        ...


@dataclass(frozen=True, slots=True)
class Purpose:
    """What a payment can be for: its name on pages, and how it is booked."""

    label: str | LazyString
    book: Booking


def init_app(app: Flask, purposes: Mapping[str, Purpose]) -> None:
    """Say what payments can be for."""
    app.extensions[_EXTENSION] = dict(purposes)


def named(name: str) -> Purpose:
    """The purpose of that name; asking for another one is a programming error."""
    purposes: Mapping[str, Purpose] = current_app.extensions.get(_EXTENSION, {})
    assert name in purposes, f"no purpose of payments is called {name}"
    return purposes[name]
