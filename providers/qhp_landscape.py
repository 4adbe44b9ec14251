"""What do the published landscape files of health plans say, in the catalogue's words?

A file has a row for each plan and county, with the plan's figures on every one of them; the year
stands only in the file's name. Headings differ by year in case, hyphens and blanks; money is written
``$2,250``, ``$8600.00`` or in words. A row that cannot be read, or that contradicts an earlier row
about the same plan, is left out and reported.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final, cast

from flask_babel import LazyString
from flask_babel import lazy_gettext as _l
from sqlalchemy import Table, select

from exchange import audit
from exchange.database import db
from exchange.errors import Refusal
from exchange.identity.actors import Actor
from exchange.intake import IMPORT, Column, Problems, Row, open_for_import, read_csv
from exchange.money import BadAmount, parse_dollars
from exchange.upsert import Written, upsert
from providers.health_plans import CHILD, DrugDeductible, HealthPlan, HealthPlanCounty, HealthPlanPremium, Metal

PREMIUMS: Final = {
    "Premium Child": CHILD,
    **{f"Premium Adult Individual Age {age}": age for age in (21, 27, 30, 40, 50, 60)},
}
COLUMNS: Final = (
    Column("State", heads=("State Code",), max_length=2),
    Column("County", heads=("County Name",)),
    Column("Metal Level", max_length=20),
    Column("Issuer Name", identifier=False),
    Column("Plan ID (Standard Component)", max_length=14),
    Column("Plan Marketing Name", identifier=False, max_length=300),
    Column("Plan Type", max_length=20),
    Column("Rating Area", max_length=20),
    Column("EHB Percent of Total Premium", required=False, max_length=20),
    *(Column(name, max_length=20) for name in PREMIUMS),
    *(
        Column(name, max_length=100)
        for name in (
            "Medical Deductible - Individual - Standard",
            "Drug Deductible - Individual - Standard",
            "Medical Deductible - Family - Standard",
            "Medical Maximum Out Of Pocket - Individual - Standard",
            "Medical Maximum Out Of Pocket - Family - Standard",
            "Primary Care Physician - Standard",
            "Specialist - Standard",
            "Emergency Room - Standard",
            "Generic Drugs - Standard",
        )
    ),
)

_YEAR: Final = re.compile(r"(?<![0-9])20[0-9]{2}(?![0-9])", re.ASCII)
_PLAN_ID: Final = re.compile(r"[0-9]{5}[A-Z]{2}[0-9]{7}", re.ASCII)
_AREA: Final = re.compile(r"Rating Area ([0-9]{1,3})", re.ASCII)
_PERCENT: Final = re.compile(r"([0-9]{1,3})(?:\.([0-9]{1,2}))?%", re.ASCII)
_INCLUDED: Final = "Included in Medical"
_NOT_STATED: Final = frozenset({"", "Not Applicable", "See Plan Brochure"})


class NoPlanYear(Refusal):
    """Neither the name of the file nor the operator says which plan year it is for."""

    code = "no_plan_year"


class _Unreadable(Exception):
    def __init__(self, column: str, reason: str | LazyString) -> None:
        super().__init__(column)
        self.column = column
        self.reason = reason


@dataclass(frozen=True, slots=True)
class LandscapeImport:
    """What one file brought: ``rows`` in it, what was written of each kind, and the rows left out."""

    source: str
    plan_year: int
    rows: int
    plans: Written
    premiums: Written
    counties: Written
    problems: Problems


@dataclass(slots=True)
class _Landscape:
    """A file's rows sorted into plans, premiums and counties; some thousands for a state."""

    plan_year: int
    plans: dict[str, tuple[int, dict[str, Any]]] = field(default_factory=dict)
    premiums: dict[tuple[str, int], tuple[int, dict[int, int]]] = field(default_factory=dict)
    counties: dict[tuple[str, str], tuple[int, int]] = field(default_factory=dict)

    def take(self, row: Row) -> None:
        """Sort one row in, all of it or nothing of it; raises ``_Unreadable``."""
        plan = _plan(row.cells, self.plan_year)
        area = _area(row.cells)
        premiums = {age: _premium(row.cells, column) for column, age in PREMIUMS.items()}
        county = row.cells["County"]
        if not county:
            raise _Unreadable("County", _l("is empty."))
        plan_id = plan["plan_id"]
        line, first = self.plans.get(plan_id, (row.line, plan))
        if first != plan:
            raise _Unreadable("Plan ID", _l("the same plan has other figures on line %(line)s.", line=line))
        line, known = self.premiums.get((plan_id, area), (row.line, premiums))
        if known != premiums:
            raise _Unreadable("Rating Area", _l("the same plan has other premiums there on line %(line)s.", line=line))
        if (plan_id, county) in self.counties:
            line = self.counties[plan_id, county][0]
            raise _Unreadable("County", _l("the same plan and county stand on line %(line)s.", line=line))
        self.plans.setdefault(plan_id, (row.line, plan))
        self.premiums.setdefault((plan_id, area), (row.line, premiums))
        self.counties[plan_id, county] = (row.line, area)


def plan_year_of(path: Path) -> int:
    """The year in a file's name, e.g. ``2016_QHP_Landscape_….csv.gz``. Raises ``NoPlanYear``."""
    years = set(_YEAR.findall(path.name))
    if len(years) != 1:
        raise NoPlanYear(_l("The name of the file does not say one plan year. Give it with --year."))
    return int(years.pop())


