"""How does a whole scheduler process run, for a test to start, pause and kill?

``python tests/support/scheduler_process.py ADDRESS KEYS``: a real one, with a job of so many keys.
"""

from __future__ import annotations

import sys
import time
from datetime import datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from app import create_app
from exchange.identity.actors import Actor
from exchange.scheduler.process import Scheduler
from tests.support.scheduling import on_keys, work_of


def slowly(key: str, /, *, by: Actor, at: datetime) -> str:
    """Work that takes a moment."""
    time.sleep(0.05)
    return work_of(key, by=by, at=at)


def main(address: str, keys: str) -> None:
    """Run until told to stop."""
    app = create_app({"TESTING": True, "SQLALCHEMY_DATABASE_URI": address})
    job = on_keys("keys", [f"k{n:02}" for n in range(int(keys))], slowly)
    Scheduler(app, tick_seconds=0.1, beat_seconds=0.2, lease_seconds=2, among=[job]).run()


if __name__ == "__main__":
    main(*sys.argv[1:])
