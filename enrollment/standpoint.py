"""From where does a worker look at what is offered: where he lives, with whom he is, how he works, what is open?

All that a page about offers needs to know of one worker, in one short question however long he has been here. What he
sees follows from it and from the market alone, so two workers with the same standpoint see the same page.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property, lru_cache
from typing import Any, Final

from flask import current_app
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
from exchange.database import from_microseconds, is_sqlite, to_microseconds
from exchange.glance import Glance, Question
from exchange.identity import people
from exchange.identity.people import Beside, Login
from providers.comparison import WorkPattern

_e = EnrollmentWindow
WINDOW: Final = (
    _e.id, _e.kind, _e.plan_year, _e.opens_at, _e.closes_at, _e.effective_at, _e.benefit_account_id, _e.cause,
    _e.event_on, _e.ordered_at,
)  # fmt: skip
"""What pages need to know of a window: see ``window_of``."""
_OF_WORKER: Final = 11
"""So many columns of the question tell of the worker, those after them of a window."""
_PROVIDER_ID: Final = 8
_CLOSES_AT: Final = 4  # among those of a window
_DAY_US: Final = 86_400_000_000
_MINUTE_US: Final = 60_000_000


@dataclass  # not frozen: that would cost more than all the rest of making it, at each request
class Standpoint:
    """One worker at an instant of the database's clock; ``market`` is the word for the market then.

    ``package_id`` is None while the exchange holds what comes in. ``facts``: everything but the instant, as the
    database has it, with the word for the market.
    """

    at: datetime
    market: str
    place: str
    package_id: int | None
    provider_id: int
    facts: Hashable
    _account: tuple[Any, ...]
    _worked: str
    _chosen: str | None
    _windows: Sequence[tuple[Any, ...]]

    # What follows is made when it is asked for: a page that is kept needs none of it.

    @cached_property
    def account(self) -> BenefitAccount:
        """As this question found it, in no session: for the rules that look at it."""
        id_, worker_id, closed_at, locked = self._account
        return BenefitAccount(id=id_, worker_id=worker_id, closed_at=_instant(closed_at), switch_locked=bool(locked))

    @cached_property
    def pattern(self) -> WorkPattern | None:
        """A usual month of his lately; None where nobody reported work."""
        minutes, cents, pieces = map(int, self._worked.split())
        return WorkPattern(minutes // MONTHS, cents // MONTHS) if pieces else None

    @cached_property
    def chosen(self) -> frozenset[int]:
        """The versions that he has chosen and that stand."""
        return frozenset(map(int, self._chosen.split(","))) if self._chosen else frozenset()

    @cached_property
    def windows(self) -> tuple[EnrollmentWindow, ...]:
        """Those open for him now, the special ones first and the soonest to close first, and the one asked for."""
        return tuple(map(window_of, self._windows))

    @property
    def open_windows(self) -> list[EnrollmentWindow]:
        """Where he may choose now."""
        return [one for one in self.windows if one.opens_at <= self.at < one.closes_at]

    @property
    def time_left(self) -> Hashable:
        """What a page tells of the time left in each window: it changes by the day, on the last by the minute."""
        return time_left_in(self._windows, self.at)

    def window(self, window_id: int) -> EnrollmentWindow | None:
        """The window with that id, if it is his or everybody's."""
        return next((one for one in self.windows if one.id == window_id), None)


