"""What has a worker chosen for a plan year, and may he?

One election stands for each worker and plan year; the last one taken before the close counts, and
doing nothing keeps the present package. Whether a choice is in time is decided by the instant at
which it was received, read from the database's clock, in the transaction that records it and once
more by a trigger; the scheduler only tidies up afterwards.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from flask_babel import lazy_gettext as _l
from sqlalchemy import ColumnElement, false, func, select, true, update

from enrollment import memberships, windows
from enrollment.models import (
    BenefitAccount,
    Election,
    ElectionState,
    EnrollmentWindow,
    Switch,
    SwitchState,
    Worker,
)
from exchange import audit, calendar
from exchange.clock import local_date
from exchange.database import db, is_sqlite
from exchange.errors import NotFound, Refusal
from exchange.identity.access import scope_of
from exchange.identity.actors import Actor, Audience
from exchange.policy.document import Policy
from providers import shelf
from providers.models import Package, PackageVersion, VersionState

# State → the states it may become. Nothing else sets a state.
STEPS = {
    ElectionState.STANDING: {ElectionState.REPLACED, ElectionState.UNDONE, ElectionState.CARRIED_OUT},
    ElectionState.REPLACED: set(),
    ElectionState.UNDONE: set(),
    ElectionState.CARRIED_OUT: set(),
}


class AccountLocked(Refusal):
    """The worker locked his account against switches."""

    code = "account_locked"


class NotOnSale(Refusal):
    """The package takes no new members now."""

    code = "not_on_sale"


class OtherPlanYear(Refusal):
    """The package version is for another plan year than the window."""

    code = "other_plan_year"


class OutsideServiceArea(Refusal):
    """The package does not serve where the worker lives."""

    code = "outside_service_area"


class NothingToUndo(Refusal):
    """No election stands that could be undone."""

    code = "nothing_to_undo"


def elect(
    account: BenefitAccount,
    *,
    window: EnrollmentWindow,
    version: PackageVersion,
    policy: Policy,
    by: Actor,
    at: datetime,
) -> Election:
    """Record the worker's choice; it replaces the one that stood. Refuses as ``refusals_to_elect`` says.

    ``at`` is when the choice was received, by the database's clock: what came in time counts, even when
    the transaction that records it had to wait past the close. Of two that crossed on their way, the one
    received later stands.
    """
    _hold(account, window)
    for refusal in refusals_to_elect(account, window=window, version=version, policy=policy, at=at):
        raise refusal
    effective_at = effective_instant(window, policy=policy, at=at)
    plan_year = version.plan_year
    present = standing(account.id, plan_year)
    was_overtaken = present is not None and present.decided_at > at
    if not was_overtaken:
        _leave(present, ElectionState.REPLACED)
    election = Election(
        benefit_account_id=account.id,
        window_id=window.id,
        plan_year=plan_year,
        package_version_id=version.id,
        state=ElectionState.REPLACED if was_overtaken else ElectionState.STANDING,
        decided_at=at,
        decided_by_id=by.login_id,
        effective_at=effective_at,
        retroactive=effective_at < at,
    )
    db.session.add(election)
    db.session.flush()
    audit.record("election.made", f"election:{election.id}", by=by, at=at, facts=f"package_version={version.id}")
    return election


def undo(account: BenefitAccount, *, window: EnrollmentWindow, plan_year: str, by: Actor, at: datetime) -> None:
    """Take the standing election back, while its window is open: the present package stays."""
    _hold(account, window)
    refusal = refusal_of_time(window, at)
    if refusal is not None:
        raise refusal
    election = standing(account.id, plan_year)
    if election is None or election.window_id != window.id:
        raise NothingToUndo(_l("You have made no choice that could be undone."))
    _leave(election, ElectionState.UNDONE)
    audit.record("election.undone", f"election:{election.id}", by=by, at=at)


def standing(account_id: int, plan_year: str) -> Election | None:
    """The election that counts for that plan year, as things stand."""
    e = Election
    return db.session.execute(
        select(e).where(e.benefit_account_id == account_id, e.plan_year == plan_year, e.state == ElectionState.STANDING)
    ).scalar_one_or_none()


def history(account_id: int) -> list[Election]:
    """Every election of an account, the latest first."""
    return list(
        db.session.execute(
            select(Election).where(Election.benefit_account_id == account_id).order_by(Election.decided_at.desc())
        ).scalars()
    )


def effective_instant(window: EnrollmentWindow, *, policy: Policy, at: datetime) -> datetime:
    """From which instant a choice made now in this window counts."""
    if window.effective_at is not None:
        return window.effective_at
    cause = windows.cause_of(window, policy)
    assert cause is not None and window.event_on is not None, "a special window has a cause and an event"
    chosen_on = local_date(at, policy.zone)
    return calendar.first_instant(
        calendar.effective_on(cause.effective, event_on=window.event_on, chosen_on=chosen_on), policy.zone
    )


def refusals_to_elect(
    account: BenefitAccount,
    *,
    window: EnrollmentWindow,
    version: PackageVersion,
    policy: Policy,
    at: datetime,
    known: tuple[int, str] | None = None,
) -> Iterator[Refusal]:
    """Why this choice is not taken, the weightiest reason first; nothing when it is.

    The page asks it to explain, the operation to refuse: they cannot disagree. ``known``: the id of the worker's
    present provider and the place where he lives, from who has just read them.
    """
    yield from refusals_of_worker(account, window=window, at=at)
    if refusal_of_time(window, at):
        return
    effective_on = local_date(effective_instant(window, policy=policy, at=at), policy.zone)
    wanted = calendar.plan_year_of(policy, effective_on).id
    if version.plan_year != wanted:
        yield OtherPlanYear(
            _l(
                "This offer is for %(offered)s; you are choosing for %(wanted)s.",
                offered=version.plan_year,
                wanted=wanted,
            )
        )
    yield from _refusals_of_the_shelf(
        version, *(known or (memberships.current(account.id).provider_id, _home(account)))
    )


def refusals_of_worker(account: BenefitAccount, *, window: EnrollmentWindow, at: datetime) -> Iterator[Refusal]:
    """Those of them that lie with the worker and the window, whatever he wants: no statement is asked."""
    if window.benefit_account_id not in (None, account.id):
        yield NotFound(_l("There is no such enrollment for you."))
    if account.closed_at is not None:
        yield NotFound(_l("This account is closed."))
    if account.switch_locked:
        yield AccountLocked(
            _l("You have locked your account against switches. Take the lock off on your account page first.")
        )
    if refusal := refusal_of_time(window, at):
        yield refusal


def refusal_of_time(window: EnrollmentWindow, at: datetime) -> Refusal | None:
    """Why it is too early or too late to choose or undo in this window; None when it is not."""
    return windows.refusal_to_choose(window, at) or _refusal_after_ordering(window)


def _refusals_of_the_shelf(version: PackageVersion, provider_id: int, place: str) -> Iterator[Refusal]:
    if version.state is not VersionState.LISTED:
        yield NotOnSale(_l("This package is not on sale."))
        return
    is_member = provider_id == _provider_of(version)
    if not is_member and not shelf.takes_new_members(version):
        yield NotOnSale(_l("This provider takes no new members at the moment."))
    if not shelf.serves(version, place):
        yield OutsideServiceArea(_l("This package does not serve the place where you live."))


def _home(account: BenefitAccount) -> str:
    return db.session.execute(select(Worker.place).where(Worker.id == account.worker_id)).scalar_one()


def _provider_of(version: PackageVersion) -> int:
    return db.session.execute(select(Package.provider_id).where(Package.id == version.package_id)).scalar_one()


def _refusal_after_ordering(window: EnrollmentWindow) -> Refusal | None:
    if window.ordered_at is not None:
        return windows.WindowClosed(_l("The choices of this enrollment are being carried out already."))
    return None


def _hold(account: BenefitAccount, window: EnrollmentWindow) -> None:
    """Two tabs of one worker take turns; the window is not turned into orders meanwhile."""
    db.session.refresh(window, with_for_update={"read": True})
    db.session.refresh(account, with_for_update={"key_share": True})  # not against its key, as in ``hold_accounts``


def hold_accounts(which: ColumnElement[bool]) -> None:
    """Whoever chooses for these accounts and whoever orders what was chosen take turns.

    Not against their keys: a cutover that begins a new membership meanwhile need not wait.
    """
    if not is_sqlite():
        held = select(BenefitAccount.id).where(which).order_by(BenefitAccount.id)
        held_rows = held.with_for_update(key_share=True).subquery()
        db.session.execute(select(func.count()).select_from(held_rows))


def _leave(election: Election | None, state: ElectionState) -> None:
    if election is not None:
        assert state in STEPS[election.state], f"an election that is {election.state} does not become {state}"
        election.state = state
        db.session.flush()
        # A special enrollment can replace a choice that was ordered already: that order is void.
        void = update(Switch).where(Switch.election_id == election.id, Switch.state == SwitchState.ORDERED)
        db.session.execute(void.values(state=SwitchState.ABANDONED, reason="the worker chose again"))


@scope_of(Election)
def _elections_of(actor: Actor) -> ColumnElement[bool]:
    """A worker sees his own; operator and regulator all. Providers learn of them when they are carried out."""
    match actor.audience:
        case Audience.WORKER:
            mine = (
                select(BenefitAccount.id)
                .join(Worker, Worker.id == BenefitAccount.worker_id)
                .where(Worker.login_id == actor.login_id)
            )
            return Election.benefit_account_id.in_(mine)
        case Audience.OPERATOR | Audience.REGULATOR | Audience.SYSTEM:
            return true()
        case _:
            return false()
