"""When is added up what was asked for of a large enrollment?"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from flask_babel import lazy_gettext as _l

from enrollment import pieces, reckonings
from enrollment.models import EnrollmentWindow
from exchange import clock
from exchange.database import db, in_unit_of_work
from exchange.identity.actors import Actor
from exchange.policy import versions
from exchange.scheduler.jobs import Due, Hold, long_job
from exchange.scheduler.telling import Telling, beside_a_read, number_of

RECKON: Final = "reckon"


def _due(_now: datetime) -> Sequence[Due]:
    return [Due(str(one.id), one.asked_at) for one in reckonings.waiting()]


@long_job(
    RECKON,
    _l("Adds up projections and rehearsals of a large enrollment that somebody has asked for."),
    due=_due,
    # Whatever else is due at that instant comes first: it only reads.
    order=97,
)
def reckon(key: str, *, hold: Hold, by: Actor) -> Telling:
    """Read from one state of the database, then keep what it came to. Stopped anywhere, it begins anew."""
    of = clock.now()
    reckoning = reckonings.called(int(key))
    window = db.session.get_one(EnrollmentWindow, reckoning.window_id)
    policy = versions.at_instant(window.effective_at or of)
    total = pieces.highest_account()
    db.session.rollback()

    def so_far(done: int) -> Telling:
        return number_of("%(done)s of %(num)s account", "%(done)s of %(num)s accounts", total, done=min(done, total))

    result = reckonings.reckon(int(key), policy=policy, tell=beside_a_read(hold, so_far))
    db.session.rollback()

    def note() -> None:
        hold()
        reckonings.note(reckonings.called(int(key)), result, of=of, by=by, at=clock.now())

    in_unit_of_work(note)
    return number_of("%(num)s account", "%(num)s accounts", total)
