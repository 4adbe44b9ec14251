"""As which bytes does an entry of the journal stand under its seal?

The byte form of verification.md §1: a stranger who has these bytes needs no database and no JSON to
compute the same hash. Numbers are unsigned and big-endian; a text or a digest of any length has its
length before it, so that no two lists of fields have the same bytes.
"""

from __future__ import annotations

import struct
import unicodedata
from collections.abc import Sequence
from datetime import date
from typing import Final, NamedTuple

from exchange.money import Unit

MAGIC: Final = b"PBXJ\x01"
NO_DETAILS: Final = bytes(32)
# The salt of words that everybody may read: a statement's text in the journal.
OPEN_SALT: Final = bytes(32)


class SealedTransfer(NamedTuple):
    """``amount`` (1 … 2^63−1) from one ledger account to another, by their names in the journal (``la-7``)."""

    source: str
    target: str
    unit: Unit
    amount: int


class SealedEntry(NamedTuple):
    """Everything of an entry that its seal covers; ``posted_at_us`` in microseconds since 1970 UTC."""

    entry_id: str
    key: str
    posted_at_us: int
    effective_on: date
    kind: str
    details_digest: bytes | None
    transfers: Sequence[SealedTransfer]


def plain(text: str) -> bytes:
    """A text as it is hashed: UTF-8, NFC, without blanks around it."""
    return (text if text.isascii() else unicodedata.normalize("NFC", text)).strip().encode()


def lp(field: bytes | str) -> bytes:
    """A field with its length before it (u32)."""
    content = plain(field) if isinstance(field, str) else field
    return struct.pack(">I", len(content)) + content


def entry_bytes(entry: SealedEntry) -> bytes:
    """The entry's bytes; the leaf of the journal's tree is hashed over them."""
    head = (
        MAGIC,
        lp(entry.entry_id),
        lp(entry.key),
        struct.pack(">Q", entry.posted_at_us),
        lp(entry.effective_on.isoformat()),
        lp(entry.kind),
        NO_DETAILS if entry.details_digest is None else entry.details_digest,
        struct.pack(">I", len(entry.transfers)),
    )
    moved = (lp(t.source) + lp(t.target) + _UNITS[t.unit] + _U64.pack(t.amount) for t in entry.transfers)
    return b"".join((*head, *moved))


_U64: Final = struct.Struct(">Q")
_UNITS: Final = {unit: lp(unit.value) for unit in Unit}
