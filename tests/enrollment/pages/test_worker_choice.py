"""Does a worker see what he may choose, beside what he has, as it is at this moment?"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from enrollment import accounts
from enrollment.models import BenefitAccount, EnrollmentWindow, Membership, WindowKind, Worker
from exchange import clock
from exchange.database import db, unit_of_work
from exchange.identity import login
from exchange.identity.actors import Audience, system_actor
from exchange.identity.people import Login
from providers.models import Provider
from tests.support.counting import statements
from tests.support.market_makers import more_packages
from tests.support.signing_in import make_login, sign_in
from tests.support.worker_makers import OFFERINGS, Market

BY = system_actor("test")
NAMES = [one.package for one in OFFERINGS]
HEADING = re.compile(r'<th scope="col"[^>]*>.*?<a href="/packages/[0-9]+">([^<]+)</a>', re.DOTALL)
OFFER = re.compile(r'<h3><a href="/packages/[0-9]+">([^<]+)</a></h3>')


@pytest.fixture
def market(app: Flask) -> Market:
    return Market()


def worker(app: Flask, market: Market, name: str = "Ada Flores", *, package: int | None = 0) -> FlaskClient:
    """A worker's browser; he is with a package of ``OFFERINGS``."""
    account_id = market.worker(name, package=package)
    client = app.test_client()
    sign_in(client, login_id_of(account_id))
    return client


def login_id_of(account_id: int) -> int:
    found = db.session.execute(
        select(Worker.login_id)
        .join(BenefitAccount, BenefitAccount.worker_id == Worker.id)
        .where(BenefitAccount.id == account_id)
    ).scalar_one()
    assert found is not None
    return found


def comparing(market: Market, *places: int) -> str:
    """The address at which packages of ``OFFERINGS`` stand side by side."""
    asked = "".join(f"&package={market.version_of(place).id}" for place in places)
    return f"/worker/choose/compare?window={market.window_id}{asked}"


def account_of_ada() -> BenefitAccount:
    return db.session.execute(select(BenefitAccount)).scalars().one()


def _lock(_market: Market) -> None:
    accounts.set_switch_lock(account_of_ada(), locked=True, by=BY, at=clock.now())


def _move_to_valley(market: Market) -> None:
    db.session.execute(
        select(Membership).where(Membership.ends_at.is_(None))
    ).scalar_one().package_id = market.packages[1]


def _order(market: Market) -> None:
    market.window.ordered_at = clock.now()


def _off_the_shelf(market: Market) -> None:
    db.session.get_one(Provider, market.provider_of(market.packages[1])).takes_new_members = False


class TestCompare:
    def test_puts_what_he_has_first_and_the_others_in_the_order_asked(self, market: Market, app: Flask) -> None:
        page = worker(app, market).get(comparing(market, 2, 1)).text

        assert HEADING.findall(page) == [NAMES[0], NAMES[2], NAMES[1]]
        assert page.count("Yours now") == 1

    def test_is_worked_out_on_his_own_work(self, market: Market, app: Flask) -> None:
        client = worker(app, market)
        before = client.get(comparing(market, 1)).text
        market.contribute(account_of_ada().id)

        after = client.get(comparing(market, 1)).text

        assert ["this is an example" in page for page in (before, after)] == [True, False]
        assert "Worked out on your own last three months" in after

    @pytest.mark.parametrize(
        ("change", "shown"),
        [
            (_lock, "You have locked your account"),
            (_order, "are being carried out already"),
            (_move_to_valley, f">{NAMES[1]}</a>"),
        ],
    )
    def test_shows_at_once_what_has_changed(
        self, market: Market, app: Flask, change: Callable[[Market], None], shown: str
    ) -> None:
        client = worker(app, market)
        before = client.get(comparing(market, 2))
        with unit_of_work():
            change(market)

        after = client.get(comparing(market, 2), headers={"If-None-Match": before.headers["ETag"]})

        assert after.status_code == 200
        assert [shown in page.text for page in (before, after)] == [False, True]

    def test_leaves_out_what_has_gone_off_the_shelf(self, market: Market, app: Flask) -> None:
        client = worker(app, market)
        before = client.get(comparing(market, 1)).text
        with unit_of_work():
            _off_the_shelf(market)

        assert [NAMES[1] in HEADING.findall(page) for page in (before, client.get(comparing(market, 1)).text)] == [
            True,
            False,
        ]

    def test_is_the_same_page_for_two_who_stand_alike_but_for_their_names(self, market: Market, app: Flask) -> None:
        ada, bo = worker(app, market), worker(app, market, "Bo Chen")
        address = comparing(market, 1)
        first = ada.get(address).text
        with statements() as told:
            second = bo.get(address).text

        assert len(told) == 1  # who he is and where he stands, in one trip
        assert ["Bo Chen" in first, "Ada Flores" in second] == [False, False]

    def test_is_shown_to_nobody_whose_session_was_ended(self, market: Market, app: Flask) -> None:
        client = worker(app, market)
        address = comparing(market, 1)
        assert client.get(address).status_code == 200

        with unit_of_work():
            login.end_sessions(db.session.execute(select(Login).where(Login.name == "Ada Flores")).scalar_one())

        assert client.get(address).headers["Location"].startswith("/sign-in")

    @pytest.mark.parametrize("audience", [Audience.PROVIDER, Audience.WORKER])
    def test_is_for_workers_with_an_account(self, market: Market, app: Flask, audience: Audience) -> None:
        client = app.test_client()
        sign_in(client, make_login(audience, "Bo Chen"))

        answer = client.get(comparing(market, 1))

        assert answer.status_code == {Audience.PROVIDER: 403, Audience.WORKER: 404}[audience]

    def test_is_another_page_for_whom_another_package_is_his(self, market: Market, app: Flask) -> None:
        pages = [
            worker(app, market, name, package=place).get(comparing(market, 1)).text
            for name, place in (("Ada Flores", 0), ("Bo Chen", 2), ("Cy Diaz", None))
        ]

        assert [HEADING.findall(page)[0] for page in pages] == [NAMES[0], NAMES[2], NAMES[1]]
        assert [page.count("Yours now") for page in pages] == [1, 1, 0]

    @pytest.mark.parametrize("package", ["", "&package=x", "&package=99999999999999999999", "&package=0"])
    def test_of_nothing_shows_what_he_has(self, market: Market, app: Flask, package: str) -> None:
        page = worker(app, market).get(comparing(market) + package).text

        assert HEADING.findall(page) == [NAMES[0]]

    def test_leads_back_to_the_list_where_too_many_could_be_put_beside(self, market: Market, app: Flask) -> None:
        client = worker(app, market)
        few = client.get(comparing(market, 1)).text
        more_packages(market, 31)

        many = client.get(comparing(market, 1)).text

        assert ['type="checkbox"' in page for page in (few, many)] == [True, False]
        assert f"package={market.version_of(1).id}" in many

    def test_asks_as_much_for_fifty_packages_as_for_five(self, market: Market, app: Flask) -> None:
        client = worker(app, market)
        market.contribute(account_of_ada().id)
        client.get(comparing(market, 1))
        counts = []
        for _ in range(2):
            ids = more_packages(market, 25)
            address = comparing(market, 1) + "".join(f"&package={id_}" for id_ in ids)
            with statements() as told:
                client.get(address)
            counts.append(len(told))

        assert counts[0] == counts[1] <= 10


