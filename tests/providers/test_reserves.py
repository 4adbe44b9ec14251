"""Is the right amount required and counted, on either side of every border of the ladder?"""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.money import MAX_AMOUNT
from exchange.policy.document import Requirement, Reserves
from exchange.policy.reading import read_file
from providers import reserves
from providers.reserves import INSURED, Position, Required
from tests.support.policies import NEW_YORK
from tests.support.provider_makers import POLICY, TODAY

WA = POLICY.reserves
NY = read_file(NEW_YORK).on(TODAY).reserves
CENTS = st.integers(0, 10**15)


def position(**changes: object) -> Position:
    usual = Position(provider_id=1, applied_on=date(2026, 1, 1), filed_as_of=TODAY)
    return replace(usual, **changes)  # type: ignore[arg-type]


class TestRequirement:
    def test_is_balances_in_full_and_sixteen_weeks_of_pooled_cost(self) -> None:
        """$1,000 owed; $260 came into the pools in 26 weeks, $10 a week: 8 weeks are $80."""
        found = reserves.requirement(WA.requirement, liabilities_cents=100_000, pooled_cents=26_000, weeks=26)

        assert found == Required(100_000, 8_000, 8_000)
        assert found.cents == 116_000

    def test_follows_another_law(self) -> None:
        """105 % of balances, 12 and 6 weeks."""
        found = reserves.requirement(NY.requirement, liabilities_cents=100_000, pooled_cents=52_000, weeks=52)

        assert found == Required(105_000, 12_000, 6_000)

    @pytest.mark.parametrize(("pooled", "weeks", "part"), [(1, 26, 1), (13, 26, 4), (14, 26, 5), (0, 1, 0), (-5, 1, 0)])
    def test_is_rounded_up_and_never_negative(self, pooled: int, weeks: int, part: int) -> None:
        found = reserves.requirement(WA.requirement, liabilities_cents=0, pooled_cents=pooled, weeks=weeks)

        assert (found.pooled_cents, found.contingency_cents) == (part, part)

    @pytest.mark.parametrize(
        ("days_ago", "weeks"), [(None, 1), (0, 1), (6, 1), (12, 1), (13, 2), (180, 25), (181, 26), (400, 26)]
    )
    def test_averages_over_whole_weeks_with_data(self, days_ago: int | None, weeks: int) -> None:
        first_on = None if days_ago is None else TODAY - timedelta(days=days_ago)

        assert reserves.weeks_counted(WA.requirement, first_on=first_on, on=TODAY) == weeks

    def test_looks_back_over_the_weeks_of_the_policy_today_included(self) -> None:
        assert reserves.averaged_from(Requirement(10_000, 8, 8, 1), TODAY) == TODAY - timedelta(days=6)


class TestHeld:
    def test_counts_each_asset_after_its_haircut_rounded_down(self) -> None:
        holdings = {"cash": 1_000, "shares": 1_001, "property": 999}

        assert reserves.held(holdings, rules=WA, required_cents=0) == 1_000 + 600 + 399

    @pytest.mark.parametrize(("insured", "counted"), [(199, 199), (200, 200), (201, 200), (10**9, 200)])
    def test_counts_insured_cover_up_to_a_share_of_the_requirement(self, insured: int, counted: int) -> None:
        assert reserves.held({INSURED: insured}, rules=WA, required_cents=1_004) == counted

    def test_counts_nothing_for_what_the_policy_does_not_know(self) -> None:
        assert reserves.held({"gold": 10**6, "cash": 5}, rules=WA, required_cents=0) == 5

    def test_stays_within_what_the_database_can_hold(self) -> None:
        assert reserves.held({"cash": MAX_AMOUNT, "treasuries": 1}, rules=WA, required_cents=0) == MAX_AMOUNT

    @given(
        holdings=st.dictionaries(st.sampled_from([INSURED, *(one.code for one in WA.assets)]), CENTS),
        required=CENTS,
    )
    def test_is_never_more_than_what_was_filed(self, holdings: dict[str, int], required: int) -> None:
        assert 0 <= reserves.held(holdings, rules=WA, required_cents=required) <= sum(holdings.values())


