"""How large is what a benchmark measures, and how does it say what it found?

``SIZE=small`` (what is taken when nothing is said) walks the code path in seconds; ``SIZE=full`` gives
the figures that are worth a table. Only ratios to a raw limit of the same run travel between machines.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from typing import Final, TypeVar

SIZES: Final = ("small", "full")
N = TypeVar("N")


def size() -> str:
    """``small`` or ``full``; anything else ends the program in words."""
    said = os.environ.get("SIZE", "small")
    if said not in SIZES:
        sys.exit(f"SIZE is small or full, not {said!r}.")
    return said


def sized(*, small: N, full: N) -> N:
    """The one of the two that ``SIZE`` asks for."""
    return small if size() == "small" else full


def tell(name: str, **figures: float | str | None) -> None:
    """One JSON line: the name, then its figures; ``ratio`` and ``limit_per_second`` where there is a raw limit.

    Other names in use: n, seconds, per_second, peak_mb, grew_mb. None is left out.
    """
    said = {key: value for key, value in figures.items() if value is not None}
    sys.stdout.write(json.dumps({"name": name, **said}) + "\n")
    sys.stdout.flush()


def peak_mb() -> float:
    """The most memory (MiB) this process ever held."""
    return in_mb(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


def in_mb(max_rss: int) -> float:
    """What the system tells of a process's most memory (``ru_maxrss``: KiB, on a Mac bytes), in MiB."""
    return round(max_rss / (1024 if sys.platform != "darwin" else 1024 * 1024), 1)
