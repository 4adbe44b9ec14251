"""A worker's browser checks his balances: quietly at sign-in, step by step, and when something is wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from playwright.sync_api import Page, Route, expect

from enrollment.pages import check_words
from exchange.ledger import notes, seals
from exchange.ledger.seals import Head
from tests.support import browser
from tests.support.witnessing import Checked, run_verifier
from tests.support.worker_makers import PASSWORD

pytestmark = pytest.mark.journey

Change = Callable[[Any], object]


@pytest.fixture
def checked(app: Flask, tmp_path: Path, client: FlaskClient) -> Checked:
    """See ``Checked``."""
    return Checked(app, tmp_path, client)


def enter(page: Page, address: str) -> None:
    """Sign in by the form."""
    page.goto(address + "/sign-in")
    page.get_by_label("E-mail address").fill("ada.flores@example.org")
    page.get_by_label("Password").fill(PASSWORD)
    page.locator("main").get_by_role("button", name="Sign in").click()


def steps_of(page: Page) -> dict[str, str | None]:
    """What the page says about each step."""
    return {one.name: page.locator(f"#step-{one.name}").get_attribute("data-status") for one in check_words.CHECKS}


def falsify(page: Page, change: Change, address: str = "**/worker/check/data") -> None:
    """Whatever answers there from now on is changed on its way to the browser."""

    def answer(route: Route) -> None:
        found = json.loads(route.fetch().text())
        change(found)
        route.fulfill(json=found)

    page.route(address, answer)


def show(body: str, route: Route) -> None:
    """Answer with this."""
    route.fulfill(body=body)


class TestSigningIn:
    def test_has_the_browser_check_quietly_and_shows_every_step_on_request(
        self, page: Page, live_server: str, checked: Checked
    ) -> None:
        enter(page, live_server)

        expect(page.get_by_text("Checked by your browser")).to_be_visible()
        assert page.get_by_role("alert").count() == 0
        browser.assert_accessible(page)
        browser.assert_fits(page)
        page.get_by_role("link", name="How it was checked").click()
        expect(page.get_by_role("heading", name="Your balances are counted")).to_be_visible()
        assert steps_of(page) == {one.name: "ok" for one in check_words.CHECKS}
        amount = page.locator("#step-balance")
        expect(amount.get_by_role("columnheader", name="In the statement")).to_be_visible()
        expect(amount.get_by_role("row", name="Retirement")).to_contain_text("agrees")
        expect(page.locator("#step-witness")).to_contain_text("regulator.example+")
        for step in page.locator(".wk-steps summary").all():
            step.click()
        page.set_viewport_size({"width": 360, "height": 800})
        browser.assert_fits(page)
        browser.assert_accessible(page)

    @pytest.mark.parametrize("engine_name", ["sqlite"])
    def test_checks_once_and_remembers_for_that_visit(self, page: Page, live_server: str, checked: Checked) -> None:
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        enter(page, live_server)
        expect(page.get_by_text("Checked by your browser")).to_be_visible()
        once = len([one for one in asked if one.endswith("/worker/check/data")])
        page.reload()
        expect(page.get_by_text("Checked by your browser")).to_be_visible()

        assert once == len([one for one in asked if one.endswith("/worker/check/data")]) == 1
        kept = page.evaluate("() => JSON.stringify({...localStorage})")
        assert "exchange.example/journal" in kept
        assert "PB-" not in kept
        assert "Ada" not in kept


class TestTampering:
    @pytest.mark.parametrize("engine_name", ["sqlite"])
    def test_with_a_balance_raises_an_alarm_that_says_what_failed_and_what_to_do(
        self, page: Page, live_server: str, checked: Checked
    ) -> None:
        falsify(page, lambda found: found["proofs"][0]["opening"].update(balance="1"))

        enter(page, live_server)

        alarm = page.get_by_role("alert")
        expect(alarm).to_contain_text("The amount")
        expect(alarm).to_contain_text("The way to the total")
        expect(alarm).to_contain_text("Tell the regulator")
        browser.assert_accessible(page)
        alarm.get_by_role("link", name="Every step, with the figures").click()
        expect(page.get_by_role("heading", name="A check of your balances did not hold")).to_be_visible()
        failed = {name for name, status in steps_of(page).items() if status == "failed"}
        assert failed == {"balance", "path"}
        expect(page.locator("#step-balance")).to_contain_text("The statement says another amount than your account.")

    @pytest.mark.parametrize("engine_name", ["sqlite"])
    def test_of_each_kind_fails_its_own_step(self, page: Page, live_server: str, checked: Checked) -> None:
        enter(page, live_server)
        expect(page.get_by_text("Checked by your browser")).to_be_visible()
        for failing, change in TAMPERINGS.items():
            falsify(page, change)
            page.goto(live_server + "/worker/check/")
            expect(page.get_by_role("heading", name="A check of your balances did not hold")).to_be_visible()
            found = {name for name, status in steps_of(page).items() if status == "failed"}
            assert found == set(failing.split()), failing
            page.unroute("**/worker/check/data")

    @pytest.mark.parametrize("engine_name", ["sqlite"])
    def test_with_the_journal_shows_as_a_fork_and_is_not_forgotten(
        self, page: Page, live_server: str, checked: Checked
    ) -> None:
        enter(page, live_server)
        expect(page.get_by_text("Checked by your browser")).to_be_visible()
        newest = seals.latest()
        assert newest is not None
        for size in (newest.size, newest.size - 1, newest.size + 1):
            head = Head(size, bytes(32)).text(checked.ring.journal_name)
            forked = notes.sign(head, checked.ring.journal_keys())
            page.route("**/.well-known/pbx/checkpoint", partial(show, forked))
            page.goto(live_server + "/worker/check/")
            expect(page.get_by_role("heading", name="A check of your balances did not hold")).to_be_visible()
            assert steps_of(page)["memory"] == "failed"
            page.unroute("**/.well-known/pbx/checkpoint")

        page.goto(live_server + "/worker/check/")
        expect(page.get_by_role("heading", name="Your balances are counted")).to_be_visible()

    @pytest.mark.parametrize("engine_name", ["sqlite"])
    def test_with_what_others_are_shown_is_noticed(self, page: Page, live_server: str, checked: Checked) -> None:
        enter(page, live_server)

        def another(route: Route) -> None:
            text, _ = notes.parts(route.fetch().text())
            route.fulfill(body=notes.sign(text.replace("count ", "count 1"), checked.ring.journal_keys()))

        page.route("**/.well-known/pbx/statements/*", another)
        page.goto(live_server + "/worker/check/")

        expect(page.locator("#step-regulator")).to_contain_text("Others are shown another version")


def other_identity(found: Any) -> None:
    """The account says another name than the statement."""
    found["account"]["legal_name"] = "Ada Florez"


def left_out(found: Any) -> None:
    """One proof is kept back."""
    found["proofs"].pop()


def without_seal(found: Any) -> None:
    """The path in the journal leads elsewhere."""
    for proof in found["proofs"]:
        proof["seal"]["path"][0] = "0" * 64


def other_key(found: Any) -> None:
    """A key has another id than its name and content give."""
    name, key_id, content = found["keys"][-1].split("+", 2)
    found["keys"][-1] = f"{name}+{int(key_id, 16) ^ 1:08x}+{content}"


def unsigned(found: Any) -> None:
    """A signature is of another text."""
    found["proofs"][0]["statement"] = found["proofs"][0]["statement"].replace("\nasof 2", "\nasof 3")


TAMPERINGS: dict[str, Change] = {
    "leaf": other_identity,
    "balance": left_out,
    "journal": without_seal,
    "keys witness signatures memory regulator": other_key,
    "signatures journal balance path memory regulator": unsigned,
}
"""The steps that fail, and what was done."""


OLD_BROWSER = """
const own = SubtleCrypto.prototype.importKey;
SubtleCrypto.prototype.importKey = function (form, key, kind, ...rest) {
  if (kind === "Ed25519") return Promise.reject(new DOMException("no", "NotSupportedError"));
  return own.call(this, form, key, kind, ...rest);
};
"""


class TestNotChecked:
    @pytest.mark.parametrize("engine_name", ["sqlite"])
    def test_is_said_of_what_a_browser_without_ed25519_cannot_tell(
        self, page: Page, live_server: str, checked: Checked
    ) -> None:
        page.add_init_script(OLD_BROWSER)
        enter(page, live_server)
        expect(page.get_by_text("Your browser could not check everything")).to_be_visible()

        page.goto(live_server + "/worker/check/")

        expect(page.get_by_role("heading", name="Not everything could be checked")).to_be_visible()
        found = steps_of(page)
        assert {name for name, status in found.items() if status == "not_checked"} == {
            "signatures", "witness", "memory", "regulator",
        }  # fmt: skip
        assert "failed" not in found.values()
        assert page.evaluate("() => localStorage.length") == 0

    @pytest.mark.parametrize("engine_name", ["sqlite"])
    def test_is_said_of_what_the_regulator_has_not_signed_yet(
        self, page: Page, live_server: str, checked: Checked
    ) -> None:
        checked.state()
        enter(page, live_server)

        page.goto(live_server + "/worker/check/")

        expect(page.get_by_role("heading", name="Not everything could be checked")).to_be_visible()
        found = steps_of(page)
        assert {name for name, status in found.items() if status != "ok"} == {"witness", "regulator"}
        checked.regulator.look()
        page.reload()
        expect(page.get_by_role("heading", name="Your balances are counted")).to_be_visible()


class TestFile:
    @pytest.mark.parametrize("engine_name", ["sqlite"])
    def test_is_taken_home_and_holds_there_and_not_with_a_byte_changed(
        self, page: Page, live_server: str, checked: Checked, tmp_path: Path
    ) -> None:
        enter(page, live_server)
        page.goto(live_server + "/worker/check/")
        with page.expect_download() as download:
            page.get_by_role("link", name="Proof").first.click()
        proof = download.value
        assert proof.suggested_filename.startswith(f"proof-{checked.market.today}-org-")
        content = proof.path().read_bytes()

        told = run_verifier(tmp_path / "proof.json", content)
        spoiled = run_verifier(tmp_path / "proof.json", content.replace(b'"balance": ', b'"balance": 1', 1))

        assert (told.returncode, told.stdout.splitlines()[-1]) == (0, "ALL OF IT HOLDS")
        assert "Ada Flores" in told.stdout
        assert (spoiled.returncode, spoiled.stdout.splitlines()[-1]) == (1, "IT DOES NOT HOLD")

    @pytest.mark.parametrize("engine_name", ["sqlite"])
    def test_is_offered_where_scripts_are_off(self, page: Page, live_server: str, checked: Checked) -> None:
        page.route("**/*.js*", lambda route: route.abort())
        enter(page, live_server)
        expect(page.get_by_text("You need not take our word for these figures.")).to_be_visible()

        page.get_by_role("link", name="Check my balances").last.click()

        expect(page.get_by_text("Your browser does not run the check by itself.")).to_be_visible()
        expect(page.get_by_text("python verify.py FILE")).to_be_visible()
        assert page.get_by_role("link", name="Proof").count() > 3
