"""Do plan years, windows and deadlines begin and end on the right instants, whatever the clocks do?"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.calendar import (
    PlanYear,
    business_days_after,
    due_on,
    effective_on,
    first_instant,
    first_of_next_month,
    is_business_day,
    next_plan_year,
    open_enrollment,
    plan_year,
    plan_year_of,
    plan_years,
    quarter_of,
    special_window,
)
from exchange.policy.document import Due, EffectiveKind, EffectiveRule, Policy
from exchange.policy.reading import read, read_file
from tests.support.policies import NEW_YORK, WASHINGTON, changed

US = timedelta(microseconds=1)
YEARS = range(2024, 2036)
EASTERN, CENTRAL, MOUNTAIN, PACIFIC, ALASKA = -5, -6, -7, -8, -9
# Hours from UTC in winter, and whether clocks are put forward in summer.
ZONES = {
    "America/New_York": (EASTERN, True),
    "America/Detroit": (EASTERN, True),
    "America/Kentucky/Louisville": (EASTERN, True),
    "America/Kentucky/Monticello": (EASTERN, True),
    "America/Indiana/Indianapolis": (EASTERN, True),
    "America/Indiana/Vincennes": (EASTERN, True),
    "America/Indiana/Winamac": (EASTERN, True),
    "America/Indiana/Marengo": (EASTERN, True),
    "America/Indiana/Petersburg": (EASTERN, True),
    "America/Indiana/Vevay": (EASTERN, True),
    "America/Chicago": (CENTRAL, True),
    "America/Indiana/Tell_City": (CENTRAL, True),
    "America/Indiana/Knox": (CENTRAL, True),
    "America/Menominee": (CENTRAL, True),
    "America/North_Dakota/Center": (CENTRAL, True),
    "America/North_Dakota/New_Salem": (CENTRAL, True),
    "America/North_Dakota/Beulah": (CENTRAL, True),
    "America/Denver": (MOUNTAIN, True),
    "America/Boise": (MOUNTAIN, True),
    "America/Phoenix": (MOUNTAIN, False),
    "America/Los_Angeles": (PACIFIC, True),
    "America/Anchorage": (ALASKA, True),
    "America/Juneau": (ALASKA, True),
    "America/Sitka": (ALASKA, True),
    "America/Metlakatla": (ALASKA, True),
    "America/Yakutat": (ALASKA, True),
    "America/Nome": (ALASKA, True),
    "America/Adak": (-10, True),
    "Pacific/Honolulu": (-10, False),
    "America/Puerto_Rico": (-4, False),
    "America/St_Thomas": (-4, False),
    "Pacific/Guam": (10, False),
    "Pacific/Saipan": (10, False),
    "Pacific/Pago_Pago": (-11, False),
}


def sunday(year: int, month: int, number: int) -> date:
    """The ``number``-th Sunday of a month."""
    first = date(year, month, 1)
    return first + timedelta(days=(7 - first.isoweekday()) % 7 + 7 * (number - 1))


def hours_from_utc(on: date, winter: int, *, summer_time: bool) -> int:
    """At the midnight that begins ``on``, by the rule of the Energy Policy Act of 2005 written out once more."""
    in_summer = sunday(on.year, 3, 2) < on <= sunday(on.year, 11, 1)
    return winter + (1 if summer_time and in_summer else 0)


def boundaries(year: int) -> list[date]:
    """Days on which something may open, close or take effect, those on which clocks change among them."""
    spring, autumn = sunday(year, 3, 2), sunday(year, 11, 1)
    changes = [day + timedelta(days=shift) for day in (spring, autumn) for shift in (0, 1)]
    leap = [date(year, 2, 29)] if year % 4 == 0 else []
    return [
        date(year, 1, 1),
        date(year, 3, 1),
        date(year, 7, 1),
        date(year, 12, 16),
        date(year, 12, 31),
        *changes,
        *leap,
    ]


@pytest.fixture
def washington() -> Policy:
    """The newest version of the first policy: plan years from 1 January."""
    return read_file(WASHINGTON).versions[-1]


@pytest.fixture
def new_york() -> Policy:
    """The newest version of the second policy: plan years from 1 July."""
    return read_file(NEW_YORK).versions[-1]


class TestFirstInstant:
    @pytest.mark.parametrize("zone", ZONES)
    def test_is_the_local_midnight_at_every_boundary_of_twelve_years(self, zone: str) -> None:
        winter, summer_time = ZONES[zone]
        local = ZoneInfo(zone)
        days = [day for year in YEARS for day in boundaries(year)]

        for day in days:
            instant = first_instant(day, zone)

            expected = datetime(day.year, day.month, day.day, tzinfo=UTC)
            assert instant == expected - timedelta(hours=hours_from_utc(day, winter, summer_time=summer_time))
            assert instant.tzinfo is UTC
            assert instant.astimezone(local).date() == day
            assert (instant - US).astimezone(local).date() == day - timedelta(days=1)
        assert len(days) * len(ZONES) >= 400

    @pytest.mark.parametrize(
        ("zone", "day", "instant"),
        [
            # Clocks were put forward from midnight to one: the day begins at one.
            ("America/Sao_Paulo", date(2018, 11, 4), datetime(2018, 11, 4, 3, tzinfo=UTC)),
            # … from half past eleven at night to half past twelve: the day begins at half past twelve.
            ("America/Toronto", date(1919, 3, 31), datetime(1919, 3, 31, 4, 30, tzinfo=UTC)),
            # Clocks were put back from one to midnight: midnight came twice, and the first one counts.
            ("America/Havana", date(2023, 11, 5), datetime(2023, 11, 5, 4, tzinfo=UTC)),
            # Clocks were put back from midnight to eleven: midnight came once, an hour late.
            ("America/Sao_Paulo", date(2018, 2, 18), datetime(2018, 2, 18, 3, tzinfo=UTC)),
            # A whole day was left out when the island crossed the date line.
            ("Pacific/Apia", date(2011, 12, 30), datetime(2011, 12, 30, 10, tzinfo=UTC)),
            ("Pacific/Apia", date(2011, 12, 31), datetime(2011, 12, 30, 10, tzinfo=UTC)),
        ],
    )
    def test_is_the_first_of_the_day_where_midnight_is_missing_or_doubled(
        self, zone: str, day: date, instant: datetime
    ) -> None:
        assert first_instant(day, zone) == instant

    @given(st.dates(date(1990, 1, 1), date(2099, 12, 31)), st.sampled_from([*ZONES, "Pacific/Apia", "Africa/Cairo"]))
    def test_is_where_the_day_begins_and_no_instant_earlier(self, day: date, zone: str) -> None:
        instant = first_instant(day, zone)

        assert instant.astimezone(ZoneInfo(zone)).date() >= day
        assert (instant - US).astimezone(ZoneInfo(zone)).date() < day


class TestOpenEnrollment:
    @pytest.mark.parametrize("zone", ZONES)
    def test_touches_the_plan_year_and_holds_only_days_before_it(self, zone: str) -> None:
        policy = read(changed(WASHINGTON, "America/Los_Angeles", zone)[0]).versions[0]

        for year in map(str, YEARS):
            window = open_enrollment(policy, plan_year(policy, year))

            assert window.opens_at == first_instant(date(int(year) - 1, 11, 1), zone)
            assert window.closes_at == first_instant(date(int(year) - 1, 12, 16), zone)
            assert window.effective_at == first_instant(date(int(year), 1, 1), zone)

    def test_takes_the_last_microsecond_and_not_the_closing_instant(self, washington: Policy) -> None:
        window = open_enrollment(washington, plan_year(washington, "2027"))

        assert window.last_day == date(2026, 12, 15)
        assert window.closes_at == datetime(2026, 12, 16, 8, tzinfo=UTC)
        assert not window.is_open(window.opens_at - US)
        assert window.is_open(window.opens_at)
        assert window.is_open(window.closes_at - US)
        assert not window.is_open(window.closes_at)

    def test_lies_in_the_spring_before_a_plan_year_that_starts_in_july(self, new_york: Policy) -> None:
        window = open_enrollment(new_york, plan_year(new_york, "2027"))

        assert (window.opens_on, window.closes_on, window.effective_on) == (
            date(2027, 4, 15),
            date(2027, 6, 1),
            date(2027, 7, 1),
        )
        assert window.closes_at == datetime(2027, 6, 1, 4, tzinfo=UTC)

    def test_follows_the_exact_dates_of_a_plan_year_that_has_them(self, new_york: Policy) -> None:
        window = open_enrollment(new_york, plan_year(new_york, "2026"))

        assert (window.opens_on, window.closes_on) == (date(2026, 4, 20), date(2026, 6, 6))

    def test_may_close_on_the_day_the_plan_year_starts(self) -> None:
        policy = read(changed(WASHINGTON, "closes_on: 12-16", "closes_on: 01-01")[0]).versions[0]

        window = open_enrollment(policy, plan_year(policy, "2027"))

        assert (window.opens_on, window.closes_on) == (date(2026, 11, 1), date(2027, 1, 1))


class TestSpecialWindow:
    @pytest.mark.parametrize(
        ("cause", "event_on", "opens_on", "last_day"),
        [
            ("first_contribution", date(2027, 1, 10), date(2027, 1, 10), date(2027, 3, 11)),
            ("first_contribution", date(2028, 1, 10), date(2028, 1, 10), date(2028, 3, 10)),
            ("moved", date(2028, 2, 29), date(2027, 12, 31), date(2028, 4, 29)),
            ("court_order", date(2026, 12, 31), date(2026, 12, 31), date(2027, 3, 1)),
        ],
    )
    def test_holds_the_days_before_and_after_the_event(
        self, washington: Policy, cause: str, event_on: date, opens_on: date, last_day: date
    ) -> None:
        window = special_window(washington, washington.cause(cause), event_on)

        assert (window.opens_on, window.last_day) == (opens_on, last_day)
        assert window.opens_at == first_instant(opens_on, washington.zone)
        assert window.closes_at == first_instant(last_day + timedelta(days=1), washington.zone)
        assert window.effective_at is None


class TestEffectiveOn:
    @pytest.mark.parametrize(
        ("chosen_on", "event_on", "expected"),
        [
            (date(2027, 3, 1), date(2027, 2, 20), date(2027, 4, 1)),
            (date(2027, 3, 15), date(2027, 2, 20), date(2027, 4, 1)),
            (date(2027, 3, 16), date(2027, 2, 20), date(2027, 5, 1)),
            (date(2027, 11, 16), date(2027, 11, 1), date(2028, 1, 1)),
            (date(2027, 12, 16), date(2027, 11, 1), date(2028, 2, 1)),
            (date(2028, 2, 29), date(2028, 2, 29), date(2028, 4, 1)),
            # Never before the event.
            (date(2027, 3, 1), date(2027, 4, 1), date(2027, 4, 1)),
            (date(2027, 3, 1), date(2027, 4, 2), date(2027, 5, 1)),
        ],
    )
    def test_by_the_fifteenth_is_the_next_month_and_later_the_one_after(
        self, chosen_on: date, event_on: date, expected: date
    ) -> None:
        rule = EffectiveRule(EffectiveKind.BY_DAY, 15)

        assert effective_on(rule, event_on=event_on, chosen_on=chosen_on) == expected

    def test_by_the_next_month_does_not_look_at_the_day(self) -> None:
        rule = EffectiveRule(EffectiveKind.FIRST_OF_NEXT_MONTH)

        assert effective_on(rule, event_on=date(2027, 1, 31), chosen_on=date(2027, 1, 31)) == date(2027, 2, 1)
        assert effective_on(rule, event_on=date(2027, 12, 1), chosen_on=date(2027, 12, 31)) == date(2028, 1, 1)

    def test_by_the_event_is_its_own_day_whenever_chosen(self) -> None:
        rule = EffectiveRule(EffectiveKind.DATE_OF_EVENT)

        assert effective_on(rule, event_on=date(2028, 2, 29), chosen_on=date(2028, 4, 1)) == date(2028, 2, 29)


class TestPlanYear:
    def test_holds_its_first_day_and_not_its_last_boundary(self, new_york: Policy) -> None:
        assert plan_year_of(new_york, date(2027, 6, 30)) == PlanYear(date(2026, 7, 1), date(2027, 7, 1))
        assert plan_year_of(new_york, date(2027, 7, 1)).id == "2027"
        assert next_plan_year(new_york, date(2027, 6, 30)).id == "2027"

    def test_follows_another_without_gap_or_overlap(self, washington: Policy, new_york: Policy) -> None:
        for policy in (washington, new_york):
            years = list(plan_years(policy, date(2024, 2, 29), date(2035, 12, 31)))

            assert all(one.ends_on == other.starts_on for one, other in pairwise(years))
            assert years[0].starts_on <= date(2024, 2, 29)
            assert years[-1].ends_on > date(2035, 12, 31)

    def test_has_366_days_only_where_it_holds_a_leap_day(self, washington: Policy, new_york: Policy) -> None:
        lengths = {year: plan_year(washington, str(year)) for year in YEARS}

        assert {y for y, p in lengths.items() if (p.ends_on - p.starts_on).days == 366} == {2024, 2028, 2032}
        leap = plan_year(new_york, "2027")
        assert (leap.ends_on - leap.starts_on).days == 366
        century = plan_year(washington, "2100")
        assert (century.ends_on - century.starts_on).days == 365


class TestDueOn:
    @pytest.mark.parametrize(
        ("period_ends_on", "due", "expected"),
        [
            (date(2027, 2, 1), Due(15, 1), date(2027, 2, 15)),  # worked until 31 January
            (date(2027, 2, 2), Due(15, 1), date(2027, 3, 15)),
            (date(2028, 1, 1), Due(15, 1), date(2028, 1, 15)),
            (date(2027, 12, 31), Due(28, 2), date(2028, 2, 28)),
            (date(2028, 3, 1), Due(15, 1), date(2028, 3, 15)),  # worked until 29 February
        ],
    )
    def test_is_the_day_of_the_month_after_the_last_day_worked(
        self, period_ends_on: date, due: Due, expected: date
    ) -> None:
        assert due_on(due, period_ends_on) == expected


class TestBusinessDays:
    def test_leave_out_weekends_and_both_kinds_of_holidays(self, washington: Policy) -> None:
        rules = washington.calendar

        assert business_days_after(rules, date(2026, 11, 25), 1) == date(2026, 11, 27)  # over Thanksgiving
        assert business_days_after(rules, date(2026, 12, 31), 1) == date(2027, 1, 4)  # over New Year and a weekend
        assert business_days_after(rules, date(2027, 1, 1), 3) == date(2027, 1, 6)
        assert business_days_after(rules, date(2027, 1, 2), 0) == date(2027, 1, 2)
        assert not is_business_day(rules, date(2027, 7, 4))
        assert is_business_day(rules, date(2027, 11, 24))


class TestMonthsAndQuarters:
    @given(st.dates(date(1990, 1, 1), date(2090, 12, 31)), st.integers(0, 40))
    def test_months_are_counted_one_by_one(self, on: date, months: int) -> None:
        counted = on.replace(day=1)
        for _ in range(months):
            counted = (counted + timedelta(days=31)).replace(day=1)

        assert first_of_next_month(on, months) == counted

    def test_quarters_part_the_year(self) -> None:
        assert quarter_of(date(2028, 2, 29)) == (date(2028, 1, 1), date(2028, 4, 1))
        assert quarter_of(date(2027, 12, 31)) == (date(2027, 10, 1), date(2028, 1, 1))
