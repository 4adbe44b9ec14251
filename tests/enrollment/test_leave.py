"""Is leave asked for, answered and paid so that minutes and their cash leave together and none is lost?"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from enrollment import leave
from enrollment.leave import Leave, TimeOff
from enrollment.models import BenefitAccount, LeaveRequest, LeaveState, Worker
from exchange.database import db, in_unit_of_work
from exchange.errors import Refusal
from exchange.identity import login, people
from exchange.identity.actors import Actor, Audience
from exchange.ledger import balances
from exchange.ledger.accounts import AccountKind
from exchange.ledger.journal import LedgerEntry
from exchange.money import Unit
from exchange.notices import Notice
from exchange.outgoing_mail import OutgoingMail
from tests.support import spanish
from tests.support.at_once import at_once
from tests.support.enrollment_makers import BY, CLOSES, EFFECTIVE, LEAVE, WHILE_OPEN, Held, Town, held_by

USD, MIN = Unit.USD, Unit.MIN
MONDAY = date(2026, 12, 7)
MICROSECOND = timedelta(microseconds=1)
SICK: Held = {("sick_leave", USD): 100, ("sick_leave", MIN): 120}


@pytest.fixture
def town(app: Flask) -> Town:
    """Three providers and an open enrollment on this test's database."""
    return Town()


def time_off(minutes: int, component: str = "paid_leave", *, days: int = 5) -> TimeOff:
    """So much leave, from Monday the 7th of December on."""
    return TimeOff(component, minutes, MONDAY, MONDAY + timedelta(days=days - 1))


def ask(town: Town, account_id: int, wanted: TimeOff) -> int:
    """Ask in a unit of work of its own; the request's id."""

    def work() -> int:
        account = db.session.get_one(BenefitAccount, account_id)
        return leave.ask(account, wanted, policy=town.policy, by=BY, at=WHILE_OPEN).id

    return in_unit_of_work(work)


def staff_of(provider_id: int) -> Actor:
    """Somebody who acts for an organization."""
    return Actor(Audience.PROVIDER, "Sam", organization_id=provider_id)


def approve(town: Town, request_id: int, *, by: Actor = BY) -> None:
    """Approve in a unit of work of its own."""
    in_unit_of_work(
        lambda: leave.approve(
            db.session.get_one(LeaveRequest, request_id), policy=town.policy, by=by, at=WHILE_OPEN
        )
    )  # fmt: skip


def refuse(town: Town, request_id: int, *, reason: str = "We are too few that week.", by: Actor = BY) -> None:
    """Refuse in a unit of work of its own."""
    in_unit_of_work(
        lambda: leave.refuse(
            db.session.get_one(LeaveRequest, request_id), reason=reason, policy=town.policy, by=by, at=WHILE_OPEN
        )
    )


def withdraw(_town: Town, request_id: int) -> None:
    """Withdraw in a unit of work of its own."""
    in_unit_of_work(lambda: leave.withdraw(db.session.get_one(LeaveRequest, request_id), by=BY, at=WHILE_OPEN))


def state_of(request_id: int) -> LeaveState:
    return db.session.get_one(LeaveRequest, request_id).state


def leave_entries() -> int:
    """How many entries of leave stand in the journal."""
    return len(db.session.execute(select(LedgerEntry.id).where(LedgerEntry.kind == "leave")).all())


