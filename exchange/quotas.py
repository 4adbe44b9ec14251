"""How many records about workers may one organization's staff and programs take out in an hour?

What leaves in bulk is counted: the members of a roster's file, the lines of a report's, and those that a program reads.
The counters stand in the database, so that all processes count together; an hour begins with what is taken first.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from flask import current_app
from flask_babel import lazy_gettext as _l
from sqlalchemy import func, select

from exchange import clock
from exchange.audit import AuditEvent
from exchange.database import db
from exchange.errors import Refusal
from exchange.identity.actors import Actor
from exchange.identity.login.rates import DatabaseStorage

SETTING: Final = "RECORDS_AN_HOUR"
DEEDS: Final = "quota.reached"
"""How the audit log calls it that somebody asked for more; its subject is ``quota:`` and the organization's id."""
_HOUR: Final = 3_600
_counts: Final = DatabaseStorage("exchange-database://")


class QuotaReached(Refusal):
    """With this, the organization would take more records about workers within the hour than it may."""

    code = "quota_reached"
    status = 429


def take(records: int, *, by: Actor) -> None:
    """Count records that whoever asks is about to take. Outside of a unit of work. Refuses ``QuotaReached``."""
    allowed: int | None = current_app.config[SETTING].get(by.audience.value)
    if allowed is None or records == 0:
        return
    key = f"records about workers of organization {by.organization_id}"
    db.session.rollback()  # what was read is read: a count has a connection of its own
    taken = _counts.get(key)
    # Asked first, so that what is refused does not use up what is left; counted then, for another may have been faster.
    if taken + records > allowed or _counts.incr(key, _HOUR, records) > allowed:
        sentence = _l(
            "This is %(records)s records about workers. Your organization may take %(allowed)s in an hour, and has "
            "taken %(taken)s. Wait, or ask the operator of the exchange for more.",
            records=f"{records:,}",
            allowed=f"{allowed:,}",
            taken=f"{taken:,}",
        )
        no = QuotaReached(sentence, records=records, allowed=allowed, taken=taken)
        no.retry_after = max(int(_counts.get_expiry(key)) - clock.machine_seconds(), 0) if taken else _HOUR
        raise no


def reached(*, within: timedelta, at: datetime) -> Mapping[int, int]:
    """How often somebody asked for more lately, by the organization's id; as far as the audit log keeps it."""
    e = AuditEvent
    rows = (
        select(e.subject, func.count())
        .where(e.subject > "quota:", e.subject < "quota;", e.action == DEEDS, e.at > at - within)
        .group_by(e.subject)
    )
    return {int(subject.partition(":")[2]): int(count) for subject, count in db.session.execute(rows)}
