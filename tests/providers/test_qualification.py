"""May an organization offer here, and do two people decide it?"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date, timedelta

import pytest
from flask import Flask
from sqlalchemy import select

from exchange.audit import AuditEvent
from exchange.database import db, in_unit_of_work, unit_of_work
from exchange.errors import NotFound
from exchange.identity import access
from exchange.identity.actors import ANONYMOUS, Actor, Audience
from exchange.identity.organizations import NameTaken
from exchange.policy.document import NotInPolicy
from providers import decisions, qualification
from providers.decisions import (
    AUDITED_AS,
    MAY_BECOME,
    DecisionOpen,
    NoSuchStep,
    NotARegulator,
    NotProposed,
    ReasonMissing,
    SamePerson,
)
from providers.irs_register import BadEin
from providers.models import (
    CriterionState,
    DecisionState,
    Provider,
    ProviderCriterion,
    ProviderDecision,
    ProviderKind,
    ProviderState,
)
from providers.qualification import Application, CriteriaOpen, MeasureDenies, Seat, Withdrawn
from tests.support import provider_makers as make
from tests.support.provider_makers import AT, BY, POLICY, TODAY

pytestmark = pytest.mark.usefixtures("program")


@pytest.fixture
def program(app: Flask) -> None:
    with unit_of_work():
        make.open_program()


def state_of(provider: Provider, criterion: str) -> CriterionState:
    return db.session.get_one(ProviderCriterion, (provider.organization_id, criterion)).state


def under_review() -> Provider:
    with unit_of_work():
        provider = make.applicant()
        qualification.begin_review(provider, by=make.regulator(), at=AT)
        make.meet_criteria(provider)
    return provider


def proposed(provider: Provider, becomes: ProviderState = ProviderState.QUALIFIED) -> ProviderDecision:
    with unit_of_work():
        return qualification.propose(
            provider, becomes=becomes, reason="Fine.", policy=POLICY, by=make.regulator(), at=AT
        )


class TestApply:
    def test_finds_a_nonprofit_of_an_allowed_section_in_the_register(self) -> None:
        with unit_of_work():
            provider = make.applicant("Harbor Union", ein="910000001")

        assert provider.state is ProviderState.APPLIED
        assert not qualification.may_offer(provider)
        found = db.session.get_one(ProviderCriterion, (provider.organization_id, "nonprofit"))
        assert found.state is CriterionState.MET
        assert found.expires_on == date(2027, 11, 2)
        assert found.evidence == "EIN 91-0000001: HARBOR UNION, 501(c)(5), 01 (eo_wa.csv)"

    def test_says_what_speaks_against_an_organization_of_another_section(self) -> None:
        with unit_of_work():
            make.enter_in_register("910000001", "Old Trust", subsection="92", status="99")
            provider = make.applicant(known=False)

        found = db.session.get_one(ProviderCriterion, (provider.organization_id, "nonprofit"))
        assert found.state is CriterionState.NOT_MET
        assert found.reason is not None
        assert "4947(a)(1)" in found.reason
        assert "status code 99" in found.reason

    def test_leaves_every_other_criterion_of_the_policy_open(self) -> None:
        with unit_of_work():
            provider = make.applicant(known=False)

        examined = qualification.examination(provider, policy=POLICY, on=TODAY)

        assert [one.criterion for one in examined] == list(POLICY.qualification.criteria)
        assert {one.state for one in examined[1:]} == {CriterionState.OPEN}
        assert examined[0].state is CriterionState.NOT_MET
        assert examined[0].evidence == "EIN 91-0000001: –"

    def test_asks_the_register_again_when_it_has_been_imported(self) -> None:
        with unit_of_work():
            provider = make.applicant(known=False)
            make.enter_in_register("910000001", "Harbor Union")

        with unit_of_work():
            qualification.examine_register(provider, policy=POLICY, by=BY, at=AT)

        assert state_of(provider, "nonprofit") is CriterionState.MET

    @pytest.mark.parametrize(
        ("name", "ein", "refusal"),
        [
            ("HARB0R UNION", "910000002", NameTaken),
            ("Another", "91-0000001", NameTaken),
            ("Another", "91-00", BadEin),
        ],
    )
    def test_is_refused_with_a_borrowed_name_or_ein(self, name: str, ein: str, refusal: type[Exception]) -> None:
        with unit_of_work():
            make.applicant()
        application = Application(name=name, kind=ProviderKind.CIVIC, ein=ein, summary="")

        with pytest.raises(refusal), unit_of_work():
            qualification.apply(application, policy=POLICY, by=BY, at=AT)

        assert len(db.session.execute(select(Provider)).all()) == 1


class TestDecideCriterion:
    def test_is_met_until_the_months_of_the_policy_are_over(self) -> None:
        with unit_of_work():
            provider = make.applicant()
            qualification.decide_criterion(
                provider, "fidelity_bond", met=True, reason="Seen.", policy=POLICY, by=make.regulator(), at=AT
            )

        def expired(on: date) -> bool:
            found = {one.criterion.code: one for one in qualification.examination(provider, policy=POLICY, on=on)}
            assert found["fidelity_bond"].is_met is not found["fidelity_bond"].expired
            return found["fidelity_bond"].expired

        assert not expired(date(2027, 11, 1))
        assert expired(date(2027, 11, 2))

    def test_waits_for_a_reviewer_again_when_other_evidence_is_shown(self) -> None:
        provider = under_review()

        with unit_of_work():
            qualification.show_evidence(
                provider, "fidelity_bond", evidence="A new bond", policy=POLICY, by=make.staff_of(provider), at=AT
            )

        row = db.session.get_one(ProviderCriterion, (provider.organization_id, "fidelity_bond"))
        assert (row.state, row.evidence, row.expires_on) == (CriterionState.OPEN, "A new bond", None)

    @pytest.mark.parametrize(("elected", "of", "holds"), [(0, 0, False), (1, 2, True), (2, 4, True), (1, 3, False)])
    def test_is_not_met_against_the_seats_of_the_board(self, elected: int, of: int, holds: bool) -> None:
        with unit_of_work():
            provider = make.applicant()
            seats = [Seat(f"Member {seat}", "somebody", seat < elected) for seat in range(of)]
            qualification.name_board(provider, seats, by=BY, at=AT)
            rita = make.regulator()

        if holds:
            with unit_of_work():
                qualification.decide_criterion(
                    provider, "member_board", met=True, reason="Counted.", policy=POLICY, by=rita, at=AT
                )
        else:
            with pytest.raises(MeasureDenies, match=f"elect {elected} of the board's {of} seats"), unit_of_work():
                qualification.decide_criterion(
                    provider, "member_board", met=True, reason="Counted.", policy=POLICY, by=rita, at=AT
                )

        assert (state_of(provider, "member_board") is CriterionState.MET) is holds

    def test_is_not_met_before_reserves_are_filed_or_when_they_stand_too_low(self) -> None:
        with unit_of_work():
            provider = make.applicant()
            make.owe(provider, 10_000, key="a")
            rita = make.regulator()

        with pytest.raises(MeasureDenies, match="has not filed"), unit_of_work():
            qualification.decide_criterion(
                provider, "initial_reserves", met=True, reason="ok", policy=POLICY, by=rita, at=AT
            )
        with unit_of_work():
            make.file_cash(provider, 12_499)
        with pytest.raises(MeasureDenies, match="“Watch”; at least “Adequate”"), unit_of_work():
            qualification.decide_criterion(
                provider, "initial_reserves", met=True, reason="ok", policy=POLICY, by=rita, at=AT
            )

        assert state_of(provider, "initial_reserves") is CriterionState.OPEN

    @pytest.mark.parametrize("missing", ["person", "reason", "criterion"])
    def test_is_refused_without(self, missing: str) -> None:
        with unit_of_work():
            provider = make.applicant()
            by = make.staff_of(provider) if missing == "person" else make.regulator()
        criterion = "unheard_of" if missing == "criterion" else "fidelity_bond"
        reason = " " if missing == "reason" else "Seen."
        refusal = {"person": NotARegulator, "reason": ReasonMissing, "criterion": NotInPolicy}[missing]

        with pytest.raises(refusal), unit_of_work():
            qualification.decide_criterion(
                provider,
                criterion,
                met=True,
                reason=reason,
                policy=POLICY,
                by=by,
                at=AT,
            )

        assert state_of(provider, "fidelity_bond") is CriterionState.OPEN

    def test_is_refused_for_a_provider_that_was_withdrawn(self) -> None:
        with unit_of_work():
            provider = make.applicant()
            make.decide(provider, ProviderState.WITHDRAWN)
            rita = make.regulator()

        with pytest.raises(Withdrawn), unit_of_work():
            qualification.decide_criterion(
                provider, "fidelity_bond", met=True, reason="Seen.", policy=POLICY, by=rita, at=AT
            )


class TestPropose:
    def test_changes_nothing_until_another_regulator_agrees(self) -> None:
        provider = under_review()

        decision = proposed(provider)

        assert (decision.state, decision.voices) == (DecisionState.PROPOSED, 1)
        assert provider.state is ProviderState.UNDER_REVIEW
        assert [one.id for one in decisions.open_decisions()] == [decision.id]

    def test_is_refused_while_a_criterion_is_open(self) -> None:
        with unit_of_work():
            provider = make.applicant()
            qualification.begin_review(provider, by=make.regulator(), at=AT)
            rita = make.regulator()

        for becomes in (ProviderState.QUALIFIED, ProviderState.QUALIFIED_WITH_CONDITIONS):
            with pytest.raises(CriteriaOpen, match="Fidelity bond or insurance"), unit_of_work():
                qualification.propose(provider, becomes=becomes, reason="x", policy=POLICY, by=rita, at=AT)

        assert decisions.open_decision(provider.organization_id) is None

    def test_with_conditions_allows_a_criterion_that_is_not_met_but_none_that_figures_deny(self) -> None:
        provider = under_review()

        with unit_of_work():
            qualification.decide_criterion(
                provider,
                "vendors_named",
                met=False,
                reason="One lacks.",
                policy=POLICY,
                by=make.regulator(),
                at=AT,
            )

        def refusal(becomes: ProviderState) -> object:
            return qualification.refusal_of_criteria(provider, becomes, policy=POLICY, on=TODAY)

        assert refusal(ProviderState.QUALIFIED_WITH_CONDITIONS) is None
        assert isinstance(refusal(ProviderState.QUALIFIED), CriteriaOpen)
        assert refusal(ProviderState.SUSPENDED) is None
        with unit_of_work():
            qualification.decide_criterion(
                provider, "member_board", met=False, reason="Miscounted.", policy=POLICY, by=make.regulator(), at=AT
            )
        assert isinstance(refusal(ProviderState.QUALIFIED_WITH_CONDITIONS), CriteriaOpen)

    def test_is_refused_while_another_decision_is_open(self) -> None:
        provider = under_review()
        proposed(provider)

        with pytest.raises(DecisionOpen):
            proposed(provider, ProviderState.WITHDRAWN)

        assert len(decisions.history(provider.organization_id)) == 1

    def test_is_refused_without_a_reason_and_to_anybody_but_a_regulator(self) -> None:
        provider = under_review()
        with unit_of_work():
            rita, sam = make.regulator(), make.staff_of(provider)
        for by, reason, refusal in ((rita, " ", ReasonMissing), (sam, "Me!", NotARegulator), (BY, "x", NotARegulator)):
            with pytest.raises(refusal), unit_of_work():
                qualification.propose(
                    provider, becomes=ProviderState.QUALIFIED, reason=reason, policy=POLICY, by=by, at=AT
                )

        assert decisions.history(provider.organization_id) == []


class TestAgree:
    def test_by_another_regulator_changes_the_state(self) -> None:
        provider = under_review()
        decision = proposed(provider)

        with unit_of_work():
            taken = qualification.agree(decision, policy=POLICY, by=make.regulator("Ron"), at=AT)

        assert taken
        assert (decision.state, decision.voices) == (DecisionState.AGREED, 2)
        assert provider.state is ProviderState.QUALIFIED
        assert qualification.may_offer(provider)
        assert decisions.people_behind(decision.id) == sorted(decisions.people_behind(decision.id))
        actions = db.session.execute(
            select(AuditEvent.action).where(AuditEvent.subject == f"provider:{provider.organization_id}")
        )
        assert "provider.qualified" in set(actions.scalars())

    def test_is_refused_to_the_one_who_proposed_it(self) -> None:
        provider = under_review()
        decision = proposed(provider)
        with unit_of_work():
            rita = make.regulator()

        with pytest.raises(SamePerson, match="You proposed"), unit_of_work():
            qualification.agree(decision, policy=POLICY, by=rita, at=AT)
        with pytest.raises(SamePerson), unit_of_work():
            decisions.reject(decision, reason="No.", by=rita, at=AT)

        assert provider.state is ProviderState.UNDER_REVIEW
        assert decision.voices == 1

    def test_is_refused_when_a_criterion_is_no_longer_met(self) -> None:
        provider = under_review()
        decision = proposed(provider)
        with unit_of_work():
            ron = make.regulator("Ron")
            qualification.decide_criterion(
                provider, "fidelity_bond", met=False, reason="It lapsed.", policy=POLICY, by=ron, at=AT
            )

        with pytest.raises(CriteriaOpen), unit_of_work():
            qualification.agree(decision, policy=POLICY, by=ron, at=AT)

        assert provider.state is ProviderState.UNDER_REVIEW

    def test_twice_is_refused(self) -> None:
        provider = under_review()
        decision = proposed(provider)
        with unit_of_work():
            qualification.agree(decision, policy=POLICY, by=make.regulator("Ron"), at=AT)
            rosa = make.regulator("Rosa")

        for answer in (
            lambda: qualification.agree(decision, policy=POLICY, by=rosa, at=AT),
            lambda: decisions.reject(decision, reason="No.", by=rosa, at=AT),
        ):
            with pytest.raises(NotProposed), unit_of_work():
                answer()

    def test_asks_for_as_many_people_as_the_policy_when_the_system_proposed(self) -> None:
        with unit_of_work():
            provider = make.qualified()
            decision = decisions.propose(
                provider, becomes=ProviderState.SUSPENDED, reason="Below the floor.", by=BY, at=AT
            )
            rita, ron, sam = make.regulator(), make.regulator("Ron"), make.staff_of(provider)

        with pytest.raises(NotARegulator), unit_of_work():
            decisions.agree(decision, policy=POLICY, by=sam, at=AT)
        with unit_of_work():
            assert not decisions.agree(decision, policy=POLICY, by=rita, at=AT)
        with pytest.raises(SamePerson, match="agreed to this decision already"), unit_of_work():
            decisions.agree(decision, policy=POLICY, by=rita, at=AT)
        assert qualification.may_offer(provider)
        with unit_of_work():
            assert decisions.agree(decision, policy=POLICY, by=ron, at=AT)

        assert provider.state is ProviderState.SUSPENDED

    def test_by_several_at_once_counts_every_voice(self, app: Flask) -> None:
        """Of three who are asked for, two agree at the same moment: neither may miss the other."""
        law = replace(POLICY, qualification=replace(POLICY.qualification, deciders=3))
        provider = under_review()
        decision_id = proposed(provider).id
        with unit_of_work():
            people = [make.regulator(name) for name in ("Ron", "Rosa")]

        def work(by: Actor) -> bool:
            with app.app_context():
                return in_unit_of_work(
                    lambda: qualification.agree(
                        db.session.get_one(ProviderDecision, decision_id), policy=law, by=by, at=AT
                    )
                )

        with ThreadPoolExecutor(2) as pool:
            assert sorted(pool.map(work, people)) == [False, True]

        db.session.rollback()
        assert qualification.may_offer(provider)

    def test_rejected_leaves_the_provider_as_it_was(self) -> None:
        provider = under_review()
        decision = proposed(provider)

        with unit_of_work():
            decisions.reject(decision, reason="Not yet.", by=make.regulator("Ron"), at=AT)

        assert decision.state is DecisionState.REJECTED
        assert provider.state is ProviderState.UNDER_REVIEW
        assert decisions.open_decision(provider.organization_id) is None


class TestStates:
    def test_are_all_named_in_each_table(self) -> None:
        assert set(MAY_BECOME) == set(AUDITED_AS) == set(decisions.STATE_WORDS) == set(ProviderState)

    @pytest.mark.parametrize("now", ProviderState)
    @pytest.mark.parametrize("wanted", ProviderState)
    def test_change_only_along_the_table(self, now: ProviderState, wanted: ProviderState) -> None:
        with unit_of_work():
            provider = make.applicant()
            for step in path_to(now):
                decisions.change_state(provider, step, by=BY, at=AT)

        if wanted in MAY_BECOME[now]:
            with unit_of_work():
                decisions.change_state(provider, wanted, by=BY, at=AT)
            assert provider.state is wanted
        else:
            with pytest.raises(NoSuchStep), unit_of_work():
                decisions.change_state(provider, wanted, by=BY, at=AT)
            assert provider.state is now

    def test_of_a_review_is_no_decision_of_two(self) -> None:
        with unit_of_work():
            provider = make.applicant()
            rita = make.regulator()

        with pytest.raises(NoSuchStep), unit_of_work():
            qualification.propose(
                provider, becomes=ProviderState.UNDER_REVIEW, reason="x", policy=POLICY, by=rita, at=AT
            )
        with pytest.raises(NotARegulator), unit_of_work():
            qualification.begin_review(provider, by=BY, at=AT)

        assert provider.state is ProviderState.APPLIED


def path_to(state: ProviderState) -> list[ProviderState]:
    """The steps from an application to the state."""
    if state is ProviderState.APPLIED:
        return []
    if state is ProviderState.WITHDRAWN:
        return [state]
    if state is ProviderState.UNDER_REVIEW:
        return [state]
    first = ProviderState.QUALIFIED if state is ProviderState.SUSPENDED else state
    return list(dict.fromkeys([ProviderState.UNDER_REVIEW, first, state]))


class TestProviderScope:
    def test_shows_the_public_qualified_providers_only_and_a_provider_itself(self) -> None:
        with unit_of_work():
            good = make.qualified("Harbor Union", ein="910000001").organization_id
            new = make.applicant("New Guild", ein="910000002").organization_id

        def seen(actor: Actor) -> set[int]:
            return {one.organization_id for one in db.session.execute(access.selecting(Provider, actor)).scalars()}

        assert seen(ANONYMOUS) == {good}
        assert seen(Actor(Audience.WORKER, "w", login_id=1)) == {good}
        assert seen(Actor(Audience.PROVIDER, "p", login_id=2, organization_id=new)) == {new}
        assert seen(Actor(Audience.REGULATOR, "r", login_id=3, organization_id=99)) == {good, new}
        with pytest.raises(NotFound):
            access.one(Provider, ANONYMOUS, organization_id=new)

    def test_follows_a_suspension_at_once(self) -> None:
        with unit_of_work():
            provider = make.qualified()
            make.decide(provider, ProviderState.SUSPENDED, at=AT + timedelta(days=1))

        assert db.session.execute(access.selecting(Provider, ANONYMOUS)).first() is None
