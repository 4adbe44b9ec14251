"""When is it stated what reserve checks rest on, and how long are the leaves of these statements kept?

A check takes seconds and waits for nobody; the trees of its statements are built afterwards, some at a
time, and the check then cites them. These statements are made every day: their leaves, in which a
worker finds himself, are kept for a week. See docs/adr/0005.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, time, timedelta
from functools import partial
from typing import Final

from flask_babel import lazy_gettext as _l

from enrollment import liability_statements
from exchange import clock
from exchange.clock import local_date
from exchange.database import db, in_unit_of_work
from exchange.errors import NotFound
from exchange.identity.actors import Actor
from exchange.ledger import keys, seals, statements
from exchange.ledger.keys import KeyRing
from exchange.ledger.seals import Head
from exchange.ledger.statements import Moment
from exchange.policy import versions
from exchange.scheduler import records
from exchange.scheduler.jobs import Due, Hold, due_on, long_job, program_zone
from exchange.scheduler.telling import Telling, number_of
from providers import reserve_citations
from providers.reserve_citations import Waiting

# So many leaves in one unit of work: on SQLite nobody else writes meanwhile.
LEAVES: Final = 20_000
KEPT: Final = timedelta(days=7)
# What was checked longer ago is not stated any more: every posting since would have to be taken back in thought.
_RECENT: Final = timedelta(days=3)
_LATE: Final = timedelta(hours=6)
_SEALED_WITHIN: Final = timedelta(seconds=20)
_FORGET: Final = "forget-leaves"
_FORGET_AT: Final = time(4)


# --- stating --------------------------------------------------------------------------------------


def _checks_due(now: datetime) -> Sequence[Due]:
    if keys.ring_or_none() is None or seals.is_stopped():
        return []
    return [Due(_key(one), one.since, one.since + _LATE) for one in reserve_citations.waiting(now - _RECENT)]


def _key(one: Waiting) -> str:
    return f"journal {one.size}, check {one.first_id}"


@long_job(
    "state-checked-liabilities",
    _l("States what was owed when reserves were checked, so that every check rests on signed statements."),
    due=_checks_due,
    order=35,
)
def state_checked_liabilities(key: str, *, hold: Hold, by: Actor) -> Telling:
    """Make the statements of a size of the journal some at a time, then let its checks cite them.

    Stopped anywhere it goes on with those that are missing. Entries that others post meanwhile are
    sealed as they come.
    """
    ring = keys.ring()
    db.session.rollback()
    one = next((one for one in reserve_citations.waiting(clock.now() - _RECENT) if _key(one) == key), None)
    if one is None:
        raise NotFound(_l("No check waits for its statements."))
    policy = versions.at_instant(one.since)
    as_of = local_date(one.since, policy.zone)
    everything = liability_statements.plan(policy=policy, as_of=as_of, size=one.size)
    planned = liability_statements.of_providers(everything, one.provider_ids)
    cause = statements.FOR_CHECKS if planned is everything else statements.FOR_FILINGS
    moment = Moment(Head(one.size, seals.checkpoint_at(one.size).root), as_of, cause)
    made = 0

    def some() -> int:
        statements.begin_snapshot()
        hold(number_of("%(done)s of %(num)s statement", "%(done)s of %(num)s statements", len(planned), done=made))
        return liability_statements.state_some(planned, moment=moment, leaves=LEAVES, keys=ring, by=by, at=clock.now())

    while more := in_unit_of_work(some):
        made += more
        _seal(ring, by=by)
    in_unit_of_work(lambda: reserve_citations.cite(one.size, by=by, at=clock.now()))
    statements_made = number_of("%(num)s statement made", "%(num)s statements made", made)
    return statements_made + number_of("of a journal of %(num)s entry", "of a journal of %(num)s entries", one.size)


def _seal(ring: KeyRing, *, by: Actor) -> None:
    """Do the sealer's work where it waits behind this job: an entry is sealed within a minute."""
    db.session.rollback()
    waiting = seals.oldest_unsealed()
    if waiting is not None and waiting.posted_at <= clock.now() - _SEALED_WITHIN:
        in_unit_of_work(lambda: seals.seal(ring, by=by, at=clock.now()))
        seals.publish(ring)


# --- forgetting -----------------------------------------------------------------------------------


def _leaves_due(now: datetime) -> Sequence[Due]:
    today = local_date(now, str(program_zone()))
    due = due_on(today, _FORGET_AT)
    done = today in records.dates_done_since(_FORGET, today)
    return [] if due.at > now or done else [due]


@long_job(
    _FORGET,
    _l("Drops the leaves of statements that were made for reserve checks more than a week ago."),
    due=_leaves_due,
    order=75,
)
def forget_leaves(_on: str, *, hold: Hold, by: Actor) -> Telling:  # noqa: ARG001 - what is dropped is derived
    """Some statements in each unit of work. Twice on a day is once."""
    forgotten = 0

    def so_far() -> Telling:
        return number_of("%(num)s leaf dropped", "%(num)s leaves dropped", forgotten)

    def work(ids: Sequence[int]) -> int:
        hold(so_far())
        return statements.forget_leaves(ids)

    db.session.rollback()
    for ids in _in_pieces(statements.forgettable(clock.now() - KEPT)):
        forgotten += in_unit_of_work(partial(work, ids))
    return so_far()


def _in_pieces(found: Sequence[tuple[int, int]]) -> Iterator[Sequence[int]]:
    """The ids in pieces of about ``LEAVES`` leaves."""
    piece, size = list[int](), 0
    for id_, count in found:
        piece.append(id_)
        size += count
        if size >= LEAVES:
            yield piece
            piece, size = [], 0
    if piece:
        yield piece
