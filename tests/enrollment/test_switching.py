"""Does everything a worker has earned go with him, to the cent and the minute, and nothing else move?"""

from __future__ import annotations

from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import select

from enrollment import cutover, memberships, switching
from enrollment.models import Election, ElectionState, MemberRight, Switch, SwitchState
from exchange import settlement
from exchange.database import db, in_unit_of_work, unit_of_work
from exchange.money import Unit
from tests.support.enrollment_makers import BY, CLOSES, EFFECTIVE, LEAVE, Town, held_by, totals_of

MICROSECOND = timedelta(microseconds=1)
USD, MIN = Unit.USD, Unit.MIN
HARBOR_HOLDING = {
    **LEAVE,
    ("sick_leave", USD): 777,
    ("sick_leave", MIN): 61,
    ("retirement", USD): 40_001,
    ("training", USD): 999,
}


@pytest.fixture
def town(app: Flask) -> Town:
    """Three providers and an open enrollment on this test's database."""
    return Town()


class TestDestinationsOf:
    def test_lead_to_the_same_component_where_the_package_has_it(self, town: Town) -> None:
        found = switching.destinations_of(town.policy, ["paid_leave", "retirement"])

        assert found["retirement"] == switching.Destination("retirement", held_by_exchange=False)

    def test_lead_to_the_like_component_where_it_has_only_that(self, town: Town) -> None:
        found = switching.destinations_of(town.policy, ["paid_leave", "emergency"])

        assert found["sick_leave"] == switching.Destination("paid_leave", held_by_exchange=False)
        assert found["training"] == switching.Destination("emergency", held_by_exchange=False)

    def test_leave_with_the_exchange_what_the_package_has_no_place_for(self, town: Town) -> None:
        found = switching.destinations_of(town.policy, ["retirement"])

        assert found["paid_leave"] == switching.Destination("paid_leave", held_by_exchange=True)

    def test_name_every_individual_component_and_no_pooled_one(self, town: Town) -> None:
        found = switching.destinations_of(town.policy, [])

        assert set(found) == {c.code for c in town.policy.components if c.nature == "individual"}


class TestOrderWindow:
    def test_is_refused_until_the_close(self, town: Town) -> None:
        ada = town.member("Ada", package_id=town.harbor, holding=LEAVE)
        town.choose(ada, town.valley)

        with pytest.raises(switching.WindowStillOpen):
            town.order(at=CLOSES - MICROSECOND)

        assert db.session.execute(select(Switch)).first() is None

    def test_orders_a_switch_for_each_who_leaves_and_none_for_who_stays(self, town: Town) -> None:
        ada = town.member("Ada", package_id=town.harbor)
        ben = town.member("Ben", package_id=town.harbor)
        town.member("Cid", package_id=town.harbor)
        town.choose(ada, town.valley)
        stays = town.choose(ben, town.harbor)

        ordered = town.order()

        assert ordered == 1
        assert town.switch_of(ada).state is SwitchState.ORDERED
        assert db.session.get_one(Election, stays).state is ElectionState.CARRIED_OUT

    def test_again_orders_nothing(self, town: Town) -> None:
        ada = town.member("Ada", package_id=town.harbor)
        town.choose(ada, town.valley)
        town.order()

        assert town.order() == 0


class TestOrderSpecial:
    def test_takes_the_place_of_what_open_enrollment_had_ordered(self, town: Town) -> None:
        ada = town.member("Ada", package_id=town.harbor, holding=LEAVE)
        town.choose(ada, town.valley)
        town.order()
        after_close = CLOSES + timedelta(days=2)
        town.open_special(ada, cause="provider_withdrawn", event_on=EFFECTIVE.date(), at=after_close)

        town.choose(ada, town.summit, at=after_close, special=True)
        in_unit_of_work(lambda: switching.order_special(by=BY, at=EFFECTIVE))
        town.carry_out()

        assert memberships.current(ada).package_id == town.summit
        states = db.session.execute(select(Switch.state).order_by(Switch.id)).scalars().all()
        assert states == [SwitchState.ABANDONED, SwitchState.CARRIED_OUT]


