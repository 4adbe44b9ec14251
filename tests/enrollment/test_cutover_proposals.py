"""Does it take two operators to confirm a cutover, or to roll it back?"""

from __future__ import annotations

from datetime import datetime

import pytest
from flask import Flask
from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError

from enrollment import cutover, cutover_control, cutover_proposals
from enrollment.cutover_control import NotToBeConfirmed, NotToBeRolledBack
from enrollment.cutover_proposals import (
    AlreadyAnswered,
    CutoverProposal,
    ProposalOpen,
    ProposalState,
    ProposedDeed,
    SamePerson,
)
from enrollment.models import EnrollmentWindow
from exchange import notices
from exchange.audit import AuditEvent
from exchange.database import db, in_unit_of_work, unit_of_work
from exchange.errors import NotAllowed
from exchange.identity.actors import Actor, Audience
from exchange.identity.organizations import exchange_id
from exchange.identity.people import Login
from tests.support.at_once import all_at_once
from tests.support.enrollment_makers import BY, EFFECTIVE, Town
from tests.support.signing_in import make_login

CONFIRM, ROLL_BACK = ProposedDeed


@pytest.fixture
def town(app: Flask) -> Town:
    """One worker has switched, and what providers owe for it is netted."""
    town = Town()
    town.choose(town.member("Ada Flores", package_id=town.valley), town.harbor)
    town.order()
    town.carry_out()
    in_unit_of_work(lambda: cutover.finish(town.window, by=BY, at=EFFECTIVE))
    return town


@pytest.fixture
def opal(town: Town) -> Actor:
    return operator("Opal Reed")


@pytest.fixture
def otis(town: Town) -> Actor:
    return operator("Otis Pine")


def operator(name: str) -> Actor:
    return db.session.get_one(Login, make_login(Audience.OPERATOR, name)).as_actor()


def propose(town: Town, deed: ProposedDeed, *, by: Actor, reason: str = "so") -> int:
    def work() -> int:
        window = cutover_control.held(town.window.id)
        return cutover_proposals.propose(window, deed=deed, reason=reason, by=by, at=EFFECTIVE).id

    return in_unit_of_work(work)


def agree(proposal_id: int, *, by: Actor) -> None:
    def work() -> None:
        window, proposal = both(proposal_id)
        cutover_proposals.agree(proposal, window, by=by, at=EFFECTIVE)

    in_unit_of_work(work)


def reject(proposal_id: int, *, by: Actor) -> None:
    def work() -> None:
        window, proposal = both(proposal_id)
        cutover_proposals.reject(proposal, window, reason="no", by=by, at=EFFECTIVE)

    in_unit_of_work(work)


def both(proposal_id: int) -> tuple[EnrollmentWindow, CutoverProposal]:
    window = cutover_control.held(db.session.get_one(CutoverProposal, proposal_id).window_id)
    return window, cutover_proposals.called(proposal_id, window)


def now(town: Town) -> tuple[datetime | None, datetime | None]:
    """When the cutover was confirmed, and since when it is rolled back."""
    db.session.expire_all()
    return town.window.confirmed_at, town.window.rolling_back_since


