"""Does every page answer each of six principals as it should, whoever wrote it and whenever?

The matrix is made from the routes themselves. A page belongs to an audience, or to everybody who has signed in,
or it stands in one of the short lists below; a page that nobody has thought of fails.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import event
from werkzeug.routing import Rule
from werkzeug.routing.converters import NumberConverter
from werkzeug.test import TestResponse

from exchange.database import db
from exchange.identity.actors import Audience
from exchange.identity.login.sessions import SignedInBlueprint
from exchange.web.audiences import READING, audience_of
from tests.support.signing_in import form_token, make_login, sign_in

PRINCIPALS = (
    Audience.PUBLIC,
    Audience.WORKER,
    Audience.EMPLOYER,
    Audience.PROVIDER,
    Audience.REGULATOR,
    Audience.OPERATOR,
)
# For anybody, and why.
OPEN = {
    "static": "styles, scripts and pictures",
    "health.lives": "for a load balancer; says nothing about anybody",
    "health.is_ready": "the same",
    "health.show_figures": "asks for a token",
    "violations.report": "browsers send reports by themselves; writes a line of the log, and not of who sent it",
    "language.choose": "remembers a language in a cookie; checks where the form came from",
    "security.login": "how else would one get in",
    "security.logout": "signing out twice is no harm",
    "security.forgot_password": "who forgot it is not signed in",
    "security.reset_password": "the link is the key",
}
# Flask-Security's pages that lead who has not signed in, or not begun to, to sign in.
GUARDED_BY_SIGN_IN = {
    "security.verify",
    "security.change_password",
    "security.two_factor_setup",
    "security.two_factor_setup_validate",
    "security.two_factor_token_validation",
    "security.two_factor_rescue",
    "security.tf_select",
    "security.mf_recovery",
    "security.mf_recovery_codes",
}
# Below /api a key is asked for, not a session; but for the description itself.
OPEN_API = {"/api/openapi.json"}
# What everybody may see without a key; these only read.
OPEN_READING = "market_api"
WRITES_WITHOUT_TOKEN = {"language.choose", "violations.report"}
# What reading may write: who was refused a page or took a file (exchange/web/watched.py), and how often lately.
NOTES = ("INSERT INTO AUDIT_EVENT", "INSERT INTO RATE_LIMIT", "DELETE FROM RATE_LIMIT")
WRITING_WORDS = ("INSERT", "UPDATE", "DELETE", "REPLACE", "CREATE", "DROP", "ALTER")

pytestmark = pytest.mark.parametrize("engine_name", ["sqlite"])


@dataclass(frozen=True)
class Route:
    """A page and one method of it."""

    endpoint: str
    method: str
    address: str

    def __str__(self) -> str:
        return f"{self.method} {self.address} ({self.endpoint})"


def routes(app: Flask) -> Iterator[Route]:
    """Every route with every method, its variables filled in with what is nobody's."""
    adapter = app.url_map.bind("localhost")
    for rule in app.url_map.iter_rules():
        if rule.rule.startswith("/api/"):
            continue
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            yield Route(rule.endpoint, method, adapter.build(rule.endpoint, fill(rule), method))


def fill(rule: Rule) -> dict[str, Any]:
    """A value for each variable of the rule that its converter takes and that names nothing."""
    return {name: sample(converter) for name, converter in rule._converters.items()}


def sample(converter: Any) -> Any:
    kind = type(converter).__name__
    if isinstance(converter, NumberConverter):
        return 987_654
    if kind == "AnyConverter":
        return min(converter.items)
    return converter.to_python("2026-11-02") if kind == "DateConverter" else "nothing"


def ask(client: FlaskClient, route: Route, *, token: bool = True) -> TestResponse:
    """Ask for the route as a page of ours would, with the form's token where one belongs."""
    data = {"csrf_token": form_token(client)} if token and route.method not in READING else None
    return client.open(route.address, method=route.method, data=data)


@pytest.fixture
def clients(app: Flask) -> dict[Audience, FlaskClient]:
    """One visitor of each kind; but for the public all are signed in, with a second factor where they need one."""
    app.config["PROPAGATE_EXCEPTIONS"] = False
    found = {}
    for principal in PRINCIPALS:
        found[principal] = app.test_client()
        if principal is not Audience.PUBLIC:
            sign_in(found[principal], make_login(principal))
    return found


@contextmanager
def statements() -> Iterator[list[str]]:
    """What SQLite is told from now on, by whichever way: some deeds are told to the driver past SQLAlchemy."""
    told: list[str] = []

    def listen(connection: Any, *_: Any) -> None:
        connection.set_trace_callback(lambda statement: told.append(statement.lstrip(" (").upper()))

    db.session.remove()
    event.listen(db.engine, "checkout", listen)
    try:
        yield told
    finally:
        event.remove(db.engine, "checkout", listen)
        db.engine.dispose()


@contextmanager
def staying_signed_in(client: FlaskClient) -> Iterator[None]:
    """Whatever a page does to the session (some of those of sign-in end it): the next is asked by the same person."""
    with client.session_transaction() as session:
        kept = dict(session)
    yield
    with client.session_transaction() as session:
        session.clear()
        session.update(kept)


