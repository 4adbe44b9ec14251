"""Is the demonstration's town what it says, and does it live through its open enrollment with every rule kept?"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner
from flask import Flask
from flask_migrate import upgrade
from sqlalchemy import func, select

import demo
import enrollment.demo
from enrollment.models import (
    Contribution,
    Election,
    ElectionState,
    Employer,
    EmployerKind,
    Employment,
    LeaveRequest,
    LeaveState,
    Membership,
    Remittance,
    RemittanceState,
    Switch,
    SwitchState,
    Worker,
)
from enrollment.windows import current_open_enrollment
from exchange import clock
from exchange.calendar import open_enrollment, plan_year
from exchange.database import db, unit_of_work
from exchange.identity import organizations
from exchange.identity.organizations import Organization, OrganizationKind, exchange_id
from exchange.identity.people import Login
from exchange.ledger import invariants
from exchange.ledger.accounts import AccountKind, LedgerAccount, LedgerBalance
from exchange.money import Unit
from exchange.policy.reading import read
from exchange.scheduler import runner
from exchange.scheduler.records import RunState
from providers.models import Package, PackageVersion, Provider
from tests.support import databases
from tests.support.signing_in import AT, BY
from town import building, dates
from town.setting import Size, Town

SHIPPED = demo.ROOT / "policies" / "washington_demo.yaml"
SMALL = Size(workers=24, employers=12, months=3)
TINY = Size(workers=8, employers=8, months=1)
TIERS = {"strong", "adequate", "watch", "restricted", "run_off"}


def count(model: type[Any], *conditions: Any) -> int:
    """How many rows there are."""
    return int(db.session.execute(select(func.count()).select_from(model).where(*conditions)).scalar_one())


@pytest.fixture
def town(app: Flask, tmp_path: Path) -> Iterator[Town]:
    """A small town, built on this test's engine."""
    app.config.update(DEMO=True, SEAL_KEYS=str(tmp_path))
    db.session.rollback()
    with app.test_request_context():
        now = clock.now()
        db.session.rollback()
        yield building.build(SHIPPED, now=now, size=SMALL)
        db.session.rollback()


def holdings() -> Mapping[tuple[int | None, Unit], int]:
    """What each worker has, in each unit, wherever it stands."""
    db.session.rollback()
    rows = (
        select(LedgerAccount.holder_id, LedgerAccount.unit, func.sum(LedgerBalance.amount))
        .join(LedgerBalance, LedgerBalance.account_id == LedgerAccount.id)
        .where(LedgerAccount.kind == AccountKind.WORKER)
        .group_by(LedgerAccount.holder_id, LedgerAccount.unit)
    )
    return {(holder, unit): int(amount) for holder, unit, amount in db.session.execute(rows)}


def move_clock(to: datetime | None) -> None:
    """Move the clock as the bar does, and let the jobs do what is due then."""
    assert to is not None
    with unit_of_work():
        clock.move_demo_clock(to=to)
    ran = list(runner.run_due(runner.Hand(runner.this_process())))
    assert [one for one in ran if one.state is not RunState.DONE or one.broken] == []
    db.session.rollback()
    assert invariants.broken() == []
    db.session.rollback()


@pytest.mark.slow
class TestTown:
    def test_keeps_every_rule_through_its_open_enrollment(self, town: Town) -> None:
        assert invariants.broken() == []
        assert current_open_enrollment(clock.now()) is not None
        before = holdings()

        move_clock(enrollment.demo.before_the_close())
        assert count(Switch, Switch.window_id.is_not(None)) == 0
        move_clock(enrollment.demo.the_close())
        ordered = count(Switch, Switch.window_id.is_not(None), Switch.state == SwitchState.ORDERED)
        move_clock(enrollment.demo.the_effective_date())
        carried_out = count(Switch, Switch.window_id.is_not(None), Switch.state == SwitchState.CARRIED_OUT)
        move_clock(enrollment.demo.a_month_on())

        assert ordered == carried_out > 0
        assert count(Switch, Switch.state == SwitchState.ORDERED, Switch.effective_at <= clock.now()) == 0
        assert holdings() == before


def today_in(year: int) -> Iterator[date]:
    """Days on which a town may be built: the ends of months, leap day, and some between."""
    day = date(year, 1, 1)
    while day.year == year:
        if day.day in {1, 13, 28, 29, 30, 31}:
            yield day
        day += timedelta(days=1)


class TestDates:
    @pytest.mark.parametrize("today", [*today_in(2028)], ids=str)
    def test_lie_right_whatever_day_today_is(self, today: date) -> None:
        calendar = dates.counted_from(today, zone="America/Los_Angeles", months=9)

        assert calendar.opens_on < today < calendar.closes_on < calendar.next_year_on
        assert calendar.next_year_on.day == 1
        assert [month.day for month in calendar.months] == [1] * 9
        assert calendar.next_year_on.replace(year=calendar.next_year_on.year - 1) <= calendar.months[0]
        assert calendar.present_law_on < calendar.first_day

    @pytest.mark.parametrize("today", [date(2028, 2, 29), date(2027, 3, 10), date(2027, 12, 31)], ids=str)
    def test_make_a_policy_that_can_be_read(self, today: date) -> None:
        calendar = dates.counted_from(today, zone="America/Los_Angeles", months=9)

        policy = read(dates.policy_of(SHIPPED, calendar)).on(today)

        window = open_enrollment(policy, plan_year(policy, calendar.next_year))
        assert (window.opens_on, window.closes_on) == (calendar.opens_on, calendar.closes_on)
        assert policy.effective_on == calendar.present_law_on


