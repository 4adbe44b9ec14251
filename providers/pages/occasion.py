"""At which instant, on which local day and under which law is a page shown or a form carried out?"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from exchange import calendar, clock
from exchange.policy import versions
from exchange.policy.document import Policy
from exchange.revision import Moment


@dataclass(frozen=True, slots=True)
class Occasion:
    """Everything on one page, and everything that a form does, rests on one reading of the clock."""

    at: datetime
    on: date
    policy: Policy


def occasion(moment: Moment | None = None) -> Occasion:
    """Now, or the moment that was read already. Refuses ``NoPolicyInForce``.

    Called again inside a unit of work: what is decided is read there.
    """
    if moment is None:
        at = clock.now()
        policy = versions.at_instant(at)
    else:
        at, policy = moment.at, versions.at_moment(moment)
    return Occasion(at, clock.local_date(at, policy.zone), policy)


def policy_of_year(now: Occasion, plan_year: str) -> Policy:
    """The law that a package of that plan year is measured by: the one that holds on the year's first day.

    For a year that has begun already it is the present one.
    """
    starts_on = calendar.plan_year(now.policy, plan_year).starts_on
    return now.policy if starts_on <= now.on else versions.on(starts_on)