class TestAsk:
    @pytest.mark.parametrize(("minutes", "is_taken"), [(1, True), (599, True), (600, True), (601, False)])
    def test_takes_up_to_what_there_is(self, town: Town, minutes: int, is_taken: bool) -> None:
        ada = town.member("Ada", package_id=town.harbor, holding=LEAVE)

        if is_taken:
            assert state_of(ask(town, ada, time_off(minutes))) is LeaveState.ASKED
        else:
            with pytest.raises(leave.TooMuchLeave):
                ask(town, ada, time_off(minutes))
            assert db.session.execute(select(LeaveRequest)).first() is None

    @pytest.mark.parametrize(("second", "is_taken"), [(200, True), (201, False)])
    def test_counts_what_was_asked_for_before(self, town: Town, second: int, is_taken: bool) -> None:
        ada = town.member("Ada", package_id=town.harbor, holding=LEAVE)
        ask(town, ada, time_off(400))

        if is_taken:
            ask(town, ada, time_off(second))
            assert leave.leave_of(ada)["paid_leave"].free_minutes == 0
        else:
            with pytest.raises(leave.TooMuchLeave, match="3 h 20 min"):
                ask(town, ada, time_off(second))

    def test_takes_first_what_the_exchange_held_when_the_package_begins_to_have_that_leave(self, town: Town) -> None:
        ada = town.member("Ada", package_id=None, holding=LEAVE)
        town.choose(ada, town.summit)
        town.order()
        town.carry_out()
        in_unit_of_work(lambda: town.give(ada, {("paid_leave", USD): 400, ("paid_leave", MIN): 36}, key="next year"))

        approve(town, ask(town, ada, time_off(600)), by=staff_of(town.exchange))
        approve(town, ask(town, ada, time_off(36)), by=staff_of(town.provider_of(town.summit)))

        assert held_by(ada) == {}

    @pytest.mark.parametrize(
        ("wanted", "refusal"),
        [
            (time_off(60, "retirement"), leave.NotLeave),
            (TimeOff("paid_leave", 60, MONDAY, MONDAY - timedelta(days=1)), leave.BadDays),
            (time_off(1_441, days=1), leave.BadDays),
            (time_off(60, "sick_leave"), leave.TooMuchLeave),
        ],
    )
    def test_refuses_what_is_no_leave_and_days_that_do_not_fit(
        self, town: Town, wanted: TimeOff, refusal: type[Refusal]
    ) -> None:
        holding = {("paid_leave", USD): 5_000, ("paid_leave", MIN): 3_000, ("retirement", USD): 70_000}
        ada = town.member("Ada", package_id=town.harbor, holding=holding)

        with pytest.raises(refusal):
            ask(town, ada, wanted)

        assert db.session.execute(select(LeaveRequest)).first() is None

    @pytest.mark.parametrize("days", [368, 700_000])
    def test_refuses_days_that_are_more_than_a_year(self, town: Town, days: int) -> None:
        ada = town.member("Ada", package_id=town.harbor, holding=LEAVE)

        with pytest.raises(leave.BadDays, match="more than a year"):
            ask(town, ada, time_off(60, days=days))

        assert db.session.execute(select(LeaveRequest)).first() is None

    def test_moves_nothing_and_tells_the_provider(self, town: Town) -> None:
        ada = town.member("Ada", package_id=town.harbor, holding=LEAVE)
        before = held_by(ada)

        ask(town, ada, time_off(60))

        assert held_by(ada) == before
        told = db.session.execute(select(Notice.organization_id)).scalars().all()
        assert told == [town.provider_of(town.harbor)]


class TestApprove:
    def test_takes_minutes_and_their_cash_out_together(self, town: Town) -> None:
        ada = town.member("Ada", package_id=town.harbor, holding=LEAVE)
        harbor = town.provider_of(town.harbor)
        request_id = ask(town, ada, time_off(60))

        approve(town, request_id, by=staff_of(harbor))

        # 12,345 cents for 600 minutes: 60 minutes are worth 1,234.5, rounded down.
        assert held_by(ada) == {(harbor, "paid_leave", USD): 11_111, (harbor, "paid_leave", MIN): 540}
        request = db.session.get_one(LeaveRequest, request_id)
        assert (request.state, request.paid_cents, request.provider_id) == (LeaveState.APPROVED, 1_234, harbor)
        assert balances.shared_of(harbor, AccountKind.OUTSIDE) == {("", USD): 1_234}
        assert balances.shared_of(town.exchange, AccountKind.ACCRUAL) == {("", MIN): -540}

    def test_pays_all_the_cash_with_the_last_minute(self, town: Town) -> None:
        ada = town.member("Ada", package_id=town.harbor, holding=LEAVE)

        for minutes in (7, 593):
            approve(town, ask(town, ada, time_off(minutes)))

        assert held_by(ada) == {}
        paid = db.session.execute(select(LeaveRequest.paid_cents)).scalars().all()
        assert sum(cents or 0 for cents in paid) == 12_345

    def test_of_leave_without_cash_takes_the_minutes(self, town: Town) -> None:
        ada = town.member("Ada", package_id=town.harbor, holding={("paid_leave", MIN): 30})

        approve(town, ask(town, ada, time_off(30)))

        assert held_by(ada) == {}

    def test_is_refused_when_the_leave_no_longer_suffices(self, town: Town) -> None:
        ada = town.member("Ada", package_id=town.harbor, holding={**LEAVE, **SICK})
        request_id = ask(town, ada, time_off(600))
        # Both kinds become paid leave with Valley, then the sick leave is asked for as such.
        town.choose(ada, town.summit)
        town.order()
        town.carry_out()
        approve(town, ask(town, ada, time_off(120, "sick_leave")))
        another = in_unit_of_work(lambda: _forced(ada, 601))

        with pytest.raises(leave.TooMuchLeave):
            approve(town, another)

        approve(town, request_id)
        assert held_by(ada) == {}

    def test_tells_the_worker(self, town: Town) -> None:
        ada = town.member("Ada", package_id=town.harbor, holding=LEAVE)

        approve(town, ask(town, ada, time_off(60)))

        letter = db.session.execute(select(OutgoingMail).where(OutgoingMail.recipient == "ada@example.org"))
        assert "$12.34" in letter.scalar_one().body

    def test_tells_the_worker_in_his_language_whoever_approves(self, app: Flask, town: Town) -> None:
        ada = town.member("Ada", package_id=town.harbor, holding=LEAVE)
        request_id = ask(town, ada, time_off(60))
        in_unit_of_work(lambda: people.note_language("es", by=_with_a_way_in(ada)))

        with spanish.teach(app).test_request_context(headers={"Accept-Language": "en"}):
            approve(town, request_id)

        letter = db.session.execute(select(OutgoingMail).where(OutgoingMail.recipient == "ada@example.org"))
        assert "Se le pagan" in letter.scalar_one().body


