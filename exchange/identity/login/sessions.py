"""How long is somebody signed in?

The signed cookie says since when, how lately he was here, and how long he may rest; the login's ``fs_uniquifier``
in the database says whether the session is ended. Signing out, a new password and disabling change it, which ends
every session of the login everywhere. Limits after NIST SP 800-63B: they are shorter for staff.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from flask import Blueprint, Flask, current_app, flash, g, request, session
from flask.typing import ResponseReturnValue
from flask_babel import lazy_gettext as _l

from exchange import clock
from exchange.identity import access
from exchange.identity.actors import STAFF, Audience
from exchange.identity.people import Login
from exchange.web.audiences import READING, audience_of

IDLE_WORKER = timedelta(minutes=15)
IDLE_STAFF = timedelta(minutes=5)
ABSOLUTE = timedelta(hours=8)
IN_DEMO = timedelta(hours=24)
# What Flask-Login and Flask-Security keep of a person who has just signed in, and what the next page shows.
KEPT_AT_SIGN_IN = frozenset({"_user_id", "_fresh", "_id", "_flashes", "fs_paa", "fs_cc"})
_NOTED_EVERY_SECONDS = 30


class SignedInBlueprint(Blueprint):
    """Pages for everybody who has signed in, whatever his capacity."""

    def __init__(self, name: str, import_name: str, **options: Any) -> None:
        super().__init__(name, import_name, **options)
        self.before_request(access.require_signed_in)


def init_app(app: Flask) -> None:
    """Look at the session before anything else does. The form's token is looked at later: who was signed out while he
    filled in a form is told so, not that his form is stale.
    """
    app.before_request(end_when_over)
    app.before_request(send_to_sign_in)


def begin(login: Login, *, by_demo: bool = False) -> None:
    """Make the present session this login's and only its: nothing of before stays, not even the forms' token."""
    for key in session.keys() - KEPT_AT_SIGN_IN:
        del session[key]
    g.pop(current_app.config.get("WTF_CSRF_FIELD_NAME", "csrf_token"), None)
    now = clock.machine_seconds()
    idle = IDLE_STAFF if login.audience in STAFF else IDLE_WORKER
    session.update(began_at=now, seen_at=now, rests=_seconds(idle), lasts=_seconds(ABSOLUTE))
    if current_app.config["DEMO"]:
        session.update(rests=_seconds(IN_DEMO), lasts=_seconds(IN_DEMO), by_demo=by_demo)


def end_when_over() -> None:
    """Sign out who rested too long or began too long ago."""
    if "_user_id" not in session or request.endpoint == "static":
        return
    now = clock.machine_seconds()
    rested = now - session.get("seen_at", 0)
    if rested > session.get("rests", 0) or now - session.get("began_at", 0) > session.get("lasts", 0):
        session.clear()
        flash(
            _l("You were signed out because you were away for a while, or signed in for long. Sign in again to go on."),
            "info",
        )
    elif rested >= _NOTED_EVERY_SECONDS:
        session["seen_at"] = now


def send_to_sign_in() -> ResponseReturnValue | None:
    """Send a form of somebody who is signed out by now to sign in, and say that it was not carried out."""
    if request.method in READING or "_user_id" in session:
        return None
    blueprint = current_app.blueprints.get(request.blueprint or "")
    guarded = isinstance(blueprint, SignedInBlueprint) or audience_of(current_app, request.endpoint) not in {
        None,
        Audience.PUBLIC,
    }
    return access.to_sign_in() if guarded else None


def _seconds(span: timedelta) -> int:
    return int(span.total_seconds())
