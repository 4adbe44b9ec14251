"""Does a policy come to hold only by two regulators, and never for days that are past?"""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from flask import Flask
from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError

from exchange.audit import AuditEvent
from exchange.database import db, unit_of_work
from exchange.errors import Refusal
from exchange.identity.actors import Actor, Audience, system_actor
from exchange.policy import versions
from exchange.policy.document import NoPolicyInForce
from exchange.policy.nodes import BadPolicy
from exchange.policy.versions import (
    MAY_BECOME,
    DateTaken,
    NoSuchVersion,
    NotARegulator,
    NotOpenForDecision,
    OtherProgram,
    PolicyState,
    PolicyVersion,
    SamePerson,
    TooLate,
)
from tests.support.policies import NEW_YORK, WASHINGTON

ROSA = Actor(Audience.REGULATOR, "Rosa", login_id=1)
MILES = Actor(Audience.REGULATOR, "Miles", login_id=2)
PROVIDER = Actor(Audience.PROVIDER, "Union", login_id=3)
TEXT = WASHINGTON.read_text(encoding="utf-8")
FIRST, SECOND = date(2024, 1, 1), date(2025, 7, 1)
START = datetime(2024, 3, 1, 12, tzinfo=UTC)
# Seven hours from UTC: in Washington 30 June ends at seven in the morning UTC.
LAST_EVENING = datetime(2025, 7, 1, 6, 59, 59, 999999, tzinfo=UTC)
MIDNIGHT = datetime(2025, 7, 1, 7, tzinfo=UTC)


def proposed(effective_on: date = FIRST, text: str = TEXT, at: datetime = START) -> PolicyVersion:
    """A version that Rosa has proposed."""
    with unit_of_work():
        return versions.propose(text, effective_on=effective_on, by=ROSA, at=at)


def approved(effective_on: date = FIRST, text: str = TEXT, at: datetime = START) -> PolicyVersion:
    """A version that Rosa has proposed and Miles approved."""
    version = proposed(effective_on, text, at)
    with unit_of_work():
        versions.approve(version, by=MILES, at=at)
    return version


def states() -> list[PolicyState]:
    """The states of all versions, in the order in which they were proposed."""
    return list(db.session.scalars(select(PolicyVersion.state).order_by(PolicyVersion.id)))


@pytest.fixture(autouse=True)
def _application(app: Flask) -> None:
    """Every test here asks the database."""


class TestPropose:
    def test_does_not_let_the_version_hold(self) -> None:
        version = proposed()

        assert (version.state, version.proposed_by, version.approved_by) == (PolicyState.PROPOSED, 1, None)
        with pytest.raises(NoPolicyInForce):
            versions.on(FIRST)

    def test_repeated_is_the_proposal_already_there(self) -> None:
        assert proposed().id == proposed().id
        assert states() == [PolicyState.PROPOSED]

    @pytest.mark.parametrize(
        ("text", "effective_on", "by", "refusal"),
        [
            (TEXT, FIRST, PROVIDER, NotARegulator),
            (TEXT, FIRST, system_actor("job:x"), NotARegulator),
            (TEXT, FIRST, Actor(Audience.REGULATOR, "nobody"), NotARegulator),
            (TEXT, date(2024, 1, 2), ROSA, NoSuchVersion),
            (TEXT.replace("at_least: 125%", "at_least: 150%"), FIRST, ROSA, BadPolicy),
        ],
    )
    def test_refuses_and_keeps_nothing(self, text: str, effective_on: date, by: Actor, refusal: type[Refusal]) -> None:
        with pytest.raises(refusal), unit_of_work():
            versions.propose(text, effective_on=effective_on, by=by, at=START)

        assert states() == []

    @pytest.mark.parametrize(
        ("text", "effective_on", "at", "refusal"),
        [
            (NEW_YORK.read_text(encoding="utf-8"), date(2023, 7, 1), START, OtherProgram),
            (TEXT.replace("plan_year_starts: 01-01", "plan_year_starts: 02-01"), SECOND, START, OtherProgram),
            (TEXT, FIRST, START, TooLate),
            (TEXT, SECOND, MIDNIGHT, TooLate),
        ],
    )
    def test_refuses_what_could_not_hold_after_the_first_version(
        self, text: str, effective_on: date, at: datetime, refusal: type[Refusal]
    ) -> None:
        approved()

        with pytest.raises(refusal), unit_of_work():
            versions.propose(text, effective_on=effective_on, by=ROSA, at=at)

        assert states() == [PolicyState.APPROVED]


