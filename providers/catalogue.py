"""Which packages are on sale, narrowed and ordered as somebody asks, and for which plan year does one choose now?

Questions only. Each is a handful of statements however many packages there are; what is on sale is asked
of ``shelf`` afresh each time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Select, case, func, select, type_coerce

from exchange import calendar, remembered
from exchange.clock import local_date
from exchange.database import db
from exchange.identity.organizations import Organization
from exchange.policy.document import Policy, Tier
from providers import shelf
from providers.health_plans import HealthPlan, HealthPlanPremium, Metal
from providers.models import Package, PackageComponent, PackageVersion, Provider, ProviderKind, VersionState


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which packages; what is ``None`` or empty does not narrow. ``place`` is where one lives."""

    plan_year: str
    text: str = ""
    component: str | None = None
    fee_at_most_bp: int | None = None
    tier: str | None = None
    kind: ProviderKind | None = None
    place: str | None = None
    metal: Metal | None = None


@dataclass(frozen=True, slots=True)
class AgePremium:
    """What a plan costs a month at an age: the lowest and the highest of the places where it is sold, in cents."""

    age: int
    from_cents: int
    to_cents: int


def plan_years_on_sale(policy: Policy, *, at: datetime, market: str | None = None) -> list[str]:
    """The present plan year and the next, as far as anything is listed for them.

    Remembered for who says what the market's word is.
    """
    now, following = _years(policy, at)
    listed = select(PackageVersion.plan_year).where(PackageVersion.state == VersionState.LISTED).distinct()

    def ask() -> set[str]:
        return set(db.session.execute(listed).scalars())

    found = ask() if market is None else remembered.of_market("plan years", market, ask)
    return [year for year in (now.id, following.id) if year in found]


def plan_year_to_choose(policy: Policy, on_sale: Sequence[str], *, at: datetime) -> str:
    """The plan year that somebody who comes now chooses for.

    From the opening of its open enrollment on it is the next one, before that the present one; where nothing is
    listed for it, whichever has packages.
    """
    now, following = _years(policy, at)
    opened = at >= calendar.open_enrollment(policy, following).opens_at
    likely = following.id if opened else now.id
    if likely in on_sale or not on_sale:
        return likely
    return on_sale[-1]


def matching(wanted: Wanted) -> Select[Any]:
    """A SELECT of the ids of the versions on sale that match, to be ordered by ``ORDERS`` and paged."""
    v, c = PackageVersion, PackageComponent
    rows = (
        shelf.on_sale(wanted.plan_year, wanted.place)
        .join(Organization, Organization.id == Package.provider_id)
        .with_only_columns(v.id)
    )
    if wanted.text:
        texts = (Package.name, Organization.name, v.summary)
        hits = [column.icontains(wanted.text, autoescape=True) for column in texts]
        rows = rows.where(hits[0] | hits[1] | hits[2])
    if wanted.component is not None:
        having = select(c.version_id).where(c.version_id == v.id, c.component == wanted.component, c.share_bp > 0)
        rows = rows.where(having.exists())
    if wanted.fee_at_most_bp is not None:
        rows = rows.where(v.fee_bp <= wanted.fee_at_most_bp)
    if wanted.tier is not None:
        rows = rows.where(Provider.tier == wanted.tier)
    if wanted.kind is not None:
        rows = rows.where(Provider.kind == wanted.kind)
    if wanted.metal is not None:
        plans = select(HealthPlan.id).where(HealthPlan.metal == wanted.metal)
        rows = rows.where(v.health_plan_id.in_(plans))
    return rows


def orders(ladder: Sequence[Tier]) -> Mapping[str, ColumnElement[Any]]:
    """By what a list of packages can be ordered; ``standing`` puts the best rung first."""
    rungs = {tier.code: rung for rung, tier in enumerate(ladder)}
    found: dict[str, ColumnElement[Any]] = {
        "fee": type_coerce(PackageVersion.fee_bp, BigInteger),
        "standing": case(rungs, value=Provider.tier, else_=len(rungs)),
        "name": func.lower(Package.name),
        "provider": func.lower(Organization.name),
    }
    return found


def kinds_of(provider_ids: Sequence[int]) -> dict[int, ProviderKind]:
    """What sort of body each provider is."""
    p = Provider
    rows = select(p.organization_id, p.kind).where(p.organization_id.in_(provider_ids))
    return dict(db.session.execute(rows).all())


def premiums_by_age(plan_id: int) -> list[AgePremium]:
    """What a health plan costs at each published age, the youngest first."""
    r = HealthPlanPremium
    rows = (
        select(r.age, func.min(r.premium_cents), func.max(r.premium_cents))
        .where(r.health_plan_id == plan_id)
        .group_by(r.age)
        .order_by(r.age)
    )
    return [AgePremium(age, low, high) for age, low, high in db.session.execute(rows)]


def _years(policy: Policy, at: datetime) -> tuple[calendar.PlanYear, calendar.PlanYear]:
    on = local_date(at, policy.zone)
    return calendar.plan_year_of(policy, on), calendar.next_plan_year(policy, on)
