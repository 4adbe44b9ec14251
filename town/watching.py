"""How does the demonstration's regulator watch the journal?  With the stand-alone witness, as a real one would.

Its key, what it saw last and its copy of the statements stand in a folder of their own: in earnest on the
regulator's machine, where the exchange does not come.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Final

from exchange.database import in_unit_of_work
from exchange.identity.actors import system_actor
from exchange.ledger import cosigning
from exchange.ledger.keys import KeyRing
from verifier import witness

NAME: Final = "regulator.example"
BY: Final = system_actor("demo:regulator")


def look(ring: KeyRing, url: str, *, at: datetime, fetch: witness.Fetch = witness.fetched) -> int:
    """Check what is new at the exchange's address, sign it and hand it back; gives how many notes got a signature.

    Raises ``ValueError`` or ``OSError`` when the witness refuses, or nobody answers.
    """
    folder = _folder(ring)
    key, state, copy = folder / "secret", folder / "seen.note", folder / "statements"
    copy.mkdir(parents=True, exist_ok=True)
    if not key.exists():
        public = witness.new_key(NAME, key)
        ring.folder.joinpath(f"{NAME}.pub").write_text(f"{public}\n", encoding="utf-8")
    exchange_keys = [str(one) for one in ring.verifying() if one.name == ring.journal_name]
    notes = [witness.witness(key, state, url, exchange_keys, fetch=fetch)]
    new = witness.copy_statements(key, state, copy, url, exchange_keys, fetch=fetch)
    notes += [path.read_text(encoding="utf-8") for path in new]
    return in_unit_of_work(lambda: sum(len(cosigning.take(note, ring, by=BY, at=at)) for note in notes))


def forget(ring: KeyRing) -> None:
    """A town that is gone binds nobody: a new one begins a new journal. The key stays."""
    folder = _folder(ring)
    for path in (folder / "seen.note", *folder.glob("statements/*.note")):
        path.unlink(missing_ok=True)


def _folder(ring: KeyRing) -> Path:
    return ring.folder / "regulator"
