"""Which jobs are there, what does each do, and what of it is due?

A job is an operation with a name. What is due is asked of the database each time, so nothing is
forgotten while the scheduler is away: a daily job knows its missed dates, any other job its own
unfinished things. Each due thing has a key (a date, a window's id); a key is done once.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Protocol, TypeAlias, TypeVar
from zoneinfo import ZoneInfo

from flask import current_app
from flask_babel import LazyString
from flask_babel import lazy_gettext as _l

from exchange.errors import NotFound, Refusal
from exchange.identity.actors import Actor
from exchange.scheduler import records
from exchange.scheduler.telling import Telling

A_DAY = timedelta(days=1)
GRACE = timedelta(minutes=10)
# From this order on a job begins when nothing else is due, however long it has been due itself: it may read for an
# hour, and a cutover does not wait for a bundle that was asked for a minute before.
AT_LEISURE = 90
Sentence: TypeAlias = str | LazyString


@dataclass(frozen=True, slots=True)
class Due:
    """One thing a job has to do: its key, since when, and from when on doing it counts as late."""

    key: str
    at: datetime
    late_from: datetime | None = None  # ten minutes after ``at`` when empty

    def is_late(self, now: datetime) -> bool:
        """Whether it is done later than it should be."""
        return now >= (self.late_from or self.at + GRACE)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run found: what it tells the operator, and the rules it saw broken."""

    telling: Telling
    broken: Sequence[str] = ()


class PutOff(Refusal):
    """A long job that is to wait: its run ends here, what it did stays, and another run goes on once it may."""

    code = "put_off"
    status = 409


Told: TypeAlias = Telling | Outcome
Question: TypeAlias = Callable[[datetime], Sequence[Due]]


class DailyWork(Protocol):
    """The work of one date; runs inside the unit of work that also marks it done."""

    def __call__(self, on: date, /, *, by: Actor, at: datetime) -> Told:
        """Do the work of ``on`` and say what was done."""
        ...


class Work(Protocol):
    """The work of one key; runs inside the unit of work that also marks it done."""

    def __call__(self, key: str, /, *, by: Actor, at: datetime) -> Told:
        """Do the work of ``key`` and say what was done."""
        ...


class Hold(Protocol):
    """Called in each unit of work of a long job: keeps it ours, or raises when another took it over."""

    def __call__(self, progress: Telling | None = None, /) -> None:
        """Hold on; ``progress`` ("3,000 of 100,000 workers") is shown to the operator."""
        ...


class LongWork(Protocol):
    """The work of one key in units of work of its own, each of which calls ``hold()`` first."""

    def __call__(self, key: str, /, *, hold: Hold, by: Actor) -> Told:
        """Do what is left of ``key`` and say what was done. Run again after a kill, it goes on."""
        ...


@dataclass(frozen=True, slots=True)
class Job:
    """A named operation that happens by itself. Exactly one of ``work`` and ``long_work`` is set."""

    name: str
    description: Sentence
    due: Question
    work: Work | None = None
    long_work: LongWork | None = None
    # Among things that are due since the same instant, lower comes first; see also ``AT_LEISURE``.
    order: int = 50
    # Whether it writes to the books: then the rules are asked after each run.
    posts: bool = False
    # Daily: keys are dates, done in their order, so a failed one holds the later ones back.
    is_daily: bool = False
    # When it will be due next, for the operator, when nothing is due now.
    upcoming: Callable[[datetime], datetime | None] = lambda _now: None
    # Why nothing is due though not all of it is done, for whoever asks for it by hand; None where nothing waits.
    waits: Callable[[datetime], Sentence | None] = lambda _now: None

    def __post_init__(self) -> None:
        assert (self.work is None) != (self.long_work is None), f"{self.name}: one kind of work"


class NoSuchJob(NotFound):
    """The name is no job's."""

    code = "no_such_job"


_registered: dict[str, Job] = {}
D = TypeVar("D", bound=DailyWork)
W = TypeVar("W", bound=Work)
L = TypeVar("L", bound=LongWork)


