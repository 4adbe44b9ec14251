"""How does a whole scheduler process run, for a test to start, pause and kill?

``python tests/support/scheduler_process.py ADDRESS KEYS [PAUSE]``: a real one, with a job of so many keys, and
so many seconds of rest before each, outside of any transaction.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from app import create_app
from exchange.identity.actors import Actor
from exchange.scheduler.jobs import Due
from exchange.scheduler.process import Scheduler
from exchange.scheduler.telling import Telling
from tests.support.scheduling import on_keys, work_of


def slowly(key: str, /, *, by: Actor, at: datetime) -> Telling:
    """Work that takes a moment."""
    time.sleep(0.05)
    return work_of(key, by=by, at=at)


def main(address: str, keys: str, pause: str = "0") -> None:
    """Run until told to stop."""
    app = create_app({"TESTING": True, "SQLALCHEMY_DATABASE_URI": address})
    busy = on_keys("keys", [f"k{n:02}" for n in range(int(keys))], slowly)

    def asked_slowly(now: datetime) -> Sequence[Due]:
        time.sleep(float(pause))
        return busy.due(now)

    job = replace(busy, due=asked_slowly)
    Scheduler(app, tick_seconds=0.1, beat_seconds=0.2, lease_seconds=2, among=[job]).run()


if __name__ == "__main__":
    main(*sys.argv[1:])
