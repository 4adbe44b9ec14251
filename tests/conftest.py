"""What does every test stand on?

``app``: the real application with an empty database of its own on SQLite and on PostgreSQL;
``client``, ``cli``: its pages and commands; ``live_server``, ``page``: the same in a browser.
The network is closed but for loopback. See docs/testing.md.
"""

from __future__ import annotations

import contextvars
import ipaddress
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn

import pytest
from click.testing import Result
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import settings
from playwright.sync_api import Page
from sqlalchemy import select
from werkzeug.test import TestResponse

from exchange.database import db
from exchange.ledger import invariants
from exchange.ledger.journal import LedgerEntry
from tests.support import browser, databases, log_watch, postgres

ENGINES = ("sqlite", "postgresql")
Cli = Callable[..., Result]

# Two workers share two cores with whatever else runs: a deadline would measure that, not the code.
settings.register_profile("tests", deadline=None, print_blob=True)
settings.load_profile("tests")


class NetworkIsClosed(Exception):
    """A test tried to reach another machine."""


# --- the run --------------------------------------------------------------------------------------


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--engine sqlite`` runs one engine, ``--long`` the nightly counts; ``--complete`` fails instead of skipping."""
    parser.addoption("--engine", choices=ENGINES, help="run tests of this database engine only")
    parser.addoption("--long", action="store_true", help="run tests marked `long`, and no others")
    parser.addoption("--complete", action="store_true", help="fail, not skip, without PostgreSQL or Chromium")


def pytest_configure(config: pytest.Config) -> None:
    """Begin the run in the first process, close the network in each."""
    if not hasattr(config, "workerinput"):
        config.stash[_RUN] = postgres.begin_run()
    sys.addaudithook(_refuse_other_machines)


def pytest_unconfigure(config: pytest.Config) -> None:
    """End the run in the process that began it."""
    if _RUN in config.stash:
        postgres.end_run(config.stash[_RUN])


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the engine that was not asked for, and the long tests or all the others."""
    engine, long = config.getoption("--engine"), config.getoption("--long")
    wanted: list[pytest.Item] = []
    left_out: list[pytest.Item] = []
    for item in items:
        fits = engine in {None, _engine_of(item) or engine} and long == (item.get_closest_marker("long") is not None)
        (wanted if fits else left_out).append(item)
    config.hook.pytest_deselected(items=left_out)
    items[:] = wanted


_RUN = pytest.StashKey[Path]()


def _engine_of(item: pytest.Item) -> str | None:
    callspec = getattr(item, "callspec", None)
    return None if callspec is None else callspec.params.get("engine_name")


