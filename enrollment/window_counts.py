"""How many choices were made, on which day and what became of them; and how many special enrollments are open?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final

from sqlalchemy import BigInteger, Select, cast, func, select

from enrollment.models import BenefitAccount, Election, ElectionState, EnrollmentWindow, WindowKind
from exchange.clock import local_date
from exchange.database import db, from_microseconds

# Zones lie whole quarters of an hour apart: a quarter of an hour never lies on two local days.
_QUARTER_US: Final = timedelta(minutes=15) // timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Day:
    """The elections made on one local day, by what has become of them since."""

    on: date
    standing: int
    replaced: int
    undone: int
    carried_out: int

    @property
    def made(self) -> int:
        """All of them."""
        return self.standing + self.replaced + self.undone + self.carried_out


@dataclass(frozen=True, slots=True)
class CauseCount:
    """Special enrollments of one cause: how many ever opened, are open now, and led to a choice."""

    cause: str
    opened: int
    open_now: int
    chosen: int


def by_day(window: EnrollmentWindow, *, zone: str, until: datetime) -> list[Day]:
    """Every day of the window up to ``until``, days without a choice included; one statement."""
    quarter = (cast(Election.decided_at, BigInteger) // _QUARTER_US).label("quarter")
    rows = (
        select(quarter, Election.state, func.count())
        .where(Election.window_id == window.id)
        .group_by(quarter, Election.state)
    )
    counts: dict[date, dict[ElectionState, int]] = {}
    last = local_date(min(until, window.closes_at - timedelta(microseconds=1)), zone)
    on = local_date(window.opens_at, zone)
    while on <= last:
        counts[on] = {}
        on += timedelta(days=1)
    for number, state, count in db.session.execute(rows):
        day = counts.setdefault(local_date(from_microseconds(number * _QUARTER_US), zone), {})
        day[state] = day.get(state, 0) + count
    return [
        Day(
            day,
            standing=found.get(ElectionState.STANDING, 0),
            replaced=found.get(ElectionState.REPLACED, 0),
            undone=found.get(ElectionState.UNDONE, 0),
            carried_out=found.get(ElectionState.CARRIED_OUT, 0),
        )
        for day, found in sorted(counts.items())
    ]


def in_all(days: Sequence[Day]) -> dict[ElectionState, int]:
    """The same for all days together."""
    return {
        ElectionState.STANDING: sum(day.standing for day in days),
        ElectionState.REPLACED: sum(day.replaced for day in days),
        ElectionState.UNDONE: sum(day.undone for day in days),
        ElectionState.CARRIED_OUT: sum(day.carried_out for day in days),
    }


def by_cause(at: datetime) -> list[CauseCount]:
    """Special enrollments by cause, in two statements."""
    w, e = EnrollmentWindow, Election
    opened = (
        select(w.cause, func.count(), func.count().filter(w.opens_at <= at, at < w.closes_at))
        .where(w.kind == WindowKind.SPECIAL)
        .group_by(w.cause)
        .order_by(w.cause)
    )
    counts = (ElectionState.STANDING, ElectionState.CARRIED_OUT)
    chosen = (
        select(w.cause, func.count(w.id.distinct()))
        .join(e, (e.window_id == w.id) & e.state.in_(counts))
        .where(w.kind == WindowKind.SPECIAL)
        .group_by(w.cause)
    )
    chosen_by = dict(db.session.execute(chosen).all())
    return [
        CauseCount(str(cause), count, open_now, chosen_by.get(cause, 0))
        for cause, count, open_now in db.session.execute(opened)
    ]


def special_windows(*, cause: str = "", account_number: str = "") -> Select[*tuple[Any, ...]]:
    """A SELECT of special enrollments (id, number, cause, event_on, opens_at, closes_at), the latest first."""
    w, a = EnrollmentWindow, BenefitAccount
    rows = (
        select(w.id, a.number, w.cause, w.event_on, w.opens_at, w.closes_at)
        .join(a, a.id == w.benefit_account_id)
        .where(w.kind == WindowKind.SPECIAL)
        .order_by(w.published_at.desc(), w.id.desc())
    )
    if cause:
        rows = rows.where(w.cause == cause)
    return rows.where(a.number == account_number) if account_number else rows