# --- the commands ---------------------------------------------------------------------------------


@pytest.fixture
def new_app(create_app: databases.AppFactory, tmp_path: Path) -> Iterator[Flask]:
    """A demonstration with a database of its own that is not there yet."""
    address = f"sqlite:///{tmp_path}/town.db"
    app = create_app({**databases.CONFIG, "DEMO": True, "SEAL_KEYS": str(tmp_path), "SQLALCHEMY_DATABASE_URI": address})
    yield app
    with app.app_context():
        db.session.remove()
        db.engine.dispose()


@pytest.mark.slow
class TestPrepare:
    def test_builds_the_whole_town_once(self, new_app: Flask, capsys: pytest.CaptureFixture[str]) -> None:
        demo.prepare(new_app)

        with new_app.app_context():
            members = select(Membership.benefit_account_id).where(Membership.ends_at.is_(None))
            several = select(Employment.benefit_account_id).group_by(Employment.benefit_account_id)
            chosen = count(Election, Election.plan_year == self.next_year(), Election.state == ElectionState.STANDING)
            assert (count(Provider), count(Employer), count(Worker)) == (6, 40, 400)
            assert set(db.session.execute(select(Provider.tier)).scalars()) == TIERS
            assert count(Package) >= 10
            assert set(db.session.execute(select(Employer.kind)).scalars()) == set(EmployerKind)
            assert len(db.session.execute(several.having(func.count() > 1)).all()) > 200
            assert db.session.execute(select(func.count(Contribution.work_from.distinct()))).scalar_one() >= 9
            assert set(db.session.execute(select(LeaveRequest.state)).scalars()) == set(LeaveState)
            assert count(Remittance, Remittance.state == RemittanceState.REPORTED) == 3
            assert len(db.session.execute(members.where(Membership.provider_id == exchange_id())).all()) > 5
            assert 0.36 <= self.switching() / chosen <= 0.45
            assert count(Login, Login.password.is_not(None)) == 0
            assert count(Login) > 450
            assert invariants.broken() == []

        demo.prepare(new_app)
        assert "keeps its data" in capsys.readouterr().out

    @staticmethod
    def next_year() -> str:
        window = current_open_enrollment(clock.now())
        assert window is not None
        return window.plan_year

    def switching(self) -> int:
        """How many choose another provider than they have."""
        rows = (
            select(func.count())
            .select_from(Election)
            .join(Membership, Membership.benefit_account_id == Election.benefit_account_id)
            .join(PackageVersion, PackageVersion.id == Election.package_version_id)
            .join(Package, Package.id == PackageVersion.package_id)
            .where(
                Membership.ends_at.is_(None),
                Election.plan_year == self.next_year(),
                Election.state == ElectionState.STANDING,
                Package.provider_id != Membership.provider_id,
            )
        )
        return int(db.session.execute(rows).scalar_one())

    def test_begins_anew_where_it_was_interrupted(self, new_app: Flask, capsys: pytest.CaptureFixture[str]) -> None:
        with new_app.test_request_context():
            upgrade(directory=demo.MIGRATIONS)
            with pytest.raises(KeyboardInterrupt):
                building.build(SHIPPED, now=clock.now(), size=TINY, tell=interrupted)

        demo.prepare(new_app, size=TINY)

        assert "not finished" in capsys.readouterr().out
        with new_app.app_context():
            assert building.is_built()
            assert count(Provider) == 6

    def test_refuses_a_database_that_holds_something_else(self, new_app: Flask) -> None:
        with new_app.app_context():
            upgrade(directory=demo.MIGRATIONS)
            with unit_of_work():
                organizations.found("A real one", kind=OrganizationKind.OPERATOR, by=BY, at=AT)

        with pytest.raises(click.ClickException):
            demo.prepare(new_app, fresh=True)

        with new_app.app_context():
            assert count(Organization) == 1


def interrupted(line: str) -> None:
    """Somebody presses Ctrl-C."""
    if line.startswith("registers"):
        raise KeyboardInterrupt


class TestServe:
    def test_says_so_when_the_port_is_taken(self) -> None:
        with socket.socket() as taken:
            taken.bind((demo.HOST, 0))
            taken.listen()
            port = taken.getsockname()[1]

            answer = CliRunner().invoke(demo.main, ["serve", "--port", str(port)])

        assert answer.exit_code == 1
        assert f"Port {port} is taken" in answer.output

    @pytest.mark.slow
    def test_runs_web_and_scheduler_until_it_is_ended(self, new_app: Flask, tmp_path: Path) -> None:
        demo.prepare(new_app, size=TINY)
        port = free_port()
        environment = {**os.environ, "DATABASE_URL": f"sqlite:///{tmp_path}/town.db", "SEAL_KEYS": str(tmp_path)}
        command = [sys.executable, "demo.py", "serve", "--port", str(port)]
        with subprocess.Popen(command, cwd=demo.ROOT, env=environment, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            told = [process.stdout.readline() for _ in range(4)]
            with urllib.request.urlopen(f"http://{demo.HOST}:{port}/demo/sign-in") as answer:
                page = answer.read().decode()
            process.send_signal(signal.SIGINT)
            ended = process.wait(30)

        assert "ready" in told[-1]
        assert "Be " in page
        assert ended == 0
        assert demo.is_free(port)


def free_port() -> int:
    """A port that nobody listens at."""
    with socket.socket() as probe:
        probe.bind((demo.HOST, 0))
        port: int = probe.getsockname()[1]
        return port
