"""How does a person come to the exchange and get the number that he gives to everyone he works for?"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from flask_babel import gettext
from flask_babel import lazy_gettext as _l

from enrollment import accounts, letters, workers
from enrollment.models import BenefitAccount
from exchange.errors import Refusal
from exchange.identity import login
from exchange.identity.actors import Actor, Audience
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
