"""How is a login made, changed and ended, and which passwords are good enough?

Lengths after NIST SP 800-63B-4: 15 characters for a password that stands alone, 8 for one beside a second factor;
no rules on kinds of characters, no expiry; what is easily guessed is refused.
"""

from __future__ import annotations

import secrets
import unicodedata
from datetime import datetime

import email_validator
from blinker import Signal
from flask_babel import LazyString, gettext
from flask_babel import lazy_gettext as _l
from flask_security import hash_password
from sqlalchemy import select

from exchange import audit, outgoing_mail
from exchange.database import db
from exchange.errors import NotFound, Refusal
from exchange.identity.actors import Actor, Audience
from exchange.identity.login.common_passwords import is_common
from exchange.identity.people import Login

SHORTEST_ALONE = 15
SHORTEST_WITH_SECOND_FACTOR = 8
LONGEST = 256
FEWEST_DIFFERENT = 5

disabled = Signal("sent with a login that was disabled just now, in the same transaction, and ``by`` and ``at``")


class EmailTaken(Refusal):
    """Somebody signs in with this address already."""

    code = "email_taken"
    status = 409


class BadEmail(Refusal):
    """Text that is no address."""

    code = "bad_email"


class WeakPassword(Refusal):
    """A password that is too short or too easy to guess."""

    code = "weak_password"


def create(
    email: str,
    *,
    password: str | None,
    name: str,
    audience: Audience,
    organization_id: int | None = None,
    by: Actor,
    at: datetime,
) -> Login:
    """Let a person in. Without a password the way in is "Forgot your password?".

    ``organization_id`` is None for workers and set for staff. Refuses ``BadEmail``, ``EmailTaken``, ``WeakPassword``.
    """
    address = clean_email(email)
    if by_email(address) is not None:
        raise EmailTaken(_l("Somebody signs in with this address already."), field="email")
    login = Login(
        audience=audience,
        organization_id=organization_id,
        name=name,
        email=address,
        active=True,
        created_at=at,
        fs_uniquifier=secrets.token_hex(16),
    )
    if password is not None:
        why = weakness(password, login)
        if why is not None:
            raise WeakPassword(why, field="password")
        login.password = hash_password(normalized(password))
    db.session.add(login)
    db.session.flush()
    audit.record("login.created", f"login:{login.id}", by=by, at=at)
    return login


def by_email(address: str) -> Login | None:
    """The login with this address."""
    return db.session.execute(select(Login).where(Login.email == address)).scalar_one_or_none()


def disable(login_id: int, *, reason: str, by: Actor, at: datetime) -> None:
    """Take the way in away; whoever is signed in with it is nobody at the next request. Twice is once."""
    login = _locked(login_id)
    if not login.active:
        return
    login.active = False
    end_sessions(login)
    audit.record("login.disabled", f"login:{login_id}", by=by, at=at, reason=reason)
    disabled.send(login, by=by, at=at)


def enable(login_id: int, *, reason: str, by: Actor, at: datetime) -> None:
    """Give the way in back. Twice is once."""
    login = _locked(login_id)
    if login.active:
        return
    login.active = True
    audit.record("login.enabled", f"login:{login_id}", by=by, at=at, reason=reason)


def change_email(login_id: int, email: str, *, by: Actor, at: datetime) -> str:
    """Sign in with another address from now on; gives the old one. Refuses ``BadEmail``, ``EmailTaken``."""
    login = _locked(login_id)
    before, address = login.email, clean_email(email)
    if address == before:
        return before
    if by_email(address) is not None:
        raise EmailTaken(_l("Somebody signs in with this address already."), field="email")
    login.email = address
    for reader in (before, address):
        outgoing_mail.write(
            reader,
            subject=gettext("Your address at the exchange was changed"),
            body=gettext("Sign-in and letters now use another address. If it was not you, tell the exchange at once."),
            at=at,
        )
    audit.record("login.email_changed", f"login:{login_id}", by=by, at=at)
    return before


def rename(login_id: int, name: str, *, by: Actor, at: datetime) -> None:
    """Put a clean name in the place of the old one."""
    login = _locked(login_id)
    if login.name != name:
        login.name = name
        audit.record("login.renamed", f"login:{login_id}", by=by, at=at)


def end_sessions(login: Login) -> None:
    """Sign this login out everywhere."""
    login.fs_uniquifier = secrets.token_hex(16)


def clean_email(text: str) -> str:
    """The address in lower case and composed form. Refuses ``BadEmail``."""
    try:
        found = email_validator.validate_email(text.strip(), check_deliverability=False, test_environment=True)
    except email_validator.EmailNotValidError as error:
        raise BadEmail(_l("Write an e-mail address like name@example.com."), field="email") from error
    return str(found.normalized.lower())


def normalized(password: str) -> str:
    """The password as it is hashed: composed the same way on every keyboard."""
    return unicodedata.normalize("NFKD", password)


def shortest_for(login: Login | None) -> int:
    """How many characters the password of this login must have."""
    beside = login is not None and (login.has_second_factor or login.needs_second_factor)
    return SHORTEST_WITH_SECOND_FACTOR if beside else SHORTEST_ALONE


def weakness(password: str, login: Login | None) -> LazyString | None:
    """Why the password is not good enough; None when it is."""
    shortest = shortest_for(login)
    if len(password) < shortest:
        return _l(
            "Choose a password of at least %(count)s characters. Several words in a row are easy to keep in mind.",
            count=shortest,
        )
    if len(password) > LONGEST:
        return _l("Choose a password of at most %(count)s characters.", count=LONGEST)
    lowered = password.casefold()
    if len(set(lowered)) < FEWEST_DIFFERENT or lowered in "abcdefghijklmnopqrstuvwxyz01234567890":
        return _l("This password is too easy to guess. Use more different characters.")
    if is_common(password):
        return _l("This password is among the first that are tried. Choose another one.")
    if login is not None and (
        lowered == login.name.casefold() or login.email.partition("@")[0] == lowered or login.email in lowered
    ):
        return _l("This password is too easy to guess. Leave your name and address out of it.")
    return None


def _locked(login_id: int) -> Login:
    login = db.session.execute(select(Login).where(Login.id == login_id).with_for_update()).scalar_one_or_none()
    if login is None:
        raise NotFound(_l("There is no such login."))
    return login
