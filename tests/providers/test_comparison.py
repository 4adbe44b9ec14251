"""Does a worker see what packages mean for him, and what he would lose?"""

from __future__ import annotations

import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st

from exchange.database import unit_of_work
from providers import shelf
from providers.comparison import (
    Comparison,
    Kind,
    LossKind,
    Row,
    WorkPattern,
    compare,
    losses,
    pattern_of,
    weekly_pattern,
)
from providers.health_plans import Metal
from providers.package_terms import ComponentTerms, Terms
from providers.shelf import HealthOffer, Offer
from tests.support import provider_makers as make
from tests.support.provider_makers import POLICY, TERMS

SILVER = HealthOffer(7, "Silver One", "Blue Insurance", Metal.SILVER, 250_000, 600_000, 30_000, 41_000)
BRONZE = HealthOffer(8, "Bronze Two", "Red Insurance", Metal.BRONZE, None, 700_000, None, None)


def offer(terms: Terms = TERMS, *, id_: int = 1, health: HealthOffer | None = None) -> Offer:
    return Offer(
        version_id=id_,
        package_id=id_,
        package_name=f"Package {id_}",
        provider_id=id_,
        provider_name=f"Provider {id_}",
        plan_year="2027",
        tier="strong",
        terms=terms,
        health=health,
    )


def rows(comparison: Comparison, title: str) -> dict[str, Row]:
    return {str(row.label): row for section in comparison.sections if section.title == title for row in section.rows}


class TestPattern:
    def test_of_a_week_is_a_twelfth_of_fifty_two_weeks(self) -> None:
        """30 hours a week are 130 a month; at $2.00 an hour that is $260."""
        assert weekly_pattern(minutes_per_week=1_800, cents_per_hour=200) == WorkPattern(7_800, 26_000)

    def test_of_ones_own_months_is_their_average(self) -> None:
        months = [WorkPattern(6_000, 10_000), WorkPattern(7_001, 10_001)]

        assert pattern_of(months) == WorkPattern(6_501, 10_001)
        assert pattern_of([]) == WorkPattern(0, 0)


class TestCompare:
    def test_splits_a_months_contribution_and_marks_what_differs(self) -> None:
        other = make.with_component(ComponentTerms("training", 200), make.terms(fee_bp=400))
        found = compare([offer(), offer(other, id_=2)], pattern=WorkPattern(7_800, 26_000), policy=POLICY)

        money = rows(found, "Set aside each month")
        assert money["Health cover"].cells == (10_400, 10_400)
        assert money["Training"].cells == (None, 520)
        assert money["Fee"].cells == (1_560, 1_040)
        assert [label for label, row in money.items() if row.differs] == [
            "Training",
            "Fee",
            "Fee, as a share of the contribution",
        ]

    def test_tells_leave_waiting_and_who_stands_behind(self) -> None:
        slower = make.with_component(ComponentTerms("paid_leave", 2_500, accrual_hours=40))
        found = compare([offer(), offer(slower, id_=2)], pattern=WorkPattern(7_800, 26_000), policy=POLICY)

        assert rows(found, "Leave earned each month")["Paid leave"] == Row("Paid leave", Kind.MINUTES, (260, 195))
        assert rows(found, "Days to wait before cover begins")["Health cover"].cells == (30, 30)
        behind = rows(found, "Behind it")
        assert behind["Where it serves"].cells == ("Washington", "Washington")
        assert behind["Retirement: who stands behind it"].cells == ("Harbor Bank", "Harbor Bank")

    def test_sets_health_plans_side_by_side_where_there_are_any(self) -> None:
        pattern = WorkPattern(0, 0)
        assert rows(compare([offer()], pattern=pattern, policy=POLICY), "Health plan") == {}

        found = compare([offer(health=SILVER), offer(), offer(health=BRONZE)], pattern=pattern, policy=POLICY)

        health = rows(found, "Health plan")
        assert health["Level"].cells == ("silver", None, "bronze")
        assert health["Premium a month, from"].cells == (30_000, None, None)
        assert health["Deductible a year"].cells == (250_000, None, None)
        cheap = rows(compare([offer(health=BRONZE)], pattern=pattern, policy=POLICY), "Health plan")
        assert "Premium a month, from" not in cheap

    @given(cents=st.integers(0, 10**9))
    def test_loses_no_cent_of_a_contribution(self, cents: int) -> None:
        found = compare([offer()], pattern=WorkPattern(0, cents), policy=POLICY)

        money = [row for row in found.sections[0].rows if row.kind is Kind.CENTS]
        assert sum(int(row.cells[0] or 0) for row in money) == cents


