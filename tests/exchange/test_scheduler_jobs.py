"""Is everything that is due known, and nothing else?"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

import pytest
from flask import Flask

from exchange import clock
from exchange.scheduler import jobs, runner
from exchange.scheduler.jobs import Due, NoSuchJob, daily, due_on
from exchange.scheduler.records import RunState
from tests.support.scheduling import day_of, each_day, move_to, runs

HAND = runner.Hand("test")


@pytest.fixture
def pacific(app: Flask) -> Flask:
    app.config.update(DEMO=True, PROGRAM_ZONE="America/Los_Angeles")
    return app


class TestDailyJob:
    def test_that_never_ran_begins_today(self, pacific: Flask) -> None:
        now = clock.now()

        due = each_day("daily").due(now)

        assert [one.key for one in due] == [clock.local_date(now, "America/Los_Angeles").isoformat()]

    def test_begins_with_the_date_that_it_is_given(self, pacific: Flask) -> None:
        due = each_day("daily", since=date(2026, 3, 7)).due(datetime(2026, 3, 9, 12, tzinfo=UTC))

        assert [one.key for one in due] == ["2026-03-07", "2026-03-08", "2026-03-09"]

    def test_has_nothing_to_do_before_its_first_date(self, pacific: Flask) -> None:
        assert each_day("daily", since=date(2026, 3, 10)).due(datetime(2026, 3, 9, 12, tzinfo=UTC)) == []

    def test_has_nothing_to_do_while_there_is_no_first_date(self, pacific: Flask) -> None:
        assert daily("daily", "", day_of, since=lambda: None).due(clock.now()) == []

    @pytest.mark.parametrize(
        ("on", "begins"),
        [
            (date(2026, 3, 8), datetime(2026, 3, 8, 8, tzinfo=UTC)),  # clocks go forward at two
            (date(2026, 3, 9), datetime(2026, 3, 9, 7, tzinfo=UTC)),
            (date(2026, 11, 1), datetime(2026, 11, 1, 7, tzinfo=UTC)),  # clocks go back at two
            (date(2026, 11, 2), datetime(2026, 11, 2, 8, tzinfo=UTC)),
        ],
    )
    def test_is_due_once_a_local_date_where_clocks_change(self, pacific: Flask, on: date, begins: datetime) -> None:
        job = each_day("daily", since=on)

        assert job.due(begins - timedelta(microseconds=1)) == []
        assert job.due(begins) == [Due(on.isoformat(), begins, due_on(on + timedelta(days=1)).at)]

    def test_waits_for_its_time_of_day(self, pacific: Flask) -> None:
        job = daily("daily", "", day_of, after=time(2), since=lambda: date(2026, 7, 1))

        assert job.due(datetime(2026, 7, 1, 8, 59, tzinfo=UTC)) == []
        assert [one.key for one in job.due(datetime(2026, 7, 1, 9, 0, tzinfo=UTC))] == ["2026-07-01"]
        assert job.upcoming(datetime(2026, 7, 1, 9, 0, tzinfo=UTC)) == datetime(2026, 7, 2, 9, tzinfo=UTC)

    def test_catches_up_forty_missed_days_one_by_one_and_marks_them_late(self, pacific: Flask) -> None:
        job = each_day("daily")
        list(runner.run_due(HAND, among=[job]))
        first = date.fromisoformat(runs("daily")[0].due_key)
        move_to(due_on(first + timedelta(days=40)).at + timedelta(hours=9))

        ran = list(runner.run_due(HAND, among=[job]))

        assert [one.key for one in ran] == [(first + timedelta(days=n)).isoformat() for n in range(1, 41)]
        assert [one.late for one in ran] == [True] * 39 + [False]
        assert {run.state for run in runs("daily")} == {RunState.DONE}
        assert list(runner.run_due(HAND, among=[job])) == []

    def test_fills_a_gap_that_was_left(self, pacific: Flask) -> None:
        job = each_day("daily", since=date(2026, 3, 1))
        for day in (1, 3):
            runner.perform(job, due_on(date(2026, 3, day)), hand=HAND)

        assert [one.key for one in job.due(datetime(2026, 3, 5, 12, tzinfo=UTC))] == [
            "2026-03-02",
            "2026-03-04",
            "2026-03-05",
        ]

    def test_that_does_not_catch_up_does_today_only(self, pacific: Flask) -> None:
        job = daily("upkeep", "", day_of, catches_up=False)
        runner.perform(job, due_on(date(2026, 3, 1)), hand=HAND)

        assert [one.key for one in job.due(datetime(2026, 3, 5, 12, tzinfo=UTC))] == ["2026-03-05"]
        assert job.due(datetime(2026, 3, 1, 12, tzinfo=UTC)) == []


class TestDue:
    @pytest.mark.parametrize(("seconds", "late"), [(0, False), (120, False), (599, False), (600, True)])
    def test_is_late_after_ten_minutes(self, seconds: int, *, late: bool) -> None:
        at = datetime(2026, 3, 1, tzinfo=UTC)

        assert Due("k", at).is_late(at + timedelta(seconds=seconds)) is late


class TestRegisteredJobs:
    def test_hold_the_books_upkeep(self, app: Flask) -> None:
        assert {"fold-shared-balances", "check-invariants"} <= {job.name for job in jobs.registered()}

    def test_tell_what_they_do(self, app: Flask) -> None:
        assert all(str(job.description).endswith(".") for job in jobs.registered())

    def test_refuse_a_name_that_is_no_jobs(self, app: Flask) -> None:
        with pytest.raises(NoSuchJob):
            jobs.called("no-such-job")
