"""How does a person come to the exchange and get the number that he gives to everyone he works for?"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from flask_babel import gettext
from flask_babel import lazy_gettext as _l

from enrollment import accounts, letters, workers
from enrollment.models import BenefitAccount
from exchange.errors import Refusal
from exchange.identity import login
from exchange.identity.actors import Actor, Audience
from exchange.identity.login import newcomers
from exchange.identity.people import Login
from exchange.policy.document import Policy


class UnknownPlace(Refusal):
    """The policy knows no such place."""

    code = "unknown_place"


@dataclass(frozen=True, slots=True)
class Person:
    """Who registers: a clean name, an address, a password (None: chosen later), and the place where he lives."""

    name: str
    email: str
    password: str | None
    place: str


@dataclass(frozen=True, slots=True)
class Registered:
    """What came of it: the way in, and the account with its permanent number."""

    login: Login
    account: BenefitAccount


def register(person: Person, *, policy: Policy, by: Actor, at: datetime) -> Registered:
    """Enter a worker with a sign-in and an account; the exchange holds what comes until he chooses.

    Refuses ``UnknownPlace``, ``login.BadEmail``, ``login.EmailTaken`` and ``login.WeakPassword``.
    """
    if person.place not in {place.code for place in policy.places}:
        raise UnknownPlace(_l("Choose a place from the list."), field="place")
    way_in = login.create(
        person.email, password=person.password, name=person.name, audience=Audience.WORKER, by=by, at=at
    )
    worker = workers.register(
        person.name, email=way_in.email, place=person.place, login_id=way_in.id, by=way_in.as_actor(), at=at
    )
    account = accounts.open_account(worker, by=way_in.as_actor(), at=at)
    letters.tell(
        account.id,
        lambda: (
            gettext("Welcome to the exchange"),
            gettext("Your account number is %(number)s. Give it to everyone you work for.", number=account.number),
        ),
        by=by,
        at=at,
    )
    return Registered(way_in, account)


def ask(person: Person, *, policy: Policy, by: Actor, at: datetime) -> None:
    """Register whoever reads the letters that come to this clean address, and tell nobody else whose it is.

    See ``newcomers.ask``. Refuses ``UnknownPlace``.
    """

    def enter(address: str) -> Login:
        newcomer = replace(person, email=address, password=None)
        return register(newcomer, policy=policy, by=by, at=at).login

    newcomers.ask(person.email, enter=enter, letters=newcomers.Letters(_to_newcomer, _to_owner), by=by, at=at)


def _to_newcomer(link: str) -> letters.Letter:
    return gettext("Choose your password"), gettext(
        "You are registered once you have chosen a password. Do it here within 10 minutes:\n\n%(link)s\n\n"
        "Later, ask for a new link by “Forgot your password?” where you sign in. If you did not register, do nothing: "
        "without a password nobody can sign in.",
        link=link,
    )


def _to_owner(sign_in: str) -> letters.Letter:
    return gettext("You have an account already"), gettext(
        "Somebody, most likely you, wanted to register with this address. You sign in with it already, so nothing "
        "was entered. Sign in here, or set a new password there if you forgot yours:\n\n%(sign_in)s\n\n"
        "If you act for an organization with this address, register as a worker with another one. "
        "If it was not you, do nothing.",
        sign_in=sign_in,
    )
