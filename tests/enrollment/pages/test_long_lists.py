"""Do lists of workers cost the same however many there are, and do files come in pieces?"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient

from enrollment import employed, roster
from exchange.database import db
from exchange.identity.actors import Audience
from exchange.web.downloads import csv_answer
from tests.support.counting import statements
from tests.support.signing_in import make_login, sign_in
from tests.support.worker_makers import Market, login_of


@pytest.fixture
def market(app: Flask) -> Market:
    made = Market()
    made.contribute(made.worker("Ada Flores"), months=1)
    return made


def more(market: Market) -> None:
    """Three members more, with contributions of their own."""
    for name in ("Ben Ortiz", "Cleo Ray", "Dan Wu"):
        market.contribute(market.worker(name), months=1)


def asked_by(client: FlaskClient, page: str) -> int:
    """How many statements the page asks, when it is not its first time."""
    assert client.get(page).status_code == 200
    with statements() as told:
        client.get(page)
    return len(told)


class TestMembers:
    @pytest.mark.parametrize("order", ["-since", "name", "-package"])
    def test_cost_the_same_however_many_there_are(self, market: Market, client: FlaskClient, order: str) -> None:
        sign_in(client, market.staff(0))
        page = f"/provider/members/?sort={order}"
        few = asked_by(client, page)
        more(market)

        assert asked_by(client, page) == few
        assert all(name in client.get(page).text for name in ("Ada Flores", "Dan Wu"))

    def test_are_all_in_the_file_though_it_is_written_in_pieces(self, market: Market) -> None:
        more(market)
        provider_id = market.provider_of(market.packages[0])
        account_ids = roster.ids_of_everybody(provider_id)
        whole = list(roster.everybody(provider_id, account_ids))

        pieces = list(roster.everybody(provider_id, account_ids, at_once=1))

        assert [one.name for one in pieces] == ["Ada Flores", "Ben Ortiz", "Cleo Ray", "Dan Wu"]
        assert pieces == whole


class TestWorkersOfAnEmployer:
    @pytest.mark.parametrize("order", ["-last", "first", "number", "-paid"])
    def test_cost_the_same_however_many_there_are(self, market: Market, client: FlaskClient, order: str) -> None:
        sign_in(client, make_login(Audience.EMPLOYER, organization_id=market.employers[0]))
        page = f"/employer/workers?sort={order}"
        few = asked_by(client, page)
        more(market)

        assert asked_by(client, page) == few

    def test_show_what_was_paid_for_each(self, market: Market) -> None:
        more(market)
        id_ = market.employers[0]
        columns = employed.sortable(id_)
        ids = list(db.session.execute(employed.workers_of(id_, by="number").order_by(columns["number"])).scalars())

        shown = employed.shown(id_, ids)

        assert [one.number for one in shown] == sorted(one.number for one in shown)
        assert {(one.lines > 0, one.cents > 0) for one in shown} == {(True, True)}


class TestStatement:
    def test_costs_the_same_however_many_entries_there_are(self, market: Market, client: FlaskClient) -> None:
        account_id = market.worker("Eve Lind")
        market.contribute(account_id, months=1)
        sign_in(client, login_of("eve.lind@example.org").id)
        few = asked_by(client, "/worker/statement/")
        market.switch(account_id, 1)

        assert asked_by(client, "/worker/statement/") == few


@pytest.mark.parametrize("engine_name", ["sqlite"])
class TestFile:
    def test_that_cannot_be_begun_fails_before_it_is_answered(self, app: Flask) -> None:
        def rows() -> Iterator[str]:
            yield str(1 // len(""))

        with app.test_request_context("/slow.csv"), pytest.raises(ZeroDivisionError):
            csv_answer(rows(), "slow.csv", rows=1)

    def test_is_sent_while_it_is_written(self, app: Flask) -> None:
        written: list[str] = []

        def rows() -> Iterator[str]:
            for piece in ("first", "second", "third"):
                written.append(piece)
                yield piece

        with app.test_request_context("/long.csv"):
            answer = csv_answer(rows(), "long.csv", rows=3)

            assert written == ["first"]
            assert answer.get_data(as_text=True) == "firstsecondthird"
