"""What that takes long to count may be a minute old on a page?

Figures of a large market that nobody reads to the last digit are remembered by each process for a minute. What is
small is counted afresh each time: there it costs nothing, and people look for the one who has just come.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, TypeVar

from flask import Flask, current_app

from exchange import clock

SECONDS: Final = 60
LARGE: Final = 20_000
K = TypeVar("K")
_EXTENSION: Final = "remembered"


def init_app(app: Flask) -> None:
    """Give the process its memory."""
    app.extensions[_EXTENSION] = {}


def counts(name: str, ask: Callable[[], Mapping[K, int]]) -> Mapping[K, int]:
    """What ``ask`` counts; remembered under ``name`` for a minute when all of it comes to 20,000 or more."""
    memory: dict[str, tuple[float, Mapping[K, int]]] = current_app.extensions[_EXTENSION]
    now = clock.machine_seconds()
    counted_at, found = memory.get(name, (0, {}))
    if counted_at <= now < counted_at + SECONDS:
        return found
    memory.pop(name, None)
    found = ask()
    if sum(found.values()) >= LARGE:
        memory[name] = (now, found)
    return found
