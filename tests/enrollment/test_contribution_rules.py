"""Is the right rule found for a piece of work, and does every formula owe what the law says, to the cent?"""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enrollment.contribution_rules import (
    WorkLine,
    accrual_for,
    format_percent,
    late_charge,
    leave_minutes,
    owed,
    rounded,
    rule_for,
)
from exchange.policy.document import LateMoney, LeaveAccrual, Policy
from exchange.policy.formulas import (
    Basis,
    ClassFrom,
    ContributionRule,
    Formula,
    Joined,
    Joining,
    OwedOn,
    PercentOf,
    PerHour,
    PerJob,
    Rounding,
    Threshold,
    WorkerClass,
)
from exchange.policy.reading import read_file
from tests.support.policies import NEW_YORK, WASHINGTON

MARCH = WorkLine("US-WA", "rides", WorkerClass.INDEPENDENT, date(2026, 3, 1), date(2026, 4, 1))
THOUSAND = 100_000


def work(**figures: Any) -> WorkLine:
    """A line of March 2026 with these figures."""
    return MARCH._replace(**figures)


def rule(formula: Formula, rounding: Rounding = Rounding.HALF_UP) -> ContributionRule:
    """A rule for everybody with that formula."""
    classes = (ClassFrom(WorkerClass.INDEPENDENT, date(2024, 1, 1)),)
    return ContributionRule("a_rule", "A rule", ("US-WA",), (), classes, 0, None, formula, rounding)


def owed_cents(formula: Formula, line: WorkLine, *, before: int = 0, rounding: Rounding = Rounding.HALF_UP) -> int:
    """What the formula comes to."""
    return owed(rule(formula, rounding), line, earned_before_cents_in_quarter=before).cents


def four_percent(owed_on: OwedOn) -> PercentOf:
    """4 % of earnings once $1,000 is earned in a quarter."""
    return PercentOf(400, Basis.EARNINGS, Threshold(THOUSAND, owed_on))


GREATER = Joined(Joining.GREATER_OF, (PercentOf(800, Basis.FEE), PerHour(214)))
LESSER = Joined(Joining.LESSER_OF, (PercentOf(2_500, Basis.FEE), PerHour(600)))


@pytest.fixture
def washington() -> Policy:
    """The newest version of the first policy."""
    return read_file(WASHINGTON).versions[-1]


