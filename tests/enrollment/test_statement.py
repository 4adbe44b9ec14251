"""Does the statement tell everything that the books hold about an account, and add up to its balances?"""

from __future__ import annotations

from datetime import date

import pytest
from flask import Flask
from sqlalchemy import select

from enrollment import corrections, leave, receipts, statement
from enrollment.leave import TimeOff
from enrollment.models import BenefitAccount, Contribution, LeaveRequest
from enrollment.statement import Direction, Movement
from exchange.database import db, in_unit_of_work
from exchange.errors import NotFound
from exchange.identity.actors import Actor, Audience
from exchange.ledger import invariants, journal
from exchange.ledger.accounts import AccountKind, LedgerAccount, Line, open_lines
from exchange.ledger.journal import Posting, Transfer
from exchange.money import Unit
from tests.support.enrollment_makers import BY, LEAVE, WHILE_OPEN, Town, totals_of
from tests.support.worker_makers import Market

OPERATOR = Actor(Audience.OPERATOR, "Olga")
HOLDING = {**LEAVE, ("sick_leave", Unit.USD): 777, ("sick_leave", Unit.MIN): 61, ("retirement", Unit.USD): 40_001}


@pytest.fixture
def town(app: Flask) -> Town:
    """Three providers and an open enrollment on this test's database."""
    return Town()


def told(town: Town | Market, account_id: int) -> list[Movement]:
    """The whole statement, the latest first."""
    ids = list(db.session.execute(statement.entries_of(account_id)).scalars())
    return statement.movements(ids, account_id=account_id, policy=town.policy)


def sums(movements: list[Movement]) -> dict[Unit, int]:
    """What came in less what went out."""
    signs = {Direction.IN: 1, Direction.OUT: -1, Direction.MOVED: 0}
    return {
        Unit.USD: sum(signs[one.direction] * one.cents for one in movements),
        Unit.MIN: sum(signs[one.direction] * one.minutes for one in movements),
    }


def take_leave(town: Town, account_id: int, minutes: int) -> None:
    """Ask and approve."""

    def work() -> None:
        account = db.session.get_one(BenefitAccount, account_id)
        wanted = TimeOff("paid_leave", minutes, date(2026, 12, 7), date(2026, 12, 8))
        request = leave.ask(account, wanted, policy=town.policy, by=BY, at=WHILE_OPEN)
        leave.approve(
            db.session.get_one(LeaveRequest, request.id), policy=town.policy, by=BY, at=WHILE_OPEN
        )  # fmt: skip

    in_unit_of_work(work)


def take_back_the_first(account_id: int) -> None:
    """Its employer asks, the operator agrees."""
    first = select(Contribution).where(Contribution.benefit_account_id == account_id).order_by(Contribution.id).limit(1)

    def work() -> None:
        asked = corrections.ask(db.session.execute(first).scalar_one(), reason="twice", by=BY, at=WHILE_OPEN)
        corrections.carry_out(asked, by=OPERATOR, at=WHILE_OPEN)

    in_unit_of_work(work)


class TestMovements:
    def test_add_up_to_the_balances_after_leave_and_a_switch(self, town: Town) -> None:
        ada = town.member("Ada", package_id=town.harbor, holding=HOLDING)
        take_leave(town, ada, 100)
        town.choose(ada, town.valley)
        town.order()
        town.carry_out()

        found = told(town, ada)

        assert sums(found) == totals_of(ada)
        words = [(one.words, one.direction) for one in found]
        assert words == [
            ("Switch from Harbor Union to Valley Mutual", Direction.MOVED),
            ("Leave taken, Dec 7, 2026 to Dec 8, 2026", Direction.OUT),
            ("Correction by the exchange", Direction.IN),
        ]

    def test_tell_of_contributions_by_employer_and_period(self, app: Flask) -> None:
        market = Market()
        ada = market.worker()
        market.contribute(ada, months=1)

        found = told(market, ada)

        assert sums(found) == totals_of(ada)
        assert {one.words.split(" for ")[0] for one in found} == {
            "Contribution of Blue Cab",
            "Contribution of Tidy Homes",
        }

    def test_tell_of_a_contribution_that_was_taken_back(self, app: Flask) -> None:
        market = Market()
        ada = market.worker()
        market.contribute(ada, months=1)
        take_back_the_first(ada)

        found = told(market, ada)

        assert sums(found) == totals_of(ada)
        (back,) = (one for one in found if one.direction is Direction.OUT)
        assert back.words.endswith("taken back")

    def test_tell_nothing_of_other_people(self, town: Town) -> None:
        ada = town.member("Ada", package_id=town.harbor)
        town.member("Ben", package_id=town.harbor, holding=HOLDING)

        assert told(town, ada) == []


class TestReceipt:
    def test_carries_what_the_statement_says_was_moved(self, town: Town) -> None:
        ada = town.member("Ada", package_id=town.harbor, holding=HOLDING)
        town.choose(ada, town.valley)
        town.order()
        town.carry_out()
        (moved,) = (one for one in told(town, ada) if one.direction is Direction.MOVED)

        found = receipts.receipt(ada, town.switch_of(ada).id, policy=town.policy)

        assert (found.cents, found.minutes) == (moved.cents, moved.minutes) == (12_345 + 777 + 40_001, 661)
        assert found.entry_key == f"switch:2027:{found.switch.id}"
        places = {(one.old_name, one.new_holder, one.new_name) for one in found.carried}
        assert ("Sick leave", "Valley Mutual", "Paid leave") in places
        # Three business days after New Year: a holiday and a weekend lie between.
        assert found.switch.cash_by == date(2027, 1, 6)

    def test_is_nobody_elses(self, town: Town) -> None:
        ada, ben = (town.member(name, package_id=town.harbor) for name in ("Ada", "Ben"))
        town.choose(ada, town.valley)
        town.order()

        with pytest.raises(NotFound):
            receipts.receipt(ben, town.switch_of(ada).id, policy=town.policy)

    def test_of_a_switch_with_nothing_to_move_has_no_entry(self, town: Town) -> None:
        ada = town.member("Ada", package_id=town.harbor)
        town.choose(ada, town.valley)
        town.order()
        town.carry_out()

        found = receipts.receipt(ada, town.switch_of(ada).id, policy=town.policy)

        assert (found.entry_key, found.carried) == (None, ())


class TestRules:
    @pytest.mark.breaks_rules
    def test_find_what_left_a_line_without_a_deed(self, town: Town) -> None:
        ada = town.member("Ada", package_id=town.harbor, holding=HOLDING)
        take_leave(town, ada, 100)
        assert invariants.broken() == []
        own = select(LedgerAccount).where(LedgerAccount.holder_id == ada, LedgerAccount.component == "retirement")

        def work() -> None:
            line = db.session.execute(own).scalar_one()
            world = Line(AccountKind.OUTSIDE, line.organization_id, Unit.USD)
            move = Transfer(line.id, open_lines([world])[world], Unit.USD, 1)
            journal.post([Posting("stray", "test", WHILE_OPEN.date(), (move,))], by=BY, at=WHILE_OPEN)

        in_unit_of_work(work)

        assert [broken.number for broken in invariants.broken()] == [15]
