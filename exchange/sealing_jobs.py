"""When is the journal sealed, by itself?"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from flask_babel import lazy_gettext as _l

from exchange import clock
from exchange.database import in_unit_of_work
from exchange.identity.actors import Actor
from exchange.ledger import keys, seals
from exchange.ledger.seals import Forked
from exchange.scheduler.jobs import Due, Hold, Outcome, long_job
from exchange.scheduler.telling import Telling, number_of, said

# An entry is sealed within a minute. Not at once: in a busy minute one checkpoint covers many.
PATIENCE: Final = timedelta(seconds=20)
DEADLINE: Final = timedelta(seconds=60)


def _unsealed(now: datetime) -> Sequence[Due]:
    if keys.ring_or_none() is None or seals.is_stopped():
        return []
    oldest = seals.oldest_unsealed()
    if oldest is None or oldest.posted_at + PATIENCE > now:
        return []
    return [Due(f"{oldest.sealed} entries, e-{oldest.entry_id}", oldest.posted_at, oldest.posted_at + DEADLINE)]


@long_job(
    "seal-journal",
    _l("Gives new entries of the journal their places, and signs a checkpoint over all of it."),
    due=_unsealed,
    order=85,
)
def seal_journal(_oldest: str, *, hold: Hold, by: Actor) -> Outcome:
    """Seal everything that is committed by now, a batch in each unit of work.

    Books that do not extend what was published stop it, and operator and regulators are told.
    """
    ring = keys.ring()
    sealed = 0

    def so_far() -> Telling:
        return number_of("%(num)s entry sealed", "%(num)s entries sealed", sealed)

    def work() -> int:
        hold(so_far())
        return seals.seal(ring, by=by, at=clock.now())

    def stop(refusal: Forked) -> None:
        hold()
        seals.stop(refusal, by=by, at=clock.now())

    try:
        while part := in_unit_of_work(work):
            seals.publish(ring)
            sealed += part
    except Forked as refusal:
        in_unit_of_work(lambda refusal=refusal: stop(refusal))  # type: ignore[misc]
        return Outcome(said("sealing stopped"), [str(refusal)])
    return Outcome(so_far())
