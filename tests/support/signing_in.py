"""How does a test become somebody?

``sign_in(client, login_id)`` puts a session in place as signing in leaves it, second factor included;
``post(client, address, data)`` sends a form as the page would, with its token.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from flask import Flask, current_app
from flask.testing import FlaskClient
from itsdangerous import URLSafeTimedSerializer
from playwright.sync_api import Page
from werkzeug.test import TestResponse

from exchange import clock
from exchange.database import db, unit_of_work
from exchange.identity import login, organizations
from exchange.identity.actors import Audience, system_actor
from exchange.identity.organizations import OrganizationKind
from exchange.identity.people import Login

BY = system_actor("test")
AT = datetime(2026, 11, 2, 17, tzinfo=UTC)


def make_login(
    audience: Audience, name: str = "Ada Flores", *, organization_id: int | None = None, password: str | None = None
) -> int:
    """A login of the audience; staff of an organization made for it, when none is given. Gives its id."""
    address = f"{name.lower().replace(' ', '.')}.{secrets.token_hex(3)}@example.org"
    with unit_of_work():
        if organization_id is None and audience is not Audience.WORKER:
            organization_id = _organization(audience)
        made = login.create(
            address, password=password, name=name, audience=audience, organization_id=organization_id, by=BY, at=AT
        )
        return made.id


def sign_in(client: FlaskClient, login_id: int) -> None:
    """Be this person from the next request on: freshly signed in, with a second factor where the role asks for one."""
    with unit_of_work():
        person = db.session.get_one(Login, login_id)
        if person.needs_second_factor and not person.has_second_factor:
            security = current_app.extensions["security"]
            security.datastore.tf_set(person, "authenticator", security.totp_factory.generate_totp_secret())
        name = person.fs_uniquifier
    now = clock.machine_seconds()
    with client.session_transaction() as session:
        session.clear()
        session.update(_user_id=name, _fresh=True, fs_paa=now, began_at=now, seen_at=now, rests=300, lasts=28_800)


def enter(app: Flask, page: Page, address: str, login_id: int) -> None:
    """Let a browser be this person, second factor included."""
    client = app.test_client()
    sign_in(client, login_id)
    cookie = client.get_cookie(app.config["SESSION_COOKIE_NAME"])
    assert cookie is not None
    page.context.add_cookies([{"name": cookie.key, "value": cookie.value, "url": address}])


def form_token(client: FlaskClient) -> str:
    """The token that the client's forms carry."""
    with client.session_transaction() as session:
        raw = session.setdefault("csrf_token", secrets.token_hex(20))
    return str(URLSafeTimedSerializer(current_app.secret_key or "", salt="wtf-csrf-token").dumps(raw))


def post(client: FlaskClient, address: str, data: Mapping[str, Any] | None = None, **kwargs: Any) -> TestResponse:
    """Send a form as a page of ours would."""
    return client.post(address, data={"csrf_token": form_token(client), **(data or {})}, **kwargs)


def _organization(audience: Audience) -> int:
    kind = OrganizationKind(audience.value)
    name = "The exchange" if kind is OrganizationKind.OPERATOR else f"{audience.value} {secrets.token_hex(6)}"
    there = organizations.named(name, kind=kind)
    return (there or organizations.found(name, kind=kind, by=BY, at=AT)).id
