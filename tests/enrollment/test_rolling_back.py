"""Is a cutover that nobody confirmed rolled back to the state before, to the cent and the row?"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Engine, event, func, select

from enrollment import cutover, cutover_control, dry_run, memberships, rehearsal, rolling_back, switching
from enrollment.cutover_control import ForTheTerminal, NothingToPause, NotPaused, NotToBeConfirmed, NotToBeRolledBack
from enrollment.models import Election, MemberRight, Membership, Switch
from exchange import clock
from exchange.database import db, in_unit_of_work
from exchange.ledger.journal import LedgerEntry
from exchange.money import Unit
from exchange.scheduler import jobs
from exchange.scheduler.jobs import PutOff
from exchange.settlement import SettlementPosition
from tests.enrollment.test_statement import take_back_the_first, take_leave
from tests.enrollment.test_switching_while_posting import post, reported
from tests.support.enrollment_makers import BY, EFFECTIVE, LEAVE, Town, held_by

WHY = "the wrong destination table"


@pytest.fixture
def town(app: Flask) -> Town:
    """Six workers whose switches are ordered, crosswise between two providers; one of them has nothing."""
    town = Town()
    for number in range(6):
        leaves, joins = (town.harbor, town.valley) if number % 2 else (town.valley, town.harbor)
        holding = {**LEAVE, ("retirement", Unit.USD): 1_000 + number} if number else None
        town.choose(town.member(f"Worker{number}", package_id=leaves, holding=holding), joins)
    town.order()
    return town


def everything() -> list[object]:
    """Whatever a switch changes, row by row, but for the count of rounds."""
    db.session.expire_all()
    m, r, s, e = Membership, MemberRight, Switch, Election
    rows = (
        select(m.id, m.benefit_account_id, m.package_id, m.starts_at, m.ends_at).order_by(m.id),
        select(r.membership_id, r.component, r.covered_since).order_by(r.membership_id, r.component),
        select(s.id, s.state, s.carried_out_at, s.entry_id).order_by(s.id),
        select(e.id, e.state).order_by(e.id),
    )
    return [db.session.execute(statement).all() for statement in rows] + [held_by(number) for number in range(1, 7)]


def cut_over(town: Town) -> None:
    assert town.carry_out() == 6
    in_unit_of_work(lambda: cutover.finish(town.window, by=BY, at=EFFECTIVE))


def ask(town: Town) -> None:
    in_unit_of_work(lambda: cutover_control.ask_to_roll_back(town.window, reason=WHY, by=BY, at=EFFECTIVE))


def roll_back(town: Town, *, limit: int = rolling_back.BATCH) -> int:
    return in_unit_of_work(lambda: rolling_back.roll_back(town.window, by=BY, at=EFFECTIVE, limit=limit).workers)


def finish(town: Town) -> None:
    in_unit_of_work(lambda: rolling_back.finish(town.window, by=BY, at=EFFECTIVE))


@contextmanager
def dying_at(statement: int) -> Iterator[None]:
    seen = 0

    def count(*_arguments: object) -> None:
        nonlocal seen
        seen += 1
        if seen == statement:
            raise ConnectionResetError

    event.listen(Engine, "before_cursor_execute", count)
    try:
        yield
    finally:
        event.remove(Engine, "before_cursor_execute", count)


class TestRollBack:
    def test_ends_in_the_state_before(self, town: Town) -> None:
        before = everything()
        cut_over(town)
        assert everything() != before

        ask(town)
        with pytest.raises(NotPaused):  # it would begin again by itself as soon as it is back
            in_unit_of_work(lambda: cutover_control.resume(town.window, reason=WHY, by=BY, at=EFFECTIVE))
        while roll_back(town, limit=4):
            pass
        finish(town)

        assert everything() == before
        nets = select(SettlementPosition.organization_id, func.sum(SettlementPosition.net_cents)).group_by(
            SettlementPosition.organization_id
        )
        assert {int(net) for _, net in db.session.execute(nets)} == {0}

    def test_goes_on_behind_the_batch_before(self, town: Town) -> None:
        before = everything()
        cut_over(town)
        ask(town)

        batches, after = [], 0
        while (
            done := in_unit_of_work(
                lambda: rolling_back.roll_back(town.window, after=after, by=BY, at=EFFECTIVE, limit=4)  # noqa: B023
            )
        ).workers:
            batches.append(done)
            after = done.last_id

        assert batches == [(4, 4), (2, 6)]
        assert done == (0, 6)
        finish(town)
        assert everything() == before

    def test_names_in_the_books_what_it_corrects(self, town: Town) -> None:
        cut_over(town)
        entry = LedgerEntry
        forth = db.session.execute(select(entry.id, entry.key).where(entry.kind == "switch")).all()

        ask(town)
        roll_back(town)

        back = db.session.execute(select(entry.corrects_id, entry.key).where(entry.kind == "switch-back")).all()
        assert sorted(back) == sorted((id_, key.replace("switch:", "switch-back:") + ":1") for id_, key in forth)

    def test_lets_the_cutover_happen_again_once_it_goes_on(self, town: Town) -> None:
        cut_over(town)
        first = [held_by(number) for number in range(1, 7)]
        ask(town)
        roll_back(town)
        finish(town)
        with pytest.raises(PutOff):
            in_unit_of_work(lambda: cutover_control.must_not_be_paused(town.window))

        in_unit_of_work(lambda: cutover_control.resume(town.window, reason="mended", by=BY, at=EFFECTIVE))
        cut_over(town)

        assert [held_by(number) for number in range(1, 7)] == first
        assert town.switch_of(2).rolled_back == 1

    def test_is_whole_or_not_at_all_wherever_a_statement_fails(self, town: Town) -> None:
        cut_over(town)
        ask(town)
        carried_out = everything()
        statement = 0
        while True:
            statement += 1
            try:
                with dying_at(statement):
                    assert roll_back(town) == 6
                break
            except ConnectionResetError:
                db.session.rollback()
                assert everything() == carried_out
        assert statement > 10

    def test_is_refused_once_somebody_confirmed(self, town: Town) -> None:
        cut_over(town)
        in_unit_of_work(lambda: cutover_control.confirm(town.window, reason="agreed", by=BY, at=EFFECTIVE))
        after = everything()

        with pytest.raises(NotToBeRolledBack, match="confirmed"):
            ask(town)
        with pytest.raises(NotToBeConfirmed, match="was confirmed"):
            in_unit_of_work(lambda: cutover_control.confirm(town.window, reason="x", by=BY, at=EFFECTIVE))
        assert everything() == after

    def test_is_refused_once_money_came_for_one_of_them(self, town: Town) -> None:
        cut_over(town)
        in_unit_of_work(lambda: town.give(3, {("retirement", Unit.USD): 1}, key="later"))
        after = everything()

        with pytest.raises(NotToBeRolledBack, match="For 1 of its workers"):
            ask(town)
        assert everything() == after

    @pytest.mark.parametrize(
        "account_id", [1, 3]
    )  # one with nothing, whose switch moved nothing, and one with balances
    def test_leaves_where_he_is_whom_money_reached_after_it_was_asked_for(self, town: Town, account_id: int) -> None:
        before = everything()
        cut_over(town)
        ask(town)
        post(reported([account_id], reports=1)[0])
        there = memberships.current(account_id).provider_id

        assert [roll_back(town, limit=1) for _ in range(6)] == [1, 1, 1, 1, 1, 0]
        finish(town)

        assert memberships.current(account_id).provider_id == there
        assert {organization_id for organization_id, _, _ in held_by(account_id)} == {there}
        assert [held_by(number) for number in range(1, 7) if number != account_id] == [
            held for number, held in enumerate(before[4:], start=1) if number != account_id
        ]
        in_unit_of_work(lambda: cutover_control.resume(town.window, reason=WHY, by=BY, at=EFFECTIVE))
        assert town.carry_out() == 5
        in_unit_of_work(lambda: cutover.finish(town.window, by=BY, at=EFFECTIVE))

    def test_leaves_where_he_is_who_took_leave_after_it_was_asked_for(self, town: Town) -> None:
        cut_over(town)
        ask(town)
        take_leave(town, 3, 60)
        there = memberships.current(3).provider_id
        assert rolling_back.acted_since(town.window_id) == 1

        while roll_back(town, limit=2):
            pass
        finish(town)

        assert memberships.current(3).provider_id == there
        assert rolling_back.count(town.window_id) == 1

    def test_counts_who_got_something_after_a_switch_that_moved_nothing(self, app: Flask) -> None:
        town = Town()
        ada = town.member("Ada", package_id=town.valley)
        ben = town.member("Ben", package_id=town.valley, holding=LEAVE)
        for account_id in (ada, ben):
            town.choose(account_id, town.harbor)
        town.order()
        assert town.carry_out(limit=1) == 1
        post(reported([ada], reports=1)[0])
        assert rolling_back.acted_since(town.window_id) == 1  # no switch has an entry as yet
        assert town.carry_out() == 1

        assert rolling_back.acted_since(town.window_id) == 1

    def test_counts_who_got_something_though_the_clock_was_set_back_by_what_is_let_pass(self, app: Flask) -> None:
        """Of a switch that moved nothing the time alone tells what came after it."""
        town = Town()
        ada = town.member("Ada", package_id=town.valley)
        town.choose(ada, town.harbor)
        town.order()
        assert town.carry_out(at=EFFECTIVE + clock.LET_PASS) == 1

        post(reported([ada], reports=1)[0])  # at the effective instant, by the clock

        assert rolling_back.acted_since(town.window_id) == 1

    def test_leaves_where_he_is_who_switched_twice_since_and_came_back(self, app: Flask) -> None:
        town = Town()
        ada = town.member("Ada", package_id=town.valley)
        town.choose(ada, town.harbor)
        town.order()
        assert town.carry_out() == 1
        for chosen, day in ((town.summit, 3), (town.harbor, 4)):
            at = EFFECTIVE + timedelta(days=day)
            town.open_special(ada, cause="court_order", event_on=at.date(), at=at)
            town.choose(ada, chosen, at=at, special=True)
            in_unit_of_work(lambda at=at: switching.order_special(by=BY, at=at))  # type: ignore[misc]
            assert town.carry_out(at=at) == 1

        assert rolling_back.acted_since(town.window_id) == 1

    def test_leaves_where_he_is_whose_contribution_was_taken_back_since(self, app: Flask) -> None:
        town = Town()
        ada, ben = (town.member(name, package_id=town.summit) for name in ("Ada", "Ben"))
        post(reported([ada, ben], reports=1)[0])
        for account_id in (ada, ben):
            town.choose(account_id, town.harbor)
        town.order()
        assert town.carry_out() == 2
        in_unit_of_work(lambda: cutover.finish(town.window, by=BY, at=EFFECTIVE))
        ask(town)
        take_back_the_first(ada)
        assert rolling_back.acted_since(town.window_id) == 1

        while roll_back(town, limit=1):
            pass
        finish(town)

        providers = [memberships.current(account_id).provider_id for account_id in (ada, ben)]
        assert providers == [town.provider_of(town.harbor), town.provider_of(town.summit)]

    def test_of_many_is_not_looked_through_while_a_page_waits(self, town: Town) -> None:
        cut_over(town)
        before = everything()

        with pytest.raises(ForTheTerminal, match="flask cutover roll-back 2027"):
            in_unit_of_work(
                lambda: cutover_control.ask_to_roll_back(town.window, reason=WHY, by=BY, at=EFFECTIVE, at_most=5)
            )

        assert everything() == before
        assert town.window.rolling_back_since is None
        assert cutover_control.refusal_to_roll_back(town.window, at_most=6) is None

    @pytest.mark.parametrize("carried", [0, 2])
    def test_is_refused_before_it_happened_and_while_it_runs(self, town: Town, carried: int) -> None:
        if carried:
            town.carry_out(limit=carried)

        with pytest.raises(NotToBeRolledBack, match="pause it first" if carried else "Nothing"):
            ask(town)

    def test_takes_back_half_a_cutover_that_is_paused(self, town: Town) -> None:
        before = everything()
        town.carry_out(limit=2)
        in_unit_of_work(lambda: cutover_control.pause(town.window, reason=WHY, by=BY, at=EFFECTIVE))

        ask(town)
        assert roll_back(town) == 2
        finish(town)

        assert everything() == before


class TestPause:
    def test_is_told_to_whoever_asks_for_the_cutover_by_hand(self, town: Town) -> None:
        job = jobs.called("cutover")
        said = [job.waits(EFFECTIVE)]
        in_unit_of_work(lambda: cutover_control.pause(town.window, reason=WHY, by=BY, at=EFFECTIVE))
        said.append(job.waits(EFFECTIVE))
        town.carry_out(limit=2)
        ask(town)
        said.append(job.waits(EFFECTIVE))

        assert [str(one) for one in said] == [
            "None",
            "The cutover is paused: what is carried out stays, the rest waits.",
            "The cutover is being rolled back.",
        ]

    def test_is_for_what_is_not_over_and_ends_once(self, town: Town) -> None:
        in_unit_of_work(lambda: cutover_control.pause(town.window, reason=WHY, by=BY, at=EFFECTIVE))
        with pytest.raises(NothingToPause):
            in_unit_of_work(lambda: cutover_control.pause(town.window, reason=WHY, by=BY, at=EFFECTIVE))
        in_unit_of_work(lambda: cutover_control.resume(town.window, reason=WHY, by=BY, at=EFFECTIVE))
        with pytest.raises(NotPaused):
            in_unit_of_work(lambda: cutover_control.resume(town.window, reason=WHY, by=BY, at=EFFECTIVE))
        cut_over(town)
        with pytest.raises(NothingToPause):
            in_unit_of_work(lambda: cutover_control.pause(town.window, reason=WHY, by=BY, at=EFFECTIVE))


class TestDryRun:
    def test_says_beforehand_what_stands_where_afterwards(self, town: Town) -> None:
        report = dry_run.conservation(rehearsal.rehearse(town.window, policy=town.policy))
        expected = {
            (line.organization_id, line.component, line.unit): line.after for line in report.lines if line.after
        }
        cut_over(town)

        found: dict[Any, int] = {}
        for number in range(1, 7):
            for line, amount in held_by(number).items():
                found[line] = found.get(line, 0) + amount
        assert expected == found
        assert report.holds
        assert report.totals[Unit.MIN] == (3_000, 3_000)

    def test_carries_everything_out_and_leaves_no_trace(self, town: Town) -> None:
        before = everything()
        entries = select(func.count()).select_from(LedgerEntry)
        count = db.session.execute(entries).scalar_one()

        batches = list(dry_run.tried(town.window, policy=town.policy, by=BY, at=EFFECTIVE, limit=4))

        assert [batch.workers for batch in batches] == [4, 2]
        assert all(batch.before == batch.after for batch in batches)
        assert sum(batch.before[Unit.MIN] for batch in batches) == 3_000
        assert everything() == before
        assert db.session.execute(entries).scalar_one() == count
        assert switching.progress(town.window_id) == switching.Progress(0, 6)
