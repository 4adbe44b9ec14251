"""How do tests come to workers with balances, an open enrollment and choices?

One program on Washington's demonstration policy, with three providers that offer different
components, and its open enrollment for 2027. Everything in units of work of its own.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import UTC, date, datetime

from sqlalchemy import select

from enrollment import accounts, elections, memberships, switching, windows, workers
from enrollment.models import BenefitAccount, Election, EnrollmentWindow, Membership, MembershipCause, Switch
from exchange import calendar
from exchange.database import db, in_unit_of_work
from exchange.identity import organizations
from exchange.identity.actors import system_actor
from exchange.identity.organizations import OrganizationKind, exchange_id
from exchange.ledger import journal
from exchange.ledger.accounts import AccountKind, Line, open_lines
from exchange.ledger.journal import Posting, Transfer
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
from tests.support.employer_makers import open_program
from tests.support.policies import WASHINGTON

BY = system_actor("test")
LONG_AGO = datetime(2024, 1, 1, 8, tzinfo=UTC)
OPENS = datetime(2026, 11, 1, 7, tzinfo=UTC)
WHILE_OPEN = datetime(2026, 12, 1, 17, tzinfo=UTC)
CLOSES = datetime(2026, 12, 16, 8, tzinfo=UTC)
EFFECTIVE = datetime(2027, 1, 1, 8, tzinfo=UTC)
MANDATORY = ("health", "disability", "workers_compensation")
HARBOR = ("paid_leave", "sick_leave", "retirement", "training")
VALLEY = ("paid_leave", "retirement", "emergency")
SUMMIT = ("retirement",)

Held = Mapping[tuple[str, Unit], int]
LEAVE: Held = {("paid_leave", Unit.USD): 12_345, ("paid_leave", Unit.MIN): 600}


class Town:
    """Three providers, their packages for 2026 and 2027, and the open enrollment in between."""

    def __init__(self) -> None:
        """Found everything in a unit of work of its own."""
        self.policy: Policy = read_file(WASHINGTON).on(date(2026, 12, 1))
        in_unit_of_work(self._begin)

    def _begin(self) -> None:
        open_program()
        self.exchange = exchange_id()
        self.harbor = self._package("Harbor Union", HARBOR)
        self.valley = self._package("Valley Mutual", VALLEY)
        self.summit = self._package("Summit Guild", SUMMIT)
        year = calendar.plan_year(self.policy, "2027")
        self.window_id = windows.publish_open_enrollment(self.policy, year, by=BY, at=LONG_AGO).id

    def _package(self, name: str, components: Collection[str]) -> int:
        organization = organizations.found(name, kind=OrganizationKind.PROVIDER, by=BY, at=LONG_AGO)
        provider = Provider(
            organization_id=organization.id,
            kind=ProviderKind.UNION,
            state=ProviderState.QUALIFIED,
            summary="",
            applied_at=LONG_AGO,
            takes_new_members=True,
            tier="strong",
            tier_since=date(2024, 1, 1),
        )
        package = Package(provider_id=organization.id, name=f"{name} Plan", created_at=LONG_AGO)
        for made in (provider, package):
            db.session.add(made)
            db.session.flush()
        for plan_year in ("2026", "2027"):
            _list_version(package, plan_year, (*MANDATORY, *components))
        return package.id

    @property
    def window(self) -> EnrollmentWindow:
        """The open enrollment for 2027."""
        return db.session.get_one(EnrollmentWindow, self.window_id)

    def provider_of(self, package_id: int) -> int:
        """The organization that offers a package."""
        return db.session.get_one(Package, package_id).provider_id

    def version_of(self, package_id: int, *, plan_year: str = "2027") -> PackageVersion:
        """A package's version for a plan year."""
        v = PackageVersion
        found = select(v).where(v.package_id == package_id, v.plan_year == plan_year)
        return db.session.execute(found).scalar_one()

    def member(self, name: str, *, package_id: int | None, holding: Held | None = None) -> int:
        """A worker who is with a package (or the exchange) and holds something there; his account's id."""

        def make() -> int:
            address = f"{name.lower()}@example.org"
            worker = workers.register(name, email=address, place="US-WA", by=BY, at=LONG_AGO)
            account = accounts.open_account(worker, by=BY, at=LONG_AGO)
            if package_id is not None:
                self._join(account, package_id)
            self.give(account.id, holding or {}, key=f"give:{name}")
            return account.id

        return in_unit_of_work(make)

    def _join(self, account: BenefitAccount, package_id: int) -> None:
        before = memberships.current(account.id)
        before.ends_at = datetime(2024, 2, 1, tzinfo=UTC)
        db.session.flush()
        db.session.add(
            Membership(
                benefit_account_id=account.id,
                provider_id=self.provider_of(package_id),
                package_id=package_id,
                starts_at=before.ends_at,
                cause=MembershipCause.ELECTION,
            )
        )
        db.session.flush()

    def give(self, account_id: int, holding: Held, *, key: str) -> None:
        """Put amounts on the worker's lines with his present provider. To be called in a unit of work."""
        provider_id = memberships.current(account_id).provider_id
        world = {
            Unit.USD: Line(AccountKind.OUTSIDE, self.exchange, Unit.USD),
            Unit.MIN: Line(AccountKind.ACCRUAL, self.exchange, Unit.MIN),
        }
        lines = {
            (component, unit): Line(AccountKind.WORKER, provider_id, unit, component, account_id)
            for component, unit in holding
        }
        ids = open_lines([*world.values(), *lines.values()])
        moved = tuple(
            Transfer(ids[world[unit]], ids[lines[component, unit]], unit, amount)
            for (component, unit), amount in holding.items()
        )
        if moved:
            journal.post([Posting(key, "test", WHILE_OPEN.date(), moved)], by=BY, at=WHILE_OPEN)

    def open_special(self, account_id: int, *, cause: str, event_on: date, at: datetime) -> None:
        """Open a special enrollment for one worker."""
        found = self.policy.cause(cause)
        in_unit_of_work(
            lambda: windows.open_special([account_id], cause=found, event_on=event_on, policy=self.policy, by=BY, at=at)
        )

    def choose(
        self,
        account_id: int,
        package_id: int,
        *,
        at: datetime = WHILE_OPEN,
        special: bool = False,
        plan_year: str = "2027",
    ) -> int:
        """The worker elects a package for the plan year; the election's id."""

        def elect() -> Election:
            account = db.session.get_one(BenefitAccount, account_id)
            return elections.elect(
                account,
                window=windows.open_for(account, at)[0] if special else self.window,
                version=self.version_of(package_id, plan_year=plan_year),
                policy=self.policy,
                by=BY,
                at=at,
            )

        return in_unit_of_work(lambda: elect().id)

    def order(self, *, at: datetime = CLOSES) -> int:
        """After the close: elections become orders."""
        return in_unit_of_work(lambda: switching.order_window(self.window, by=BY, at=at))

    def carry_out(self, *, at: datetime = EFFECTIVE, limit: int = switching.BATCH) -> int:
        """At the effective instant: carry out one batch."""
        return in_unit_of_work(
            lambda: switching.carry_out(switching.due(at), policy=self.policy, by=BY, at=at, limit=limit)
        )

    def switch_of(self, account_id: int) -> Switch:
        """The account's one switch."""
        return db.session.execute(select(Switch).where(Switch.benefit_account_id == account_id)).scalar_one()


