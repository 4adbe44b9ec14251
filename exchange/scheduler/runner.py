"""How is what is due done, each key once, whatever dies in between?

First the attempt is written down, then the work is done in one unit of work that also marks it done:
killed anywhere, it has either not begun or is complete. A failure is written down, holds up no other
job, and is tried again later. Things that are due are done in the order in which they became due.
"""

from __future__ import annotations

import os
import socket
import traceback
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime

import structlog
from flask import current_app
from flask_babel import lazy_gettext as _l
from sqlalchemy.exc import DBAPIError

from exchange import audit, clock
from exchange.database import allow_long_statements, db, in_unit_of_work, is_transient
from exchange.errors import Refusal
from exchange.identity.actors import Actor, system_actor
from exchange.ledger import invariants
from exchange.scheduler import jobs, lease, records
from exchange.scheduler.jobs import Due, Job, Outcome, PutOff, Told
from exchange.scheduler.records import AlreadyDone, BeingDone, RunState, TakenOver
from exchange.scheduler.telling import Telling

_LONGEST = 1_000  # characters of an error that are kept
_log = structlog.get_logger(__name__)


class NothingDue(Refusal):
    """The job has nothing to do now."""

    code = "nothing_due"
    status = 409


class NotYet(Refusal):
    """The date has not come."""

    code = "not_yet"


def never() -> bool:
    """Do not stop before everything is done."""
    return False


@dataclass(frozen=True, slots=True)
class Hand:
    """In whose hand a run is: the process, the scheduler's token, and the person who asked (None: the job itself)."""

    holder: str
    token: int | None = None
    by: Actor | None = None
    # Told how far a long job is, batch by batch; for whoever watches on a terminal.
    tell: Callable[[str], None] | None = None
    # Asked before each batch of a long job: it may take longer than its process is given to end.
    should_stop: Callable[[], bool] = never

    def actor(self, job: Job) -> Actor:
        """Who acts in a run of ``job``."""
        return self.by or system_actor(f"job:{job.name}")


@dataclass(frozen=True, slots=True)
class Ran:
    """What came of one attempt; ``text``: what the job tells, or why it is not done."""

    run_id: int
    name: str
    key: str
    state: RunState
    late: bool
    text: Telling | str
    broken: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Attempt:
    run_id: int
    job: Job
    due: Due
    late: bool
    hand: Hand


def this_process() -> str:
    """Machine and process, as runs and leases name them."""
    return f"{socket.gethostname()}:{os.getpid()}"


# --- all that is due ------------------------------------------------------------------------------


def run_due(
    hand: Hand, *, among: Collection[Job] | None = None, should_stop: Callable[[], bool] = never
) -> Iterator[Ran]:
    """Do everything that is due, oldest first (what has leisure last), asking anew after each, until nothing is left.

    Each key is tried once; one that failed lately waits. Asked to stop, it ends a long job between two batches. Raises
    ``TakenOver`` when the scheduler's lease is lost meanwhile.
    """
    hand = replace(hand, should_stop=should_stop)
    tried: set[tuple[str, str]] = set()
    while not should_stop():
        following = _next(jobs.registered() if among is None else among, tried, hand)
        if following is None:
            return
        job, due = following
        tried.add((job.name, due.key))
        try:
            yield perform(job, due, hand=hand)
        except (AlreadyDone, BeingDone) as refusal:
            _log.info("job left to another", job=job.name, key=due.key, why=refusal.code)


def _next(among: Collection[Job], tried: set[tuple[str, str]], hand: Hand) -> tuple[Job, Due] | None:
    db.session.rollback()  # see what is committed by now
    now = clock.now()
    failed = records.failures(now) if hand.by is None else {}
    waiting = {key for key, failures in failed.items() if failures.retry_at > now}
    passed_over = tried | waiting
    candidates = []
    for job in among:
        for due in _asked(job, now, tried=tried, waiting=waiting, hand=hand):
            if (job.name, due.key) not in passed_over:
                candidates.append((job.order >= jobs.AT_LEISURE, due.at, job.order, job.name, due.key, job, due))
            elif job.is_daily:
                break  # its dates are done in their order
    return min(candidates, key=lambda candidate: candidate[:5])[5:] if candidates else None


