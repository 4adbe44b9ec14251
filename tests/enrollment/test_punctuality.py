"""Is a provider's keeping of the switch guarantee counted as the policy says?"""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from flask import Flask

from enrollment import elections, switching
from enrollment.models import BenefitAccount
from enrollment.punctuality import Punctuality, punctuality
from exchange import calendar, clock
from exchange.database import db, in_unit_of_work
from exchange.identity.actors import system_actor
from tests.support.worker_makers import Market

BY = system_actor("test")
DAY = timedelta(days=1)


@pytest.fixture
def market(app: Flask) -> Market:
    return Market()


def too_late(market: Market) -> datetime:
    """The first instant at which a switch of this open enrollment is late."""
    days = market.policy.switching.cash_within_business_days
    on = calendar.business_days_after(market.policy.calendar, market.next_year.starts_on, days)
    return calendar.first_instant(on + DAY, market.policy.zone)


def order(market: Market, account_id: int) -> None:
    """The worker chose the second package; the order to switch is written, and nobody has carried it out."""

    def elect() -> None:
        account = db.session.get_one(BenefitAccount, account_id)
        elections.elect(
            account, window=market.window, version=market.version_of(1), policy=market.policy, by=BY,
            at=clock.real_now(),
        )  # fmt: skip

    in_unit_of_work(elect)
    in_unit_of_work(lambda: switching.order_window(market.window, by=BY, at=market.window.closes_at))


class TestPunctuality:
    def test_counts_a_switch_that_was_carried_out_on_its_day(self, market: Market) -> None:
        left = market.provider_of(market.packages[0])
        market.switch(market.worker(), 1)
        effective_at = market.window.effective_at
        assert effective_at is not None

        found = punctuality(policy=market.policy, at=effective_at + DAY)

        assert found == {left: Punctuality(switches=1, in_time=1)}
        assert found[left].share_bp == 10_000

    @pytest.mark.parametrize(("late_by_us", "in_time"), [(-1, 1), (0, 0)])
    def test_counts_to_the_microsecond(self, market: Market, late_by_us: int, in_time: int) -> None:
        left = market.provider_of(market.packages[0])
        order(market, market.worker())
        at = too_late(market) + timedelta(microseconds=late_by_us)
        in_unit_of_work(lambda: switching.carry_out(switching.due(at), policy=market.policy, by=BY, at=at))

        assert punctuality(policy=market.policy, at=at + DAY) == {left: Punctuality(switches=1, in_time=in_time)}

    def test_counts_one_that_waits_as_late_only_when_its_time_is_over(self, market: Market) -> None:
        left = market.provider_of(market.packages[0])
        order(market, market.worker())
        over = too_late(market)

        assert punctuality(policy=market.policy, at=over - timedelta(microseconds=1)) == {}
        assert punctuality(policy=market.policy, at=over) == {left: Punctuality(switches=1, in_time=0)}

    def test_says_nothing_of_a_switch_that_is_still_to_come(self, market: Market) -> None:
        market.switch(market.worker(), 1)
        effective_at = market.window.effective_at
        assert effective_at is not None

        assert punctuality(policy=market.policy, at=effective_at - DAY) == {}

    def test_knows_nobody_where_nobody_left(self, market: Market) -> None:
        market.worker()

        assert punctuality(policy=market.policy, at=market.window.closes_at) == {}

    def test_does_not_count_a_change_of_package_with_the_same_provider(self, market: Market) -> None:
        market.switch(market.worker(), 0)
        effective_at = market.window.effective_at
        assert effective_at is not None

        assert punctuality(policy=market.policy, at=effective_at + DAY) == {}
