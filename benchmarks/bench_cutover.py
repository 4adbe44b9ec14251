"""How fast does a cutover go through the public operation, against raw set-based SQL on the same rows?

Both carry 5,000 workers in a transaction, turn about in the same run: a batch of the real cutover
(orders, locks, opening accounts, idempotency keys, references, append-only triggers, memberships,
rights, audit), then a batch of bare INSERT and UPDATE on tables with a primary key and nothing else.

"The same rows" of the limit L are the journal's: for each worker an entry and its four transfers, and the
eight balances that they change. Opened lines, keys, references, further indexes, locks and the audit log are
what the guards cost, and not in it. ``ratio`` is told against that. A switch is more than its money: the
membership that ends and the one that begins, its rights, the marks on switch and election are rows that any
program would write. ``ratio_of_all_rows`` is told against a limit that writes these as well, as barely;
``ratio_of_same_tables`` against the same bare SQL into tables with the indexes that the exchange keeps, because pages
read by them; ``ratio_of_all_writes`` against bare SQL that writes every row of a switch there, opened lines and keys of
the journal too: what is left to the guards and to finding out what is to be done.

Told are medians of five rounds; then the rate and the memory with twenty times as many workers, and
what two connections do together (PostgreSQL, processes of their own).
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from multiprocessing import get_context
from multiprocessing.connection import Connection
from statistics import median

from sqlalchemy import text

from benchmarks.crowd import BY, CLOSED, EFFECTIVE, LINES, Crowd, gather
from benchmarks.engines import ENGINES, Figures, apart, application
from benchmarks.sizes import peak_mb, sized, tell
from enrollment import cutover, switching
from enrollment.models import EnrollmentWindow
from exchange.database import db, in_unit_of_work, is_sqlite
from exchange.ledger import invariants

ROUNDS = 5
BATCH = sized(small=100, full=switching.BATCH)
FEW, SOME, MANY = sized(small=(500, 1_000, 2_000), full=(10_000, 50_000, 1_000_000))
# The raw limit has the journal's own columns, narrow balances with room for updates in place, keys in the order of
# workers, and for each worker the lines that are left (even) beside those that are joined (odd).
_RAW = (
    (
        "CREATE TABLE raw_entry (id {key} PRIMARY KEY, key text, kind text, posted_at bigint, effective_on {date},"
        " details_digest {bytes}, corrects_id bigint)"
    ),
    (
        "CREATE TABLE raw_transfer (entry_id bigint, seq smallint, source_id bigint, target_id bigint, unit text,"
        " amount bigint, PRIMARY KEY (entry_id, seq))"
    ),
    "CREATE TABLE raw_balance (account_id {key} PRIMARY KEY, amount bigint NOT NULL){room}",
    (
        "INSERT INTO raw_balance SELECT 8 * l.holder_id + 2 * l.place + side.n, l.amount * (1 - side.n) FROM"
        " (SELECT a.holder_id, row_number() OVER (PARTITION BY a.holder_id ORDER BY a.id) - 1 AS place, b.amount"
        " FROM ledger_account a JOIN ledger_balance b ON b.account_id = a.id) l,"
        " (SELECT 0 AS n UNION ALL SELECT 1) side ORDER BY 1"
    ),
    (
        "CREATE TABLE raw_membership (id {key} PRIMARY KEY, benefit_account_id bigint, provider_id bigint,"
        " package_id bigint, starts_at bigint, ends_at bigint, cause text){room}"
    ),
    (
        "INSERT INTO raw_membership SELECT benefit_account_id, benefit_account_id, provider_id, package_id, starts_at,"
        " ends_at, cause FROM membership ORDER BY 1"
    ),
    (
        "CREATE TABLE raw_right (membership_id bigint, component text, covered_since {date},"
        " deductible_met_cents bigint, paid_through {date}, PRIMARY KEY (membership_id, component))"
    ),
    (
        "CREATE TABLE raw_switch (id {key} PRIMARY KEY, benefit_account_id bigint, plan_year text, election_id bigint,"
        " from_provider_id bigint, from_package_id bigint, to_provider_id bigint, to_package_id bigint,"
        " to_version_id bigint, effective_at bigint, state text, carried_out_at bigint, entry_id bigint){room}"
    ),
    (
        "INSERT INTO raw_switch SELECT benefit_account_id, benefit_account_id, plan_year, election_id,"
        " from_provider_id, from_package_id, to_provider_id, to_package_id, to_version_id, effective_at, state"
        ", NULL, NULL FROM switch ORDER BY 1"
    ),
    (
        "CREATE TABLE raw_election (id {key} PRIMARY KEY, benefit_account_id bigint, plan_year text,"
        " package_version_id bigint, state text, decided_at bigint, effective_at bigint){room}"
    ),
    (
        "INSERT INTO raw_election SELECT benefit_account_id, benefit_account_id, plan_year, package_version_id, state,"
        " decided_at, effective_at FROM election ORDER BY 1"
    ),
)
_RAW_JOURNAL = (
    (
        "INSERT INTO raw_entry SELECT s.id, 'switch:2027:' || s.id, 'switch', s.effective_at, {on}, NULL, NULL"
        " FROM raw_switch s WHERE s.id BETWEEN :first AND :last"
    ),
    (
        "INSERT INTO raw_transfer SELECT b.account_id / 8, b.account_id % 8 / 2, b.account_id, b.account_id + 1, 'USD',"
        " b.amount FROM raw_balance b WHERE b.account_id BETWEEN 8 * :first AND 8 * :last + 7 AND b.amount > 0"
    ),
    (
        "UPDATE raw_balance SET amount = raw_balance.amount + t.amount FROM raw_transfer t"
        " WHERE raw_balance.account_id = t.target_id AND t.entry_id BETWEEN :first AND :last"
    ),
    (
        "UPDATE raw_balance SET amount = raw_balance.amount - t.amount FROM raw_transfer t"
        " WHERE raw_balance.account_id = t.source_id AND t.entry_id BETWEEN :first AND :last"
    ),
)
_RAW_OTHERS = (
    (
        "UPDATE raw_membership SET ends_at = s.effective_at FROM raw_switch s"
        " WHERE raw_membership.id = s.id AND s.id BETWEEN :first AND :last"
    ),
    (
        "INSERT INTO raw_membership SELECT 1000000000 + s.id, s.benefit_account_id, s.to_provider_id, s.to_package_id,"
        " s.effective_at, NULL, 'election' FROM raw_switch s WHERE s.id BETWEEN :first AND :last"
    ),
    (
        "INSERT INTO raw_right SELECT 1000000000 + s.id, c.component, {on}, 0, NULL FROM raw_switch s"
        " JOIN package_component c ON c.version_id = s.to_version_id WHERE s.id BETWEEN :first AND :last"
    ),
    (
        "UPDATE raw_switch SET state = 'carried_out', carried_out_at = effective_at, entry_id = id"
        " WHERE id BETWEEN :first AND :last"
    ),
    "UPDATE raw_election SET state = 'carried_out' WHERE id BETWEEN :first AND :last",
)
_INDEXES = (
    "CREATE INDEX ix_raw_transfer ON raw_transfer (target_id)",
    "CREATE UNIQUE INDEX uq_raw_membership ON raw_membership (benefit_account_id, starts_at)",
    "CREATE UNIQUE INDEX uq_raw_membership_now ON raw_membership (benefit_account_id) WHERE ends_at IS NULL",
    "CREATE INDEX ix_raw_membership_now ON raw_membership (provider_id) WHERE ends_at IS NULL",
    "CREATE UNIQUE INDEX uq_raw_switch ON raw_switch (benefit_account_id, effective_at) WHERE state <> 'abandoned'",
    "CREATE UNIQUE INDEX uq_raw_switch_election ON raw_switch (election_id)",
    "CREATE INDEX ix_raw_switch_ordered ON raw_switch (effective_at, id) WHERE state = 'ordered'",
    "CREATE UNIQUE INDEX uq_raw_election ON raw_election (benefit_account_id, plan_year) WHERE state = 'standing'",
    "CREATE INDEX ix_raw_election ON raw_election (package_version_id, state)",
)
# The same tables once more with the other indexes of the exchange's, and again with what only the exchange has.
_SAME = tuple(statement.replace("raw_", "same_") for statement in (*_RAW, *_INDEXES))
_SAME_ROWS = tuple(statement.replace("raw_", "same_") for statement in (*_RAW_JOURNAL, *_RAW_OTHERS))
_ALL = (
    *(statement.replace("raw_", "all_") for statement in (*_RAW, *_INDEXES)),
    (
        "CREATE TABLE all_account (id {key} PRIMARY KEY, kind text, organization_id bigint, holder_id bigint,"
        " component text, unit text)"
    ),
    "CREATE TABLE all_opened (account_id {key} PRIMARY KEY, amount bigint NOT NULL){room}",
    "CREATE TABLE all_key (key text PRIMARY KEY, entry_id bigint)",
    "CREATE UNIQUE INDEX uq_all_account ON all_account (holder_id, organization_id, component, unit)",
)
# Lines are opened and filled where L adds to those that are there.
_ALL_WRITES = tuple(
    statement.replace("raw_", "all_")
    for statement in (
        *_RAW_JOURNAL[:2],
        (
            "INSERT INTO raw_account SELECT 1000000000 + t.target_id, 'worker', s.to_provider_id,"
            " s.benefit_account_id, 'component' || t.seq, t.unit FROM raw_transfer t"
            " JOIN raw_switch s ON s.id = t.entry_id WHERE t.entry_id BETWEEN :first AND :last"
        ),
        (
            "INSERT INTO raw_opened SELECT 1000000000 + target_id, amount FROM raw_transfer"
            " WHERE entry_id BETWEEN :first AND :last"
        ),
        "INSERT INTO raw_key SELECT key, id FROM raw_entry WHERE id BETWEEN :first AND :last",
        _RAW_JOURNAL[3],
        *_RAW_OTHERS,
    )
)


def main() -> None:
    """Measure each engine."""
    for engine in sys.argv[1:] or ENGINES:
        few = _carried(engine, FEW, compares=False)
        some = _carried(engine, SOME, compares=True)
        many = _carried(engine, MANY, compares=False)
        tell(f"cutover_{engine}", **some)
        tell(
            f"cutover_{engine}_many",
            **many,
            of_rate_with_some=round(many["per_second"] / some["per_second"], 3),
            grew_mb_more_than_with_few=round(many["grew_mb"] - few["grew_mb"], 1),
        )
        if engine == "postgresql":
            tell("cutover_postgresql_two_connections", **_two_at_once())


def _gathered(workers: int) -> tuple[Crowd, float]:
    """A crowd whose choices are orders, and how many seconds it took to order them."""
    crowd = gather(workers)
    window = db.session.get_one(EnrollmentWindow, crowd.window_id)
    return crowd, _seconds(lambda: switching.order_window(window, by=BY, at=CLOSED))


def _carried(engine: str, workers: int, *, compares: bool) -> Figures:
    with application(engine):
        crowd, order_seconds = _gathered(workers)
        if compares:
            in_unit_of_work(_prepare_raw)
        figures = apart(lambda: _carry_all(crowd, compares=compares))
        window = db.session.get_one(EnrollmentWindow, crowd.window_id)
        figures["order_seconds"] = round(order_seconds, 2)
        figures["settlement_seconds"] = _seconds(lambda: cutover.finish(window, by=BY, at=EFFECTIVE))
        broken = invariants.broken()
        assert not broken, broken
        return figures


def _carry_all(crowd: Crowd, *, compares: bool) -> Figures:
    """Everybody, batch by batch; in rounds of as many batches each."""
    before = peak_mb()
    batches = crowd.workers // BATCH
    rounds = [range(batches * n // ROUNDS, batches * (n + 1) // ROUNDS) for n in range(ROUNDS)]
    rounds = [numbers for numbers in rounds if numbers]  # few workers have fewer batches
    real: list[float] = []
    raw: list[float] = []
    others: list[float] = []
    same: list[float] = []
    all_: list[float] = []
    bare = ((raw, _RAW_JOURNAL), (others, _RAW_OTHERS), (same, _SAME_ROWS), (all_, _ALL_WRITES))
    log = 0.0
    for numbers in rounds:
        for times in (real, raw, others, same, all_):
            times.append(0.0)
        for number in numbers:
            written = _log_position()
            real[-1] += _seconds(lambda: _carry_one(crowd))
            log += _log_position() - written
            for times, statements in bare if compares else ():
                times[-1] += _seconds(partial(_raw_batch, statements, 1 + number * BATCH))
    each = [len(numbers) * BATCH * len(LINES) for numbers in rounds]
    assert switching.progress(crowd.window_id) == switching.Progress(crowd.workers, crowd.workers)
    figures: Figures = {
        "n": crowd.transfers,
        "seconds": round(sum(real), 2),
        "per_second": round(median(n / seconds for n, seconds in zip(each, real, strict=True))),
        "peak_mb": peak_mb(),
        "grew_mb": round(peak_mb() - before, 1),
    }
    if compares:
        figures["limit_per_second"] = round(median(n / seconds for n, seconds in zip(each, raw, strict=True)))
        both = [journal + rest for journal, rest in zip(raw, others, strict=True)]
        of = {"ratio": raw, "ratio_of_all_rows": both, "ratio_of_same_tables": same, "ratio_of_all_writes": all_}
        for name, limit in of.items():
            figures[name] = round(median(least / seconds for least, seconds in zip(limit, real, strict=True)), 3)
    return figures if is_sqlite() else figures | {"log_bytes_per_transfer": round(log / crowd.transfers)}


def _carry_one(crowd: Crowd) -> None:
    due = switching.due(EFFECTIVE)
    assert switching.carry_out(due, policy=crowd.policy, by=BY, at=EFFECTIVE, limit=BATCH) == BATCH


def _log_position() -> float:
    """How many bytes PostgreSQL has written ahead so far."""
    if is_sqlite():
        return 0
    position = db.session.execute(text("SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')")).scalar_one()
    return float(position)


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    in_unit_of_work(work)
    return time.perf_counter() - began


def _prepare_raw() -> None:
    on_sqlite = {"key": "integer", "room": "", "date": "text", "bytes": "blob"}
    on_postgresql = {"key": "bigint", "room": " WITH (fillfactor = 45)", "date": "date", "bytes": "bytea"}
    for statement in (*_RAW, *_SAME, *_ALL):
        db.session.execute(text(statement.format(**(on_sqlite if is_sqlite() else on_postgresql))))
    changed = [
        f"{limit}_{table}"
        for limit in ("raw", "same", "all")
        for table in ("balance", "membership", "switch", "election")
    ]
    db.session.execute(text("ANALYZE" if is_sqlite() else f"ANALYZE {', '.join(changed)}"))


def _raw_batch(statements: Sequence[str], first: int) -> None:
    on = "'2027-01-01'" if is_sqlite() else "date '2027-01-01'"
    for statement in statements:
        db.session.execute(text(statement.format(on=on)), {"first": first, "last": first + BATCH - 1})


# --- two connections --------------------------------------------------------------------------------


def _two_at_once() -> Figures:
    """One process carries out a batch, then two do one each at the same moment: how many times as fast that is."""
    with application("postgresql"):
        crowd, _ = _gathered(3 * (ROUNDS + 1) * BATCH)
        db.session.remove()
        db.engine.dispose()
        fork = get_context("fork")
        pipes = [fork.Pipe() for _ in range(2)]
        both = [fork.Process(target=_serve, args=(crowd, there)) for _, there in pipes]
        for process in both:
            process.start()
        here = [pipe for pipe, _ in pipes]
        _all_carry(here)  # warm
        _all_carry(here[:1])
        times = [(_all_carry(here[:1]), _all_carry(here)) for _ in range(ROUNDS)]
        for pipe, process in zip(here, both, strict=True):
            pipe.send(False)
            process.join()
        broken = invariants.broken()
        assert not broken, broken
        moved = BATCH * len(LINES)
        return {
            "n": crowd.transfers,
            "one_per_second": round(median(moved / alone for alone, _ in times)),
            "per_second": round(median(2 * moved / together for _, together in times)),
            "times_one": round(median(2 * alone / together for alone, together in times), 3),
        }


def _serve(crowd: Crowd, orders: Connection) -> None:
    while orders.recv():
        in_unit_of_work(lambda: _carry_one(crowd))
        orders.send(True)


def _all_carry(processes: list[Connection]) -> float:
    began = time.perf_counter()
    for process in processes:
        process.send(True)
    for process in processes:
        process.recv()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
