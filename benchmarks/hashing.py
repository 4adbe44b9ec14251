"""How fast could a tree of liabilities, or a journal, be hashed if nothing but SHA-256 took time?

The unit is one compression of SHA-256, 64 bytes: a hash over n bytes is ``compressions(n)`` of them. What
verification.md asks of one leaf, when whatever is the same for all leaves is hashed once (both key pads of the
master's and of the period salt's HMAC), is counted here, so that a ratio has a denominator that nobody can beat.
"""

from __future__ import annotations

import hashlib
import os
import time
from typing import Final

_PIECE: Final = 1 << 20
_SECONDS: Final = 0.5
_PADS: Final = 2  # an HMAC under a new key hashes two pads of 64 bytes
_SUMS: Final = 16 + 8  # u128 and u64 beside each hash in a node


def compressions(length: int) -> int:
    """How often SHA-256 compresses for a message of ``length`` bytes: one bit and eight bytes of length are added."""
    return (length + 9 + 63) // 64


def compressions_per_second() -> float:
    """The raw limit: long messages in pieces of 1 MiB, through ``hashlib``, one thread."""
    content, hashed, done = os.urandom(_PIECE), hashlib.sha256(), 0
    began = time.perf_counter()
    while time.perf_counter() - began < _SECONDS:
        hashed.update(content)
        done += _PIECE // 64
    return done / (time.perf_counter() - began)


def of_a_leaf(number: str, email: str, name: str) -> int:
    """Compressions for one worker in a statement: key, nonce, subject, leaf, and one node above."""
    number_field = 4 + len(number.encode())
    worker_key = compressions(64 + 16 + number_field + 1) - 1 + compressions(64 + 32) - 1
    nonce = 2 * (compressions(64 + 32) - 1) + _PADS + (compressions(64 + 17 + 1) - 1) + (compressions(64 + 32) - 1)
    subject = compressions(16 + 32 + number_field + 4 + len(email.encode()) + 4 + len(name.encode()))
    leaf = compressions(16 + 32 + 32 + 32 + number_field + 8)
    return worker_key + nonce + subject + leaf + compressions(16 + 2 * (32 + _SUMS))


def of_an_entry(length: int) -> int:
    """Compressions for an entry of the journal of ``length`` bytes: its leaf, and one node above."""
    return compressions(1 + length) + compressions(1 + 2 * 32)