def _refuse_other_machines(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "socket.connect" and isinstance(arguments[1], tuple):
        host = arguments[1][0]
    elif event == "socket.getaddrinfo":
        host = arguments[0]
    else:
        return
    if not _is_this_machine(host.decode() if isinstance(host, bytes) else host):
        raise NetworkIsClosed(f"a test tried to reach {host}")


def _is_this_machine(host: str | None) -> bool:
    if host in {None, "", "localhost"}:
        return True
    try:
        address = ipaddress.ip_address(str(host))
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


def _missing(request: pytest.FixtureRequest, sentence: str) -> NoReturn:
    if request.config.getoption("--complete"):
        pytest.fail(sentence)
    pytest.skip(sentence)


# --- the application ------------------------------------------------------------------------------


class Visitor(FlaskClient):
    """A test's client. Each request stands alone, as it does in the world.

    Flask would let a request share the application context that the test itself stands in, and with
    it the signed-in person and the database session.
    """

    def open(self, *args: Any, **kwargs: Any) -> TestResponse:
        """See ``FlaskClient.open``. Afterwards the test sees what the request committed."""
        # What is written while it is sent is read to its end within the request, as a server does.
        response = contextvars.Context().run(super().open, *args, **{"buffered": True, **kwargs})
        if db.session.registry.has():
            db.session.rollback()
        return response


@pytest.fixture(params=ENGINES)
def engine_name(request: pytest.FixtureRequest) -> str:
    """The database engine of this test: each test that asks runs once on either."""
    return str(request.param)


@pytest.fixture(scope="session")
def create_app() -> databases.AppFactory:
    """The real application's factory."""
    # Imported by the tests that ask for it: those of pure rules run in a second, whatever else is broken.
    from app import create_app as real

    return real


@pytest.fixture(scope="session")
def _databases(create_app: databases.AppFactory) -> Iterator[Callable[[str], databases.TestDatabase]]:
    made: dict[str, databases.TestDatabase] = {}
    folder = postgres.begin_run()
    worker = os.environ.get("PYTEST_XDIST_WORKER", "main")

    def database(engine_name: str) -> databases.TestDatabase:
        if engine_name not in made:
            engine = databases.engine_called(engine_name, folder)
            made[engine_name] = databases.TestDatabase(engine, create_app, folder=folder, worker=worker)
        return made[engine_name]

    yield database
    for one in made.values():
        one.remove()


@pytest.fixture
def database(
    request: pytest.FixtureRequest, engine_name: str, _databases: Callable[[str], databases.TestDatabase]
) -> databases.TestDatabase:
    """This test's database, empty. ``database.renew()`` empties it again (between examples of a property)."""
    try:
        made = _databases(engine_name)
    except postgres.NoPostgres as error:
        _missing(request, str(error))
    made.renew()
    return made


@pytest.fixture
def app(request: pytest.FixtureRequest, database: databases.TestDatabase) -> Iterator[Flask]:
    """The real application on an empty database, its context pushed.

    After a test that posted, the rules that must always hold are asked; ``@pytest.mark.breaks_rules``
    is for a test that breaks one on purpose. Nor may anything that was logged meanwhile name a person or tell a secret.
    """
    database.app.test_client_class = Visitor
    with database.app.app_context(), log_watch.watching(database.app) as watch:
        yield database.app
        db.session.rollback()
        broken = [] if request.node.get_closest_marker("breaks_rules") else _broken_rules()
        told = watch.told()
        db.session.rollback()
    database.release()
    assert broken == []
    assert told == [], "the log names somebody, or tells a secret"


def _broken_rules() -> list[invariants.Broken]:
    posted = db.session.execute(select(LedgerEntry.id).limit(1)).first()
    return [] if posted is None else invariants.broken()


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """Somebody who asks for pages and is not signed in."""
    return app.test_client()


@pytest.fixture
def cli(app: Flask) -> Cli:
    """Run a command as the operator would type it: ``cli("job", "run", "reserve-check")``."""

    def run(*words: str) -> Result:
        result = contextvars.Context().run(app.test_cli_runner().invoke, args=list(words))
        db.session.rollback()
        return result

    return run


# --- the browser ----------------------------------------------------------------------------------


@pytest.fixture
def live_server(app: Flask) -> Iterator[str]:
    """The address at which a browser reaches this test's application."""
    with browser.serving(app) as address:
        yield address


@pytest.fixture(scope="session")
def base_url() -> str | None:
    """None: a journey goes to its own ``live_server``. Stands for pytest-base-url's, which pytest 9.2 warns about."""
    return None


@pytest.fixture(scope="session")
def browser_type_launch_args(
    request: pytest.FixtureRequest, browser_type_launch_args: Mapping[str, Any]
) -> Mapping[str, Any]:
    """The machine's own Chromium, headless."""
    try:
        program = browser.program()
    except browser.NoBrowser as error:
        _missing(request, str(error))
    return {**browser_type_launch_args, "executable_path": str(program), "args": browser.ARGUMENTS}


@pytest.fixture(scope="session")
def browser_context_args(browser_context_args: Mapping[str, Any]) -> Mapping[str, Any]:
    """A common laptop's window, still, in English."""
    return {
        **browser_context_args,
        "viewport": {"width": 1280, "height": 900},
        "locale": "en-US",
        "reduced_motion": "reduce",
    }


@pytest.fixture
def page(page: Page) -> Iterator[Page]:
    """A browser page; a journey that asked a third party for anything, or broke a script, fails at its end."""
    page.set_default_timeout(10_000)
    browser.watch(page)
    yield page
    browser.assert_no_third_party(page)
