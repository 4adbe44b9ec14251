"""Whose pages are these: which worker has signed in, what is his account, and what is the law today?"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from flask import request
from wtforms.fields.choices import SelectChoice

from enrollment import accounts, overview, workers
from enrollment.models import BenefitAccount, Worker
from exchange import clock
from exchange.clock import local_date
from exchange.identity.access import current_actor
from exchange.identity.actors import Actor
from exchange.policy import versions
from exchange.policy.document import Policy
from exchange.web.audiences import READING

LONGEST_ID: Final = 18
"""So many digits an id has at most: what is longer is no id, and no number that the database holds."""


@dataclass(frozen=True, slots=True)
class Self:
    """The worker who asks, at one instant: what he is told and what is decided for him rest on the same clock."""

    actor: Actor
    worker: Worker
    account: BenefitAccount
    policy: Policy
    at: datetime

    @property
    def today(self) -> date:
        """The local date of the program."""
        return local_date(self.at, self.policy.zone)


def read_self(at: datetime | None = None) -> Self:
    """The worker of this request. Called again inside a unit of work: what is decided is read there.

    ``at``: the instant by which to decide, where that is not the present one but when something was received.
    """
    at = at or clock.now()
    actor = current_actor()
    worker = workers.of_actor(actor)
    return Self(actor, worker, accounts.of_worker(worker), versions.at_instant(at), at)


def asked_id(name: str) -> int | None:
    """The id that the address or the form gives under this name; None where it gives none that could be one."""
    given = request.args if request.method in READING else request.values
    text = given.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) <= LONGEST_ID else None


def place_choices(policy: Policy) -> list[SelectChoice]:
    """The places of the policy for a form's list."""
    return [SelectChoice(code, name) for code, name in overview.place_names(policy).items()]
