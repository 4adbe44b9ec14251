"""How does somebody come to sign in with another address?

He follows a link in a letter to it. So nobody signs in with an address that he does not read, a slip of the finger
locks nobody out, and whoever names an address learns nothing of whose it is.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from datetime import datetime
from typing import Final

from flask import current_app
from flask_babel import force_locale, gettext
from flask_babel import lazy_gettext as _l
from itsdangerous import BadData, URLSafeTimedSerializer

from exchange import audit, outgoing_mail
from exchange.database import db
from exchange.errors import Refusal
from exchange.identity import login
from exchange.identity.actors import Actor
from exchange.identity.people import Login

WITHIN_SECONDS: Final = 10 * 60
"""So long the link in a letter is good, by the machine's clock: a demo's may jump."""


class LinkOver(Refusal):
    """The link is too old, was used, is another's, or was never ours."""

    code = "link_over"


def ask(login_id: int, email: str, *, link: Callable[[str], str], by: Actor, at: datetime) -> str:
    """Write to the new address, and give it as it is kept. ``link``: what leads to ``take`` with a token.

    Whose address it is already is told that somebody asked for it, and no link. Refuses ``login.BadEmail``.
    """
    mine, address = db.session.get_one(Login, login_id), login.clean_email(email)
    owner = login.by_email(address)
    if owner is None:
        subject = gettext("Is this your address?")
        body = gettext(
            "Somebody, most likely you, wants to sign in to the exchange with this address from now on. If it was you, "
            "say so here within 10 minutes:\n\n%(link)s\n\nIf it was not you, do nothing.",
            link=link(str(_signer().dumps([mine.id, mine.email, address]))),
        )
    else:
        with force_locale(owner.language) if owner.language is not None else nullcontext():
            subject = gettext("You sign in with this address already")
            body = gettext(
                "Somebody wants to sign in to the exchange with this address, but you do so already. Nothing was "
                "changed. If it was you: each address is for one account only."
            )
    outgoing_mail.write(address, subject=subject, body=body, at=at)
    audit.record("login.email_asked", f"login:{login_id}", by=by, at=at)
    return address


def take(token: str, *, by: Actor, at: datetime) -> str:
    """Sign in with the address that the token was sent to from now on, and give it; once.

    ``by`` is whoever asked. Refuses ``LinkOver``, and ``login.EmailTaken`` where somebody was faster.
    """
    address = named(token, by=by)
    assert by.login_id is not None
    login.change_email(by.login_id, address, by=by, at=at)
    return address


def named(token: str, *, by: Actor) -> str:
    """The address that a token stands for. Refuses ``LinkOver``."""
    try:
        login_id, before, address = _signer().loads(token, max_age=WITHIN_SECONDS)
    except BadData as error:
        raise LinkOver(_OVER) from error
    mine = db.session.get(Login, login_id)
    if by.login_id != login_id or mine is None or mine.email != before:
        raise LinkOver(_OVER)
    return str(address)


_OVER: Final = _l("This link is good once, within 10 minutes, for whoever asked for it. Ask for a new one.")


def _signer() -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(current_app.config["SECRET_KEY"], salt="another address")
