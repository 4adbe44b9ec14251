"""May this worker take these days off on what he has earned, and who answers him?

A request asks for minutes of one kind of leave. Whoever holds that leave answers it: the worker's
provider, or the exchange for what it holds. A request that still waits when he switches moves with
him, because the answer is asked of whoever holds the leave *then*. Approving pays it: minutes and
their cash value leave the books together.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final, NamedTuple

from flask_babel import format_date, gettext
from flask_babel import lazy_gettext as _l
from sqlalchemy import BigInteger, ColumnElement, Select, false, func, or_, select, true

from enrollment import letters, memberships
from enrollment.models import BenefitAccount, LeaveRequest, LeaveState, Membership, Worker
from exchange import audit, notices
from exchange.clock import local_date
from exchange.database import db, is_sqlite
from exchange.errors import NotAllowed, Refusal
from exchange.identity.access import scope_of
from exchange.identity.actors import Actor, Audience
from exchange.identity.organizations import exchange_id
from exchange.ledger import journal
from exchange.ledger.accounts import AccountKind, LedgerAccount, LedgerBalance, Line, open_lines
from exchange.ledger.journal import Posting, Transfer
from exchange.money import Unit, format_dollars, format_minutes, share_down
from exchange.policy.document import Component, Policy

# State → the states it may become. Nothing else sets a state.
STEPS = {
    LeaveState.ASKED: {LeaveState.APPROVED, LeaveState.REFUSED, LeaveState.WITHDRAWN},
    LeaveState.APPROVED: set(),
    LeaveState.REFUSED: set(),
    LeaveState.WITHDRAWN: set(),
}
_DAY = timedelta(days=1)
LONGEST: Final = timedelta(days=366)
"""From the first day to the last of one request, and how far ahead one can be made."""


class NotLeave(Refusal):
    """The component is no leave: it has no minutes."""

    code = "not_leave"


class TooMuchLeave(Refusal):
    """More than the worker has, less what he has asked for already."""

    code = "too_much_leave"


class BadDays(Refusal):
    """The last day lies before the first, or the hours do not fit into the days."""

    code = "bad_leave_days"


class AlreadyAnswered(Refusal):
    """The request was approved, refused or withdrawn before."""

    code = "leave_already_answered"
    status = 409


class NotYoursToAnswer(NotAllowed):
    """Somebody else holds this leave."""

    code = "leave_held_elsewhere"


class ReasonNeeded(Refusal):
    """A no without a reason is none."""

    code = "reason_needed"


@dataclass(frozen=True, slots=True)
class TimeOff:
    """What is asked: minutes of a kind of leave, for work on the days from the first to the last, both included."""

    component: str
    minutes: int
    first_day: date
    last_day: date


@dataclass(frozen=True, slots=True)
class Leave:
    """A worker's leave of one kind: who holds it, how much, its cash value, and what he has asked for already."""

    component: str
    holder_id: int
    minutes: int
    cents: int
    asked_minutes: int

    @property
    def free_minutes(self) -> int:
        """What can still be asked for."""
        return max(self.minutes - self.asked_minutes, 0)


class _Line(NamedTuple):
    """A worker's line of the books, and what stands on it."""

    id: int
    amount: int


# --- what there is --------------------------------------------------------------------------------


def leave_of(account_id: int) -> dict[str, Leave]:
    """The leave that a worker has, by component.

    One organization holds each kind, for a switch moves it whole; but where a package begins to have a kind that the
    exchange held for its members, there are two. He asks whoever holds more of it, and then the other.
    """
    return leave_of_many([account_id])[account_id]


def leave_of_many(account_ids: Collection[int]) -> dict[int, dict[str, Leave]]:
    """The same for many workers, by account; two statements however many."""
    a = LedgerAccount
    rows = (
        select(a.holder_id, a.component, a.organization_id, a.unit, LedgerBalance.amount)
        .join(LedgerBalance, LedgerBalance.account_id == a.id)
        .where(a.holder_id.in_(account_ids), LedgerBalance.amount > 0)
        .order_by(a.holder_id, a.component, a.organization_id)
    )
    amounts = {(id_, component, org, unit): amount for id_, component, org, unit, amount in db.session.execute(rows)}
    asked = _asked(account_ids)
    found: dict[int, dict[str, Leave]] = {id_: {} for id_ in account_ids}
    for (id_, component, org, unit), minutes in amounts.items():
        theirs = found[int(id_ or 0)]
        if unit is Unit.MIN and (component not in theirs or theirs[component].minutes < minutes):
            cents = amounts.get((id_, component, org, Unit.USD), 0)
            theirs[component] = Leave(component, org, minutes, cents, asked.get((id_, component), 0))
    return found


