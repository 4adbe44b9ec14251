"""Does everybody see who the providers are and how they stand, and nobody what is not his to see?"""

from __future__ import annotations

from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient

from exchange import clock
from exchange.clock import local_date
from exchange.database import db, unit_of_work
from exchange.identity.actors import system_actor
from providers import qualification, reserve_checks, reserve_filings
from providers.models import CheckCause, Provider, ProviderState
from providers.qualification import Seat
from tests.support.counting import statements
from tests.support.worker_makers import OFFERINGS, Market

BY = system_actor("test")


@pytest.fixture
def market(app: Flask) -> Market:
    return Market()


def first(market: Market) -> int:
    """The provider of the first offering."""
    return market.provider_of(market.packages[0])


def check_for(market: Market, days: int, *, provider_id: int | None = None) -> None:
    """File reserves long enough ago, and check every provider on so many days until today."""
    account = market.worker()
    market.contribute(account)
    at = clock.now()
    today = local_date(at, market.policy.zone)
    with unit_of_work():
        provider = db.session.get_one(Provider, provider_id or first(market))
        reserve_filings.file_reserves(
            provider, as_of=today - timedelta(days=2), holdings={"cash": 1_000_00}, policy=market.policy, by=BY, at=at
        )
    for day in range(days, 0, -1):
        with unit_of_work():
            on = today - timedelta(days=day - 1)
            reserve_checks.check(None, policy=market.policy, on=on, cause=CheckCause.DAILY, by=BY, at=at)


class TestProviders:
    def test_lists_the_qualified_ones(self, market: Market, client: FlaskClient) -> None:
        with unit_of_work():
            db.session.get_one(Provider, first(market)).state = ProviderState.UNDER_REVIEW

        page = client.get("/providers").text

        assert OFFERINGS[0].provider not in page
        assert all(one.provider in page for one in OFFERINGS[1:])

    @pytest.mark.parametrize(
        ("query", "expected"),
        [("kind=mutual_benefit_society", [1]), ("tier=strong", [0, 2]), ("tier=nonsense", [0, 1, 2, 3])],
    )
    def test_are_narrowed(self, market: Market, client: FlaskClient, query: str, expected: list[int]) -> None:
        page = client.get(f"/providers?{query}").text

        assert [place for place, one in enumerate(OFFERINGS) if one.provider in page] == expected

    def test_asks_as_much_for_one_as_for_four(self, market: Market, client: FlaskClient) -> None:
        with statements() as many:
            client.get("/providers")
        with unit_of_work():
            for place in range(1, 4):
                provider_id = market.provider_of(market.packages[place])
                db.session.get_one(Provider, provider_id).state = ProviderState.WITHDRAWN

        with statements() as few:
            client.get("/providers")

        assert len(many) == len(few) <= 8


class TestProviderPage:
    def test_says_who_sits_on_the_board_and_who_put_them_there(self, market: Market, client: FlaskClient) -> None:
        seats = [Seat("Ann Ortiz", "member workers", True), Seat("Dee Harper", "the county council", False)]
        with unit_of_work():
            provider = db.session.get_one(Provider, first(market))
            qualification.name_board(provider, seats, by=BY, at=clock.now())

        page = client.get(f"/providers/{first(market)}").text

        assert "Ann Ortiz" in page and "the county council" in page
        assert "Member workers elect 1 of the board" in page

    def test_shows_its_reserves_as_a_picture_and_as_tables(self, market: Market, client: FlaskClient) -> None:
        check_for(market, 3)

        page = client.get(f"/providers/{first(market)}").text

        assert "chart--lines" in page
        assert "$1,000.00" in page
        assert "The same figures as a table" in page

    def test_shows_evidence_and_findings_to_nobody(self, market: Market, client: FlaskClient) -> None:
        with unit_of_work():
            provider = db.session.get_one(Provider, first(market))
            qualification.show_evidence(
                provider, "fidelity_bond", evidence="Policy 4711 in our safe", policy=market.policy, by=BY,
                at=clock.now(),
            )  # fmt: skip

        assert "4711" not in client.get(f"/providers/{first(market)}").text

    @pytest.mark.parametrize("state", [ProviderState.APPLIED, ProviderState.SUSPENDED, ProviderState.WITHDRAWN])
    def test_is_there_for_the_qualified_only(self, market: Market, client: FlaskClient, state: ProviderState) -> None:
        with unit_of_work():
            db.session.get_one(Provider, first(market)).state = state

        assert client.get(f"/providers/{first(market)}").status_code == 404
        assert client.get(f"/providers/{2**65}").status_code == 404

    def test_asks_as_much_after_a_hundred_checks_as_after_two(self, market: Market, client: FlaskClient) -> None:
        check_for(market, 2)
        with statements() as few:
            client.get(f"/providers/{first(market)}")
        today = local_date(clock.now(), market.policy.zone)
        for day in range(2, 100):
            with unit_of_work():
                on = today - timedelta(days=day)
                reserve_checks.check(
                    None, policy=market.policy, on=on, cause=CheckCause.DAILY, by=BY, at=clock.now(), late=True
                )

        with statements() as many:
            client.get(f"/providers/{first(market)}")

        assert len(many) == len(few) <= 40


class TestLeague:
    def test_sorts_by_every_heading(self, market: Market, client: FlaskClient) -> None:
        for sort in ("standing", "-standing", "name", "fee", "intime", "-members", "nonsense"):
            page = client.get(f"/league?sort={sort}")

            assert page.status_code == 200
            assert all(one.provider in page.text for one in OFFERINGS)

    def test_says_whether_those_who_left_were_let_go_in_time(self, market: Market, client: FlaskClient) -> None:
        leaver = market.worker()
        market.switch(leaver, 1)

        assert "nobody left yet" in client.get("/league").text
