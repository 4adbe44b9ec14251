"""Who are the providers, how do they stand, and what do they sell?

Questions for many providers at once, in a fixed number of statements. Only what everybody may know: a
provider that is not qualified, or not yet, is shown to nobody here.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import func, select

from exchange.database import db
from exchange.identity.organizations import Organization
from providers import reserve_standing, shelf
from providers.decisions import OFFERING
from providers.models import (
    BoardSeat,
    Package,
    PackageVersion,
    Provider,
    ProviderKind,
    ProviderState,
    VersionState,
)


@dataclass(frozen=True, slots=True)
class Profile:
    """One qualified provider.

    ``ratio_bp``: held over required by the last check, None when nothing is required or nothing was checked.
    ``packages``: on sale for the plan year asked for; ``lowest_fee_bp``: the lowest fee among them.
    """

    provider_id: int
    name: str
    kind: ProviderKind
    state: ProviderState
    summary: str
    website: str | None
    email: str | None
    phone: str | None
    tier: str | None
    tier_since: date | None
    takes_new_members: bool
    ratio_bp: int | None
    checked_on: date | None
    filing_overdue: bool
    packages: int
    lowest_fee_bp: int | None


@dataclass(frozen=True, slots=True)
class Past:
    """A version that is or was on the shelf."""

    version_id: int
    plan_year: str
    number: int
    state: VersionState
    fee_bp: int
    listed_at: datetime | None
    closed_at: datetime | None


def profiles(plan_year: str, provider_ids: Collection[int] | None = None) -> list[Profile]:
    """The qualified providers (of these ids, or all), by name."""
    p = Provider
    sold = (
        shelf.on_sale(plan_year)
        .with_only_columns(
            Package.provider_id.label("provider_id"),
            func.count().label("packages"),
            func.min(PackageVersion.fee_bp).label("lowest_fee_bp"),
        )
        .group_by(Package.provider_id)
        .subquery()
    )
    rows = (
        select(p, Organization.name, func.coalesce(sold.c.packages, 0), sold.c.lowest_fee_bp)
        .join(Organization, Organization.id == p.organization_id)
        .outerjoin(sold, sold.c.provider_id == p.organization_id)
        .where(p.state.in_(OFFERING))
        .order_by(func.lower(Organization.name), p.organization_id)
    )
    if provider_ids is not None:
        rows = rows.where(p.organization_id.in_(provider_ids))
    found = db.session.execute(rows).all()
    checks = reserve_standing.latest_checks([provider.organization_id for provider, *_ in found])
    made = []
    for provider, name, packages, lowest_fee_bp in found:
        check = checks.get(provider.organization_id)
        made.append(
            Profile(
                provider_id=provider.organization_id,
                name=name,
                kind=provider.kind,
                state=provider.state,
                summary=provider.summary,
                website=provider.website,
                email=provider.email,
                phone=provider.phone,
                tier=provider.tier,
                tier_since=provider.tier_since,
                takes_new_members=provider.takes_new_members,
                ratio_bp=None if check is None else check.ratio_bp,
                checked_on=None if check is None else check.on_date,
                filing_overdue=False if check is None else check.filing_overdue,
                packages=packages,
                lowest_fee_bp=lowest_fee_bp,
            )
        )
    return made


def board_of(provider_id: int) -> Sequence[BoardSeat]:
    """The seats of a provider's board, in order."""
    seats = select(BoardSeat).where(BoardSeat.provider_id == provider_id).order_by(BoardSeat.seat)
    return db.session.execute(seats).scalars().all()


def shelf_history(package_id: int) -> list[Past]:
    """Every version of a package that is or was on the shelf, the latest first."""
    v = PackageVersion
    rows = (
        select(v.id, v.plan_year, v.number, v.state, v.fee_bp, v.listed_at, v.closed_at)
        .where(v.package_id == package_id, v.listed_at.is_not(None))
        .order_by(v.plan_year.desc(), v.number.desc())
    )
    return [Past(*row) for row in db.session.execute(rows)]
