"""One visitor's path through the public pages: read, narrow the list, hold three packages side by side, look at one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import Flask
from playwright.sync_api import Browser, Page, expect

from tests.support import browser
from tests.support.worker_makers import OFFERINGS, Market

pytestmark = pytest.mark.journey

WIDTHS = [1280, 360]
EXPLAINED = ["/how-it-works", "/verification", "/documentation", "/accessibility", "/privacy", "/apply"]


@pytest.fixture
def market(app: Flask) -> Market:
    """Four providers and an open enrollment that is open now."""
    app.config["PROGRAM_ZONE"] = "America/Los_Angeles"
    return Market()


def check(page: Page) -> None:
    """The page as it is now is accessible and fits."""
    browser.assert_accessible(page)
    browser.assert_fits(page)


class TestVisitor:
    @pytest.mark.parametrize("width", WIDTHS)
    def test_comes_from_the_first_page_to_three_packages_side_by_side(
        self, market: Market, page: Page, live_server: str, width: int
    ) -> None:
        page.set_viewport_size({"width": width, "height": 900})
        page.goto(live_server + "/")
        expect(page.get_by_role("heading", name=f"Open enrollment for {market.next_year.id} is open")).to_be_visible()
        check(page)

        page.get_by_role("link", name="Compare packages").click()
        expect(page.get_by_text("4 packages")).to_be_visible()
        check(page)
        if width < 1024:
            page.get_by_text("Narrow the list").click()
        page.get_by_label("Has", exact=True).select_option(label="Retirement")
        page.get_by_role("button", name="Show", exact=True).click()
        expect(page.get_by_text("3 packages")).to_be_visible()
        check(page)

        for offering in OFFERINGS[:3]:
            page.locator("label", has_text=f"Compare {offering.package}").click()
        page.get_by_role("button", name="Compare side by side").click()
        expect(page.get_by_role("heading", name="Packages side by side")).to_be_visible()
        for offering in OFFERINGS[:3]:
            expect(page.get_by_role("columnheader").get_by_role("link", name=offering.package)).to_be_visible()
        expect(page.get_by_text("≠ differs").first).to_be_visible()
        check(page)

        page.get_by_label("Hours of work a week").fill("10")
        page.get_by_label("Contribution for an hour").fill("3.00")
        page.get_by_role("button", name="Work it out").click()
        expect(page.get_by_text("$130.00")).to_be_visible()  # 43 h 20 min in a usual month, at $3.00
        page.get_by_role("link", name=OFFERINGS[0].package).click()
        expect(page.get_by_role("heading", name=OFFERINGS[0].package)).to_be_visible()
        check(page)

        page.locator("main").get_by_role("link", name=OFFERINGS[0].provider).click()
        expect(page.get_by_role("heading", name=OFFERINGS[0].provider)).to_be_visible()
        check(page)

    def test_cannot_tick_a_fifth_package(self, market: Market, page: Page, live_server: str) -> None:
        elsewhere = market.version_of(3).id
        page.goto(f"{live_server}/packages?version={elsewhere}&component=retirement")

        for offering in OFFERINGS[:3]:
            page.locator("label", has_text=f"Compare {offering.package}").click()

        expect(page.get_by_text("Four stand side by side at most.")).to_be_visible()

    @pytest.mark.parametrize("width", WIDTHS)
    def test_finds_everything_explained(self, market: Market, page: Page, live_server: str, width: int) -> None:
        page.set_viewport_size({"width": width, "height": 900})
        for path in [*EXPLAINED, "/providers", "/league"]:
            page.goto(live_server + path)

            check(page)


class TestWithoutScripts:
    @pytest.fixture
    def page(self, browser: Browser) -> Iterator[Page]:
        """A small window in which no script runs."""
        context = browser.new_context(java_script_enabled=False, viewport={"width": 360, "height": 800}, locale="en-US")
        yield context.new_page()
        context.close()

    def test_packages_are_narrowed_and_compared(self, market: Market, page: Page, live_server: str) -> None:
        page.goto(live_server + "/packages?component=retirement&sort=fee")
        for offering in OFFERINGS[:3]:
            page.locator("label", has_text=f"Compare {offering.package}").click()

        page.get_by_role("button", name="Compare side by side").click()

        expect(page.get_by_role("columnheader").get_by_role("link")).to_have_count(3)
