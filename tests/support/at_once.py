"""How do tests do the same deed several times at the same moment?"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from flask import Flask

from exchange.database import db
from exchange.errors import Refusal


def at_once(app: Flask, deed: Callable[[], object], *, times: int) -> Counter[str]:
    """Do the deed on as many connections at the same moment; what came of each: ``done``, or a refusal's name."""
    return all_at_once(app, [deed] * times)


def all_at_once(app: Flask, deeds: Sequence[Callable[[], object]]) -> Counter[str]:
    """Do each deed on a connection of its own, all beginning at the same moment; what came of them."""
    db.session.remove()
    ready = threading.Barrier(len(deeds))

    def one(deed: Callable[[], object]) -> str:
        with app.app_context():
            ready.wait()
            try:
                deed()
            except Refusal as refusal:
                return type(refusal).__name__
            return "done"

    with ThreadPoolExecutor(len(deeds)) as pool:
        return Counter(pool.map(one, deeds))
