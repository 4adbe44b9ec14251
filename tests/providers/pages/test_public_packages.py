"""Can anybody look at packages, narrow them down and hold them side by side?"""

from __future__ import annotations

import re

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from exchange import clock
from exchange.database import db, unit_of_work
from exchange.identity.actors import system_actor
from providers import packages
from providers.models import PackageVersion, Provider, ProviderState
from tests.support.counting import statements
from tests.support.market_makers import more_packages
from tests.support.worker_makers import OFFERINGS, Market

BY = system_actor("test")
HEADING = re.compile(r'<h2><a href="/packages/[0-9]+">(?P<name>[^<]+)</a></h2>')


@pytest.fixture
def market(app: Flask) -> Market:
    return Market()


def listed(page: str) -> list[str]:
    """The names of the packages on a page of the catalogue, in their order."""
    return HEADING.findall(page)


def ids(market: Market) -> list[int]:
    """The versions for the next plan year, in the order of ``OFFERINGS``."""
    return [market.version_of(place).id for place in range(len(OFFERINGS))]


class TestCatalogue:
    def test_shows_what_is_on_sale_for_the_year_that_is_chosen_for_now(
        self, market: Market, client: FlaskClient
    ) -> None:
        page = client.get("/packages").text

        assert sorted(listed(page)) == sorted(one.package for one in OFFERINGS)
        assert f"Packages for {market.next_year.id}" in page

    def test_leaves_out_what_is_off_the_shelf(self, market: Market, client: FlaskClient) -> None:
        with unit_of_work():
            provider_id = market.provider_of(market.packages[0])
            db.session.get_one(Provider, provider_id).takes_new_members = False

        assert OFFERINGS[0].package not in listed(client.get("/packages").text)

    @pytest.mark.parametrize(
        ("query", "expected"),
        [
            ("component=retirement", {"Harbor Complete", "Valley Plain", "Summit Saver"}),
            ("component=health_spending", {"Civic Family"}),
            ("fee=400", {"Valley Plain"}),
            ("tier=watch", {"Civic Family"}),
            ("kind=credit_union", {"Summit Saver"}),
            ("q=bad+month", {"Valley Plain"}),
            ("q=UNION", {"Harbor Complete", "Summit Saver"}),
            ("place=US-WA%2FKing+County%2FSeattle", {one.package for one in OFFERINGS}),
            ("metal=gold", set()),
            ("component=retirement&tier=strong&kind=union", {"Harbor Complete"}),
            ("q=%25", set()),
        ],
    )
    def test_is_narrowed_by_plain_addresses(
        self, market: Market, client: FlaskClient, query: str, expected: set[str]
    ) -> None:
        page = client.get(f"/packages?{query}")

        assert page.status_code == 200
        assert set(listed(page.text)) == expected

    @pytest.mark.parametrize(
        "query",
        ["fee=1e3", "tier=%07", "kind='--", "component=<script>", "year=9999", "page=-1", "page=99999", "sort=drop",
         "version=1e9", "version=99999999999999999999999", "q=" + "x" * 5_000],
    )  # fmt: skip
    def test_passes_over_nonsense(self, market: Market, client: FlaskClient, query: str) -> None:
        page = client.get(f"/packages?{query}")

        assert page.status_code == 200
        assert "<script>" not in page.text.replace('<script src="', "")

    def test_is_ordered_as_asked(self, market: Market, client: FlaskClient) -> None:
        fees = {one.package: 10_000 - sum(one.own.values()) - 4_000 for one in OFFERINGS}

        by_fee = listed(client.get("/packages?sort=fee").text)

        assert by_fee == sorted(by_fee, key=lambda name: fees[name])
        assert listed(client.get("/packages?sort=-name").text) == sorted(fees, reverse=True)

    def test_asks_as_much_for_four_packages_as_for_forty(self, market: Market, client: FlaskClient) -> None:
        with statements() as few:
            client.get("/packages?sort=name")
        more_packages(market, 40)

        with statements() as many:
            page = client.get("/packages?sort=name")

        assert "1 to 10 of 44" in page.text
        assert len(many) == len(few) <= 20


