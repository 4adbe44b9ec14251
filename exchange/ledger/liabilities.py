"""How does one worker see that his balance is in what a provider is said to owe, without seeing the others'?

Proof of liabilities (verification.md §2): one tree for each provider, component, unit and date, whose
root commits to the sum of all leaves. Both children's sums are inside each node's hash: hashing only
the total would let a provider claim less than it owes. A worker's leaf can be opened by his own key
alone. Pure: no database; amounts in the unit of the tree (cents or minutes).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from exchange.ledger import merkle
from exchange.ledger.encoding import lp
from exchange.money import MAX_AMOUNT, Unit

MAX_SUM: Final = 2**95 - 1
MAX_LEAVES: Final = 2**32
# Under this name stands what is with no provider.
HELD_BY_EXCHANGE: Final = "exchange"


class BadTree(ValueError):
    """These leaves make no tree: a negative or too large balance, or leaves that are not strictly ascending."""


@dataclass(frozen=True, slots=True)
class Subject:
    """Whose leaf it is. Confidential."""

    account_number: str
    email: str
    legal_name: str


@dataclass(frozen=True, slots=True)
class Opening:
    """What opens a leaf: shown to its owner and to the regulator, to nobody else."""

    nonce: bytes
    subject: Subject
    balance: int


@dataclass(frozen=True, slots=True)
class Node:
    """A subtree: its hash, what its leaves add up to, and how many they are."""

    hash: bytes
    sum: int
    count: int


@dataclass(frozen=True, slots=True)
class Scope:
    """Of what a tree speaks: whose liabilities in which component and unit, at which size of the journal."""

    exchange: str
    provider: str
    component: str
    unit: Unit
    as_of: date
    journal_size: int
    journal_root: bytes
    period_salt: bytes

    @property
    def tree_id(self) -> bytes:
        """Goes into every leaf, so that none can be shown in another tree."""
        named = (self.exchange, self.provider, self.component, self.unit.value, self.as_of.isoformat())
        size = struct.pack(">Q", self.journal_size)
        return _digest("tree", *map(lp, named), size, self.journal_root, self.period_salt)

    @property
    def empty(self) -> Node:
        """The tree without leaves."""
        return Node(_digest("empty", self.tree_id), 0, 0)


# --- keys and leaves ------------------------------------------------------------------------------


def worker_key(master_key: bytes, account_number: str) -> bytes:
    """The key that only the exchange and this worker have."""
    return _expand(_extract(bytes(32), master_key), _WORKER_KEY + lp(account_number))


def nonce_of(key: bytes, period_salt: bytes) -> bytes:
    """The nonce of a worker's leaf in one statement."""
    return _expand(_extract(period_salt, key), _NONCE)


def leaf(tree_id: bytes, opening: Opening) -> Node:
    """The leaf of an opening. Raises ``BadTree`` for a balance that is negative or above 2^63−1."""
    who = opening.subject
    fields = lp(who.account_number), lp(who.email.lower()), lp(who.legal_name)
    return Node(_leaf_hash(tree_id, opening.nonce, fields, opening.balance), opening.balance, 1)


class LeafMaker:
    """Makes the leaves of one statement, a million of them: what is the same for all is computed once."""

    def __init__(self, scope: Scope, master_key: bytes) -> None:
        self._tree_id = scope.tree_id
        self._period_salt = scope.period_salt
        self._extracted = _extract(bytes(32), master_key)

    def make(self, number: bytes, email: bytes, name: bytes, balance: int) -> tuple[bytes, bytes]:
        """Leaf hash and nonce for an account number, e-mail address and legal name, each as it is hashed.

        What ``leaf`` gives for the nonce that ``worker_key`` and ``nonce_of`` lead to. Raises ``BadTree``.
        """
        number_field = lp(number)
        key = _expand(self._extracted, _WORKER_KEY + number_field)
        nonce = _expand(_extract(self._period_salt, key), _NONCE)
        return _leaf_hash(self._tree_id, nonce, (number_field, lp(email), lp(name)), balance), nonce