class TestShop:
    def test_comes_in_pages_with_his_own_on_top(self, market: Market, app: Flask) -> None:
        client = worker(app, market, package=3)
        more_packages(market, 30)

        first, second = (OFFER.findall(client.get(f"/worker/choose/?page={page}").text) for page in (1, 2))

        assert first[0] == second[0] == NAMES[3]
        assert len(first) in {20, 21}
        assert len(set(first) | set(second)) == 34

    def test_is_narrowed_and_ordered(self, market: Market, app: Flask) -> None:
        client = worker(app, market, package=None)

        assert set(OFFER.findall(client.get("/worker/choose/?has=health_spending").text)) == {NAMES[3]}
        assert OFFER.findall(client.get("/worker/choose/?sort=fee").text)[0] == NAMES[1]

    def test_keeps_what_is_marked_while_it_is_narrowed(self, market: Market, app: Flask) -> None:
        marked = market.version_of(1).id

        page = worker(app, market).get(f"/worker/choose/?has=health_spending&package={marked}").text

        assert page.count(f'<input type="hidden" name="package" value="{marked}">') == 2

    def test_is_written_for_the_next_worker_without_asking_the_market_again(self, market: Market, app: Flask) -> None:
        first, second = worker(app, market), worker(app, market, "Bo Chen", package=1)
        before = [first.get(page).status_code for page in ("/worker/choose/", comparing(market, 1, 2))]

        counts = []
        for page in ("/worker/choose/?sort=fee", comparing(market, 2)):
            with statements() as told:
                second.get(page)
            counts.append(len(told))

        assert (before, counts) == ([200, 200], [1, 1])

    def test_loses_at_once_what_is_taken_off_the_shelf(self, market: Market, app: Flask) -> None:
        client = worker(app, market)
        pages = ("/worker/choose/", comparing(market, 1, 2))
        assert [NAMES[1] in client.get(page).text for page in pages] == [True, True]

        with unit_of_work():
            db.session.get_one(Provider, market.provider_of(market.packages[1])).takes_new_members = False

        assert [NAMES[1] in client.get(page).text for page in pages] == [False, False]

    def test_opens_with_the_clock(self, market: Market, app: Flask) -> None:
        client = worker(app, market)
        with unit_of_work():
            db.session.delete(market.window)
            db.session.flush()
            opens_at = clock.now() + timedelta(seconds=1)
            window = EnrollmentWindow(
                kind=WindowKind.OPEN,
                plan_year=market.next_year.id,
                opens_at=opens_at,
                closes_at=opens_at + timedelta(seconds=1),
                effective_at=opens_at + timedelta(days=30),
                published_at=opens_at - timedelta(days=1),
            )
            db.session.add(window)

        seen = []
        for until in (opens_at, opens_at + timedelta(seconds=1), None):
            seen.append("Open enrollment for" in client.get("/worker/choose/").text)
            client.get("/worker/choose/")  # and kept
            if until is not None:
                time.sleep(max(0, (until - clock.real_now()).total_seconds()) + 0.01)

        assert seen == [False, True, False]
