"""Does the operator see windows, choices, cutover and switches, and can he give a switch up?"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from enrollment import cutover, elections, special, switching
from enrollment.models import BenefitAccount, Employer, EnrollmentWindow, Switch, SwitchState, WindowKind
from exchange import clock
from exchange.audit import AuditEvent
from exchange.database import db, in_unit_of_work
from exchange.identity.actors import Audience
from exchange.identity.organizations import Organization
from exchange.identity.people import Login
from exchange.scheduler import runner
from exchange.scheduler.records import RunState
from exchange.scheduler.runner import NothingDue
from tests.conftest import Cli
from tests.support.databases import CONFIG, AppFactory
from tests.support.scheduling import move_to
from tests.support.signing_in import make_login, post, sign_in
from tests.support.worker_makers import BY, Market


@pytest.fixture
def market(app: Flask) -> Market:
    app.config["PROGRAM_ZONE"] = "America/Los_Angeles"
    made = Market()
    made.contribute(made.worker())
    return made


@pytest.fixture
def operator(market: Market, client: FlaskClient) -> FlaskClient:
    sign_in(client, make_login(Audience.OPERATOR, "Opal Reed"))
    return client


@pytest.fixture
def later(app: Flask, market: Market, create_app: AppFactory) -> Iterator[FlaskClient]:
    """The operator of the same database in demo mode, where the clock can be moved (``move_to``)."""
    given = {name: app.config[name] for name in ("SQLALCHEMY_DATABASE_URI", "PROGRAM_ZONE")}
    made = create_app({**CONFIG, **given, "DEMO": True})
    made.test_client_class = app.test_client_class
    with made.app_context():
        client = made.test_client()
        sign_in(client, make_login(Audience.OPERATOR, "Opal Reed"))
        yield client
        db.session.remove()
        db.engine.dispose()


def choose(market: Market, package: int) -> None:
    in_unit_of_work(
        lambda: elections.elect(
            db.session.get_one(BenefitAccount, 1),
            window=market.window,
            version=market.version_of(package),
            policy=market.policy,
            by=BY,
            at=clock.now(),
        )
    )


def order(market: Market) -> None:
    closes_at = market.window.closes_at
    in_unit_of_work(lambda: switching.order_window(market.window, by=BY, at=closes_at))


def number_of(account_id: int) -> str:
    return db.session.get_one(BenefitAccount, account_id).number


def switch() -> Switch:
    db.session.expire_all()
    return db.session.execute(select(Switch)).scalar_one()


class TestWindows:
    def test_shows_the_published_instants_twice_and_what_the_policy_says(
        self, operator: FlaskClient, market: Market
    ) -> None:
        page = operator.get("/operator/windows/").text

        assert market.window.closes_at.isoformat(sep=" ").replace("+00:00", " UTC") in page
        assert "In America/Los_Angeles" in page
        assert "Open" in page
        assert "The published ones hold" not in page

    def test_says_when_the_policy_would_set_others(self, operator: FlaskClient, market: Market) -> None:
        window = EnrollmentWindow(
            kind=WindowKind.OPEN,
            plan_year=str(int(market.next_year.id) + 1),
            opens_at=clock.now() + timedelta(days=400),
            closes_at=clock.now() + timedelta(days=430),
            effective_at=clock.now() + timedelta(days=460),
            published_at=clock.now(),
        )
        in_unit_of_work(lambda: db.session.add(window))

        page = operator.get("/operator/windows/").text

        assert "Today’s policy would set other instants. The published ones hold." in page
        assert "Opens later" in page

    def test_counts_choices_by_day(self, operator: FlaskClient, market: Market) -> None:
        choose(market, 1)
        choose(market, 2)

        page = operator.get(f"/operator/windows/{market.next_year.id}").text

        assert "Choices made each day" in page
        assert "Replaced by a later choice" in page
        assert operator.get("/operator/windows/1999").status_code == 404


class TestOverview:
    def test_says_what_runs_and_waits(self, operator: FlaskClient, market: Market) -> None:
        page = operator.get("/operator/").text

        assert f"{market.next_year.id}: Open." in page
        assert "No cutover is due." in page
        assert "letter" in page

    def test_counts_what_is_carried_out(self, later: FlaskClient, market: Market) -> None:
        choose(market, 1)
        order(market)
        move_to(market.window.closes_at)

        assert "Workers carried out: 0 of 1." in later.get("/operator/").text


class TestCutover:
    def test_shows_how_far_it_is(self, operator: FlaskClient, market: Market) -> None:
        choose(market, 1)
        address = f"/operator/cutover/{market.next_year.id}"
        assert "The choices have not become switch orders yet" in operator.get(address).text
        order(market)

        page = operator.get(address)

        assert "0 of 1" in page.text
        assert "Refresh" not in page.headers

    def test_is_followed_only_when_asked_for_and_while_it_runs(self, later: FlaskClient, market: Market) -> None:
        address = f"/operator/cutover/{market.next_year.id}"
        assert "Refresh" not in later.get(f"{address}?follow=1").headers, "the window is open"
        move_to(market.window.closes_at)

        assert "Refresh" not in later.get(address).headers
        assert later.get(f"{address}?follow=1").headers["Refresh"] == "5"

    def test_is_rehearsed_without_moving_anything(self, operator: FlaskClient, market: Market) -> None:
        choose(market, 1)

        page = operator.get(f"/operator/cutover/{market.next_year.id}/rehearsal").text

        assert "What the cutover into" in page
        assert "Paid leave" in page
        assert "Harbor Drivers Union" in page
        assert db.session.execute(select(Switch)).first() is None

    def test_is_rehearsed_by_name_on_the_page_in_the_file_and_in_the_terminal(
        self, operator: FlaskClient, market: Market, cli: Cli
    ) -> None:
        market.contribute(market.worker("Ben Ito", package=3))
        choose(market, 1)
        year = market.next_year.id
        page = operator.get(f"/operator/cutover/{year}/rehearsal").text.partition("What would stand where")[2]
        file = operator.get(f"/operator/cutover/{year}/rehearsal.csv").text
        told = cli("cutover", "rehearse", year).output

        def places(text: str, *names: str) -> list[int]:
            return [text.index(name) for name in names]

        assert places(page, "Harbor", "Valley") == sorted(places(page, "Harbor", "Valley"))
        for text in (file, told):
            by_name = places(text, "Civic Benefits", "Harbor", "Valley")
            assert by_name == sorted(by_name)
        assert "Harbor Drivers Union, Paid leave: $" in told
        assert "paid_leave" not in told

    def test_leads_to_its_settlement_which_sums_to_zero(self, operator: FlaskClient, market: Market) -> None:
        market.switch(1, 1)
        effective_at = market.window.effective_at
        assert effective_at is not None
        in_unit_of_work(lambda: cutover.finish(market.window, by=BY, at=effective_at))

        assert "Its settlement" in operator.get(f"/operator/cutover/{market.next_year.id}").text
        listed = operator.get("/operator/settlements/").text
        batch = operator.get("/operator/settlements/1").text

        assert f"Cutover into {market.next_year.id}" in listed
        assert "Sums to zero" in batch
        assert "Valley Mutual receives" in batch
        assert operator.get("/operator/settlements/99").status_code == 404


class TestSwitches:
    @pytest.fixture(autouse=True)
    def ordered(self, market: Market) -> None:
        choose(market, 1)
        order(market)

    def test_are_listed_with_masked_numbers_and_no_names(self, operator: FlaskClient) -> None:
        page = operator.get("/operator/switches/").text

        assert number_of(1) not in page
        assert f"••••{number_of(1)[-4:]}" in page
        assert "Ada" not in page

    def test_are_found_by_a_whole_number_only(self, operator: FlaskClient) -> None:
        def shown(query: str) -> str:
            return operator.get(f"/operator/switches/?{query}").text

        assert "Switch 1" in shown(f"number={number_of(1).lower()}")
        assert "Switch 1" not in shown("number=PB")
        assert "No switch is like that" in shown("state=carried_out")
        assert "Switch 1" in shown("state=nonsense&cause=nonsense")

    def test_are_given_up_with_a_reason(self, operator: FlaskClient) -> None:
        assert post(operator, "/operator/switches/1").status_code == 422
        assert switch().state is SwitchState.ORDERED

        assert post(operator, "/operator/switches/1", {"reason": "Ordered by mistake."}).status_code == 303

        assert (switch().state, switch().reason) == (SwitchState.ABANDONED, "Ordered by mistake.")
        events = select(AuditEvent.actor_name, AuditEvent.reason).where(AuditEvent.action == "switch.abandoned")
        assert db.session.execute(events).all() == [("Opal Reed", "Ordered by mistake.")]

    def test_are_not_given_up_once_they_are_carried_out(self, operator: FlaskClient, market: Market) -> None:
        effective_at = market.window.effective_at
        assert effective_at is not None
        in_unit_of_work(
            lambda: switching.carry_out(switching.due(effective_at), policy=market.policy, by=BY, at=effective_at)
        )

        answer = post(operator, "/operator/switches/1", {"reason": "Too late."})

        assert answer.status_code == 422
        assert "This switch was carried out." in answer.text
        assert switch().state is SwitchState.CARRIED_OUT
        assert operator.get("/operator/switches/99").status_code == 404


def run_job(name: str) -> None:
    for ran in runner.run_by_hand(name, by=BY):
        assert (ran.state, ran.broken) == (RunState.DONE, ()), ran.text


def by_two(client: FlaskClient, address: str, reason: str) -> None:
    """Propose it, and have a colleague agree."""
    assert post(client, address, {"reason": reason}).status_code == 303
    cutover_page = address.rpartition("/")[0]
    (proposed,) = re.findall(r"/proposals/[0-9]+", client.get(cutover_page).text)
    sign_in(client, make_login(Audience.OPERATOR, "Otis Pine"))
    assert post(client, f"{cutover_page}{proposed}/agree").status_code == 303


class TestDecisionsAboutACutover:
    @pytest.fixture
    def address(self, later: FlaskClient, market: Market) -> str:
        choose(market, 2)
        order(market)
        assert market.window.effective_at is not None
        move_to(market.window.effective_at)
        return f"/operator/cutover/{market.next_year.id}"

    def test_pause_it_and_let_it_go_on(self, later: FlaskClient, address: str) -> None:
        assert post(later, f"{address}/pause", {"reason": ""}).status_code == 422
        assert post(later, f"{address}/pause", {"reason": "a wrong table"}).status_code == 303
        assert "Paused" in later.get(address).text
        assert "Roll it back" not in later.get(address).text  # nothing has moved
        with pytest.raises(NothingDue):
            run_job("cutover")
        assert switch().state is SwitchState.ORDERED

        assert post(later, f"{address}/resume", {"reason": "mended"}).status_code == 303
        run_job("cutover")

        assert switch().state is SwitchState.CARRIED_OUT
        reasons = select(AuditEvent.reason).where(AuditEvent.action.startswith("cutover.")).order_by(AuditEvent.id)
        assert db.session.execute(reasons).scalars().all() == ["a wrong table", "mended"]

    def test_roll_it_back_carry_it_out_again_and_confirm_it(self, later: FlaskClient, address: str) -> None:
        assert "Nothing gained, nothing lost" in later.get(f"{address}/rehearsal").text
        assert "retirement" in later.get(f"{address}/rehearsal.csv").text
        run_job("cutover")
        assert "Roll it back" in later.get(address).text

        by_two(later, f"{address}/roll-back", "a wrong table")
        run_job("roll-back-cutover")
        assert switch().state is SwitchState.ORDERED
        post(later, f"{address}/resume", {"reason": "mended"})
        run_job("cutover")
        assert switch().state is SwitchState.CARRIED_OUT
        by_two(later, f"{address}/confirm", "it is right")

        refused = post(later, f"{address}/roll-back", {"reason": "too late"})
        assert refused.status_code in {409, 422}
        assert "This cutover was confirmed" in refused.text
        assert switch().state is SwitchState.CARRIED_OUT
        assert later.get(f"{address}/sell").status_code == 404

    def test_that_cannot_be_taken_back_wait_for_a_second_operator(self, later: FlaskClient, address: str) -> None:
        run_job("cutover")
        assert "It takes two" in later.get(f"{address}/confirm").text
        post(later, f"{address}/confirm", {"reason": "it <is> right"})
        page = later.get(address).text
        assert "it &lt;is&gt; right" in page
        assert "Roll it back" not in page  # one thing at a time
        (proposed,) = re.findall(r"/proposals/[0-9]+", page)

        assert "another operator has to agree" in later.get(f"{address}{proposed}").text
        assert post(later, f"{address}{proposed}/agree").status_code == 403
        sign_in(later, make_login(Audience.OPERATOR, "Otis Pine"))
        assert post(later, f"{address}{proposed}", {"reason": ""}).status_code == 422
        assert post(later, f"{address}{proposed}", {"reason": "not yet"}).status_code == 303

        assert post(later, f"{address}{proposed}/agree").status_code == 409
        assert "Otis Pine" in later.get(f"{address}{proposed}").text
        page = later.get(address).text
        assert ("not yet" in page, "Roll it back" in page) == (True, True)
        assert later.get(f"{address}/proposals/99").status_code == 404
        assert later.get(f"/operator/cutover/1999{proposed}").status_code == 404

    def test_stand_on_its_page_with_who_took_them_and_why(self, later: FlaskClient, address: str) -> None:
        def said() -> str:
            return " ".join(later.get(address).text.split())

        assert "What was decided about it" not in said()
        post(later, f"{address}/pause", {"reason": "a <wrong> table"})
        assert "a &lt;wrong&gt; table" in said()
        assert "1 worker<" in said()
        post(later, f"{address}/resume", {"reason": "mended"})
        run_job("cutover")
        table = said().partition("What was decided about it")[2]
        assert table.index("mended") < table.index("a &lt;wrong&gt; table")
        assert table.count("Opal Reed") == 2

    def test_are_led_to_by_words_for_what_comes_next(self, later: FlaskClient, address: str, cli: Cli) -> None:
        def said() -> str:
            return later.get(address).text

        assert "it goes on batch by batch" in said()
        post(later, f"{address}/pause", {"reason": "a wrong table"})
        assert "It waits until you let it go on" in said()
        post(later, f"{address}/resume", {"reason": "mended"})
        run_job("cutover")
        assert "Then confirm it, or have it rolled back" in said()
        by_two(later, f"{address}/roll-back", "a wrong table")
        assert "is taken back batch by batch" in said()
        run_job("roll-back-cutover")
        assert "It was rolled back" in said()
        assert "times rolled back: 1" in cli("cutover", "status", address.rpartition("/")[2]).output
        post(later, f"{address}/resume", {"reason": "mended"})
        run_job("cutover")
        by_two(later, f"{address}/confirm", "it is right")
        assert "It is confirmed and over" in said()

    def test_are_taken_on_the_command_line_too(self, later: FlaskClient, address: str, cli: Cli) -> None:
        year = address.rpartition("/")[2]

        assert "Paused" in cli("cutover", "pause", year, "--reason", "a wrong table").output
        page = later.get(address).text
        assert ("On the command line" in page, "command:cutover" in page) == (True, False)
        assert "0 of 1 workers carried out" in cli("cutover", "status", year).output
        tried = cli("cutover", "rehearse", year, "--try")
        assert "tried: 1 workers carried out and rolled back, every balance kept: yes" in tried.output
        assert switch().state is SwitchState.ORDERED
        again = cli("cutover", "pause", year, "--reason", "x")
        assert (again.exit_code, "paused already" in again.output) == (1, True)
        assert cli("cutover", "status", "1999").exit_code == 1


class TestSpecialEnrollments:
    def test_are_counted_by_cause_and_found_by_number(self, operator: FlaskClient, market: Market) -> None:
        newcomer = market.worker("Ben Ito", package=None)
        market.contribute(newcomer, months=1)
        in_unit_of_work(lambda: special.open_for_first_contributions(policy=market.policy, by=BY, at=clock.now()))

        page = operator.get("/operator/special-enrollments/").text
        found = operator.get(f"/operator/special-enrollments/?number={number_of(newcomer)}").text
        other = operator.get(f"/operator/special-enrollments/?number={number_of(1)}&cause=first_contribution").text

        assert "First contribution received" in page
        assert f"••••{number_of(newcomer)[-4:]}" in found
        assert "None is like that" in other
        assert "An account number has PB" in operator.get("/operator/special-enrollments/?number=7").text


CEDAR = {
    "name": "Cedar Cleaning",
    "kind": "firm",
    "sector": "cleaning",
    "ein": "12-3456789",
    "person": "Kim Boss",
    "email": "kim@cedar.example",
}


class TestEmployers:
    def test_are_entered_with_somebody_who_acts_for_them(self, operator: FlaskClient) -> None:
        assert post(operator, "/operator/employers/", CEDAR).status_code == 303

        made = db.session.execute(select(Organization).where(Organization.name == "Cedar Cleaning")).scalar_one()
        staff = db.session.execute(select(Login).where(Login.organization_id == made.id)).scalar_one()
        assert db.session.get_one(Employer, made.id).sector == "cleaning"
        assert (staff.email, staff.audience, made.ein) == ("kim@cedar.example", Audience.EMPLOYER, "123456789")
        assert "Cedar Cleaning" in operator.get("/operator/employers/?q=cedar").text

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("name", ""),
            ("name", "B1ue Cab"),
            ("email", "ada.flores@example.org"),
            ("email", "kim"),
            ("ein", "12-34"),
            ("sector", "piracy"),
            ("kind", "bank"),
        ],
    )
    def test_are_refused_whole_or_not_at_all(self, operator: FlaskClient, field: str, value: str) -> None:
        before = db.session.execute(select(Organization.id)).scalars().all()

        answer = post(operator, "/operator/employers/", {**CEDAR, field: value})

        assert answer.status_code == 422
        assert db.session.execute(select(Organization.id)).scalars().all() == before