def daily_job(
    name: str,
    description: Sentence,
    *,
    after: time = time(0),
    since: Callable[[], date | None] | None = None,
    catches_up: bool = True,
    order: int = 50,
    posts: bool = False,
) -> Callable[[D], D]:
    """Run the function once for each local date, from ``after`` (local time) on.

    Missed dates are caught up one by one, oldest first, unless ``catches_up`` is off (upkeep that
    would do the same thing again). ``since`` names the first date there ever is (None: nothing
    yet); without it the first run decides.
    """

    def register(work: D) -> D:
        one = daily(name, description, work, after=after, since=since, catches_up=catches_up)
        _register(replace(one, order=order, posts=posts))
        return work

    return register


def job(
    name: str,
    description: Sentence,
    *,
    due: Question,
    order: int = 50,
    posts: bool = False,
    upcoming: Callable[[datetime], datetime | None] = lambda _now: None,
    waits: Callable[[datetime], Sentence | None] = lambda _now: None,
) -> Callable[[W], W]:
    """Run the function for each key that ``due(now)`` names, within a few seconds."""

    def register(work: W) -> W:
        _register(Job(name, description, due, work=work, order=order, posts=posts, upcoming=upcoming, waits=waits))
        return work

    return register


def long_job(
    name: str,
    description: Sentence,
    *,
    due: Question,
    order: int = 50,
    posts: bool = False,
    upcoming: Callable[[datetime], datetime | None] = lambda _now: None,
    waits: Callable[[datetime], Sentence | None] = lambda _now: None,
) -> Callable[[L], L]:
    """As ``job``, for work in many units of work of its own (a cutover): see ``LongWork``."""

    def register(work: L) -> L:
        _register(Job(name, description, due, long_work=work, order=order, posts=posts, upcoming=upcoming, waits=waits))
        return work

    return register


def daily(
    name: str,
    description: Sentence,
    work: DailyWork,
    *,
    after: time = time(0),
    since: Callable[[], date | None] | None = None,
    catches_up: bool = True,
) -> Job:
    """A daily job, not registered."""

    def of_key(key: str, /, *, by: Actor, at: datetime) -> Told:
        return work(date.fromisoformat(key), by=by, at=at)

    def due(now: datetime) -> list[Due]:
        today = _last_begun(now, after)
        return [due_on(on, after) for on in _missing_dates(name, today, since if catches_up else lambda: today)]

    def upcoming(now: datetime) -> datetime:
        return due_on(_last_begun(now, after) + A_DAY, after).at

    return Job(name, description, due, work=of_key, is_daily=True, upcoming=upcoming)


def registered() -> list[Job]:
    """Every job, in the fixed order."""
    return sorted(_registered.values(), key=lambda one: (one.order, one.name))


def called(name: str, jobs: Collection[Job] | None = None) -> Job:
    """The job of that name. Refuses ``NoSuchJob``."""
    known = {one.name: one for one in (registered() if jobs is None else jobs)}
    if name not in known:
        raise NoSuchJob(_l("There is no job called “%(name)s”. See: flask job list", name=name))
    return known[name]


def program_zone() -> ZoneInfo:
    """The zone whose dates daily jobs run for."""
    return ZoneInfo(current_app.config.get("PROGRAM_ZONE") or "UTC")


def due_on(on: date, after: time = time(0)) -> Due:
    """A daily job's work of ``on``: due from ``after`` of that date, late when the next one's is."""
    return Due(on.isoformat(), _local(on, after), _local(on + A_DAY, after))


def _register(one: Job) -> None:
    assert one.name not in _registered, f"two jobs are called {one.name}"
    _registered[one.name] = one


def _local(on: date, after: time) -> datetime:
    return datetime.combine(on, after, tzinfo=program_zone()).astimezone(UTC)


def _last_begun(now: datetime, after: time) -> date:
    today = now.astimezone(program_zone()).date()
    return today if _local(today, after) <= now else today - A_DAY


def _missing_dates(name: str, today: date, since: Callable[[], date | None] | None) -> list[date]:
    """The dates through ``today`` that are not done; one question when there is no gap."""
    done = records.done_dates(name)
    first = since() if since else (done.first or today)
    if first is None:
        return []
    if done.has_no_gap and done.first == first and done.last is not None:
        start, seen = done.last + A_DAY, frozenset[date]()
    else:
        start, seen = first, records.dates_done_since(name, first)
    days = (start + A_DAY * n for n in range((today - start).days + 1))
    return [on for on in days if on not in seen]
