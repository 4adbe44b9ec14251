"""Is every deed found again by what it was, whom it was about, who did it and when, page by page?"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from flask import Flask

from exchange import audit, audit_log
from exchange.audit_log import PER_PAGE, Wanted
from exchange.database import unit_of_work
from exchange.identity.actors import Actor, Audience, system_actor

ZONE = "America/Los_Angeles"
MIDNIGHT = datetime(2026, 11, 2, 8, tzinfo=UTC)
RITA = Actor(Audience.REGULATOR, "Rita 100% Moss", login_id=7)


@pytest.fixture
def deeds(app: Flask) -> None:
    with unit_of_work():
        audit.record("provider.suspended", "provider:7", by=RITA, at=MIDNIGHT, reason="too low", facts="decision=1")
        audit.record("provider.qualified", "provider:70", by=RITA, at=MIDNIGHT - timedelta(microseconds=1))
        audit.record("providers.counted", "providers:all", by=system_actor("job:count"), at=MIDNIGHT)


def subjects(wanted: Wanted) -> list[str]:
    return [row.subject for row in audit_log.stretch(wanted, zone=ZONE).rows]


class TestWanted:
    @pytest.mark.parametrize(
        ("wanted", "found"),
        [
            (Wanted(), ["providers:all", "provider:70", "provider:7"]),
            (Wanted(action="provider.suspended"), ["provider:7"]),
            (Wanted(action="provider"), ["provider:70", "provider:7"]),
            (Wanted(subject="provider:7"), ["provider:7"]),
            (Wanted(subject="provider"), ["provider:70", "provider:7"]),
            (Wanted(who="rita"), ["provider:70", "provider:7"]),
            (Wanted(who="100%"), ["provider:70", "provider:7"]),
            (Wanted(who="%"), ["provider:70", "provider:7"]),
            (Wanted(audience=Audience.SYSTEM), ["providers:all"]),
            (Wanted(first_day=date(2026, 11, 2)), ["providers:all", "provider:7"]),
            (Wanted(last_day=date(2026, 11, 1)), ["provider:70"]),
            (Wanted(first_day=date.min, last_day=date.max), ["providers:all", "provider:70", "provider:7"]),
            (Wanted(first_day=date(2026, 11, 1), last_day=date(2026, 11, 1)), ["provider:70"]),
            (Wanted(action="nothing.like", subject="it"), []),
        ],
    )
    def test_narrows_to_what_it_says(self, deeds: None, wanted: Wanted, found: list[str]) -> None:
        assert subjects(wanted) == found


class TestStretch:
    def test_leads_through_everything_once_and_back(self, app: Flask) -> None:
        with unit_of_work():
            for number in range(2 * PER_PAGE + 1):
                audit.record("test.done", f"number:{number}", by=RITA, at=MIDNIGHT)
        wanted = Wanted(action="test.done")

        first = audit_log.stretch(wanted, zone=ZONE)
        second = audit_log.stretch(wanted, zone=ZONE, before=first.older)
        last = audit_log.stretch(wanted, zone=ZONE, before=second.older)
        back = audit_log.stretch(wanted, zone=ZONE, after=last.newer)

        shown = [row.subject for part in (first, second, last) for row in part.rows]
        assert shown == [f"number:{number}" for number in range(2 * PER_PAGE, -1, -1)]
        assert (first.newer, last.older) == (None, None)
        assert [row.id for row in back.rows] == [row.id for row in second.rows]
        assert back.newer is not None

    def test_as_one_list_ends_where_it_is_told_to(self, deeds: None) -> None:
        found = list(audit_log.everything(Wanted(), zone=ZONE, at_most=2))

        assert [row.subject for row in found] == ["providers:all", "provider:70"]
