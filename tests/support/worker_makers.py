"""How do journeys come to a market that is open today, and to a worker who lives in it?

A program on Washington's demonstration policy, its calendar moved so that an open enrollment is open
at this moment, whenever that is. Everything in units of work of its own.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path

from enrollment import contributions, elections, memberships, registration, switching, windows
from enrollment.models import BenefitAccount, Employer, EnrollmentWindow, MembershipCause
from enrollment.registration import Person
from exchange import calendar, clock
from exchange.clock import local_date
from exchange.database import db, in_unit_of_work
from exchange.identity import login, organizations
from exchange.identity.actors import Audience, system_actor
from exchange.identity.organizations import OrganizationKind
from exchange.identity.people import Login
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
from tests.support.employer_makers import make_employer, open_program, pay, work
from tests.support.policies import WASHINGTON

BY = system_actor("test")
LONG_AGO = datetime(2023, 6, 1, tzinfo=UTC)
PASSWORD = "seven green boats"
_DAY = timedelta(days=1)
_BASES = ({"minutes": 4_815}, {"jobs": 9, "minutes": 1_620})
_COVER = {"health": 3_000, "disability": 500, "workers_compensation": 500}


@dataclass(frozen=True)
class Offering:
    """What a provider sells: shares of its own components beside the cover, fee, hours of work for an hour of leave."""

    provider: str
    package: str
    kind: ProviderKind
    tier: str
    own: dict[str, int]
    accrual_hours: int
    summary: str


OFFERINGS = (
    Offering(
        "Harbor Drivers Union", "Harbor Complete", ProviderKind.UNION, "strong",
        {"paid_leave": 2_000, "sick_leave": 1_000, "retirement": 1_500, "training": 1_000}, 30,
        "Made by drivers for drivers: leave first, and a training fund.",
    ),
    Offering(
        "Valley Mutual", "Valley Plain", ProviderKind.MUTUAL, "adequate",
        {"paid_leave": 2_200, "retirement": 2_500, "emergency": 900}, 40,
        "Few parts, low fee, and savings for a bad month.",
    ),
    Offering(
        "Summit Credit Union", "Summit Saver", ProviderKind.CREDIT_UNION, "strong",
        {"retirement": 3_400, "emergency": 2_000}, 40,
        "For those who would rather save than take days off.",
    ),
    Offering(
        "Civic Benefits Alliance", "Civic Family", ProviderKind.CIVIC, "watch",
        {"paid_leave": 1_800, "sick_leave": 1_800, "health_spending": 1_500}, 30,
        "Leave to look after others, and money for the doctor.",
    ),
)  # fmt: skip


class Market:
    """Four providers, an open enrollment that is open now, and Ada, whom two employers pay in for."""

    def __init__(self) -> None:
        """Found it all."""
        now = clock.real_now()
        self.today = local_date(now, "America/Los_Angeles")
        self.policy = in_unit_of_work(self._open)
        self.year = calendar.plan_year_of(self.policy, self.today)
        self.next_year = calendar.next_plan_year(self.policy, self.today)
        self.packages = in_unit_of_work(lambda: [self._package(one) for one in OFFERINGS])
        self.window_id = in_unit_of_work(
            lambda: windows.publish_open_enrollment(self.policy, self.next_year, by=BY, at=LONG_AGO).id
        )
        self.employers = in_unit_of_work(
            lambda: [
                make_employer(name, sector=sector).organization_id
                for name, sector in (("Blue Cab", "construction"), ("Tidy Homes", "cleaning"))
            ]
        )

    def _open(self) -> Policy:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "open_today.yaml"
            path.write_text(_open_on(self.today), encoding="utf-8")
            open_program(path)
            return read_file(path).on(self.today)

    def _package(self, offering: Offering) -> int:
        ein = f"91000000{OFFERINGS.index(offering)}"
        made = organizations.found(offering.provider, kind=OrganizationKind.PROVIDER, ein=ein, by=BY, at=LONG_AGO)
        provider = Provider(
            organization_id=made.id,
            kind=offering.kind,
            state=ProviderState.QUALIFIED,
            summary=offering.summary,
            applied_at=LONG_AGO,
            tier=offering.tier,
            tier_since=date(2024, 1, 1),
            takes_new_members=True,
        )
        package = Package(provider_id=made.id, name=offering.package, created_at=LONG_AGO)
        for row in (provider, package):
            db.session.add(row)
            db.session.flush()
        for year in (self.year, self.next_year):
            _list(package, year.id, offering)
        return package.id

    # --- people -----------------------------------------------------------------------------------

    def worker(self, name: str = "Ada Flores", *, package: int | None = 0) -> int:
        """A worker who signs in with ``PASSWORD`` and is with a package of ``OFFERINGS``, by its place. His account."""

        def make() -> int:
            person = Person(
                name, f"{name.lower().replace(' ', '.')}@example.org", PASSWORD, "US-WA/King County/Seattle"
            )
            made = registration.register(person, policy=self.policy, by=BY, at=LONG_AGO)
            if package is not None:
                self._join(made.account, self.packages[package])
            return made.account.id

        return in_unit_of_work(make)

    def _join(self, account: BenefitAccount, package_id: int) -> None:
        before = memberships.current(account.id)
        before.ends_at = LONG_AGO + _DAY
        db.session.flush()
        memberships.begin_first(
            account.id, provider_id=self.provider_of(package_id), cause=MembershipCause.ELECTION, at=before.ends_at
        )
        memberships.current(account.id).package_id = package_id
        db.session.flush()

    def contribute(self, account_id: int, *, months: int = 3) -> None:
        """Both employers report and pay the work of the last months."""
        at = clock.real_now()
        for months_ago in range(months, 0, -1):
            day = self.today - timedelta(days=28 * months_ago - 1)
            for employer_id, basis in zip(self.employers, _BASES, strict=True):
                report = partial(_report, account_id, employer_id, day, basis, at)
                pay(in_unit_of_work(report), at=at)

    def staff(self, package: int, name: str = "Sam Rivera") -> int:
        """Somebody who acts for the provider of that package; the login's id."""
        provider_id = self.provider_of(self.packages[package])
        return in_unit_of_work(
            lambda: (
                login.create(
                    f"{name.lower().replace(' ', '.')}.{provider_id}@example.org",
                    password=PASSWORD,
                    name=name,
                    audience=Audience.PROVIDER,
                    organization_id=provider_id,
                    by=BY,
                    at=LONG_AGO,
                ).id
            )
        )

    def provider_of(self, package_id: int) -> int:
        """The organization that offers a package."""
        return db.session.get_one(Package, package_id).provider_id

    # --- deeds ------------------------------------------------------------------------------------

    def switch(self, account_id: int, package: int) -> None:
        """The worker chooses, the enrollment closes, and his switch is carried out."""

        def elect() -> None:
            elections.elect(
                db.session.get_one(BenefitAccount, account_id),
                window=self.window,
                version=self.version_of(package),
                policy=self.policy,
                by=BY,
                at=clock.real_now(),
            )

        in_unit_of_work(elect)
        closes_at, effective_at = self.window.closes_at, self.window.effective_at
        assert effective_at is not None
        in_unit_of_work(lambda: switching.order_window(self.window, by=BY, at=closes_at))
        in_unit_of_work(
            lambda: switching.carry_out(switching.due(effective_at), policy=self.policy, by=BY, at=effective_at)
        )

    @property
    def window(self) -> EnrollmentWindow:
        """The open enrollment."""
        return db.session.get_one(EnrollmentWindow, self.window_id)

    def version_of(self, package: int) -> PackageVersion:
        """What the package of that place in ``OFFERINGS`` says for the next plan year."""
        found = db.session.query(PackageVersion).filter_by(
            package_id=self.packages[package], plan_year=self.next_year.id
        )
        return found.one()