class TestCarryOut:
    def test_leaves_nothing_behind_at_the_provider_the_worker_left(self, town: Town) -> None:
        ada = town.member("Ada", package_id=town.harbor, holding=HARBOR_HOLDING)
        town.choose(ada, town.valley)
        town.order()

        town.carry_out()

        valley = town.provider_of(town.valley)
        assert held_by(ada) == {
            (valley, "paid_leave", USD): 12_345 + 777,
            (valley, "paid_leave", MIN): 600 + 61,
            (valley, "retirement", USD): 40_001,
            (valley, "emergency", USD): 999,
        }

    def test_keeps_for_the_worker_what_the_new_package_lacks(self, town: Town) -> None:
        ada = town.member("Ada", package_id=town.harbor, holding=HARBOR_HOLDING)
        before = totals_of(ada)
        town.choose(ada, town.summit)
        town.order()

        town.carry_out()

        held = held_by(ada)
        assert held[town.exchange, "paid_leave", MIN] == 600
        assert held[town.exchange, "training", USD] == 999
        assert held[town.provider_of(town.summit), "retirement", USD] == 40_001
        assert totals_of(ada) == before

    def test_brings_what_the_exchange_held_to_a_package_that_has_a_place_for_it(self, town: Town) -> None:
        ada = town.member("Ada", package_id=None, holding=LEAVE)
        town.choose(ada, town.harbor)
        town.order()

        town.carry_out()

        harbor = town.provider_of(town.harbor)
        assert held_by(ada) == {(harbor, "paid_leave", USD): 12_345, (harbor, "paid_leave", MIN): 600}

    def test_moves_nobody_elses_balance(self, town: Town) -> None:
        ada = town.member("Ada", package_id=town.harbor, holding=LEAVE)
        ben = town.member("Ben", package_id=town.harbor, holding=LEAVE)
        cid = town.member("Cid", package_id=town.valley, holding=LEAVE)
        others = held_by(ben), held_by(cid)
        town.choose(ada, town.valley)
        town.order()

        town.carry_out()

        assert (held_by(ben), held_by(cid)) == others

    def test_waits_for_the_effective_instant(self, town: Town) -> None:
        ada = town.member("Ada", package_id=town.harbor, holding=LEAVE)
        town.choose(ada, town.valley)
        town.order()

        early = town.carry_out(at=EFFECTIVE - MICROSECOND)
        in_time = town.carry_out(at=EFFECTIVE)

        assert (early, in_time) == (0, 1)

    def test_begins_the_new_membership_where_the_old_one_ends(self, town: Town) -> None:
        ada = town.member("Ada", package_id=town.harbor)
        town.choose(ada, town.valley)
        town.order()

        town.carry_out(at=EFFECTIVE + timedelta(hours=5))

        before = memberships.at_instant(ada, EFFECTIVE - MICROSECOND)
        after = memberships.at_instant(ada, EFFECTIVE)
        assert before is not None
        assert after is not None
        assert (before.package_id, after.package_id) == (town.harbor, town.valley)
        assert memberships.current(ada).id == after.id

    def test_repeated_moves_the_money_once(self, town: Town) -> None:
        ada = town.member("Ada", package_id=town.harbor, holding=LEAVE)
        town.choose(ada, town.valley)
        town.order()
        town.carry_out()
        once = held_by(ada)

        again = town.carry_out()

        assert again == 0
        assert held_by(ada) == once

    def test_in_batches_of_one_ends_like_one_batch_of_all(self, town: Town) -> None:
        names = ["Ada", "Ben", "Cid"]
        accounts = [town.member(name, package_id=town.harbor, holding=HARBOR_HOLDING) for name in names]
        for account_id in accounts:
            town.choose(account_id, town.valley)
        town.order()

        batches = [town.carry_out(limit=1) for _ in range(4)]

        assert batches == [1, 1, 1, 0]
        assert len({frozenset(held_by(account_id).items()) for account_id in accounts}) == 1

    def test_that_fails_half_way_moves_nothing(self, town: Town) -> None:
        ada = town.member("Ada", package_id=town.harbor, holding=LEAVE)
        town.choose(ada, town.valley)
        town.order()
        before = held_by(ada)

        def carry_out_and_fail() -> None:
            switching.carry_out(switching.due(EFFECTIVE), policy=town.policy, by=BY, at=EFFECTIVE)
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            in_unit_of_work(carry_out_and_fail)

        assert held_by(ada) == before
        assert town.switch_of(ada).state is SwitchState.ORDERED
        assert town.carry_out() == 1

    def test_carries_rights_along_and_begins_those_that_are_new(self, town: Town) -> None:
        ada = town.member("Ada", package_id=town.harbor)
        old = memberships.current(ada)
        with unit_of_work():
            served = MemberRight(
                membership_id=old.id, component="health", covered_since=CLOSES.date(), deductible_met_cents=45_000
            )
            db.session.add(served)
        town.choose(ada, town.valley)
        town.order()

        town.carry_out()

        new = memberships.current(ada).id
        rights = {
            right.component: (right.covered_since, right.deductible_met_cents)
            for right in db.session.execute(select(MemberRight).where(MemberRight.membership_id == new)).scalars()
        }
        assert rights["health"] == (CLOSES.date(), 45_000)
        assert rights["emergency"] == (EFFECTIVE.date(), 0)

    def test_writes_the_effective_date_and_names_its_entry(self, town: Town) -> None:
        ada = town.member("Ada", package_id=town.harbor, holding=LEAVE)
        town.choose(ada, town.valley)
        town.order()

        town.carry_out(at=EFFECTIVE + timedelta(days=3))

        switch = town.switch_of(ada)
        assert switch.entry_id is not None
        assert switch.state is SwitchState.CARRIED_OUT

    def test_of_a_worker_with_nothing_changes_only_where_he_is(self, town: Town) -> None:
        ada = town.member("Ada", package_id=town.harbor)
        town.choose(ada, town.valley)
        town.order()

        town.carry_out()

        assert town.switch_of(ada).entry_id is None
        assert memberships.current(ada).package_id == town.valley


