"""Is a worker's own page, which is kept, never older than his account?"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select, update

from enrollment import accounts, contributions, elections, leave, memberships, own_account, switching
from enrollment.leave import TimeOff
from enrollment.models import BenefitAccount, Employer, EnrollmentWindow, MemberRight, WindowKind, Worker
from exchange import clock, notices
from exchange.database import db, unit_of_work
from exchange.identity import login
from exchange.identity.actors import system_actor
from exchange.identity.organizations import Organization
from exchange.identity.people import Login
from exchange.policy.document import Nature
from tests.support.counting import statements
from tests.support.databases import CONFIG, AppFactory
from tests.support.employer_makers import make_employer, pay, work
from tests.support.signing_in import sign_in
from tests.support.worker_makers import OFFERINGS, Market

BY = system_actor("test")
OWN = re.compile(r'name="csrf_token" value="[^"]+"|\?v=[0-9a-f]+')
SOON = timedelta(seconds=0.6)


@pytest.fixture
def market(app: Flask) -> Market:
    return Market()


@pytest.fixture
def keeping_nothing(app: Flask, create_app: AppFactory) -> Iterator[Flask]:
    """Another process of the same program, which writes each page anew."""
    address = app.config["SQLALCHEMY_DATABASE_URI"]
    other = create_app({**CONFIG, "SQLALCHEMY_DATABASE_URI": address, "KEPT_PAGES_MIB": 0})
    other.test_client_class = app.test_client_class
    yield other
    with other.app_context():
        db.engine.dispose()


def worker(market: Market, name: str = "Ada Flores", *, package: int | None = 0) -> int:
    """A worker's account with something in it."""
    account_id = market.worker(name, package=package)
    market.contribute(account_id, months=1)
    return account_id


def signed_in(app: Flask, account_id: int) -> FlaskClient:
    client = app.test_client()
    sign_in(client, login_id_of(account_id))
    return client


def login_id_of(account_id: int) -> int:
    theirs = select(Worker.login_id).join(BenefitAccount, BenefitAccount.worker_id == Worker.id)
    return int(db.session.execute(theirs.where(BenefitAccount.id == account_id)).scalar_one() or 0)


def page_of(client: FlaskClient, language: str = "en") -> str:
    """The page without what belongs to one browser."""
    return OWN.sub("", client.get("/worker/", headers={"Accept-Language": language}).text)


# --- what may change --------------------------------------------------------------------------------


def account(account_id: int) -> BenefitAccount:
    return db.session.get_one(BenefitAccount, account_id)


def is_reported(market: Market, account_id: int) -> None:
    _report(market, account_id, days_ago=2)


def is_paid_for(market: Market, account_id: int) -> None:
    pay(_report(market, account_id, days_ago=1), at=clock.now())


def _report(market: Market, account_id: int, *, days_ago: int) -> int:
    with unit_of_work():
        day = market.today - timedelta(days=days_ago)
        done = work(account(account_id), first_day=day, last_day=day, place="US-WA/King County/Seattle", minutes=480)
        employer = db.session.get_one(Employer, market.employers[0])
        return contributions.submit([done], employer=employer, source="form", by=BY, at=clock.now()).id


def is_employed_by_another(market: Market, account_id: int) -> None:
    with unit_of_work():
        market.employers.append(make_employer("Night Works", sector="construction").organization_id)
    market.employers.reverse()
    is_paid_for(market, account_id)


def chooses(market: Market, account_id: int) -> None:
    with unit_of_work():
        elections.elect(
            account(account_id),
            window=market.window,
            version=market.version_of(1),
            policy=market.policy,
            by=BY,
            at=clock.now(),
        )


def takes_it_back(market: Market, account_id: int) -> None:
    with unit_of_work():
        year = market.next_year.id
        elections.undo(account(account_id), window=market.window, plan_year=year, by=BY, at=clock.now())


def is_to_switch(market: Market, account_id: int) -> None:
    chooses(market, account_id)
    with unit_of_work():
        switching.order_window(market.window, by=BY, at=market.window.closes_at)


def has_switched(market: Market, _account_id: int) -> None:
    with unit_of_work():
        at = market.window.effective_at
        assert at is not None
        switching.carry_out(switching.due(at), policy=market.policy, by=BY, at=at)


