"""Does adding up in the background, piece by piece, come to what a page would add up, and does it move nothing?"""

from __future__ import annotations

import pytest
from flask import Flask
from flask.testing import FlaskClient

from enrollment import cutover, dry_run, pieces, reckonings, rehearsal
from enrollment.models import EnrollmentWindow
from enrollment.reckonings import Reckoning, ReckoningKind
from exchange.database import db, in_unit_of_work
from exchange.identity.actors import Audience
from exchange.money import Unit
from exchange.scheduler import runner
from exchange.scheduler.records import RunState
from tests.support.at_once import at_once
from tests.support.enrollment_makers import BY, LEAVE, WHILE_OPEN, Town
from tests.support.signing_in import make_login, post, sign_in
from tests.support.worker_makers import Market

PROJECTION, REHEARSAL = ReckoningKind.PROJECTION, ReckoningKind.REHEARSAL


@pytest.fixture
def town(app: Flask) -> Town:
    """Ada and Ben leave Harbor, Cid comes from nobody, Dora stays; whoever is with Harbor has leave."""
    made = Town()
    ada = made.member("Ada", package_id=made.harbor, holding={**LEAVE, ("training", Unit.USD): 700})
    ben = made.member("Ben", package_id=made.harbor, holding={("retirement", Unit.USD): 40_000})
    cid = made.member("Cid", package_id=None, holding={("emergency", Unit.USD): 5_000})
    made.member("Dora", package_id=made.harbor, holding={("retirement", Unit.USD): 9_999})
    for who, package_id in ((ada, made.valley), (ben, made.summit), (cid, made.valley)):
        made.choose(who, package_id)
    return made


def ask(town: Town, kind: ReckoningKind) -> int:
    return in_unit_of_work(lambda: reckonings.ask(town.window, kind=kind, by=BY, at=WHILE_OPEN).id)


def reckoned(reckoning_id: int, town: Town, *, at_once: int) -> Reckoning:
    """As the job does it, in pieces of so many accounts."""
    told: list[int] = []
    db.session.rollback()
    result = reckonings.reckon(reckoning_id, policy=town.policy, tell=told.append, at_once=at_once)
    db.session.rollback()
    assert told == [piece.end - 1 for piece in pieces.of_all(at_once=at_once)]
    found = reckonings.called(reckoning_id)
    in_unit_of_work(
        lambda: reckonings.note(reckonings.called(reckoning_id), result, of=WHILE_OPEN, by=BY, at=WHILE_OPEN)
    )
    return found


class TestReckon:
    @pytest.mark.parametrize("at_once", [1, 3, 100])
    def test_comes_to_what_is_added_up_in_one_go(self, town: Town, at_once: int) -> None:
        whole = rehearsal.rehearse(town.window, policy=town.policy)
        flows = cutover.projected_flows(town.window)

        there, report = reckonings.report_of(reckoned(ask(town, REHEARSAL), town, at_once=at_once))
        found = reckonings.flows_of(reckoned(ask(town, PROJECTION), town, at_once=at_once))

        assert there == whole
        assert report == dry_run.conservation(whole)
        assert report.holds
        assert sorted(found, key=str) == sorted(flows, key=str)
        assert len(found) == 3

    def test_follows_the_orders_once_there_are_some(self, town: Town) -> None:
        town.order()

        there, _report = reckonings.report_of(reckoned(ask(town, REHEARSAL), town, at_once=2))

        assert there == rehearsal.rehearse(town.window, policy=town.policy)
        assert there.workers == 3


class TestAsk:
    def test_twice_is_once_until_it_is_done(self, town: Town) -> None:
        first = ask(town, PROJECTION)

        assert ask(town, PROJECTION) == first
        assert ask(town, REHEARSAL) != first
        reckoned(first, town, at_once=100)
        assert ask(town, PROJECTION) > first

    def test_by_several_at_once_is_once(self, app: Flask, town: Town) -> None:
        window_id = town.window_id

        def deed() -> None:
            window = db.session.get_one(EnrollmentWindow, window_id)
            in_unit_of_work(lambda: reckonings.ask(window, kind=PROJECTION, by=BY, at=WHILE_OPEN))

        assert at_once(app, deed, times=4) == {"done": 4}
        assert len(reckonings.waiting()) == 1


class TestJob:
    def test_does_what_was_asked_for_and_says_how_far_it_is(self, town: Town) -> None:
        reckoning_id = ask(town, PROJECTION)

        (ran,) = runner.run_by_hand("reckon", by=BY)

        assert ran.state is RunState.DONE, ran.text
        db.session.rollback()
        assert reckonings.called(reckoning_id).reckoned_at is not None
        assert reckonings.waiting() == []


@pytest.fixture
def market(app: Flask) -> Market:
    made = Market()
    made.contribute(made.worker())
    return made


PAGES = [
    pytest.param(Audience.REGULATOR, "/regulator/projection/", PROJECTION, id="projection"),
    pytest.param(Audience.OPERATOR, "/operator/cutover/{year}/rehearsal", REHEARSAL, id="rehearsal"),
]


@pytest.mark.parametrize("engine_name", ["sqlite"])
@pytest.mark.parametrize(("audience", "address", "kind"), PAGES)
class TestPage:
    def test_adds_up_by_itself_where_that_is_quick(
        self, market: Market, client: FlaskClient, audience: Audience, address: str, kind: ReckoningKind
    ) -> None:
        sign_in(client, make_login(audience))

        page = client.get(address.format(year=market.window.plan_year))

        assert page.status_code == 200
        assert "Add it up" not in page.text
        assert reckonings.newest(market.window, kind) is None

    def test_tells_how_far_it_is_and_then_shows_it(
        self, market: Market, client: FlaskClient, audience: Audience, address: str, kind: ReckoningKind
    ) -> None:
        sign_in(client, make_login(audience))
        address = address.format(year=market.window.plan_year)

        assert post(client, address).status_code == 303
        waiting = client.get(f"{address}?follow=1")
        assert "It waits for its turn" in waiting.text
        assert waiting.headers["Refresh"] == "5"
        assert "Add it up" not in waiting.text
        db.session.rollback()
        assert [one.state for one in runner.run_by_hand("reckon", by=BY)] == [RunState.DONE]

        done = client.get(f"{address}?follow=1")
        assert "Added up from the books and choices as they stood" in done.text
        assert "Add it up anew" in done.text
        assert "Refresh" not in done.headers


class TestIsSmall:
    def test_counts_accounts_by_the_highest(self, town: Town) -> None:
        assert reckonings.is_small()
        assert pieces.highest_account() == 4
        assert [piece.first for piece in pieces.of_all(at_once=2)] == [1, 3]