class TestRatio:
    @pytest.mark.parametrize(
        ("held", "required", "ratio"),
        [
            (0, 0, None),
            (5, 0, None),
            (0, 1, 0),
            (1, 1, 10_000),
            (14_999, 10_000, 14_999),
            (2, 3, 6_666),
            (MAX_AMOUNT, 1, MAX_AMOUNT),
        ],
    )
    def test_is_held_over_required_rounded_down(self, held: int, required: int, ratio: int | None) -> None:
        assert reserves.ratio_bp(held, required) == ratio


class TestTier:
    @pytest.mark.parametrize(
        ("rules", "ratio", "tier"),
        [
            (WA, None, "strong"),
            (WA, 15_000, "strong"),
            (WA, 14_999, "adequate"),
            (WA, 12_500, "adequate"),
            (WA, 12_499, "watch"),
            (WA, 10_000, "watch"),
            (WA, 9_999, "restricted"),
            (WA, 7_000, "restricted"),
            (WA, 6_999, "run_off"),
            (WA, 0, "run_off"),
            (NY, None, "sound"),
            (NY, 20_000, "sound"),
            (NY, 19_999, "attention"),
            (NY, 14_000, "attention"),
            (NY, 13_999, "closed_to_new"),
            (NY, 9_000, "closed_to_new"),
            (NY, 8_999, "ending"),
        ],
    )
    def test_is_the_rung_on_this_side_of_the_border(self, rules: Reserves, ratio: int | None, tier: str) -> None:
        assert reserves.tier_by_ratio(ratio, rules=rules, previous=None).code == tier

    @pytest.mark.parametrize(
        ("previous", "ratio", "tier"),
        [
            # Falling is at once.
            ("strong", 14_999, "adequate"),
            ("strong", 6_999, "run_off"),
            ("watch", 9_999, "restricted"),
            # Staying is no climb.
            ("watch", 10_000, "watch"),
            ("strong", 15_000, "strong"),
            # Climbing asks for 2 % above the border.
            ("restricted", 10_000, "restricted"),
            ("restricted", 10_199, "restricted"),
            ("restricted", 10_200, "watch"),
            ("adequate", 15_199, "adequate"),
            ("adequate", 15_200, "strong"),
            # Over several rungs: the best whose border is passed by enough.
            ("run_off", 15_199, "adequate"),
            ("run_off", 15_200, "strong"),
            ("run_off", 10_100, "restricted"),
            ("run_off", 7_100, "run_off"),
            ("run_off", None, "strong"),
            # A rung that this policy does not know is none.
            ("unheard_of", 10_000, "watch"),
        ],
    )
    def test_climbs_only_with_hysteresis(self, previous: str, ratio: int | None, tier: str) -> None:
        assert reserves.tier_by_ratio(ratio, rules=WA, previous=previous).code == tier

    @given(ratio=st.integers(0, 30_000), previous=st.sampled_from([tier.code for tier in WA.ladder]))
    def test_never_is_better_than_the_ratio_alone_would_give(self, ratio: int, previous: str) -> None:
        plain = reserves.tier_by_ratio(ratio, rules=WA, previous=None)
        sticky = reserves.tier_by_ratio(ratio, rules=WA, previous=previous)

        assert not reserves.is_better(sticky, plain, rules=WA)

    @pytest.mark.parametrize(
        ("rules", "tier", "overdue", "after"),
        [
            (WA, "strong", False, "strong"),
            (WA, "strong", True, "adequate"),
            (WA, "watch", True, "restricted"),
            (WA, "run_off", True, "run_off"),
            (NY, "sound", True, "closed_to_new"),
            (NY, "closed_to_new", True, "ending"),
        ],
    )
    def test_is_lower_while_a_filing_is_overdue(self, rules: Reserves, tier: str, overdue: bool, after: str) -> None:
        assert reserves.tier_after_filing(rules.tier(tier), rules=rules, overdue=overdue).code == after


