"""The operator's path through the real pages: the window, a rehearsal, the cutover as time goes on, the settlement."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import pytest
from flask import Flask
from playwright.sync_api import Page, ViewportSize, expect
from sqlalchemy import select

from enrollment import cutover_control, elections, windows
from enrollment.models import BenefitAccount, Switch, SwitchState
from exchange import clock
from exchange.database import db, in_unit_of_work
from exchange.identity.actors import Audience
from exchange.ledger import invariants
from exchange.scheduler import jobs, runner
from tests.support import browser
from tests.support.databases import CONFIG, AppFactory
from tests.support.scheduling import move_to
from tests.support.signing_in import make_login, sign_in
from tests.support.worker_makers import BY, Market

pytestmark = pytest.mark.journey

WIDTHS = [1280, 360]
PAPER: ViewportSize = {"width": 740, "height": 980}  # a letter's, within its margins
HAND = runner.Hand("test")


@pytest.fixture
def market(app: Flask) -> Market:
    """Ada and Ben are with Harbor; she has chosen Valley, he Summit."""
    app.config["PROGRAM_ZONE"] = "America/Los_Angeles"
    made = Market()
    for name, package in (("Ada Flores", 1), ("Ben Ito", 2)):
        account_id = made.worker(name)
        made.contribute(account_id, months=1)
        choose(made, account_id, package)
    return made


@pytest.fixture
def demo(app: Flask, market: Market, create_app: AppFactory) -> Iterator[Flask]:
    """The same database in demo mode, where the clock can be moved; it is the current application."""
    given = {name: app.config[name] for name in ("SQLALCHEMY_DATABASE_URI", "PROGRAM_ZONE")}
    made = create_app({**CONFIG, **given, "DEMO": True})
    made.test_client_class = app.test_client_class
    with made.app_context():
        yield made
        db.session.remove()
        db.engine.dispose()


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


def enter(app: Flask, page: Page, address: str) -> None:
    """Come in as the operator whose second factor is set up already."""
    client = app.test_client()
    sign_in(client, make_login(Audience.OPERATOR, "Opal Reed"))
    cookie = client.get_cookie(app.config["SESSION_COOKIE_NAME"])
    assert cookie is not None
    page.context.add_cookies([{"name": cookie.key, "value": cookie.value, "url": address}])


def check(page: Page) -> None:
    """The page as it is now is accessible and fits."""
    browser.assert_accessible(page)
    browser.assert_fits(page)


def do(name: str) -> None:
    """Do what is due for a job now."""
    job = jobs.called(name)
    for due in job.due(clock.now()):
        runner.perform(job, due, hand=HAND)
    db.session.rollback()


class TestCutover:
    @pytest.mark.parametrize("width", WIDTHS)
    def test_is_rehearsed_followed_and_settled(self, demo: Flask, page: Page, market: Market, width: int) -> None:
        year = market.next_year.id
        closes_at, effective_at = market.window.closes_at, market.window.effective_at
        assert effective_at is not None
        page.set_viewport_size({"width": width, "height": 900})
        with browser.serving(demo) as address:
            enter(demo, page, address)
            page.goto(address + "/operator/")
            check(page)
            page.get_by_role("link", name="Open enrollment").click()
            expect(page.get_by_role("heading", name=f"Open enrollment for {year}")).to_be_visible()
            check(page)
            page.get_by_role("link", name="What its cutover would move").click()
            expect(page.get_by_text("2 of them change provider")).to_be_visible()
            check(page)

            move_to(closes_at + windows.SETTLING)
            do("order-switches")
            page.goto(f"{address}/operator/switches/")
            expect(page.locator("td .pbx-tag", has_text="Ordered")).to_have_count(2)
            check(page)
            page.get_by_role("link", name="Switch 2").click()
            page.get_by_label("Reason").fill("The worker has died; his heirs decide.")
            page.get_by_role("button", name="Give it up").click()
            expect(page.get_by_text("Given up. The worker stays where he is; nothing has moved.")).to_be_visible()
            check(page)

            page.goto(f"{address}/operator/cutover/{year}")
            expect(page.get_by_text("0 of 1")).to_be_visible()
            page.get_by_role("link", name="Keep this page up to date").click()
            move_to(effective_at)
            do("cutover")

            # The page is asked for again by itself.
            expect(page.get_by_text("1 of 1")).to_be_visible(timeout=20_000)
            check(page)
            page.get_by_role("link", name="Its settlement").click()
            expect(page.get_by_text("Sums to zero")).to_be_visible()
            check(page)
            for path in ("windows/", "cutover/", "special-enrollments/", "settlements/", "employers/", "letters"):
                page.goto(f"{address}/operator/{path}")
                check(page)
        states = db.session.execute(select(Switch.state).order_by(Switch.id)).scalars().all()
        assert states == [SwitchState.CARRIED_OUT, SwitchState.ABANDONED]
        assert invariants.broken() == []

    def test_says_on_paper_how_far_it_is_and_when_that_was(self, demo: Flask, page: Page, market: Market) -> None:
        path, effective_at = f"/operator/cutover/{market.next_year.id}", market.window.effective_at
        assert effective_at is not None
        move_to(market.window.closes_at + windows.SETTLING)
        do("order-switches")
        move_to(effective_at)
        page.set_viewport_size(PAPER)
        page.emulate_media(media="print")
        with browser.serving(demo) as address:
            enter(demo, page, address)
            for deed, state in (
                (partial(cutover_control.carry_batch, limit=1), "Being carried out"),
                (partial(cutover_control.pause, reason="a wrong table"), "Paused"),
                (partial(cutover_control.ask_to_roll_back, reason="a wrong table"), "Being rolled back"),
            ):
                decide(market, deed)
                page.goto(f"{address}{path}?follow=1")
                on_paper(page, state, "1 of 2")
            do("roll-back-cutover")
            page.goto(address + path)
            on_paper(page, "Paused", "0 of 2")
            expect(page.locator(".pbx-facts div", has_text="Times rolled back").locator("dd")).to_have_text("1")


def decide(market: Market, deed: Callable[..., object]) -> None:
    """Do something to the cutover now."""
    in_unit_of_work(lambda: deed(cutover_control.held(market.window_id), by=BY, at=clock.now()))
    db.session.rollback()


def on_paper(page: Page, state: str, done: str) -> None:
    """What is read there, and nothing that can only be clicked."""
    expect(page.locator(".of-tags")).to_have_text(state)
    expect(page.get_by_text(done, exact=True)).to_be_visible()
    expect(page.locator(".pbx-facts div").first).to_contain_text("As of")
    expect(page.locator(".pbx-facts div", has_text="Time left")).to_contain_text("1 s" if "out" in state else "–")
    # Browsers leave out backgrounds, unless told otherwise: every bar would be empty.
    assert page.locator("progress").evaluate("one => getComputedStyle(one).printColorAdjust") == "exact"
    expect(page.locator("main a:visible")).to_have_count(0)
    browser.assert_fits(page)
