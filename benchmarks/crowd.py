"""How does a benchmark come to a hundred thousand workers with balances, in seconds?

Written with set-based SQL into the migrated tables, because it is not what is measured; it ends in
books that keep every rule. Each worker has four lines with one of two providers and has chosen the
other one in an open enrollment that is closed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import text

from enrollment import windows
from exchange import calendar
from exchange.database import db, in_unit_of_work, is_sqlite, to_microseconds
from exchange.identity import organizations
from exchange.identity.actors import system_actor
from exchange.identity.organizations import OrganizationKind
from exchange.ledger.accounts import AccountKind, Line, open_lines
from exchange.money import Unit
from exchange.policy.document import Policy
from exchange.policy.reading import read_file
from providers.models import (
    Package,
    PackageComponent,
    PackageVersion,
    Provider,
    ProviderKind,
    ProviderState,
    VersionState,
)

BY = system_actor("benchmark")
LONG_AGO = datetime(2024, 1, 1, 8, tzinfo=UTC)
CHOSEN = datetime(2026, 12, 1, 17, tzinfo=UTC)
CLOSED = datetime(2026, 12, 16, 8, tzinfo=UTC)
EFFECTIVE = datetime(2027, 1, 1, 8, tzinfo=UTC)
LINES = (("paid_leave", Unit.USD), ("paid_leave", Unit.MIN), ("retirement", Unit.USD), ("training", Unit.USD))
ROOT = Path(__file__).parents[1]
CHUNK = 20_000


@dataclass(frozen=True, slots=True)
class Crowd:
    """What a benchmark needs to know of it."""

    workers: int
    policy: Policy
    window_id: int

    @property
    def transfers(self) -> int:
        """How many balances move when everybody switches."""
        return self.workers * len(LINES)


def gather(workers: int, *, rounds: int = 0, together: bool = False) -> Crowd:
    """Fill the current application's (empty, migrated) database.

    ``rounds``: so many contributions of three transfers each for everybody, besides the entry of four
    that opens his lines; ``together``: all are with one provider, and stay there.
    """
    policy = read_file(ROOT / "policies" / "washington_demo.yaml").on(EFFECTIVE.date())
    places = in_unit_of_work(lambda: _market(policy))
    if together:
        places |= {f"second_{what}": places[f"first_{what}"] for what in ("provider", "package", "version")}
    no = "0" if is_sqlite() else "FALSE"
    in_unit_of_work(
        lambda: [db.session.execute(text(people.format(no=no)), {"n": workers, **places}) for people in _PEOPLE]
    )
    in_unit_of_work(lambda: _books(workers, rounds, places))
    with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("ANALYZE" if is_sqlite() else "VACUUM ANALYZE"))
    return Crowd(workers, policy, places["window"])


def _market(policy: Policy) -> dict[str, int]:
    exchange = organizations.found("The exchange", kind=OrganizationKind.OPERATOR, by=BY, at=LONG_AGO).id
    first, second = (_provider(name) for name in ("Harbor Union", "Valley Mutual"))
    window = windows.publish_open_enrollment(policy, calendar.plan_year(policy, "2027"), by=BY, at=LONG_AGO)
    money = Line(AccountKind.OUTSIDE, exchange, Unit.USD)
    time = Line(AccountKind.ACCRUAL, exchange, Unit.MIN)
    ids = open_lines([money, time])
    return {
        "first_provider": first[0], "first_package": first[1], "first_version": first[2],
        "second_provider": second[0], "second_package": second[1], "second_version": second[2],
        "window": window.id, "money": ids[money], "time": ids[time],
        "long_ago": to_microseconds(LONG_AGO), "chosen": to_microseconds(CHOSEN),
        "effective": to_microseconds(EFFECTIVE),
    }  # fmt: skip


def _provider(name: str) -> tuple[int, int, int]:
    organization = organizations.found(name, kind=OrganizationKind.PROVIDER, by=BY, at=LONG_AGO)
    provider = Provider(
        organization_id=organization.id,
        kind=ProviderKind.UNION,
        state=ProviderState.QUALIFIED,
        summary="",
        applied_at=LONG_AGO,
        takes_new_members=True,
    )
    package = Package(provider_id=organization.id, name=f"{name} Plan", created_at=LONG_AGO)
    version = PackageVersion(
        plan_year="2027",
        number=1,
        state=VersionState.DRAFT,
        summary="",
        fee_bp=1_000,
        withdrawal_terms="",
        service_area="US-WA",
        created_at=LONG_AGO,
    )
    for made in (provider, package):
        db.session.add(made)
        db.session.flush()
    version.package_id = package.id
    db.session.add(version)
    db.session.flush()
    for component in ("paid_leave", "retirement", "training"):
        db.session.add(PackageComponent(version_id=version.id, component=component, share_bp=3_000))
    db.session.flush()
    version.state = VersionState.LISTED
    version.submitted_at = version.listed_at = LONG_AGO
    db.session.flush()
    return organization.id, package.id, version.id


_NUMBERS = "WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < :n)"
# Odd workers are with the first provider and go to the second, even ones the other way.
_ODD = "CASE WHEN n % 2 = 1 THEN {} ELSE {} END"
_PEOPLE = (
    (
        f"INSERT INTO worker (id, legal_name, email, place, registered_at) {_NUMBERS}"
        " SELECT n, 'Worker ' || n, 'worker' || n || '@example.org', 'US-WA', :long_ago FROM numbers"
    ),
    (
        f"INSERT INTO benefit_account (id, number, worker_id, opened_at, switch_locked) {_NUMBERS}"
        " SELECT n, 'crowd-' || n, n, :long_ago, {no} FROM numbers"
    ),
    (
        f"INSERT INTO membership (benefit_account_id, provider_id, package_id, starts_at, cause) {_NUMBERS} SELECT n,"
        f" {_ODD.format(':first_provider', ':second_provider')}, {_ODD.format(':first_package', ':second_package')},"
        " :long_ago, 'election' FROM numbers"
    ),
    (
        f"INSERT INTO election (benefit_account_id, window_id, plan_year, package_version_id, state, decided_at,"
        f" effective_at, retroactive) {_NUMBERS} SELECT n, :window, '2027',"
        f" {_ODD.format(':second_version', ':first_version')}, 'standing', :chosen, :effective, {{no}} FROM numbers"
    ),
)


def _books(workers: int, rounds: int, places: dict[str, int]) -> None:
    """For each worker one entry that fills his four lines from the world's side, and ``rounds`` contributions."""
    given = {"n": workers, **places, "on": LONG_AGO.date().isoformat()}
    if not is_sqlite():
        # What refers to what is right by construction, and looking it up would take most of the time.
        db.session.execute(text("SET LOCAL session_replication_role = replica"))
    # A worker's lines are opened together, with the first contribution that he gets.
    lines = " UNION ALL ".join(
        f"SELECT {place} AS place, '{component}' AS component, '{unit}' AS unit"
        for place, (component, unit) in enumerate(LINES)
    )
    db.session.execute(
        text(
            f"INSERT INTO ledger_account (kind, organization_id, holder_id, component, unit) {_NUMBERS}"
            f" SELECT 'worker', {_ODD.format(':first_provider', ':second_provider')}, n, line.component, line.unit"
            f" FROM numbers, ({lines}) line ORDER BY n, line.place"
        ),
        given,
    )
    for low in range(1, workers + 1, CHUNK):
        chunk = {**given, "low": low, "high": min(low + CHUNK - 1, workers)}
        _fill(chunk, _OPENING, base=0)
        for number in range(1, rounds + 1):
            _fill(chunk, _CONTRIBUTION, base=number * workers)
    total = "SELECT coalesce(sum(t.amount), 0) FROM ledger_transfer t WHERE t.source_id ="
    db.session.execute(text(f"UPDATE ledger_shared_balance SET amount = -({total} ledger_shared_balance.account_id)"))
    if not is_sqlite():
        for table, highest in (
            ("worker", workers),
            ("benefit_account", workers),
            ("ledger_entry", (rounds + 1) * workers),
        ):
            db.session.execute(text(f"SELECT setval('{table}_id_seq', :n)"), {"n": highest})


