"""For which workers does something open a special enrollment by itself, and where is one placed who chooses nobody?

The upper package asks: which providers were suspended or fell off the shelf, whose money is held by
the exchange, whose first window went by. Each cause, its days and its rule for the effective date
stand in the policy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import ColumnElement, Select, exists, func, insert, literal, select, true
from sqlalchemy.orm import aliased

from enrollment import windows
from enrollment.models import (
    BenefitAccount,
    Contribution,
    EnrollmentWindow,
    Membership,
    Switch,
    SwitchCause,
    SwitchState,
    Worker,
)
from exchange import audit, calendar
from exchange.clock import local_date
from exchange.database import Instant, core, db, rows_of
from exchange.identity.actors import Actor
from exchange.identity.organizations import exchange_id
from exchange.policy.document import Cause, PlacementOrder, Policy, Trigger
from providers import shelf
from providers.models import Package, PackageVersion, Provider, ProviderDecision, ProviderState

STATE_TRIGGERS = {
    ProviderState.SUSPENDED: Trigger.PROVIDER_SUSPENDED,
    ProviderState.WITHDRAWN: Trigger.PROVIDER_WITHDRAWN,
}


@dataclass(frozen=True, slots=True)
class Event:
    """Something at one provider that gives all its members a special enrollment."""

    provider_id: int
    cause: Cause
    event_on: date

    @property
    def key(self) -> str:
        """Its name among the jobs' keys."""
        return f"{self.cause.code}:{self.provider_id}:{self.event_on.isoformat()}"


def provider_events(policy: Policy) -> list[Event]:
    """Providers that were suspended or withdrawn, or whose tier lets members leave at once."""
    d = ProviderDecision
    decided = (
        select(d.provider_id, d.becomes, func.max(d.decided_at))
        .where(d.decided_at.is_not(None))
        .group_by(d.provider_id, d.becomes)
    )
    decided_at = {(provider_id, state): instant for provider_id, state, instant in db.session.execute(decided)}
    may_leave = {tier.code for tier in policy.reserves.ladder if tier.may_leave_at_once}
    events = []
    rows = select(Provider.organization_id, Provider.state, Provider.tier, Provider.tier_since).order_by(
        Provider.organization_id
    )
    for provider_id, state, tier, tier_since in db.session.execute(rows):
        trigger = STATE_TRIGGERS.get(state)
        instant = decided_at.get((provider_id, state))
        if trigger is not None and instant is not None and (cause := policy.cause_for(trigger)):
            events.append(Event(provider_id, cause, local_date(instant, policy.zone)))
        if tier in may_leave and tier_since is not None and (cause := policy.cause_for(Trigger.PROVIDER_RESTRICTED)):
            events.append(Event(provider_id, cause, tier_since))
    return events


def open_for_event(event: Event, *, policy: Policy, by: Actor, at: datetime) -> int:
    """Open the special enrollment of every member of the provider; returns how many are new."""
    members = _accounts_where(Membership.provider_id == event.provider_id)
    return windows.open_special(members, cause=event.cause, event_on=event.event_on, policy=policy, by=by, at=at)


def open_for_first_contributions(*, policy: Policy, by: Actor, at: datetime) -> int:
    """Open the window of each worker whose first money is held by the exchange; returns how many are new."""
    cause = policy.cause_for(Trigger.FIRST_CONTRIBUTION)
    if cause is None:
        return 0
    paid = exists().where(
        Contribution.benefit_account_id == Membership.benefit_account_id, Contribution.entry_id.is_not(None)
    )
    had_one = exists().where(
        EnrollmentWindow.benefit_account_id == Membership.benefit_account_id, EnrollmentWindow.cause == cause.code
    )
    accounts = _accounts_where((Membership.provider_id == exchange_id()) & paid & ~had_one)
    today = local_date(at, policy.zone)
    return windows.open_special(accounts, cause=cause, event_on=today, policy=policy, by=by, at=at)


def _accounts_where(condition: ColumnElement[bool]) -> Sequence[int]:
    rows = (
        select(Membership.benefit_account_id)
        .join(BenefitAccount, BenefitAccount.id == Membership.benefit_account_id)
        .where(Membership.ends_at.is_(None), BenefitAccount.closed_at.is_(None), condition)
        .order_by(Membership.benefit_account_id)
    )
    return db.session.execute(rows).scalars().all()


# --- placement ------------------------------------------------------------------------------------


def place_who_chose_nobody(*, policy: Policy, by: Actor, at: datetime) -> int:
    """Order the placement of workers whose first window is over and who are still with the exchange.

    The package follows the policy's order (best standing, then lowest fee); it takes effect on the first
    of a month that is far enough ahead for the notice, and opens a window in which they can leave again.
    Returns how many were placed.
    """
    cause, placed = policy.cause_for(Trigger.FIRST_CONTRIBUTION), policy.cause_for(Trigger.PLACED)
    if cause is None or placed is None:
        return 0
    today = local_date(at, policy.zone)
    told_by = date.fromordinal(today.toordinal() + policy.placement.notice_days)
    effective_on = calendar.first_of_next_month(told_by)
    year = calendar.plan_year_of(policy, effective_on)
    count = 0
    for place, accounts in _unplaced(cause.code, at).items():
        version_id = _best_version(policy, plan_year=year.id, place=place)
        if version_id is None:
            continue
        effective_at = calendar.first_instant(effective_on, policy.zone)
        count += _order_placements(accounts, version_id=version_id, plan_year=year.id, effective_at=effective_at, at=at)
        windows.open_special(accounts, cause=placed, event_on=effective_on, policy=policy, by=by, at=at)
    if count:
        audit.record("worker.placed", "workers:placed", by=by, at=at, facts=f"workers={count}")
    return count


