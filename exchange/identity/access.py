"""May this person see or change that?  The one place that decides it.

An audience's guard stands before each of its pages (``require``). Which rows of a table an actor may
reach is said once, next to the table, with ``@scope_of``; pages and operations then ask with
``one`` and ``selecting``, which answer "there is no such thing" for what is somebody else's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from flask import abort, current_app, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import lazy_gettext as _l
from flask_security import current_user
from sqlalchemy import ColumnElement, Select, select

from exchange.database import Base, db
from exchange.errors import NotAllowed, NotFound
from exchange.identity.actors import ANONYMOUS, SECOND_FACTOR_REQUIRED, Actor, Audience

__all__ = ["ANONYMOUS", "Actor", "Audience", "current_actor", "one", "require", "scope_of", "selecting"]

M = TypeVar("M", bound=Base)
Scope = Callable[[Actor], ColumnElement[bool]]
_scopes: dict[type[Base], Scope] = {}


def current_actor() -> Actor:
    """Who makes this request. A disabled login is nobody from its next request on."""
    if not current_user or not current_user.is_authenticated or not current_user.active:
        return ANONYMOUS
    actor: Actor = current_user.as_actor()
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
        if request.method in {"GET", "HEAD"}:
            return redirect(url_for("security.login", next=request.full_path.rstrip("?")))
        return current_app.make_response(("", 302, {"Location": url_for("security.login")}))
    if actor.audience is not audience:
        raise NotAllowed(_l("These pages are for somebody else. You are signed in, but not in the capacity they ask for."))
    if audience in SECOND_FACTOR_REQUIRED and not current_user.has_second_factor:
        return redirect(url_for("security.two_factor_setup"))
    return None


def require_organization(actor: Actor) -> int:
    """The organization that a member of staff acts for."""
    if actor.organization_id is None:
        abort(403)
    return actor.organization_id


def scope_of(model: type[Base]) -> Callable[[Scope], Scope]:
    """Say which rows of ``model`` an actor may reach: a function from actor to a WHERE condition."""

    def register(scope: Scope) -> Scope:
        assert model not in _scopes, f"{model.__name__} has a scope already"
        _scopes[model] = scope
        return scope

    return register


def selecting(model: type[M], actor: Actor) -> Select[tuple[M]]:
    """A SELECT of the rows of ``model`` that the actor may reach."""
    return select(model).where(_scopes[model](actor))


def one(model: type[M], actor: Actor, **criteria: Any) -> M:
    """The one row that meets the criteria and is the actor's to see; ``NotFound`` otherwise."""
    statement = selecting(model, actor).filter_by(**criteria)
    found = db.session.execute(statement).scalar_one_or_none()
    if found is None:
        raise NotFound(_l("There is no such page or record, or it is not yours to see."))
    return found
