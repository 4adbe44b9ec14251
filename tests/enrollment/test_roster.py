"""Does a provider see its members, all of them, and nobody else's?"""

from __future__ import annotations

from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient

from enrollment import leave, roster
from enrollment.leave import TimeOff
from enrollment.models import BenefitAccount
from exchange import clock
from exchange.database import db, in_unit_of_work
from exchange.identity.access import selecting
from exchange.identity.actors import Actor, Audience
from exchange.ledger import balances
from tests.support.signing_in import make_login, post, sign_in
from tests.support.worker_makers import BY, Market


@pytest.fixture
def market(app: Flask) -> Market:
    """Four providers; Ada is with the first, Ben with the second, Cleo with nobody."""
    market = Market()
    for name, package in (("Ada Flores", 0), ("Ben Ortiz", 1), ("Cleo Ray", None)):
        market.contribute(market.worker(name, package=package), months=1)
    return market


def ask(market: Market, name: str, component: str = "paid_leave") -> int:
    """Ask for an hour of leave; the request's id."""

    def work() -> int:
        provider_id = _provider_with(market, name)
        ids = list(db.session.execute(roster.members_of(provider_id)).scalars())
        assert [member.name for member in roster.shown(provider_id, ids)] == [name]
        account = db.session.get_one(BenefitAccount, ids[0])
        day = market.today + timedelta(days=14)
        wanted = TimeOff(component, 60, day, day)
        return leave.ask(account, wanted, policy=market.policy, by=BY, at=clock.real_now()).id

    return in_unit_of_work(work)


def _provider_with(market: Market, name: str) -> int:
    return market.provider_of(market.packages[0 if name == "Ada Flores" else 1])


class TestMembers:
    def test_are_the_providers_own_with_what_it_owes_each(self, market: Market) -> None:
        harbor = market.provider_of(market.packages[0])

        (ada,) = roster.everybody(harbor, roster.ids_of_everybody(harbor))

        assert (ada.name, ada.package) == ("Ada Flores", "Harbor Complete")
        totals = roster.totals_of(harbor)
        assert (totals.members, totals.cents, totals.minutes) == (1, ada.cents, ada.minutes)
        assert ada.cents == sum(n for (_, unit), n in balances.owed_by(harbor).items() if unit == "USD")

    @pytest.mark.parametrize(("wanted", "count"), [("flo", 1), ("FLORES", 1), ("ortiz", 0), ("%", 0)])
    def test_are_found_by_a_part_of_the_name(self, market: Market, wanted: str, count: int) -> None:
        harbor = market.provider_of(market.packages[0])

        assert len(db.session.execute(roster.members_of(harbor, wanted=wanted)).all()) == count

    def test_pages_show_masked_numbers_only(self, client: FlaskClient, market: Market) -> None:
        sign_in(client, market.staff(0))
        harbor = market.provider_of(market.packages[0])
        (ada,) = roster.everybody(harbor, roster.ids_of_everybody(harbor))

        for page in ("/provider/members/?sort=-since", "/provider/members/members.csv"):
            text = client.get(page).get_data(as_text=True)
            assert "Ada Flores" in text
            assert "Ben Ortiz" not in text
            assert ada.number not in text

    def test_are_the_workers_a_provider_may_see(self, market: Market) -> None:
        staff = Actor(Audience.PROVIDER, "Sam", organization_id=market.provider_of(market.packages[0]))

        assert len(db.session.execute(selecting(BenefitAccount, staff)).all()) == 1


class TestAnswering:
    def test_through_the_pages_is_the_holders_alone(self, app: Flask, market: Market) -> None:
        request_id = ask(market, "Ada Flores")
        harbor, valley = app.test_client(), app.test_client()
        sign_in(harbor, market.staff(0))
        sign_in(valley, market.staff(1))

        assert valley.get(f"/provider/leave/{request_id}").status_code == 404
        assert post(valley, f"/provider/leave/{request_id}/approve").status_code == 404
        assert post(harbor, f"/provider/leave/{request_id}", {"reason": ""}).status_code == 422
        assert post(harbor, f"/provider/leave/{request_id}", {"reason": "Too few of us."}).status_code == 303
        assert post(harbor, f"/provider/leave/{request_id}/approve").status_code == 409

    def test_of_what_the_exchange_holds_is_its_operators(self, app: Flask, market: Market) -> None:
        operator = app.test_client()
        sign_in(operator, make_login(Audience.OPERATOR))
        request_id = ask(market, "Ada Flores")

        assert "Ada Flores" in operator.get("/operator/leave/").get_data(as_text=True)
        assert "Somebody else holds this leave" in operator.get(f"/operator/leave/{request_id}").get_data(as_text=True)
        assert post(operator, f"/operator/leave/{request_id}/approve").status_code == 403
