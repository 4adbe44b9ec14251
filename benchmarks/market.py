"""How does a benchmark come to a market: providers with standing, packages on sale, an enrollment that is open?

Everything lies around the instant at which it is made, because pages read the clock. Providers, the law,
the window and the logins of staff come from the real operations; packages, filings and daily checks are
written with set-based SQL into the migrated tables, for they are not what is measured.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from sqlalchemy import insert, select, text

from benchmarks.crowd import ROOT
from enrollment.models import EnrollmentWindow, WindowKind
from exchange import calendar, clock
from exchange.database import core, db, in_unit_of_work, is_sqlite, to_microseconds
from exchange.identity import login, organizations
from exchange.identity.actors import Actor, Audience, system_actor
from exchange.identity.organizations import OrganizationKind
from exchange.policy import versions
from exchange.policy.document import Policy
from exchange.policy.reading import read_file
from providers.models import Provider, ProviderKind, ProviderState

BY = system_actor("benchmark")
ENOUGH_CENTS = 1_000_000_000_00
CHECKED_DAYS = 90
# Component, share in basis points, days to wait, hours for an hour of leave.
SHELF = (
    ("paid_leave", 2_300, 0, 30),
    ("retirement", 1_400, 0, None),
    ("training", 500, 0, None),
    ("emergency", 400, 0, None),
    ("health", 3_600, 30, None),
    ("disability", 500, 0, None),
    ("workers_compensation", 500, 0, None),
    ("life", 200, 60, None),
)
NUMBERS = (
    "WITH RECURSIVE numbers(n) AS (SELECT CAST(:first AS bigint) UNION ALL SELECT n + 1 FROM numbers WHERE n < :last)"
)


@dataclass(frozen=True, slots=True)
class Market:
    """What there is to choose from, and who keeps it; the n-th package belongs to provider n modulo providers."""

    policy: Policy
    policy_id: int
    exchange_id: int
    provider_ids: tuple[int, ...]
    packages: int
    years: tuple[str, str]
    window_id: int
    staff: dict[Audience, int]  # the id of one login of each kind
    at: datetime

    @property
    def today(self) -> date:
        """The local date of the program."""
        return clock.local_date(self.at, self.policy.zone)


def open_market(*, providers: int, packages: int) -> Market:
    """Fill the current application's empty database with so many providers and packages."""
    assert packages % providers == 0, "each provider has as many packages as the next one"
    return in_unit_of_work(lambda: _open(providers, packages))


def _open(providers: int, packages: int) -> Market:
    at = clock.now()
    policy_id = _law(at)
    policy = versions.at_instant(at)
    long_ago = at - timedelta(days=700)
    exchange = organizations.found("The exchange", kind=OrganizationKind.OPERATOR, by=BY, at=long_ago)
    board = organizations.found("The board", kind=OrganizationKind.REGULATOR, by=BY, at=long_ago)
    provider_ids = tuple(_provider(f"Provider {number:04d}", at=long_ago) for number in range(providers))
    staff = {
        Audience.OPERATOR: _person(Audience.OPERATOR, exchange.id, at),
        Audience.REGULATOR: _person(Audience.REGULATOR, board.id, at),
        Audience.PROVIDER: _person(Audience.PROVIDER, provider_ids[0], at),
    }
    today = clock.local_date(at, policy.zone)
    years = (calendar.plan_year_of(policy, today), calendar.next_plan_year(policy, today))
    market = Market(
        policy=policy,
        policy_id=policy_id,
        exchange_id=exchange.id,
        provider_ids=provider_ids,
        packages=packages,
        years=(years[0].id, years[1].id),
        window_id=_window(years[1], policy, at),
        staff=staff,
        at=at,
    )
    _packages(market)
    _standing(market)
    return market


def _law(at: datetime) -> int:
    """The demonstration's law, proposed by one and approved by another."""
    document = read_file(ROOT / "policies" / "washington_demo.yaml")
    first, second = (Actor(Audience.REGULATOR, name, login_id=id_) for id_, name in ((1, "Rita"), (2, "Ron")))
    for one in document.versions:
        long_before = datetime.combine(one.effective_on - timedelta(days=30), time(), UTC)
        version = versions.propose(document.text, effective_on=one.effective_on, by=first, at=long_before)
        versions.approve(version, by=second, at=long_before)
    return versions.in_force(at.date()).id


def _window(year: calendar.PlanYear, policy: Policy, at: datetime) -> int:
    """An open enrollment that is open at this instant, whatever the season."""
    day = timedelta(days=1)
    window = EnrollmentWindow(
        kind=WindowKind.OPEN,
        plan_year=year.id,
        opens_at=at - 10 * day,
        closes_at=at + 20 * day,
        effective_at=max(calendar.first_instant(year.starts_on, policy.zone), at + 25 * day),
        published_at=at - 30 * day,
    )
    db.session.add(window)
    db.session.flush()
    return window.id


def _person(audience: Audience, organization_id: int, at: datetime) -> int:
    """A member of staff with a second factor, as his role asks for."""
    address = f"{audience.value}@example.org"
    made = login.create(
        address,
        password=None,
        name=f"Sam {audience.value.title()}",
        audience=audience,
        organization_id=organization_id,
        by=BY,
        at=at,
    )
    made.tf_primary_method, made.tf_totp_secret = "authenticator", "not used"
    return made.id