def _with_a_way_in(account_id: int) -> Actor:
    account = db.session.get_one(BenefitAccount, account_id)
    way_in = login.create("ada@example.net", password=None, name="Ada", audience=Audience.WORKER, by=BY, at=WHILE_OPEN)
    db.session.flush()
    db.session.get_one(Worker, account.worker_id).login_id = way_in.id
    return way_in.as_actor()


def _forced(account_id: int, minutes: int) -> int:
    """A request for more than there is, as one would be left by a correction after it was asked."""
    request = LeaveRequest(
        benefit_account_id=account_id,
        component="paid_leave",
        minutes=minutes,
        first_day=MONDAY,
        last_day=MONDAY,
        state=LeaveState.ASKED,
        asked_at=WHILE_OPEN,
    )
    db.session.add(request)
    db.session.flush()
    return request.id


class TestWhoAnswers:
    def test_is_the_provider_that_holds_the_leave_and_no_other(self, town: Town) -> None:
        ada = town.member("Ada", package_id=town.harbor, holding=LEAVE)
        request_id = ask(town, ada, time_off(60))
        valley = staff_of(town.provider_of(town.valley))

        for deed in (approve, refuse):
            with pytest.raises(leave.NotYoursToAnswer):
                deed(town, request_id, by=valley)

        assert state_of(request_id) is LeaveState.ASKED
        assert leave_entries() == 0

    def test_is_the_new_provider_after_a_switch(self, town: Town) -> None:
        ada = town.member("Ada", package_id=town.harbor, holding=LEAVE)
        request_id = ask(town, ada, time_off(60))
        town.choose(ada, town.valley)
        town.order()
        town.carry_out()

        with pytest.raises(leave.NotYoursToAnswer):
            approve(town, request_id, by=staff_of(town.provider_of(town.harbor)))
        approve(town, request_id, by=staff_of(town.provider_of(town.valley)))

        assert held_by(ada)[town.provider_of(town.valley), "paid_leave", MIN] == 540

    def test_finds_what_the_switch_put_into_a_like_component(self, town: Town) -> None:
        ada = town.member("Ada", package_id=town.harbor, holding=SICK)
        request_id = ask(town, ada, time_off(120, "sick_leave"))
        town.choose(ada, town.valley)
        town.order()
        town.carry_out()

        approve(town, request_id, by=staff_of(town.provider_of(town.valley)))

        assert held_by(ada) == {}
        assert db.session.get_one(LeaveRequest, request_id).component == "paid_leave"

    def test_is_the_exchange_for_what_it_holds(self, town: Town) -> None:
        ada = town.member("Ada", package_id=None, holding=LEAVE)
        request_id = ask(town, ada, time_off(60))

        approve(town, request_id, by=Actor(Audience.OPERATOR, "Olga", organization_id=town.exchange))

        assert state_of(request_id) is LeaveState.APPROVED


class TestRefuse:
    def test_needs_a_reason(self, town: Town) -> None:
        ada = town.member("Ada", package_id=town.harbor, holding=LEAVE)
        request_id = ask(town, ada, time_off(60))

        with pytest.raises(leave.ReasonNeeded):
            refuse(town, request_id, reason=" \n ")

        assert state_of(request_id) is LeaveState.ASKED

    def test_moves_nothing_and_gives_the_time_back_to_ask_for(self, town: Town) -> None:
        ada = town.member("Ada", package_id=town.harbor, holding=LEAVE)
        before = held_by(ada)

        refuse(town, ask(town, ada, time_off(600)))

        assert held_by(ada) == before
        assert leave.leave_of(ada)["paid_leave"].free_minutes == 600
        (request,) = leave.of_account(ada)
        assert request.reason == "We are too few that week."


