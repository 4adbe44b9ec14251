"""How do tests come to keys and seals in a line each?"""

from __future__ import annotations

from pathlib import Path

from flask import Flask

from exchange.database import in_unit_of_work
from exchange.ledger import keys, seals
from exchange.ledger.keys import KeyRing
from tests.support.ledger_makers import AT, BY

EXCHANGE = "exchange.example"


def make_ring(app: Flask, folder: Path, *providers: str) -> KeyRing:
    """An exchange's keys in ``folder``, and those of some providers (``org-7``); the application uses them."""
    app.config.update(SEAL_KEYS=str(folder), EXCHANGE_ID=EXCHANGE)
    ring = keys.ring()
    keys.new_key(ring.journal_name, folder)
    keys.new_master(folder)
    for provider in providers:
        keys.new_key(ring.provider_name(provider), folder)
    return ring


def seal(ring: KeyRing, *, limit: int = seals.BATCH) -> int:
    """Seal one batch in a unit of work of its own, and publish it."""
    sealed = in_unit_of_work(lambda: seals.seal(ring, by=BY, at=AT, limit=limit))
    seals.publish(ring)
    return sealed
