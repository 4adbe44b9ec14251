"""How much leave does work earn, when no fraction of a minute may be lost?

Leave is counted from how long somebody has worked at one rate since the beginning (``LeaveTally``),
whoever paid for it: a thousand short rides earn as much as one long one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any, NamedTuple

from sqlalchemy import select, update
from sqlalchemy.dialects import postgresql, sqlite

from enrollment.contribution_rules import accrual_for
from enrollment.models import LeaveTally
from exchange.database import db, is_sqlite
from exchange.policy.document import Policy

Rates = Sequence[tuple[str, Fraction]]
"""By component: minutes of leave for a minute of work."""


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
    added: dict[tuple[int, str, Fraction], int] = defaultdict(int)
    for one in work:
        for component, rate in one.rates:
            added[one.account_id, component, rate] += one.minutes
    running = {key: total - added[key] for key, total in _count(added).items()}
    earned: dict[int, list[tuple[str, int]]] = {}
    for one in work:
        for component, rate in one.rates:
            before = running[one.account_id, component, rate]
            running[one.account_id, component, rate] = before + one.minutes
            minutes = _whole(rate, before + one.minutes) - _whole(rate, before)
            if minutes:
                earned.setdefault(one.contribution_id, []).append((component, minutes))
    return earned


def take_back(work: Work) -> list[tuple[str, int]]:
    """Count work out of the tallies again; what of the leave is to be taken back: component and whole minutes.

    Afterwards the worker has the whole minutes for what is left, whatever this work earned at its time.
    """
    t, taken = LeaveTally, []
    for component, rate in work.rates:
        key = (
            (t.benefit_account_id == work.account_id)
            & (t.component == component)
            & (t.worked == rate.denominator)
            & (t.earned == rate.numerator)
        )
        total = db.session.execute(select(t.minutes).where(key).with_for_update()).scalar_one()
        db.session.execute(update(t).where(key).values(minutes=total - work.minutes))
        minutes = _whole(rate, total) - _whole(rate, total - work.minutes)
        if minutes:
            taken.append((component, minutes))
    return taken


def _whole(rate: Fraction, minutes: int) -> int:
    return minutes * rate.numerator // rate.denominator


def _count(added: Mapping[tuple[int, str, Fraction], int]) -> dict[tuple[int, str, Fraction], int]:
    """Add minutes of work to tallies (account, component, rate), in ascending order; the totals after it."""
    if not added:
        return {}
    rows = [
        {
            "benefit_account_id": account_id,
            "component": component,
            "worked": rate.denominator,
            "earned": rate.numerator,
            "minutes": minutes,
        }
        for (account_id, component, rate), minutes in sorted(added.items())
    ]
    t = LeaveTally
    statement: Any = (sqlite.insert if is_sqlite() else postgresql.insert)(t)
    # Added in the database: two remittances for one worker at the same moment count one after the other.
    adding = statement.on_conflict_do_update(
        index_elements=["benefit_account_id", "component", "worked", "earned"],
        set_={"minutes": t.minutes + statement.excluded.minutes},
    ).returning(t.benefit_account_id, t.component, t.worked, t.earned, t.minutes)
    return {
        (account_id, component, Fraction(earned, worked)): minutes
        for account_id, component, worked, earned, minutes in db.session.execute(adding, rows)
    }