def login_of(email: str) -> Login:
    """The login with this address."""
    found = login.by_email(email)
    assert found is not None
    return found


def _report(account_id: int, employer_id: int, day: date, basis: dict[str, int], at: datetime) -> int:
    account = db.session.get_one(BenefitAccount, account_id)
    employer = db.session.get_one(Employer, employer_id)
    line = work(account, first_day=day - timedelta(days=6), last_day=day, place="US-WA/King County/Seattle", **basis)
    return contributions.submit([line], employer=employer, source="form", by=BY, at=at).id


def _open_on(today: date) -> str:
    """The policy with a calendar by which an open enrollment began ten days ago and ends in three weeks."""
    opens, closes = _plain(today - 10 * _DAY), _plain(today + 21 * _DAY)
    starts = calendar.first_of_next_month(closes)
    text = WASHINGTON.read_text(encoding="utf-8")
    text = text.replace("plan_year_starts: 01-01", f"plan_year_starts: {starts:%m-%d}")
    return text.replace(
        "{opens_on: 11-01, closes_on: 12-16}", f"{{opens_on: {opens:%m-%d}, closes_on: {closes:%m-%d}}}"
    )


def _plain(day: date) -> date:
    """The day, or the one after a 29 February."""
    return day + _DAY if (day.month, day.day) == (2, 29) else day


def _list(package: Package, plan_year: str, offering: Offering) -> None:
    shares = {**_COVER, **offering.own}
    version = PackageVersion(
        package_id=package.id,
        plan_year=plan_year,
        number=1,
        state=VersionState.DRAFT,
        summary=offering.summary,
        fee_bp=10_000 - sum(shares.values()),
        withdrawal_terms="On request.",
        service_area="US-WA",
        created_at=LONG_AGO,
    )
    db.session.add(version)
    db.session.flush()
    for code, share_bp in shares.items():
        db.session.add(
            PackageComponent(
                version_id=version.id,
                component=code,
                share_bp=share_bp,
                accrual_hours=offering.accrual_hours if code.endswith("_leave") else None,
                waiting_days=30 if code == "disability" else 0,
                vendor="Blue Harbor Insurance" if code in _COVER else None,
            )
        )
    db.session.flush()
    version.state = VersionState.LISTED
    version.submitted_at = version.certified_at = version.listed_at = LONG_AGO
    db.session.flush()
