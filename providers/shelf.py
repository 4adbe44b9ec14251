"""What is on sale, and which terms hold for a package in a plan year?

Questions only, asked for many packages at once. A version is on sale while it is listed, its provider
is qualified, and the provider's reserves let new members in; all of it is asked afresh each time, so a
suspension or a fall below the ladder's border counts from the next question on.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Select, and_, bindparam, case, func, or_, select

from exchange.database import db
from exchange.identity.organizations import Organization
from exchange.policy.formulas import covers
from providers import packages
from providers.decisions import OFFERING
from providers.health_plans import HealthPlan, HealthPlanPremium, Metal
from providers.models import Package, PackageComponent, PackageVersion, Provider, VersionState
from providers.package_terms import FEE, Terms


@dataclass(frozen=True, slots=True)
class HealthOffer:
    """The cover that a package buys. Premiums a month: the lowest and the highest of the places where it is sold.

    None where the catalogue has none at the age asked for, or no age was given; amounts are None where
    the catalogue states none.
    """

    plan_id: int
    name: str
    issuer: str
    metal: Metal
    deductible_cents: int | None
    oop_max_cents: int | None
    premium_from_cents: int | None
    premium_to_cents: int | None


@dataclass(frozen=True, slots=True)
class Offer:
    """A version with everything that a person needs to compare it."""

    version_id: int
    package_id: int
    package_name: str
    provider_id: int
    provider_name: str
    plan_year: str
    tier: str | None
    terms: Terms
    health: HealthOffer | None


# --- on sale --------------------------------------------------------------------------------------


def on_sale(plan_year: str, place: str | None = None) -> Select[PackageVersion]:
    """A SELECT of the versions that anybody (who lives in ``place``) may choose for the plan year now."""
    rows = (
        select(PackageVersion)
        .join(Package, Package.id == PackageVersion.package_id)
        .join(Provider, Provider.organization_id == Package.provider_id)
        .where(PackageVersion.plan_year == plan_year, PackageVersion.state == VersionState.LISTED, _open_to_new())
    )
    return rows if place is None else rows.where(PackageVersion.service_area.in_(_around(place)))


def takes_new_members(version: PackageVersion) -> bool:
    """Whether somebody may come to this version's package now, as far as provider and package go."""
    rows = (
        select(PackageVersion.id)
        .join(Package, Package.id == PackageVersion.package_id)
        .join(Provider, Provider.organization_id == Package.provider_id)
        .where(PackageVersion.id == version.id, _open_to_new())
    )
    return db.session.execute(rows).first() is not None


def serves(version: PackageVersion, place: str) -> bool:
    """Whether the version serves people who live in the place."""
    return covers(version.service_area, place)


def _open_to_new() -> ColumnElement[bool]:
    goes_on = or_(Package.last_plan_year.is_(None), Package.last_plan_year >= PackageVersion.plan_year)
    return and_(Provider.state.in_(OFFERING), Provider.takes_new_members, goes_on)


def _around(place: str) -> list[str]:
    """The place and those that it lies in: ``US-WA/Seattle`` lies in ``US-WA``."""
    parts = place.split("/")
    return ["/".join(parts[:count]) for count in range(1, len(parts) + 1)]


# --- in force -------------------------------------------------------------------------------------


def versions_in_force(package_ids: Collection[int], plan_year: str) -> dict[int, int]:
    """The version whose terms hold for each package's members in the plan year: version id by package id.

    That is the one of the latest plan year not after it that has been on the shelf, the listed one before
    those it replaced. A package that never was on the shelf has none.
    """
    v = PackageVersion
    # Ids of plan years are calendar years of four digits: they sort as text.
    order = (v.plan_year.desc(), case((v.state == VersionState.LISTED, 0), else_=1), v.number.desc())
    place = func.row_number().over(partition_by=v.package_id, order_by=order).label("place")
    ranked = (
        select(v.package_id, v.id, place)
        .where(v.package_id.in_(package_ids), v.plan_year <= plan_year, v.listed_at.is_not(None))
        .subquery()
    )
    rows = select(ranked.c.package_id, ranked.c.id).where(ranked.c.place == 1)
    return dict(db.session.execute(rows).all())


def version_in_force(package_id: int, plan_year: str) -> int | None:
    """The same for one package."""
    return versions_in_force([package_id], plan_year).get(package_id)