def _asked(account_ids: Collection[int]) -> dict[tuple[int | None, str], int]:
    r = LeaveRequest
    rows = (
        select(r.benefit_account_id, r.component, func.sum(r.minutes).cast(BigInteger))
        .where(r.benefit_account_id.in_(account_ids), r.state == LeaveState.ASKED)
        .group_by(r.benefit_account_id, r.component)
    )
    return {(id_, component): int(minutes) for id_, component, minutes in db.session.execute(rows)}


def kind_of(code: str, policy: Policy) -> Component | None:
    """The kind of leave as this law has it; None for one that only an earlier law knew: workers may have it still."""
    return next((component for component in policy.components if component.code == code), None)


def cash_value(leave: Leave, minutes: int) -> int:
    """What ``minutes`` of it are worth in cents, rounded down; the last minute takes all that is left."""
    return share_down(leave.cents, minutes, leave.minutes)


# --- asking ---------------------------------------------------------------------------------------


def refusal_to_ask(account_id: int, wanted: TimeOff, *, policy: Policy) -> Refusal | None:
    """Why such a request is not taken; None when it is."""
    component = kind_of(wanted.component, policy)
    if component is not None and Unit.MIN not in component.units:
        return NotLeave(_l("%(name)s is no leave: it has no hours.", name=component.name), field="component")
    if wanted.last_day < wanted.first_day:
        return BadDays(_l("The last day lies before the first."), field="last_day")
    if wanted.last_day - wanted.first_day > LONGEST:
        return BadDays(_l("These days are more than a year. Ask for less at once."), field="last_day")
    days = (wanted.last_day - wanted.first_day).days + 1
    if wanted.minutes > days * policy.limits.minutes_per_day:
        return BadDays(_l("So many hours do not fit into these days."), field="minutes")
    leave = leave_of(account_id).get(wanted.component)
    free = leave.free_minutes if leave else 0
    if wanted.minutes > free:
        return TooMuchLeave(
            _l(
                "You can ask for %(free)s: what you have, less what you have asked for already.",
                free=format_minutes(free),
            ),
            field="minutes",
        )
    return None


def ask(account: BenefitAccount, wanted: TimeOff, *, policy: Policy, by: Actor, at: datetime) -> LeaveRequest:
    """Ask for time off; whoever holds the leave is told. Refuses as ``refusal_to_ask`` says."""
    assert wanted.minutes > 0, "the form asks for at least a minute"
    _hold_account(account.id)
    refusal = refusal_to_ask(account.id, wanted, policy=policy)
    if refusal is not None:
        raise refusal
    request = LeaveRequest(
        benefit_account_id=account.id,
        component=wanted.component,
        minutes=wanted.minutes,
        first_day=wanted.first_day,
        last_day=wanted.last_day,
        state=LeaveState.ASKED,
        asked_at=at,
    )
    db.session.add(request)
    db.session.flush()
    audit.record("leave.asked", f"leave_request:{request.id}", by=by, at=at, facts=f"minutes={wanted.minutes}")
    notices.notify(
        gettext("A member asks for leave"),
        body=gettext(
            "Answer it by %(day)s. You find it among the requests for leave.", day=_day(due_on(request, policy))
        ),
        organization_id=leave_of(account.id)[wanted.component].holder_id,
        by=by,
        at=at,
    )
    return request


def withdraw(request: LeaveRequest, *, by: Actor, at: datetime) -> None:
    """Take a request back before it is answered."""
    _leave_asked(request, LeaveState.WITHDRAWN, by=by, at=at)
    audit.record("leave.withdrawn", f"leave_request:{request.id}", by=by, at=at)