def _asked(
    job: Job, now: datetime, *, tried: set[tuple[str, str]], waiting: set[tuple[str, str]], hand: Hand
) -> Collection[Due]:
    """What is due for a job. A question that fails is written down like a run that fails."""
    if (job.name, records.ASKING) in tried | waiting:
        return ()
    try:
        return _answered(job, now)
    except Exception as error:  # noqa: BLE001 - one job's mistake must not keep the others from their work
        tried.add((job.name, records.ASKING))
        db.session.rollback()
        attempt = in_unit_of_work(lambda: _begin(job, Due(records.ASKING, now), hand))
        _fail(attempt, error)
        return ()


def _answered(job: Job, now: datetime) -> Collection[Due]:
    try:
        return job.due(now)
    except DBAPIError as error:
        if not is_transient(error):
            raise
        db.session.rollback()
        return job.due(now)  # a lost connection is no reason to let the work wait half a minute


# --- by hand --------------------------------------------------------------------------------------


def run_by_hand(
    name: str,
    *,
    by: Actor,
    on: date | None = None,
    among: Collection[Job] | None = None,
    should_stop: Callable[[], bool] = never,
    tell: Callable[[str], None] | None = None,
) -> Iterator[Ran]:
    """Do what is due for one job, or what fell due on the local date ``on``, without waiting after failures.

    Refuses ``NoSuchJob``, ``NothingDue``, ``NotYet``, ``AlreadyDone`` and ``BeingDone``.
    """
    job = jobs.called(name, among)
    hand = Hand(this_process(), by=by, tell=tell)
    for due in _due_by_hand(job, on):
        if should_stop():
            return
        yield perform(job, due, hand=hand)


def _due_by_hand(job: Job, on: date | None) -> list[Due]:
    db.session.rollback()
    now = clock.now()
    all_due = list(job.due(now))
    zone = jobs.program_zone()
    if on is None:
        chosen = all_due
    elif job.is_daily:
        chosen = [next((due for due in all_due if due.key == on.isoformat()), None) or jobs.due_on(on)]
        if on > now.astimezone(zone).date():
            raise NotYet(_l("%(day)s has not come yet.", day=on.isoformat()))
    else:
        chosen = [due for due in all_due if due.at.astimezone(zone).date() == on]
    if not chosen:
        done = _l("Nothing is due for %(name)s now: all of it is done.", name=job.name)
        raise NothingDue(job.waits(now) or done)
    return chosen


# --- one attempt ----------------------------------------------------------------------------------


def perform(job: Job, due: Due, *, hand: Hand) -> Ran:
    """Do one key of one job. A failure is written down and returned, not raised.

    Refuses ``AlreadyDone`` and ``BeingDone``; raises ``TakenOver`` when this process lost its right.
    """
    attempt = in_unit_of_work(lambda: _begin(job, due, hand))
    try:
        outcome = _in_batches(attempt) if job.long_work else in_unit_of_work(lambda: _at_once(attempt))
    except TakenOver:
        raise
    except PutOff as put_off:
        return _put_off(attempt, put_off)
    except Exception as error:  # noqa: BLE001 - whatever goes wrong in a job is written down for the operator
        return _fail(attempt, error)
    except BaseException:  # Ctrl-C: the next attempt need not wait
        in_unit_of_work(lambda: records.become(attempt.run_id, RunState.ABANDONED, finished_at=clock.now()))
        raise
    broken = tuple(outcome.broken) or _after(attempt)
    _log.info("job done", job=job.name, key=due.key, result=outcome.telling.in_english(), broken=len(broken))
    return Ran(attempt.run_id, job.name, due.key, RunState.DONE, attempt.late, outcome.telling, broken)


def _begin(job: Job, due: Due, hand: Hand) -> _Attempt:
    if hand.token is not None:
        lease.check(hand.token)
    now = clock.now()
    actor = hand.actor(job)
    late = due.is_late(now)
    values = {
        "name": job.name,
        "due_key": due.key,
        "due_at": due.at,
        "started_at": now,
        "late": late,
        "actor_name": actor.name,
        "holder": hand.holder,
        "token": hand.token,
    }
    run_id = records.claim(values, real_now=clock.real_now())
    if hand.by is not None:
        audit.record("job.run_by_hand", f"job:{job.name}", by=actor, at=now, facts=f"key={due.key}")
    return _Attempt(run_id, job, due, late, hand)


