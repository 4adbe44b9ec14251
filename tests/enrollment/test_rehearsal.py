"""Does a rehearsal say exactly what the cutover then moves, and move nothing itself?"""

from __future__ import annotations

import pytest
from flask import Flask
from sqlalchemy import func, select

from enrollment import cutover, projection, rehearsal, switching
from enrollment.models import Switch
from enrollment.rehearsal import Rehearsal
from exchange import settlement
from exchange.database import db, in_unit_of_work
from exchange.ledger.journal import LedgerEntry
from exchange.money import Unit
from providers.models import Package
from tests.support.counting import statements
from tests.support.enrollment_makers import BY, EFFECTIVE, LEAVE, Town

USD, MIN = Unit.USD, Unit.MIN


@pytest.fixture
def town(app: Flask) -> Town:
    """Ada goes from Harbor to Valley, Ben from Harbor to Summit, Cid from nobody to Harbor; Dora stays."""
    made = Town()
    ada = made.member("Ada", package_id=made.harbor, holding={**LEAVE, ("training", USD): 700})
    ben = made.member("Ben", package_id=made.harbor, holding={("retirement", USD): 40_000, ("sick_leave", MIN): 30})
    cid = made.member("Cid", package_id=None, holding={("emergency", USD): 5_000})
    dora = made.member("Dora", package_id=made.valley, holding={("retirement", USD): 9_999})
    for who, package_id in ((ada, made.valley), (ben, made.summit), (cid, made.harbor), (dora, made.valley)):
        made.choose(who, package_id)
    return made


def rehearsed(town: Town) -> Rehearsal:
    return rehearsal.rehearse(town.window, policy=town.policy)


class TestRehearse:
    def test_adds_up_what_each_pair_hands_over(self, town: Town) -> None:
        harbor, valley = town.provider_of(town.harbor), town.provider_of(town.valley)

        found = rehearsed(town)

        assert (found.workers, found.of_others) == (3, 3)
        moves = {(m.from_id, m.to_id, m.component, m.to_component, m.unit): m.amount for m in found.moves}
        assert moves[harbor, valley, "paid_leave", "paid_leave", USD] == 12_345
        assert moves[harbor, valley, "paid_leave", "paid_leave", MIN] == 600
        assert moves[harbor, valley, "training", "emergency", USD] == 700
        assert moves[harbor, town.exchange, "sick_leave", "sick_leave", MIN] == 30
        # Harbor's package has no place for Cid's emergency savings: the exchange goes on holding them.
        assert not any(move.from_id == town.exchange for move in found.moves)
        assert (found.cents, found.minutes) == (12_345 + 700 + 40_000, 630)

    def test_moves_nothing(self, town: Town) -> None:
        before = db.session.execute(select(func.count()).select_from(LedgerEntry)).scalar_one()

        with statements() as asked:
            rehearsed(town)

        assert db.session.execute(select(func.count()).select_from(LedgerEntry)).scalar_one() == before
        assert all(one.lstrip().upper().startswith("SELECT") for one in asked)

    def test_is_what_the_cutover_then_moves(self, town: Town) -> None:
        chosen = rehearsed(town)
        town.order()
        ordered = rehearsed(town)
        while town.carry_out():
            pass
        in_unit_of_work(lambda: cutover.finish(town.window, by=BY, at=EFFECTIVE))

        assert ordered == chosen
        assert rehearsed(town).moves == []
        owed = cutover.obligations_of(Switch.window_id == town.window_id)
        gross = {(one.payer_id, one.payee_id, one.component): one.amount_cents for one in owed}
        said = {(m.from_id, m.to_id, m.component): m.amount for m in chosen.moves if m.unit is USD}
        assert said == gross
        assert settlement.summary_of(1).gross_cents == chosen.cents

    def test_leaves_out_what_was_given_up(self, town: Town) -> None:
        town.order()
        in_unit_of_work(lambda: switching.abandon(db.session.get_one(Switch, 1), reason="wrong", by=BY, at=EFFECTIVE))

        assert rehearsed(town).workers == 2

    def test_of_an_enrollment_without_choices_is_empty(self, app: Flask) -> None:
        assert rehearsed(Town()) == Rehearsal([], 0, 0, 0, 0)


class TestProjection:
    def test_puts_the_flows_to_the_reserves_of_both_sides(self, town: Town) -> None:
        harbor, valley = town.provider_of(town.harbor), town.provider_of(town.valley)

        found = projection.project(town.window, policy=town.policy, on=EFFECTIVE.date())

        assert found.workers == 3
        went, came = found.movements[harbor], found.movements[valley]
        assert (went.arriving, went.leaving, came.arriving, came.leaving) == (1, 2, 1, 0)
        assert came.change_cents == came.arriving_cents == 12_345 + 700
        assert went.change_cents == went.arriving_cents - went.leaving_cents
        before, after = found.now[valley], found.then[valley]
        assert after.position.liabilities_cents - before.position.liabilities_cents == came.change_cents
        assert town.exchange not in found.then, "the exchange is no provider"

    def test_takes_along_who_follows_from_a_package_that_ends(self, app: Flask) -> None:
        town = Town()
        town.member("Ada", package_id=town.summit, holding={("retirement", USD): 300})
        ben = town.member("Ben", package_id=town.summit, holding={("retirement", USD): 500})
        cid = town.member("Cid", package_id=town.summit, holding={("retirement", USD): 700})
        in_unit_of_work(lambda: end(town.summit, successor=town.valley))
        town.choose(ben, town.harbor)
        town.choose(cid, town.valley)

        flows = cutover.projected_flows(town.window)

        pairs = {(flow.from_id, flow.to_id): (flow.workers, flow.cents) for flow in flows}
        summit, valley = town.provider_of(town.summit), town.provider_of(town.valley)
        assert sorted(pairs.values()) == [(1, 500), (2, 1_000)]
        assert pairs[summit, valley] == (2, 1_000), "Cid who chose it, and Ada who chose nothing"


def end(package_id: int, *, successor: int) -> None:
    """The package ends with 2026; its members go to the successor."""
    package = db.session.get_one(Package, package_id)
    package.last_plan_year, package.successor_id = "2026", successor