def is_for_signed_in(app: Flask, endpoint: str) -> bool:
    return isinstance(app.blueprints.get(endpoint.rpartition(".")[0]), SignedInBlueprint)


def leads_to_sign_in(answer: TestResponse) -> bool:
    return answer.status_code in {302, 303} and (answer.location or "").startswith("/sign-in")


class TestRoute:
    def test_is_somebodys(self, app: Flask) -> None:
        unlisted = [
            str(route)
            for route in routes(app)
            if audience_of(app, route.endpoint) is None
            and not is_for_signed_in(app, route.endpoint)
            and route.endpoint not in {*OPEN, *GUARDED_BY_SIGN_IN}
        ]

        assert unlisted == []

    def test_in_a_list_exists(self, app: Flask) -> None:
        assert {*OPEN, *GUARDED_BY_SIGN_IN} <= app.view_functions.keys()

    def test_of_an_audience_sends_a_visitor_to_sign_in(self, app: Flask, clients: dict[Audience, FlaskClient]) -> None:
        guarded = [
            route
            for route in routes(app)
            if is_for_signed_in(app, route.endpoint)
            or route.endpoint in GUARDED_BY_SIGN_IN
            or audience_of(app, route.endpoint) not in {None, Audience.PUBLIC}
        ]

        let_in = [str(route) for route in guarded if not leads_to_sign_in(ask(clients[Audience.PUBLIC], route))]

        assert len(guarded) > 10
        assert let_in == []

    def test_of_an_audience_refuses_every_other(self, app: Flask, clients: dict[Audience, FlaskClient]) -> None:
        wrong = []
        for route in routes(app):
            audience = audience_of(app, route.endpoint)
            if audience in {None, Audience.PUBLIC}:
                continue
            for principal, client in clients.items():
                if principal not in {audience, Audience.PUBLIC} and ask(client, route).status_code != 403:
                    wrong.append(f"{route} let {principal} in")

        assert wrong == []

    def test_of_an_audience_lets_it_in_without_a_fault(self, app: Flask, clients: dict[Audience, FlaskClient]) -> None:
        wrong = []
        for route in routes(app):
            audience = audience_of(app, route.endpoint)
            for principal, client in clients.items():
                if audience not in {principal, Audience.PUBLIC} or route.method != "GET":
                    continue
                answer = ask(client, route)
                if answer.status_code >= 500 or answer.status_code == 403 or leads_to_sign_in(answer):
                    wrong.append(f"{route} answered {principal} {answer.status_code}")

        assert wrong == []

    def test_that_reads_writes_nothing_but_who_was_refused_and_who_took_a_file(
        self, app: Flask, clients: dict[Audience, FlaskClient]
    ) -> None:
        wrong, every_note = [], ""
        with statements() as told:
            for route, (principal, client) in product(routes(app), clients.items()):
                if route.method != "GET":
                    continue
                told.clear()
                with staying_signed_in(client):
                    answer = ask(client, route)
                may_note = answer.status_code in {403, 404} or answer.mimetype == "text/csv"
                written = [one for one in told if one.startswith(WRITING_WORDS)]
                noted = [one for one in written if may_note and one.startswith(NOTES)]
                every_note += "\n".join(noted)
                wrong += [f"{route} as {principal}: {one}" for one in written if one not in noted]

        assert wrong == []
        assert all(note in every_note for note in NOTES), "each was seen, so any other writing would be"

    def test_that_writes_asks_for_the_forms_token(self, app: Flask, clients: dict[Audience, FlaskClient]) -> None:
        wrong = []
        for route in routes(app):
            if route.method in READING or route.endpoint in WRITES_WITHOUT_TOKEN:
                continue
            for principal, client in clients.items():
                answer = ask(client, route, token=False)
                if answer.status_code != 400 and not (principal is Audience.PUBLIC and leads_to_sign_in(answer)):
                    wrong.append(f"{route} as {principal}: {answer.status_code}")

        assert wrong == []


class TestApi:
    def test_takes_no_session_for_a_key(self, app: Flask, clients: dict[Audience, FlaskClient]) -> None:
        adapter = app.url_map.bind("localhost")
        wrong = []
        for rule in app.url_map.iter_rules():
            if not rule.rule.startswith("/api/v1") or rule.endpoint.startswith(f"{OPEN_READING}."):
                continue
            for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
                address = adapter.build(rule.endpoint, fill(rule), method)
                for principal, client in clients.items():
                    status = client.open(address, method=method, json={}).status_code
                    if status not in {401, 403}:
                        wrong.append(f"{method} {address} as {principal}: {status}")

        assert wrong == []

    def test_that_is_open_only_reads(self, app: Flask) -> None:
        methods = {
            method
            for rule in app.url_map.iter_rules()
            if rule.endpoint.startswith(f"{OPEN_READING}.")
            for method in rule.methods or set()
        }

        assert methods == READING

    def test_is_open_only_where_it_is_listed(self, app: Flask) -> None:
        outside = {
            rule.rule
            for rule in app.url_map.iter_rules()
            if rule.rule.startswith("/api/") and not rule.rule.startswith("/api/v1")
        }

        assert outside <= OPEN_API
