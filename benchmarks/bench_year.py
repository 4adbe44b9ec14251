"""What does each piece of work cost, in processor, disk and write-ahead log, on PostgreSQL?

A year in miniature through the public operations: lines are reported and paid, switches carried out,
entries sealed, statements made, pages served, choices taken. ``benchmarks/year.py`` computes large
years from these costs.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from sqlalchemy import select, text

from benchmarks import crowd, workforce
from benchmarks.bench_statement import state
from benchmarks.engines import application, ring_in
from benchmarks.sizes import sized, tell
from enrollment import contributions, elections, switching
from enrollment.models import BenefitAccount, Employer, EnrollmentWindow, Remittance
from exchange.database import db, in_unit_of_work
from exchange.ledger import seals, statements
from exchange.ledger.keys import KeyRing
from providers.models import PackageVersion

WORKERS = sized(small=200, full=50_000)
AT = datetime(2026, 10, 6, 17, tzinfo=UTC)
CHOICES = sized(small=20, full=2_000)


@dataclass(frozen=True, slots=True)
class Reading:
    """Meters at one moment: processor seconds of program and database, bytes on disk, bytes ever logged."""

    cpu_seconds: float
    disk_bytes: int
    wal_bytes: int


def read() -> Reading:
    """Read the meters; a checkpoint first, so that what is on disk is there."""
    with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM"))
        server, disk, wal = connection.execute(
            text(
                "SELECT pg_backend_pid(), pg_database_size(current_database()),"
                " pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')"
            )
        ).one()
    return Reading(time.process_time() + _server_seconds(server), disk, int(wal))


def _server_seconds(backend: int) -> float:
    """Processor seconds of every process of the database server that this backend belongs to (Linux only)."""
    server = _stat(backend)[1]
    ticks = os.sysconf("SC_CLK_TCK")
    spent = 0
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                own, parent = _stat(int(folder.name))
            except (FileNotFoundError, ProcessLookupError):
                continue
            if server in {parent, int(folder.name)}:
                spent += own
    return spent / ticks


def _stat(pid: int) -> tuple[int, int]:
    """(ticks of it and of its dead children, its parent)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return sum(map(int, fields[11:15])), int(fields[1])


def main() -> None:
    """Measure each kind of work; one JSON line each."""
    with application("postgresql") as app, tempfile.TemporaryDirectory() as keys:
        workforce.gather(WORKERS)
        _measure("line", WORKERS, _lines)
        _measure("entry", WORKERS, partial(_sealed, ring_in(Path(keys), app)))
    with application("postgresql") as app, tempfile.TemporaryDirectory() as keys:
        gathered = crowd.gather(WORKERS)
        window = db.session.get_one(EnrollmentWindow, gathered.window_id)
        _measure("choice", CHOICES, partial(_choices, gathered))
        in_unit_of_work(lambda: switching.order_window(window, by=crowd.BY, at=crowd.CLOSED))
        ring = ring_in(Path(keys), app)
        _measure("switch", WORKERS, partial(_switches, gathered))
        in_unit_of_work(lambda: statements.freeze(ring, by=crowd.BY, at=crowd.EFFECTIVE))
        leaves = WORKERS * len(crowd.LINES)
        _measure("leaf", leaves, lambda: in_unit_of_work(lambda: state(gathered.policy, ring)))


def _lines() -> None:
    """One employer reports everybody's week, pays, and it is posted."""
    employer, report = in_unit_of_work(lambda: workforce.employ(1, of=WORKERS))[0]
    employer_id = employer.organization_id

    def submit() -> int:
        found = db.session.get_one(Employer, employer_id)
        return contributions.submit(report, employer=found, source="csv", request_key="week", by=crowd.BY, at=AT).id

    remittance_id = in_unit_of_work(submit)
    cents = db.session.execute(select(Remittance.total_cents).where(Remittance.id == remittance_id)).scalar_one()
    in_unit_of_work(lambda: contributions.book(remittance_id, payment_id=0, amount_cents=cents, by=crowd.BY, at=AT))


def _sealed(ring: KeyRing) -> None:
    while in_unit_of_work(lambda: seals.seal(ring, by=crowd.BY, at=crowd.EFFECTIVE)):
        pass


def _choices(gathered: crowd.Crowd) -> None:
    """Workers think again, one after the other."""

    def choose(account_id: int) -> None:
        account = db.session.get_one(BenefitAccount, account_id)
        window = db.session.get_one(EnrollmentWindow, gathered.window_id)
        version = db.session.execute(select(PackageVersion).limit(1)).scalar_one()
        at = crowd.CHOSEN + timedelta(seconds=1)
        elections.elect(account, window=window, version=version, policy=gathered.policy, by=crowd.BY, at=at)

    for account_id in range(1, CHOICES + 1):
        in_unit_of_work(partial(choose, account_id))


def _switches(gathered: crowd.Crowd) -> None:
    while in_unit_of_work(
        lambda: switching.carry_out(
            switching.due(crowd.EFFECTIVE), policy=gathered.policy, by=crowd.BY, at=crowd.EFFECTIVE
        )
    ):
        pass


def _measure(name: str, count: int, work: Callable[[], object]) -> None:
    before, began = read(), time.perf_counter()
    work()
    seconds = time.perf_counter() - began
    after = read()
    tell(
        f"cost_{name}",
        n=count,
        seconds=round(seconds, 2),
        per_second=round(count / seconds),
        cpu_seconds=round((after.cpu_seconds - before.cpu_seconds) / count, 8),
        disk_bytes=round((after.disk_bytes - before.disk_bytes) / count, 1),
        wal_bytes=round((after.wal_bytes - before.wal_bytes) / count, 1),
    )


if __name__ == "__main__":
    main()
