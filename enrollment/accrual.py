"""How much leave does work earn, when no fraction of a minute may be lost?

Leave is counted from how long somebody has worked at one rate since the beginning (``LeaveTally``),
whoever paid for it: a thousand short rides earn as much as one long one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Final, NamedTuple

from sqlalchemy import select, update

from enrollment.contribution_rules import accrual_for
from enrollment.models import LeaveTally
from exchange.bulk import Prepared
from exchange.database import db
from exchange.policy.document import Policy


class Rate(NamedTuple):
    """So many minutes of leave of a component are earned by so many minutes of work, in lowest terms."""

    component: str
    worked: int
    earned: int


Rates = Sequence[Rate]


class Work(NamedTuple):
    """The minutes of one contribution, and at which rates they earn leave."""

    contribution_id: int
    account_id: int
    minutes: int
    rates: Rates


def best_rate(policy: Policy, component: str, place: str, accrual_hours: int | None) -> Fraction:
    """Leave for work: the package's rate (an hour for so many hours), or the law's there where that is better."""
    law = accrual_for(policy, component, place)
    by_law = Fraction(law.minutes_earned, law.minutes_worked) if law else Fraction(0)
    return max(by_law, Fraction(1, accrual_hours) if accrual_hours else Fraction(0))


def accrue(work: Sequence[Work]) -> dict[int, list[tuple[str, int]]]:
    """Count the work into the tallies; what each contribution earns: component and whole minutes, by its id."""
    added: dict[Rate, dict[int, int]] = defaultdict(dict)
    for one in work:
        for rate in one.rates:
            minutes = added[rate]
            minutes[one.account_id] = minutes.get(one.account_id, 0) + one.minutes
    running = _count(added) if added else {}
    earned: dict[int, list[tuple[str, int]]] = {}
    for one in work:
        for rate in one.rates:
            before = running[rate][one.account_id]
            after = running[rate][one.account_id] = before + one.minutes
            leave = after * rate.earned // rate.worked - before * rate.earned // rate.worked
            if leave:
                earned.setdefault(one.contribution_id, []).append((rate.component, leave))
    return earned


def take_back(work: Work) -> list[tuple[str, int]]:
    """Count work out of the tallies again; what of the leave is to be taken back: component and whole minutes.

    Afterwards the worker has the whole minutes for what is left, whatever this work earned at its time.
    """
    t, taken = LeaveTally, []
    for rate in work.rates:
        key = (
            (t.benefit_account_id == work.account_id)
            & (t.component == rate.component)
            & (t.worked == rate.worked)
            & (t.earned == rate.earned)
        )
        total = db.session.execute(select(t.minutes).where(key).with_for_update()).scalar_one()
        db.session.execute(update(t).where(key).values(minutes=total - work.minutes))
        left = total - work.minutes
        minutes = total * rate.earned // rate.worked - left * rate.earned // rate.worked
        if minutes:
            taken.append((rate.component, minutes))
    return taken


# Added in the database: two remittances for one worker at the same moment count one after the other.
_COUNT: Final = Prepared(
    """
    INSERT INTO leave_tally (benefit_account_id, component, worked, earned, minutes)
    SELECT new.account_id, new.component, new.worked, new.earned, new.minutes FROM {rows} WHERE true
    ORDER BY new.account_id, new.component, new.worked, new.earned
    ON CONFLICT (benefit_account_id, component, worked, earned)
    DO UPDATE SET minutes = leave_tally.minutes + excluded.minutes
    RETURNING component, worked, earned, benefit_account_id, minutes
    """,
    "new",
    account_id="bigint",
    component="text",
    worked="bigint",
    earned="bigint",
    minutes="bigint",
)


def _count(added: Mapping[Rate, Mapping[int, int]]) -> dict[Rate, dict[int, int]]:
    """Add minutes of work to the tallies of accounts, ascending; what each tally held before."""
    rows = [(account_id, *rate, minutes) for rate, each in added.items() for account_id, minutes in each.items()]
    before: dict[Rate, dict[int, int]] = {rate: {} for rate in added}
    for component, worked, earned, account_id, total in _COUNT.run(rows):
        rate = Rate(component, worked, earned)
        before[rate][account_id] = total - added[rate][account_id]
    return before
