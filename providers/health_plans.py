"""Which health cover is on the market, what does it cost at an age and a place, and who has left it?

A catalogue of qualified health plans, from the landscape files that the Centers for Medicare &
Medicaid Services publish for each plan year; ``providers.qhp_landscape`` reads them. A package may
name one of these plans as the cover that its health component buys.

A premium holds in a rating area (some counties of a state) and at an age. The files give it for a
child and for a few adult ages; what lies between is not published, and is not made up here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from flask_babel import lazy_gettext as _l
from sqlalchemy import CheckConstraint, ForeignKey, Index, Select, UniqueConstraint, case, distinct, func, select
from sqlalchemy.orm import Mapped, aliased, mapped_column

from exchange.database import Base, Choice, db, one_of
from exchange.errors import NotFound

CHILD: Final = 0  # the age under which the premium of a child stands


class Metal(StrEnum):
    """The level of cover, by the share of cost that the plan bears on average."""

    CATASTROPHIC = "catastrophic"
    BRONZE = "bronze"
    SILVER = "silver"
    GOLD = "gold"
    PLATINUM = "platinum"


class DrugDeductible(StrEnum):
    """How drugs count towards a deductible."""

    AMOUNT = "amount"  # one of their own
    INCLUDED = "included"  # they count towards the medical one
    NOT_STATED = "not_stated"  # the file says that it does not apply, refers to a brochure, or says nothing


class HealthPlan(Base):
    """One health plan of one plan year, as its issuer offers it in one state."""

    __tablename__ = "health_plan"
    __table_args__ = (
        UniqueConstraint("plan_year", "plan_id", name="uq_health_plan_plan_year_plan_id"),
        Index("ix_health_plan_plan_year_state", "plan_year", "state"),
        one_of("metal", Metal),
        one_of("drug_deductible", DrugDeductible),
        CheckConstraint(
            "(drug_deductible = 'amount') = (drug_deductible_cents IS NOT NULL)", name="drug_deductible_amount"
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    plan_year: Mapped[int]
    state: Mapped[str]
    # The standard component id: five digits of the issuer, the state, seven digits. The same plan keeps it.
    plan_id: Mapped[str]
    # The federal id of the issuer. Names change from year to year, this does not.
    issuer_id: Mapped[str]
    issuer: Mapped[str]
    name: Mapped[str]
    metal: Mapped[Metal] = mapped_column(Choice(Metal))
    plan_type: Mapped[str]
    # For one person with the standard cost sharing; NULL where the file states no amount.
    deductible_cents: Mapped[int | None]
    drug_deductible: Mapped[DrugDeductible] = mapped_column(Choice(DrugDeductible))
    drug_deductible_cents: Mapped[int | None]
    oop_max_cents: Mapped[int | None]
    family_deductible_cents: Mapped[int | None]
    family_oop_max_cents: Mapped[int | None]
    # Essential health benefits as a share of the premium, basis points; not in the files before 2016.
    ehb_share_bp: Mapped[int | None]
    # What a visit costs, in the issuer's words ("$40", "20% Coinsurance after deductible").
    primary_care: Mapped[str]
    specialist: Mapped[str]
    emergency_room: Mapped[str]
    generic_drugs: Mapped[str]
    # The file that the plan was last seen in, and when that was imported.
    source: Mapped[str]
    imported_at: Mapped[datetime]


class HealthPlanPremium(Base):
    """What a plan costs a month in a rating area at an age (``CHILD`` for children)."""

    __tablename__ = "health_plan_premium"
    __table_args__ = (CheckConstraint("premium_cents > 0", name="positive"),)

    health_plan_id: Mapped[int] = mapped_column(ForeignKey("health_plan.id"), primary_key=True)
    rating_area: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    age: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    premium_cents: Mapped[int]


class HealthPlanCounty(Base):
    """A county where a plan is sold, and the rating area that the county belongs to."""

    __tablename__ = "health_plan_county"

    health_plan_id: Mapped[int] = mapped_column(ForeignKey("health_plan.id"), primary_key=True)
    county: Mapped[str] = mapped_column(primary_key=True)
    rating_area: Mapped[int]


class HealthPlanNotFound(NotFound):
    """The catalogue has no such plan."""

    code = "health_plan_not_found"


@dataclass(frozen=True, slots=True)
class PlanSummary:
    """A plan on a list; the premiums are the lowest and highest a month among the areas asked for."""

    id: int
    plan_year: int
    state: str
    plan_id: str
    issuer_id: str
    issuer: str
    name: str
    metal: Metal
    plan_type: str
    deductible_cents: int | None
    drug_deductible: DrugDeductible
    drug_deductible_cents: int | None
    oop_max_cents: int | None
    premium_from_cents: int
    premium_to_cents: int


@dataclass(frozen=True, slots=True)
class PlanPage:
    """One page of the list: ``total`` plans match, pages are counted from 1."""

    plans: tuple[PlanSummary, ...]
    total: int
    page: int
    per_page: int


@dataclass(frozen=True, slots=True)
class PlanFilter:
    """Which plans; what is ``None`` or empty does not narrow. ``age`` is whose premium is shown."""

    plan_year: int
    state: str | None = None
    metals: Sequence[Metal] = ()
    issuer_id: str | None = None
    rating_area: int | None = None
    county: str | None = None
    age: int = 40


@dataclass(frozen=True, slots=True)
class PublishedPremium:
    """A month's premium. ``exact`` is false when ``age`` is the nearest published one below the age asked for."""

    premium_cents: int
    age: int
    exact: bool


