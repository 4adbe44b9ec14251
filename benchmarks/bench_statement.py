"""What does it cost to state what a provider owes a million workers, in four trees, through the public operation?

The limit is raw SHA-256 in the same process: as many compressions as a leaf needs at the least (``hashing``).
A run with few workers comes first, in a process of its own: what more memory the many take is told as ``grew_mb``.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from sqlalchemy import func, select

from benchmarks import hashing
from benchmarks.crowd import BY, EFFECTIVE, LINES, gather
from benchmarks.engines import ENGINES, Figures, apart, application, ring_in
from benchmarks.sizes import peak_mb, sized, tell
from enrollment import liability_statements
from exchange.database import db, in_unit_of_work
from exchange.ledger import statements
from exchange.ledger.keys import KeyRing
from exchange.ledger.seal_store import LiabilityStatement
from exchange.policy.document import Policy


def main() -> None:
    """Measure each engine, few workers and many."""
    few, many = sized(small=(200, 2_000), full=(10_000, 1_000_000))
    for engine in sys.argv[1:] or ENGINES:
        small = apart(lambda engine=engine: measure(engine, few))  # type: ignore[misc]
        found = apart(lambda engine=engine: measure(engine, many))  # type: ignore[misc]
        tell(f"statement_{engine}", **found, grew_mb=round(found["peak_mb"] - small["peak_mb"], 1))


def measure(engine: str, workers: int) -> Figures:
    """Seal the crowd's journal first, which is not counted; then state everything that is owed, and count."""
    with application(engine) as app, tempfile.TemporaryDirectory() as folder:
        crowd = gather(workers, together=True)
        ring = ring_in(Path(folder), app)
        in_unit_of_work(lambda: statements.freeze(ring, by=BY, at=EFFECTIVE))
        began = time.perf_counter()
        in_unit_of_work(lambda: state(crowd.policy, ring))
        seconds = time.perf_counter() - began
        limit = hashing.compressions_per_second() / hashing.of_a_leaf(
            f"crowd-{workers}", f"worker{workers}@example.org", f"Worker {workers}"
        )
        leaves = workers * len(LINES)
        assert db.session.execute(select(func.sum(LiabilityStatement.count))).scalar_one() == leaves
        return {
            "n": leaves,
            "seconds": round(seconds, 2),
            "per_second": round(leaves / seconds),
            "limit_per_second": round(limit),
            "ratio": round(leaves / seconds / limit, 4),
            "peak_mb": peak_mb(),
            "workers": workers,
        }


def state(policy: Policy, ring: KeyRing) -> None:
    """Everything that everybody owes now."""
    statements.begin_snapshot()
    on = EFFECTIVE.date()
    liability_statements.state_all(policy=policy, as_of=on, cause="benchmark", keys=ring, by=BY, at=EFFECTIVE)


if __name__ == "__main__":
    main()
