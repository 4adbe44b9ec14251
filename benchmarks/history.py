"""How does a benchmark come to a million workers with thirty million transfers behind them?

Written chunk by chunk with set-based SQL into the migrated tables. Every worker is a member of one of the
market's packages, has worked for two employers, and has three contributions posted in ten transfers
each; balances are what the transfers come to. Foreign keys are held by construction: PostgreSQL is
told not to look each of them up while the rows are loaded.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import BigInteger, func, insert, literal, select, text

from benchmarks.market import BY, NUMBERS, Market, write
from enrollment import employers
from enrollment.models import EmployerKind
from exchange.database import core, db, in_unit_of_work, is_sqlite, to_microseconds
from exchange.ledger import totals
from exchange.ledger.accounts import AccountKind, Line, open_lines
from exchange.ledger.journal import LedgerEntry
from exchange.ledger.totals import LedgerCounted, LedgerPoolDay, LedgerTotal
from exchange.money import Unit

CHUNK = 50_000
EMPLOYERS = 100
DEEDS = 3  # contributions of each worker
OWN = (("paid_leave", "USD", 500), ("paid_leave", "MIN", 60), ("retirement", "USD", 300), ("training", "USD", 100),
       ("emergency", "USD", 100))  # fmt: skip
POOLS = (("health", 800), ("disability", 100), ("workers_compensation", 100), ("life", 50))
FEE_CENTS = 100
TRANSFERS = len(OWN) + len(POOLS) + 1
CENTS = sum(amount for _, unit, amount in OWN if unit == "USD") + sum(amount for _, amount in POOLS) + FEE_CENTS


@dataclass(frozen=True, slots=True)
class Shared:
    """The ids of lines that many share, and of the first employer; each provider's lines follow one another."""

    money: int
    time: int
    first_pool: int
    employer: int


def live_through(market: Market, *, workers: int) -> None:
    """Fill the market with so many workers, and with their past; tells on stderr how far it is."""
    shared = in_unit_of_work(lambda: _open_shared(market))
    began = time.monotonic()
    for first in range(1, workers + 1, CHUNK):
        last = min(first + CHUNK - 1, workers)
        in_unit_of_work(lambda first=first, last=last: _write(market, shared, first, last))  # type: ignore[misc]
        _say(f"{last:,} workers, {last * DEEDS * TRANSFERS:,} transfers, {time.monotonic() - began:.0f} s")
    in_unit_of_work(lambda: _finish(shared, workers))
    in_unit_of_work(count_totals)
    _say(f"counted, {time.monotonic() - began:.0f} s")
    with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        if not is_sqlite():
            connection.execute(text("SET statement_timeout = 0"))
        connection.execute(text("ANALYZE" if is_sqlite() else "VACUUM ANALYZE"))
    _say(f"analyzed, {time.monotonic() - began:.0f} s")


def count_totals() -> None:
    """Leave the sums that are kept as the job leaves them that has followed every posting; nobody posts meanwhile."""
    if not is_sqlite():
        db.session.execute(text("SET LOCAL statement_timeout = 0"))
    for table, source, figure in (
        (LedgerTotal, totals.of_balances(), "amount"),
        (LedgerPoolDay, totals.of_journal(), "cents"),
    ):
        key = [column.name for column in core(table).primary_key]
        columns = [source.c[name] for name in key]
        rows = select(*columns, func.sum(source.c[figure]).cast(BigInteger)).group_by(*columns)
        db.session.execute(insert(core(table)).from_select([*key, figure], rows))
    highest = select(literal(1), func.max(LedgerEntry.id))
    db.session.execute(insert(core(LedgerCounted)).from_select(["id", "highest_entry_id"], highest))


