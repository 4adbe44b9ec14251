"""A regulator's path through the real pages: the board, what if, a suspension that another one agrees to, the law."""

from __future__ import annotations

import pytest
from flask import Flask
from playwright.sync_api import Browser, Page, expect
from sqlalchemy import select

from exchange import clock
from exchange.clock import local_date
from exchange.database import db, in_unit_of_work
from exchange.identity import organizations
from exchange.identity.actors import Audience
from exchange.identity.organizations import OrganizationKind
from providers import reserve_filings
from providers.models import Provider, ProviderState
from tests.support import browser
from tests.support.provider_makers import staff_of
from tests.support.signing_in import make_login, sign_in
from tests.support.worker_makers import Market

pytestmark = pytest.mark.journey

WIDTHS = [1280, 360]


@pytest.fixture
def market(app: Flask) -> Market:
    """Four providers; Ada is with Harbor, which has filed enough, and Valley has filed next to nothing."""
    app.config["PROGRAM_ZONE"] = "America/Los_Angeles"
    made = Market()
    made.contribute(made.worker())
    for package, cents in ((0, 10_000_000), (1, 5_000)):
        file(made, package, cents)
    return made


def file(market: Market, package: int, cents: int) -> None:
    def work() -> None:
        provider, at = db.session.get_one(Provider, market.provider_of(market.packages[package])), clock.now()
        reserve_filings.file_reserves(
            provider,
            as_of=local_date(at, "America/Los_Angeles"),
            holdings={"cash": cents},
            policy=market.policy,
            by=staff_of(provider),
            at=at,
        )

    in_unit_of_work(work)


def enter(app: Flask, page: Page, address: str, name: str) -> None:
    """Come in as a regulator of the one board whose second factor is set up already."""
    board = organizations.named("The board", kind=OrganizationKind.REGULATOR)
    assert board is not None
    client = app.test_client()
    sign_in(client, make_login(Audience.REGULATOR, name, organization_id=board.id))
    cookie = client.get_cookie(app.config["SESSION_COOKIE_NAME"])
    assert cookie is not None
    page.context.add_cookies([{"name": cookie.key, "value": cookie.value, "url": address}])


def check(page: Page) -> None:
    """The page as it is now is accessible and fits."""
    browser.assert_accessible(page)
    browser.assert_fits(page)


def state_of(market: Market, package: int) -> ProviderState:
    db.session.rollback()
    provider_id = market.provider_of(market.packages[package])
    return db.session.execute(select(Provider.state).where(Provider.organization_id == provider_id)).scalar_one()


class TestSuspending:
    @pytest.mark.parametrize("width", WIDTHS)
    def test_takes_two_people_who_both_have_seen_why(
        self, app: Flask, browser: Browser, page: Page, live_server: str, market: Market, width: int
    ) -> None:
        page.set_viewport_size({"width": width, "height": 900})
        enter(app, page, live_server, "Rita Moss")
        page.goto(live_server + "/regulator/")
        expect(page.get_by_role("heading", name="Providers and their reserves")).to_be_visible()
        check(page)
        page.get_by_role("link", name="Valley Mutual").click()
        check(page)
        page.get_by_role("link", name="Propose a decision").click()
        page.get_by_text("Suspended", exact=True).last.click()
        page.get_by_role("button", name="Propose it").click()
        expect(page.get_by_role("alert")).to_contain_text("Reason: Fill this in.")
        check(page)

        page.get_by_label("Reason").fill("The books were not shown.")
        page.get_by_role("button", name="Propose it").click()

        expect(page.get_by_text("Proposed. Another regulator has to agree.")).to_be_visible()
        page.get_by_role("link", name="Look at it and answer").click()
        expect(page.get_by_text("You proposed this decision: another regulator has to answer it.")).to_be_visible()
        check(page)
        assert state_of(market, 1) is ProviderState.QUALIFIED

        other = browser.new_context(viewport={"width": width, "height": 900}, locale="en-US").new_page()
        enter(app, other, live_server, "Ron Hale")
        other.goto(live_server + "/regulator/decisions/")
        check(other)
        other.get_by_role("link", name="Valley Mutual becomes: Suspended").click()
        expect(other.get_by_text("The books were not shown.")).to_be_visible()
        other.get_by_role("button", name="Agree").click()
        expect(other.get_by_text("Agreed, and decided by that.")).to_be_visible()
        check(other)
        other.context.close()
        assert state_of(market, 1) is ProviderState.SUSPENDED


class TestWatching:
    @pytest.mark.parametrize("width", WIDTHS)
    def test_leads_from_the_board_to_the_books(
        self, app: Flask, page: Page, live_server: str, market: Market, width: int
    ) -> None:
        page.set_viewport_size({"width": width, "height": 900})
        enter(app, page, live_server, "Rita Moss")
        page.goto(live_server + "/regulator/what-if/")
        page.get_by_label("Members who leave, per cent").fill("30")
        page.get_by_label("Claims rise by, per cent").fill("900")
        page.get_by_role("button", name="Show").click()
        expect(page.get_by_label("Claims rise by, per cent")).to_have_value("900")
        check(page)

        page.goto(live_server + "/regulator/books/")
        check(page)
        page.get_by_role("link", name="Ask every rule now").click()

        expect(page.get_by_text("Every rule holds")).to_be_visible()
        check(page)
        for path in ("projection/", "audit/", "policy/", "policy/1", "policy/2", "policy/propose", "packages/"):
            page.goto(f"{live_server}/regulator/{path}")
            expect(page.locator("h1")).to_be_visible()
            check(page)
