"""How does a job that reads one state of the database for minutes say how far it is?"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from flask import Flask, current_app

from exchange.database import in_unit_of_work
from exchange.scheduler.jobs import Hold

_EVERY_SECONDS: Final = 2.0


def beside_a_read(hold: Hold, *, total: int, what: str) -> Callable[[int], None]:
    """``tell(done)`` holds the run and notes ``done of total what`` ("3 of 12 accounts"), every other second at most.

    What is being read stays one transaction: it is noted in an application context, and so a session, of its own.
    """
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]  # noqa: SLF001 - a context of its own
    told_at = 0.0

    def tell(done: int) -> None:
        nonlocal told_at
        if time.monotonic() - told_at >= _EVERY_SECONDS:
            with app.app_context():
                in_unit_of_work(lambda: hold(f"{min(done, total):,} of {total:,} {what}"))
            told_at = time.monotonic()

    return tell
