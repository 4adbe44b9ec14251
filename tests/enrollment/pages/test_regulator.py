"""Does the regulator see every provider, and what the choices of this moment would do to them?"""

from __future__ import annotations

from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient

from enrollment import elections
from enrollment.models import BenefitAccount
from exchange import clock
from exchange.clock import local_date
from exchange.database import db, in_unit_of_work, unit_of_work
from exchange.identity.actors import Audience
from providers import reserve_filings
from providers.models import Provider, VersionState
from tests.support.counting import statements
from tests.support.provider_makers import staff_of
from tests.support.signing_in import make_login, sign_in
from tests.support.worker_makers import BY, Market


@pytest.fixture
def market(app: Flask) -> Market:
    app.config["PROGRAM_ZONE"] = "America/Los_Angeles"
    made = Market()
    made.contribute(made.worker())
    return made


@pytest.fixture
def regulator(market: Market, client: FlaskClient) -> FlaskClient:
    sign_in(client, make_login(Audience.REGULATOR, "Rita Moss"))
    return client


def file(market: Market, package: int, cash_cents: int) -> None:
    """The provider of that package files so much cash; it is checked at once."""

    def work() -> None:
        provider, at = db.session.get_one(Provider, market.provider_of(market.packages[package])), clock.now()
        reserve_filings.file_reserves(
            provider,
            as_of=local_date(at, "America/Los_Angeles"),
            holdings={"cash": cash_cents},
            policy=market.policy,
            by=staff_of(provider),
            at=at,
        )

    in_unit_of_work(work)


def choose(market: Market, account_id: int, package: int) -> None:
    in_unit_of_work(
        lambda: elections.elect(
            db.session.get_one(BenefitAccount, account_id),
            window=market.window,
            version=market.version_of(package),
            policy=market.policy,
            by=BY,
            at=clock.now(),
        )
    )


class TestBoard:
    def test_shows_standing_figures_and_members(self, regulator: FlaskClient, market: Market) -> None:
        file(market, 0, 100)

        page = regulator.get("/regulator/").text

        assert "Harbor Drivers Union" in page
        assert "Run-off" in page
        assert "1 proposal on a provider" in page
        assert "What these figures say, and what they cannot" in page
        assert "days overdue" in page, "the others have filed nothing since long ago"

    def test_is_narrowed_and_ordered_by_its_address(self, regulator: FlaskClient, market: Market) -> None:
        file(market, 0, 100)

        def shown(query: str) -> list[str]:
            lines = regulator.get(f"/regulator/providers.csv?{query}").text.splitlines()[1:]
            return [line.split('"')[1] for line in lines]

        assert shown("tier=run_off") == ["Harbor Drivers Union"]
        assert shown("filing=in_time") == ["Harbor Drivers Union"]
        assert shown("q=VALLEY") == ["Valley Mutual"]
        assert shown("state=suspended") == []
        assert shown("sort=-members")[0] == "Harbor Drivers Union"
        assert shown("sort=name")[0] == "Civic Benefits Alliance"
        assert shown("filing=nonsense&sort=nonsense")[0] == "Harbor Drivers Union", "the lowest standing first"
        assert "No provider is like that" in regulator.get("/regulator/?state=suspended").text

    def test_asks_no_more_of_the_database_for_more_members(self, regulator: FlaskClient, market: Market) -> None:
        regulator.get("/regulator/")
        market.worker("Another Moss")
        with statements() as few:
            regulator.get("/regulator/")
        for number in range(3):
            market.worker(f"Worker {number} Moss", package=number)

        with statements() as many:
            regulator.get("/regulator/")

        assert len(many) == len(few)

    def test_asks_once_while_nothing_has_changed(self, regulator: FlaskClient) -> None:
        first = regulator.get("/regulator/")
        regulator.get("/regulator/")  # the members are counted afresh, for they are few

        with statements() as told:
            again = regulator.get("/regulator/", headers={"If-None-Match": first.headers["ETag"]})

        assert again.status_code == 304
        assert [("FROM login" in one, "FROM membership" in one) for one in told] == [(True, False), (False, True)]

    def test_is_written_anew_when_something_waits(self, regulator: FlaskClient, market: Market) -> None:
        before = regulator.get("/regulator/").headers["ETag"]
        with unit_of_work():
            market.version_of(0).state = VersionState.SUBMITTED

        assert regulator.get("/regulator/").headers["ETag"] != before


class TestProjection:
    def test_says_so_when_nobody_has_chosen(self, regulator: FlaskClient) -> None:
        page = regulator.get("/regulator/projection/").text

        assert "Nobody has chosen another provider yet" in page

    def test_shows_both_sides_before_and_after(self, regulator: FlaskClient, market: Market) -> None:
        file(market, 0, 10_000_000)
        file(market, 1, 0)
        choose(market, 1, 1)

        page = regulator.get("/regulator/projection/").text

        assert "1 workers would change provider with" in page
        assert "Valley Mutual" in page
        assert "Harbor Drivers Union" in page
        assert "Summit Credit Union" not in page

    def test_warns_of_who_would_fall_below_a_border(self, regulator: FlaskClient, market: Market) -> None:
        file(market, 1, 0)
        assert "falls below a border" not in regulator.get("/regulator/projection/").text
        choose(market, 1, 1)
        file(market, 0, 100_000)

        page = regulator.get("/regulator/projection/").text

        # Valley, which owed nothing, takes over what Ada owns with exactly its cash: 100 %, no rung above watch.
        assert "Somebody would fall below a border" in page
        assert "falls below a border" in page

    def test_stays_until_the_choices_are_carried_out(self, regulator: FlaskClient, market: Market) -> None:
        market.switch(1, 1)
        window = market.window
        in_unit_of_work(lambda: setattr(db.session.merge(window), "cut_over_at", clock.now() + timedelta(days=60)))

        assert "No open enrollment is under way" in regulator.get("/regulator/projection/").text
