"""What does a tree of hashes say about a list, and how is it shown for one line of it?

The shape is RFC 6962's: the left subtree holds the largest power of two below the number of leaves.
The same shape carries the journal (nodes are hashes) and the trees of liabilities (nodes have sums),
so that everything about shape is written once and told how two nodes join.

A tree grows in O(log n) state (``Growing``); a proof asks for O(log n) perfect subtrees.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, Generic, TypeAlias, TypeVar

EMPTY_ROOT: Final = hashlib.sha256(b"").digest()

N = TypeVar("N")
Join: TypeAlias = Callable[[N, N], N]
# The perfect subtree of 2^level leaves that is the ``position``-th of its kind from the left.
Perfect: TypeAlias = Callable[[int, int], N]
Span: TypeAlias = tuple[int, int]


def leaf_hash(content: bytes) -> bytes:
    """The hash of one line."""
    return hashlib.sha256(b"\x00" + content).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of two subtrees."""
    return hashlib.sha256(b"\x01" + left + right).digest()


class Growing(Generic[N]):
    """A tree to which leaves are appended; keeps one node for each bit that is set in its size."""

    def __init__(self, join: Join[N], size: int = 0, peaks: Iterable[N] = ()) -> None:
        self._join = join
        self.size = size
        self._peaks = list(peaks)
        assert len(self._peaks) == size.bit_count(), "one peak for each bit of the size"

    @property
    def peaks(self) -> Sequence[N]:
        """The perfect subtrees it consists of, from left (the largest) to right."""
        return tuple(self._peaks)

    def append(self, leaf: N) -> Iterator[tuple[int, int, N]]:
        """Add a leaf; gives each perfect subtree that it completed as (level, position, node), level 0 first."""
        node, level, position = leaf, 0, self.size
        completed = [(level, position, node)]
        while position & 1:
            node = self._join(self._peaks.pop(), node)
            level, position = level + 1, position >> 1
            completed.append((level, position, node))
        self._peaks.append(node)
        self.size += 1
        return iter(completed)

    def root(self) -> N | None:
        """The node above all leaves; None while there are none."""
        return _fold(self._peaks, self._join)


def journal_root(tree: Growing[bytes]) -> bytes:
    """The root of a tree of plain hashes, the empty one's included."""
    return tree.root() or EMPTY_ROOT


# --- proofs ---------------------------------------------------------------------------------------


def inclusion_spans(index: int, size: int) -> list[Span]:
    """The subtrees beside the way from leaf ``index`` to the root, as [start, end), the leaf's sibling first."""
    assert 0 <= index < size, "the leaf is in the tree"
    start, end, found = 0, size, []
    while end - start > 1:
        middle = start + _left_part(end - start)
        if index < middle:
            found.append((middle, end))
            end = middle
        else:
            found.append((start, middle))
            start = middle
    return found[::-1]


def consistency_spans(old: int, new: int) -> list[Span]:
    """The subtrees that show that the tree of ``new`` leaves begins with that of ``old`` (1 ≤ old ≤ new)."""
    assert 1 <= old <= new, "a tree that was there, and one that is not smaller"
    start, end, found, is_whole = 0, new, list[Span](), True
    while old != end:
        middle = start + _left_part(end - start)
        if old <= middle:
            found.append((middle, end))
            end = middle
        else:
            found.append((start, middle))
            start, is_whole = middle, False
    if not is_whole:
        found.append((start, end))
    return found[::-1]


def span_node(span: Span, perfect: Perfect[N], join: Join[N]) -> N:
    """The node above the leaves [start, end) of a proof's span, put together from perfect subtrees."""
    start, end = span
    parts = []
    while start < end:
        level = (end - start).bit_length() - 1
        parts.append(perfect(level, start >> level))
        start += 1 << level
    node = _fold(parts, join)
    assert node is not None, "a span is never empty"
    return node


def inclusion_path(index: int, size: int, perfect: Perfect[N], join: Join[N]) -> list[N]:
    """The proof that leaf ``index`` stands in the tree of ``size`` leaves."""
    return [span_node(span, perfect, join) for span in inclusion_spans(index, size)]


def consistency_path(old: int, new: int, perfect: Perfect[bytes]) -> list[bytes]:
    """The proof that nothing of the first ``old`` leaves was changed when the tree grew to ``new``."""
    return [span_node(span, perfect, node_hash) for span in consistency_spans(old, new)]


def includes(root: bytes, *, index: int, size: int, leaf: bytes, path: Sequence[bytes]) -> bool:
    """Whether ``path`` shows the leaf at ``index`` of the tree of ``size`` leaves under ``root``."""
    if not 0 <= index < size or len(leaf) != len(EMPTY_ROOT):
        return False
    node, at, last = leaf, index, size - 1
    for sibling in path:
        if last == 0:
            return False
        if at & 1 or at == last:
            node = node_hash(sibling, node)
            while at and not at & 1:
                at, last = at >> 1, last >> 1
        else:
            node = node_hash(node, sibling)
        at, last = at >> 1, last >> 1
    return last == 0 and node == root


def extends(old_root: bytes, new_root: bytes, *, old: int, new: int, path: Sequence[bytes]) -> bool:
    """Whether ``path`` shows that the tree of ``new`` leaves begins with that of ``old``.

    Of an empty tree nothing can be shown, so nothing is: every tree begins with it.
    """
    if not 1 <= old <= new:
        return False
    if old == new:
        return not path and old_root == new_root
    rest = list(path) if old & (old - 1) else [old_root, *path]
    if not rest:
        return False
    at, last = old - 1, new - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    before = after = rest[0]
    for sibling in rest[1:]:
        if last == 0:
            return False
        if at & 1 or at == last:
            before, after = node_hash(sibling, before), node_hash(sibling, after)
            while at and not at & 1:
                at, last = at >> 1, last >> 1
        else:
            after = node_hash(after, sibling)
        at, last = at >> 1, last >> 1
    return last == 0 and before == old_root and after == new_root


def _left_part(size: int) -> int:
    return 1 << ((size - 1).bit_length() - 1)


def _fold(parts: Sequence[N], join: Join[N]) -> N | None:
    node: N | None = None
    for part in reversed(parts):
        node = part if node is None else join(part, node)
    return node
