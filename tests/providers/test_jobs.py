"""Is every provider checked on every date, even when nobody was there?"""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from flask import Flask
from sqlalchemy import select

from exchange.database import db, unit_of_work
from exchange.identity.actors import Audience
from exchange.policy import versions
from providers import jobs
from providers.models import ReserveCheck, VersionState
from tests.support import provider_makers as make
from tests.support.policies import WASHINGTON
from tests.support.provider_makers import AT, BY, THIS_YEAR, TODAY

pytestmark = pytest.mark.usefixtures("program")
DAY = timedelta(days=1)


@pytest.fixture
def program(app: Flask) -> None:
    """The policy holds from its first version on."""
    app.config["PROGRAM_ZONE"] = "America/Los_Angeles"
    text = WASHINGTON.read_text(encoding="utf-8")
    with unit_of_work():
        make.open_program()
        for effective_on in (date(2024, 1, 1), date(2025, 7, 1)):
            proposed = versions.propose(text, effective_on=effective_on, by=make.regulator(), at=AT - 4_000 * DAY)
            versions.approve(proposed, by=make.regulator("Ron"), at=AT - 4_000 * DAY)
    assert make.regulator().audience is Audience.REGULATOR


def run(on: date, *, days_later: int = 0) -> str:
    with unit_of_work():
        return str(jobs.check_reserves(on, by=BY, at=AT + (on - TODAY) + days_later * DAY))


class TestCheckReserves:
    def test_has_nothing_to_do_while_there_is_no_provider(self) -> None:
        assert jobs.first_unchecked_date() is None

    def test_checks_every_provider_and_says_how_many_are_off_the_shelf(self) -> None:
        with unit_of_work():
            make.applicant("Good", ein="910000001")
            make.owe(make.applicant("Bad", ein="910000002"), 100, key="a")

        assert run(TODAY) == "2 providers checked, 1 of them off the shelf"
        assert run(TODAY) == "0 providers checked, 0 of them off the shelf"

    def test_marks_what_was_made_up_for_as_late(self) -> None:
        with unit_of_work():
            make.applicant()
        for on in (TODAY, TODAY + DAY):
            run(on, days_later=on == TODAY)

        found = db.session.execute(select(ReserveCheck.on_date, ReserveCheck.late).order_by(ReserveCheck.id)).all()

        assert found == [(TODAY, True), (TODAY + DAY, False)]

    def test_is_due_from_the_first_date_that_some_provider_lacks(self) -> None:
        with unit_of_work():
            make.applicant("First", ein="910000001")
        assert jobs.first_unchecked_date() == TODAY
        run(TODAY)
        run(TODAY + DAY)
        assert jobs.first_unchecked_date() == TODAY + 2 * DAY

        with unit_of_work():
            make.applicant("Second", ein="910000002", at=AT + DAY)

        assert jobs.first_unchecked_date() == TODAY + DAY


class TestClosePastPlanYears:
    def test_closes_what_was_offered_for_a_year_that_is_over(self) -> None:
        with unit_of_work():
            provider = make.qualified()
            old, new = make.listed(provider, name="Old", plan_year=THIS_YEAR), make.listed(provider, name="New")
        for on, words in (
            (date(2026, 12, 31), "0 versions closed"),
            (date(2027, 1, 1), "1 version closed"),
            (date(2027, 1, 1), "0 versions closed"),
        ):
            with unit_of_work():
                assert str(jobs.close_past_plan_years(on, by=BY, at=AT)) == words

        assert (old.state, new.state) == (VersionState.CLOSED, VersionState.LISTED)
