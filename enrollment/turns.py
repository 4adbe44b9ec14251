"""Whose turn is it: that of an open enrollment's switches, or of others that took effect before?

Special enrollments, placements and successions are carried out on the day they take effect. The scheduler does what
has been due the longest first; but a job can fail, and somebody can run another one by hand. An open enrollment builds
on what took effect before it: its orders begin where a worker stands, and what he chose for an earlier day
must not be carried out after it, or he would end where he no longer wants to be.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from flask_babel import lazy_gettext as _l
from sqlalchemy import func, select

from enrollment.models import Election, ElectionState, EnrollmentWindow, Switch, SwitchState, WindowKind
from exchange.database import db
from exchange.scheduler.jobs import PutOff

OTHERS_FIRST: Final = _l(
    "Switches outside of open enrollments that took effect before come first: the job carry-out-switches does them."
)


@dataclass(frozen=True, slots=True)
class Waiting:
    """Choices of special enrollments, placements and successions that are to be carried out: a name for them all, and
    since when the first of them is; None when there is none.
    """

    key: str
    since: datetime | None


def outside(at: datetime) -> Waiting:
    """What has taken effect by ``at`` outside of open enrollments, and is not carried out."""
    e, w, s = Election, EnrollmentWindow, Switch
    elections = (
        select(func.max(e.id), func.min(e.effective_at))
        .join(w, w.id == e.window_id)
        .where(w.kind == WindowKind.SPECIAL, e.state == ElectionState.STANDING, e.effective_at <= at)
    )
    switches = select(func.max(s.id), func.min(s.effective_at)).where(
        s.state == SwitchState.ORDERED, s.window_id.is_(None), s.effective_at <= at
    )
    last_election, elected = db.session.execute(elections).one()
    last_switch, ordered = db.session.execute(switches).one()
    return Waiting(f"{last_election or 0}:{last_switch or 0}", min(filter(None, (elected, ordered)), default=None))


def before(window: EnrollmentWindow) -> int:
    """How many switches outside of open enrollments are chosen or ordered for before the cutover, and not carried out.

    A rehearsal does not know them: once they are carried out, other balances stand elsewhere.
    """
    assert window.effective_at is not None, "an open enrollment has an effective instant"
    e, w, s = Election, EnrollmentWindow, Switch
    elections = (
        select(func.count(e.id))
        .join(w, w.id == e.window_id)
        .where(w.kind == WindowKind.SPECIAL, e.state == ElectionState.STANDING, e.effective_at < window.effective_at)
    )
    switches = select(func.count(s.id)).where(
        s.state == SwitchState.ORDERED, s.window_id.is_(None), s.effective_at < window.effective_at
    )
    return db.session.execute(elections).scalar_one() + db.session.execute(switches).scalar_one()


def is_turn_to_order(window: EnrollmentWindow) -> bool:
    """Whether all that took effect before the close is carried out."""
    return not _others_before(window.closes_at)


def is_turn_to_carry_out(window: EnrollmentWindow, *, at: datetime) -> bool:
    """Whether all that took effect before the cutover is carried out ``at``. One that has begun is not held up."""
    assert window.effective_at is not None, "an open enrollment has an effective instant"
    if not _others_before(min(window.effective_at, at)):
        return True
    s = Switch
    begun = select(s.id).where(s.window_id == window.id, s.state == SwitchState.CARRIED_OUT).limit(1)
    return db.session.execute(begun).first() is not None


def must_be_turn_to_carry_out(window: EnrollmentWindow, *, at: datetime) -> None:
    """Raises ``PutOff`` when it is not."""
    if not is_turn_to_carry_out(window, at=at):
        raise PutOff(OTHERS_FIRST)


def _others_before(at: datetime) -> bool:
    since = outside(at).since
    return since is not None and since < at
