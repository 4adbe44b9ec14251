"""What do the tests of sign-in share?"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient

from exchange.database import db
from tests.support.databases import CONFIG, AppFactory


@pytest.fixture
def demo(app: Flask, create_app: AppFactory) -> Iterator[FlaskClient]:
    """Somebody who looks at the same database in demo mode; the demo's application is the current one."""
    made = create_app({**CONFIG, "DEMO": True, "SQLALCHEMY_DATABASE_URI": app.config["SQLALCHEMY_DATABASE_URI"]})
    made.test_client_class = app.test_client_class
    with made.app_context():
        yield made.test_client()
        db.session.remove()
        db.engine.dispose()


@pytest.fixture(autouse=True)
def later_hours(request: pytest.FixtureRequest) -> None:
    """Sessions and codes are tried at later hours: that is no wrong clock, so it is not taken for one."""
    if "app" in request.fixturenames:
        request.getfixturevalue("app").config["CLOCKS_MUST_AGREE"] = False
