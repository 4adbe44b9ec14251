"""Is a page that is written once for many still everybody's own, and never older than the market?"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from flask import Flask, flash
from flask.testing import FlaskClient
from flask_wtf.csrf import generate_csrf

from exchange import clock
from exchange.database import db, unit_of_work
from exchange.identity import login
from exchange.identity.actors import Audience, system_actor
from exchange.web import kept
from exchange.web.kept import Facts, Kept
from providers import decisions, reserve_checks
from providers.models import CheckCause, Provider, ProviderState, VersionState
from tests.support.counting import statements
from tests.support.databases import CONFIG, AppFactory
from tests.support.signing_in import make_login, sign_in
from tests.support.worker_makers import OFFERINGS, Market

BY = system_actor("test")
TOKEN = re.compile(r'name="csrf_token" value="([^"]+)"')


@pytest.fixture
def market(app: Flask) -> Market:
    return Market()


@pytest.fixture
def elsewhere(app: Flask, create_app: AppFactory) -> Iterator[FlaskClient]:
    """Somebody whom another process of the same program serves."""
    other = create_app({**CONFIG, "SQLALCHEMY_DATABASE_URI": app.config["SQLALCHEMY_DATABASE_URI"]})
    other.test_client_class = app.test_client_class
    yield other.test_client()
    with other.app_context():
        db.engine.dispose()


def reader(app: Flask, name: str) -> FlaskClient:
    client = app.test_client()
    sign_in(client, make_login(Audience.WORKER, name))
    return client


def _suspend(market: Market) -> None:
    db.session.get_one(Provider, market.provider_of(market.packages[0])).takes_new_members = False


def _close(market: Market) -> None:
    market.version_of(0).state = VersionState.CLOSED


class TestKeptPage:
    def test_costs_one_question_and_who_asks(self, market: Market, app: Flask) -> None:
        ada, bo = reader(app, "Ada Flores"), reader(app, "Bo Chen")
        first = ada.get("/packages").text

        with statements() as told:
            again = bo.get("/packages").text

        assert len(told) == 2
        assert TOKEN.sub("", again) == TOKEN.sub("", first).replace("Ada Flores", "Bo Chen")

    def test_has_the_name_and_the_token_of_who_asks(self, market: Market, app: Flask) -> None:
        readers = {name: reader(app, name) for name in ("Ada Flores", "Bo Chen")}
        pages = {name: client.get("/packages").text for name, client in readers.items()}

        tokens = {name: TOKEN.findall(page) for name, page in pages.items()}
        assert tokens["Ada Flores"] != tokens["Bo Chen"]
        assert ["Bo Chen" in pages["Ada Flores"], "Ada Flores" in pages["Bo Chen"]] == [False, False]
        for name, client in readers.items():
            assert client.post("/sign-out", data={"csrf_token": tokens[name][0]}).status_code == 302
            assert name not in client.get("/packages").text

    def test_escapes_the_name(self, market: Market, app: Flask) -> None:
        reader(app, "Ada Flores").get("/packages")

        assert "Bo &amp; Co" in reader(app, "Bo & Co").get("/packages").text

    @pytest.mark.parametrize("change", [_suspend, _close])
    def test_shows_a_change_at_the_next_request_in_every_process(
        self, market: Market, client: FlaskClient, elsewhere: FlaskClient, change: Callable[[Market], None]
    ) -> None:
        name = OFFERINGS[0].package
        assert all(name in one.get("/packages").text for one in (client, elsewhere, client, elsewhere))

        with unit_of_work():
            change(market)

        assert [name in one.get("/packages").text for one in (client, elsewhere)] == [False, False]

    def test_is_another_one_in_another_language_and_at_another_address(
        self, market: Market, client: FlaskClient
    ) -> None:
        assert 'lang="en"' in client.get("/packages").text
        assert 'lang="es"' in client.get("/packages", headers={"Accept-Language": "es"}).text
        assert "Valley Plain" not in client.get("/packages?q=leave+first").text
        assert "Valley Plain" in client.get("/packages").text

    def test_keeps_no_message_for_the_next_reader(self, market: Market, client: FlaskClient) -> None:
        client.get("/packages")
        assert client.get("/packages/compare").status_code == 303  # with a message for the page that it leads to

        shown, after = client.get("/packages").text, client.get("/packages").text

        assert ["Choose the packages that you want" in page for page in (shown, after)] == [True, False]


class TestFirstPage:
    def test_is_written_once_for_all_who_see_the_same_market(self, market: Market, app: Flask) -> None:
        ada, bo = reader(app, "Ada Flores"), reader(app, "Bo Chen")
        first = ada.get("/").text

        with statements() as told:
            again = bo.get("/").text

        assert len(told) == 4, "who asks, the market's word, the window, how many members"
        assert TOKEN.sub("", again) == TOKEN.sub("", first).replace("Ada Flores", "Bo Chen")

    def test_is_not_sent_again_until_it_has_changed(self, market: Market, client: FlaskClient) -> None:
        tag = {"If-None-Match": client.get("/").headers["ETag"]}
        unchanged = client.get("/", headers=tag)
        market.worker("Ada Flores")

        assert (unchanged.status_code, client.get("/", headers=tag).status_code) == (304, 200)
        assert 'lang="es"' in client.get("/", headers={"Accept-Language": "es"}).text
        assert client.get("/", headers={**tag, "Accept-Language": "es"}).status_code == 200


def _check(market: Market) -> None:
    now = clock.now()
    reserve_checks.check(None, policy=market.policy, on=market.today, cause=CheckCause.FILING, by=BY, at=now)


def _propose(market: Market) -> None:
    provider = db.session.get_one(Provider, market.provider_of(market.packages[0]))
    decisions.propose(provider, becomes=ProviderState.SUSPENDED, reason="Books not kept.", by=BY, at=clock.now())


class TestBoardOfTheRegulator:
    def test_is_kept_for_regulators_alone(self, market: Market, app: Flask) -> None:
        rita, ron = app.test_client(), app.test_client()
        sign_in(rita, make_login(Audience.REGULATOR, "Rita Moss"))
        sign_in(ron, make_login(Audience.REGULATOR, "Ron Hale"))
        tag = {"If-None-Match": rita.get("/regulator/").headers["ETag"]}

        assert rita.get("/regulator/", headers=tag).status_code == 304
        assert ron.get("/regulator/", headers=tag).status_code == 200
        assert "Ron Hale" in ron.get("/regulator/").text
        assert reader(app, "Ada Flores").get("/regulator/", headers=tag).status_code == 403
        assert app.test_client().get("/regulator/", headers=tag).status_code == 302

    @pytest.mark.parametrize("change", [_check, _suspend, _propose])
    def test_is_written_anew_after_what_it_shows_has_changed(
        self, market: Market, app: Flask, change: Callable[[Market], None]
    ) -> None:
        rita = app.test_client()
        sign_in(rita, make_login(Audience.REGULATOR, "Rita Moss"))
        tag = {"If-None-Match": rita.get("/regulator/").headers["ETag"]}
        assert rita.get("/regulator/", headers=tag).status_code == 304

        with unit_of_work():
            change(market)

        assert rita.get("/regulator/", headers=tag).status_code == 200

    @pytest.mark.parametrize("change", [_check, _suspend, _propose])
    def test_shows_the_same_in_a_process_that_has_read_it_before(
        self, market: Market, app: Flask, elsewhere: FlaskClient, change: Callable[[Market], None]
    ) -> None:
        rita = app.test_client()
        login_id = make_login(Audience.REGULATOR, "Rita Moss")
        sign_in(rita, login_id)
        assert rita.get("/regulator/?sort=name").status_code == 200
        with unit_of_work():
            change(market)

        sign_in(elsewhere, login_id)
        pages = [TOKEN.sub("", client.get("/regulator/").text) for client in (rita, elsewhere)]

        assert pages[0] == pages[1]

    def test_is_ordered_otherwise_without_reading_it_all_again(self, market: Market, app: Flask) -> None:
        rita = app.test_client()
        sign_in(rita, make_login(Audience.REGULATOR, "Rita Moss"))
        counts = []
        for address in ("/regulator/", "/regulator/?sort=name"):
            with statements() as told:
                rita.get(address)
            counts.append(len(told))

        assert counts[0] > counts[1] <= 4, "who asks and what waits, the members; and both again at the end"

    def test_is_written_anew_for_another_member(self, market: Market, app: Flask) -> None:
        rita = app.test_client()
        sign_in(rita, make_login(Audience.REGULATOR, "Rita Moss"))
        tag = {"If-None-Match": rita.get("/regulator/").headers["ETag"]}

        market.worker("Bo Chen")

        assert rita.get("/regulator/", headers=tag).status_code == 200


class TestUnchangedPage:
    def test_is_not_sent_again(self, market: Market, app: Flask) -> None:
        ada = reader(app, "Ada Flores")
        first = ada.get("/packages")

        again = ada.get("/packages", headers={"If-None-Match": first.headers["ETag"]})

        assert (again.status_code, again.data) == (304, b"")
        assert again.headers["ETag"] == first.headers["ETag"]
        assert first.headers["Cache-Control"] == again.headers["Cache-Control"] == "private, no-cache"
        assert {"Cookie", "Accept-Language"} <= set(again.vary)

    def test_is_sent_once_it_has_changed(self, market: Market, client: FlaskClient) -> None:
        first = client.get("/packages")
        with unit_of_work():
            _suspend(market)

        assert client.get("/packages", headers={"If-None-Match": first.headers["ETag"]}).status_code == 200

    def test_of_one_person_is_no_other_person_s(self, market: Market, app: Flask) -> None:
        tag = reader(app, "Ada Flores").get("/packages").headers["ETag"]

        assert reader(app, "Bo Chen").get("/packages", headers={"If-None-Match": tag}).status_code == 200

    def test_is_for_nobody_whose_login_was_disabled(self, market: Market, app: Flask) -> None:
        client = app.test_client()
        login_id = make_login(Audience.WORKER, "Ada Flores")
        sign_in(client, login_id)
        tag = client.get("/packages").headers["ETag"]
        with unit_of_work():
            login.disable(login_id, reason="left", by=BY, at=clock.now())

        answer = client.get("/packages", headers={"If-None-Match": tag})

        assert answer.status_code == 200
        assert "Ada Flores" not in answer.text


class TestPage:
    def test_that_was_overtaken_while_it_was_written_is_shown_and_not_kept(self, app: Flask) -> None:
        market = iter(["old", "new", "old", "old"])
        written = iter(["new words", "old words"])

        def ask() -> bytes:
            with app.test_request_context("/overtaken"):
                answer = kept.page(lambda: Facts(next(market), None), lambda _: next(written))
                assert not isinstance(answer, str)
                return bytes(answer.data)

        assert [ask(), ask()] == [b"new words", b"old words"]

    def test_that_holds_somebody_s_token_is_a_mistake(self, app: Flask) -> None:
        with app.test_request_context("/form"), pytest.raises(AssertionError, match="nobody's token"):
            kept.page(lambda: Facts("any", None), lambda _: str(generate_csrf()))

    def test_with_a_message_to_show_is_written_anew(self, app: Flask) -> None:
        with app.test_request_context("/message"):
            flash("Saved.")

            assert kept.page(lambda: Facts("any", "what was read"), str) == "what was read"

    def test_of_a_demonstration_is_written_anew(self, app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(app.config, "DEMO", True)

        with app.test_request_context("/demonstration"):
            assert kept.page(lambda: Facts("any", "what was read"), str) == "what was read"


class TestKept:
    def test_holds_no_more_than_it_may_and_gives_up_what_was_asked_for_longest_ago(self) -> None:
        memory = Kept(most_bytes=10_000)
        pages = {name: kept.Written((name.encode() * 3_000,)) for name in "abc"}
        for name in "ab":
            memory.keep(name, pages[name])
        memory.get("a")
        memory.keep("c", pages["c"])

        assert [memory.get(name) is not None for name in "abc"] == [True, False, True]

    def test_holds_nothing_when_it_may_not(self) -> None:
        memory = Kept(most_bytes=0)

        memory.keep("a", kept.Written((b"a",)))

        assert memory.get("a") is None