# --- answering ------------------------------------------------------------------------------------


def due_on(request: LeaveRequest, policy: Policy) -> date:
    """The last local day on which the answer is in time."""
    return local_date(request.asked_at, policy.zone) + timedelta(days=policy.withdrawals.decide_within_days)


def held_for(request: LeaveRequest, leave: Mapping[str, Leave], policy: Policy) -> Leave | None:
    """Which of the worker's leave the request asks for; None: it is gone.

    What a switch put into a like component is found there. What the policy no longer knows stays what it is.
    """
    component = kind_of(request.component, policy)
    like = component.like if component is not None else None
    return leave.get(request.component) or leave.get(like or "")


def holder_of(request: LeaveRequest, held: Leave | None) -> int:
    """The organization that answers: whoever holds the leave, or the worker's present provider."""
    return held.holder_id if held else memberships.current(request.benefit_account_id).provider_id


def refusal_to_answer(request: LeaveRequest, held: Leave | None, *, by: Actor) -> Refusal | None:
    """Why this member of staff cannot answer the request as things stand; None when he can."""
    if request.state is not LeaveState.ASKED:
        return AlreadyAnswered(_l("This request was answered or withdrawn already."))
    if by.audience is not Audience.SYSTEM and by.organization_id != holder_of(request, held):
        return NotYoursToAnswer(_l("Somebody else holds this leave for the worker, and answers the request."))
    return None


def refusal_to_approve(request: LeaveRequest, held: Leave | None, *, by: Actor) -> Refusal | None:
    """Why the request cannot be approved: as ``refusal_to_answer``, or the leave no longer suffices."""
    refusal = refusal_to_answer(request, held, by=by)
    if refusal is not None:
        return refusal
    left = held.minutes if held else 0
    if left < request.minutes:
        return TooMuchLeave(_l("The worker has only %(left)s of this leave by now.", left=format_minutes(left)))
    return None


def approve(request: LeaveRequest, *, policy: Policy, by: Actor, at: datetime) -> None:
    """Approve and pay: minutes and their cash value leave the books in one entry. Refuses as its question says."""
    _hold_account(request.benefit_account_id)
    # A cutover at this moment waits: the leave is paid by whom it stands with now.
    memberships.current_for_posting([request.benefit_account_id])
    _hold(request)
    leave = held_for(request, leave_of(request.benefit_account_id), policy)
    refusal = refusal_to_approve(request, leave, by=by)
    if refusal is not None:
        raise refusal
    assert leave is not None, "what suffices is there"
    cents = cash_value(leave, request.minutes)
    key = f"leave:{request.id}"
    transfers = _transfers(request, leave, cents)
    entries = journal.post([Posting(key, "leave", local_date(at, policy.zone), transfers)], by=by, at=at)
    request.component, request.provider_id = leave.component, leave.holder_id
    request.paid_cents, request.entry_id = cents, entries[key]
    _become(request, LeaveState.APPROVED, by=by, at=at)
    audit.record("leave.approved", f"leave_request:{request.id}", by=by, at=at, facts=f"cents={cents}")
    letters.tell(
        request.benefit_account_id,
        lambda: (
            gettext("Your leave is approved"),
            gettext(
                "%(time)s from %(first)s to %(last)s. %(cash)s are paid out to you.",
                time=format_minutes(request.minutes),
                first=_day(request.first_day),
                last=_day(request.last_day),
                cash=format_dollars(cents),
            ),
        ),
        by=by,
        at=at,
    )


def refuse(request: LeaveRequest, *, reason: str, policy: Policy, by: Actor, at: datetime) -> None:
    """Refuse, with a reason that the worker reads. Nothing leaves the books."""
    if not reason.strip():
        raise ReasonNeeded(_l("Say why: the worker reads it."), field="reason")
    _hold(request)
    held = held_for(request, leave_of(request.benefit_account_id), policy)
    refusal = refusal_to_answer(request, held, by=by)
    if refusal is not None:
        raise refusal
    request.reason, request.provider_id = reason, holder_of(request, held)
    _become(request, LeaveState.REFUSED, by=by, at=at)
    audit.record("leave.refused", f"leave_request:{request.id}", by=by, at=at, reason=reason)
    letters.tell(
        request.benefit_account_id,
        lambda: (
            gettext("Your request for leave is refused"),
            gettext("The reason given: %(reason)s. Your leave stays yours, and you can ask again.", reason=reason),
        ),
        by=by,
        at=at,
    )