def _at_once(attempt: _Attempt) -> Outcome:
    """The work and the mark that it is done, in one transaction; the mark first, since it also locks the row."""
    job, now = attempt.job, clock.now()
    assert job.work is not None
    allow_long_statements()
    if attempt.hand.token is not None:
        lease.check(attempt.hand.token)
    records.become(attempt.run_id, RunState.DONE, finished_at=now)
    outcome = _outcome(job.work(attempt.due.key, by=attempt.hand.actor(job), at=now))
    _write_down(attempt, outcome)
    return outcome


def _in_batches(attempt: _Attempt) -> Outcome:
    job = attempt.job
    assert job.long_work is not None

    def hold(progress: Telling | None = None, /) -> None:
        if attempt.hand.should_stop():
            raise PutOff(_l("This process was asked to stop: what is done stays, another run goes on."))
        allow_long_statements()
        if attempt.hand.token is not None:
            lease.check(attempt.hand.token)
        records.hold(attempt.run_id, real_now=clock.real_now(), progress=progress)
        if progress is not None and attempt.hand.tell is not None:
            attempt.hand.tell(str(progress))

    def finish() -> None:
        if attempt.hand.token is not None:
            lease.check(attempt.hand.token)
        records.become(attempt.run_id, RunState.DONE, finished_at=clock.now())
        _write_down(attempt, outcome)

    outcome = _outcome(job.long_work(attempt.due.key, hold=hold, by=attempt.hand.actor(job)))
    in_unit_of_work(finish)
    return outcome


def _outcome(told: Told) -> Outcome:
    return told if isinstance(told, Outcome) else Outcome(told)


def _write_down(attempt: _Attempt, outcome: Outcome) -> None:
    broken = "\n".join(outcome.broken) or None
    records.note(attempt.run_id, result=outcome.telling, broken=broken, finished_at=clock.now())


def _fail(attempt: _Attempt, error: Exception) -> Ran:
    words = in_words(error)
    job, key = attempt.job.name, attempt.due.key
    _log.error("job failed", job=job, key=key, why=words, trace=_trace(error))
    db.session.rollback()
    in_unit_of_work(lambda: records.become(attempt.run_id, RunState.FAILED, finished_at=clock.now(), error=words))
    return Ran(attempt.run_id, job, key, RunState.FAILED, attempt.late, words)


def _put_off(attempt: _Attempt, why: PutOff) -> Ran:
    """No failure: nothing waits before the next attempt, which begins when the thing is due again."""
    words = in_words(why)
    job, key = attempt.job.name, attempt.due.key
    _log.info("job put off", job=job, key=key, why=words)
    db.session.rollback()
    in_unit_of_work(lambda: records.become(attempt.run_id, RunState.ABANDONED, finished_at=clock.now(), error=words))
    return Ran(attempt.run_id, job, key, RunState.ABANDONED, attempt.late, words)


def in_words(error: Exception) -> str:
    """What the operator reads. A database's error without its statement, whose values are nobody's business."""
    if isinstance(error, Refusal):
        return str(error)[:_LONGEST]
    if isinstance(error, DBAPIError):
        return f"{type(error).__name__}: {str(error.orig).partition(chr(10))[0]}"[:_LONGEST]
    return f"{type(error).__name__}: {error}"[:_LONGEST]


def _trace(error: Exception) -> str | None:
    """Where it broke, without the values that were at hand: they may be somebody's. Nothing for an expected no."""
    return None if isinstance(error, Refusal) else "".join(traceback.format_tb(error.__traceback__))


# --- the rules, afterwards ------------------------------------------------------------------------


def ask_the_rules() -> tuple[str, ...]:
    """Every broken rule as a line; empty is good."""
    return tuple(f"{one.number}. {one.name}: {one.finding}" for one in invariants.broken())


def _after(attempt: _Attempt) -> tuple[str, ...]:
    """Ask the rules after a job that posts, and mark its run with those it left broken.

    ``app.extensions["after_posting_job"]`` may hold another question, e.g. a cheaper one, or none.
    """
    question: Callable[[], tuple[str, ...]] | None = current_app.extensions.get("after_posting_job", ask_the_rules)
    if not attempt.job.posts or question is None:
        return ()
    db.session.rollback()
    try:
        allow_long_statements()
        broken = question()
    except Exception as error:  # noqa: BLE001 - the work is done; that it could not be checked is a finding
        _log.error("rules not asked", job=attempt.job.name, why=in_words(error), trace=_trace(error))
        broken = (f"The rules could not be asked: {in_words(error)}",)
    if broken:
        in_unit_of_work(lambda: records.note(attempt.run_id, broken="\n".join(broken)))
    return broken