@dataclass(frozen=True, slots=True)
class Issuer:
    """An issuer in one state and year, with how much it sells."""

    issuer_id: str
    issuer: str
    state: str
    plans: int
    counties: int


def find_plans(wanted: PlanFilter, *, page: int = 1, per_page: int = 25) -> PlanPage:
    """The plans that match, by metal (least cover first), then the lowest premium, then name."""
    published = select(func.max(HealthPlanPremium.age)).where(HealthPlanPremium.age <= wanted.age).scalar_subquery()
    lowest, highest = func.min(HealthPlanPremium.premium_cents), func.max(HealthPlanPremium.premium_cents)
    columns = [getattr(HealthPlan, name) for name in PlanSummary.__slots__ if not name.startswith("premium_")]
    matching = _narrowed(
        select(*columns, lowest.label("premium_from_cents"), highest.label("premium_to_cents"))
        .join(HealthPlanPremium, HealthPlanPremium.health_plan_id == HealthPlan.id)
        .where(HealthPlanPremium.age == published)
        .group_by(HealthPlan.id),
        wanted,
    )
    total = db.session.execute(select(func.count()).select_from(matching.subquery())).scalar_one()
    steps = {metal: step for step, metal in enumerate(Metal)}
    order = case(steps, value=HealthPlan.metal)
    ordered = matching.order_by(order, lowest, HealthPlan.name, HealthPlan.id)
    rows = db.session.execute(ordered.limit(per_page).offset((page - 1) * per_page))
    return PlanPage(tuple(PlanSummary(**row) for row in rows.mappings()), total, page, per_page)


def _narrowed(query: Select[Any], wanted: PlanFilter) -> Select[Any]:
    query = query.where(HealthPlan.plan_year == wanted.plan_year)
    if wanted.state is not None:
        query = query.where(HealthPlan.state == wanted.state)
    if wanted.metals:
        query = query.where(HealthPlan.metal.in_(wanted.metals))
    if wanted.issuer_id is not None:
        query = query.where(HealthPlan.issuer_id == wanted.issuer_id)
    if wanted.rating_area is not None:
        query = query.where(HealthPlanPremium.rating_area == wanted.rating_area)
    if wanted.county is not None:
        sold_there = (
            select(HealthPlanCounty.health_plan_id)
            .where(HealthPlanCounty.health_plan_id == HealthPlan.id)
            .where(HealthPlanCounty.county == wanted.county)
            .where(HealthPlanCounty.rating_area == HealthPlanPremium.rating_area)
        )
        query = query.where(sold_there.exists())
    return query


