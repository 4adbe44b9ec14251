"""What happened in the town day by day, from the first application until now?

After midnight what the exchange does by itself and what treasurers file, then what people do over the
day. The same operations as those of pages and jobs, told when it was.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import func, select, text
from sqlalchemy.orm import QueryableAttribute

from enrollment import cutover, liability_statements, special, statement_times, switching, windows
from enrollment.models import Contribution, EnrollmentWindow, Membership, Switch
from exchange import calendar
from exchange.database import db, unit_of_work
from exchange.identity.actors import system_actor
from exchange.ledger import keys, seals, statements
from providers import reserve_checks
from providers.models import CheckCause
from town import absences, books, choices, treasurers
from town.setting import Deed, Town

A_DAY = timedelta(days=1)
BY = system_actor("demo")


def live(town: Town, tell: Callable[[str], None]) -> None:
    """Live through every day until now; tells each month."""
    on, told = town.dates.first_day, _Counts()
    while on <= town.dates.today:
        with unit_of_work():
            _after_midnight(town, on)
        _state_liabilities(town, on)
        books.cite(town, on, by=BY)
        _over_the_day(town, on)
        on += A_DAY
        if on.day == 1 or on > town.dates.today:
            _count_rows()
            told = _tell_month(on - A_DAY, told, tell)
    _seal(town)


# --- after midnight ---------------------------------------------------------------------------------


def _after_midnight(town: Town, on: date) -> None:
    midnight = town.dates.instant(on)
    carries_out_at, looks_at, checks_at = (midnight + timedelta(minutes=minutes) for minutes in (5, 40, 65))
    if on.day == 1 and carries_out_at < town.now:
        _carry_out(town, carries_out_at)
        if on >= town.dates.months[0]:
            absences.note_requests(town, carries_out_at)
    if checks_at < town.now:
        _look_after_the_unplaced(town, midnight + timedelta(minutes=30))
        if on > town.dates.first_day:
            books.seal(by=BY, at=looks_at)
            treasurers.look(town, looks_at)
            reserve_checks.check(
                None, policy=town.policy(checks_at), on=on, cause=CheckCause.DAILY, by=BY, at=checks_at
            )
            _open_special_windows(town, checks_at + timedelta(minutes=5))
    if on == town.dates.before_work(14):
        _publish_open_enrollment(town, checks_at)
    if on == town.dates.opens_on:
        choices.note_open_enrollment(town, checks_at)


def _carry_out(town: Town, at: datetime) -> None:
    """What was chosen in special enrollments takes effect on the first of a month."""
    switching.order_special(by=BY, at=at)
    others = switching.due(at).where(Switch.window_id.is_(None))
    while switching.carry_out(others, policy=town.policy(at), by=BY, at=at):
        pass
    cutover.settle_others(by=BY, at=at)


def _look_after_the_unplaced(town: Town, at: datetime) -> None:
    policy = town.policy(at)
    if special.open_for_first_contributions(policy=policy, by=BY, at=at):
        choices.note_first_choices(town, at)
    if town.day(at).isoweekday() == 1:
        special.place_who_chose_nobody(policy=policy, by=BY, at=at)


def _open_special_windows(town: Town, at: datetime) -> None:
    w = EnrollmentWindow
    seen = {(cause, event_on) for cause, event_on in db.session.execute(select(w.cause, w.event_on).distinct())}
    policy = town.policy(at)
    for event in special.provider_events(policy):
        if (event.cause.code, event.event_on) not in seen:
            special.open_for_event(event, policy=policy, by=BY, at=at)
            choices.note_leavers(town, at)


def _publish_open_enrollment(town: Town, at: datetime) -> None:
    policy = town.policy(at)
    year = calendar.plan_year(policy, town.dates.next_year)
    windows.publish_open_enrollment(policy, year, by=BY, at=at)


def _state_liabilities(town: Town, on: date) -> None:
    """As the job does on the first of each month; here of the last two only, which is what anybody looks at."""
    at = town.dates.instant(on, statement_times.MONTHLY_AT.hour, statement_times.MONTHLY_AT.minute)
    if on.day != 1 or on < calendar.first_of_next_month(town.dates.today, -1) or at >= town.now:
        return
    if seals.latest() is None and seals.oldest_unsealed() is None:
        return
    ring = keys.ring()
    with unit_of_work():
        statements.begin_snapshot()
        cause = f"monthly {on:%Y-%m}"
        liability_statements.state_all(policy=town.policy(at), as_of=on, cause=cause, keys=ring, by=BY, at=at)
    seals.publish(ring)


def _seal(town: Town) -> None:
    ring, sealed = keys.ring(), 1
    while sealed:
        with unit_of_work():
            sealed = seals.seal(ring, by=BY, at=town.now)
        seals.publish(ring)


# --- over the day ----------------------------------------------------------------------------------


def _over_the_day(town: Town, on: date) -> None:
    together: list[tuple[datetime, Deed]] = []

    def do() -> None:
        with unit_of_work():
            for at, deed in together:
                deed(at)
        together.clear()

    for at, deed, alone in town.diary.before(min(town.dates.instant(on + A_DAY), town.now)):
        if alone:
            do()
            deed(at)
        else:
            together.append((at, deed))
    do()


def _count_rows() -> None:
    """Let the database's planner know how the tables have grown: on its own it would find out only later."""
    with unit_of_work():
        db.session.execute(text("ANALYZE"))


# --- telling --------------------------------------------------------------------------------------


class _Counts:
    """How much there was of everything when it was told last."""

    def __init__(self, contributions: int = 0, switches: int = 0) -> None:
        self.contributions, self.switches = contributions, switches


def _tell_month(on: date, before: _Counts, tell: Callable[[str], None]) -> _Counts:
    def count(column: QueryableAttribute[Any]) -> int:
        return int(db.session.execute(select(func.count(column))).scalar_one())

    now = _Counts(count(Contribution.id), count(Switch.carried_out_at))
    members = select(func.count()).where(Membership.ends_at.is_(None), Membership.package_id.is_not(None))
    tell(
        f"{on:%B %Y}: {now.contributions - before.contributions:,} contributions, "
        f"{now.switches - before.switches:,} switches; {db.session.execute(members).scalar_one():,} members"
    )
    return now