def locks(_market: Market, account_id: int) -> None:
    with unit_of_work():
        accounts.set_switch_lock(account(account_id), locked=True, by=BY, at=clock.now())


def is_told(_market: Market, account_id: int) -> None:
    with unit_of_work():
        notices.notify("The office moves", body="On Monday.", login_id=login_id_of(account_id), by=BY, at=clock.now())


def asks_for_leave(market: Market, account_id: int) -> None:
    with unit_of_work():
        wanted = TimeOff("paid_leave", 60, market.today, market.today)
        leave.ask(account(account_id), wanted, policy=market.policy, by=BY, at=clock.now())


def may_choose_specially(market: Market, account_id: int) -> None:
    with unit_of_work():
        db.session.add(special(market, account_id, opens_in=-SOON, closes_in=timedelta(days=9)))


def is_covered(market: Market, account_id: int) -> None:
    code = next(one.code for one in market.policy.components if one.nature is Nature.POOLED)
    with unit_of_work():
        membership = memberships.current(account_id)
        right = db.session.get(MemberRight, (membership.id, code))
        db.session.merge(
            MemberRight(
                membership_id=membership.id,
                component=code,
                covered_since=market.today - timedelta(days=700 if right is None else 900),
            )
        )


def has_another_name(_market: Market, account_id: int) -> None:
    with unit_of_work():
        db.session.execute(update(Worker).where(Worker.id == account(account_id).worker_id).values(legal_name="A. F."))


def is_paid_by_one_of_another_name(market: Market, _account_id: int) -> None:
    rename(market.employers[0])


def is_with_one_of_another_name(market: Market, _account_id: int) -> None:
    rename(market.provider_of(market.packages[0]))


def rename(organization_id: int) -> None:
    with unit_of_work():
        new = {"name": "Of Another Name", "name_skeleton": "ofanothername"}
        db.session.execute(update(Organization).where(Organization.id == organization_id).values(**new))


def special(market: Market, account_id: int, *, opens_in: timedelta, closes_in: timedelta) -> EnrollmentWindow:
    now = clock.real_now()
    return EnrollmentWindow(
        kind=WindowKind.SPECIAL,
        plan_year=market.year.id,
        opens_at=now + opens_in,
        closes_at=now + closes_in,
        published_at=now,
        benefit_account_id=account_id,
        cause=market.policy.causes[0].code,
        event_on=market.today - (opens_in + closes_in),
    )


# One after the other in the life of one worker.
CHANGES = [
    is_reported, is_paid_for, is_employed_by_another, is_paid_by_one_of_another_name, asks_for_leave, is_told,
    is_covered, has_another_name, is_with_one_of_another_name, may_choose_specially, chooses, takes_it_back,
    is_to_switch, has_switched, locks,
]  # fmt: skip