def _fill(chunk: dict[str, Any], statements: Sequence[str], *, base: int) -> None:
    """The entries ``base + n`` of some workers, their transfers, and what these change."""
    for statement in statements:
        on = ":on" if is_sqlite() else "CAST(:on AS date)"
        # A flat number of rows at a time: SQLite sorts them in this process's memory, which is what is measured.
        db.session.execute(text(statement.format(base=base, on=on)), chunk)


_SOME = "WITH RECURSIVE numbers(n) AS (SELECT CAST(:low AS bigint) UNION ALL SELECT n + 1 FROM numbers WHERE n < :high)"
_ENTRIES = (
    (
        f"INSERT INTO ledger_entry (id, key, kind, posted_at, effective_on) {_SOME}"
        " SELECT n + {base}, 'crowd:' || (n + {base}), 'crowd', :long_ago, {on} FROM numbers"
    ),
    (
        "INSERT INTO ledger_key (key, entry_id) SELECT key, id FROM ledger_entry"
        " WHERE id BETWEEN :low + {base} AND :high + {base}"
    ),
)
_MINE = "FROM ledger_account a WHERE a.holder_id BETWEEN :low AND :high"
_SEQ = "row_number() OVER (PARTITION BY a.holder_id ORDER BY a.id) - 1"
_WORLD = "CASE WHEN a.unit = 'USD' THEN :money ELSE :time END"
_OPENING = (
    *_ENTRIES,
    (
        "INSERT INTO ledger_transfer (entry_id, seq, source_id, target_id, unit, amount)"
        f" SELECT a.holder_id + {{base}}, {_SEQ}, {_WORLD}, a.id, a.unit, 100 + a.id % 900 {_MINE}"
    ),
    f"INSERT INTO ledger_balance (account_id, amount) SELECT a.id, 100 + a.id % 900 {_MINE}",
)
# A contribution is divided among the three components that are counted in money.
_CONTRIBUTION = (
    *_ENTRIES,
    (
        "INSERT INTO ledger_transfer (entry_id, seq, source_id, target_id, unit, amount)"
        f" SELECT a.holder_id + {{base}}, {_SEQ}, :money, a.id, a.unit, 100 {_MINE} AND a.unit = 'USD'"
    ),
    (f"UPDATE ledger_balance SET amount = amount + 100 WHERE account_id IN (SELECT a.id {_MINE} AND a.unit = 'USD')"),
)