def _transfers(request: LeaveRequest, leave: Leave, cents: int) -> tuple[Transfer, ...]:
    own = Line(AccountKind.WORKER, leave.holder_id, Unit.MIN, leave.component, request.benefit_account_id)
    own_cash = Line(AccountKind.WORKER, leave.holder_id, Unit.USD, leave.component, request.benefit_account_id)
    taken = Line(AccountKind.ACCRUAL, exchange_id(), Unit.MIN)
    paid = Line(AccountKind.OUTSIDE, leave.holder_id, Unit.USD)
    moves = [(own, taken, request.minutes), *([(own_cash, paid, cents)] if cents else [])]
    ids = open_lines(line for source, target, _ in moves for line in (source, target))
    return tuple(Transfer(ids[source], ids[target], source.unit, amount) for source, target, amount in moves)


# --- lists ----------------------------------------------------------------------------------------


def of_account(account_id: int) -> Sequence[LeaveRequest]:
    """A worker's requests, the latest first."""
    r = LeaveRequest
    rows = select(r).where(r.benefit_account_id == account_id).order_by(r.asked_at.desc(), r.id.desc())
    return db.session.execute(rows).scalars().all()


def waiting(actor: Actor) -> Select[LeaveRequest]:
    """What waits for an answer among the requests that the actor may see, the oldest first."""
    r = LeaveRequest
    return select(r).where(_requests_of(actor), r.state == LeaveState.ASKED).order_by(r.asked_at, r.id)


def is_overdue(request: LeaveRequest, *, policy: Policy, at: datetime) -> bool:
    """Whether a request that waits should have been answered by now."""
    return due_on(request, policy) < local_date(at, policy.zone)


# --- states ---------------------------------------------------------------------------------------


def _hold_account(account_id: int) -> None:
    """Two requests, or two answers, about one account take turns.

    Not against its key: a cutover that begins this worker's next membership need not wait for it, holding the last.
    """
    if not is_sqlite():
        rows = select(BenefitAccount.id).where(BenefitAccount.id == account_id)
        db.session.execute(rows.with_for_update(key_share=True))


def _hold(request: LeaveRequest) -> None:
    db.session.refresh(request, with_for_update=True)


def _leave_asked(request: LeaveRequest, state: LeaveState, *, by: Actor, at: datetime) -> None:
    _hold(request)
    if state not in STEPS[request.state]:
        raise AlreadyAnswered(_l("This request was answered or withdrawn already."))
    _become(request, state, by=by, at=at)


def _become(request: LeaveRequest, state: LeaveState, *, by: Actor, at: datetime) -> None:
    assert state in STEPS[request.state], f"a request that is {request.state} does not become {state}"
    request.state, request.decided_at, request.decided_by_id = state, at, by.login_id
    db.session.flush()


def _day(on: date) -> str:
    return str(format_date(on, "long"))


@scope_of(LeaveRequest)
def _requests_of(actor: Actor) -> ColumnElement[bool]:
    """A worker sees his own; a provider its members' and what it answered; operator and regulator all."""
    r = LeaveRequest
    match actor.audience:
        case Audience.WORKER:
            own = (
                select(BenefitAccount.id)
                .join(Worker, Worker.id == BenefitAccount.worker_id)
                .where(Worker.login_id == actor.login_id)
            )
            return r.benefit_account_id.in_(own)
        case Audience.PROVIDER:
            members = select(Membership.benefit_account_id).where(
                Membership.provider_id == actor.organization_id, Membership.ends_at.is_(None)
            )
            theirs = (r.state == LeaveState.ASKED) & r.benefit_account_id.in_(members)
            return or_(theirs, r.provider_id == actor.organization_id)
        case Audience.OPERATOR | Audience.REGULATOR | Audience.SYSTEM:
            return true()
        case _:
            return false()