class TestApprove:
    def test_lets_the_first_version_hold_from_a_date_that_is_past(self) -> None:
        approved()

        assert versions.on(FIRST).effective_on == FIRST
        assert versions.on(date(2030, 1, 1)).effective_on == FIRST
        with pytest.raises(NoPolicyInForce):
            versions.on(date(2023, 12, 31))

    def test_lets_the_next_version_follow_on_its_date(self) -> None:
        first, second = approved(), approved(SECOND)

        assert versions.in_force(date(2025, 6, 30)).id == first.id
        assert versions.in_force(SECOND).id == second.id

    def test_is_written_down_with_who_and_when(self) -> None:
        version = approved()

        assert (version.approved_by, version.approved_at) == (2, START)
        actions = db.session.scalars(select(AuditEvent.action).order_by(AuditEvent.id)).all()
        assert actions == ["policy.proposed", "policy.approved"]

    @pytest.mark.parametrize(("by", "refusal"), [(ROSA, SamePerson), (PROVIDER, NotARegulator)])
    def test_refuses_whoever_may_not(self, by: Actor, refusal: type[Refusal]) -> None:
        version = proposed()

        with pytest.raises(refusal), unit_of_work():
            versions.approve(version, by=by, at=START)

        assert states() == [PolicyState.PROPOSED]

    def test_refuses_to_change_what_holds_today(self) -> None:
        approved()
        version = proposed(SECOND)

        with pytest.raises(TooLate), unit_of_work():
            versions.approve(version, by=MILES, at=MIDNIGHT)

        assert states() == [PolicyState.APPROVED, PolicyState.PROPOSED]

    def test_is_in_time_until_the_last_microsecond_of_the_day_before(self) -> None:
        approved()
        version = proposed(SECOND)

        with unit_of_work():
            versions.approve(version, by=MILES, at=LAST_EVENING)

        assert versions.on(SECOND).effective_on == SECOND

    def test_refuses_a_second_version_for_the_same_date(self) -> None:
        approved()
        rival = proposed(SECOND, TEXT.replace("per_hour: $1.68", "per_hour: $1.70"))
        approved(SECOND)

        with pytest.raises(DateTaken), unit_of_work():
            versions.approve(rival, by=MILES, at=START)

        assert states() == [PolicyState.APPROVED, PolicyState.PROPOSED, PolicyState.APPROVED]

    def test_refuses_a_version_that_is_decided(self) -> None:
        version = approved()

        with pytest.raises(NotOpenForDecision), unit_of_work():
            versions.approve(version, by=MILES, at=START)


class TestWithdraw:
    def test_takes_back_a_proposal_and_an_approval_that_does_not_hold_yet(self) -> None:
        approved()
        proposal = proposed(SECOND, TEXT.replace("$1.68", "$1.70"))
        for version in (approved(SECOND), proposal):
            with unit_of_work():
                versions.withdraw(version, reason="The rate is disputed.", by=ROSA, at=LAST_EVENING)

        assert states() == [PolicyState.APPROVED, PolicyState.WITHDRAWN, PolicyState.WITHDRAWN]
        assert versions.on(SECOND).effective_on == FIRST

    def test_refuses_what_holds_already_and_what_is_withdrawn(self) -> None:
        holding = approved()
        gone = proposed(SECOND)
        with unit_of_work():
            versions.withdraw(gone, reason="A slip.", by=MILES, at=START)

        for version in (holding, gone):
            with pytest.raises(NotOpenForDecision), unit_of_work():
                versions.withdraw(version, reason="Again.", by=ROSA, at=START)

        assert states() == [PolicyState.APPROVED, PolicyState.WITHDRAWN]


class TestTimeline:
    def test_answers_for_many_dates_as_asking_for_each_would(self) -> None:
        first, second = approved(), approved(SECOND)

        line = versions.timeline()

        for day, version in ((FIRST, first), (date(2025, 6, 30), first), (SECOND, second), (date(2031, 1, 1), second)):
            assert line.on(day) == (version.id, versions.on(day))
        with pytest.raises(NoPolicyInForce):
            line.on(date(2023, 12, 31))


class TestDatabase:
    @pytest.mark.parametrize(
        "values",
        [
            {"approved_by": 1, "approved_at": START, "state": PolicyState.APPROVED},
            {"approved_by": 2},
            {"state": PolicyState.APPROVED},
            {"state": PolicyState.WITHDRAWN},
            {"withdrawn_by": 2, "withdrawn_at": START},
        ],
    )
    def test_refuses_what_no_operation_writes(self, values: dict[str, object]) -> None:
        version = proposed()

        with pytest.raises(IntegrityError), unit_of_work():
            db.session.execute(update(PolicyVersion).where(PolicyVersion.id == version.id).values(**values))

        assert states() == [PolicyState.PROPOSED]

    def test_keeps_one_law_for_a_day(self) -> None:
        both = [proposed().id, proposed(FIRST, TEXT.replace("$1.68", "$1.70")).id]
        values = {"state": PolicyState.APPROVED, "approved_by": 2, "approved_at": START}

        with pytest.raises(IntegrityError), unit_of_work():
            db.session.execute(update(PolicyVersion).where(PolicyVersion.id.in_(both)).values(**values))

        assert states() == [PolicyState.PROPOSED, PolicyState.PROPOSED]


class TestStates:
    def test_each_says_what_it_may_become(self) -> None:
        assert set(MAY_BECOME) == set(PolicyState)
        assert MAY_BECOME[PolicyState.WITHDRAWN] == frozenset()
