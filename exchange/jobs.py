"""What do the books need every day, by themselves?"""

from __future__ import annotations

from datetime import date, datetime, time

from flask_babel import lazy_gettext as _l

from exchange.identity.actors import Actor
from exchange.ledger import balances, invariants
from exchange.scheduler.jobs import Outcome, daily_job
from exchange.scheduler.runner import ask_the_rules


@daily_job(
    "fold-shared-balances",
    _l("Adds up the changes of lines that many share, so that reading them stays quick."),
    after=time(2),
    order=80,
    posts=True,
)
def fold_shared_balances(_on: date, *, by: Actor, at: datetime) -> str:  # noqa: ARG001 - moves nothing, so nobody acts
    """Fold until nothing is left. Twice on a day does no harm: the second time there is nothing."""
    folded = 0
    while part := balances.fold():
        folded += part
    return f"{folded:,} changes folded"


@daily_job(
    "check-invariants", _l("Asks every rule that must always hold, and lists what breaks one."), after=time(3), order=90
)
def check_invariants(_on: date, *, by: Actor, at: datetime) -> Outcome:  # noqa: ARG001 - only reads
    """The rules as they stand when it runs; a missed date is caught up with the books of today."""
    broken = ask_the_rules()
    rules = len(invariants.rules())
    return Outcome(f"{rules} rules asked, {len(broken)} findings", broken)