class TestFiling:
    def test_is_due_after_its_interval_and_some_days(self) -> None:
        assert reserves.filing_due_on(WA, filed_as_of=date(2026, 1, 1), applied_on=TODAY) == date(2026, 5, 2)
        assert reserves.filing_due_on(WA, filed_as_of=None, applied_on=date(2026, 1, 1)) == date(2026, 1, 31)

    @pytest.mark.parametrize(("on", "overdue"), [(date(2026, 5, 2), False), (date(2026, 5, 3), True)])
    def test_is_overdue_the_day_after(self, on: date, overdue: bool) -> None:
        found = reserves.filing_overdue(WA, filed_as_of=date(2026, 1, 1), applied_on=date(2026, 1, 1), on=on)

        assert found is overdue


class TestTrend:
    @pytest.mark.parametrize(
        ("ratio", "before", "falling"),
        [
            (18_000, 20_000, True),
            (18_001, 20_000, False),
            (20_000, 18_000, False),
            (None, 20_000, False),
            (18_000, None, False),
        ],
    )
    def test_is_falling_from_the_policys_points_on(self, ratio: int | None, before: int | None, falling: bool) -> None:
        assert reserves.is_falling(ratio, highest_before=before, trend=WA.trend) is falling


class TestStanding:
    def test_says_every_figure(self) -> None:
        found = reserves.standing(position(liabilities_cents=100_000, holdings={"cash": 125_000}), rules=WA, on=TODAY)

        assert (found.required.cents, found.held_cents, found.ratio_bp) == (100_000, 125_000, 12_500)
        assert (found.tier.code, found.ratio_tier.code, found.filing_overdue) == ("adequate", "adequate", False)

    def test_of_somebody_who_never_filed_holds_nothing(self) -> None:
        found = reserves.standing(position(liabilities_cents=1, filed_as_of=None), rules=WA, on=TODAY)

        assert (found.held_cents, found.ratio_bp, found.filing_overdue) == (0, 0, True)
        assert (found.ratio_tier.code, found.tier.code) == ("run_off", "run_off")

    def test_falls_with_those_who_would_come_and_rises_with_those_who_would_leave(self) -> None:
        """$1,000 against $1,200: with another $1,000 on both sides it is $2,200 against $2,000."""
        now = position(liabilities_cents=100_000, holdings={"cash": 120_000})

        def ratio(delta: int) -> int | None:
            moved = reserves.with_moved(now, delta_cents=delta)
            return reserves.standing(moved, rules=WA, on=TODAY).ratio_bp

        assert [ratio(100_000), ratio(0), ratio(-50_000), ratio(-100_000)] == [11_000, 12_000, 14_000, None]

    def test_never_holds_less_than_nothing(self) -> None:
        broke = reserves.with_moved(position(liabilities_cents=100_000), delta_cents=-50_000)

        assert reserves.standing(broke, rules=WA, on=TODAY).held_cents == 0


class TestStress:
    def test_asks_what_if_members_left_and_claims_rose(self) -> None:
        """20 % leave with $200, claims rise by half: $26 of pooled cost become 26 × 0.8 × 1.5."""
        now = position(liabilities_cents=100_000, pooled_cents=2_600, weeks=26, holdings={"cash": 150_000})

        then = reserves.stressed(now, leave_bp=2_000, claims_bp=5_000)

        assert (then.liabilities_cents, then.moved_cents, then.pooled_cents) == (80_000, -20_000, 3_120)
        assert reserves.stressed(now, leave_bp=0, claims_bp=0) == now
        assert reserves.standing(then, rules=WA, on=TODAY).required.cents == 80_000 + 960 + 960

    @given(
        owed=CENTS, pooled=st.integers(-(10**12), 10**12), leave=st.integers(0, 10_000), claims=st.integers(0, 30_000)
    )
    def test_never_lets_more_leave_than_there_is(self, owed: int, pooled: int, leave: int, claims: int) -> None:
        then = reserves.stressed(
            position(liabilities_cents=owed, pooled_cents=pooled), leave_bp=leave, claims_bp=claims
        )

        assert 0 <= then.liabilities_cents <= owed
        assert then.pooled_cents >= 0