def import_landscape(
    path: Path,
    *,
    plan_year: int,
    by: Actor,
    at: datetime,
    progress: Callable[[int], None] | None = None,
) -> LandscapeImport:
    """Bring one landscape file into the catalogue; all of it in the caller's unit of work.

    The same file twice is once. A later file corrects what it mentions and takes nothing away.
    ``progress`` is told the rows read so far. Raises ``BadFile`` for a file that cannot be read as a whole.
    """
    problems = Problems()
    landscape = _Landscape(plan_year)
    with open_for_import(path) as stream:
        for number, row in enumerate(read_csv(stream, COLUMNS, problems=problems, limits=IMPORT), start=1):
            try:
                landscape.take(row)
            except _Unreadable as found:
                problems.add(row.line, found.reason, found.column)
            if progress is not None:
                progress(number)
    plans, premiums, counties = _write(landscape, source=path.name, at=at)
    facts = (
        f"plans: added {plans.added}, changed {plans.changed}, unchanged {plans.unchanged}; left out {problems.count}"
    )
    audit.record("health_plan.import", f"file:{path.name}", by=by, at=at, facts=facts)
    rows = len(landscape.counties) + problems.count
    return LandscapeImport(path.name, plan_year, rows, plans, premiums, counties, problems)


def _write(landscape: _Landscape, *, source: str, at: datetime) -> tuple[Written, Written, Written]:
    plans = upsert(
        cast("Table", HealthPlan.__table__),
        (values for _, values in landscape.plans.values()),
        key=("plan_year", "plan_id"),
        stamp={"source": source, "imported_at": at},
    )
    ids = {
        row.plan_id: row.id
        for row in db.session.execute(
            select(HealthPlan.plan_id, HealthPlan.id).where(HealthPlan.plan_year == landscape.plan_year)
        )
    }
    premiums = upsert(
        cast("Table", HealthPlanPremium.__table__),
        (
            {"health_plan_id": ids[plan_id], "rating_area": area, "age": age, "premium_cents": cents}
            for (plan_id, area), (_, by_age) in landscape.premiums.items()
            for age, cents in by_age.items()
        ),
        key=("health_plan_id", "rating_area", "age"),
    )
    counties = upsert(
        cast("Table", HealthPlanCounty.__table__),
        (
            {"health_plan_id": ids[plan_id], "county": county, "rating_area": area}
            for (plan_id, county), (_, area) in landscape.counties.items()
        ),
        key=("health_plan_id", "county"),
    )
    return plans, premiums, counties


def _plan(cells: Mapping[str, str], plan_year: int) -> dict[str, Any]:
    """The columns of ``HealthPlan`` for one row, without the stamp."""
    plan_id, state = cells["Plan ID (Standard Component)"], cells["State"]
    if _PLAN_ID.fullmatch(plan_id) is None or plan_id[5:7] != state:
        raise _Unreadable("Plan ID", _l("is not five digits, the row's state and seven digits."))
    metal = cells["Metal Level"].lower()
    if metal not in set(Metal):
        raise _Unreadable("Metal Level", _l("is none of the known levels."))
    for column in ("Issuer Name", "Plan Marketing Name", "Plan Type"):
        if not cells[column]:
            raise _Unreadable(column, _l("is empty."))
    drug_deductible, drug_deductible_cents = _drug_deductible(cells)
    return {
        "plan_year": plan_year,
        "state": state,
        "plan_id": plan_id,
        "issuer_id": plan_id[:5],
        "issuer": cells["Issuer Name"],
        "name": cells["Plan Marketing Name"],
        "metal": Metal(metal),
        "plan_type": cells["Plan Type"],
        "deductible_cents": _money(cells, "Medical Deductible - Individual - Standard"),
        "drug_deductible": drug_deductible,
        "drug_deductible_cents": drug_deductible_cents,
        "oop_max_cents": _money(cells, "Medical Maximum Out Of Pocket - Individual - Standard"),
        "family_deductible_cents": _money(cells, "Medical Deductible - Family - Standard"),
        "family_oop_max_cents": _money(cells, "Medical Maximum Out Of Pocket - Family - Standard"),
        "ehb_share_bp": _basis_points(cells, "EHB Percent of Total Premium"),
        "primary_care": cells["Primary Care Physician - Standard"],
        "specialist": cells["Specialist - Standard"],
        "emergency_room": cells["Emergency Room - Standard"],
        "generic_drugs": cells["Generic Drugs - Standard"],
    }


def _area(cells: Mapping[str, str]) -> int:
    match = _AREA.fullmatch(cells["Rating Area"])
    if match is None:
        raise _Unreadable("Rating Area", _l("is not “Rating Area” and a number."))
    return int(match[1])


def _money(cells: Mapping[str, str], column: str) -> int | None:
    """Cents; ``None`` where the file says in its usual words that there is no amount."""
    if cells[column] in _NOT_STATED:
        return None
    try:
        return parse_dollars(cells[column])
    except BadAmount as refusal:
        raise _Unreadable(column, _l("is not an amount of money.")) from refusal


def _premium(cells: Mapping[str, str], column: str) -> int:
    cents = _money(cells, column)
    if not cents:
        raise _Unreadable(column, _l("has no premium."))
    return cents


def _drug_deductible(cells: Mapping[str, str]) -> tuple[DrugDeductible, int | None]:
    column = "Drug Deductible - Individual - Standard"
    if cells[column].casefold() == _INCLUDED.casefold():
        return DrugDeductible.INCLUDED, None
    cents = _money(cells, column)
    return (DrugDeductible.NOT_STATED, None) if cents is None else (DrugDeductible.AMOUNT, cents)


def _basis_points(cells: Mapping[str, str], column: str) -> int | None:
    text = cells.get(column, "")
    if not text:
        return None
    match = _PERCENT.fullmatch(text)
    if match is None:
        raise _Unreadable(column, _l("is not a percentage."))
    return int(match[1]) * 100 + int((match[2] or "0").ljust(2, "0"))
