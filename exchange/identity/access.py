"""May this person see or change that?  The one place that decides it.

An audience's guard stands before each of its pages (``require``). Which rows of a table an actor may
reach is said once, next to the table, with ``@scope_of``; pages and operations then ask with
``one`` and ``selecting``, which answer "there is no such thing" for what is somebody else's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import urlsplit

from flask import current_app, flash, g, redirect, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_babel import lazy_gettext as _l
from flask_security import check_and_update_authn_fresh, current_user
from sqlalchemy import ColumnElement, Select, select
from werkzeug.urls import iri_to_uri

from exchange.database import Base, db
from exchange.errors import NotAllowed, NotFound
from exchange.identity.actors import ANONYMOUS, SECOND_FACTOR_REQUIRED, Actor, Audience
from exchange.web.redirects import local_path

__all__ = [
    "ANONYMOUS",
    "Actor",
    "Audience",
    "current_actor",
    "one",
    "require",
    "require_fresh",
    "require_organization",
    "require_signed_in",
    "scope_of",
    "selecting",
]

M = TypeVar("M", bound=Base)
Scope = Callable[[Actor], ColumnElement[bool]]
_READING = frozenset({"GET", "HEAD", "OPTIONS"})
_scopes: dict[type[Base], Scope] = {}

# --- who ------------------------------------------------------------------------------------------


def current_actor() -> Actor:
    """Who makes this request. A disabled login is nobody from its next request on."""
    # Where Flask-Login has put him for this request; until then its proxy looks for him.
    user = g.get("_login_user") or current_user._get_current_object()  # noqa: SLF001 - once, not for each attribute
    if not user or not user.is_authenticated or not user.active:
        return ANONYMOUS
    actor: Actor = user.as_actor()
    return actor


def require(audience: Audience) -> ResponseReturnValue | None:
    """The guard of an audience's pages: nothing when the actor may pass, else the answer instead.

    Anonymous visitors are sent to sign in, other audiences are refused (403), staff who must use a
    second factor and have none yet are sent to set it up.
    """
    if audience is Audience.PUBLIC:
        return None
    actor = current_actor()
    if actor.audience is Audience.PUBLIC:
        return to_sign_in()
    if actor.audience is not audience:
        raise NotAllowed(
            _l("These pages are for somebody else. You are signed in, but not in the capacity they ask for.")
        )
    if lacks_second_factor(actor):
        flash(_l("Your role asks for a second step at sign-in. Set it up to go on."), "info")
        return redirect(url_for("security.two_factor_setup"))
    return None


def require_signed_in() -> ResponseReturnValue | None:
    """The guard of pages for everybody who has signed in."""
    return to_sign_in() if current_actor().audience is Audience.PUBLIC else None


def require_fresh() -> ResponseReturnValue | None:
    """Step up: nothing when the person has shown lately who he is, else the answer instead (show it again).

    For confirming an election, a withdrawal, a payment: call it first in the view that writes, and in the
    view that shows the form, so that nobody fills it in for nothing.
    """
    within, grace = current_app.config["SECURITY_FRESHNESS"], current_app.config["SECURITY_FRESHNESS_GRACE_PERIOD"]
    if check_and_update_authn_fresh(within, grace, "session"):
        return None
    if request.method not in _READING:
        flash(
            _l("To be sure that it is you, give your password first; then send the form again. Nothing was changed."),
            "warning",
        )
    return redirect(url_for("security.verify", next=_way_back()), code=303)


def lacks_second_factor(actor: Actor) -> bool:
    """Whether this role may not go on before it has a second factor. A demo's one click counts as one."""
    if actor.audience not in SECOND_FACTOR_REQUIRED or current_user.has_second_factor:
        return False
    return not (current_app.config["DEMO"] and session.get("by_demo"))


def require_organization(actor: Actor) -> int:
    """The organization that a member of staff acts for."""
    if actor.organization_id is None:
        raise NotAllowed(_l("This is for an organization's staff."))
    return actor.organization_id


def to_sign_in() -> ResponseReturnValue:
    """Send a visitor to sign in and then back. Of a form that was sent the page is found again, not its content."""
    if request.method not in _READING:
        flash(_l("You are signed out, so what you sent was not carried out. Sign in, then send it again."), "warning")
    return redirect(url_for("security.login", next=_way_back()), code=302 if request.method in _READING else 303)


def _way_back() -> str | None:
    """Where the person was: the page asked for, or the one whose form was sent."""
    if request.method in _READING:
        return local_path(iri_to_uri(request.full_path).rstrip("?"), default="/")
    came_from = urlsplit(request.referrer or "")
    if came_from.netloc != request.host:
        return None
    return local_path(came_from.path + (f"?{came_from.query}" if came_from.query else ""), default="/")


# --- what -----------------------------------------------------------------------------------------


def scope_of(model: type[Base]) -> Callable[[Scope], Scope]:
    """Say which rows of ``model`` an actor may reach: a function from actor to a WHERE condition."""

    def register(scope: Scope) -> Scope:
        assert model not in _scopes, f"{model.__name__} has a scope already"
        _scopes[model] = scope
        return scope

    return register


def selecting(model: type[M], actor: Actor) -> Select[M]:
    """A SELECT of the rows of ``model`` that the actor may reach."""
    assert model in _scopes, f"nobody has said who may reach {model.__name__}"
    return select(model).where(_scopes[model](actor))


def one(model: type[M], actor: Actor, **criteria: Any) -> M:
    """The one row that meets the criteria and is the actor's to see; ``NotFound`` otherwise."""
    statement = selecting(model, actor).filter_by(**criteria)
    found = db.session.execute(statement).scalar_one_or_none()
    if found is None:
        raise NotFound(_l("There is no such page or record, or it is not yours to see."))
    return found