def _unplaced(first_cause: str, at: datetime) -> dict[str, list[int]]:
    """Accounts to place, by the place where the worker lives."""
    m, w, s = Membership, EnrollmentWindow, Switch
    waits = exists().where(s.benefit_account_id == m.benefit_account_id, s.state == SwitchState.ORDERED)
    # An alias: the window of the cause itself stands in the question around it.
    other = aliased(w)
    may_choose = exists().where(
        other.benefit_account_id == m.benefit_account_id, other.opens_at <= at, other.closes_at > at
    )
    rows = (
        select(Worker.place, m.benefit_account_id)
        .join(BenefitAccount, BenefitAccount.id == m.benefit_account_id)
        .join(Worker, Worker.id == BenefitAccount.worker_id)
        .join(w, (w.benefit_account_id == m.benefit_account_id) & (w.cause == first_cause) & (w.closes_at <= at))
        .where(
            m.provider_id == exchange_id(), m.ends_at.is_(None), BenefitAccount.closed_at.is_(None), ~waits, ~may_choose
        )
        .distinct()
    )
    by_place: dict[str, list[int]] = {}
    for place, account_id in db.session.execute(rows):
        by_place.setdefault(place, []).append(account_id)
    return by_place


def _best_version(policy: Policy, *, plan_year: str, place: str) -> int | None:
    """The package version on sale that the policy's order of placement puts first."""
    rungs = {tier.code: number for number, tier in enumerate(policy.reserves.ladder)}
    on_sale = shelf.on_sale(plan_year=plan_year, place=place).subquery()
    members = (
        select(Membership.package_id, func.count().label("members"))
        .where(Membership.ends_at.is_(None))
        .group_by(Membership.package_id)
        .subquery()
    )
    rows = (
        select(PackageVersion.id, PackageVersion.fee_bp, Provider.tier, func.coalesce(members.c.members, 0))
        .join(on_sale, on_sale.c.id == PackageVersion.id)
        .join(Package, Package.id == PackageVersion.package_id)
        .join(Provider, Provider.organization_id == Package.provider_id)
        .outerjoin(members, members.c.package_id == Package.id)
    )
    candidates = db.session.execute(rows).all()

    def rank(candidate: tuple[int, int, str | None, int]) -> tuple[int, ...]:
        id_, fee_bp, tier, count = candidate
        by_order = {
            PlacementOrder.BEST_STANDING: rungs.get(tier or "", len(rungs)),
            PlacementOrder.LOWEST_FEE: fee_bp,
            PlacementOrder.MOST_MEMBERS: -count,
        }
        return (*(by_order[order] for order in policy.placement.order), id_)

    return min(candidates, key=rank)[0] if candidates else None


def _order_placements(
    accounts: Sequence[int], *, version_id: int, plan_year: str, effective_at: datetime, at: datetime
) -> int:
    m, v = Membership, PackageVersion
    return _order(
        select(m.benefit_account_id, m.provider_id, m.package_id, Package.id, Package.provider_id, v.id)
        .select_from(m)
        .join(v, v.id == version_id)
        .join(Package, Package.id == v.package_id)
        .where(m.benefit_account_id.in_(accounts), m.ends_at.is_(None)),
        cause=SwitchCause.PLACEMENT,
        plan_year=plan_year,
        effective_at=effective_at,
        at=at,
    )


def order_successors(*, policy: Policy, year: calendar.PlanYear, by: Actor, at: datetime) -> int:
    """Order the move of members of discontinued packages to the successors named; returns how many.

    Who has chosen for himself is not moved: his own switch took him out of the package already.
    """
    m, v = Membership, PackageVersion
    old, new = core(Package).alias("old"), core(Package).alias("new")
    ordered = _order(
        select(m.benefit_account_id, m.provider_id, m.package_id, new.c.id, new.c.provider_id, v.id)
        .select_from(m)
        .join(old, old.c.id == m.package_id)
        .join(new, new.c.id == old.c.successor_id)
        .join(v, (v.package_id == new.c.id) & (v.plan_year == year.id) & (v.state == "listed"))
        .where(m.ends_at.is_(None), old.c.last_plan_year < year.id),
        cause=SwitchCause.SUCCESSOR,
        plan_year=year.id,
        effective_at=calendar.first_instant(year.starts_on, policy.zone),
        at=at,
    )
    if ordered:
        audit.record("package.succeeded", f"plan_year:{year.id}", by=by, at=at, facts=f"workers={ordered}")
    return ordered


def _order(
    rows: Select[int, int, int | None, int, int, int],
    *,
    cause: SwitchCause,
    plan_year: str,
    effective_at: datetime,
    at: datetime,
) -> int:
    """Order switches without an election: (account, from provider, from package, to package, to provider, version)."""
    s = Switch
    wanted = rows.subquery()
    there = exists().where(
        s.benefit_account_id == wanted.c[0], s.effective_at == effective_at, s.state != SwitchState.ABANDONED
    )
    values = (
        literal(cause.value),
        literal(plan_year),
        literal(effective_at, Instant),
        literal(SwitchState.ORDERED.value),
        literal(at, Instant),
    )
    names = ["benefit_account_id", "from_provider_id", "from_package_id", "to_package_id", "to_provider_id"]
    names += ["to_version_id", "cause", "plan_year", "effective_at", "state", "ordered_at"]
    statement = insert(core(s)).from_select(names, select(*wanted.c, *values).where(true(), ~there))
    return rows_of(db.session.execute(statement.execution_options(preserve_rowcount=True)))
