"""How many of those who left a provider had their switch carried out in time?

The switch guarantee of the policy names the business days. A switch that is not carried out yet counts
as late from the day after the last of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import and_, case, func, or_, select

from enrollment.models import Switch, SwitchState
from exchange import calendar
from exchange.clock import local_date
from exchange.database import db, to_microseconds
from exchange.money import BP
from exchange.policy.document import Policy

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Punctuality:
    """Switches away from a provider: all whose time is over or that are done, and those that were in time."""

    switches: int
    in_time: int

    @property
    def share_bp(self) -> int:
        """The share that was in time, in basis points, rounded down."""
        return self.in_time * BP // self.switches


def punctuality(*, policy: Policy, at: datetime) -> dict[int, Punctuality]:
    """For each provider that somebody has left for another, how it kept the guarantee. Two statements."""
    s = Switch
    leaves = and_(s.from_provider_id != s.to_provider_id, s.state != SwitchState.ABANDONED, s.effective_at <= at)
    effective = db.session.execute(select(s.effective_at).where(leaves).distinct()).scalars().all()
    if not effective:
        return {}
    by_when = {to_microseconds(one): to_microseconds(_deadline(one, policy)) for one in effective}
    deadline = case(by_when, value=s.effective_at)
    rows = (
        select(s.from_provider_id, func.count(), func.count().filter(s.carried_out_at < deadline))
        .where(leaves, or_(s.carried_out_at.is_not(None), deadline <= to_microseconds(at)))
        .group_by(s.from_provider_id)
    )
    return {id_: Punctuality(switches, in_time) for id_, switches, in_time in db.session.execute(rows)}


def _deadline(effective_at: datetime, policy: Policy) -> datetime:
    """The first instant that is too late."""
    days = policy.switching.cash_within_business_days
    last_on = calendar.business_days_after(policy.calendar, local_date(effective_at, policy.zone), days)
    return calendar.first_instant(last_on + _DAY, policy.zone)
