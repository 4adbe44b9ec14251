"""What does a worker get into his hand, so that he can check his balance and his switch without the exchange?

Files that ``verifier/verify.py`` (or any other program that keeps to verification.md) can check years
later and offline. JSON in one fixed spelling: every byte of it counts.

- proof: a statement, the worker's leaf in it, and the seal of the statement's own entry in the journal;
- receipt: what a switch moved, signed; the entry's bytes and seal; the leaves before and after.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final, TypeAlias

from flask_babel import lazy_gettext as _l

from exchange.database import db
from exchange.errors import Refusal
from exchange.ledger import notes, seals, statements
from exchange.ledger.journal import LedgerEntry
from exchange.ledger.keys import KeyRing
from exchange.ledger.seal_store import LiabilityStatement, SealCheckpoint
from exchange.ledger.statements import Proof
from exchange.money import Unit

PROOF_FORMAT: Final = "pbx-proof/v1"
RECEIPT_FORMAT: Final = "pbx-receipt/v1"

Place: TypeAlias = tuple[str, str, Unit]
"""Provider (as statements call it), component and unit."""
Shown: TypeAlias = tuple[LiabilityStatement, Proof]
"""A statement, and a worker's leaf in it."""


class NotSealedYet(Refusal):
    """The entry waits for its seal."""

    code = "not_sealed_yet"
    status = 409


@dataclass(frozen=True, slots=True)
class Moved:
    """One line of a receipt: ``amount`` left ``source`` (a name like ``la-7``) with the old provider for ``target``."""

    source: str
    target: str
    old_provider: str
    old_component: str
    new_provider: str
    new_component: str
    unit: Unit
    amount: int


@dataclass(frozen=True, slots=True)
class Around:
    """What a receipt shows: the entry's place, leaves at the old place and the new one, one checkpoint over it all."""

    position: int
    checkpoint: SealCheckpoint
    before: Sequence[Shown]
    after: Sequence[Shown]


@dataclass(frozen=True, slots=True)
class Deed:
    """What a receipt is about: whose switch, when it took effect, and everything it moved."""

    account_number: str
    switch_id: int
    effective_on: date
    entry_id: int
    moved: Sequence[Moved]

    def text(self, exchange: str, key: str) -> str:
        """The receipt's lines, before they are signed."""
        lines = (
            f"line {m.source} {m.target} {m.old_provider} {m.old_component} {m.new_provider} {m.new_component} "
            f"{m.unit.value} {m.amount}\n"
            for m in self.moved
        )
        head = (
            f"{RECEIPT_FORMAT}\nexchange {exchange}\naccount {self.account_number}\nswitch {self.switch_id}\n"
            f"effective {self.effective_on.isoformat()}\nentry e-{self.entry_id}\nkey {key}\n"
        )
        return head + "".join(lines)


def proof_file(statement: LiabilityStatement, account_number: str, *, keys: KeyRing) -> bytes:
    """The proof of one worker's balance in a statement. ``NotFound`` without a leaf; refuses ``NotSealedYet``."""
    content = proof_content(statement, account_number, keys=keys)
    return _spelled({"format": PROOF_FORMAT, **content, "keys": key_lines(keys)})


def proof_content(statement: LiabilityStatement, account_number: str, *, keys: KeyRing) -> dict[str, Any]:
    """The same without format and keys, as plain values."""
    _, checkpoint = seal_of(statement.entry_id, keys)
    return _written(statement, statements.proof_of(statement, account_number), checkpoint)


def key_lines(keys: KeyRing) -> list[str]:
    """Every public key, as ``name+id+base64``."""
    return [str(key) for key in keys.verifying()]


def receipt_file(deed: Deed, *, keys: KeyRing) -> bytes:
    """The receipt of a switch. Refuses ``NotSealedYet`` and ``NoKeys``.

    The leaf before and after each balance that moved goes with it where statements were made right
    before and after the switch (at every cutover) and show just what moved.
    """
    entry = db.session.get_one(LedgerEntry, deed.entry_id)
    shown = around(deed, keys)
    return _spelled(
        {
            "format": RECEIPT_FORMAT,
            "receipt": notes.sign(deed.text(keys.exchange, entry.key), keys.journal_keys()),
            "seal": _seal(deed.entry_id, shown.checkpoint),
            "before": [_written(*leaf, shown.checkpoint) for leaf in shown.before],
            "after": [_written(*leaf, shown.checkpoint) for leaf in shown.after],
            "keys": key_lines(keys),
        }
    )


