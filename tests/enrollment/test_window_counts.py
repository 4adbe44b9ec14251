"""Is every choice counted on the local day on which it was made?"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from flask import Flask

from enrollment import elections, window_counts, windows
from enrollment.models import BenefitAccount, ElectionState
from enrollment.window_counts import CauseCount
from exchange.database import db, in_unit_of_work
from exchange.policy.document import Trigger
from tests.support.enrollment_makers import BY, CLOSES, OPENS, WHILE_OPEN, Town

ZONE = "America/Los_Angeles"
MIDNIGHT = datetime(2026, 11, 3, 8, tzinfo=UTC)
"""Of 3 November in Washington."""
JUST_BEFORE = MIDNIGHT - timedelta(microseconds=1)


@pytest.fixture
def town(app: Flask) -> Town:
    return Town()


class TestByDay:
    def test_parts_days_at_local_midnight(self, town: Town) -> None:
        for number, at in enumerate((OPENS, JUST_BEFORE, MIDNIGHT)):
            town.choose(town.member(f"Worker{number}", package_id=town.harbor), town.valley, at=at)

        days = window_counts.by_day(town.window, zone=ZONE, until=MIDNIGHT)

        assert [(day.on.day, day.made, day.standing) for day in days] == [(1, 1, 1), (2, 1, 1), (3, 1, 1)]

    def test_counts_what_became_of_each(self, town: Town) -> None:
        ada, ben = town.member("Ada", package_id=town.harbor), town.member("Ben", package_id=town.harbor)
        town.choose(ada, town.valley, at=MIDNIGHT)
        town.choose(ada, town.summit, at=WHILE_OPEN)
        town.choose(ben, town.valley, at=WHILE_OPEN)
        in_unit_of_work(
            lambda: elections.undo(
                db.session.get_one(BenefitAccount, ben), window=town.window, plan_year="2027", by=BY, at=WHILE_OPEN
            )
        )

        days = window_counts.by_day(town.window, zone=ZONE, until=CLOSES)

        assert window_counts.in_all(days) == {
            ElectionState.STANDING: 1,
            ElectionState.REPLACED: 1,
            ElectionState.UNDONE: 1,
            ElectionState.CARRIED_OUT: 0,
        }
        assert sum(day.made for day in days) == 3

    def test_ends_with_the_last_day_of_the_window(self, town: Town) -> None:
        days = window_counts.by_day(town.window, zone=ZONE, until=CLOSES + timedelta(days=100))

        assert (days[0].on, days[-1].on) == (date(2026, 11, 1), date(2026, 12, 15))
        assert len(days) == 45


class TestByCause:
    def test_counts_what_opened_is_open_and_led_to_a_choice(self, town: Town) -> None:
        cause = town.policy.cause_for(Trigger.PLACED)
        assert cause is not None
        accounts = [town.member(f"Worker{n}", package_id=town.harbor) for n in range(2)]
        in_unit_of_work(
            lambda: windows.open_special(
                accounts, cause=cause, event_on=date(2026, 11, 1), policy=town.policy, by=BY, at=OPENS
            )
        )

        assert window_counts.by_cause(OPENS) == [CauseCount(cause.code, 2, 2, 0)]
        assert window_counts.by_cause(OPENS + timedelta(days=70)) == [CauseCount(cause.code, 2, 0, 0)]
        number = db.session.get_one(BenefitAccount, accounts[0]).number
        rows = db.session.execute(window_counts.special_windows(account_number=number)).all()
        assert [(row.number, row.cause) for row in rows] == [(number, cause.code)]
        assert db.session.execute(window_counts.special_windows(cause="moved")).all() == []
