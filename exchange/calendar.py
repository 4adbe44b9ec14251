"""On which local dates do plan years, windows and deadlines lie, and at which instants do they begin?

Pure. Local dates come from the policy and become UTC instants here, once, when a window is published:
a change of zone data later never moves a published window. Windows are half-open, [opens, closes): the
first instant of the closing date is out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from exchange.policy.document import CalendarRules, Cause, Due, EffectiveKind, EffectiveRule, MonthDay, Policy

_DAY = timedelta(days=1)
_SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True, order=True)
class PlanYear:
    """Twelve months that packages are offered for: ``starts_on`` to ``ends_on``, which is out.

    ``id`` is the calendar year in which it starts.
    """

    starts_on: date
    ends_on: date

    @property
    def id(self) -> str:
        """Its name: ``2027``."""
        return str(self.starts_on.year)


@dataclass(frozen=True, slots=True)
class Window:
    """A period in which elections are taken: the local dates, and the UTC instants that decide.

    ``effective_on`` and ``effective_at`` are given for open enrollment; in a special one they follow from
    the day of the choice.
    """

    opens_on: date
    closes_on: date
    opens_at: datetime
    closes_at: datetime
    effective_on: date | None = None
    effective_at: datetime | None = None

    @property
    def last_day(self) -> date:
        """The last day on which a choice is taken."""
        return self.closes_on - _DAY

    def is_open(self, at: datetime) -> bool:
        """Whether a choice made at that instant is in time."""
        return self.opens_at <= at < self.closes_at


# --- dates and instants ---------------------------------------------------------------------------


def first_instant(on: date, zone: str) -> datetime:
    """The UTC instant at which calendars in ``zone`` (an IANA name) first show ``on`` or a later date.

    Where clocks are put back over midnight it is the first of two midnights; where midnight (or, on
    an island that crosses the date line, the whole day) is left out, the instant at which it is.
    """
    local = ZoneInfo(zone)
    midnight = datetime.combine(on, time())
    instant = midnight.replace(tzinfo=local).astimezone(UTC)
    if instant.astimezone(local).replace(tzinfo=None) == midnight:
        return instant
    before, after = instant - 2 * _DAY, instant + 2 * _DAY
    while after - before > _SECOND:
        middle = before + (after - before) // _SECOND // 2 * _SECOND
        if middle.astimezone(local).replace(tzinfo=None) < midnight:
            before = middle
        else:
            after = middle
    return after


def first_of_next_month(on: date, months: int = 1) -> date:
    """The first day of the month that is ``months`` after that of ``on``."""
    years, month = divmod(on.month - 1 + months, 12)
    return date(on.year + years, month + 1, 1)


def quarter_of(on: date) -> tuple[date, date]:
    """The calendar quarter that holds ``on``: its first day, and the first day after it."""
    starts_on = date(on.year, (on.month - 1) // 3 * 3 + 1, 1)
    return starts_on, first_of_next_month(starts_on, 3)


def business_days_after(rules: CalendarRules, on: date, days: int) -> date:
    """The ``days``-th business day after ``on``: Monday to Friday, and no holiday of the policy."""
    for _ in range(days):
        on += _DAY
        while not is_business_day(rules, on):
            on += _DAY
    return on


def is_business_day(rules: CalendarRules, on: date) -> bool:
    """Whether banks move money on that day."""
    holiday = on in rules.single_holidays or MonthDay(on.month, on.day) in rules.yearly_holidays
    return on.isoweekday() <= 5 and not holiday


def due_on(due: Due, period_ends_on: date) -> date:
    """The last day on which contributions for a period that ends before ``period_ends_on`` are in time."""
    last_worked = period_ends_on - _DAY
    return first_of_next_month(last_worked, due.months_after).replace(day=due.day)


# --- plan years -----------------------------------------------------------------------------------


def plan_year(policy: Policy, id: str) -> PlanYear:  # noqa: A002 - it is the plan year's id
    """The plan year that starts in the calendar year ``id``."""
    year = int(id)
    starts = policy.calendar.plan_year_starts
    return PlanYear(starts.in_year(year), starts.in_year(year + 1))


def plan_year_of(policy: Policy, on: date) -> PlanYear:
    """The plan year that holds the day."""
    starts_on = policy.calendar.plan_year_starts.in_year(on.year)
    return plan_year(policy, str(on.year if on >= starts_on else on.year - 1))


def next_plan_year(policy: Policy, on: date) -> PlanYear:
    """The plan year after the one that holds the day."""
    return plan_year_of(policy, plan_year_of(policy, on).ends_on)


def plan_years(policy: Policy, first: date, last: date) -> Iterator[PlanYear]:
    """The plan years that touch the days from ``first`` to ``last``, both included."""
    year = plan_year_of(policy, first)
    while year.starts_on <= last:
        yield year
        year = plan_year_of(policy, year.ends_on)


# --- windows --------------------------------------------------------------------------------------


def open_enrollment(policy: Policy, year: PlanYear) -> Window:
    """When everybody may choose for that plan year."""
    rules = policy.calendar
    for exact in rules.exact:
        if exact.plan_year == year.id:
            opens_on, closes_on = exact.opens_on, exact.closes_on
            break
    else:
        closes_on = _last_before(rules.closes, year.starts_on + _DAY)
        opens_on = _last_before(rules.opens, closes_on)
    return Window(
        opens_on=opens_on,
        closes_on=closes_on,
        opens_at=first_instant(opens_on, policy.zone),
        closes_at=first_instant(closes_on, policy.zone),
        effective_on=year.starts_on,
        effective_at=first_instant(year.starts_on, policy.zone),
    )


def special_window(policy: Policy, cause: Cause, event_on: date) -> Window:
    """When one worker may choose because of a cause on ``event_on``.

    ``days_before`` it to ``days_after`` it, that last day included.
    """
    opens_on = event_on - timedelta(days=cause.days_before)
    closes_on = event_on + timedelta(days=cause.days_after + 1)
    zone = policy.zone
    return Window(opens_on, closes_on, first_instant(opens_on, zone), first_instant(closes_on, zone))


def effective_on(rule: EffectiveRule, *, event_on: date, chosen_on: date) -> date:
    """From which day a choice in a special enrollment counts.

    A rule that counts months from the choice never leads to a day before the event: then it is the
    first of a month that is not before it.
    """
    if rule.kind is EffectiveKind.DATE_OF_EVENT:
        return event_on
    late = rule.by_day is not None and chosen_on.day > rule.by_day
    by_choice = first_of_next_month(chosen_on, 2 if late else 1)
    by_event = event_on if event_on.day == 1 else first_of_next_month(event_on)
    return max(by_choice, by_event)


def _last_before(day: MonthDay, limit: date) -> date:
    """The last date before ``limit`` that falls on that day of the year."""
    this_year = day.in_year(limit.year)
    return this_year if this_year < limit else day.in_year(limit.year - 1)
