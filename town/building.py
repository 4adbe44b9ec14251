"""How is the town built?  By calling the real operations in the order in which they would have happened."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Final

from sqlalchemy import select

from exchange import audit
from exchange.audit import AuditEvent
from exchange.database import db, unit_of_work
from town import offers, offices, people, treasurers, work
from town.days import BY, live
from town.setting import Size, Town

BUILT: Final = "demo.built"
SEED: Final = 2027


def is_built() -> bool:
    """Whether a whole town stands in the database."""
    return db.session.execute(select(AuditEvent.id).where(AuditEvent.action == BUILT).limit(1)).first() is not None


def is_begun() -> bool:
    """Whether a town stands in the database, or what was left of one."""
    ours = select(AuditEvent.id).where(AuditEvent.actor_name == BY.name).limit(1)
    return db.session.execute(ours).first() is not None


def is_empty() -> bool:
    """Whether nobody has done anything in the database yet."""
    return db.session.execute(select(AuditEvent.id).limit(1)).first() is None


def build(
    shipped_policy: Path, *, now: datetime, size: Size | None = None, tell: Callable[[str], None] = lambda _line: None
) -> Town:
    """Build a town as it stands at ``now``, in an empty database; inside a request context, outside of a unit of work.

    ``tell`` is given one line for each step, with its seconds.
    """
    steps = _Steps(tell)
    with unit_of_work():
        town = offices.open_program(shipped_policy, size=size or Size(), seed=SEED, now=now)
    steps.done(f"offices: an operator, {len(town.regulators)} regulators, {len(town.law.ids)} versions of the law")
    with unit_of_work():
        rows = offices.import_registers(town)
    steps.done(f"registers: {rows} rows")
    with unit_of_work():
        fresh = people.names(town)
        work.register_employers(town, fresh)
        offers.note_providers(town)
        people.note_registrations(town, fresh)
        work.note_reports(town)
        treasurers.note_answers(town)
    steps.done(f"{len(town.employers)} employers, {len(town.story['providers'])} providers")
    live(town, steps.done)
    with unit_of_work():
        audit.record(BUILT, "demo:town", by=BY, at=now)
    return town


class _Steps:
    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell, self._began = tell, time.monotonic()

    def done(self, what: str) -> None:
        ended = time.monotonic()
        self._tell(f"{what} ({ended - self._began:.1f} s)")
        self._began = ended