class TestAbandon:
    def test_leaves_the_worker_where_he_is(self, town: Town) -> None:
        ada = town.member("Ada", package_id=town.harbor, holding=LEAVE)
        town.choose(ada, town.valley)
        town.order()
        before = held_by(ada)

        with unit_of_work():
            switching.abandon(town.switch_of(ada), reason="court order", by=BY, at=CLOSES)

        assert town.carry_out() == 0
        assert held_by(ada) == before

    def test_comes_too_late_after_the_switch(self, town: Town) -> None:
        ada = town.member("Ada", package_id=town.harbor, holding=LEAVE)
        town.choose(ada, town.valley)
        town.order()
        town.carry_out()
        after = held_by(ada)

        with pytest.raises(switching.AlreadyCarriedOut), unit_of_work():
            switching.abandon(town.switch_of(ada), reason="too late", by=BY, at=EFFECTIVE)

        assert held_by(ada) == after


class TestSettlement:
    def test_nets_what_goes_both_ways_and_sums_to_zero(self, town: Town) -> None:
        ada = town.member("Ada", package_id=town.harbor, holding={("retirement", USD): 700})
        ben = town.member("Ben", package_id=town.valley, holding={("retirement", USD): 500})
        town.choose(ada, town.valley)
        town.choose(ben, town.harbor)
        projected = cutover.projected_changes(town.window)
        town.order()
        town.carry_out()

        in_unit_of_work(lambda: cutover.finish(town.window, by=BY, at=EFFECTIVE))

        positions = db.session.execute(
            select(settlement.SettlementPosition.organization_id, settlement.SettlementPosition.net_cents)
        )
        net = {organization_id: cents for organization_id, cents in positions}  # noqa: C416 - rows are no pairs to dict
        assert net == {town.provider_of(town.harbor): -200, town.provider_of(town.valley): 200}
        assert projected == net

    def test_is_written_once(self, town: Town) -> None:
        ada = town.member("Ada", package_id=town.harbor, holding={("retirement", USD): 700})
        town.choose(ada, town.valley)
        town.order()
        town.carry_out()

        for _ in range(2):
            in_unit_of_work(lambda: cutover.finish(town.window, by=BY, at=EFFECTIVE))

        obligations = db.session.execute(select(settlement.SettlementObligation)).scalars().all()
        assert [(owed.component, owed.amount_cents, owed.workers) for owed in obligations] == [("retirement", 700, 1)]