def _list_version(package: Package, plan_year: str, components: Collection[str]) -> None:
    version = PackageVersion(
        package_id=package.id,
        plan_year=plan_year,
        number=1,
        state=VersionState.DRAFT,
        summary="",
        fee_bp=500,
        withdrawal_terms="",
        service_area="US-WA",
        created_at=LONG_AGO,
    )
    db.session.add(version)
    db.session.flush()
    share, rest = divmod(9_500, len(components))
    for number, component in enumerate(components):
        share_bp = share + (rest if number == 0 else 0)
        db.session.add(PackageComponent(version_id=version.id, component=component, share_bp=share_bp))
    db.session.flush()
    version.state = VersionState.LISTED
    version.submitted_at = version.certified_at = version.listed_at = LONG_AGO
    db.session.flush()


def held_by(account_id: int) -> dict[tuple[int, str, Unit], int]:
    """What stands on a worker's lines: (organization, component, unit) → amount, empty lines left out."""
    return {
        (line.organization_id, line.component, line.unit): line.amount
        for line in accounts.balances_of(account_id)
        if line.amount
    }


def totals_of(account_id: int) -> dict[Unit, int]:
    """What a worker has in all, by unit."""
    sums = dict.fromkeys(Unit, 0)
    for (_, _, unit), amount in held_by(account_id).items():
        sums[unit] += amount
    return sums
