"""What does a worker see when he looks at his account?

Final figures, by component and by employer, read in a handful of statements however long he has been
here. Amounts are cents and minutes of leave.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any, Final, NamedTuple

from flask_babel import gettext
from sqlalchemy import BigInteger, ColumnElement, Select, and_, case, func, select

from enrollment import accounts, memberships
from enrollment.contribution_rules import retold
from enrollment.models import (
    BenefitAccount,
    Contribution,
    Employment,
    Remittance,
    RemittanceState,
)
from exchange.calendar import plan_year_of
from exchange.clock import local_date
from exchange.database import db
from exchange.identity.organizations import Organization, exchange_id
from exchange.money import Unit, format_dollars
from exchange.policy.document import Nature, Policy
from providers import shelf
from providers.comparison import WorkPattern
from providers.models import Package, PackageComponent


@dataclass(frozen=True, slots=True)
class Holding:
    """What a worker has in one component: cents, minutes of leave (None: it has none), and who holds it."""

    component: str
    name: str
    cents: int
    minutes: int | None
    holder_id: int
    holder: str
    held_by_exchange: bool


@dataclass(frozen=True, slots=True)
class Cover:
    """Insurance that a worker has through his package; ``waits_until`` is None when it counts already."""

    component: str
    name: str
    since: date
    waits_until: date | None
    vendor: str | None


class CoverTerms(NamedTuple):
    """How long a new member waits for a cover, and who insures it."""

    waiting_days: int
    vendor: str | None


@dataclass(frozen=True, slots=True)
class Home:
    """With whom a worker is: provider and package, or the exchange (no package), since when."""

    provider_id: int
    provider: str
    package_id: int | None
    package: str | None
    version_id: int | None
    since_on: date

    @property
    def is_exchange(self) -> bool:
        """Whether he has not chosen yet, so that the exchange holds what comes in."""
        return self.package_id is None


@dataclass(frozen=True, slots=True)
class Payer:
    """An employer that reported work: days, what it has paid, and what it has reported and not paid yet."""

    name: str
    first_worked_on: date
    last_worked_on: date
    contributions: int
    paid_cents: int
    waiting_cents: int


class ContributionState(StrEnum):
    """Whether a contribution stands in the account."""

    WAITING = "waiting"  # reported, not paid yet
    POSTED = "posted"
    TAKEN_BACK = "taken_back"


@dataclass(frozen=True, slots=True)
class Paid:
    """A contribution and how it was computed; ``days`` are the first and last day of the work."""

    id: int
    employer: str
    work_from: date
    work_to: date
    place: str
    cents: int
    explanation: str
    state: ContributionState
    posted_at: datetime | None


MONTHS = 3
LATELY = timedelta(days=MONTHS * 30)
"""The time by which a worker's usual month is told."""


def home_of(account: BenefitAccount, *, policy: Policy, at: datetime) -> Home:
    """With whom the worker is now, on which terms."""
    membership = memberships.current(account.id)
    provider = db.session.get_one(Organization, membership.provider_id)
    package = db.session.get(Package, membership.package_id) if membership.package_id else None
    year = plan_year_of(policy, local_date(at, policy.zone)).id
    return Home(
        provider_id=provider.id,
        provider=provider.name,
        package_id=package.id if package else None,
        package=package.name if package else None,
        version_id=shelf.version_in_force(package.id, year) if package else None,
        since_on=local_date(membership.starts_at, policy.zone),
    )


def holdings_of(account_id: int, *, policy: Policy) -> list[Holding]:
    """What stands in the account, in the policy's order of components; what holds nothing is left out."""
    return holdings(accounts.balances_of(account_id), exchange_id=exchange_id(), policy=policy)


