"""What does the market as a whole need done by itself?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from typing import Final

from flask import current_app
from flask_babel import lazy_gettext as _l

from exchange import clock, outgoing_mail
from exchange.database import in_unit_of_work
from exchange.identity.actors import Actor
from exchange.ledger import balances, invariants, totals
from exchange.outgoing_mail import Sent
from exchange.scheduler.jobs import Due, Hold, Outcome, daily_job, long_job
from exchange.scheduler.runner import ask_the_rules
from exchange.scheduler.telling import Telling, number_of

# What is not counted yet is added at each question: a minute's postings cost it little.
PATIENCE: Final = timedelta(seconds=30)
LATE: Final = timedelta(minutes=10)


@daily_job(
    "fold-shared-balances",
    _l("Adds up the changes of lines that many share, so that reading them stays quick."),
    after=time(2),
    catches_up=False,
    order=80,
    posts=True,
)
def fold_shared_balances(_on: date, *, by: Actor, at: datetime) -> Telling:  # noqa: ARG001 - moves nothing, so nobody acts
    """Fold until nothing is left. Twice on a day does no harm: the second time there is nothing."""
    folded = 0
    while part := balances.fold():
        folded += part
    return number_of("%(num)s change folded", "%(num)s changes folded", folded)


def _uncounted(now: datetime) -> Sequence[Due]:
    oldest = totals.oldest_uncounted()
    if oldest is None or oldest.posted_at + PATIENCE > now:
        return []
    return [Due(f"e-{oldest.entry_id}", oldest.posted_at, oldest.posted_at + LATE)]


@long_job(
    "count-totals",
    _l("Adds new entries of the journal to the sums that are kept of it, so that pages and checks need not."),
    due=_uncounted,
    order=86,
)
def count_totals(_oldest: str, *, hold: Hold, by: Actor) -> Telling:  # noqa: ARG001 - moves nothing, so nobody acts
    """Count everything that is committed by now, a piece in each unit of work."""
    counted = 0

    def so_far() -> Telling:
        return number_of("%(num)s entry counted", "%(num)s entries counted", counted)

    def work() -> int:
        hold(so_far())
        return totals.count(at=clock.now())

    while part := in_unit_of_work(work):
        counted += part
    return so_far()


@daily_job(
    "check-invariants",
    _l("Asks every rule that must always hold, and lists what breaks one."),
    after=time(3),
    catches_up=False,
    order=90,
)
def check_invariants(_on: date, *, by: Actor, at: datetime) -> Outcome:  # noqa: ARG001 - only reads
    """The rules as they stand when it runs."""
    broken = ask_the_rules()
    rules = number_of("%(num)s rule asked", "%(num)s rules asked", len(invariants.rules()))
    return Outcome(rules + number_of("%(num)s finding", "%(num)s findings", len(broken)), broken)


LETTERS_AT_ONCE: Final = 100


def _letters_due(now: datetime) -> Sequence[Due]:
    oldest = outgoing_mail.oldest_due(now) if current_app.config["MAIL_SERVER"] else None
    return [] if oldest is None else [Due(f"{oldest.id}/{oldest.refusals}", oldest.try_after or oldest.written_at)]


class MailServerGone(OSError):
    """The mail server hung up in the middle of a letter, which is put off; the others are tried again soon."""


@long_job("send-letters", _l("Sends the letters that wait, when a mail server is set."), due=_letters_due, order=95)
def send_letters(_oldest: str, *, hold: Hold, by: Actor) -> Telling:  # noqa: ARG001 - the letters say who acted
    """Send the oldest ones, each in a unit of work; what is left is due again at once, what was refused later."""
    counted: Counter[Sent] = Counter()

    def sent() -> Telling:
        return number_of("%(num)s letter sent", "%(num)s letters sent", counted[Sent.TAKEN])

    def work() -> Sent | None:
        hold(sent())
        return outgoing_mail.send_next(server, sender=current_app.config["MAIL_SENDER"], at=clock.now())

    with outgoing_mail.server_at(current_app.config["MAIL_SERVER"]) as server:
        while counted.total() < LETTERS_AT_ONCE and (became := in_unit_of_work(work)) is not None:
            counted[became] += 1
            if became is Sent.HUNG_UP:
                raise MailServerGone
    return sent() + number_of("%(num)s refused", "%(num)s refused", counted[Sent.REFUSED])
