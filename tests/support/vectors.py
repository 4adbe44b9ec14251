"""Where do the vectors stand that pin the formulas of the seals, and how are they read?"""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from exchange.ledger.encoding import SealedEntry, SealedTransfer
from exchange.ledger.liabilities import Opening, Scope, Subject
from exchange.money import Unit
from tests.support import real_data

FILE = Path(__file__).parents[1] / "exchange" / "ledger" / "vectors.json"


def vectors(part: str) -> Any:
    """One part of the vectors: ``journal`` or ``liabilities``."""
    return json.loads(FILE.read_text(encoding="utf-8"))[part]


def entry_of(found: Any) -> SealedEntry:
    """An entry of the vectors in our words."""
    transfers = [SealedTransfer(a, b, Unit(unit), amount) for a, b, unit, amount in found["transfers"]]
    return SealedEntry(
        entry_id=found["entry_id"],
        key=found["key"],
        posted_at_us=found["posted_at_us"],
        effective_on=date.fromisoformat(found["effective_on"]),
        kind=found["kind"],
        details_digest=bytes.fromhex(found["details_digest"]) if found["details_salt"] else None,
        transfers=transfers,
    )


def scope() -> Scope:
    """The tree of the vectors."""
    found = vectors("liabilities")
    return Scope(
        exchange=found["exchange"],
        provider=found["provider"],
        component=found["component"],
        unit=Unit(found["unit"]),
        as_of=date.fromisoformat(found["as_of"]),
        journal_size=found["journal_size"],
        journal_root=bytes.fromhex(found["journal_root"]),
        period_salt=bytes.fromhex(found["period_salt"]),
    )


def opening(found: Any) -> Opening:
    """A leaf's opening of the vectors."""
    who = Subject(found["account_number"], found["email"], found["legal_name"])
    return Opening(bytes.fromhex(found["nonce"]), who, found["balance"])


def rfc6962(kind: str) -> list[tuple[str, Any]]:
    """The published proofs of one kind (``inclusion``, ``consistency``) by name, or the test skips."""
    folder = real_data.FOLDER / "rfc6962" / kind
    if not folder.is_dir():
        pytest.skip(f"real data is not here (REAL_DATA names its folder): rfc6962/{kind}")
    paths = sorted(folder.glob("**/*.json"))
    return [(str(path.relative_to(folder)), json.loads(path.read_text(encoding="utf-8"))) for path in paths]
