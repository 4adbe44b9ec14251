"""How is the town's journal sealed night by night, and what do its reserve checks rest on?

It is sealed before reserves are checked. What is owed is stated in the nights of the last week and where
it is stated anyhow; earlier checks name the journal that they speak of, and cite nothing: it would take
as long as all the rest.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Final

from enrollment import liability_statements
from exchange.database import unit_of_work
from exchange.identity.actors import Actor
from exchange.ledger import keys, seals, statements
from exchange.ledger.seals import Head
from exchange.ledger.statements import Moment
from providers import reserve_citations
from town.setting import Town

_AT: Final = timedelta(minutes=75)  # after midnight, when reserves have been checked
_LATELY: Final = timedelta(days=7)
_EVERYTHING: Final = 2**62


def seal(*, by: Actor, at: datetime) -> None:
    """Seal what was posted since yesterday. In a unit of work."""
    while seals.seal(keys.ring(), by=by, at=at):
        pass


def cite(town: Town, on: date, *, by: Actor) -> None:
    """Let the night's checks cite statements of the same journal, which are made if there are none."""
    at = town.dates.instant(on) + _AT
    if at >= town.now or not (on.day == 1 or on > town.dates.today - _LATELY):
        return
    with unit_of_work():
        statements.begin_snapshot()
        newest = seals.latest()
        if newest is None:
            return
        if on > town.dates.today - _LATELY:
            moment = Moment(Head(newest.size, newest.root), on, statements.FOR_CHECKS)
            planned = liability_statements.plan(policy=town.policy(at), as_of=on, size=newest.size)
            liability_statements.state_some(planned, moment=moment, leaves=_EVERYTHING, keys=keys.ring(), by=by, at=at)
        reserve_citations.cite(newest.size, by=by, at=at)