class TestOwnPage:
    def test_costs_one_question_and_is_the_same(self, market: Market, app: Flask) -> None:
        client = signed_in(app, worker(market))
        first = page_of(client)

        with statements() as told:
            again = page_of(client)

        assert len(told) == 1
        assert again == first

    def test_is_written_from_that_one_question_however_much_there_is(self, market: Market, app: Flask) -> None:
        """What is not in the question is not on the page: so nothing on it can be older than the question."""
        counts = []
        for place, name in enumerate(("Ada Flores", "Bo Chen", "Cy Diaz")):
            account_id = worker(market, name)
            for change in (is_covered, is_told, asks_for_leave, chooses)[: place * 2]:
                change(market, account_id)
            client = signed_in(app, account_id)
            with statements() as told:
                page_of(client)
            counts.append(len(told))

        assert counts[0] <= 6, "who he is and his account; what is remembered of the market, read once"
        assert counts[1:] == [1, 1]

    def test_is_at_once_what_it_would_be_if_nothing_were_kept(
        self, market: Market, app: Flask, keeping_nothing: Flask
    ) -> None:
        ada = worker(market)
        client, anew = signed_in(app, ada), signed_in(keeping_nothing, ada)
        before, unseen, older = page_of(client), [], []
        for change in CHANGES:
            assert page_of(client) == before
            change(market, ada)
            if (after := page_of(client)) == before:
                unseen.append(change.__name__)
            if after != page_of(anew):
                older.append(change.__name__)
            before = after

        assert (unseen, older) == ([], [])

    def test_tells_of_a_window_from_its_opening_until_its_close(self, market: Market, app: Flask) -> None:
        ada = worker(market)
        client = signed_in(app, ada)
        with unit_of_work():
            db.session.add(special(market, ada, opens_in=SOON, closes_in=2 * SOON))
        name = market.policy.causes[0].written
        seen, end = [name in page_of(client)], time.monotonic() + 5
        while seen[-1] or len(seen) < 3:
            assert time.monotonic() < end, seen
            time.sleep(0.02)
            if (now := name in page_of(client)) != seen[-1]:
                seen.append(now)

        assert seen == [False, True, False]

    def test_is_in_the_language_of_the_reader(self, market: Market, app: Flask) -> None:
        client = signed_in(app, worker(market))

        pages = [page_of(client, language) for language in ("en", "es", "en")]

        assert ['<html lang="es"' in page for page in pages] == [False, True, False]
        assert pages[0] == pages[2] != pages[1]

    def test_is_nobody_else_s(self, market: Market, app: Flask) -> None:
        pages = [page_of(signed_in(app, worker(market, name))) for name in ("Ada Flores", "Bo Chen")]

        assert ["Bo Chen" in page for page in pages] == [False, True]
        assert ["Ada Flores" in page for page in pages] == [True, False]

    def test_leaves_no_copy_in_the_browser(self, market: Market, app: Flask) -> None:
        client = signed_in(app, worker(market))

        answers = [client.get("/worker/") for _ in range(2)]

        assert [answer.headers["Cache-Control"] for answer in answers] == ["no-store", "no-store"]
        assert ["ETag" in answer.headers for answer in answers] == [False, False]

    def test_has_forms_that_work(self, market: Market, app: Flask) -> None:
        ada = worker(market)
        client = signed_in(app, ada)
        client.get("/worker/")
        token = re.findall(r'name="csrf_token" value="([^"]+)"', client.get("/worker/").text)[-1]

        assert client.post("/worker/lock", data={"csrf_token": token, "lock": "on"}).status_code == 303
        assert "Locked." in client.get("/worker/").text

    def test_is_shown_to_nobody_whose_session_was_ended(self, market: Market, app: Flask) -> None:
        client = signed_in(app, worker(market))
        assert client.get("/worker/").status_code == 200

        with unit_of_work():
            login.end_sessions(db.session.execute(select(Login).where(Login.name == "Ada Flores")).scalar_one())

        assert client.get("/worker/").headers["Location"].startswith("/sign-in")

    def test_says_who_holds_what_for_whom_has_chosen_nobody(self, market: Market, app: Flask) -> None:
        page = page_of(signed_in(app, worker(market, package=None)))

        assert "You have chosen nobody yet" in page
        assert "held for you by the exchange" in page
        assert OFFERINGS[0].provider not in page


class TestOwnAccount:
    def test_is_asked_for_without_a_session_too(self, market: Market, app: Flask) -> None:
        ada = worker(market)

        with app.test_request_context():
            found = own_account.of_login(login_id_of(ada))

        assert found is not None
        lines = [(one.component, one.unit, one.amount) for one in found.balances]
        assert lines == [(one.component, one.unit, one.amount) for one in accounts.balances_of(ada) if one.amount]

    def test_is_none_of_a_login_that_is_no_worker_s(self, market: Market, app: Flask) -> None:
        with app.test_request_context():
            assert own_account.of_login(market.staff(0)) is None

    @pytest.mark.parametrize("engine_name", ["sqlite"])
    def test_is_read_from_the_worker_s_own_rows(self, market: Market, app: Flask) -> None:
        """By the state of a request it would be read from those of all who wait for an answer."""
        login_id = login_id_of(worker(market))
        with app.test_request_context(), statements() as told:
            own_account.of_login(login_id)

        words = told[0]
        plan = str(
            db.session.connection().exec_driver_sql(f"EXPLAIN QUERY PLAN {words}", (None,) * words.count("?")).all()
        )

        assert "ix_leave_request_benefit_account_id" in plan
        assert "ix_leave_request_state" not in plan
