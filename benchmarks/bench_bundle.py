"""What do a bundle of ten million transfers and its verification cost, and do they take more memory for more?

Everything but the crowd's journal is made by the public operations: the seals, a statement of every balance with
its confidential leaves, the bundle. The program that a stranger would run verifies it, and must say that all of
it holds. The limit is raw SHA-256 of the same run over the bytes of all members. Each part works in a process of
its own; ``grew_mb`` is what it took beyond the run with a million transfers, once for more entries of as many
workers, once for more workers.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

from flask import Flask
from sqlalchemy import func, select

from benchmarks import hashing
from benchmarks.crowd import BY, EFFECTIVE, ROOT, gather
from benchmarks.engines import ENGINES, Figures, apart, application, ring_in
from benchmarks.sizes import in_mb, peak_mb, sized, tell
from enrollment import liability_statements
from exchange.database import db, in_unit_of_work
from exchange.ledger import bundle, seals, statements
from exchange.ledger.journal import LedgerTransfer
from exchange.ledger.keys import ring
from exchange.ledger.seal_store import LiabilityStatement
from tests.support.seal_makers import EXCHANGE

# How many workers, and how many contributions of three transfers each has besides the four that open his lines.
SIZES = sized(
    small=((200, 2), (200, 32), (2_000, 2)),
    full=((100_000, 2), (100_000, 32), (1_000_000, 2)),
)
STARTER = """
import resource, subprocess, sys
code = subprocess.run(sys.argv[1:]).returncode
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(code)
"""


def main() -> None:
    """Measure each engine."""
    for engine in sys.argv[1:] or ENGINES:
        first: tuple[Figures, Figures] | None = None
        for workers, rounds in SIZES:
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "bundle.zip"
                made = books_and_bundle(engine, workers, rounds, path)
                found = made, apart(lambda path=path: verify(path))  # type: ignore[misc]
                raw = raw_seconds(path)
            first = first or found
            for name, one, before in zip(("bundle", "verify"), found, first, strict=True):
                show(f"{name}_{engine}", {**made, **one}, raw, before)


def show(name: str, found: Figures, raw: float, before: Figures) -> None:
    """One line; ``raw`` is the limit in seconds, ``before`` the smallest run."""
    rates = {"per_second": round(found["n"] / found["seconds"]), "limit_per_second": round(found["n"] / raw)}
    grew = round(found["peak_mb"] - before["peak_mb"], 1)
    tell(name, **found, **rates, ratio=round(raw / found["seconds"], 4), grew_mb=grew)


def books_and_bundle(engine: str, workers: int, rounds: int, path: Path) -> Figures:
    """Make, seal and state the books, then write the bundle; the writing alone is counted."""
    with application(engine) as app, tempfile.TemporaryDirectory() as keys:
        apart(lambda: prepare(app, workers, rounds, Path(keys)))
        app.config.update(SEAL_KEYS=keys, EXCHANGE_ID=EXCHANGE)
        return {**apart(lambda: write(path)), "workers": workers}


def prepare(app: Flask, workers: int, rounds: int, keys: Path) -> Figures:
    """Fill the books, seal all of them in batches as the job does, and state everything."""
    crowd = gather(workers, rounds=rounds)
    held = ring_in(keys, app)
    while in_unit_of_work(lambda: seals.seal(held, by=BY, at=EFFECTIVE)):
        pass

    def state() -> int:
        statements.begin_snapshot()
        on = EFFECTIVE.date()
        return liability_statements.state_all(
            policy=crowd.policy, as_of=on, cause="benchmark", keys=held, by=BY, at=EFFECTIVE
        )

    in_unit_of_work(state)
    while in_unit_of_work(lambda: seals.seal(held, by=BY, at=EFFECTIVE)):
        pass
    return {}


def write(path: Path) -> Figures:
    """The bundle."""
    began = time.perf_counter()
    in_unit_of_work(lambda: bundle.write(path, keys=ring(), at=EFFECTIVE))
    seconds = time.perf_counter() - began
    return {
        "n": db.session.execute(select(func.count()).select_from(LedgerTransfer)).scalar_one(),
        "leaves": int(db.session.execute(select(func.sum(LiabilityStatement.count))).scalar_one()),
        "seconds": round(seconds, 2),
        "peak_mb": peak_mb(),
        "file_mb": path.stat().st_size >> 20,
    }


def verify(path: Path) -> Figures:
    """The stand-alone program, as a stranger runs it; it must find that all of it holds."""
    began = time.perf_counter()
    command = [sys.executable, "-I", str(ROOT / "verifier" / "verify.py"), str(path)]
    # Started by a process that is small itself: Linux counts as a child's memory what its parent held.
    start = [sys.executable, "-I", "-S", "-c", STARTER, *command]
    ran = subprocess.run(start, check=False, capture_output=True, text=True)  # noqa: S603 - our own program
    seconds = time.perf_counter() - began
    if ran.returncode != 0:
        sys.exit(ran.stdout + ran.stderr)
    return {"seconds": round(seconds, 2), "peak_mb": in_mb(int(ran.stdout.splitlines()[-1]))}


def raw_seconds(path: Path) -> float:
    """How long SHA-256 alone takes for the bytes of all members."""
    with zipfile.ZipFile(path) as archive:
        length = sum(member.file_size for member in archive.infolist())
    return length / 64 / hashing.compressions_per_second()


if __name__ == "__main__":
    main()
