"""Does the shell hold in a real browser: small and wide, with and without scripts, for everybody?"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support import browser

pytestmark = pytest.mark.journey

WIDTHS = [360, 1280]
PAGES = ["/", "/list?page=5", "/compare-nothing", "/fail/500", "/fail/refusal"]
PAGES_OF_A_WORKER = ["/worker/home", "/worker/leave"]


def sign_in(page: Page, address: str) -> None:
    """Be the worker of these tests."""
    page.context.add_cookies([{"name": "X-Test-Audience", "value": "worker", "url": address}])


class TestEveryPage:
    @pytest.mark.parametrize("width", WIDTHS)
    def test_is_accessible_fits_and_asks_nobody_else(self, page: Page, live_server: str, width: int) -> None:
        page.set_viewport_size({"width": width, "height": 900})
        for path in [*PAGES, *PAGES_OF_A_WORKER]:
            if path in PAGES_OF_A_WORKER:
                sign_in(page, live_server)
            page.goto(live_server + path)

            browser.assert_accessible(page)
            browser.assert_fits(page)
            browser.assert_no_third_party(page)

    def test_prints_without_its_navigation_and_with_its_tables(self, page: Page, live_server: str) -> None:
        page.goto(live_server)
        page.emulate_media(media="print")

        expect(page.locator("nav.usa-nav")).to_be_hidden()
        expect(page.get_by_role("heading", name="Charts")).to_be_visible()


class TestForm:
    @pytest.mark.parametrize("width", WIDTHS)
    def test_that_comes_back_leads_to_what_is_wrong(self, page: Page, live_server: str, width: int) -> None:
        page.set_viewport_size({"width": width, "height": 900})
        sign_in(page, live_server)
        page.goto(live_server + "/worker/leave")
        page.get_by_label("Full name").fill("Rosa Delgado")
        page.get_by_label("Amount").fill("1e3")

        page.get_by_role("button", name="Ask for it").click()

        expect(page.get_by_role("alert")).to_contain_text("2 things need your attention")
        browser.assert_accessible(page)
        browser.assert_fits(page)
        page.get_by_role("link", name="Time off: Say how long.").click()
        expect(page.get_by_label("Hours")).to_be_focused()

    def test_is_filled_in_by_its_labels_and_goes_on(self, page: Page, live_server: str) -> None:
        sign_in(page, live_server)
        page.goto(live_server + "/worker/leave")
        page.get_by_label("Full name").fill("Rosa Delgado")
        page.get_by_label("Amount").fill("1,204.50")
        page.get_by_label("Hours").fill("7")
        page.get_by_label("Minutes").fill("30")
        page.get_by_label("First day").fill("2026-11-30")

        page.get_by_role("button", name="Ask for it").click()

        expect(page.get_by_text("120450 450 2026-11-30 Rosa Delgado")).to_be_visible()


class TestMenu:
    def test_opens_and_closes_on_a_small_screen(self, page: Page, live_server: str) -> None:
        page.set_viewport_size({"width": 360, "height": 800})
        page.goto(live_server)
        expect(page.get_by_role("link", name="Providers")).to_be_hidden()

        page.get_by_role("button", name="Menu").click()

        expect(page.get_by_role("link", name="Providers")).to_be_visible()
        browser.assert_accessible(page)
        page.get_by_role("button", name="Close the menu").click()
        expect(page.get_by_role("link", name="Providers")).to_be_hidden()


class TestWithoutScripts:
    @pytest.fixture
    def page(self, browser: Browser) -> Iterator[Page]:
        """A small window in which no script runs."""
        context = browser.new_context(java_script_enabled=False, viewport={"width": 360, "height": 800}, locale="en-US")
        yield context.new_page()
        context.close()

    def test_the_menu_is_open_and_the_language_changes(self, page: Page, live_server: str) -> None:
        page.goto(live_server + "/list?page=2")
        expect(page.get_by_role("link", name="Providers")).to_be_visible()

        page.get_by_role("button", name="Español").click()

        expect(page.locator("html")).to_have_attribute("lang", "es")
        assert page.url.endswith("/list?page=2")
