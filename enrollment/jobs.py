"""What happens to windows, elections and switches by itself?

Jobs only tidy up: that no election is taken after the close is decided when it is recorded.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime, time, timedelta
from functools import partial

from flask_babel import lazy_gettext as _l
from sqlalchemy import func, select

from enrollment import cutover, cutover_control, rolling_back, special, switch_list, switching, turns, windows
from enrollment.models import EnrollmentWindow, WindowKind
from exchange import calendar, clock
from exchange.database import allow_long_statements, db, in_unit_of_work
from exchange.identity.actors import Actor
from exchange.policy import versions
from exchange.scheduler import records
from exchange.scheduler.jobs import Due, Hold, PutOff, Sentence, daily_job, job, long_job
from exchange.scheduler.telling import Telling, number_of, said

OPEN_SPECIAL = "open-special-windows"
COUNTED_EVERY = timedelta(seconds=10)
"""How old what a running cutover says of itself may be, as far as it is not its own doing."""


@daily_job(
    "publish-windows",
    _l("Publishes the open enrollment of the next plan year: its instants are computed once, and stay."),
    order=10,
)
def publish_windows(on: date, *, by: Actor, at: datetime) -> Telling:
    """Publish the open enrollment that the policy of the date names for the plan year after it."""
    policy = versions.on(on)
    window = windows.publish_open_enrollment(policy, calendar.next_plan_year(policy, on), by=by, at=at)
    return said(
        "plan year %(year)s: %(opens)s to %(closes)s",
        year=window.plan_year,
        opens=window.opens_at.isoformat(),
        closes=window.closes_at.isoformat(),
    )


@daily_job(
    "open-first-windows",
    _l("Opens a special enrollment for each worker whose first contribution is held by the exchange."),
    after=time(0, 15),
    order=30,
)
def open_first_windows(on: date, *, by: Actor, at: datetime) -> Telling:
    """Open the windows; a missed date finds nobody twice."""
    return _opened(special.open_for_first_contributions(policy=versions.on(on), by=by, at=at))


@daily_job(
    "place-unplaced",
    _l("Places workers who let their first window go by, and opens the window in which they can leave again."),
    after=time(0, 30),
    order=31,
)
def place_unplaced(on: date, *, by: Actor, at: datetime) -> Telling:
    """Order the placements."""
    placed = special.place_who_chose_nobody(policy=versions.on(on), by=by, at=at)
    return number_of("%(num)s worker placed", "%(num)s workers placed", placed)


def _provider_events_due(now: datetime) -> Sequence[Due]:
    keys = [event.key for event in special.provider_events(versions.at_instant(now))]
    done = records.done_among(OPEN_SPECIAL, keys)
    return [Due(key, now) for key in keys if key not in done]


@job(
    OPEN_SPECIAL,
    _l("Opens special enrollments for the members of providers that were suspended or fell off the shelf."),
    due=_provider_events_due,
    order=20,
)
def open_special_windows(key: str, *, by: Actor, at: datetime) -> Telling:
    """Open the windows of one event."""
    policy = versions.at_instant(at)
    events = {event.key: event for event in special.provider_events(policy)}
    if key not in events:
        return said("the event has passed")
    return _opened(special.open_for_event(events[key], policy=policy, by=by, at=at))


def _opened(windows_opened: int) -> Telling:
    return number_of("%(num)s window opened", "%(num)s windows opened", windows_opened)


def _closed_windows(now: datetime) -> Sequence[EnrollmentWindow]:
    w = EnrollmentWindow
    closed = select(w).where(w.kind == WindowKind.OPEN, w.closes_at <= now - windows.SETTLING, w.ordered_at.is_(None))
    return db.session.execute(closed).scalars().all()


def _orders_due(now: datetime) -> Sequence[Due]:
    return [
        Due(window.plan_year, window.closes_at + windows.SETTLING)
        for window in _closed_windows(now)
        if turns.is_turn_to_order(window)
    ]


def _waiting_orders(now: datetime) -> Sentence | None:
    return None if all(map(turns.is_turn_to_order, _closed_windows(now))) else turns.OTHERS_FIRST


def _next_close(now: datetime) -> datetime | None:
    window = windows.next_open_enrollment(now)
    return window.closes_at + windows.SETTLING if window else None


@job(
    "order-switches",
    _l("After the close of an open enrollment: turns the choices that stand into switch orders."),
    due=_orders_due,
    order=5,
    upcoming=_next_close,
    waits=_waiting_orders,
)
def order_switches(key: str, *, by: Actor, at: datetime) -> Telling:
    """Order the switches of the open enrollment for the plan year ``key``."""
    window = _window_of(key)
    ordered = switching.order_window(window, by=by, at=at)
    policy = versions.at_instant(at)
    moved = special.order_successors(policy=policy, year=calendar.plan_year(policy, key), by=by, at=at)
    follow = number_of("%(num)s member follows to a successor", "%(num)s members follow to successors", moved)
    return number_of("%(num)s switch ordered", "%(num)s switches ordered", ordered) + follow


def _cutovers_due(now: datetime) -> Sequence[Due]:
    w = EnrollmentWindow
    rows = select(w).where(
        w.kind == WindowKind.OPEN,
        w.effective_at <= now,
        w.ordered_at.is_not(None),
        w.cut_over_at.is_(None),
        w.paused_at.is_(None),
        w.rolling_back_since.is_(None),
    )
    return [
        Due(cutover.round_of(window.plan_year, window.rolled_back), window.effective_at)
        for window in db.session.execute(rows).scalars()
        if window.effective_at and turns.is_turn_to_carry_out(window, at=now)
    ]


def _next_cutover(now: datetime) -> datetime | None:
    w = EnrollmentWindow
    upcoming = select(func.min(w.effective_at)).where(w.kind == WindowKind.OPEN, w.effective_at > now)
    return db.session.execute(upcoming).scalar_one()


def _waiting_cutover(now: datetime) -> Sentence | None:
    window = windows.to_be_carried_out(now)
    try:
        if window is not None:
            cutover_control.must_not_be_paused(window)
            turns.must_be_turn_to_carry_out(window, at=now)
    except PutOff as why:
        return why.sentence
    return None


@long_job(
    "cutover",
    _l("At the effective instant: carries out all switches of an open enrollment, and nets what providers owe."),
    due=_cutovers_due,
    order=6,
    posts=True,
    upcoming=_next_cutover,
    waits=_waiting_cutover,
)
def cut_over(key: str, *, hold: Hold, by: Actor) -> Telling:
    """Carry out what is left, batch by batch; each batch is one transaction. Goes on after a kill or a pause."""
    plan_year = key.partition("/")[0]
    far = _HowFar(plan_year)

    def batch(carried_before: int) -> int:
        at = clock.now()
        hold(far.telling(carried_before, at=at))
        window = cutover_control.held(_window_of(plan_year).id, shared=True)
        if carried := cutover_control.carry_batch(window, by=by, at=at):
            return carried
        # Whoever carries out beside us may be in the middle of his last batch: wait for him, and do what he leaves.
        window = cutover_control.held(window.id)
        carried = cutover_control.carry_batch(window, by=by, at=at)
        if not carried:
            cutover.finish(window, by=by, at=at)
        return carried

    here, done = _all_of(batch), switching.progress(_window_of(plan_year).id).done
    carried_out = _carried_out(done)
    return carried_out if here == done else carried_out + said("%(here)s of them in this run", here=here)


def _carried_out(switches: int) -> Telling:
    return number_of("%(num)s switch carried out", "%(num)s switches carried out", switches)


def _roll_backs_due(_now: datetime) -> Sequence[Due]:
    w = EnrollmentWindow
    rows = select(w.plan_year, w.rolling_back_since, w.rolled_back).where(w.rolling_back_since.is_not(None))
    return [Due(cutover.round_of(year, times), since) for year, since, times in db.session.execute(rows) if since]


@long_job(
    "roll-back-cutover",
    _l("Rolls back a cutover that nobody has confirmed, when the operator asked for it."),
    due=_roll_backs_due,
    order=4,
    posts=True,
)
def roll_back_cutover(key: str, *, hold: Hold, by: Actor) -> Telling:
    """Roll back what is left, batch by batch; each batch is one transaction."""
    plan_year = key.partition("/")[0]

    def batch(rolled_back: int, after: int) -> rolling_back.Rolled:
        hold(_workers(rolled_back))
        at = clock.now()
        window = cutover_control.held(_window_of(plan_year).id)
        done = rolling_back.roll_back(window, after=after, by=by, at=at)
        if not done.workers:
            rolling_back.finish(window, by=by, at=at)
        return done

    rolled_back = after = 0
    while (done := in_unit_of_work(partial(batch, rolled_back, after))).workers:
        rolled_back, after = rolled_back + done.workers, done.last_id
    stay = rolling_back.count(_window_of(plan_year).id)
    done_back = number_of("%(num)s switch rolled back", "%(num)s switches rolled back", rolled_back)
    if not stay:
        return done_back
    return done_back + number_of(
        "%(num)s stays: something was done since", "%(num)s stay: something was done since", stay
    )


def _all_of(batch: Callable[[int], int]) -> int:
    """Do batch after batch until one is empty, each in a unit of work; each is told the sum so far. Their sum.

    Whoever posts for the same workers at the same moment may have to go first: then the database asks for the batch
    again, and the run is not lost for it.
    """
    carried = 0
    while count := in_unit_of_work(partial(batch, carried)):
        carried += count
    return carried


class _HowFar:
    """How far a cutover is, whoever carries it out.

    All switches are counted now and then only, and what is carried out here is added in between: so no batch has to
    wait until a million are counted.
    """

    def __init__(self, plan_year: str) -> None:
        self._plan_year = plan_year
        self._counted: tuple[switch_list.Pace, int, datetime] | None = None

    def telling(self, carried: int, *, at: datetime) -> Telling:
        """``carried``: how many switches this run has carried out itself."""
        if self._counted is None or at - self._counted[2] >= COUNTED_EVERY:
            allow_long_statements()
            self._counted = switch_list.pace(_window_of(self._plan_year), at=at), carried, at
        counted, carried_then, _ = self._counted
        pace = counted.further(carried - carried_then, at=at)
        far = number_of("%(done)s of %(num)s worker", "%(done)s of %(num)s workers", pace.total, done=pace.done)
        if pace.per_second:
            far += said("%(workers)s a second", workers=pace.per_second)
        if pace.per_second and pace.seconds_left:
            far += said("%(seconds)s s left", seconds=pace.seconds_left)
        return far


def _workers(workers: int) -> Telling:
    return number_of("%(num)s worker", "%(num)s workers", workers)


def _others_due(now: datetime) -> Sequence[Due]:
    waiting = turns.outside(now)
    return [Due(waiting.key, waiting.since)] if waiting.since else []


@long_job(
    "carry-out-switches",
    _l("Carries out switches outside of open enrollments on the day they take effect."),
    due=_others_due,
    order=7,
    posts=True,
)
def carry_out_switches(key: str, *, hold: Hold, by: Actor) -> Telling:  # noqa: ARG001 - it does all that is due
    """Order and carry out what has taken effect; then net it."""

    def order() -> None:
        hold()
        switching.order_special(by=by, at=clock.now())

    def batch(carried_before: int) -> int:
        hold(_workers(carried_before))
        cutover.hold_others()
        at = cutover.after_last_netting(clock.now())
        carried, more = switching.carry_out_others(policy=versions.at_instant(at), by=by, at=at)
        # Netted with the last of them: nobody would be asked to come back for it, were this stopped in between.
        if not carried or not more:
            cutover.settle_others(by=by, at=at)
        return carried

    in_unit_of_work(order)
    return _carried_out(_all_of(batch))


def _window_of(plan_year: str) -> EnrollmentWindow:
    window = windows.open_enrollment_for(plan_year)
    assert window is not None, f"no open enrollment is published for {plan_year}"
    return window
