"""When are the bundles written that regulators ask for, and when are they removed?"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from flask_babel import lazy_gettext as _l

from exchange import clock
from exchange.database import in_unit_of_work
from exchange.identity.actors import Actor
from exchange.ledger import bundle, bundle_orders, keys, seals
from exchange.scheduler.jobs import Due, Hold, job, long_job
from exchange.scheduler.telling import Telling, beside_a_read, number_of, said

WRITE: Final = "write-bundle"


def _orders_due(_now: datetime) -> Sequence[Due]:
    return [Due(str(one.id), one.asked_at) for one in bundle_orders.waiting()]


@long_job(
    WRITE,
    _l("Writes the bundles of the books that regulators have asked for."),
    due=_orders_due,
    # Whatever else is due at that instant comes first: it may take long.
    order=99,
)
def write_bundle(key: str, *, hold: Hold, by: Actor) -> Telling:
    """Seal what is posted, then write the file from one state of the database. Stopped anywhere, it begins anew."""
    ring = keys.ring()

    def seal() -> int:
        hold()
        return seals.seal(ring, by=by, at=clock.now())

    while in_unit_of_work(seal):
        seals.publish(ring)
    total = bundle.entries_sealed()
    order = bundle_orders.called(int(key))

    def so_far(done: int) -> Telling:
        return number_of("%(done)s of %(num)s entry", "%(done)s of %(num)s entries", total, done=min(done, total))

    written = bundle_orders.write(order, keys=ring, at=clock.now(), tell=beside_a_read(hold, so_far))

    def note() -> None:
        hold()
        bundle_orders.note_written(bundle_orders.called(int(key)), written, by=by, at=clock.now())

    in_unit_of_work(note)
    entries = number_of("%(num)s entry", "%(num)s entries", written.entries)
    return entries + number_of("%(num)s byte", "%(num)s bytes", written.length)


def _removals_due(now: datetime) -> Sequence[Due]:
    found = []
    for one in bundle_orders.outlived(now):
        assert one.kept_until is not None, "it was written"
        found.append(Due(str(one.id), one.kept_until))
    return found


@job("remove-bundle", _l("Removes bundles that were written days ago."), due=_removals_due, order=95)
def remove_bundle(key: str, *, by: Actor, at: datetime) -> Telling:
    """Twice is once."""
    bundle_orders.remove(bundle_orders.called(int(key)), by=by, at=at)
    return said("bundle %(bundle)s removed", bundle=key)
