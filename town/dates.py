"""On which days does everything in the town happen, counted from today?

Open enrollment is open today, whatever day that is; so the plan year begins on the first of a month that
depends on it. The months of work lie before, within the present plan year.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from exchange.calendar import first_of_next_month
from exchange.policy.reading import with_open_enrollment

OPEN_FOR_DAYS: Final = 20
CLOSES_IN_DAYS: Final = 10
# Between the close and the plan year there is at least this much time to carry everything out.
DAYS_TO_CARRY_OUT: Final = 6


@dataclass(frozen=True, slots=True)
class Dates:
    """The town's calendar: ``months`` are the first days of the months that were worked, all over."""

    today: date
    zone: str
    months: tuple[date, ...]
    opens_on: date
    closes_on: date
    next_year_on: date

    @property
    def present_year(self) -> str:
        """The plan year that today lies in."""
        return str(self.next_year_on.year - 1)

    @property
    def next_year(self) -> str:
        """The plan year that is chosen for."""
        return str(self.next_year_on.year)

    @property
    def law_on(self) -> date:
        """Since when there is a law."""
        return date(self.today.year - 3, 1, 1)

    @property
    def present_law_on(self) -> date:
        """Since when the law is as it is now: before the first month that was worked."""
        return first_of_next_month(self.months[0], -6)

    @property
    def first_day(self) -> date:
        """The first day of the story: providers apply."""
        return self.before_work(50)

    def before_work(self, days: int) -> date:
        """So many days before the first month that was worked."""
        return self.months[0] - timedelta(days=days)

    def before_today(self, days: int) -> date:
        """So many days ago."""
        return self.today - timedelta(days=days)

    def instant(self, on: date, hour: int = 0, minute: int = 0) -> datetime:
        """The UTC instant of a local time (not between 1:00 and 4:00, which some days lack)."""
        return datetime.combine(on, time(hour, minute), tzinfo=ZoneInfo(self.zone)).astimezone(UTC)


def counted_from(today: date, *, zone: str, months: int) -> Dates:
    """The calendar of a town in which ``months`` whole months were worked before today."""
    this_month = first_of_next_month(today, 0)
    closes_on = today + timedelta(days=CLOSES_IN_DAYS)
    return Dates(
        today=today,
        zone=zone,
        months=tuple(first_of_next_month(this_month, -back) for back in range(months, 0, -1)),
        opens_on=today - timedelta(days=OPEN_FOR_DAYS),
        closes_on=closes_on,
        next_year_on=first_of_next_month(closes_on + timedelta(days=DAYS_TO_CARRY_OUT)),
    )


# The dates in the shipped policy at which something begins to hold.
_BEGINS: Final = re.compile(r"\b(2024-01-01|2025-07-01|2026-01-01)\b")


def policy_of(shipped: Path, dates: Dates) -> str:
    """The shipped policy with the town's dates; everything else is as it stands there."""
    begins = {"2024-01-01": dates.law_on, "2025-07-01": dates.present_law_on, "2026-01-01": dates.months[0]}
    text = _BEGINS.sub(lambda found: begins[found[0]].isoformat(), shipped.read_text(encoding="utf-8"))
    return with_open_enrollment(
        text, opens_on=dates.opens_on, closes_on=dates.closes_on, plan_year_starts_on=dates.next_year_on
    )