def _open_shared(market: Market) -> Shared:
    """Employers, and the lines of the exchange and of every provider."""
    made = [
        employers.register(f"Employer {number:03d}", kind=EmployerKind.PLATFORM, sector="rides", by=BY, at=market.at)
        for number in range(EMPLOYERS)
    ]
    ids = [one.organization_id for one in made]
    assert ids == list(range(ids[0], ids[0] + EMPLOYERS)), "ids without a gap"
    outside = Line(AccountKind.OUTSIDE, market.exchange_id, Unit.USD)
    accrual = Line(AccountKind.ACCRUAL, market.exchange_id, Unit.MIN)
    world = open_lines([outside, accrual])
    firsts = []
    for provider_id in market.provider_ids:
        lines = [Line(AccountKind.POOL, provider_id, Unit.USD, component) for component, _ in POOLS]
        opened = [open_lines([line])[line] for line in (*lines, Line(AccountKind.FEE, provider_id, Unit.USD))]
        firsts.append(opened[0])
    step = len(POOLS) + 1
    assert firsts == list(range(firsts[0], firsts[0] + step * len(firsts), step)), "ids without a gap"
    return Shared(world[outside], world[accrual], firsts[0], ids[0])


def _write(market: Market, shared: Shared, first: int, last: int) -> None:
    """Everything of the workers ``first`` to ``last``; ids are computed, so that nothing is joined back."""
    if not is_sqlite():
        db.session.execute(text("SET LOCAL session_replication_role = replica"))
        db.session.execute(text("SET LOCAL statement_timeout = 0"))
    day = timedelta(days=1)
    given: dict[str, int | str] = {
        "first": first, "last": last, "base": market.provider_ids[0], "count": len(market.provider_ids),
        "packages": market.packages, "money": shared.money, "time": shared.time, "pool": shared.first_pool,
        "employer": shared.employer, "policy": market.policy_id, "year": market.years[0], "next_year": market.years[1],
        "then": to_microseconds(market.at - 400 * day), "now": to_microseconds(market.at - day),
        "day": to_microseconds(market.at) - to_microseconds(market.at - day), "today": market.today.isoformat(),
        "window": market.window_id,
    }  # fmt: skip
    for statement in _statements():
        write(statement, **given)


# Worker n is with the provider and in the package of n; deed d of his (from 0) is entry 3(n − 1) + d + 1 …
PROVIDER = "(:base + (n - 1) % :packages % :count)"
PACKAGE = "((n - 1) % :packages + 1)"
ENTRY = f"({DEEDS} * (n - 1) + d + 1)"
# … and his lines have ids far above those of the lines that are shared.
LINE = f"(1000000 + {len(OWN)} * (n - 1) + {{place}})"
POOL = f"(:pool + {len(POOLS) + 1} * ((n - 1) % :packages % :count) + {{place}})"
_DEEDS = f", deeds(d) AS (SELECT 0 UNION ALL SELECT d + 1 FROM deeds WHERE d < {DEEDS - 1})"
EACH = "FROM numbers CROSS JOIN deeds"


def _statements() -> list[str]:
    no, yes = ("0", "1") if is_sqlite() else ("FALSE", "TRUE")
    return [*_people(no, yes), *_work(), *_books(), *_choices(no)]


def _ago(days: str) -> str:
    """The local date so many days before today."""
    return f"date(:today, '-' || ({days}) || ' days')" if is_sqlite() else f"(CAST(:today AS date) - ({days})::int)"


def _people(no: str, yes: str) -> list[str]:
    return [
        (
            "INSERT INTO login (id, audience, name, email, active, created_at, fs_uniquifier)"
            f" {NUMBERS} SELECT 1000 + n, 'worker', 'Worker ' || n, 'worker' || n || '@example.org', {yes}, :then,"
            " 'worker-' || n FROM numbers"
        ),
        (
            f"INSERT INTO worker (id, login_id, legal_name, email, place, registered_at) {NUMBERS}"
            " SELECT n, 1000 + n, 'Worker ' || n, 'worker' || n || '@example.org', 'US-WA/King County/Seattle', :then"
            " FROM numbers"
        ),
        (
            f"INSERT INTO benefit_account (id, number, worker_id, opened_at, switch_locked) {NUMBERS}"
            f" SELECT n, 'bench-' || n, n, :then, {no} FROM numbers"
        ),
        (
            f"INSERT INTO membership (id, benefit_account_id, provider_id, package_id, starts_at, cause) {NUMBERS}"
            f" SELECT n, n, {PROVIDER}, {PACKAGE}, :then, 'election' FROM numbers"
        ),
        *(
            (
                "INSERT INTO member_right (membership_id, component, covered_since, deductible_met_cents)"
                f" {NUMBERS} SELECT n, '{component}', {_ago('400')}, 0 FROM numbers"
            )
            for component, _ in POOLS
        ),
        (
            f"INSERT INTO notice (login_id, at, subject, body) {NUMBERS}"
            " SELECT 1000 + n, :then, 'Welcome', 'Your account is open.' FROM numbers"
        ),
        (
            "INSERT INTO audit_event (at, action, subject, audience, actor_name, login_id)"
            f" {NUMBERS} SELECT :then + n, 'account.opened', 'benefit_account:' || n, 'worker', 'Worker ' || n,"
            " 1000 + n FROM numbers"
        ),
    ]


