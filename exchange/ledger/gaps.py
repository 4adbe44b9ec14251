"""Which ids of a sequence are still to come, when some of those that were missing have come?

Ids are given out before transactions end: one that is not there belongs to a transaction that is open, or to one
that was rolled back. Whoever walks along the journal remembers such ids in spans, and looks there again.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from typing import NamedTuple


class Span(NamedTuple):
    """Ids from ``first`` to ``last``, both included."""

    first: int
    last: int


def between(before: int, ids: Sequence[int]) -> Iterator[Span]:
    """What is missing above ``before`` between ``ids``, which ascend."""
    for id_ in ids:
        if id_ > before + 1:
            yield Span(before + 1, id_ - 1)
        before = id_


def without(span: Span, ids: Sequence[int]) -> Iterator[Span]:
    """What is left of the span when these ids (ascending; some may lie outside) are taken out."""
    inside = ids[bisect_left(ids, span.first) : bisect_right(ids, span.last)]
    yield from between(span.first - 1, [*inside, span.last + 1])
