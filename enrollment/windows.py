"""May this worker choose today, and until when?

An enrollment window is a period [opens_at, closes_at) of UTC instants, computed once from the
policy's local dates when it is published. The database refuses an election outside of it; what
stands here explains the refusal, and opens windows.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta

from flask_babel import lazy_gettext as _l
from sqlalchemy import or_, select

from enrollment.models import BenefitAccount, Election, EnrollmentWindow, WindowKind
from exchange import audit, calendar
from exchange.database import db, insert_or_ignore, rows_of
from exchange.errors import Refusal
from exchange.identity.actors import Actor
from exchange.ledger import invariants
from exchange.policy import versions
from exchange.policy.document import Cause, Policy
from exchange.web.filters import moment

SETTLING = timedelta(seconds=60)
"""How long after the close choices that came in time may still be on their way into the database."""


class WindowClosed(Refusal):
    """No election is taken at this instant."""

    code = "window_closed"


def publish_open_enrollment(policy: Policy, year: calendar.PlanYear, *, by: Actor, at: datetime) -> EnrollmentWindow:
    """Publish the open enrollment for a plan year; called again it returns the published one, unmoved."""
    there = open_enrollment_for(year.id)
    if there is not None:
        return there
    dates = calendar.open_enrollment(policy, year)
    window = EnrollmentWindow(
        kind=WindowKind.OPEN,
        plan_year=year.id,
        opens_at=dates.opens_at,
        closes_at=dates.closes_at,
        effective_at=dates.effective_at,
        published_at=at,
    )
    db.session.add(window)
    db.session.flush()
    audit.record("window.published", f"window:{window.id}", by=by, at=at, facts=f"plan_year={year.id}")
    return window


def open_enrollment_for(plan_year: str) -> EnrollmentWindow | None:
    """The published open enrollment for a plan year."""
    w = EnrollmentWindow
    return db.session.execute(select(w).where(w.kind == WindowKind.OPEN, w.plan_year == plan_year)).scalar_one_or_none()


def current_open_enrollment(at: datetime) -> EnrollmentWindow | None:
    """The open enrollment that takes elections now."""
    w = EnrollmentWindow
    return (
        db.session.execute(select(w).where(w.kind == WindowKind.OPEN, w.opens_at <= at, at < w.closes_at))
        .scalars()
        .first()
    )


def next_open_enrollment(at: datetime) -> EnrollmentWindow | None:
    """The open enrollment that is published and has not closed yet: open now, or the next to open."""
    w = EnrollmentWindow
    return (
        db.session.execute(select(w).where(w.kind == WindowKind.OPEN, at < w.closes_at).order_by(w.opens_at))
        .scalars()
        .first()
    )


def to_be_carried_out(at: datetime) -> EnrollmentWindow | None:
    """The open enrollment that has opened and whose choices are not all carried out yet."""
    w = EnrollmentWindow
    begun = select(w).where(w.kind == WindowKind.OPEN, w.opens_at <= at, w.cut_over_at.is_(None))
    return db.session.execute(begun.order_by(w.opens_at)).scalars().first()


def open_enrollments() -> Sequence[EnrollmentWindow]:
    """Every published open enrollment, the latest first."""
    w = EnrollmentWindow
    return db.session.execute(select(w).where(w.kind == WindowKind.OPEN).order_by(w.opens_at.desc())).scalars().all()


def open_for(account: BenefitAccount, at: datetime) -> Sequence[EnrollmentWindow]:
    """Every window in which this account may choose now: the special ones first, soonest to close first."""
    w = EnrollmentWindow
    rows = (
        select(w)
        .where(w.opens_at <= at, at < w.closes_at, or_(w.kind == WindowKind.OPEN, w.benefit_account_id == account.id))
        .order_by(w.kind.desc(), w.closes_at)
    )
    return db.session.execute(rows).scalars().all()


def refusal_to_choose(window: EnrollmentWindow, at: datetime) -> Refusal | None:
    """Why no election is taken in this window at this instant; None when one is."""
    if at < window.opens_at:
        return WindowClosed(_l("You can choose from %(opens)s on.", opens=moment(window.opens_at)))
    if at >= window.closes_at:
        return WindowClosed(_l("You could choose until %(closes)s. The time is over.", closes=moment(window.closes_at)))
    return None


def open_special(
    account_ids: Sequence[int], *, cause: Cause, event_on: date, policy: Policy, by: Actor, at: datetime
) -> int:
    """Open a special enrollment of one cause for some workers, once for the same event; returns how many are new."""
    if not account_ids:
        return 0
    dates = calendar.special_window(policy, cause, event_on)
    year = calendar.plan_year_of(policy, max(event_on, dates.opens_on))
    rows = [
        {
            "kind": WindowKind.SPECIAL,
            "plan_year": year.id,
            "opens_at": dates.opens_at,
            "closes_at": dates.closes_at,
            "published_at": at,
            "benefit_account_id": account_id,
            "cause": cause.code,
            "event_on": event_on,
        }
        for account_id in account_ids
    ]
    opened = rows_of(db.session.execute(insert_or_ignore(EnrollmentWindow).rows(), rows))
    if opened:
        facts = f"accounts={opened} event_on={event_on}"
        audit.record("window.opened", f"cause:{cause.code}", by=by, at=at, facts=facts)
    return opened


def cause_of(window: EnrollmentWindow, policy: Policy) -> Cause | None:
    """The cause of a special enrollment; None of an open one.

    What the law of today no longer knows is as it was when the window was opened: that never moves.
    """
    if window.cause is None:
        return None
    known = next((cause for cause in policy.causes if cause.code == window.cause), None)
    return known or versions.at_instant(window.published_at).cause(window.cause)


@invariants.rule(11, _l("no election is accepted outside its window"))
def _elections_in_windows() -> Sequence[str]:
    outside = (
        select(Election.id)
        .join(EnrollmentWindow, EnrollmentWindow.id == Election.window_id)
        .where(or_(Election.decided_at < EnrollmentWindow.opens_at, Election.decided_at >= EnrollmentWindow.closes_at))
        .limit(invariants.FIRST)
    )
    return [f"election {id_} was decided outside its window" for id_ in db.session.execute(outside).scalars()]
