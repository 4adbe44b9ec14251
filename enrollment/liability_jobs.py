"""When is it stated, by itself, what every provider owes?

On the first of each month, and right before and after every cutover: the leaf that a worker has at his
old provider before and at the new one after are his receipt.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from flask_babel import lazy_gettext as _l
from sqlalchemy import select

from enrollment import cutover, liability_statements, statement_times
from enrollment.models import EnrollmentWindow, WindowKind
from exchange import clock
from exchange.clock import local_date
from exchange.database import db, in_unit_of_work
from exchange.identity.actors import Actor
from exchange.ledger import keys, seals, statements
from exchange.ledger.seal_store import LiabilityStatement
from exchange.policy import versions
from exchange.policy.document import NoPolicyInForce
from exchange.scheduler.jobs import Due, Hold, due_on, long_job
from exchange.scheduler.telling import Telling, number_of

# Statements made before a cutover stand close before it; the cutover itself is due at the effective instant.
_LATE: Final = timedelta(hours=1)
# What was not stated after a cutover cannot be stated long after it: the books have moved on.
_RECENT: Final = timedelta(days=7)


def _statements_due(now: datetime) -> Sequence[Due]:
    if keys.ring_or_none() is None or seals.is_stopped() or seals.latest() is None:
        return []
    wanted = [*_monthly(now), *_cutovers(now)]
    causes = [due.key for due in wanted]
    s = LiabilityStatement
    made = set(db.session.execute(select(s.cause).where(s.cause.in_(causes)).distinct()).scalars())
    return [due for due in wanted if due.key not in made]


def _monthly(now: datetime) -> list[Due]:
    try:
        policy = versions.at_instant(now)
    except NoPolicyInForce:
        return []
    first = local_date(now, policy.zone).replace(day=1)
    due = due_on(first, statement_times.MONTHLY_AT)
    return [Due(f"monthly {first:%Y-%m}", due.at, due.late_from)] if due.at <= now else []


def _cutovers(now: datetime) -> list[Due]:
    """Around each round: one that is carried out again, after it was rolled back, has both sides of its own."""
    w = EnrollmentWindow
    # One that is paused is stated when it goes on: until then more may come in.
    begins = w.cut_over_at.is_(None) & w.paused_at.is_(None) & w.rolling_back_since.is_(None)
    rows = select(w.plan_year, w.rolled_back, w.effective_at, w.cut_over_at).where(
        w.kind == WindowKind.OPEN,
        w.effective_at <= now,
        w.ordered_at.is_not(None),
        begins | (w.cut_over_at > now - _RECENT),
    )
    found = []
    for plan_year, rolled_back, effective_at, cut_over_at in db.session.execute(rows):
        assert effective_at is not None, "an open enrollment has an effective instant"
        name = cutover.round_of(plan_year, rolled_back)
        if cut_over_at is None:
            found.append(Due(f"before cutover {name}", effective_at, effective_at + _LATE))
        else:
            found.append(Due(f"after cutover {name}", cut_over_at, cut_over_at + _LATE))
    return found


@long_job(
    "state-liabilities",
    _l("States what each provider owes, monthly and around every cutover, so that every worker can check his part."),
    due=_statements_due,
    # At the effective instant it comes before the cutover.
    order=4,
    posts=True,
)
def state_liabilities(key: str, *, hold: Hold, by: Actor) -> Telling:
    """Make all statements for one cause, all or none, of one state of the books."""
    ring = keys.ring()

    def work() -> int:
        statements.begin_snapshot()
        hold()
        at = clock.now()
        policy = versions.at_instant(at)
        as_of = local_date(at, policy.zone)
        return liability_statements.state_all(policy=policy, as_of=as_of, cause=key, keys=ring, by=by, at=at)

    made = in_unit_of_work(work)
    seals.publish(ring)
    return number_of("%(num)s statement made", "%(num)s statements made", made)
