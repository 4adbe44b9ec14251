"""When is the audit log hashed onto its chain, by itself?"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from flask_babel import lazy_gettext as _l

from exchange import audit_chain
from exchange.audit_chain import EVERY
from exchange.identity.actors import Actor
from exchange.scheduler.jobs import Due, job
from exchange.scheduler.telling import Telling, number_of


def _links_due(now: datetime) -> Sequence[Due]:
    if not audit_chain.is_due(now):
        return []
    last = audit_chain.newest()
    if last is None:
        return [Due("1", now)]
    since = min(now, last.looked_at + EVERY)
    return [Due(str(last.number + 1), since, since + EVERY)]


def _next_link(_now: datetime) -> datetime | None:
    last = audit_chain.newest()
    return None if last is None else last.looked_at + EVERY


@job(
    "chain-audit-log",
    _l("Hashes what came to the audit log onto what was there, and enters the hash in the journal."),
    due=_links_due,
    order=84,
    upcoming=_next_link,
)
def chain_audit_log(_number: str, *, by: Actor, at: datetime) -> Telling:
    """Add a link."""
    link = audit_chain.add_link(by=by, at=at)
    return number_of("%(num)s event", "%(num)s events", link.events)
