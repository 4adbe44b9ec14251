"""Does sealing keep up with posting?

The same entries are posted and then sealed, each through the public operation: in bulk, as a cutover posts them
(5,000 workers with four balances in a transaction), and one by one, a transaction for each. ``keeps_up`` is how many
entries are sealed while one is posted. The limit is raw SHA-256 in the same process over as many compressions as
an entry of this length needs for its leaf and one node.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import func, select

from benchmarks import hashing
from benchmarks.crowd import BY, CLOSED, EFFECTIVE, gather
from benchmarks.engines import ENGINES, Figures, apart, application, ring_in
from benchmarks.sizes import peak_mb, sized, tell
from enrollment import switching
from enrollment.models import EnrollmentWindow
from exchange.database import db, in_unit_of_work
from exchange.ledger import journal, seals
from exchange.ledger.accounts import LedgerAccount
from exchange.ledger.journal import LedgerEntry, Posting, Transfer
from exchange.ledger.keys import KeyRing
from exchange.policy.document import Policy

WORKERS = sized(small=2_000, full=100_000)
SINGLE = sized(small=100, full=5_000)


def main() -> None:
    """Measure each engine in a process of its own."""
    for engine in sys.argv[1:] or ENGINES:
        tell(f"seal_{engine}", **apart(lambda engine=engine: measure(engine)))  # type: ignore[misc]


def measure(engine: str) -> Figures:
    """Post in bulk and one by one, then seal all of it."""
    with application(engine) as app, tempfile.TemporaryDirectory() as folder:
        crowd = gather(WORKERS)
        ring = ring_in(Path(folder), app)
        until_zero(lambda: seal(ring))  # the crowd's own entries
        window = db.session.get_one(EnrollmentWindow, crowd.window_id)
        in_unit_of_work(lambda: switching.order_window(window, by=BY, at=CLOSED))
        bulk = WORKERS / until_zero(lambda: carry_out(crowd.policy))
        single = SINGLE / post_singly()
        before = peak_mb()
        seconds = until_zero(lambda: seal(ring))
        entries = WORKERS + SINGLE
        limit = hashing.compressions_per_second() / hashing.of_an_entry(length_of_one())
        return {
            "n": entries,
            "seconds": round(seconds, 2),
            "per_second": round(entries / seconds),
            "limit_per_second": round(limit),
            "ratio": round(entries / seconds / limit, 4),
            "peak_mb": peak_mb(),
            "grew_mb": round(peak_mb() - before, 1),
            "posted_in_bulk_per_second": round(bulk),
            "keeps_up_with_bulk": round(entries / seconds / bulk, 2),
            "posted_singly_per_second": round(single),
            "keeps_up_with_single": round(entries / seconds / single, 2),
        }


def until_zero(work: Callable[[], int]) -> float:
    """Seconds until it returns zero."""
    began = time.perf_counter()
    while work():
        pass
    return time.perf_counter() - began


def seal(ring: KeyRing) -> int:
    """One batch, as the job seals and publishes it."""
    sealed = in_unit_of_work(lambda: seals.seal(ring, by=BY, at=EFFECTIVE))
    seals.publish(ring)
    return sealed


def carry_out(policy: Policy) -> int:
    """One batch of the cutover."""
    return in_unit_of_work(
        lambda: switching.carry_out(switching.due(EFFECTIVE), policy=policy, by=BY, at=EFFECTIVE),
    )


def post_singly() -> float:
    """Seconds for one entry of four transfers after the other, each committed."""
    a = LedgerAccount
    worker = db.session.execute(select(a.id, a.unit).where(a.holder_id == 1).order_by(a.id).limit(4)).all()
    shared = {unit: id_ for id_, unit in db.session.execute(select(a.id, a.unit).where(a.holder_id.is_(None)))}
    moves = tuple(Transfer(shared[unit], id_, unit, 1) for id_, unit in worker)
    began = time.perf_counter()
    for number in range(SINGLE):
        posting = Posting(f"single:{number}", "single", EFFECTIVE.date(), moves)
        in_unit_of_work(lambda posting=posting: journal.post([posting], by=BY, at=EFFECTIVE))  # type: ignore[misc]
    return time.perf_counter() - began


def length_of_one() -> int:
    """The bytes of an entry."""
    newest = db.session.execute(select(func.max(LedgerEntry.id))).scalar_one()
    return len(seals.entry_contents([newest])[newest])


if __name__ == "__main__":
    main()