def _provider(name: str, *, at: datetime) -> int:
    # Its pages ask the tax office's register about it, which need not know it.
    ein = f"91{int(name.rpartition(' ')[2]):07d}"
    organization = organizations.found(name, kind=OrganizationKind.PROVIDER, ein=ein, by=BY, at=at)
    row = {
        "organization_id": organization.id, "kind": ProviderKind.UNION, "state": ProviderState.QUALIFIED,
        "summary": "For dockers, drivers and everybody else.", "applied_at": at, "takes_new_members": True,
    }  # fmt: skip
    db.session.execute(insert(core(Provider)), row)
    return organization.id


def _packages(market: Market) -> None:
    """Package n (from 1) of provider n modulo providers, with a listed version for both plan years."""
    first = db.session.execute(text("SELECT coalesce(max(id), 0) FROM package")).scalar_one()
    assert first == 0, "the shelf was empty"
    count = len(market.provider_ids)
    given = {
        "first": 1, "last": market.packages, "at": to_microseconds(market.at - timedelta(days=60)),
        "base": market.provider_ids[0], "count": count, "packages": market.packages,
    }  # fmt: skip
    assert market.provider_ids == tuple(range(given["base"], given["base"] + count)), "ids without a gap"
    for statement in (
        (
            f"INSERT INTO package (id, provider_id, name, created_at) {NUMBERS}"
            " SELECT n, :base + (n - 1) % :count, 'Package ' || n, :at FROM numbers"
        ),
        *(
            (
                "INSERT INTO package_version (id, package_id, plan_year, number, state, summary, fee_bp,"
                f" withdrawal_terms, service_area, created_at) {NUMBERS} SELECT n + {place} * :packages, n, '{year}',"
                " 1, 'draft', 'For people who work for many.', 200 + (n % 5) * 100, 'On request.', 'US-WA', :at"
                " FROM numbers"
            )
            for place, year in enumerate(market.years)
        ),
        *(
            (
                "INSERT INTO package_component (version_id, component, share_bp, waiting_days, accrual_hours, vendor,"
                f" terms) SELECT id, '{component}', {share_bp}"
                # What the fee leaves of the 600 basis points goes to the first component.
                + (" + 600 - fee_bp" if component == SHELF[0][0] else "")
                + f", {days}, {hours if hours is not None else 'NULL'}, 'Vendor ' || package_id % 7, ''"
                " FROM package_version"
            )
            for component, share_bp, days, hours in SHELF
        ),
        "UPDATE package_version SET state = 'listed', submitted_at = :at, certified_at = :at, listed_at = :at",
    ):
        write(statement, **given)
    _move_sequences("package", "package_version")


def _standing(market: Market) -> None:
    """A filing of each provider and a daily check for each of the last 90 days; all of them stand strong."""
    count, base = len(market.provider_ids), market.provider_ids[0]
    filed_on = market.today - timedelta(days=20)
    tier = market.policy.reserves.ladder[0].code
    given: dict[str, int | str] = {"first": 1, "last": count, "base": base, "tier": tier, "cents": ENOUGH_CENTS}
    now = to_microseconds(market.at)
    write(
        f"INSERT INTO reserve_filing (id, provider_id, as_of, filed_at, note) {NUMBERS}"
        f" SELECT n, :base + n - 1, :on, :at, '' FROM numbers",
        **given, on=filed_on.isoformat(), at=now,
    )  # fmt: skip
    write("INSERT INTO reserve_holding (filing_id, asset_class, amount_cents) SELECT id, 'cash', :cents"
          " FROM reserve_filing", **given)  # fmt: skip
    no = "0" if is_sqlite() else "FALSE"
    for ago in range(CHECKED_DAYS, 0, -1):
        write(
            "INSERT INTO reserve_check (provider_id, on_date, cause, checked_at, late, filing_id, filing_overdue,"
            " liabilities_cents, individual_cents, pooled_cents, contingency_cents, required_cents,"
            " settlement_cents, held_cents, ratio_bp, ratio_tier, tier)"
            f" SELECT provider_id, :on, 'daily', :at, {no}, id, {no}, 1000, 1000, 0, 0, 1000, 0, 2500,"
            " 25000 - id % 50 * 10, :tier, :tier FROM reserve_filing",
            **given,
            on=(market.today - timedelta(days=ago)).isoformat(),
            at=to_microseconds(market.at - timedelta(days=ago)),
        )
    for row in db.session.execute(select(Provider)).scalars():
        row.tier, row.tier_since = tier, market.today - timedelta(days=CHECKED_DAYS)
    _move_sequences("reserve_filing")


def write(statement: str, **given: int | str) -> None:
    """Run it with figures and words of our own put in for ``:name``: as literals, both engines see their types."""

    def literal(match: re.Match[str]) -> str:
        value = given[match[1]]
        return str(value) if isinstance(value, int) else f"'{value}'"

    connection = db.session.connection()
    connection.exec_driver_sql(
        re.sub(r"(?<!:):([a-z_]+)", literal, statement).replace("%", "%%" if not is_sqlite() else "%")
    )


def _move_sequences(*tables: str) -> None:
    """After rows with ids of our own."""
    if not is_sqlite():
        for table in tables:
            db.session.execute(text(f"SELECT setval('{table}_id_seq', (SELECT max(id) FROM {table}))"))