class TestPackagePage:
    def test_says_everything_about_a_version(self, market: Market, client: FlaskClient) -> None:
        page = client.get(f"/packages/{ids(market)[0]}").text

        for words in (
            "Harbor Complete", "Harbor Drivers Union", "1 hour for 30 hours of work", "Blue Harbor Insurance",
            "after 30 days", "On request.", f"{market.next_year.id}-1", f"{market.year.id}-1", "On sale",
        ):  # fmt: skip
            assert words in page

    def test_shows_no_draft_and_nothing_of_a_suspended_provider(self, market: Market, client: FlaskClient) -> None:
        first = ids(market)[0]
        with unit_of_work():
            draft = packages.clone(
                market.version_of(1), plan_year=market.next_year.id, policy=market.policy, by=BY, at=clock.now()
            ).id
            db.session.get_one(Provider, market.provider_of(market.packages[0])).state = ProviderState.SUSPENDED

        assert client.get(f"/packages/{draft}").status_code == 404
        assert client.get(f"/packages/{first}").status_code == 404
        assert client.get(f"/packages/{2**64}").status_code == 404

    def test_says_when_nobody_new_can_join(self, market: Market, client: FlaskClient) -> None:
        with unit_of_work():
            db.session.get_one(Provider, market.provider_of(market.packages[0])).takes_new_members = False

        assert "Nobody new can join this package now" in client.get(f"/packages/{ids(market)[0]}").text


class TestCompare:
    def test_holds_four_packages_side_by_side_and_marks_what_differs(self, market: Market, client: FlaskClient) -> None:
        query = "&".join(f"version={id_}" for id_ in ids(market))

        page = client.get(f"/packages/compare?{query}&hours=30&rate=2.00").text

        assert all(one.package in page for one in OFFERINGS)
        assert "≠ differs" in page
        assert "$260.00" in page  # 30 hours a week, $2.00 for each, in a usual month

    def test_takes_the_first_four_and_leaves_out_what_is_not_on_the_shelf(
        self, market: Market, client: FlaskClient
    ) -> None:
        more_packages(market, 2)
        more = db.session.execute(select(PackageVersion.id).order_by(PackageVersion.id.desc()).limit(2)).scalars()
        query = "&".join(f"version={id_}" for id_ in [987_654, *ids(market), *more])

        page = client.get(f"/packages/compare?{query}").text

        assert "the rest was left out" in page
        assert "More 0" not in page

    @pytest.mark.parametrize("query", ["", "version=987654", "version=nonsense", "version=-1", "version=1.5"])
    def test_of_nothing_leads_back_to_the_list(self, market: Market, client: FlaskClient, query: str) -> None:
        answer = client.get(f"/packages/compare?{query}")

        assert (answer.status_code, answer.location) == (303, "/packages")

    @pytest.mark.parametrize(
        ("query", "sentence"),
        [
            ("hours=１２", "Hours of work a week: Write a whole number"),
            ("hours=169", "Hours of work a week: This is more than anybody has."),
            ("hours=-1", "Hours of work a week: Write a whole number"),
            ("rate=1e3", "Contribution for an hour: Write an amount like"),
            ("rate=0.001", "Contribution for an hour: Write an amount like"),
            ("rate=9223372036854775808", "Contribution for an hour: "),
            ("age=NaN", "Age: Write a whole number"),
            ("age=1_0", "Age: Write a whole number"),
            ("age=400", "Age: This is more than anybody has."),
        ],
    )
    def test_says_what_it_cannot_read_and_keeps_the_usual_example(
        self, market: Market, client: FlaskClient, query: str, sentence: str
    ) -> None:
        page = client.get(f"/packages/compare?version={ids(market)[0]}&{query}")

        assert page.status_code == 200
        assert sentence in page.text
        assert "$260.00" in page.text

    def test_asks_as_much_for_one_as_for_four(self, market: Market, client: FlaskClient) -> None:
        versions = ids(market)
        with statements() as few:
            client.get(f"/packages/compare?version={versions[0]}")

        with statements() as many:
            client.get("/packages/compare?" + "&".join(f"version={id_}" for id_ in versions))

        assert len(many) == len(few) <= 12