def holdings(balances: Iterable[accounts.Balance], *, exchange_id: int, policy: Policy) -> list[Holding]:
    """The same of all lines of an account, however they were read."""
    found: dict[tuple[str, int], dict[Unit, int]] = {}
    holders: dict[int, str] = {}
    for balance in balances:
        if balance.amount:
            found.setdefault((balance.component, balance.organization_id), {})[balance.unit] = balance.amount
            holders[balance.organization_id] = balance.organization_name
    known = {component.code: component for component in policy.components}
    order = {code: place for place, code in enumerate(known)}
    return [
        Holding(
            component=code,
            name=known[code].name if code in known else code,
            cents=amounts.get(Unit.USD, 0),
            minutes=amounts.get(Unit.MIN, 0) if code in known and Unit.MIN in known[code].units else None,
            holder_id=holder_id,
            holder=holders[holder_id],
            held_by_exchange=holder_id == exchange_id,
        )
        for (code, holder_id), amounts in sorted(
            found.items(), key=lambda one: (order.get(one[0][0], len(order)), one[0][1])
        )
    ]


def terms_of_cover(package_id: int, plan_year: str) -> Mapping[str, CoverTerms]:
    """What the package's version in force says of the components that it has, by component."""
    c, version_id = PackageComponent, shelf.version_in_force(package_id, plan_year)
    rows = select(c.component, c.waiting_days, c.vendor).where(c.version_id == version_id, c.share_bp > 0)
    return {component: CoverTerms(days, vendor) for component, days, vendor in db.session.execute(rows)}


def covers(terms: Mapping[str, CoverTerms], rights: Mapping[str, date], *, policy: Policy, today: date) -> list[Cover]:
    """The insurance that comes with a package on these terms, in the policy's order.

    ``rights``: since when the worker has been covered, by component.
    """
    found = []
    for component in policy.components:
        code = component.code
        if component.nature is Nature.POOLED and code in terms and code in rights:
            ready_on = rights[code] + timedelta(days=terms[code].waiting_days)
            waits_until = ready_on if ready_on > today else None
            found.append(Cover(code, component.name, rights[code], waits_until, terms[code].vendor))
    return found


# --- who pays in ----------------------------------------------------------------------------------


def payers_of(account_id: int) -> list[Payer]:
    """The employers that reported work of this worker, the one of the latest work first."""
    return [Payer(*row) for row in db.session.execute(payers(Employment.benefit_account_id == account_id))]


def payers(theirs: ColumnElement[bool]) -> Select[str, date, date, int, int, int]:
    """A SELECT of the columns of ``Payer`` for the employments that are ``theirs``."""
    e, c, r = Employment, Contribution, Remittance
    amount = c.owed_cents + c.extra_cents + c.late_cents
    stands = and_(c.entry_id.is_not(None), c.reversed_by_id.is_(None))
    waits = r.state == RemittanceState.REPORTED
    return (
        select(
            Organization.name,
            e.first_worked_on,
            e.last_worked_on,
            func.count(case((stands, c.id))).label("contributions"),
            _sum_where(stands, amount).label("paid"),
            _sum_where(waits, amount).label("waiting"),
        )
        .select_from(e)
        .join(Organization, Organization.id == e.employer_id)
        # A sum, so that SQLite cannot go through all that an employer has ever reported, but takes the account's own.
        .outerjoin(c, (c.employer_id + 0 == e.employer_id) & (c.benefit_account_id == e.benefit_account_id))
        .outerjoin(r, r.id == c.remittance_id)
        .where(theirs)
        .group_by(Organization.name, e.employer_id, e.first_worked_on, e.last_worked_on)
        .order_by(e.last_worked_on.desc(), Organization.name)
    )


def _sum_where(condition: ColumnElement[bool], amount: ColumnElement[int]) -> ColumnElement[int]:
    return func.coalesce(func.sum(case((condition, amount), else_=0)), 0).cast(BigInteger)


