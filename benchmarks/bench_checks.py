"""What does the daily reserve check of five hundred providers cost, and what do the figures that it cites?

The check reads sums kept of the books and writes a row for each provider; statements of the same journal are made
afterwards (``bench_statement``). Some postings are not sealed yet, as it is while the sealer keeps up.
The limit is one raw sum over the same balances, by provider.
"""

from __future__ import annotations

import sys
import time
from datetime import timedelta

from sqlalchemy import text

from benchmarks.crowd import BY, EFFECTIVE, Crowd, gather
from benchmarks.engines import ENGINES, Figures, apart, application
from benchmarks.history import count_totals
from benchmarks.sizes import peak_mb, sized, tell
from enrollment import liability_statements
from exchange.database import db, in_unit_of_work, is_sqlite, to_microseconds
from exchange.identity import organizations
from exchange.identity.organizations import OrganizationKind
from providers import reserve_checks
from providers.models import CheckCause, Provider, ProviderKind, ProviderState

WORKERS, PROVIDERS, UNSEALED = sized(small=(2_000, 10, 100), full=(1_000_000, 500, 5_000))
_RAW = (
    "SELECT a.organization_id, sum(b.amount) FROM ledger_account a JOIN ledger_balance b ON b.account_id = a.id"
    " WHERE a.kind = 'worker' AND a.unit = 'USD' GROUP BY a.organization_id"
)


def main() -> None:
    """Measure each engine."""
    for engine in sys.argv[1:] or ENGINES:
        tell(f"checks_{engine}", **apart(lambda engine=engine: measure(engine)))  # type: ignore[misc]


def measure(engine: str) -> Figures:
    """The check of a day, the sums at the same size of the journal, and the raw sum; in seconds."""
    with application(engine):
        crowd = gather(WORKERS)
        spread(WORKERS)
        in_unit_of_work(count_totals)
        raw = timed(lambda: db.session.execute(text(_RAW)).all())
        began = time.perf_counter()
        in_unit_of_work(lambda: check(crowd))
        seconds = time.perf_counter() - began
        sums = timed(
            lambda: liability_statements.plan(policy=crowd.policy, as_of=EFFECTIVE.date(), size=WORKERS - UNSEALED)
        )
        return {
            "n": PROVIDERS,
            "seconds": round(seconds, 2),
            "per_second": round(PROVIDERS / seconds),
            "limit_per_second": round(PROVIDERS / raw),
            "ratio": round(raw / seconds, 3),
            "sums_seconds": round(sums, 2),
            "peak_mb": peak_mb(),
            "workers": WORKERS,
        }


def timed(work: object) -> float:
    """Seconds that a reading takes."""
    db.session.rollback()
    began = time.perf_counter()
    work()  # type: ignore[operator]
    db.session.rollback()
    return time.perf_counter() - began


def check(crowd: Crowd) -> None:
    """All providers, once."""
    made = reserve_checks.check(
        None, policy=crowd.policy, on=EFFECTIVE.date(), cause=CheckCause.DAILY, by=BY, at=EFFECTIVE
    )
    assert len(made) == PROVIDERS, "everybody is checked"


def spread(workers: int) -> None:
    """Give the workers of two providers to many, and seal the journal but for its last entries, by hand."""

    def work() -> None:
        ids = [_provider(number) for number in range(PROVIDERS - 2)]
        # Lines are append-only: a benchmark's may be moved behind the triggers' back.
        db.session.execute(
            text(
                "DROP TRIGGER ledger_account_no_update"
                if is_sqlite()
                else "SET LOCAL session_replication_role = replica"
            )
        )
        db.session.execute(
            text("UPDATE ledger_account SET organization_id = :first + holder_id % :count WHERE holder_id IS NOT NULL"),
            {"first": ids[0], "count": len(ids)},
        )
        now = to_microseconds(EFFECTIVE - timedelta(minutes=1))
        size = workers - UNSEALED
        db.session.execute(
            text("INSERT INTO seal_checkpoint (size, root, note, sealed_at) VALUES (:size, :root, '', :now)"),
            {"size": size, "root": bytes(32), "now": now},
        )
        db.session.execute(
            text("INSERT INTO seal_state (id, highest_entry_id, size, peaks) VALUES (1, :size, :size, :root)"),
            {"size": size, "root": b""},
        )

    in_unit_of_work(work)
    with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("ANALYZE"))


def _provider(number: int) -> int:
    organization = organizations.found(f"Guild {number}", kind=OrganizationKind.PROVIDER, by=BY, at=EFFECTIVE)
    db.session.add(
        Provider(
            organization_id=organization.id,
            kind=ProviderKind.UNION,
            state=ProviderState.QUALIFIED,
            summary="",
            applied_at=EFFECTIVE - timedelta(days=100),
            takes_new_members=True,
            tier="strong",
        )
    )
    db.session.flush()
    return organization.id


if __name__ == "__main__":
    main()
