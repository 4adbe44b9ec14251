"""How does a benchmark come to a hundred thousand workers who are reported every month, in seconds?

Providers, packages, policy and employers are made by the real operations. The workers are written with
set-based SQL, because they are not what is measured: each has an account number, is with one of two
providers (every tenth with nobody yet), and has the lines that earlier contributions opened; every
twentieth is new and has none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from sqlalchemy import insert, text

from enrollment import account_numbers
from enrollment.models import BenefitAccount, Employer, Membership, MembershipCause, Worker
from enrollment.report_lines import ReportLine
from exchange.database import core, db, in_unit_of_work, is_sqlite
from exchange.identity.organizations import exchange_id
from exchange.ledger.accounts import AccountKind, LedgerAccount, LedgerBalance
from exchange.money import Unit
from tests.support.employer_makers import LONG_AGO, make_employer, make_package, open_program

SHARES = {"paid_leave": 1000, "retirement": 2500, "health": 4000, "disability": 1000, "workers_compensation": 900}
FEE_BP = 600
_OWN = (("paid_leave", Unit.USD), ("paid_leave", Unit.MIN), ("retirement", Unit.USD))
_HELD = (
    ("paid_leave", Unit.USD), ("paid_leave", Unit.MIN), ("sick_leave", Unit.USD), ("sick_leave", Unit.MIN),
    ("emergency", Unit.USD),
)  # fmt: skip
_MONDAY = date(2026, 9, 28)
_AT_ONCE = 10_000


@dataclass(frozen=True, slots=True)
class Place:
    """Where a worker is: provider (or the exchange) and package."""

    provider_id: int
    package_id: int | None


def gather(workers: int) -> None:
    """Fill the current application's (empty, migrated) database with workers 1 to ``workers``."""
    places = in_unit_of_work(_market)
    for first in range(1, workers + 1, _AT_ONCE):
        ids = range(first, min(first + _AT_ONCE, workers + 1))
        in_unit_of_work(lambda ids=ids: _settle(ids, places))  # type: ignore[misc]
    in_unit_of_work(_open_lines)
    with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("ANALYZE" if is_sqlite() else "VACUUM ANALYZE"))


def _market() -> list[Place]:
    open_program()
    packages = [make_package(SHARES, fee_bp=FEE_BP, name=name) for name in ("Harbor Union", "Valley Mutual")]
    return [*(Place(package.provider_id, package.id) for package in packages), Place(exchange_id(), None)]


def _settle(ids: Sequence[int], places: Sequence[Place]) -> None:
    people = [
        {
            "id": n,
            "legal_name": f"Worker {n}",
            "email": f"w{n}@example.org",
            "place": "US-WA",
            "registered_at": LONG_AGO,
        }
        for n in ids
    ]
    accounts = [
        {"id": n, "number": number_of(n), "worker_id": n, "opened_at": LONG_AGO, "switch_locked": False} for n in ids
    ]
    memberships = [
        {
            "benefit_account_id": n,
            "provider_id": (place := places[2 if n % 10 == 0 else n % 2]).provider_id,
            "package_id": place.package_id,
            "starts_at": LONG_AGO,
            "cause": MembershipCause.ELECTION if place.package_id else MembershipCause.OPENED,
        }
        for n in ids
    ]
    for table, rows in ((Worker, people), (BenefitAccount, accounts), (Membership, memberships)):
        db.session.execute(insert(core(table)), rows)


def _open_lines() -> None:
    """The lines that earlier contributions opened."""
    for lines, held in ((_OWN, "IS NOT NULL"), (_HELD, "IS NULL")):
        for component, unit in lines:
            db.session.execute(
                text(
                    f"INSERT INTO {LedgerAccount.__tablename__} (kind, organization_id, holder_id, component, unit)"
                    f" SELECT '{AccountKind.WORKER}', provider_id, benefit_account_id, '{component}', '{unit}'"
                    f" FROM membership WHERE package_id {held} AND benefit_account_id % 20 <> 1"
                )
            )
    db.session.execute(
        text(
            f"INSERT INTO {LedgerBalance.__tablename__} (account_id, amount)"
            f" SELECT id, 0 FROM {LedgerAccount.__tablename__} WHERE holder_id IS NOT NULL"
        )
    )


def number_of(worker: int) -> str:
    """The account number of a worker of the crowd: no two alike, and far apart."""
    return account_numbers.from_serial(worker * 999_983 % account_numbers.SERIALS)


def employ(count: int, *, of: int) -> list[tuple[Employer, list[ReportLine]]]:
    """``count`` employers, each with a week of work of ``of`` workers of its own."""
    made = []
    for place in range(count):
        employer = make_employer(f"Employer {place}", sector="construction")
        first = place * of + 1
        made.append((employer, [week_of(worker, line) for line, worker in enumerate(range(first, first + of), 1)]))
    return made


def week_of(worker: int, line: int, *, weeks_later: int = 0) -> ReportLine:
    """A week of work: every second on a building site, the others on rides; hours and fares differ."""
    monday = _MONDAY + timedelta(7 * weeks_later)
    is_ride = worker % 2 == 1
    minutes = 240 + worker * 37 % 2_160
    return ReportLine(
        line,
        number_of(worker),
        monday,
        monday + timedelta(6),
        "US-WA/King County/Seattle" if worker % 3 == 0 else "US-WA",
        sector="rides" if is_ride else "",
        minutes=minutes,
        fee_cents=minutes * 60 + worker * 7_919 % 5_000 if is_ride else None,
        jobs=1 + worker % 40 if is_ride else None,
    )
