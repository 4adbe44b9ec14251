"""One worker's path through the real pages: register, look, compare, choose, take it back, ask for leave."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from playwright.sync_api import Page, expect
from sqlalchemy import func, select

from enrollment.models import Election, ElectionState, LeaveRequest, LeaveState
from exchange.database import db
from exchange.identity import login
from exchange.identity.people import Login
from exchange.outgoing_mail import OutgoingMail
from tests.support import browser
from tests.support.signing_in import sign_in
from tests.support.worker_makers import OFFERINGS, PASSWORD, Market

pytestmark = pytest.mark.journey

WIDTHS = [1280, 360]
ADA = "ada.flores@example.org"


@pytest.fixture
def market(app: Flask) -> Market:
    """Four providers and an open enrollment that is open now."""
    app.config["PROGRAM_ZONE"] = "America/Los_Angeles"
    return Market()


def check(page: Page) -> None:
    """The page as it is now is accessible and fits."""
    browser.assert_accessible(page)
    browser.assert_fits(page)


def enter(page: Page, address: str, email: str = ADA) -> None:
    """Sign in by the form."""
    page.goto(address + "/sign-in")
    page.get_by_label("E-mail address").fill(email)
    page.get_by_label("Password").fill(PASSWORD)
    page.locator("main").get_by_role("button", name="Sign in").click()


def enter_as_staff(app: Flask, page: Page, address: str, login_id: int) -> None:
    """Come in as somebody whose second factor is set up already."""
    client: FlaskClient = app.test_client()
    sign_in(client, login_id)
    cookie = client.get_cookie(app.config["SESSION_COOKIE_NAME"])
    assert cookie is not None
    page.context.add_cookies([{"name": cookie.key, "value": cookie.value, "url": address}])


def standing() -> list[str]:
    """The states of all choices, in their order."""
    db.session.rollback()
    return [state.value for state in db.session.execute(select(Election.state).order_by(Election.id)).scalars()]


def link_in_the_last_letter() -> str:
    """The path of the address in it."""
    db.session.rollback()
    body = db.session.execute(select(OutgoingMail.body).order_by(OutgoingMail.id.desc()).limit(1)).scalar_one()
    found = re.search(r"https?://[^/]+(/\S+)", body)
    assert found is not None
    return found[1]


class TestRegistering:
    @pytest.mark.parametrize("width", WIDTHS)
    def test_ends_with_the_card(self, page: Page, live_server: str, market: Market, width: int) -> None:
        page.set_viewport_size({"width": width, "height": 900})
        page.goto(live_server + "/register/")
        check(page)
        page.get_by_label("Full name").fill("Maria  Chen ")
        page.get_by_label("E-mail address").fill("maria@example.org")
        page.get_by_label("Where you live").select_option("Seattle, King County")

        page.get_by_role("button", name="Get my number").click()
        expect(page.get_by_role("heading", name="A letter is on its way")).to_be_visible()
        expect(page.get_by_text("It goes to maria@example.org")).to_be_visible()
        check(page)
        page.goto(live_server + link_in_the_last_letter())
        page.get_by_label("New password", exact=True).fill(PASSWORD)
        page.get_by_label("New password, once more").fill(PASSWORD)
        page.get_by_role("button", name="Save the password").click()
        expect(page.get_by_text("Your password is changed.")).to_be_visible()
        enter(page, live_server, "maria@example.org")
        expect(page.get_by_text("You have chosen nobody yet")).to_be_visible()

        page.goto(live_server + "/worker/card")
        expect(page.get_by_text("Maria Chen", exact=True).last).to_be_visible()
        expect(page.get_by_text(re.compile(r"^PB-[0-9A-Z]{4}-[0-9A-Z]{4}-[0-9A-Z]$"))).to_be_visible()
        check(page)
        page.get_by_role("link", name="To my account").click()
        expect(page.get_by_text("You have chosen nobody yet")).to_be_visible()
        check(page)

    def test_tells_what_is_wrong_and_registers_nobody(self, page: Page, live_server: str, market: Market) -> None:
        page.goto(live_server + "/register/")
        page.get_by_label("Full name").fill("Maria Chen")
        page.get_by_label("E-mail address").fill("maria at example")

        page.get_by_role("button", name="Get my number").click()

        expect(page.get_by_role("alert")).to_contain_text("Write an e-mail address like name@example.com.")
        check(page)
        assert login.by_email("maria@example.org") is None


class TestChoosing:
    @pytest.mark.parametrize("width", WIDTHS)
    def test_compares_checks_confirms_undoes_and_chooses_again(
        self, page: Page, live_server: str, market: Market, width: int
    ) -> None:
        market.contribute(market.worker())
        page.set_viewport_size({"width": width, "height": 900})
        enter(page, live_server)
        expect(page.get_by_role("heading", name="My account")).to_be_visible()
        expect(page.get_by_text("Blue Cab").first).to_be_visible()
        check(page)

        page.get_by_role("link", name="Compare and choose").click()
        check(page)
        for offering in OFFERINGS[1:]:
            page.get_by_text(f"Compare {offering.package}, {offering.provider}").click()
        page.get_by_role("button", name="Compare side by side").click()
        expect(page.get_by_role("columnheader")).to_have_count(len(OFFERINGS))
        expect(page.get_by_text("Worked out on your own last three months")).to_be_visible()
        check(page)

        page.get_by_role("link", name="Choose Valley Plain").click()
        expect(page.get_by_role("heading", name="Before you confirm")).to_be_visible()
        expect(page.get_by_text("Sick leave: the new package has none.")).to_be_visible()
        check(page)
        assert standing() == []
        page.get_by_role("button", name="Confirm my choice").click()
        expect(page.get_by_role("heading", name="You have chosen Valley Plain")).to_be_visible()
        check(page)
        assert standing() == ["standing"]

        page.get_by_role("button", name="Undo my choice").click()
        expect(page.get_by_text("Your choice is undone.")).to_be_visible()
        assert standing() == ["undone"]
        page.get_by_role("link", name=re.compile("See what choosing it would do.*Summit Saver")).click()
        page.get_by_role("button", name="Confirm my choice").click()
        expect(page.get_by_role("heading", name="You have chosen Summit Saver")).to_be_visible()
        assert standing() == ["undone", "standing"]

    def test_is_off_while_the_account_is_locked_and_says_why(
        self, page: Page, live_server: str, market: Market
    ) -> None:
        market.worker()
        enter(page, live_server)
        page.get_by_role("button", name="Lock my account").click()
        expect(page.get_by_text("Your account is locked")).to_be_visible()

        page.goto(live_server + f"/worker/choose/{market.version_of(1).id}")

        button = page.get_by_role("button", name="Confirm my choice")
        expect(button).to_have_attribute("aria-disabled", "true")
        expect(page.get_by_text("You have locked your account against switches.")).to_be_visible()
        check(page)
        page.goto(live_server + "/worker/")
        page.get_by_role("button", name="Take the lock off").click()
        expect(page.get_by_text("The lock is off")).to_be_visible()

    def test_asks_for_the_password_when_the_sign_in_is_not_fresh(
        self, app: Flask, page: Page, live_server: str, market: Market
    ) -> None:
        market.worker()
        app.config["SECURITY_FRESHNESS"] = timedelta(0)
        enter(page, live_server)

        page.goto(live_server + f"/worker/choose/{market.version_of(1).id}")

        expect(page).to_have_url(re.compile("/sign-in/again"))
        assert standing() == []

    def test_outside_of_open_enrollment_begins_with_a_claim(self, page: Page, live_server: str, market: Market) -> None:
        market.worker()
        enter(page, live_server)
        page.goto(live_server + "/worker/special-enrollment/")
        check(page)
        page.get_by_text("Moved out of the service area").click()
        page.get_by_label("On which day").fill(market.today.isoformat())
        page.get_by_label("Where you live now").select_option("Tacoma, Pierce County")
        page.get_by_label("What shows it").fill("Lease of 12 Pine Street")

        page.get_by_role("button", name="Open my enrollment").click()

        expect(page.get_by_text("Your special enrollment is open.")).to_be_visible()
        expect(page.get_by_text("You may choose because of: Moved out of the service area.")).to_be_visible()


class TestAfterASwitch:
    def test_the_receipt_and_the_statement_say_what_was_carried(
        self, page: Page, live_server: str, market: Market
    ) -> None:
        ada = market.worker()
        market.contribute(ada)
        market.switch(ada, 1)
        enter(page, live_server)

        page.goto(live_server + "/worker/switches/")
        check(page)
        page.get_by_role("link", name="Receipt").click()

        expect(page.get_by_role("heading", name="Receipt of your switch")).to_be_visible()
        expect(page.get_by_text("Valley Mutual, as Paid leave")).to_be_visible()
        expect(page.get_by_text(re.compile(r"^e-\d+$"))).to_be_visible()
        check(page)
        page.goto(live_server + "/worker/statement/")
        expect(page.get_by_role("link", name="Switch from Harbor Drivers Union to Valley Mutual")).to_be_visible()
        expect(page.get_by_text("Contribution of Blue Cab").first).to_be_visible()
        check(page)
        with page.expect_download() as download:
            page.get_by_role("link", name="The whole statement as a CSV file").click()
        assert "Switch from Harbor Drivers Union" in download.value.path().read_text(encoding="utf-8")


class TestLeave:
    def test_is_asked_for_by_the_worker_and_approved_by_the_provider(
        self, app: Flask, page: Page, live_server: str, market: Market
    ) -> None:
        market.contribute(market.worker())
        staff = market.staff(0)
        day = (market.today + timedelta(days=30)).isoformat()
        enter(page, live_server)
        page.goto(live_server + "/worker/leave/")
        check(page)
        page.get_by_label("Hours").fill("300")
        page.get_by_label("First day").fill(day)
        page.get_by_label("Last day").fill(day)
        page.get_by_role("button", name="Ask for it").click()
        expect(page.get_by_role("alert")).to_contain_text("So many hours do not fit into these days.")
        page.get_by_label("Hours").fill("3")
        page.get_by_role("button", name="Ask for it").click()
        expect(page.get_by_text("Asked for. You will hear within 7 days.")).to_be_visible()
        check(page)

        enter_as_staff(app, page, live_server, staff)
        page.goto(live_server + "/provider/leave/")
        check(page)
        page.get_by_role("link", name="Answer Ada Flores").click()
        check(page)
        page.get_by_role("button", name="Approve").click()

        expect(page.get_by_text("Time and cash have left the books together.")).to_be_visible()
        db.session.rollback()
        assert db.session.execute(select(LeaveRequest.state)).scalar_one() is LeaveState.APPROVED
        page.goto(live_server + "/provider/members/")
        expect(page.get_by_role("rowheader", name="Ada Flores")).to_be_visible()
        check(page)


class TestOtherPeoplesPages:
    def test_are_not_there(self, page: Page, live_server: str, market: Market) -> None:
        ben = market.worker("Ben Ortiz")
        market.worker()
        market.switch(ben, 1)
        enter(page, live_server)

        answer = page.goto(live_server + "/worker/switches/1")

        assert answer is not None
        assert answer.status == 404
        assert db.session.execute(select(func.count()).select_from(Login)).scalar_one() > 1
        assert standing() == [ElectionState.CARRIED_OUT.value]