class TestLosses:
    def test_are_none_between_equal_terms(self) -> None:
        assert losses(offer(health=SILVER), offer(id_=2, health=SILVER), policy=POLICY) == ()

    @pytest.mark.parametrize(
        ("wanted", "kind", "words"),
        [
            (
                make.with_component(
                    ComponentTerms("sick_leave", 2_500, accrual_hours=30), make.without_component("paid_leave")
                ),
                LossKind.MOVES_TO_LIKE,
                "Paid leave: the new package has none. What you have stays yours and becomes Sick leave.",
            ),
            (
                make.without_component("retirement"),
                LossKind.HELD_BY_EXCHANGE,
                "Retirement: the new package has none. What you have stays yours; the exchange holds it.",
            ),
            (
                make.without_component("disability"),
                LossKind.COVER_ENDS,
                "Disability cover: the new package has none.",
            ),
            (
                make.terms(fee_bp=650),
                LossKind.FEE_HIGHER,
                "The fee is higher: 6.5% of each contribution instead of 6%.",
            ),
            (
                make.with_component(ComponentTerms("paid_leave", 2_500, accrual_hours=40)),
                LossKind.ACCRUAL_LOWER,
                "Paid leave: one hour for 40 hours of work instead of for 30.",
            ),
            (
                make.with_component(ComponentTerms("paid_leave", 2_500)),
                LossKind.ACCRUAL_LOWER,
                "Paid leave: no more hours of leave are earned in the new package.",
            ),
            (
                make.with_component(ComponentTerms("life", 0, waiting_days=90)),
                LossKind.WAITING,
                "Life cover is new to you: it begins after 90 days.",
            ),
        ],
    )
    def test_say_what_will_not_carry_over_or_will_change(self, wanted: Terms, kind: LossKind, words: str) -> None:
        (loss,) = losses(offer(), offer(wanted, id_=2), policy=POLICY)

        assert (loss.kind, str(loss.sentence)) == (kind, words)

    def test_leave_out_waiting_that_was_served_and_what_gets_better(self) -> None:
        longer = make.with_component(ComponentTerms("health", 4_000, waiting_days=90))
        better = make.with_component(ComponentTerms("paid_leave", 2_500, accrual_hours=20), make.terms(fee_bp=100))
        leaveless = make.with_component(ComponentTerms("paid_leave", 2_500))

        assert losses(offer(), offer(longer, id_=2), policy=POLICY) == ()
        assert losses(offer(), offer(better, id_=2), policy=POLICY) == ()
        assert losses(offer(leaveless), offer(id_=2), policy=POLICY) == ()

    def test_say_that_the_health_plan_is_another_or_none(self) -> None:
        (other,) = losses(offer(health=SILVER), offer(id_=2, health=BRONZE), policy=POLICY)
        (none,) = losses(offer(health=SILVER), offer(id_=2), policy=POLICY)

        assert other.kind is none.kind is LossKind.HEALTH_PLAN_CHANGES
        assert "“Bronze Two” of Red Insurance" in str(other.sentence)
        assert "Deductible –, at most $7,000.00 a year" in str(other.sentence)
        assert "you leave “Silver One”" in str(none.sentence)
        assert losses(offer(), offer(id_=2, health=SILVER), policy=POLICY) == ()


class TestOffers:
    def test_hold_all_that_is_compared_in_the_order_asked_for(self, app: Flask) -> None:
        with unit_of_work():
            make.open_program()
            provider = make.qualified()
            one, two = make.listed(provider, name="One"), make.listed(provider, name="Two")

        found = shelf.offers([two.id, 10**6, one.id, two.id])

        assert [(made.package_name, made.provider_name) for made in found] == [
            ("Two", "Harbor Union"),
            ("One", "Harbor Union"),
        ]
        assert found[0].terms.split == TERMS.split
        assert (found[0].tier, found[0].health) == ("strong", None)

    def test_tell_the_premiums_of_the_health_plan(self, app: Flask) -> None:
        with unit_of_work():
            make.open_program()
            plan_id = make.health_plan({1: {21: 20_000, 40: 30_000}, 2: {21: 25_000, 40: 41_000}})
            version = make.listed(make.qualified(), said=make.terms(health_plan_id=plan_id))

        def premiums(**who: int) -> tuple[int | None, int | None]:
            (made,) = shelf.offers([version.id], **who)
            assert made.health is not None
            return made.health.premium_from_cents, made.health.premium_to_cents

        assert premiums() == (None, None)
        assert premiums(age=39) == (20_000, 25_000)
        assert premiums(age=40) == (30_000, 41_000)
        assert premiums(age=40, rating_area=2) == (41_000, 41_000)
        assert premiums(age=40, rating_area=3) == (None, None)