def _work() -> list[str]:
    """Two employers each; every employer pays for a chunk of workers with one remittance for each deed."""
    employer = f"(:employer + (n + d) % {EMPLOYERS})"
    remittance = f"(((:first - 1) / {CHUNK} * {EMPLOYERS} + (n + d) % {EMPLOYERS}) * {DEEDS} + d + 1)"
    # Deeds lie four months apart, so that one of three is of the last months.
    worked = _ago("(n % 80) + 120 * d + 10")
    return [
        (
            "INSERT INTO remittance (id, employer_id, state, source, content_digest, reported_at, paid_at,"
            f" total_cents, late_cents) {NUMBERS}{_DEEDS} SELECT {remittance}, {employer}, 'paid', 'csv',"
            f" {_digest(remittance)}, :now, :now, sum({CENTS}), 0 {EACH} GROUP BY 1, 2, 5"
        ),
        (
            "INSERT INTO employment (employer_id, benefit_account_id, first_worked_on, last_worked_on)"
            f" {NUMBERS}{_DEEDS} SELECT {employer}, n, {_ago('400')}, {_ago('n % 80 + 10')} {EACH} WHERE d < 2"
        ),
        (
            f"INSERT INTO ledger_entry (id, key, kind, posted_at, effective_on) {NUMBERS}{_DEEDS} SELECT {ENTRY},"
            f" 'contribution:' || {ENTRY}, 'contribution', :now - (120 * d) * :day, {worked} {EACH}"
        ),
        f"INSERT INTO ledger_key (key, entry_id) {NUMBERS}{_DEEDS} SELECT 'contribution:' || {ENTRY}, {ENTRY} {EACH}",
        (
            "INSERT INTO contribution (id, remittance_id, line, employer_id, benefit_account_id, work_from, work_to,"
            " place, sector, worker_class, minutes, earnings_cents, fee_cents, tolls_cents, jobs, policy_version_id,"
            " rule, owed_cents, extra_cents, late_cents, explanation, provider_id, package_version_id, entry_id)"
            f" {NUMBERS}{_DEEDS} SELECT {ENTRY}, {remittance}, n, {employer}, n, {worked}, {worked},"
            f" 'US-WA/King County/Seattle', 'rides', '1099', 480, 20000, 8000, 0, 1, :policy, 'app_work', {CENTS}, 0,"
            f" 0, '25 % of $80.00', {PROVIDER}, {PACKAGE}, {ENTRY} {EACH}"
        ),
    ]


def _digest(number: str) -> str:
    return f"CAST('r' || {number} AS BLOB)" if is_sqlite() else f"convert_to('r' || {number}, 'UTF8')"


