"""How does somebody come to a sign-in of his own, when anybody may name his address?

He chooses his password by a link in a letter. So a stranger learns nothing of an address that he names, neither from
the answer nor from what he can do afterwards.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from flask import url_for
from flask_babel import force_locale

from exchange import audit, outgoing_mail
from exchange.database import db
from exchange.identity import login
from exchange.identity.actors import Actor
from exchange.identity.login import rates
from exchange.identity.login.sign_in import password_link
from exchange.identity.people import Login

LETTERS_AN_HOUR: Final = 5
"""So many letters to newcomers go to one address, whoever names it; a try that is refused afterwards counts as one."""

Letter = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Letters:
    """Subject and text for each of the two who may read what comes to an address."""

    to_newcomer: Callable[[str], Letter]
    """With the link by which he chooses his password."""
    to_owner: Callable[[str], Letter]
    """With the address where he signs in already."""


def address_for_a_letter(email: str) -> str:
    """The address as it is kept, once a letter more may go there; outside of a unit of work.

    Refuses ``login.BadEmail`` and ``rates.TooManyTries``.
    """
    address = login.clean_email(email)
    rates.slow_down(f"letters to newcomers at {address}", at_most=LETTERS_AN_HOUR)
    return address


def ask(address: str, *, enter: Callable[[str], Login], letters: Letters, by: Actor, at: datetime) -> None:
    """Enter whoever reads the letters that come to this clean address; ``enter`` does it, without a password.

    Whose address it is already is told so by a letter, in his language, and nothing is entered. Whoever asks learns
    nothing of it: for an owner somebody is entered as well, and taken back, so that both take equally long and are
    refused alike.
    """
    owner = login.by_email(address)
    if owner is None:
        subject, body = letters.to_newcomer(password_link(enter(address)))
    else:
        entered = db.session.begin_nested()
        enter(f"{secrets.token_hex(16)}@example.org")
        db.session.flush()
        entered.rollback()
        with force_locale(owner.language) if owner.language is not None else nullcontext():
            subject, body = letters.to_owner(url_for("security.login", _external=True))
        audit.record("login.registered_again", f"login:{owner.id}", by=by, at=at)
    outgoing_mail.write(address, subject=subject, body=body, at=at)
