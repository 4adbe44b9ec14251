"""Is every switch found, and is it told how fast a cutover goes?"""

from __future__ import annotations

from datetime import timedelta

import pytest
from flask import Flask

from enrollment import cutover_control, switch_list, switching
from enrollment.models import BenefitAccount, SwitchCause, SwitchState
from enrollment.switch_list import Wanted
from exchange.database import db, in_unit_of_work
from exchange.errors import NotFound
from tests.support.enrollment_makers import BY, EFFECTIVE, Town


@pytest.fixture
def town(app: Flask) -> Town:
    """Four workers on their way from Harbor to Valley, ordered."""
    made = Town()
    for number in range(4):
        made.choose(made.member(f"Worker{number}", package_id=made.harbor), made.valley)
    made.order()
    return made


def ids(wanted: Wanted) -> list[int]:
    return [row.id for row in db.session.execute(switch_list.listed(wanted))]


class TestListed:
    def test_narrows_to_what_it_is_asked_for(self, town: Town) -> None:
        number = db.session.get_one(BenefitAccount, 1).number

        assert ids(Wanted()) == [4, 3, 2, 1]
        assert ids(Wanted(state=SwitchState.ORDERED, cause=SwitchCause.ELECTION, plan_year="2027")) == [4, 3, 2, 1]
        assert ids(Wanted(state=SwitchState.CARRIED_OUT)) == []
        assert ids(Wanted(cause=SwitchCause.PLACEMENT)) == []
        assert ids(Wanted(plan_year="2026")) == []
        assert ids(Wanted(number=number)) == [1]

    def test_names_both_sides(self, town: Town) -> None:
        row = switch_list.one(1)

        assert (row.from_provider, row.from_package) == ("Harbor Union", "Harbor Union Plan")
        assert (row.to_provider, row.to_package) == ("Valley Mutual", "Valley Mutual Plan")

    def test_knows_no_others(self, town: Town) -> None:
        with pytest.raises(NotFound):
            switch_list.one(99)
        with pytest.raises(NotFound):
            in_unit_of_work(lambda: switch_list.held(99))


class TestPace:
    def test_tells_nothing_before_the_first_batch(self, town: Town) -> None:
        pace = switch_list.pace(town.window, at=EFFECTIVE)

        assert (pace.done, pace.total, pace.per_second, pace.seconds_left) == (0, 4, None, None)

    def test_says_how_long_the_rest_takes(self, town: Town) -> None:
        town.carry_out(limit=1)

        pace = switch_list.pace(town.window, at=EFFECTIVE + timedelta(seconds=10))

        assert (pace.done, pace.total, pace.remaining) == (1, 4, 3)
        assert pace.seconds_left == 30

    def test_stands_still_while_the_cutover_is_paused(self, town: Town) -> None:
        town.carry_out(limit=1)
        then = EFFECTIVE + timedelta(seconds=10)
        in_unit_of_work(
            lambda: cutover_control.pause(cutover_control.held(town.window.id), reason="A look.", by=BY, at=then)
        )

        paces = {switch_list.pace(town.window, at=at) for at in (then, then + timedelta(hours=1))}

        assert [pace.seconds_left for pace in paces] == [3]

    def test_goes_on_by_what_is_known_without_counting_again(self, town: Town) -> None:
        counted = switch_list.pace(town.window, at=EFFECTIVE)
        assert counted.further(0, at=EFFECTIVE) == counted
        for limit in (1, 2):
            town.carry_out(limit=limit)

            counted = counted.further(limit, at=EFFECTIVE)

            assert counted == switch_list.pace(town.window, at=EFFECTIVE)

    def test_does_not_count_what_was_given_up(self, town: Town) -> None:
        in_unit_of_work(lambda: switching.abandon(switch_list.held(1), reason="wrong", by=BY, at=EFFECTIVE))
        town.carry_out()

        pace = switch_list.pace(town.window, at=EFFECTIVE)

        assert (pace.done, pace.total, pace.abandoned, pace.remaining, pace.seconds_left) == (3, 3, 1, 0, None)