class TestOwed:
    @pytest.mark.parametrize(
        ("formula", "line", "cents"),
        [
            (PerHour(200), work(minutes=60), 200),
            (PerHour(200), work(minutes=61), 203),  # 203.33
            (PerHour(200), work(minutes=0), 0),
            (PerHour(168), work(minutes=25), 70),
            (PerHour(354), work(minutes=10_000), 59_000),
            (LESSER, work(minutes=60, fee_cents=2_400), 600),  # both are the same
            (LESSER, work(minutes=60, fee_cents=2_399), 600),  # 599.75
            (LESSER, work(minutes=60, fee_cents=2_000), 500),
            (LESSER, work(minutes=60, fee_cents=4_000), 600),
            (LESSER, work(minutes=1, fee_cents=4_000), 10),
            (GREATER, work(minutes=30, fee_cents=2_000), 160),
            (GREATER, work(minutes=60, fee_cents=2_000), 214),
            (Joined(Joining.SUM_OF, (PerJob(45), PerHour(110))), work(minutes=30, jobs=2), 145),
            (PerJob(500), work(jobs=3), 1_500),
            (PercentOf(250, Basis.FEE_AND_TOLLS), work(fee_cents=2_020, tolls_cents=347), 59),  # 59.175
            (PercentOf(250, Basis.FEE_AND_TOLLS), work(fee_cents=714), 18),  # 17.85
            (PercentOf(250, Basis.FEE), work(fee_cents=2_020, tolls_cents=347), 51),  # 50.5
            (PercentOf(925, Basis.EARNINGS), work(earnings_cents=99), 9),
        ],
    )
    def test_is_what_the_law_says_to_the_cent(self, formula: Formula, line: WorkLine, cents: int) -> None:
        assert owed_cents(formula, line) == cents

    @pytest.mark.parametrize(
        ("before", "earned", "whole", "above"),
        [
            (0, 99_999, 0, 0),
            (0, 100_000, 4_000, 0),
            (0, 150_000, 6_000, 2_000),
            (99_999, 1, 4_000, 0),
            (90_000, 20_000, 4_400, 400),
            (100_000, 20_000, 800, 800),
            (500_000, 0, 0, 0),
        ],
    )
    def test_begins_at_the_threshold_of_the_quarter(self, before: int, earned: int, whole: int, above: int) -> None:
        line = work(earnings_cents=earned)

        assert owed_cents(four_percent(OwedOn.WHOLE_QUARTER), line, before=before) == whole
        assert owed_cents(four_percent(OwedOn.ABOVE_THRESHOLD), line, before=before) == above

    @pytest.mark.parametrize(
        ("rounding", "cents"),
        [(Rounding.HALF_UP, [0, 1, 1, 1]), (Rounding.UP, [1, 1, 1, 1]), (Rounding.DOWN, [0, 0, 0, 1])],
    )
    def test_is_rounded_as_the_rule_says(self, rounding: Rounding, cents: list[int]) -> None:
        amounts = [Fraction(49, 100), Fraction(1, 2), Fraction(99, 100), Fraction(1)]

        assert [rounded(amount, rounding) for amount in amounts] == cents

    @pytest.mark.parametrize(
        ("formula", "line", "words"),
        [
            (
                LESSER,
                work(minutes=90, fee_cents=2_000),
                "the lesser of 25 % of the fee of $20.00 and 1 h 30 min at $6.00 per hour = $5.00",
            ),
            (
                Joined(Joining.GREATER_OF, (PerJob(500), PercentOf(925, Basis.EARNINGS))),
                work(jobs=1, earnings_cents=10_000),
                "the greater of 1 × $5.00 per job and 9.25 % of $100.00 earned = $9.25",
            ),
            (
                Joined(Joining.SUM_OF, (PerJob(45), PercentOf(250, Basis.FEE_AND_TOLLS))),
                work(jobs=2, fee_cents=1_000, tolls_cents=200),
                "2 × $0.45 per job, plus 2.5 % of the fee of $10.00 and tolls of $2.00 = $1.20",
            ),
            (
                four_percent(OwedOn.WHOLE_QUARTER),
                work(earnings_cents=40_000),
                "nothing yet: $400.00 earned in the quarter, $1,000.00 are needed = $0.00",
            ),
            (
                four_percent(OwedOn.WHOLE_QUARTER),
                work(earnings_cents=150_000),
                "4 % of $1,500.00, $1,000.00 having been earned in the quarter = $60.00",
            ),
            (
                four_percent(OwedOn.ABOVE_THRESHOLD),
                work(earnings_cents=150_000),
                "4 % of $500.00 earned above $1,000.00 in the quarter = $20.00",
            ),
        ],
    )
    def test_says_how_it_was_computed(self, formula: Formula, line: WorkLine, words: str) -> None:
        answer = owed(rule(formula), line, earned_before_cents_in_quarter=0)

        assert str(answer.explanation) == words
        assert answer.rule_code == "a_rule"


_FIGURES = {
    "minutes": st.integers(0, 44_640),
    "earnings_cents": st.integers(0, 5_000_000),
    "fee_cents": st.integers(0, 5_000_000),
    "tolls_cents": st.integers(0, 100_000),
    "jobs": st.integers(0, 1_000),
}
LINES = st.fixed_dictionaries(_FIGURES).map(lambda figures: work(**figures))
THRESHOLDS = st.builds(Threshold, st.integers(0, 500_000), st.sampled_from(OwedOn))
# What is owed for two pieces together is the sum of what is owed for each, but for rounding.
ADDITIVE = st.one_of(
    st.builds(PerHour, st.integers(0, 10_000)),
    st.builds(PerJob, st.integers(0, 10_000)),
    st.builds(PercentOf, st.integers(0, 10_000), st.sampled_from([Basis.EARNINGS, Basis.FEE, Basis.FEE_AND_TOLLS])),
    st.builds(PercentOf, st.integers(0, 10_000), st.just(Basis.EARNINGS), THRESHOLDS),
)
FORMULAS = st.recursive(
    ADDITIVE,
    lambda parts: st.builds(Joined, st.sampled_from(Joining), st.lists(parts, min_size=2, max_size=3).map(tuple)),
    max_leaves=5,
)
ROUNDINGS = st.sampled_from(Rounding)
BEFORE = st.integers(0, 1_000_000)


def together(one: WorkLine, other: WorkLine) -> WorkLine:
    """Both lines' work in one line."""
    return one._replace(**{name: getattr(one, name) + getattr(other, name) for name in _FIGURES})


def exactly(formula: Formula, line: WorkLine, before: int) -> Fraction:
    """What a formula comes to, in fractions of a cent, written down once more and without words."""
    if isinstance(formula, Joined):
        parts = [exactly(part, line, before) for part in formula.parts]
        if formula.how is Joining.SUM_OF:
            return sum(parts, Fraction(0))
        return min(parts) if formula.how is Joining.LESSER_OF else max(parts)
    if isinstance(formula, PerHour):
        return Fraction(formula.cents * line.minutes, 60)
    if isinstance(formula, PerJob):
        return Fraction(formula.cents * line.jobs)
    base = {
        Basis.EARNINGS: line.earnings_cents,
        Basis.FEE: line.fee_cents,
        Basis.FEE_AND_TOLLS: line.fee_cents + line.tolls_cents,
    }[formula.basis]
    if formula.threshold is not None:
        limit, after = formula.threshold.cents, before + line.earnings_cents
        if formula.threshold.owed_on is OwedOn.ABOVE_THRESHOLD:
            base = max(after - limit, 0) - max(before - limit, 0)
        else:
            base = (after if after >= limit else 0) - (before if before >= limit else 0)
    return Fraction(base * formula.bp, 10_000)