def contributions_of(account_id: int) -> Select[int]:
    """A SELECT of the ids of the contributions that concern the worker, the latest work first."""
    c = Contribution
    return (
        select(c.id)
        .join(Remittance, Remittance.id == c.remittance_id)
        .where(c.benefit_account_id == account_id, Remittance.state != RemittanceState.CANCELLED)
        .order_by(c.work_to.desc(), c.id.desc())
    )


_CONTRIBUTION: Final = (
    Contribution.id, Organization.name, Contribution.work_from, Contribution.work_to, Contribution.place,
    Contribution.owed_cents, Contribution.extra_cents, Contribution.late_cents, Contribution.explanation,
    Contribution.entry_id, Contribution.reversed_by_id, Remittance.paid_at,
)  # fmt: skip


def contributions_with(condition: ColumnElement[bool]) -> Select[*tuple[Any, ...]]:
    """A SELECT of what ``paid_by`` tells of contributions."""
    return (
        select(*_CONTRIBUTION)
        .select_from(Contribution)
        .join(Organization, Organization.id == Contribution.employer_id)
        .join(Remittance, Remittance.id == Contribution.remittance_id)
        .where(condition)
    )


def paid(contribution_ids: Sequence[int], *, policy: Policy) -> list[Paid]:
    """These contributions as the worker reads them, in the order of the ids."""
    rows = db.session.execute(contributions_with(Contribution.id.in_(contribution_ids)))
    found = {one.id: one for one in paid_by(rows, policy=policy)}
    return [found[id_] for id_ in contribution_ids]


def paid_by(rows: Iterable[Sequence[Any]], *, policy: Policy) -> Iterator[Paid]:
    """Rows of ``contributions_with`` as the worker reads them."""
    places = place_names(policy)
    for id_, employer, first, last, place, owed, extra, late, words, entry_id, reversed_by_id, paid_at in rows:
        yield Paid(
            id=id_,
            employer=employer,
            work_from=first,
            work_to=last,
            place=places.get(place, place),
            cents=owed + extra + late,
            explanation=_explained(words, extra, late),
            state=_state(entry_id, reversed_by_id, paid_at),
            posted_at=paid_at,
        )


def _explained(words: str, extra_cents: int, late_cents: int) -> str:
    """The rule's computation, and what came on top of it."""
    parts = [retold(words)]
    if extra_cents:
        parts.append(gettext("more than it must: %(cash)s", cash=format_dollars(extra_cents)))
    if late_cents:
        parts.append(gettext("for being late: %(cash)s", cash=format_dollars(late_cents)))
    return "; ".join(part for part in parts if part)


def _state(entry_id: int | None, reversed_by_id: int | None, paid_at: datetime | None) -> ContributionState:
    if reversed_by_id is not None:
        return ContributionState.TAKEN_BACK
    return ContributionState.WAITING if entry_id is None and paid_at is None else ContributionState.POSTED


def pattern_of(account_id: int, *, today: date) -> WorkPattern | None:
    """A usual month of the worker's lately; None where nobody reported work of the last three months."""
    c = Contribution
    since = today - LATELY
    minutes, cents, count = db.session.execute(
        select(
            func.coalesce(func.sum(c.minutes), 0).cast(BigInteger),
            func.coalesce(func.sum(c.owed_cents + c.extra_cents), 0).cast(BigInteger),
            func.count(),
        )
        .join(Remittance, Remittance.id == c.remittance_id)
        .where(
            c.benefit_account_id == account_id,
            c.work_to >= since,
            c.reversed_by_id.is_(None),
            Remittance.state != RemittanceState.CANCELLED,
        )
    ).one()
    return WorkPattern(int(minutes) // MONTHS, int(cents) // MONTHS) if count else None


def place_names(policy: Policy) -> Mapping[str, str]:
    """How places of the policy are written for people, by code: the innermost first (``Seattle, King County``)."""
    names = {place.code: place.name for place in policy.places}
    written = {}
    for code, name in names.items():
        outer = code.rpartition("/")[0]
        written[code] = f"{name}, {names[outer]}" if outer in names and "/" in outer else name
    return written