def health_plan(plan_id: int) -> HealthPlan:
    """The plan with this row's id. Raises ``HealthPlanNotFound``."""
    plan = db.session.get(HealthPlan, plan_id)
    if plan is None:
        raise HealthPlanNotFound(_l("The catalogue has no such health plan."))
    return plan


def premium_of(plan_id: int, *, rating_area: int, age: int) -> PublishedPremium | None:
    """A month's premium of the plan at ``age``; ``None`` where the plan is not sold.

    Between two published ages it is the premium of the lower one, and ``exact`` is false: premiums
    rise with age, so the true one is not less. A child's premium holds up to the first adult age.
    """
    row = db.session.execute(
        select(HealthPlanPremium.age, HealthPlanPremium.premium_cents)
        .where(HealthPlanPremium.health_plan_id == plan_id)
        .where(HealthPlanPremium.rating_area == rating_area, HealthPlanPremium.age <= age)
        .order_by(HealthPlanPremium.age.desc())
        .limit(1)
    ).one_or_none()
    if row is None:
        return None
    return PublishedPremium(row.premium_cents, row.age, exact=row.age in {age, CHILD})


def counties_of(plan_id: int) -> dict[str, int]:
    """The counties where the plan is sold, in order, with their rating areas."""
    rows = db.session.execute(
        select(HealthPlanCounty.county, HealthPlanCounty.rating_area)
        .where(HealthPlanCounty.health_plan_id == plan_id)
        .order_by(HealthPlanCounty.county)
    )
    return {row.county: row.rating_area for row in rows}


def plan_years() -> tuple[int, ...]:
    """The years that the catalogue covers, latest first."""
    years = select(HealthPlan.plan_year).distinct().order_by(HealthPlan.plan_year.desc())
    return tuple(db.session.execute(years).scalars())


def issuers(plan_year: int, *, state: str | None = None) -> tuple[Issuer, ...]:
    """Who sells plans in the year, by state and name."""
    return _issuers(_issuers_query(plan_year, state=state))


def issuers_gone(from_year: int, *, to_year: int, state: str | None = None) -> tuple[Issuer, ...]:
    """Who sold plans in ``from_year`` and sells none in the same state in ``to_year``.

    Compared by the federal issuer id, because many a name changes while the issuer stays. A state
    with no plan at all in ``to_year`` is left out: its file was not imported, nobody vanished.
    """
    later = aliased(HealthPlan)
    still_there = later.issuer_id == HealthPlan.issuer_id
    in_state = select(later.id).where(later.plan_year == to_year, later.state == HealthPlan.state)
    query = _issuers_query(from_year, state=state).where(in_state.exists(), ~in_state.where(still_there).exists())
    return _issuers(query)


def _issuers_query(plan_year: int, *, state: str | None) -> Select[str, str, str, int, int]:
    query = (
        select(
            HealthPlan.issuer_id,
            func.max(HealthPlan.issuer).label("issuer"),
            HealthPlan.state,
            func.count(distinct(HealthPlan.id)).label("plans"),
            func.count(distinct(HealthPlanCounty.county)).label("counties"),
        )
        .join(HealthPlanCounty, HealthPlanCounty.health_plan_id == HealthPlan.id)
        .where(HealthPlan.plan_year == plan_year)
        .group_by(HealthPlan.state, HealthPlan.issuer_id)
        .order_by(HealthPlan.state, func.max(HealthPlan.issuer))
    )
    return query if state is None else query.where(HealthPlan.state == state)


def _issuers(query: Select[str, str, str, int, int]) -> tuple[Issuer, ...]:
    return tuple(Issuer(**row) for row in db.session.execute(query).mappings())
