"""How do all providers stand, side by side, and what waits for a regulator?

By the last check of each, in a fixed number of statements however many there are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final

from flask import current_app
from sqlalchemy import Date, Select, bindparam, func, or_, select

from exchange import clock, remembered, revision
from exchange.clock import local_date
from exchange.database import db, from_microseconds
from exchange.glance import Glance
from exchange.identity import people
from exchange.identity.organizations import Organization
from exchange.identity.people import Beside
from exchange.policy.document import Policy
from providers import reserve_standing, reserves
from providers.models import (
    DecisionState,
    Finding,
    FindingState,
    PackageVersion,
    Provider,
    ProviderDecision,
    ProviderKind,
    ProviderState,
    ReserveCheck,
    ReserveFiling,
    VersionState,
)

TREND: Final = timedelta(days=90)
"""How far the line of the last ratios reaches back."""


@dataclass(frozen=True, slots=True)
class Place:
    """One provider in the list, as its last check left it; None where it has not been checked.

    Amounts in cents, ``ratio_bp`` is held over required (None: nothing is required), ``trend`` the last ratio of each
    day of the last 90. ``days_overdue`` counts from the day on which the next filing was due; 0 while it is not.
    """

    provider_id: int
    name: str
    kind: ProviderKind
    state: ProviderState
    tier: str | None
    tier_since: date | None
    checked_on: date | None
    ratio_bp: int | None
    liabilities_cents: int | None
    required_cents: int | None
    held_cents: int | None
    filed_as_of: date | None
    filing_id: int | None
    due_on: date
    days_overdue: int
    trend: tuple[int, ...]
    open_findings: int
    decision_id: int | None


@dataclass(frozen=True, slots=True)
class Waiting:
    """What waits for regulators: proposals on providers, open findings, packages to certify, applications."""

    decisions: int
    findings: int
    answers_late: int
    packages: int
    applications: int


def places(*, policy: Policy, on: date) -> list[Place]:
    """Every provider, by name."""
    rows = (
        select(Provider, Organization.name)
        .join(Organization, Organization.id == Provider.organization_id)
        .order_by(func.lower(Organization.name), Provider.organization_id)
    )
    providers = db.session.execute(rows).all()
    checks = reserve_standing.latest_checks()
    filed = _filed_as_of(checks)
    trends = trends_since(on - TREND)
    findings = _open_findings()
    decisions = _open_decisions()
    places = []
    for provider, name in providers:
        id_ = provider.organization_id
        check = checks.get(id_)
        due_on = reserves.filing_due_on(
            policy.reserves, filed_as_of=filed.get(id_), applied_on=local_date(provider.applied_at, policy.zone)
        )
        places.append(
            Place(
                provider_id=id_,
                name=name,
                kind=provider.kind,
                state=provider.state,
                tier=provider.tier,
                tier_since=provider.tier_since,
                checked_on=None if check is None else check.on_date,
                ratio_bp=None if check is None else check.ratio_bp,
                liabilities_cents=None if check is None else check.liabilities_cents,
                required_cents=None if check is None else check.required_cents,
                held_cents=None if check is None else check.held_cents,
                filed_as_of=filed.get(id_),
                filing_id=None if check is None else check.filing_id,
                due_on=due_on,
                # Nobody waits for the filing of a provider that is gone.
                days_overdue=0 if provider.state is ProviderState.WITHDRAWN else max(0, (on - due_on).days),
                trend=tuple(trends.get(id_, ())),
                open_findings=findings.get(id_, 0),
                decision_id=decisions.get(id_),
            )
        )
    return places


def places_on(board: Board, *, policy: Policy, on: date) -> list[Place]:
    """The same, remembered while the board is the same: they follow from it."""
    facts = (board.market, on, board.waiting, board.newest)
    return remembered.of_facts("places", facts, lambda: places(policy=policy, on=on))


@dataclass(frozen=True, slots=True)
class Board:
    """How it all is at an instant of the database's clock, in one short question.

    ``newest``: the last check, finding and decision. With who is on file (``market``: the word for it) and what waits,
    ``places`` follows from them.
    """

    at: datetime
    market: str
    waiting: Waiting
    newest: tuple[int | None, ...]


def board(login_id: int | None, *, zone: str) -> Board:
    """The board as a regulator's page shows it; taken from what was read together with who asks, once.

    ``zone``: whose local date says what is late.
    """
    today = _today(zone)
    rows = None if login_id is None else people.read_beside(login_id)
    found = _board((rows or _BOARD.rows(**_asked(today)))[0])
    if (on := clock.local_date(found.at, zone)) != today:
        # The machine's clock is not the database's: around midnight it is asked by the right day.
        found = _board(_BOARD.rows(**_asked(on))[0])
    return found


def waiting(on: date) -> Waiting:
    """How much waits, by what is committed."""
    return _board(_BOARD.rows(**_asked(on))[0]).waiting


def board_beside_who_asks() -> Beside:
    """For ``people.seen_with``: the same in the trip in which the page asks who asks."""
    return Beside(_BESIDE, lambda: _asked(_today(current_app.config["PROGRAM_ZONE"])))


def _today(zone: str) -> date:
    return clock.local_date(from_microseconds(clock.parameter_of_microseconds()["machine_us"]), zone)


def _asked(on: date) -> dict[str, int | str | None]:
    return {"on_date": on.isoformat()}


def _board(row: tuple[Any, ...]) -> Board:
    now_us, market, *figures = row
    return Board(from_microseconds(now_us), market, Waiting(*figures[:_WAITING]), tuple(figures[_WAITING:]))


_WAITING: Final = 5


def _select_board(*first: Any) -> Select[*tuple[Any, ...]]:
    findings = select(func.count()).select_from(Finding).where(Finding.state == FindingState.OPEN)
    states = (ProviderState.APPLIED, ProviderState.UNDER_REVIEW)
    counted = (
        select(func.count()).select_from(ProviderDecision).where(ProviderDecision.state == DecisionState.PROPOSED),
        findings,
        findings.where(Finding.answer_due_on < bindparam("on_date", type_=Date)),
        select(func.count()).select_from(PackageVersion).where(PackageVersion.state == VersionState.SUBMITTED),
        select(func.count()).select_from(Provider).where(or_(*(Provider.state == one for one in states))),
    )
    newest = (select(func.max(table.id)) for table in (ReserveCheck, Finding, ProviderDecision))
    figures = (one.scalar_subquery() for one in (*counted, *newest))
    return select(*first, clock.microseconds(), revision.column(), *figures)


_BOARD: Final = Glance(_select_board)
_BESIDE: Final = Glance(lambda: _select_board(*people.WHO).where(people.is_named()))


def _filed_as_of(checks: Mapping[int, ReserveCheck]) -> dict[int, date]:
    """As of which day each provider's filing is that its last check counted."""
    ids = {check.filing_id for check in checks.values() if check.filing_id is not None}
    rows = select(ReserveFiling.provider_id, ReserveFiling.as_of).where(ReserveFiling.id.in_(ids))
    return dict(db.session.execute(rows).all())


def _open_findings() -> dict[int, int]:
    rows = select(Finding.provider_id, func.count()).where(Finding.state == FindingState.OPEN)
    return dict(db.session.execute(rows.group_by(Finding.provider_id)).all())


def _open_decisions() -> dict[int, int]:
    d = ProviderDecision
    rows = select(d.provider_id, d.id).where(d.state == DecisionState.PROPOSED)
    return dict(db.session.execute(rows).all())


def trends_since(since: date) -> dict[int, list[int]]:
    """The last ratio of each day from ``since`` on, by provider, the oldest first; days without one are left out."""
    c = ReserveCheck
    rows = (
        select(c.provider_id, c.on_date, c.ratio_bp)
        .where(c.on_date >= since, c.ratio_bp.is_not(None))
        .order_by(c.on_date, c.id)
    )
    by_day: dict[int, dict[date, int]] = {}
    for provider_id, on_date, ratio_bp in db.session.execute(rows):
        assert ratio_bp is not None, "the statement leaves those out"
        by_day.setdefault(provider_id, {})[on_date] = ratio_bp
    return {provider_id: list(days.values()) for provider_id, days in by_day.items()}
