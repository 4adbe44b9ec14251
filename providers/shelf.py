"""What is on sale, and which terms hold for a package in a plan year?

Questions only, asked for many packages at once. A version is on sale while it is listed, its provider
is qualified, and the provider's reserves let new members in; all of it is asked afresh each time the market has
changed, so a suspension or a fall below the ladder's border counts from the next question on.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from sqlalchemy import ColumnElement, Select, and_, bindparam, func, or_, select

from exchange import remembered
from exchange.bulk import Prepared
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


class Sold(NamedTuple):
    """A version on sale as a list shows it; ``components`` are the codes of all that it has."""

    version_id: int
    package_id: int
    package: str
    provider: str
    fee_bp: int
    service_area: str
    components: frozenset[str]


class Shelf(NamedTuple):
    """What is on sale somewhere: versions by id, by provider and package; and their ids by package."""

    versions: Mapping[int, Sold]
    of_package: Mapping[int, Sequence[int]]


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


def sold(plan_year: str, place: str, *, market: str) -> Shelf:
    """What is on sale for who lives in ``place``, by provider and package, remembered while ``market`` is its word."""
    name = "sold", plan_year, place
    return remembered.of_market(name, market, lambda: _shelf(plan_year, place, market), reads=False)


def _shelf(plan_year: str, place: str, market: str) -> Shelf:
    around = set(_around(place))
    every = remembered.of_market(("sold", plan_year), market, lambda: _sold(plan_year))
    versions = {one.version_id: one for one in every if one.service_area in around}
    of_package: dict[int, list[int]] = {}
    for one in versions.values():
        of_package.setdefault(one.package_id, []).append(one.version_id)
    return Shelf(versions, of_package)


def _sold(plan_year: str) -> tuple[Sold, ...]:
    v, c = PackageVersion, PackageComponent
    rows = on_sale(plan_year).join(Organization, Organization.id == Package.provider_id)
    columns = rows.with_only_columns(
        v.id, v.package_id, Package.name, Organization.name.label("provider"), v.fee_bp, v.service_area
    )
    found = db.session.execute(columns.order_by(Organization.name, Package.name, v.id)).all()
    having = select(c.version_id, c.component).where(c.version_id.in_(on_sale(plan_year).with_only_columns(v.id)))
    components: dict[int, set[str]] = {}
    for version_id, component in db.session.execute(having):
        components.setdefault(version_id, set()).add(component)
    return tuple(Sold(*row, frozenset(components.get(row.id, ()))) for row in found)


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
    db.session.flush()
    return dict(_IN_FORCE.run([(id_,) for id_ in package_ids], plan_year=plan_year)) if package_ids else {}


# Ids of plan years are calendar years of four digits: they sort as text.
_IN_FORCE: Final = Prepared(
    """
    SELECT package_id, id FROM (
        SELECT v.package_id, v.id, row_number() OVER (PARTITION BY v.package_id ORDER BY
            v.plan_year DESC, CASE WHEN v.state = 'listed' THEN 0 ELSE 1 END, v.number DESC) AS place
        FROM package_version v
        WHERE v.package_id IN (SELECT asked.id FROM {rows}) AND v.plan_year <= {plan_year} AND v.listed_at IS NOT NULL
    ) AS ranked WHERE place = 1
    """,
    "asked",
    ("plan_year",),
    id="bigint",
)


def version_in_force(package_id: int, plan_year: str) -> int | None:
    """The same for one package."""
    return versions_in_force([package_id], plan_year).get(package_id)


def splits_of(version_ids: Collection[int]) -> dict[int, dict[str, int]]:
    """How each version splits a contribution: basis points by component, and the fee under ``FEE``."""
    return {id_: terms[0] for id_, terms in splits_and_accruals_of(version_ids).items()}


def splits_and_accruals_of(version_ids: Collection[int]) -> dict[int, tuple[dict[str, int], dict[str, int]]]:
    """The same, and hours of work for an hour of leave by component, where it has leave; by the version's id."""
    db.session.flush()
    found: dict[int, tuple[dict[str, int], dict[str, int]]] = {}
    for version_id, component, share_bp, hours in _TERMS.run([(id_,) for id_ in version_ids]) if version_ids else ():
        shares, accruals = found.setdefault(version_id, ({}, {}))
        shares[component or FEE] = share_bp
        if hours is not None:
            accruals[component] = hours
    return found


# Component by component, the fee last.
_TERMS: Final = Prepared(
    """
    SELECT version_id, component, share_bp, accrual_hours FROM (
        SELECT version_id, component, share_bp, accrual_hours, 0 AS place FROM package_component
        WHERE version_id IN (SELECT asked.id FROM {rows})
        UNION ALL SELECT id, '', fee_bp, NULL, 1 FROM package_version WHERE id IN (SELECT asked.id FROM {rows})
    ) AS terms ORDER BY version_id, place, component
    """,
    "asked",
    id="bigint",
)


def split_of(version_id: int) -> Mapping[str, int]:
    """The same for one version."""
    return splits_of([version_id])[version_id]


def accruals_of(version_ids: Collection[int]) -> dict[int, dict[str, int]]:
    """Hours of work for an hour of leave, by component, of each version that has leave."""
    return {id_: accruals for id_, (_, accruals) in splits_and_accruals_of(version_ids).items() if accruals}


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


def offers_known(version_ids: Collection[int], *, market: str) -> list[Offer]:
    """The same offers for whom no age is known, as they are remembered while ``market`` is the market's word."""
    found = remembered.each_of_market(
        "offer", dict.fromkeys(version_ids), market, lambda ids: {one.version_id: one for one in offers(ids)}
    )
    return [found[id_] for id_ in dict.fromkeys(version_ids) if id_ in found]


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