class TestEveryFormula:
    @given(FORMULAS, LINES, BEFORE, ROUNDINGS)
    def test_is_exact_until_it_is_rounded_once(
        self, formula: Formula, line: WorkLine, before: int, rounding: Rounding
    ) -> None:
        exact = exactly(formula, line, before)

        assert owed_cents(formula, line, before=before, rounding=rounding) == rounded(exact, rounding)

    @given(FORMULAS, LINES, LINES, BEFORE, ROUNDINGS)
    def test_never_owes_less_for_more_work(
        self, formula: Formula, line: WorkLine, more: WorkLine, before: int, rounding: Rounding
    ) -> None:
        less = owed_cents(formula, line, before=before, rounding=rounding)

        assert 0 <= less <= owed_cents(formula, together(line, more), before=before, rounding=rounding)

    @given(st.lists(FORMULAS, min_size=2, max_size=4), LINES, BEFORE, ROUNDINGS)
    def test_joined_is_never_above_the_lesser_or_below_the_greater(
        self, parts: list[Formula], line: WorkLine, before: int, rounding: Rounding
    ) -> None:
        single = [owed_cents(part, line, before=before, rounding=rounding) for part in parts]

        def joined(how: Joining) -> int:
            return owed_cents(Joined(how, tuple(parts)), line, before=before, rounding=rounding)

        assert joined(Joining.LESSER_OF) == min(single)
        assert joined(Joining.GREATER_OF) == max(single)
        assert abs(joined(Joining.SUM_OF) - sum(single)) <= len(parts)

    @given(ADDITIVE, st.lists(LINES, min_size=1, max_size=6), BEFORE, ROUNDINGS)
    def test_owes_the_same_for_a_period_cut_into_parts_but_for_their_rounding(
        self, formula: Formula, parts: list[WorkLine], before: int, rounding: Rounding
    ) -> None:
        whole, in_parts, earned = parts[0], 0, before
        for part in parts[1:]:
            whole = together(whole, part)
        for part in parts:
            in_parts += owed_cents(formula, part, before=earned, rounding=rounding)
            earned += part.earnings_cents

        assert abs(owed_cents(formula, whole, before=before, rounding=rounding) - in_parts) <= len(parts)

    @given(st.lists(LINES, min_size=1, max_size=6), ROUNDINGS)
    def test_lesser_of_two_is_not_raised_by_cutting_a_period(self, parts: list[WorkLine], rounding: Rounding) -> None:
        whole = parts[0]
        for part in parts[1:]:
            whole = together(whole, part)

        in_parts = sum(owed_cents(LESSER, part, rounding=rounding) for part in parts)

        assert in_parts <= owed_cents(LESSER, whole, rounding=rounding) + len(parts)


class TestRuleFor:
    @pytest.mark.parametrize(
        ("changes", "size", "code"),
        [
            ({}, 50, "app_work"),
            ({}, 49, "any_work"),  # too small for the one, the floor for all remains
            ({"place": "US-WA/King County/Seattle"}, 50, "seattle_app_work"),
            ({"place": "US-WA/King County/Seattle/Ballard"}, 50, "seattle_app_work"),
            ({"place": "US-WA/King County/Seattle"}, 49, "any_work"),
            ({"place": "US-WA/King County"}, 50, "app_work"),
            ({"place": "US-WA/Seattle"}, 50, "app_work"),  # not the Seattle of the policy: only what lies in Washington
            ({"place": "US-OR"}, 50, None),
            ({"place": "US-WAX"}, 50, None),
            ({"sector": "fishing"}, 1, "any_work"),
            ({"sector": "cleaning"}, 1, "cleaning"),
            ({"sector": "livery", "worker_class": WorkerClass.EMPLOYEE}, 1, "livery"),
            ({"worker_class": WorkerClass.EMPLOYEE}, 50, None),
        ],
    )
    def test_is_the_most_specific_that_matches(
        self, washington: Policy, changes: dict[str, Any], size: int, code: str | None
    ) -> None:
        found = rule_for(washington, work(**changes), employer_size=size)

        assert (found and found.code) == code

    def test_covers_employees_from_their_own_date_on(self, washington: Policy) -> None:
        line = work(sector="cleaning", worker_class=WorkerClass.EMPLOYEE)

        before = rule_for(washington, line._replace(starts_on=date(2025, 12, 31)), employer_size=1)
        after = rule_for(washington, line._replace(starts_on=date(2026, 1, 1)), employer_size=1)

        assert before is None
        assert after is not None

    def test_ends_where_employers_become_too_large(self, washington: Policy) -> None:
        small = replace(rule(PerHour(100)), size_below=10)
        policy = replace(washington, contributions=replace(washington.contributions, rules=(small,)))

        assert rule_for(policy, MARCH, employer_size=9) is small
        assert rule_for(policy, MARCH, employer_size=10) is None

    def test_tells_which_figures_a_report_must_give(self, washington: Policy) -> None:
        found = rule_for(washington, MARCH, employer_size=50)

        assert found is not None
        assert found.bases == {Basis.FEE, Basis.MINUTES}
        assert rule(PerJob(1)).bases == {Basis.JOBS}


