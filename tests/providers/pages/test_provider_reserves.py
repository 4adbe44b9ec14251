"""Does a provider see what it must hold, and is what it files read in one way only?"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from exchange import clock
from exchange.clock import local_date
from exchange.database import db
from providers import reserve_filings
from providers.models import ReserveCheck
from tests.support.signing_in import post, sign_in
from tests.support.worker_makers import Market

HOSTILE_AMOUNTS = ["１２", "1_000", "1e3", "NaN", "-1", "0.001", "92233720368547758.08", "1,00", "12.", "$", "Infinity"]


@pytest.fixture
def market(app: Flask) -> Market:
    return Market()


@pytest.fixture
def staff(market: Market, client: FlaskClient) -> FlaskClient:
    sign_in(client, market.staff(0))
    return client


def filed(market: Market) -> list[dict[str, int]]:
    """What the first provider has filed, the latest first."""
    return [dict(one.holdings) for one in reserve_filings.history(market.provider_of(market.packages[0]))]


def file(staff: FlaskClient, **data: Any) -> Any:
    today = local_date(clock.now(), "America/Los_Angeles")
    return post(staff, "/provider/reserves/file", {"as_of": today.isoformat(), **data})


class TestFiling:
    def test_is_taken_and_its_standing_told_at_once(self, staff: FlaskClient, market: Market) -> None:
        market.contribute(market.worker())

        answer = file(staff, holding_cash="1,000,000.00", holding_shares="10", note="Bank statement of today.")

        assert answer.status_code == 303
        assert filed(market) == [{"cash": 100_000_000, "shares": 1_000}]
        page = staff.get("/provider/reserves/").text
        assert "of what must be held and stand at “Strong”" in page
        assert "40%" in page, "what of listed shares does not count"

    def test_is_checked_against_the_books(self, staff: FlaskClient, market: Market) -> None:
        market.contribute(market.worker())

        file(staff, holding_cash="1")

        check = db.session.execute(select(ReserveCheck)).scalar_one()
        assert (check.held_cents, check.tier) == (100, "run_off")
        page = staff.get("/provider/reserves/").text
        assert "You stand here" in page
        assert "you came to stand at “Run-off”" in page

    @pytest.mark.parametrize("text", HOSTILE_AMOUNTS)
    def test_takes_no_amount_that_can_be_read_in_two_ways(self, staff: FlaskClient, market: Market, text: str) -> None:
        answer = file(staff, holding_cash=text)

        assert answer.status_code == 422
        assert 'id="holding_cash-error"' in answer.text
        assert filed(market) == []

    @pytest.mark.parametrize(
        "text", ["", "2026-13-01", "01/02/2026", "２０２６-01-02", "2026-1-2", "tomorrow", "9999-01-01"]
    )
    def test_takes_no_odd_or_future_day(self, staff: FlaskClient, market: Market, text: str) -> None:
        answer = file(staff, as_of=text, holding_cash="5")

        assert answer.status_code == 422
        assert 'id="as_of-error"' in answer.text
        assert filed(market) == []

    def test_refuses_a_day_too_long_ago_in_the_operations_words(self, staff: FlaskClient, market: Market) -> None:
        long_ago = local_date(clock.now(), "America/Los_Angeles") - timedelta(days=400)

        answer = file(staff, as_of=long_ago.isoformat(), holding_cash="5")

        assert "is too long ago: the next filing after it would be overdue already." in answer.text
        assert filed(market) == []

    def test_refuses_nothing_and_takes_zero(self, staff: FlaskClient, market: Market) -> None:
        assert "Write at least one amount; 0 is one." in file(staff).text
        assert filed(market) == []

        file(staff, holding_cash="0")
        assert filed(market) == [{"cash": 0}]

    def test_asks_for_the_forms_token(self, staff: FlaskClient, market: Market) -> None:
        assert staff.post("/provider/reserves/file", data={"holding_cash": "5"}).status_code == 400
        assert filed(market) == []


class TestReservesPage:
    def test_says_what_each_rung_means(self, staff: FlaskClient) -> None:
        page = staff.get("/provider/reserves/").text

        for words in ("Strong", "Adequate", "Watch", "Restricted", "Run-off", "No new members", "within 45 days"):
            assert words in page
