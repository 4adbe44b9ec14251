"""When the law no longer knows what packages have: is what workers have there still paid in, shown and paid out?"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from enrollment import contributions, leave, roster
from enrollment.models import BenefitAccount, LeaveRequest, LeaveState, Worker
from exchange import clock
from exchange.clock import local_date
from exchange.database import db, in_unit_of_work, unit_of_work
from exchange.identity.actors import Actor, Audience
from exchange.ledger import invariants
from exchange.money import Unit
from exchange.policy import versions
from exchange.policy.document import Policy
from tests.support.employer_makers import (
    BY,
    balances_of,
    join,
    make_account,
    make_employer,
    make_package,
    open_program,
    pay,
    work,
)
from tests.support.policies import WASHINGTON
from tests.support.signing_in import make_login, sign_in

DAY = timedelta(days=1)
# Neither sick leave nor training nor life cover.
FEWER = """
  - effective_on: {day}
    placement: {{order: [best_standing, lowest_fee], notice_days: 14, held: {{paid_leave: 40%, emergency: 60%}}}}
    leave:
      - {{component: paid_leave, places: [US-WA], minutes_worked: 2400, minutes_earned: 60, funded: yes}}
    components:
      paid_leave: {{name: Paid leave, nature: individual, units: [USD, MIN], mandatory: no, like: exchange}}
      retirement: {{name: Retirement, nature: individual, units: [USD], mandatory: no, like: exchange}}
      emergency: {{name: Emergency savings, nature: individual, units: [USD], mandatory: no, like: exchange}}
      health: {{name: Health cover, nature: pooled, units: [USD], mandatory: yes}}
      disability: {{name: Disability cover, nature: pooled, units: [USD], mandatory: yes}}
      workers_compensation: {{name: Workers' compensation, nature: pooled, units: [USD], mandatory: yes}}
"""


class Program:
    """Ada's package has what the law dropped yesterday; the day before, an hour's work of hers was reported."""

    def __init__(self, folder: Path) -> None:
        """Found it."""
        self.now = clock.real_now()
        self.before = self.now - 2 * DAY
        self.today = local_date(self.now, "America/Los_Angeles")
        path = folder / "fewer.yaml"
        law = FEWER.format(day=self.today - DAY)
        path.write_text(WASHINGTON.read_text(encoding="utf-8") + law, encoding="utf-8")
        in_unit_of_work(lambda: self._begin(path))

    def _begin(self, path: Path) -> None:
        open_program(path)
        self.account_id = make_account().id
        package = make_package({"sick_leave": 5_000, "training": 4_000, "life": 500}, fee_bp=500, accrual_hours=1)
        self.provider_id = package.provider_id
        join(self.account, package, at=self.before)
        day = self.today - 2 * DAY
        line = work(self.account, first_day=day, last_day=day)
        employer = make_employer()
        self.remittance_id = contributions.submit([line], employer=employer, source="form", by=BY, at=self.before).id

    @property
    def account(self) -> BenefitAccount:
        return db.session.get_one(BenefitAccount, self.account_id)

    @property
    def policy(self) -> Policy:
        """The law of today."""
        return versions.on(self.today)

    def ask(self, minutes: int) -> int:
        """Ask for sick leave, under the law of today."""
        wanted = leave.TimeOff("sick_leave", minutes, self.today, self.today)
        with unit_of_work():
            return leave.ask(self.account, wanted, policy=self.policy, by=BY, at=self.now).id


@pytest.fixture
def program(app: Flask, tmp_path: Path) -> Program:
    return Program(tmp_path)


def test_what_an_employer_pays_goes_where_the_package_says(program: Program) -> None:
    pay(program.remittance_id, at=program.now)

    # $3.54: half, and two fifths of it; of the rest the pool of life cover and the fee.
    assert balances_of(program.account_id) == {
        ("sick_leave", Unit.USD): 177,
        ("sick_leave", Unit.MIN): 60,
        ("training", Unit.USD): 141,
    }
    assert invariants.broken() == []


def test_leave_is_asked_for_listed_and_paid(program: Program) -> None:
    pay(program.remittance_id, at=program.now)
    staff = Actor(Audience.PROVIDER, "Sam", organization_id=program.provider_id)

    request_id = program.ask(20)
    request = db.session.get_one(LeaveRequest, request_id)
    (shown,) = roster.requests_shown([request], policy=program.policy, by=staff)
    assert (shown.leave, shown.balance_minutes, shown.cents, shown.refusal_to_approve) == ("sick_leave", 60, 59, None)
    with unit_of_work():
        leave.approve(
            db.session.get_one(LeaveRequest, request_id), policy=program.policy, by=staff, at=program.now
        )  # fmt: skip

    assert db.session.get_one(LeaveRequest, request_id).state is LeaveState.APPROVED
    assert balances_of(program.account_id)["sick_leave", Unit.MIN] == 40
    with pytest.raises(leave.TooMuchLeave):
        program.ask(41)
    assert invariants.broken() == []


def test_pages_show_it(program: Program, client: FlaskClient) -> None:
    pay(program.remittance_id, at=program.now)
    program.ask(20)
    ada = make_login(Audience.WORKER)
    with unit_of_work():
        db.session.get_one(Worker, program.account.worker_id).login_id = ada
    sam = make_login(Audience.PROVIDER, "Sam Rivera", organization_id=program.provider_id)

    for login_id, addresses in ((ada, ("/worker/", "/worker/leave/")), (sam, ("/provider/leave/",))):
        sign_in(client, login_id)
        for address in addresses:
            answer = client.get(address)
            assert answer.status_code == 200
            assert "sick_leave" in answer.text
