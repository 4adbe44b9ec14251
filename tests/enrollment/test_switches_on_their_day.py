"""Are switches outside of open enrollments carried out and netted, whatever was chosen, and wherever the job stops?"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

import pytest
from flask import Flask
from sqlalchemy import func, select

from enrollment import cutover, elections, memberships, receipts, switching
from enrollment.models import Switch, SwitchState
from exchange import clock
from exchange.database import db, in_unit_of_work
from exchange.ledger import invariants
from exchange.money import Unit
from exchange.scheduler import jobs, runner
from exchange.scheduler.records import RunState
from exchange.settlement import SettlementObligation
from tests.support.enrollment_makers import BY, CLOSES, EFFECTIVE, LEAVE, Town, held_by

OLD_YEAR = date(2026, 12, 19)
NEW_YEAR = date(2027, 1, 1)
COURT_DAY = date(2027, 1, 3)
NOW = EFFECTIVE + timedelta(days=5)
LATER = EFFECTIVE + timedelta(days=6)
CENTS = LEAVE["paid_leave", Unit.USD]


@pytest.fixture
def town(app: Flask) -> Town:
    """Three providers, five days after the cutover's instant."""
    app.config["DEMO"] = True  # jobs read the clock
    town = Town()
    in_unit_of_work(lambda: clock.move_demo_clock(to=NOW))
    return town


def choose(town: Town, account_id: int, package_id: int, *, cause: str = "court_order", event_on: date) -> None:
    at = clock.now()
    town.open_special(account_id, cause=cause, event_on=event_on, at=at)
    town.choose(account_id, package_id, at=at, special=True, plan_year=str(event_on.year))


def run(should_stop: Callable[[], bool] = runner.never) -> list[RunState]:
    """What comes of the job when the scheduler asks what is due."""
    among = [jobs.called("carry-out-switches")]
    return [ran.state for ran in runner.run_due(runner.Hand("test"), among=among, should_stop=should_stop)]


def owed() -> dict[tuple[int, int], int]:
    """Gross, what was netted: (payer, payee) → cents."""
    o = SettlementObligation
    rows = select(o.payer_id, o.payee_id, func.sum(o.amount_cents)).group_by(o.payer_id, o.payee_id)
    return {(payer_id, payee_id): int(cents) for payer_id, payee_id, cents in db.session.execute(rows)}


class TestAChoiceForADayFromWhichHeWasSwitchedBefore:
    def test_is_carried_out_after_the_first_and_holds_nobody_up(self, town: Town) -> None:
        ada, ben = (town.member(name, package_id=town.harbor, holding=LEAVE) for name in ("Ada", "Ben"))
        choose(town, ada, town.valley, event_on=COURT_DAY)
        assert run() == [RunState.DONE]
        for again in (town.summit, town.valley, town.harbor):
            choose(town, ada, again, event_on=COURT_DAY)
            if again == town.summit:
                choose(town, ben, town.valley, event_on=COURT_DAY)
            assert run() == [RunState.DONE]
            assert memberships.current(ada).package_id == again

        assert memberships.current(ben).package_id == town.valley
        assert {holder for holder, _, _ in held_by(ada)} == {town.provider_of(town.harbor)}
        assert invariants.broken() == []

    def test_corrects_the_exchanges_error_to_the_day_of_the_cutover(self, town: Town) -> None:
        ada = town.member("Ada", package_id=town.harbor, holding=LEAVE)
        town.choose(ada, town.summit)
        town.order(at=CLOSES)
        town.carry_out()
        in_unit_of_work(lambda: cutover.finish(town.window, by=BY, at=EFFECTIVE))

        choose(town, ada, town.valley, cause="exchange_error", event_on=NEW_YEAR)

        assert run() == [RunState.DONE]
        assert memberships.current(ada).package_id == town.valley
        assert invariants.broken() == []


class TestAnOrderForALaterDay:
    """It waits for the cutover while its worker is switched for an event."""

    @pytest.fixture
    def ada(self, town: Town) -> int:
        ada = town.member("Ada", package_id=town.harbor, holding=LEAVE)
        town.choose(ada, town.valley)
        town.order(at=CLOSES)
        return ada

    def test_begins_where_its_worker_is_by_then(self, town: Town, ada: int) -> None:
        choose(town, ada, town.summit, event_on=OLD_YEAR)
        ordered = town.switch_of(ada).id
        assert run() == [RunState.DONE]
        assert town.carry_out() == 1

        shown = receipts.receipt(ada, ordered, policy=town.policy)
        assert (shown.switch.old_provider, shown.switch.new_provider) == ("Summit Guild", "Valley Mutual")
        assert invariants.broken() == []

    def test_is_given_up_when_he_is_there_already(self, town: Town, ada: int) -> None:
        choose(town, ada, town.valley, event_on=OLD_YEAR)
        ordered = town.switch_of(ada).id
        assert run() == [RunState.DONE]

        assert db.session.get_one(Switch, ordered).state is SwitchState.ABANDONED
        assert elections.standing(ada, "2027") is None
        assert town.carry_out() == 0
        assert invariants.broken() == []


class TestNetting:
    def test_is_done_with_the_last_batch_so_that_a_stop_between_the_two_loses_nothing(self, town: Town) -> None:
        ada = town.member("Ada", package_id=town.harbor, holding=LEAVE)
        choose(town, ada, town.valley, event_on=COURT_DAY)

        def is_carried_out() -> bool:
            return memberships.current(ada).package_id == town.valley

        assert run(should_stop=is_carried_out) == [RunState.ABANDONED]
        run()

        assert is_carried_out()
        assert owed() == {(town.provider_of(town.harbor), town.provider_of(town.valley)): CENTS}

    def test_nets_each_switch_once_though_the_clock_was_set_back(self, town: Town) -> None:
        ada, ben = (town.member(name, package_id=town.harbor, holding=LEAVE) for name in ("Ada", "Ben"))
        choose(town, ada, town.valley, event_on=COURT_DAY)
        for work in (
            lambda: switching.order_special(by=BY, at=LATER),
            lambda: switching.carry_out(switching.due(LATER), policy=town.policy, by=BY, at=LATER),
            lambda: cutover.settle_others(by=BY, at=LATER),
        ):
            assert in_unit_of_work(work) == 1

        choose(town, ben, town.valley, event_on=COURT_DAY)
        assert run() == [RunState.DONE]

        assert owed() == {(town.provider_of(town.harbor), town.provider_of(town.valley)): 2 * CENTS}
        assert (town.switch_of(ben).carried_out_at or NOW) > LATER
