"""What need not be read again for each page?

Figures of a large market that nobody reads to the last digit are remembered by each process for a minute. What is
small is counted afresh each time: there it costs nothing, and people look for the one who has just come.

What follows from the market alone, as the law and the terms of a package do, is remembered while the word for the
market is the same (``exchange/revision.py``): that the page asks for itself, with whatever else it asks.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Any, Final, TypeVar, cast

from flask import Flask, current_app, g

from exchange import clock, revision

SECONDS: Final = 60
LARGE: Final = 20_000
K = TypeVar("K", bound=Hashable)
T = TypeVar("T")
_EXTENSION: Final = "remembered"
_MARKET: Final = "remembered_of_the_market"
_FACTS: Final = "remembered_of_facts"
_MOST: Final = 4_096
_NOTHING: Final = (None, None)


def init_app(app: Flask) -> None:
    """Give the process its memory."""
    app.extensions[_EXTENSION] = {}
    app.extensions[_MARKET] = {}
    app.extensions[_FACTS] = {}


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


def of_market(name: Hashable, market: str, ask: Callable[[], T], *, reads: bool = True) -> T:
    """What ``ask`` reads of the market and of nothing else, remembered under ``name`` while ``market`` is its word.

    What was read while the market became another one is told, not remembered: ``has_moved_on`` says so afterwards.
    ``reads``: False where it only follows from what this request was told of the market before.
    """
    return each_of_market(name, [None], market, lambda _: {None: ask()}, reads=reads)[None]


def each_of_market(
    name: Hashable, keys: Iterable[K], market: str, ask: Callable[[list[K]], Mapping[K, T]], *, reads: bool = True
) -> dict[K, T]:
    """The same for several at once: ``ask`` reads those that are not remembered; what it does not find is left out."""
    memory: dict[Hashable, tuple[str, dict[Any, Any]]] = current_app.extensions[_MARKET]
    wanted = list(keys)
    known_market, known = memory.get(name, _NOTHING)
    if known is None or known_market != market:
        known = {}
    found: dict[K, T] = {key: known[key] for key in wanted if key in known}
    missing = [key for key in wanted if key not in found]
    if missing:
        read = ask(missing)
        if reads and revision.moment().market != market:
            g.market_moved_on = True
        if not has_moved_on():
            if len(memory) + len(known) + len(read) > _MOST:
                memory.clear()
                known = {}
            memory[name] = market, {**known, **read}
        found |= read
    return found


def of_facts(name: str, facts: Hashable, ask: Callable[[], T]) -> T:
    """What ``ask`` reads, remembered under ``name`` while ``facts`` are the same; with other facts it is forgotten.

    Only for facts that never come back: what was read after they had moved on is found by nobody then.
    """
    memory: dict[str, tuple[Hashable, Any]] = current_app.extensions[_FACTS]
    known, found = memory.get(name, _NOTHING)
    if known != facts:
        found = ask()
        memory[name] = facts, found
    return cast(T, found)


def has_moved_on() -> bool:
    """Whether something that this request was told of the market is newer than the market's word that it knows."""
    return bool(g.get("market_moved_on"))
