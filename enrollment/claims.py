"""May a worker choose outside of open enrollment because of something that happened to him?

Only for the causes that the policy lets workers claim (moved, a court's order), and only while the
window of such an event is open. What he says as evidence is kept with the deed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from flask_babel import lazy_gettext as _l

from enrollment import windows
from enrollment.models import BenefitAccount, Worker
from enrollment.registration import UnknownPlace
from exchange import audit, calendar
from exchange.clock import local_date
from exchange.database import db
from exchange.errors import Refusal
from exchange.identity.actors import Actor
from exchange.policy.document import Cause, Policy, Trigger
from exchange.web.filters import day

# No window reaches so far from its event; and at the ends of the calendar there is no day before, and none after.
_FARTHEST: Final = timedelta(days=3_660)


class NotClaimable(Refusal):
    """This cause is found by the exchange itself."""

    code = "not_claimable"


class OutOfTime(Refusal):
    """The event lies too far back or ahead: its window is not open now."""

    code = "event_out_of_time"


class EvidenceNeeded(Refusal):
    """Nothing was said that others could check."""

    code = "evidence_needed"


@dataclass(frozen=True, slots=True)
class Claim:
    """What happened, when, by which evidence, and where the worker lives now (a place of the policy)."""

    cause: str
    event_on: date
    evidence: str
    place: str


def claimable(policy: Policy) -> list[Cause]:
    """The causes that a worker may claim."""
    return [cause for cause in policy.causes if cause.trigger is Trigger.CLAIMED]


def refusal_to_claim(claim: Claim, *, policy: Policy, at: datetime) -> Refusal | None:
    """Why no enrollment opens for this; None when one does."""
    cause = policy.cause(claim.cause)
    if cause.trigger is not Trigger.CLAIMED:
        return NotClaimable(_l("This is not claimed: the exchange opens the enrollment by itself."), field="cause")
    if claim.place not in {place.code for place in policy.places}:
        return UnknownPlace(_l("Choose a place from the list."), field="place")
    if not claim.evidence.strip():
        return EvidenceNeeded(_l("Say what shows it: a lease, an order's number."), field="evidence")
    if abs(claim.event_on - local_date(at, policy.zone)) > _FARTHEST:
        return OutOfTime(_l("This day is years away: nothing can be chosen for it now."), field="event_on")
    window = calendar.special_window(policy, cause, claim.event_on)
    if not window.is_open(at):
        return OutOfTime(
            _l(
                "For an event on %(event)s you can choose from %(first)s to %(last)s.",
                event=day(claim.event_on),
                first=day(window.opens_on),
                last=day(window.last_day),
            ),
            field="event_on",
        )
    return None


def file_claim(account: BenefitAccount, claim: Claim, *, policy: Policy, by: Actor, at: datetime) -> None:
    """Open the worker's special enrollment, at once; the same event opens it once. Refuses as its question says."""
    refusal = refusal_to_claim(claim, policy=policy, at=at)
    if refusal is not None:
        raise refusal
    worker = db.session.get_one(Worker, account.worker_id)
    if worker.place != claim.place:
        worker.place = claim.place
        audit.record("worker.moved", f"worker:{worker.id}", by=by, at=at)
    cause = policy.cause(claim.cause)
    windows.open_special([account.id], cause=cause, event_on=claim.event_on, policy=policy, by=by, at=at)
    audit.record(
        "window.claimed",
        f"benefit_account:{account.id}",
        by=by,
        at=at,
        reason=claim.evidence,
        facts=f"cause={cause.code} event_on={claim.event_on}",
    )
