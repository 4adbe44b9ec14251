"""When is it stated, by itself, what every provider owes?"""

from __future__ import annotations

from datetime import UTC, datetime, time
from typing import Final
from zoneinfo import ZoneInfo

from sqlalchemy import func, select

from enrollment.models import EnrollmentWindow, WindowKind
from exchange.calendar import first_of_next_month
from exchange.clock import local_date
from exchange.database import db
from exchange.policy.document import Policy

MONTHLY_AT: Final = time(0, 45)
"""The hour of the first of a month, on the policy's clock."""


def next_after(at: datetime, policy: Policy) -> datetime:
    """When the next statements are made: on the first of a month, or at a cutover before that."""
    w = EnrollmentWindow
    cutovers = select(func.min(w.effective_at)).where(w.kind == WindowKind.OPEN, w.effective_at > at)
    cutover: datetime | None = db.session.execute(cutovers).scalar_one()
    monthly = _next_monthly(at, policy)
    return monthly if cutover is None else min(monthly, cutover)


def _next_monthly(at: datetime, policy: Policy) -> datetime:
    today = local_date(at, policy.zone)
    firsts = (today.replace(day=1), first_of_next_month(today))
    found = [datetime.combine(on, MONTHLY_AT, tzinfo=ZoneInfo(policy.zone)).astimezone(UTC) for on in firsts]
    return min(instant for instant in found if instant > at)