def join(left: Node, right: Node) -> Node:
    """The node above two. Raises ``BadTree`` when it would hold too much."""
    total, count = left.sum + right.sum, left.count + right.count
    if total > MAX_SUM or count > MAX_LEAVES:
        raise BadTree("a tree holds at most 2^95−1 in 2^32 leaves")
    hashed = _digest(
        "node", left.hash, _u128(left.sum), struct.pack(">Q", left.count), right.hash, _u128(right.sum),
        struct.pack(">Q", right.count),
    )  # fmt: skip
    return Node(hashed, total, count)


class Builder:
    """A tree from leaves in strictly ascending order, in O(log n) memory."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._tree: merkle.Growing[Node] = merkle.Growing(join)
        self._last = b""

    def add(self, node: Node) -> Sequence[tuple[int, int, Node]]:
        """Append a leaf; gives the perfect subtrees that it completed. Raises ``BadTree``."""
        if node.hash <= self._last:
            raise BadTree("leaves stand strictly ascending")
        self._last = node.hash
        return list(self._tree.append(node))

    def root(self) -> Node:
        """The tree's root, sum and count."""
        return self._tree.root() or self._scope.empty


# --- proofs ---------------------------------------------------------------------------------------


def root_from(path: Sequence[tuple[bytes, int]], *, leaf_node: Node, index: int, size: int) -> Node | None:
    """The root to which the path (hash and sum of each sibling, leaf first) leads from leaf ``index`` of ``size``.

    The siblings' counts follow from index and size. None when the path is of another length, the
    index is not in the tree, or a sum is out of range.
    """
    if not 0 <= index < size <= MAX_LEAVES:
        return None
    spans = merkle.inclusion_spans(index, size)
    if len(spans) != len(path):
        return None
    node = leaf_node
    for (start, end), (hashed, total) in zip(spans, path, strict=True):
        if not 0 <= total <= MAX_SUM - node.sum:
            return None
        sibling = Node(hashed, total, end - start)
        node = join(sibling, node) if start < index else join(node, sibling)
    return node


def statement_text(scope: Scope, root: Node) -> str:
    """The statement's lines, before they are signed."""
    b64 = {name: base64.b64encode(value).decode() for name, value in (
        ("journal", scope.journal_root), ("salt", scope.period_salt), ("root", root.hash),
    )}  # fmt: skip
    return (
        "pbx-pol/v1\n"
        f"exchange {scope.exchange}\n"
        f"provider {scope.provider}\n"
        f"component {scope.component}\n"
        f"unit {scope.unit.value}\n"
        f"asof {scope.as_of.isoformat()}\n"
        f"journal {scope.journal_size} {b64['journal']}\n"
        f"salt {b64['salt']}\n"
        f"count {root.count}\n"
        f"sum {root.sum}\n"
        f"root {b64['root']}\n"
    )


_WORKER_KEY: Final = b"pbx/pol/wkey/v1\0"
_NONCE: Final = b"pbx/pol/nonce/v1\0"


def _leaf_hash(tree_id: bytes, nonce: bytes, fields: tuple[bytes, bytes, bytes], balance: int) -> bytes:
    """``fields``: account number, e-mail address and legal name, each with its length before it."""
    if not 0 <= balance <= MAX_AMOUNT:
        raise BadTree("a balance is negative or too large")
    subject = _digest("subj", nonce, *fields)
    return _digest("leaf", tree_id, nonce, subject, fields[0], balance.to_bytes(8, "big"))


def _digest(tag: str, *parts: bytes) -> bytes:
    return hashlib.sha256(b"".join((_TAGS[tag], *parts))).digest()


_TAGS: Final = {tag: b"pbx/pol/" + tag.encode() + b"/v1\0" for tag in ("tree", "subj", "leaf", "node", "empty")}


def _u128(number: int) -> bytes:
    return number.to_bytes(16, "big")


def _extract(salt: bytes, ikm: bytes) -> bytes:
    """The first half of HKDF-SHA256 (RFC 5869)."""
    return hmac.digest(salt, ikm, "sha256")


def _expand(extracted: bytes, info: bytes) -> bytes:
    """The second half, for one block of 32 bytes."""
    return hmac.digest(extracted, info + b"\x01", "sha256")
