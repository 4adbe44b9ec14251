"""Does sealing keep up with posting, and what do a statement, a bundle and its verification cost?

Per hash of raw SHA-256 over as many bytes in the same run (``ratio``): only ratios travel between
machines. Every measure runs in a process of its own, so that its peak memory is its own.
"""

from __future__ import annotations

import hashlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from flask import Flask
from sqlalchemy import select

from benchmarks.crowd import BY, CLOSED, EFFECTIVE, ROOT, gather
from benchmarks.engines import ENGINES, application
from enrollment import switching
from enrollment.models import EnrollmentWindow
from exchange.database import db, in_unit_of_work
from exchange.ledger import bundle, seals, statements
from exchange.ledger.keys import KeyRing
from exchange.ledger.liabilities import Subject
from exchange.ledger.statements import Moment, Owed, Tree
from exchange.money import Unit
from providers.models import Provider
from tests.support.seal_makers import make_ring

WORKERS = int(os.environ.get("BENCH_WORKERS", "100000"))
ENTRY_BYTES = 500  # about what a switch of four balances has


def main() -> None:
    """Measure each engine in a process of its own."""
    for engine in sys.argv[1:] or ENGINES:
        child = os.fork()
        if child == 0:
            with application(engine) as app:
                _measure(engine, app)
            os._exit(0)
        os.waitpid(child, 0)


def _measure(engine: str, app: Flask) -> None:
    crowd = gather(WORKERS)
    window = db.session.get_one(EnrollmentWindow, crowd.window_id)
    in_unit_of_work(lambda: switching.order_window(window, by=BY, at=CLOSED))
    posting = _seconds(
        lambda: in_unit_of_work(
            lambda: switching.carry_out(switching.due(EFFECTIVE), policy=crowd.policy, by=BY, at=EFFECTIVE)
        )
    )
    raw = _raw_seconds(WORKERS)
    with tempfile.TemporaryDirectory() as folder:
        ring = make_ring(app, Path(folder))
        before = _peak_mb()
        sealing = _seconds(lambda: in_unit_of_work(lambda: seals.seal(ring, by=BY, at=EFFECTIVE)))
        _tell(f"seal_{engine}", WORKERS, sealing, raw, before, posting_ratio=round(posting / sealing, 2))
        before = _peak_mb()
        _tell(f"statement_{engine}", WORKERS, _seconds(lambda: _state(ring)), raw, before)
        path = Path(folder) / "bundle.zip"
        before = _peak_mb()
        writing = _seconds(lambda: in_unit_of_work(lambda: bundle.write(path, keys=ring, by=BY, at=EFFECTIVE) and 0))
        _tell(f"bundle_{engine}", WORKERS, writing, raw, before, megabytes=path.stat().st_size >> 20)
        _verify(engine, path, raw)


def _seconds(work: Callable[[], int]) -> float:
    """Until it returns zero."""
    began = time.perf_counter()
    while work():
        pass
    return time.perf_counter() - began


def _raw_seconds(count: int) -> float:
    content = os.urandom(ENTRY_BYTES)
    began = time.perf_counter()
    for _ in range(count):
        hashlib.sha256(content).digest()
    return time.perf_counter() - began


def _state(ring: KeyRing) -> int:
    """One statement over as many workers as there are (their balances zero: the work is the same)."""

    def owed() -> Iterator[Owed]:
        for number in range(WORKERS):
            yield Owed(Subject(f"PB-{number}", f"w{number}@example.org", f"Worker {number}"), 0, None)

    def work() -> None:
        statements.begin_snapshot()
        moment = Moment(statements.freeze(ring, by=BY, at=EFFECTIVE), EFFECTIVE.date(), "benchmark")
        provider = db.session.execute(select(Provider.organization_id).limit(1)).scalar_one()
        tree = Tree(f"org-{provider}", provider, "emergency", Unit.USD)
        statements.state(tree, owed(), moment=moment, keys=ring, by=BY, at=EFFECTIVE)

    in_unit_of_work(work)
    return 0


def _verify(engine: str, path: Path, raw: float) -> None:
    """The stand-alone program; the crowd's books are written beside the journal, so only its speed counts here."""
    began = time.perf_counter()
    subprocess.run([sys.executable, str(ROOT / "verifier" / "verify.py"), str(path), "--json"], check=False, stdout=-3)  # noqa: S603 - our own program
    seconds = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss >> 10
    _tell(f"verify_{engine}", WORKERS, seconds, raw, 0, child_peak_mb=peak)


def _tell(name: str, count: int, seconds: float, raw: float, before_mb: float, **more: float) -> None:
    found = {
        "name": name,
        "n": count,
        "seconds": round(seconds, 2),
        "per_second": round(count / seconds),
        "ratio": round(raw / seconds, 4),
        "grew_mb": round(_peak_mb() - before_mb, 1) if before_mb else None,
        **more,
    }
    print(json.dumps(found), flush=True)


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
