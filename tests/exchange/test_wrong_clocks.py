"""When a clock jumps, or the law of time zones changes: does nothing happen early, twice, or backwards?"""

from __future__ import annotations

import re
import shutil
import zoneinfo
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
import yaml
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select

from enrollment import elections, windows
from enrollment.models import BenefitAccount, Election, EnrollmentWindow
from exchange import audit, calendar, clock, figures
from exchange.audit import AuditEvent
from exchange.clock import ClocksDisagree
from exchange.database import db, in_unit_of_work, unit_of_work
from exchange.identity.actors import Audience
from exchange.policy.reading import read_file
from exchange.scheduler.jobs import due_on
from tests.support.policies import NEW_YORK, WASHINGTON
from tests.support.scheduling import each_day
from tests.support.signing_in import make_login, sign_in
from tests.support.source import ROOT
from tests.support.worker_makers import BY, Market

ALARMS: list[dict[str, Any]] = yaml.safe_load(ROOT.joinpath("deploy", "alerts.yaml").read_text("utf-8"))["groups"][0][
    "rules"
]
LONG_AGO = datetime(2023, 6, 1, tzinfo=UTC)
# A step of a time server, a machine that was restored: seconds back, sixty of them up to two hours.
BACK = [6 + (7_200 - 6) * n // 59 for n in range(60)]
# Hours ahead, thirty of them from one hour to four hundred days.
AHEAD = [1 + (400 * 24 - 1) * n // 29 for n in range(30)]


@pytest.fixture
def market(app: Flask) -> Market:
    app.config["PROGRAM_ZONE"] = "America/Los_Angeles"
    return Market()


def decide_something() -> None:
    """What everything that is decided does: open a unit of work and read the clock in it."""
    with unit_of_work():
        clock.now()
        audit.record("test.decided", "test:1", by=BY, at=LONG_AGO)


def written() -> int:
    db.session.rollback()
    return db.session.execute(select(func.count()).select_from(AuditEvent)).scalar_one()


class TestMachineClock:
    def test_that_went_back_decides_nothing(self, app: Flask) -> None:
        before = written()
        for seconds in BACK:
            with (
                time_machine.travel(datetime.now(UTC) - timedelta(seconds=seconds)),
                pytest.raises(ClocksDisagree),
            ):
                decide_something()
        assert (written(), len(BACK)) == (before, 60)

    def test_that_went_ahead_decides_nothing(self, app: Flask) -> None:
        before = written()
        for hours in AHEAD:
            with (
                time_machine.travel(datetime.now(UTC) + timedelta(hours=hours)),
                pytest.raises(ClocksDisagree),
            ):
                decide_something()
        assert (written(), len(AHEAD)) == (before, 30)

    def test_that_is_right_again_decides_again(self, app: Flask) -> None:
        before = written()
        decide_something()

        assert written() == before + 1

    def test_opens_no_window_early(self, market: Market) -> None:
        account_id = market.worker()
        year = calendar.next_plan_year(market.policy, market.next_year.starts_on)
        in_unit_of_work(lambda: windows.publish_open_enrollment(market.policy, year, by=BY, at=LONG_AGO))
        opens_at = db.session.execute(select(func.max(EnrollmentWindow.opens_at))).scalar_one()
        db.session.rollback()

        with time_machine.travel(opens_at + timedelta(days=1)), pytest.raises(ClocksDisagree):
            in_unit_of_work(lambda: _choose(market, account_id))

        assert db.session.execute(select(func.count()).select_from(Election)).scalar_one() == 0


@pytest.mark.parametrize("seconds", [-7_200, 6, 3_600, 400 * 86_400])
class TestAlarm:
    """What follows from a wrong clock is told to whoever watches, before anybody complains that nothing is taken."""

    def test_of_clocks_that_differ_takes_the_machine_out_of_service(self, client: FlaskClient, seconds: int) -> None:
        with time_machine.travel(datetime.now(UTC) + timedelta(seconds=seconds)):
            answer = client.get("/readyz")

        assert answer.status_code == 503
        assert answer.json is not None
        assert "s apart: nothing is written" in answer.json["troubles"][0]
        assert client.get("/readyz").status_code == 200

    def test_of_clocks_that_differ_fires(self, app: Flask, seconds: int) -> None:
        (rule,) = (rule for rule in ALARMS if rule["alert"] == "ClocksApart")
        found = re.search(r"max\((pbx_clocks_apart_seconds)\) > (\d+)", rule["expr"])
        assert found is not None
        name, limit = found.groups()

        with time_machine.travel(datetime.now(UTC) + timedelta(seconds=seconds)):
            wrong = figure(name)

        assert figure(name) < float(limit) < wrong


def figure(name: str) -> float:
    """What /metrics shows under the name."""
    shown = re.search(rf"^{name} (\S+)$", figures.text(clock.now()), re.MULTILINE)
    assert shown is not None
    return float(shown[1])


def _choose(market: Market, account_id: int) -> None:
    at = clock.now()
    account = db.session.get_one(BenefitAccount, account_id)
    window = windows.open_for(account, at)[0]
    elections.elect(account, window=window, version=market.version_of(1), policy=market.policy, by=BY, at=at)


class TestZoneData:
    """The operator compares what is published with what today's data would give."""

    @pytest.fixture
    def other_data(self, tmp_path: Path) -> Iterator[Path]:
        """A second version of the zone data, in which the Pacific coast has given up summer and winter time."""
        known = next(Path(one) for one in zoneinfo.TZPATH if (Path(one) / "America/Phoenix").exists())
        for name in ("America/Phoenix", "America/New_York", "UTC"):
            (tmp_path / name).parent.mkdir(exist_ok=True)
            shutil.copy(known / name, tmp_path / name)
        shutil.copy(known / "America/Phoenix", tmp_path / "America/Los_Angeles")
        yield tmp_path
        zoneinfo.reset_tzpath()
        zoneinfo.ZoneInfo.clear_cache()

    def test_that_changes_moves_no_published_instant_and_is_shown(
        self, market: Market, client: FlaskClient, other_data: Path
    ) -> None:
        years = [calendar.plan_year(market.policy, str(int(market.next_year.id) + n)) for n in range(20)]
        in_unit_of_work(
            lambda: [windows.publish_open_enrollment(market.policy, year, by=BY, at=LONG_AGO) for year in years]
        )
        w = EnrollmentWindow
        instants = select(w.plan_year, w.opens_at, w.closes_at, w.effective_at).order_by(w.plan_year)
        published = db.session.execute(instants).all()
        sign_in(client, make_login(Audience.OPERATOR, "Opal Reed"))
        assert "would set other instants" not in client.get("/operator/windows/").text

        zoneinfo.reset_tzpath([str(other_data)])
        zoneinfo.ZoneInfo.clear_cache()
        db.session.rollback()

        computed = [calendar.open_enrollment(market.policy, year).closes_at for year in years]
        assert [row.closes_at for row in published] != computed
        assert sum(row.closes_at != at for row, at in zip(published, computed, strict=True)) == 20
        assert db.session.execute(instants).all() == published
        page = client.get("/operator/windows/").text
        assert page.count("Today’s policy would set other instants. The published ones hold.") == 20


class TestOutage:
    @pytest.mark.parametrize("minutes", [1, 60, 3 * 1_440, 40 * 1_440])
    def test_leaves_one_check_for_each_date_that_was_missed(self, app: Flask, minutes: int) -> None:
        app.config["PROGRAM_ZONE"] = "America/Los_Angeles"
        for number in range(10):  # 4 × 10 outages, over both changes of the clocks and the end of a year
            first = date(2027, 1, 1) + timedelta(days=37 * number)
            went = due_on(first).at + timedelta(hours=2 * number, minutes=1)
            back = went + timedelta(minutes=minutes)

            due = each_day(f"daily-{number}", since=first).due(back)

            days = (clock.local_date(back, "America/Los_Angeles") - first).days + 1
            assert [one.key for one in due] == [(first + timedelta(days=n)).isoformat() for n in range(days)]
            assert [one.is_late(back) for one in due[:-1]] == [True] * (days - 1)
            assert not due[-1].is_late(back)


class TestRareDays:
    @pytest.mark.parametrize("year", [2024, 2028, 2096, 2100])
    @pytest.mark.parametrize("day", [(2, 28), (2, 29), (3, 1), (12, 31), (1, 1)])
    def test_fall_into_one_plan_year_and_open_whole_windows(self, year: int, day: tuple[int, int]) -> None:
        for path in (WASHINGTON, NEW_YORK):  # 4 × 5 days, two laws, every cause
            policy = read_file(path).on(date(2027, 6, 1))
            is_missing = day == (2, 29) and year == 2100
            on = date(year, 2, 27) if is_missing else date(year, *day)

            plan_year = calendar.plan_year_of(policy, on)

            assert plan_year.starts_on <= on < plan_year.ends_on
            for cause in policy.causes:
                window = calendar.special_window(policy, cause, on)
                assert window.opens_on <= on < window.closes_on
                assert (window.closes_on - window.opens_on).days == cause.days_before + cause.days_after + 1
                assert window.opens_at == calendar.first_instant(window.opens_on, policy.zone)
                assert window.closes_at == calendar.first_instant(window.closes_on, policy.zone)
                assert calendar.effective_on(cause.effective, event_on=on, chosen_on=on) >= on