class TestStates:
    DEEDS = (approve, refuse, withdraw)

    @pytest.mark.parametrize("first", DEEDS)
    @pytest.mark.parametrize("second", DEEDS)
    def test_are_left_once(
        self, town: Town, first: Callable[[Town, int], None], second: Callable[[Town, int], None]
    ) -> None:
        ada = town.member("Ada", package_id=town.harbor, holding=LEAVE)
        request_id = ask(town, ada, time_off(60))
        first(town, request_id)
        before, entries = held_by(ada), leave_entries()

        with pytest.raises(leave.AlreadyAnswered):
            second(town, request_id)

        assert (held_by(ada), leave_entries()) == (before, entries)

    def test_have_each_a_line_in_the_table(self) -> None:
        assert set(leave.STEPS) == set(LeaveState)


class TestOverdue:
    @pytest.mark.parametrize(("late_by", "is_late"), [(timedelta(0), False), (MICROSECOND, True)])
    def test_begins_when_the_last_day_for_an_answer_is_over(
        self, town: Town, late_by: timedelta, is_late: bool
    ) -> None:
        ada = town.member("Ada", package_id=town.harbor, holding=LEAVE)
        request_id = ask(town, ada, time_off(60))
        # Asked on the 1st of December: seven days are over with the 8th, at midnight in Washington.
        end_of_8th = WHILE_OPEN.replace(day=9, hour=8) - MICROSECOND

        request = db.session.get_one(LeaveRequest, request_id)

        assert leave.is_overdue(request, policy=town.policy, at=end_of_8th + late_by) is is_late


class TestScope:
    def test_shows_requests_to_whoever_they_concern(self, town: Town) -> None:
        ada = town.member("Ada", package_id=town.harbor, holding=LEAVE)
        ask(town, ada, time_off(60))

        def seen(actor: Actor) -> int:
            return len(db.session.execute(leave.waiting(actor)).all())

        assert seen(staff_of(town.provider_of(town.harbor))) == 1
        assert seen(staff_of(town.provider_of(town.valley))) == 0
        assert seen(Actor(Audience.EMPLOYER, "Kim", organization_id=town.exchange)) == 0
        assert seen(Actor(Audience.WORKER, "Eve", login_id=987_654)) == 0
        assert seen(Actor(Audience.REGULATOR, "Rita")) == 1

    def test_shows_them_to_the_new_provider_after_a_switch(self, town: Town) -> None:
        ada = town.member("Ada", package_id=town.harbor, holding=LEAVE)
        ask(town, ada, time_off(60))
        town.choose(ada, town.valley)
        town.order(at=CLOSES)
        town.carry_out(at=EFFECTIVE)

        assert db.session.execute(leave.waiting(staff_of(town.provider_of(town.harbor)))).all() == []
        assert len(db.session.execute(leave.waiting(staff_of(town.provider_of(town.valley)))).all()) == 1


class TestTwoAtOnce:
    def test_approve_the_same_request_once(self, app: Flask, town: Town) -> None:
        ada = town.member("Ada", package_id=town.harbor, holding=LEAVE)
        request_id = ask(town, ada, time_off(60))

        said = at_once(app, lambda: approve(town, request_id), times=6)

        assert said == {"done": 1, "AlreadyAnswered": 5}
        assert held_by(ada)[town.provider_of(town.harbor), "paid_leave", MIN] == 540

    def test_ask_for_no_more_than_there_is(self, app: Flask, town: Town) -> None:
        ada = town.member("Ada", package_id=town.harbor, holding=LEAVE)

        said = at_once(app, lambda: ask(town, ada, time_off(200)), times=6)

        assert said == {"done": 3, "TooMuchLeave": 3}


class TestCashValue:
    @given(st.integers(0, 10**9), st.lists(st.integers(1, 10_000), min_size=1, max_size=30))
    def test_is_paid_whole_however_the_leave_is_cut(self, cents: int, parts: list[int]) -> None:
        left_minutes, left_cents, paid = sum(parts), cents, 0
        for minutes in parts:
            value = leave.cash_value(Leave("paid_leave", 1, left_minutes, left_cents, 0), minutes)
            assert 0 <= value <= left_cents
            left_minutes, left_cents, paid = left_minutes - minutes, left_cents - value, paid + value

        assert (left_minutes, left_cents, paid) == (0, 0, cents)
