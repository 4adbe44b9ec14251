"""From where does a worker look at what is offered: where he lives, with whom he is, how he works, what is open?

All that a page about offers needs to know of one worker, in one short question however long he has been here. What he
sees follows from it and from the market alone, so two workers with the same standpoint see the same page.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import BigInteger, ScalarSelect, Text, bindparam, func, or_, select
from sqlalchemy.types import Date

from enrollment.models import (
    BenefitAccount,
    Contribution,
    Election,
    ElectionState,
    EnrollmentWindow,
    Membership,
    Remittance,
    RemittanceState,
    WindowKind,
    Worker,
)
from enrollment.overview import LATELY, MONTHS
from exchange import clock, revision
from exchange.database import from_microseconds, is_sqlite
from exchange.glance import Glance, Question
from providers.comparison import WorkPattern


@dataclass(frozen=True, slots=True)
class Standpoint:
    """One worker at an instant of the database's clock.

    ``account`` and ``windows`` (those open for him now, the special ones first and the soonest to close first, and
    the one asked for) are as this question found them, in no session: for the rules that look at them.
    ``package_id`` is None while the exchange holds what comes in, ``pattern`` where nobody reported work lately.
    ``chosen`` are the versions that he has chosen and that stand.
    """

    at: datetime
    account: BenefitAccount
    place: str
    package_id: int | None
    provider_id: int
    pattern: WorkPattern | None
    chosen: frozenset[int]
    windows: tuple[EnrollmentWindow, ...]
    facts: Hashable
    """Everything but the instant, as the database has it, with the word for the market."""

    @property
    def open_windows(self) -> list[EnrollmentWindow]:
        """Where he may choose now."""
        return [one for one in self.windows if one.opens_at <= self.at < one.closes_at]

    def window(self, window_id: int) -> EnrollmentWindow | None:
        """The window with that id, if it is his or everybody's."""
        return next((one for one in self.windows if one.id == window_id), None)


def of_login(login_id: int, *, window_id: int | None, zone: str) -> Standpoint | None:
    """Where the worker who signs in so stands; None where there is none.

    ``window_id``: a window that he asked for, open or not. ``zone``: whose local dates the months lately go by.
    """
    today = clock.local_date(from_microseconds(clock.parameter_of_microseconds()["machine_us"]), zone)
    found = _read(login_id, window_id, since=today - LATELY)
    if found is not None and clock.local_date(found.at, zone) != today:
        # The machine's clock is not the database's: around midnight it is asked by the right day.
        found = _read(login_id, window_id, since=clock.local_date(found.at, zone) - LATELY)
    return found


def _read(login_id: int, window_id: int | None, *, since: date) -> Standpoint | None:
    rows = _STANDPOINT.rows(login_id=login_id, window_id=window_id or 0, since=since.isoformat())
    if not rows:
        return None
    now_us, market, account_id, worker_id, closed_at, locked, place, package_id, provider_id, worked, chosen = rows[0][
        :11
    ]
    minutes, cents, pieces = map(int, worked.split())
    windows = [row[11:] for row in rows if row[11] is not None]
    in_time = tuple((window, window[3] <= now_us < window[4], window[4] <= now_us) for window in windows)
    return Standpoint(
        at=from_microseconds(now_us),
        account=BenefitAccount(
            id=account_id,
            worker_id=worker_id,
            closed_at=None if closed_at is None else from_microseconds(closed_at),
            switch_locked=bool(locked),
        ),
        place=place,
        package_id=package_id,
        provider_id=provider_id,
        pattern=WorkPattern(minutes // MONTHS, cents // MONTHS) if pieces else None,
        chosen=frozenset(map(int, chosen.split(","))) if chosen else frozenset(),
        windows=tuple(map(_window, windows)),
        facts=(market, since, closed_at, locked, place, package_id, provider_id, worked, chosen, in_time),
    )


def _window(columns: tuple[Any, ...]) -> EnrollmentWindow:
    id_, kind, plan_year, opens_at, closes_at, effective_at, account_id, cause, event_on, ordered_at = columns
    return EnrollmentWindow(
        id=id_,
        kind=WindowKind(kind),
        plan_year=plan_year,
        opens_at=from_microseconds(opens_at),
        closes_at=from_microseconds(closes_at),
        effective_at=None if effective_at is None else from_microseconds(effective_at),
        benefit_account_id=account_id,
        cause=cause,
        event_on=date.fromisoformat(event_on) if isinstance(event_on, str) else event_on,
        ordered_at=None if ordered_at is None else from_microseconds(ordered_at),
    )


# --- the question ---------------------------------------------------------------------------------


def _select() -> Question:
    a, w, m, e = BenefitAccount, Worker, Membership, EnrollmentWindow
    now = clock.microseconds()
    theirs = or_(e.kind == WindowKind.OPEN, e.benefit_account_id == a.id)
    asked = e.id == bindparam("window_id", type_=BigInteger)
    return (
        select(
            now, revision.column(), a.id, w.id, a.closed_at, a.switch_locked, w.place, m.package_id,
            m.provider_id,            _worked(), _chosen(),
            e.id, e.kind, e.plan_year, e.opens_at, e.closes_at, e.effective_at, e.benefit_account_id, e.cause,
            e.event_on, e.ordered_at,
        )
        .join(a, a.worker_id == w.id)
        .join(m, (m.benefit_account_id == a.id) & m.ends_at.is_(None))
        .outerjoin(e, theirs & or_(asked, (e.opens_at <= now) & (e.closes_at > now)))
        .where(w.login_id == bindparam("login_id", type_=BigInteger))
        .order_by(e.kind.desc(), e.closes_at, e.id)
    )  # fmt: skip


def _worked() -> ScalarSelect[str]:
    """Minutes and cents of the work lately, and in how many pieces it was reported; blanks between."""
    c, r = Contribution, Remittance
    figures = (
        func.coalesce(func.sum(c.minutes), 0).cast(BigInteger),
        func.coalesce(func.sum(c.owed_cents + c.extra_cents), 0).cast(BigInteger),
        func.count(),
    )
    minutes, cents, pieces = (figure.cast(Text) for figure in figures)
    return (
        select(minutes + " " + cents + " " + pieces)
        .select_from(c)
        .join(r, r.id == c.remittance_id)
        .where(
            c.benefit_account_id == BenefitAccount.id,
            c.work_to >= bindparam("since", type_=Date),
            c.reversed_by_id.is_(None),
            r.state != RemittanceState.CANCELLED,
        )
        .correlate(BenefitAccount)
        .scalar_subquery()
    )


def _chosen() -> ScalarSelect[str]:
    """The versions of the elections that stand, with commas between."""
    together = func.group_concat if is_sqlite() else func.string_agg
    return (
        select(together(Election.package_version_id.cast(Text), ","))
        .where(Election.benefit_account_id == BenefitAccount.id, Election.state == ElectionState.STANDING)
        .correlate(BenefitAccount)
        .scalar_subquery()
    )


_STANDPOINT = Glance(_select)