class TestAgree:
    @pytest.mark.parametrize(("deed", "becomes"), [(CONFIRM, (EFFECTIVE, None)), (ROLL_BACK, (None, EFFECTIVE))])
    def test_has_it_done_and_the_log_names_both(
        self, town: Town, opal: Actor, otis: Actor, deed: ProposedDeed, becomes: tuple[datetime | None, datetime | None]
    ) -> None:
        proposal = propose(town, deed, by=opal, reason="looked at twice")
        assert now(town) == (None, None)

        agree(proposal, by=otis)

        assert now(town) == becomes
        e = AuditEvent
        rows = select(e.actor_name, e.reason).where(e.action.startswith("cutover.")).order_by(e.id)
        said = [tuple(row) for row in db.session.execute(rows)]
        assert said == [("Opal Reed", "looked at twice"), ("Otis Pine", "looked at twice")]

    def test_is_refused_to_who_proposed_it(self, town: Town, opal: Actor) -> None:
        proposal = propose(town, ROLL_BACK, by=opal)

        with pytest.raises(SamePerson, match="another operator"):
            agree(proposal, by=opal)

        assert now(town) == (None, None)

    @pytest.mark.parametrize("audience", [Audience.REGULATOR, Audience.SYSTEM])
    def test_is_refused_to_who_is_no_operator(self, town: Town, opal: Actor, audience: Audience) -> None:
        proposal, other = propose(town, CONFIRM, by=opal), Actor(audience, "Rita Moss", login_id=None)

        with pytest.raises(NotAllowed):
            agree(proposal, by=other)
        with pytest.raises(NotAllowed):
            reject(proposal, by=other)

        assert now(town) == (None, None)

    def test_is_refused_once_it_was_answered(self, town: Town, opal: Actor, otis: Actor) -> None:
        proposal = propose(town, CONFIRM, by=opal)
        reject(proposal, by=otis)

        with pytest.raises(AlreadyAnswered):
            agree(proposal, by=otis)
        with pytest.raises(AlreadyAnswered):
            reject(proposal, by=opal)

        assert now(town) == (None, None)

    def test_is_refused_once_what_was_proposed_is_not_possible_any_more(
        self, town: Town, opal: Actor, otis: Actor
    ) -> None:
        proposal = propose(town, ROLL_BACK, by=opal)
        in_unit_of_work(lambda: cutover_control.confirm(town.window, reason="alone", by=BY, at=EFFECTIVE))

        with pytest.raises(NotToBeRolledBack, match="was confirmed"):
            agree(proposal, by=otis)

        assert now(town) == (EFFECTIVE, None)
        reject(proposal, by=otis)

    def test_of_two_at_the_same_moment_is_taken_once(self, app: Flask, town: Town, opal: Actor, otis: Actor) -> None:
        third, proposal = operator("Ivy Wong"), propose(town, ROLL_BACK, by=opal)

        came = all_at_once(app, [lambda: agree(proposal, by=otis), lambda: reject(proposal, by=third)])

        assert came == {"done": 1, "AlreadyAnswered": 1}


class TestPropose:
    def test_is_refused_where_something_is_proposed_already(self, town: Town, opal: Actor, otis: Actor) -> None:
        first = propose(town, CONFIRM, by=opal)
        with pytest.raises(ProposalOpen):
            propose(town, ROLL_BACK, by=otis)

        reject(first, by=opal)

        propose(town, ROLL_BACK, by=otis)

    def test_is_refused_where_it_could_not_be_done(self, town: Town, opal: Actor) -> None:
        in_unit_of_work(lambda: cutover_control.confirm(town.window, reason="alone", by=BY, at=EFFECTIVE))

        for deed, refusal in ((CONFIRM, NotToBeConfirmed), (ROLL_BACK, NotToBeRolledBack)):
            with pytest.raises(refusal):
                propose(town, deed, by=opal)

    def test_tells_the_operators(self, town: Town, opal: Actor) -> None:
        propose(town, CONFIRM, by=opal)

        told = notices.newest(Actor(Audience.OPERATOR, "Otis Pine", organization_id=exchange_id()), at_most=1)
        assert [notice.subject for notice in told] == ["A decision about the cutover into 2027 waits"]


class TestTheDatabase:
    def test_refuses_one_person_as_two(self, town: Town, opal: Actor) -> None:
        proposal = propose(town, CONFIRM, by=opal)

        alone = update(CutoverProposal).values(
            state=ProposalState.AGREED, answered_at=EFFECTIVE, answered_by_id=opal.login_id
        )

        with pytest.raises(IntegrityError, match="two_people"), unit_of_work():
            db.session.execute(alone.where(CutoverProposal.id == proposal))