def of_login(login_id: int, *, window_id: int | None, zone: str) -> Standpoint | None:
    """Where the worker who signs in so stands; None where there is none.

    ``window_id``: a window that he asked for, open or not. ``zone``: whose local dates the months lately go by. What
    was read together with who asks (``beside_who_asks``) is taken, once.
    """
    today = _today(zone)
    rows = people.read_beside(login_id)
    if rows is None:
        rows = _STANDPOINT.rows(login_id=login_id, **_asked(window_id, today))
    found = _standpoint(rows, since=today - LATELY)
    if found is not None and (on := _day_of(to_microseconds(found.at) // _MINUTE_US, zone)) != today:
        # The machine's clock is not the database's: around midnight it is asked by the right day.
        rows = _STANDPOINT.rows(login_id=login_id, **_asked(window_id, on))
        found = _standpoint(rows, since=on - LATELY)
    return found


def beside_who_asks(window_id: Callable[[], int | None]) -> Beside:
    """For ``seen_with``: the same in the trip in which a worker's page asks who he is."""
    return Beside(_BESIDE, lambda: _asked(window_id(), _today(current_app.config["PROGRAM_ZONE"])))


def _today(zone: str) -> date:
    return _day_of(clock.parameter_of_microseconds()["machine_us"] // _MINUTE_US, zone)


@lru_cache(maxsize=8)
def _day_of(minute: int, zone: str) -> date:
    """The local date at a minute since 1970: it does not change within one."""
    return clock.local_date(from_microseconds(minute * _MINUTE_US), zone)


def _asked(window_id: int | None, today: date) -> dict[str, int | str | None]:
    return {"window_id": window_id or 0, "since": (today - LATELY).isoformat()}


def _standpoint(rows: Sequence[tuple[Any, ...]], *, since: date) -> Standpoint | None:
    if not rows or rows[0][_PROVIDER_ID] is None:
        return None
    now_us, market, account_id, worker_id, closed_at, locked, *where, worked, chosen = rows[0][:_OF_WORKER]
    place, package_id, provider_id = where
    windows = tuple(row[_OF_WORKER:] for row in rows if row[_OF_WORKER] is not None)
    in_time = tuple((opens_at <= now_us, closes_at <= now_us) for _, _, _, opens_at, closes_at, *_ in windows)
    return Standpoint(
        at=from_microseconds(now_us),
        market=market,
        place=place,
        package_id=package_id,
        provider_id=provider_id,
        facts=(market, since, closed_at, locked, place, package_id, provider_id, worked, chosen, windows, in_time),
        _account=(account_id, worker_id, closed_at, locked),
        _worked=worked,
        _chosen=chosen,
        _windows=windows,
    )


def time_left_in(windows: Sequence[Sequence[Any]], at: datetime) -> Hashable:
    """The same for windows as the database has them (``WINDOW``)."""
    at_us = to_microseconds(at)
    left = [row[_CLOSES_AT] - at_us for row in windows]
    return tuple((one >= _DAY_US, one // (_DAY_US if one >= _DAY_US else _MINUTE_US)) for one in left)


def window_of(columns: Sequence[Any]) -> EnrollmentWindow:
    """A window from its columns ``WINDOW`` as the database has them, in no session."""
    id_, kind, plan_year, opens_at, closes_at, effective_at, account_id, cause, event_on, ordered_at = columns
    return EnrollmentWindow(
        id=id_,
        kind=WindowKind(kind),
        plan_year=plan_year,
        opens_at=from_microseconds(opens_at),
        closes_at=from_microseconds(closes_at),
        effective_at=_instant(effective_at),
        benefit_account_id=account_id,
        cause=cause,
        event_on=date.fromisoformat(event_on) if isinstance(event_on, str) else event_on,
        ordered_at=_instant(ordered_at),
    )


def _instant(value: int | None) -> datetime | None:
    return None if value is None else from_microseconds(value)


# --- the question ---------------------------------------------------------------------------------


def _columns() -> tuple[Any, ...]:
    a, w, m = BenefitAccount, Worker, Membership
    return (
        clock.microseconds(), revision.column(), a.id, w.id, a.closed_at, a.switch_locked, w.place, m.package_id,
        m.provider_id, _worked(), _chosen(), *WINDOW,
    )  # fmt: skip


def _select(*first: Any) -> Question:
    """The worker of each login that the statement finds, and his windows; nothing where a login is no worker's."""
    a, w, m, e = BenefitAccount, Worker, Membership, EnrollmentWindow
    now = clock.microseconds()
    theirs = or_(e.kind == WindowKind.OPEN, e.benefit_account_id == a.id)
    asked = e.id == bindparam("window_id", type_=BigInteger)
    return (
        select(*first, *_columns())
        .select_from(Login)
        .outerjoin(w, w.login_id == Login.id)
        .outerjoin(a, a.worker_id == w.id)
        .outerjoin(m, (m.benefit_account_id == a.id) & m.ends_at.is_(None))
        .outerjoin(e, theirs & or_(asked, (e.opens_at <= now) & (e.closes_at > now)))
        .order_by(e.kind.desc(), e.closes_at, e.id)
    )


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


_STANDPOINT = Glance(lambda: _select().where(Login.id == bindparam("login_id", type_=BigInteger)))
_BESIDE = Glance(lambda: _select(*people.WHO).where(people.is_named()))
