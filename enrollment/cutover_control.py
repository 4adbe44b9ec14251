"""Who may stop a cutover, let it go on, confirm it, or have it rolled back, and when?

A cutover runs by itself. While it is paused, no batch begins: the one that is being written ends, and
nothing is half done. What was carried out can be rolled back to the state before, whole, as long as
nobody has confirmed it and nobody has acted on it (``rolling_back`` says how, and what stands in the way).
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from flask_babel import lazy_gettext as _l
from sqlalchemy import select

from enrollment import rolling_back, switching
from enrollment.models import EnrollmentWindow
from exchange import audit
from exchange.database import db
from exchange.errors import Refusal
from exchange.identity.actors import Actor
from exchange.policy import versions
from exchange.scheduler.jobs import PutOff


class NothingToPause(Refusal):
    """The cutover is over, or paused already."""

    code = "nothing_to_pause"
    status = 409


class NotPaused(Refusal):
    """Only what is paused goes on."""

    code = "not_paused"
    status = 409


class NothingToCarryOut(Refusal):
    """The cutover is not due yet, or over."""

    code = "nothing_to_carry_out"
    status = 409


class NotToBeConfirmed(Refusal):
    """Only a cutover that is carried out can be confirmed, once."""

    code = "not_to_be_confirmed"
    status = 409


class NotToBeRolledBack(Refusal):
    """The cutover was confirmed, did not happen, or somebody has acted on it since."""

    code = "not_to_be_rolled_back"
    status = 409


class ForTheTerminal(Refusal):
    """What is to be looked up takes longer than a page has."""

    code = "for_the_terminal"
    status = 409


MOST_ON_A_PAGE: Final = 100_000
"""Workers of a cutover of whom a page looks up who has acted since; a million take longer than its statements may."""


def held(window_id: int, *, shared: bool = False) -> EnrollmentWindow:
    """The window, held until the transaction ends: a batch and a decision about it never cross.

    Several may hold it ``shared`` (batches side by side); who decides waits for them.
    """
    rows = select(EnrollmentWindow).where(EnrollmentWindow.id == window_id)
    rows = rows.with_for_update(read=True) if shared else rows.with_for_update(key_share=True)
    return db.session.execute(rows.execution_options(populate_existing=True)).scalar_one()


def must_not_be_paused(window: EnrollmentWindow) -> None:
    """Asked before each batch: raises ``PutOff`` while the cutover is paused or rolled back."""
    if window.rolling_back_since is not None:  # it is paused as well, and stays so afterwards
        raise PutOff(_l("The cutover is being rolled back."))
    if window.paused_at is not None:
        raise PutOff(_l("The cutover is paused: what is carried out stays, the rest waits."))


def must_be_due(window: EnrollmentWindow, *, at: datetime) -> None:
    """Raises ``NothingToCarryOut`` before the cutover takes effect or its choices are orders, and when it is over."""
    if window.cut_over_at is not None:
        raise NothingToCarryOut(_l("This cutover is carried out and netted: nothing of it is left."))
    if window.ordered_at is None:
        raise NothingToCarryOut(_l("The choices have not become switch orders yet."))
    if window.effective_at is None or at < window.effective_at:
        raise NothingToCarryOut(_l("This cutover has not taken effect yet."))


def carry_batch(window: EnrollmentWindow, *, by: Actor, at: datetime, limit: int = switching.BATCH) -> int:
    """Carry out up to ``limit`` of the window's switches, which the caller holds; how many. Raises ``PutOff``.

    Several may do so side by side, each a batch of its own: whoever finds none left finds none that is free.
    """
    must_not_be_paused(window)
    return switching.carry_out(switching.due(at, window.id), policy=versions.at_instant(at), by=by, at=at, limit=limit)


def pause(window: EnrollmentWindow, *, reason: str, by: Actor, at: datetime) -> None:
    """Begin no further batch, before or during the cutover. Refuses ``NothingToPause``."""
    if window.cut_over_at is not None or window.paused_at is not None:
        raise NothingToPause(_l("This cutover is over, or paused already."))
    window.paused_at = at
    audit.record("cutover.paused", f"window:{window.id}", by=by, at=at, reason=reason)


def resume(window: EnrollmentWindow, *, reason: str, by: Actor, at: datetime) -> None:
    """Let it go on where it stopped. Refuses ``NotPaused``."""
    if window.paused_at is None:
        raise NotPaused(_l("This cutover is not paused."))
    if window.rolling_back_since is not None:
        raise NotPaused(_l("The cutover is being rolled back."))
    window.paused_at = None
    audit.record("cutover.resumed", f"window:{window.id}", by=by, at=at, reason=reason)


def refusal_to_confirm(window: EnrollmentWindow) -> NotToBeConfirmed | None:
    """Why the cutover cannot be confirmed now; None when it can."""
    if window.confirmed_at is not None:
        return NotToBeConfirmed(_l("This cutover was confirmed."))
    if window.cut_over_at is None:
        return NotToBeConfirmed(_l("Only a cutover that is carried out and netted can be confirmed."))
    return None


def confirm(window: EnrollmentWindow, *, reason: str, by: Actor, at: datetime) -> None:
    """Stand by it: from now on it cannot be rolled back. Refuses ``NotToBeConfirmed``."""
    if refusal := refusal_to_confirm(window):
        raise refusal
    window.confirmed_at = at
    audit.record("cutover.confirmed", f"window:{window.id}", by=by, at=at, reason=reason)


def refusal_to_roll_back(
    window: EnrollmentWindow, *, at_most: int | None = None
) -> NotToBeRolledBack | ForTheTerminal | None:
    """Why the cutover cannot be rolled back now; None when it can. A few statements, however many switched.

    ``at_most``: refuses to look up more workers than that.
    """
    if window.confirmed_at is not None:
        return NotToBeRolledBack(_l("This cutover was confirmed: what moved stays."))
    if window.rolling_back_since is not None:
        return NotToBeRolledBack(_l("This cutover is being rolled back already."))
    carried_out = rolling_back.count(window.id)
    if not carried_out:
        return NotToBeRolledBack(_l("Nothing of this cutover has been carried out."))
    if window.cut_over_at is None and window.paused_at is None:
        return NotToBeRolledBack(_l("The cutover is running: pause it first."))
    if at_most is not None and carried_out > at_most:
        command = f"flask cutover roll-back {window.plan_year}"
        words = _l(
            "This cutover is too large to look through while a page waits. In the terminal: %(command)s",
            command=command,
        )
        return ForTheTerminal(words)
    if others := rolling_back.acted_since(window.id):
        return NotToBeRolledBack(
            _l(
                "For %(count)s of its workers something was done since: money came or went, or they chose again. "
                "The state before is not theirs any more.",
                count=f"{others:,}",
            )
        )
    return None


def ask_to_roll_back(
    window: EnrollmentWindow, *, reason: str, by: Actor, at: datetime, at_most: int | None = None
) -> None:
    """Have it rolled back: the scheduler does it, batch by batch. Refuses as ``refusal_to_roll_back``."""
    if refusal := refusal_to_roll_back(window, at_most=at_most):
        raise refusal
    window.rolling_back_since = at
    window.cut_over_at = None
    # Afterwards it waits: what was just rolled back is not carried out again by itself.
    window.paused_at = window.paused_at or at
    audit.record("cutover.rolling_back", f"window:{window.id}", by=by, at=at, reason=reason)