class TestLateCharge:
    LATE = LateMoney(
        grace_days=5, interest_bp_per_year=1_200, days_in_year=365, penalty_bp=2_000, rounding=Rounding.HALF_UP
    )

    @pytest.mark.parametrize(
        ("paid_on", "days", "interest", "penalty"),
        [
            (date(2027, 1, 10), 0, 0, 0),
            (date(2027, 1, 15), 0, 0, 0),
            (date(2027, 1, 20), 0, 0, 0),  # the last day of grace
            (date(2027, 1, 21), 6, 20, 2_000),  # 19.7 cents: every day since the due date counts
            (date(2028, 1, 15), 365, 1_200, 2_000),
        ],
    )
    def test_is_interest_for_every_day_and_one_penalty(
        self, paid_on: date, days: int, interest: int, penalty: int
    ) -> None:
        charge = late_charge(self.LATE, 10_000, due_on=date(2027, 1, 15), paid_on=paid_on)

        assert (charge.days, charge.interest_cents, charge.penalty_cents) == (days, interest, penalty)
        assert charge.cents == interest + penalty

    def test_says_how_it_was_computed(self) -> None:
        charge = late_charge(self.LATE, 10_000, due_on=date(2027, 1, 15), paid_on=date(2028, 1, 15))

        assert str(charge.explanation) == (
            "365 days late: 12 % a year on $100.00 = $12.00, and a penalty of 20 % = $20.00"
        )

    @given(st.integers(0, 10**9), st.integers(0, 2_000), st.integers(0, 400))
    def test_never_falls_with_time_or_amount(self, cents: int, days: int, more: int) -> None:
        due, ordinal = date(2027, 1, 15), date(2027, 1, 15).toordinal()
        charge = late_charge(self.LATE, cents, due_on=due, paid_on=date.fromordinal(ordinal + days))

        longer = late_charge(self.LATE, cents, due_on=due, paid_on=date.fromordinal(ordinal + days + more))
        larger = late_charge(self.LATE, cents + more, due_on=due, paid_on=date.fromordinal(ordinal + days))

        assert 0 <= charge.cents <= min(longer.cents, larger.cents)


class TestLeave:
    def test_accrues_faster_in_the_city_that_says_so(self, washington: Policy) -> None:
        state = accrual_for(washington, "sick_leave", "US-WA/Spokane County")
        city = accrual_for(washington, "sick_leave", "US-WA/King County/Seattle")

        assert state is not None
        assert city is not None
        assert leave_minutes(state, 2_400, worked_before_minutes=0) == 60
        assert leave_minutes(city, 1_800, worked_before_minutes=0) == 60

    def test_does_not_accrue_where_no_rule_says_so(self, washington: Policy) -> None:
        assert accrual_for(washington, "training", "US-WA") is None
        assert accrual_for(washington, "sick_leave", "US-OR") is None
        new_york = read_file(NEW_YORK).versions[0]
        assert accrual_for(new_york, "paid_leave", "US-NY/Erie County/Buffalo") == new_york.leave[1]

    @given(st.lists(st.integers(0, 3_000), max_size=20), st.integers(1, 5_000))
    def test_loses_no_minute_however_work_is_cut_into_lines(self, parts: list[int], worked: int) -> None:
        accrual = LeaveAccrual("sick_leave", ("US-WA",), worked, 60, funded=True)
        total = earned = 0

        for minutes in parts:
            earned += leave_minutes(accrual, minutes, worked_before_minutes=total)
            total += minutes

        assert earned == total * 60 // worked


class TestFormatPercent:
    @pytest.mark.parametrize(
        ("bp", "text"), [(250, "2.5 %"), (10_000, "100 %"), (925, "9.25 %"), (5, "0.05 %"), (0, "0 %")]
    )
    def test_drops_what_says_nothing(self, bp: int, text: str) -> None:
        assert format_percent(bp) == text