def _books() -> list[str]:
    lines = [
        (
            f"INSERT INTO ledger_account (id, kind, organization_id, holder_id, component, unit) {NUMBERS} SELECT"
            f" {LINE.format(place=place)}, 'worker', {PROVIDER}, n, '{component}', '{unit}' FROM numbers"
        )
        for place, (component, unit, _) in enumerate(OWN)
    ]
    balances = [
        (
            f"INSERT INTO ledger_balance (account_id, amount) {NUMBERS}"
            f" SELECT {LINE.format(place=place)}, {DEEDS * amount} FROM numbers"
        )
        for place, (_, _, amount) in enumerate(OWN)
    ]
    parts = [
        (":money" if unit == "USD" else ":time", LINE.format(place=place), unit, amount)
        for place, (_, unit, amount) in enumerate(OWN)
    ]
    parts += [
        (":money", POOL.format(place=place), "USD", amount)
        for place, amount in enumerate([*(amount for _, amount in POOLS), FEE_CENTS])
    ]
    asked = " UNION ALL ".join(
        f"SELECT {ENTRY}, {seq}, {source}, {target}, '{unit}', {amount} {EACH}"
        for seq, (source, target, unit, amount) in enumerate(parts)
    )
    columns = "entry_id, seq, source_id, target_id, unit, amount"
    return [*lines, *balances, f"INSERT INTO ledger_transfer ({columns}) {NUMBERS}{_DEEDS} {asked}"]


def _choices(no: str) -> list[str]:
    """Every twentieth has chosen for the next plan year; every fiftieth has asked for leave, most have got it."""
    return [
        (
            "INSERT INTO election (benefit_account_id, window_id, plan_year, package_version_id, state, decided_at,"
            f" effective_at, retroactive) {NUMBERS} SELECT n, :window, :next_year, n % :packages + 1 + :packages,"
            f" 'standing', :now, w.effective_at, {no} FROM numbers"
            " JOIN enrollment_window w ON w.id = :window WHERE n % 20 = 0"
        ),
        (
            "INSERT INTO leave_request (benefit_account_id, component, minutes, first_day, last_day, state, asked_at)"
            f" {NUMBERS} SELECT n, 'paid_leave', 60, {_ago('5')}, {_ago('5')}, 'asked', :now FROM numbers"
            " WHERE n % 50 = 0"
        ),
        (
            "INSERT INTO switch (cause, benefit_account_id, plan_year, from_provider_id, from_package_id,"
            " to_provider_id, to_package_id, to_version_id, effective_at, state, ordered_at, carried_out_at)"
            f" {NUMBERS} SELECT 'placement', n, :year, {PROVIDER}, NULL, {PROVIDER}, {PACKAGE}, {PACKAGE}, :then,"
            " 'carried_out', :then, :then FROM numbers WHERE n % 10 = 0"
        ),
    ]


def _finish(shared: Shared, workers: int) -> None:
    """The shared lines come to what the transfers say; new rows get ids after ours."""
    if not is_sqlite():
        db.session.execute(text("SET LOCAL statement_timeout = 0"))
    own = [(unit, amount) for _, unit, amount in OWN]
    minutes = DEEDS * workers * sum(amount for unit, amount in own if unit == "MIN")
    _set(shared.money, -DEEDS * workers * CENTS)
    _set(shared.time, -minutes)
    amounts = [*(amount for _, amount in POOLS), FEE_CENTS]
    for place, amount in enumerate(amounts):
        db.session.execute(
            text(
                "UPDATE ledger_shared_balance SET amount = :each * (SELECT count(*) FROM membership m"
                " JOIN ledger_account a ON a.organization_id = m.provider_id"
                " WHERE a.id = ledger_shared_balance.account_id)"
                " WHERE (account_id - :pool) % :step = :place AND account_id >= :pool AND account_id < 1000000"
            ),
            {"each": DEEDS * amount, "pool": shared.first_pool, "step": len(amounts), "place": place},
        )
    if not is_sqlite():
        for table in ("login", "worker", "benefit_account", "membership", "remittance", "contribution",
                      "ledger_entry", "ledger_account"):  # fmt: skip
            db.session.execute(text(f"SELECT setval('{table}_id_seq', (SELECT max(id) FROM {table}))"))


def _set(account_id: int, amount: int) -> None:
    db.session.execute(
        text("UPDATE ledger_shared_balance SET amount = :amount WHERE account_id = :id"),
        {"amount": amount, "id": account_id},
    )


def _say(words: str) -> None:
    sys.stderr.write(words + "\n")
    sys.stderr.flush()