def _written(statement: LiabilityStatement, proof: Proof, checkpoint: SealCheckpoint) -> dict[str, Any]:
    who = proof.opening.subject
    return {
        "statement": statements.signed_note(statement),
        "index": proof.index,
        "opening": {
            "nonce": proof.opening.nonce.hex(),
            "account_number": who.account_number,
            "email": who.email,
            "legal_name": who.legal_name,
            "balance": proof.opening.balance,
        },
        "path": [[hashed.hex(), total] for hashed, total in proof.path],
        "seal": _seal(statement.entry_id, checkpoint),
        # The journal that the statement names is the beginning of the one that the checkpoint covers.
        "extends": [node.hex() for node in seals.consistency_proof(statement.journal_size, checkpoint.size)],
    }


def seal_of(entry_id: int, keys: KeyRing) -> tuple[int, SealCheckpoint]:
    """An entry's place in the journal, and the first checkpoint over it that a witness has signed.

    The first one there is where no witness has signed any. Refuses ``NotSealedYet``.
    """
    position = seals.position_of(entry_id)
    if position is None:
        raise NotSealedYet(_l("This was posted a moment ago and is not sealed yet. Try again in a minute."))
    checkpoint = seals.first_checkpoint_over(position, not_only=keys.exchange) or seals.first_checkpoint_over(position)
    assert checkpoint is not None, "what has a place stands under a checkpoint"
    return position, checkpoint


def _seal(entry_id: int, checkpoint: SealCheckpoint) -> dict[str, Any]:
    """An entry's bytes, its place, and the way to the root of a checkpoint that covers it."""
    position = seals.position_of(entry_id)
    assert position is not None and position < checkpoint.size, "the checkpoint covers it"
    return {
        "entry": base64.b64encode(seals.entry_contents([entry_id])[entry_id]).decode(),
        "position": position,
        "path": [node.hex() for node in seals.inclusion_proof(position, checkpoint.size)],
        "checkpoint": seals.signed_note(checkpoint),
    }


def around(deed: Deed, keys: KeyRing) -> Around:
    """The leaves at the old place right before the entry and at the new one right after, where they show what moved.

    Without them a receipt still shows the sealed entry. Statements stand right before and after a cutover.
    All of it stands under one checkpoint: under two it might be of two journals, each signed. Refuses ``NotSealedYet``.
    """
    position, checkpoint = seal_of(deed.entry_id, keys)
    left: dict[Place, int] = {}
    came: dict[Place, int] = {}
    for m in deed.moved:
        old, new = (m.old_provider, m.old_component, m.unit), (m.new_provider, m.new_component, m.unit)
        left[old] = left.get(old, 0) + m.amount
        came[new] = came.get(new, 0) + m.amount
    mine = statements.of_account(deed.account_number)
    before = [s for s in mine if s.journal_size <= position]
    after = [s for s in reversed(mine) if s.journal_size > position]
    shown = _showing(left, before, deed.account_number), _showing(came, after, deed.account_number)
    for statement, _ in (*shown[0], *shown[1]):
        checkpoint = max(checkpoint, seal_of(statement.entry_id, keys)[1], key=lambda one: one.size)
    return Around(position, checkpoint, *shown)


def _showing(
    amounts: dict[Place, int], nearest_first: Sequence[LiabilityStatement], account_number: str
) -> list[Shown]:
    found = []
    for place, amount in sorted(amounts.items()):
        nearest = next((s for s in nearest_first if (s.provider, s.component, s.unit) == place), None)
        # A statement's own entry is sealed later than what it speaks of: then the leaf comes with the next file.
        if nearest is not None and seals.position_of(nearest.entry_id) is not None:
            proof = statements.proof_of(nearest, account_number)
            if proof.opening.balance == amount:
                found.append((nearest, proof))
    return found


def _spelled(content: dict[str, Any]) -> bytes:
    """The one spelling of a file: a verifier that spells it again gets the same bytes."""
    return (json.dumps(content, ensure_ascii=False, indent=1) + "\n").encode()
