"""What is owed on top because the money comes late, and to whom?

Interest and penalty are computed once for all that was due on one day under one policy, and divided
among its workers in proportion to what was owed to each, to the last cent: whose hours were paid
late gets what the lateness costs.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import date, timedelta

from sqlalchemy import select, update

from enrollment.contribution_rules import late_charge
from enrollment.models import Contribution
from exchange.calendar import due_on
from exchange.database import db
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


def charge(remittance_id: int, *, law: Timeline, paid_on: date) -> int:
    """Set what each contribution of the remittance costs more if it is paid on ``paid_on``; their sum in cents.

    Called again for another day it replaces what was charged before.
    """
    c = Contribution
    rows = select(c.id, c.work_to, c.policy_version_id, c.owed_cents, c.late_cents).where(
        c.remittance_id == remittance_id, c.owed_cents > 0
    )
    policies = dict(zip(law.ids, law.policies, strict=True))
    due: dict[tuple[int, date], list[tuple[int, int]]] = defaultdict(list)
    charged: dict[int, int] = {}
    for id_, work_to, version_id, owed_cents, late_cents in db.session.execute(rows.order_by(c.id)):
        on = due_on(policies[version_id].contributions.due, work_to + _DAY)
        due[version_id, on].append((id_, owed_cents))
        charged[id_] = late_cents
    late: dict[int, int] = {}
    for (version_id, on), owed in due.items():
        rules = policies[version_id].contributions.late
        cents = late_charge(rules, sum(part for _, part in owed), due_on=on, paid_on=paid_on).cents
        parts = apportion(cents, [part for _, part in owed])
        late |= {id_: part for (id_, _), part in zip(owed, parts, strict=True)}
    changed = [{"id": id_, "late_cents": cents} for id_, cents in late.items() if cents != charged[id_]]
    if changed:
        db.session.execute(update(c), changed)
    return sum(late.values())
