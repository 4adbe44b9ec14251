"""What is owed on top because the money comes late, and to whom?

Interest and penalty are computed once for all that was due on one day under one policy, and divided
among its workers in proportion to what was owed to each, to the last cent: whose hours were paid
late gets what the lateness costs.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import NamedTuple

from sqlalchemy import func, select, update

from enrollment.contribution_rules import late_charge
from enrollment.models import Contribution
from exchange.calendar import due_on
from exchange.database import db
from exchange.policy.document import Policy
from exchange.policy.versions import Timeline

_DAY = timedelta(days=1)


def apportion(amount: int, weights: Sequence[int]) -> list[int]:
    """Divide ``amount`` in proportion to ``weights`` (not all zero); the parts sum to it.

    Each part is rounded down; the cents left over go, one each, to the largest remainders (ties: the
    larger weight, then the order given).
    """
    whole = sum(weights)
    assert amount >= 0 and whole > 0, "there is something to divide, and somebody to give it to"
    parts = [amount * weight // whole for weight in weights]
    order = sorted(range(len(weights)), key=lambda place: (-(amount * weights[place] % whole), -weights[place], place))
    for place in order[: amount - sum(parts)]:
        parts[place] += 1
    return parts


class _Period(NamedTuple):
    """What is due together: under one policy, on one day."""

    version_id: int
    due_on: date


def reckoned(owed: Mapping[tuple[int, date], int], *, law: Timeline, paid_on: date) -> int:
    """What the lateness of a whole remittance comes to; ``owed``: cents by policy version and last day of work."""
    return sum(_charges(owed, law, paid_on).values())


def _charges(owed: Mapping[tuple[int, date], int], law: Timeline, paid_on: date) -> dict[_Period, int]:
    """What comes on top of all that is due on one day."""
    policies = dict(zip(law.ids, law.policies, strict=True))
    together: dict[_Period, int] = defaultdict(int)
    for (version_id, work_to), cents in owed.items():
        together[_period(policies, version_id, work_to)] += cents
    return {
        period: late_charge(
            policies[period.version_id].contributions.late, cents, due_on=period.due_on, paid_on=paid_on
        ).cents
        for period, cents in together.items()
    }


def _period(policies: Mapping[int, Policy], version_id: int, work_to: date) -> _Period:
    return _Period(version_id, due_on(policies[version_id].contributions.due, work_to + _DAY))


def charge(remittance_id: int, *, law: Timeline, paid_on: date) -> int:
    """Set what each contribution of the remittance costs more if it is paid on ``paid_on``; their sum in cents.

    Called again for another day it replaces what was charged before. Where nothing is late and nothing was
    charged, no contribution is read.
    """
    c = Contribution
    days = (
        select(c.policy_version_id, c.work_to, func.sum(c.owed_cents), func.sum(c.late_cents))
        .where(c.remittance_id == remittance_id, c.owed_cents > 0)
        .group_by(c.policy_version_id, c.work_to)
    )
    policies = dict(zip(law.ids, law.policies, strict=True))
    owed: dict[tuple[int, date], int] = {}
    ends: dict[_Period, list[date]] = defaultdict(list)
    charged: set[_Period] = set()
    for version_id, work_to, owed_cents, late_cents in db.session.execute(days):
        period = _period(policies, version_id, work_to)
        owed[version_id, work_to] = int(owed_cents)
        ends[period].append(work_to)
        if late_cents:
            charged.add(period)
    late = _charges(owed, law, paid_on)
    for period, cents in late.items():
        if cents or period in charged:
            _divide(remittance_id, period, ends[period], cents)
    return sum(late.values())


def _divide(remittance_id: int, period: _Period, ends: Sequence[date], cents: int) -> None:
    """Give each contribution of the period its part of what the lateness costs."""
    c = Contribution
    rows = (
        select(c.id, c.owed_cents, c.late_cents)
        .where(
            c.remittance_id == remittance_id,
            c.owed_cents > 0,
            c.policy_version_id == period.version_id,
            c.work_to.in_(ends),
        )
        .order_by(c.id)
    )
    found = db.session.execute(rows).all()
    parts = apportion(cents, [row.owed_cents for row in found])
    changed = [
        {"id": row.id, "late_cents": part} for row, part in zip(found, parts, strict=True) if part != row.late_cents
    ]
    if changed:
        db.session.execute(update(c), changed)
