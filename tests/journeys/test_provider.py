"""One provider's path through its pages: draft, be refused at 99.99 per cent, mend it, hand in; file what it holds."""

from __future__ import annotations

import pytest
from flask import Flask
from playwright.sync_api import Page, expect

from tests.support import browser
from tests.support.signing_in import enter
from tests.support.worker_makers import Market

pytestmark = pytest.mark.journey

WIDTHS = [1280, 360]
SHARES = {
    "Paid leave": "25",
    "Retirement": "15",
    "Health cover": "39.99",
    "Disability cover": "7",
    "Workers' compensation": "8",
}


@pytest.fixture
def market(app: Flask) -> Market:
    """Four providers and an open enrollment that is open now; the first owes its members something."""
    app.config["PROGRAM_ZONE"] = "America/Los_Angeles"
    market = Market()
    market.contribute(market.worker())
    return market


def check(page: Page) -> None:
    """The page as it is now is accessible and fits."""
    browser.assert_accessible(page)
    browser.assert_fits(page)


@pytest.mark.parametrize("width", WIDTHS)
class TestProvider:
    def test_drafts_a_package_is_told_what_is_wrong_and_hands_it_in(
        self, app: Flask, market: Market, page: Page, live_server: str, width: int
    ) -> None:
        page.set_viewport_size({"width": width, "height": 900})
        enter(app, page, live_server, market.staff(0))
        page.goto(live_server + "/provider/packages/")
        check(page)
        page.get_by_role("link", name="New package").click()
        page.get_by_label("Name of the package").fill("Winter")
        page.get_by_role("button", name="Begin the draft").click()

        page.get_by_label("In one or two sentences").fill("For the cold months.")
        for benefit, share in SHARES.items():
            page.get_by_label(f"{benefit}: share in per cent", exact=True).fill(share)
        page.get_by_label("Paid leave: hours of work for one hour of leave").fill("30")
        page.get_by_label("Your fee", exact=True).fill("5")
        expect(page.locator("#sum")).to_have_text("99.99%")
        expect(page.get_by_text("0.01% is still to be given.")).to_be_visible()
        page.get_by_role("button", name="Hand it in").click()

        refused = page.get_by_role("alert")
        expect(refused).to_contain_text("Shares and fee come to 99.99% of each contribution; they must come to 100%.")
        check(page)

        page.get_by_label("Health cover: share in per cent").fill("40")
        expect(page.get_by_text("This is the whole.")).to_be_visible()
        page.get_by_role("button", name="Hand it in").click()
        expect(page.get_by_text("Handed in. A regulator certifies it")).to_be_visible()
        check(page)

        page.locator("main").get_by_role("link", name="Packages", exact=True).click()
        expect(page.get_by_text("Waits for certification")).to_be_visible()

    def test_files_what_it_holds_and_sees_where_it_stands(
        self, app: Flask, market: Market, page: Page, live_server: str, width: int
    ) -> None:
        page.set_viewport_size({"width": width, "height": 900})
        enter(app, page, live_server, market.staff(0))
        page.goto(live_server + "/provider/")
        check(page)
        page.locator("main").get_by_role("link", name="File reserves").first.click()
        page.get_by_label("As of which day").fill(market.today.isoformat())
        page.get_by_label("Cash").fill("１２")
        page.get_by_role("button", name="File", exact=True).click()
        expect(page.get_by_role("alert")).to_contain_text("Cash: Write an amount like 1204.50")
        check(page)

        page.get_by_label("Cash").fill("250,000.00")
        page.get_by_role("button", name="File", exact=True).click()

        expect(page.get_by_text("stand at “Strong”")).to_be_visible()
        expect(page.get_by_text("You stand here")).to_be_visible()
        expect(page.locator(".mk-title__figure")).to_contain_text("%")
        check(page)

    def test_shows_evidence_and_names_its_board(
        self, app: Flask, market: Market, page: Page, live_server: str, width: int
    ) -> None:
        page.set_viewport_size({"width": width, "height": 900})
        enter(app, page, live_server, market.staff(0))
        page.goto(live_server + "/provider/qualification/")
        check(page)
        page.get_by_role("link", name="Show evidence: Fidelity bond or insurance").click()
        page.get_by_label("What you show").fill("Bond 77 of 2 January, with the treasurer.")
        page.get_by_role("button", name="Show it").click()
        expect(page.get_by_text("Bond 77 of 2 January, with the treasurer.")).to_be_visible()

        page.get_by_role("link", name="Name the board", exact=True).first.click()
        check(page)
        page.get_by_label("Who holds it").first.fill("Ann Ortiz")
        page.get_by_label("Who put him or her there").first.fill("member workers")
        page.get_by_text("Elected by member workers").first.click()
        page.get_by_role("button", name="Keep it").click()
        expect(page.get_by_text("Member workers elect 1 of the board's 1 seats.")).to_be_visible()