def splits_of(version_ids: Collection[int]) -> dict[int, dict[str, int]]:
    """How each version splits a contribution: basis points by component, and the fee under ``FEE``."""
    c, v = PackageComponent, PackageVersion
    found: dict[int, dict[str, int]] = {}
    for version_id, component, share_bp in db.session.execute(
        select(c.version_id, c.component, c.share_bp)
        .where(c.version_id.in_(version_ids))
        .order_by(c.version_id, c.component)
    ):
        found.setdefault(version_id, {})[component] = share_bp
    for version_id, fee_bp in db.session.execute(select(v.id, v.fee_bp).where(v.id.in_(version_ids))):
        found.setdefault(version_id, {})[FEE] = fee_bp
    return found


def split_of(version_id: int) -> Mapping[str, int]:
    """The same for one version."""
    return splits_of([version_id])[version_id]


def accruals_of(version_ids: Collection[int]) -> dict[int, dict[str, int]]:
    """Hours of work for an hour of leave, by component, of each version that has leave."""
    c = PackageComponent
    found: dict[int, dict[str, int]] = {}
    for version_id, component, hours in db.session.execute(
        select(c.version_id, c.component, c.accrual_hours).where(
            c.version_id.in_(version_ids), c.accrual_hours.is_not(None)
        )
    ):
        if hours is not None:
            found.setdefault(version_id, {})[component] = hours
    return found


# --- offers ---------------------------------------------------------------------------------------


# Put together once: pages ask it all the time.
_OFFERED = (
    select(
        PackageVersion.id, PackageVersion.package_id, Package.name.label("package"),
        Organization.id.label("provider_id"), Organization.name.label("provider"), PackageVersion.plan_year,
        Provider.tier, PackageVersion.summary, PackageVersion.fee_bp, PackageVersion.service_area,
        PackageVersion.withdrawal_terms, PackageVersion.health_plan_id,
    )
    .join(Package, Package.id == PackageVersion.package_id)
    .join(Provider, Provider.organization_id == Package.provider_id)
    .join(Organization, Organization.id == Package.provider_id)
    .where(PackageVersion.id.in_(bindparam("version_ids", expanding=True)))
)  # fmt: skip


def offers(version_ids: Collection[int], *, age: int | None = None, rating_area: int | None = None) -> list[Offer]:
    """Versions with everything to compare them by, in the order of the ids; unknown ids are left out.

    Premiums are for ``age``, in ``rating_area`` or wherever the plan is sold.
    """
    found = {row.id: row for row in db.session.execute(_OFFERED, {"version_ids": list(version_ids)})}
    components = packages.components_of(found)
    plan_ids = [row.health_plan_id for row in found.values() if row.health_plan_id is not None]
    plans = _health_offers(plan_ids, age=age, rating_area=rating_area)
    made = []
    for id_ in dict.fromkeys(version_ids):
        if id_ in found:
            row = found[id_]
            plan_id = row.health_plan_id
            made.append(
                Offer(
                    version_id=id_,
                    package_id=row.package_id,
                    package_name=row.package,
                    provider_id=row.provider_id,
                    provider_name=row.provider,
                    plan_year=row.plan_year,
                    tier=row.tier,
                    terms=Terms(
                        row.summary, row.fee_bp, row.service_area, components[id_], row.withdrawal_terms, plan_id
                    ),
                    health=None if plan_id is None else plans[plan_id],
                )
            )
    return made


def _health_offers(plan_ids: Collection[int], *, age: int | None, rating_area: int | None) -> dict[int, HealthOffer]:
    p, r = HealthPlan, HealthPlanPremium
    if not plan_ids:
        return {}
    premiums: dict[int, tuple[int, int]] = {}
    if age is not None:
        published = select(func.max(r.age)).where(r.age <= age).scalar_subquery()
        rows = (
            select(r.health_plan_id, func.min(r.premium_cents), func.max(r.premium_cents))
            .where(r.health_plan_id.in_(plan_ids), r.age == published)
            .group_by(r.health_plan_id)
        )
        if rating_area is not None:
            rows = rows.where(r.rating_area == rating_area)
        premiums = {id_: (low, high) for id_, low, high in db.session.execute(rows)}
    columns = select(p.id, p.name, p.issuer, p.metal, p.deductible_cents, p.oop_max_cents).where(p.id.in_(plan_ids))
    return {
        row.id: HealthOffer(
            plan_id=row.id,
            name=row.name,
            issuer=row.issuer,
            metal=row.metal,
            deductible_cents=row.deductible_cents,
            oop_max_cents=row.oop_max_cents,
            premium_from_cents=premiums.get(row.id, (None, None))[0],
            premium_to_cents=premiums.get(row.id, (None, None))[1],
        )
        for row in db.session.execute(columns)
    }
