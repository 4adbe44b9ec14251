"""Are packages lawful when they are published, and unchanged afterwards?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from flask import Flask
from sqlalchemy import Executable, delete, insert, select, update
from sqlalchemy.exc import DBAPIError

from exchange.database import db, unit_of_work
from exchange.identity import access
from exchange.identity.actors import ANONYMOUS, Actor, Audience
from providers import packages, publication, shelf
from providers.decisions import NotARegulator
from providers.models import Package, PackageComponent, PackageVersion, Provider, ProviderState, VersionState
from providers.package_terms import BadTerms, ComponentTerms, Terms, home_of, refusals_of
from providers.packages import (
    AUDITED_AS,
    MAY_BECOME,
    BadName,
    Discontinued,
    DraftThere,
    NoSuchStep,
    NotForThisYear,
    NotQualified,
    NotYours,
)
from providers.publication import NoSuccessor, NoticeTooShort
from tests.support import provider_makers as make
from tests.support.provider_makers import AT, BY, NEXT_YEAR, POLICY, TERMS, THIS_YEAR

pytestmark = pytest.mark.usefixtures("program")


@pytest.fixture
def program(app: Flask) -> None:
    with unit_of_work():
        make.open_program()


@pytest.fixture
def provider(program: None) -> Provider:
    with unit_of_work():
        return make.qualified()


def on_sale(plan_year: str = NEXT_YEAR, place: str | None = None) -> set[int]:
    return {version.id for version in db.session.execute(shelf.on_sale(plan_year, place)).scalars()}


def broken_by(terms: Terms) -> list[str]:
    return [f"{refusal.code}: {refusal}" for refusal in refusals_of(terms, policy=POLICY)]


class TestTerms:
    def test_that_keep_every_rule_are_not_refused(self) -> None:
        assert broken_by(TERMS) == []

    @pytest.mark.parametrize("code", ["health", "disability", "workers_compensation"])
    def test_without_a_mandatory_component_are_refused_by_its_name(self, code: str) -> None:
        missing = make.without_component(code)
        empty = make.with_component(ComponentTerms(code, 0))

        for terms in (missing, empty):
            found = [refusal for refusal in broken_by(terms) if refusal.startswith("mandatory_component_missing")]
            assert len(found) == 1
            assert POLICY.component(code).name in found[0]

    @pytest.mark.parametrize(("share_bp", "whole"), [(499, "99.99%"), (501, "100.01%"), (0, "95%")])
    def test_that_split_more_or_less_than_the_whole_are_refused_with_the_figure(
        self, share_bp: int, whole: str
    ) -> None:
        found = broken_by(make.with_component(ComponentTerms("emergency", share_bp)))

        assert found == [f"not_the_whole: Shares and fee come to {whole} of each contribution; they must come to 100%."]

    @pytest.mark.parametrize(("fee_bp", "refused"), [(1_000, False), (1_001, True)])
    def test_whose_fee_is_above_the_cap_are_refused(self, fee_bp: int, refused: bool) -> None:
        found = broken_by(make.with_component(ComponentTerms("emergency", 1_100 - fee_bp), make.terms(fee_bp=fee_bp)))

        assert ("fee_above_cap: The fee is 10.01%; at most 10% is allowed." in found) is refused
        assert len(found) == int(refused)

    @pytest.mark.parametrize(
        ("hours", "area", "refused"),
        [
            (40, "US-WA", False),
            (41, "US-WA", True),
            (None, "US-WA", True),
            (30, "US-WA/King County/Seattle", False),
            (31, "US-WA/King County/Seattle", True),
        ],
    )
    def test_that_accrue_leave_worse_than_the_law_of_the_area_are_refused(
        self, hours: int | None, area: str, refused: bool
    ) -> None:
        base = make.without_component("paid_leave", make.terms(service_area=area))
        found = broken_by(make.with_component(ComponentTerms("sick_leave", 2_500, accrual_hours=hours), base))

        assert [refusal.split(":")[0] for refusal in found] == ["worse_accrual"] * refused

    def test_with_what_the_policy_does_not_know_are_refused(self) -> None:
        strange = make.with_component(ComponentTerms("dental", 500), make.without_component("emergency"))

        assert [one.split(":")[0] for one in broken_by(strange)] == ["unknown_component"]
        assert [one.split(":")[0] for one in broken_by(make.terms(service_area="US-OR"))] == ["unknown_place"]
        hourly = make.with_component(ComponentTerms("emergency", 500, accrual_hours=30))
        assert [one.split(":")[0] for one in broken_by(hourly)] == ["no_leave"]

    def test_name_everything_that_is_wrong_at_once(self) -> None:
        found = broken_by(make.named({"retirement": 5_000}))

        assert len(found) == 4

    def test_tell_where_a_balance_goes_that_the_package_has_no_place_for(self) -> None:
        paid, retirement = POLICY.component("paid_leave"), POLICY.component("retirement")

        assert home_of(paid, {"paid_leave", "sick_leave"}) == "paid_leave"
        assert home_of(paid, {"sick_leave"}) == "sick_leave"
        assert home_of(paid, {"retirement"}) is None
        assert home_of(retirement, {"emergency"}) is None


class TestCreate:
    @pytest.mark.parametrize("name", ["", "  ", "x" * 121, "PLAIN"])
    def test_is_refused_with_a_name_that_is_none_or_taken(self, provider: Provider, name: str) -> None:
        with unit_of_work():
            packages.create(provider, name="Plain", by=make.staff_of(provider), at=AT)

        with pytest.raises(BadName), unit_of_work():
            packages.create(provider, name=name, by=make.staff_of(provider), at=AT)

        assert len(db.session.execute(select(Package)).all()) == 1

    def test_is_refused_to_another_provider_and_to_a_withdrawn_one(self, provider: Provider) -> None:
        with unit_of_work():
            other = make.staff_of(make.applicant("New Guild", ein="910000002"))
        with pytest.raises(NotYours), unit_of_work():
            packages.create(provider, name="Mine", by=other, at=AT)
        with unit_of_work():
            make.decide(provider, ProviderState.WITHDRAWN)
        with pytest.raises(NotQualified), unit_of_work():
            packages.create(provider, name="Late", by=BY, at=AT)

        assert db.session.execute(select(Package)).all() == []


class TestDraft:
    def test_may_break_rules_and_is_edited_until_it_breaks_none(self, provider: Provider) -> None:
        with unit_of_work():
            version = make.drafted(provider, said=make.named({"health": 100}))
        assert len(publication.refusals_to_submit(version, policy=POLICY)) == 3

        with unit_of_work():
            packages.edit(version, terms=TERMS, by=make.staff_of(provider), at=AT)

        assert publication.refusals_to_submit(version, policy=POLICY) == []
        kept = packages.terms_of(version)
        assert kept.split == TERMS.split
        assert set(kept.components) == set(TERMS.components)

    @pytest.mark.parametrize(
        "terms",
        [
            make.named({"health": 10_001}),
            make.named({"health": -1}),
            make.terms(fee_bp=-1),
            make.with_component(ComponentTerms("health", 1, waiting_days=-1)),
            make.with_component(ComponentTerms("paid_leave", 1, accrual_hours=0)),
            make.terms(components=(ComponentTerms("health", 1), ComponentTerms("health", 2))),
            make.terms(summary="x" * 4_001),
        ],
    )
    def test_is_refused_with_figures_that_no_terms_can_hold(self, provider: Provider, terms: Terms) -> None:
        with pytest.raises(BadTerms), unit_of_work():
            make.drafted(provider, said=terms)

        assert db.session.execute(select(PackageVersion)).all() == []

    @pytest.mark.parametrize(("year", "refused"), [("2025", True), ("2026", False), ("27", True), ("２０２７", True)])
    def test_is_for_a_plan_year_that_is_not_over(self, provider: Provider, year: str, refused: bool) -> None:
        if refused:
            with pytest.raises(NotForThisYear), unit_of_work():
                make.drafted(provider, plan_year=year)
        else:
            with unit_of_work():
                assert make.drafted(provider, plan_year=year).number == 1

    def test_there_is_one_for_a_package_and_plan_year(self, provider: Provider) -> None:
        with unit_of_work():
            first = make.drafted(provider)

        with pytest.raises(DraftThere), unit_of_work():
            packages.clone(first, plan_year=NEXT_YEAR, policy=POLICY, by=BY, at=AT)
        with unit_of_work():
            make.publish(first)
            second = packages.clone(first, plan_year=NEXT_YEAR, policy=POLICY, by=BY, at=AT)

        assert (second.number, second.state) == (2, VersionState.DRAFT)
        assert packages.terms_of(second) == packages.terms_of(first)


class TestSubmit:
    def test_refuses_what_breaks_a_rule_and_leaves_the_draft_as_it_was(self, provider: Provider) -> None:
        with unit_of_work():
            version = make.drafted(provider, said=make.with_component(ComponentTerms("emergency", 499)))

        with pytest.raises(Exception, match=r"99\.99%"), unit_of_work():
            publication.submit(version, policy=POLICY, by=make.staff_of(provider), at=AT)

        assert version.state is VersionState.DRAFT
        assert version.submitted_at is None

    def test_is_for_qualified_providers_only(self) -> None:
        with unit_of_work():
            newcomer = make.applicant("New Guild", ein="910000002")
            version = make.drafted(newcomer)

        with pytest.raises(NotQualified), unit_of_work():
            publication.submit(version, policy=POLICY, by=make.staff_of(newcomer), at=AT)

        assert version.state is VersionState.DRAFT

    def test_ends_all_editing(self, provider: Provider) -> None:
        with unit_of_work():
            version = make.drafted(provider)
            publication.submit(version, policy=POLICY, by=make.staff_of(provider), at=AT)

        with pytest.raises(NoSuchStep, match="never change"), unit_of_work():
            packages.edit(version, terms=make.terms(summary="Other"), by=make.staff_of(provider), at=AT)

        assert packages.terms_of(version).summary == TERMS.summary

    @pytest.mark.parametrize(
        "change",
        [
            lambda id_: update(PackageVersion).where(PackageVersion.id == id_).values(fee_bp=1),
            lambda id_: update(PackageComponent).where(PackageComponent.version_id == id_).values(share_bp=1),
            lambda id_: delete(PackageComponent).where(PackageComponent.version_id == id_),
            lambda id_: insert(PackageComponent).values(version_id=id_, component="life", share_bp=1, terms=""),
        ],
    )
    def test_lets_the_database_refuse_other_terms_behind_our_backs(
        self, provider: Provider, change: Callable[[int], Executable]
    ) -> None:
        with unit_of_work():
            version = make.drafted(provider)
            publication.submit(version, policy=POLICY, by=make.staff_of(provider), at=AT)

        with pytest.raises(DBAPIError), unit_of_work():
            db.session.execute(change(version.id))

        assert packages.terms_of(version).split == TERMS.split


class TestCertify:
    def test_is_a_regulators_and_asks_the_rules_again(self, provider: Provider) -> None:
        with unit_of_work():
            version = make.drafted(provider)
            publication.submit(version, policy=POLICY, by=make.staff_of(provider), at=AT)
        lower = replace(POLICY, contributions=replace(POLICY.contributions, administration_cap_bp=500))

        with pytest.raises(NotARegulator), unit_of_work():
            publication.certify(version, policy=POLICY, by=make.staff_of(provider), at=AT)
        with pytest.raises(Exception, match="at most 5%"), unit_of_work():
            publication.certify(version, policy=lower, by=make.regulator(), at=AT)

        assert version.state is VersionState.SUBMITTED

    def test_turned_down_closes_the_version_for_good(self, provider: Provider) -> None:
        with unit_of_work():
            version = make.drafted(provider)
            publication.submit(version, policy=POLICY, by=make.staff_of(provider), at=AT)
            publication.turn_down(version, reason="Too vague.", by=make.regulator(), at=AT)

        assert version.state is VersionState.CLOSED
        assert shelf.version_in_force(version.package_id, NEXT_YEAR) is None
        with pytest.raises(NoSuchStep), unit_of_work():
            publication.turn_down(version, reason="Again.", by=make.regulator(), at=AT)


class TestStates:
    def test_are_all_named_in_each_table(self) -> None:
        assert set(MAY_BECOME) == set(AUDITED_AS) == set(VersionState)

    def test_let_no_step_be_left_out_or_repeated(self, provider: Provider) -> None:
        with unit_of_work():
            version = make.drafted(provider)
            sam, rita = make.staff_of(provider), make.regulator()
        steps: dict[VersionState, Callable[[], None]] = {
            VersionState.SUBMITTED: lambda: publication.submit(version, policy=POLICY, by=sam, at=AT),
            VersionState.CERTIFIED: lambda: publication.certify(version, policy=POLICY, by=rita, at=AT),
            VersionState.LISTED: lambda: publication.put_on_shelf(version, policy=POLICY, by=sam, at=AT),
            VersionState.CLOSED: lambda: publication.take_off_shelf(version, reason="Over.", by=sam, at=AT),
        }
        for next_state, right in steps.items():
            for state, step in steps.items():
                if state not in MAY_BECOME[version.state]:
                    with pytest.raises(NoSuchStep), unit_of_work():
                        step()
            with unit_of_work():
                right()
            assert version.state is next_state


class TestOnSale:
    def test_is_what_is_listed_for_the_plan_year(self, provider: Provider) -> None:
        with unit_of_work():
            make.drafted(provider, name="Draft")
            make.listed(provider, name="Old", plan_year=THIS_YEAR)
            version = make.listed(provider)

        assert on_sale() == {version.id}
        assert shelf.takes_new_members(version)

    def test_is_empty_as_soon_as_reserves_fall_below_the_rung(self, provider: Provider) -> None:
        with unit_of_work():
            version = make.listed(provider)
            make.owe(provider, 10_000, key="a")
            make.file_cash(provider, 10_000)
        assert on_sale() == {version.id}

        with unit_of_work():
            make.file_cash(provider, 9_999)

        assert on_sale() == set()
        assert not shelf.takes_new_members(version)
        assert version.state is VersionState.LISTED

    def test_is_empty_as_soon_as_the_provider_is_suspended(self, provider: Provider) -> None:
        with unit_of_work():
            version = make.listed(provider)
            make.decide(provider, ProviderState.SUSPENDED)

        assert on_sale() == set()
        assert not shelf.takes_new_members(version)

    @pytest.mark.parametrize(
        ("place", "there"),
        [
            ("US-WA/King County", True),
            ("US-WA/King County/Seattle", True),
            ("US-WA", False),
            ("US-WA/King", False),
            ("US-WA/Pierce County", False),
            (None, True),
        ],
    )
    def test_is_what_serves_where_one_lives(self, provider: Provider, place: str | None, there: bool) -> None:
        with unit_of_work():
            version = make.listed(provider, said=make.terms(service_area="US-WA/King County"))

        assert (version.id in on_sale(place=place)) is there
        assert place is None or shelf.serves(version, place) is there

    def test_leaves_out_what_was_replaced_or_taken_off(self, provider: Provider) -> None:
        with unit_of_work():
            first = make.listed(provider)
            second = packages.clone(first, plan_year=NEXT_YEAR, policy=POLICY, by=BY, at=AT)
            make.publish(second)
        assert (on_sale(), first.state) == ({second.id}, VersionState.CLOSED)

        with unit_of_work():
            publication.take_off_shelf(second, reason="Sold out.", by=make.staff_of(provider), at=AT)

        assert on_sale() == set()


class TestInForce:
    def test_is_the_version_of_the_latest_plan_year_that_is_not_after(self, provider: Provider) -> None:
        with unit_of_work():
            now = make.listed(provider, plan_year=THIS_YEAR)
            later = packages.clone(now, plan_year="2028", policy=POLICY, by=BY, at=AT)
            make.publish(later)
            other = make.drafted(provider, name="Never listed")
        found = {
            year: shelf.versions_in_force([now.package_id, other.package_id], year)
            for year in ("2025", "2026", "2027", "2028", "2029")
        }

        assert found == {
            "2025": {},
            "2026": {now.package_id: now.id},
            "2027": {now.package_id: now.id},
            "2028": {now.package_id: later.id},
            "2029": {now.package_id: later.id},
        }

    def test_is_the_listed_version_before_those_it_replaced_and_stays_when_it_is_closed(
        self, provider: Provider
    ) -> None:
        with unit_of_work():
            first = make.listed(provider, plan_year=THIS_YEAR)
            second = packages.clone(first, plan_year=THIS_YEAR, policy=POLICY, by=BY, at=AT)
        assert shelf.version_in_force(first.package_id, NEXT_YEAR) == first.id
        with unit_of_work():
            make.publish(second)
        assert shelf.version_in_force(first.package_id, NEXT_YEAR) == second.id

        with unit_of_work():
            assert publication.close_past_years(NEXT_YEAR, by=BY, at=AT) == 1
            assert publication.close_past_years(NEXT_YEAR, by=BY, at=AT) == 0

        assert second.state is VersionState.CLOSED
        assert shelf.version_in_force(first.package_id, NEXT_YEAR) == second.id

    def test_splits_the_whole_of_a_contribution(self, provider: Provider) -> None:
        with unit_of_work():
            version = make.listed(provider)

        assert shelf.split_of(version.id) == TERMS.split
        assert sum(shelf.split_of(version.id).values()) == 10_000
        assert shelf.accruals_of([version.id]) == {version.id: {"paid_leave": 30}}


class TestDiscontinue:
    def test_names_who_the_members_go_to(self, provider: Provider) -> None:
        with unit_of_work():
            old, new = make.listed(provider, name="Old", plan_year=THIS_YEAR), make.listed(provider, name="New")
            late = packages.clone(old, plan_year=NEXT_YEAR, policy=POLICY, by=BY, at=AT)
            make.publish(late)
            ended, successor = make.package_of(old), make.package_of(new)
            publication.discontinue(
                ended, last_plan_year=THIS_YEAR, successor=successor, policy=POLICY, by=make.staff_of(provider), at=AT
            )

        assert (ended.last_plan_year, ended.successor_id) == (THIS_YEAR, successor.id)
        assert on_sale() == {new.id}
        assert late.state is VersionState.CLOSED
        with pytest.raises(Discontinued), unit_of_work():
            packages.clone(old, plan_year=NEXT_YEAR, policy=POLICY, by=BY, at=AT)

    @pytest.mark.parametrize("successor", ["nobody", "itself", "never listed", "ends itself", "of nobody qualified"])
    def test_is_refused_without_one_that_goes_on(self, provider: Provider, successor: str) -> None:
        with unit_of_work():
            ended = make.package_of(make.listed(provider, name="Old"))
            other = make.package_of(make.listed(provider, name="Ending"))
            other.last_plan_year = NEXT_YEAR
            draft = make.package_of(make.drafted(provider, name="Draft"))
            fallen = make.qualified("Fallen Guild", ein="910000002")
            theirs = make.package_of(make.listed(fallen))
            make.decide(fallen, ProviderState.SUSPENDED)
        named = {
            "nobody": None,
            "itself": ended,
            "never listed": draft,
            "ends itself": other,
            "of nobody qualified": theirs,
        }

        with pytest.raises(NoSuccessor), unit_of_work():
            publication.discontinue(
                ended, last_plan_year=NEXT_YEAR, successor=named.get(successor, theirs), policy=POLICY, by=BY, at=AT
            )

        assert (ended.last_plan_year, ended.successor_id) == (None, None)

    @pytest.mark.parametrize(("day", "refused"), [(2, False), (3, True)])
    def test_is_announced_in_time(self, provider: Provider, day: int, refused: bool) -> None:
        """Sixty days before 1 January 2027 is 2 November 2026."""
        with unit_of_work():
            old, new = make.listed(provider, name="Old"), make.listed(provider, name="New")
        refusal = publication.refusal_to_discontinue(
            make.package_of(old),
            last_plan_year=THIS_YEAR,
            successor=make.package_of(new),
            policy=POLICY,
            at=datetime(2026, 11, day, 20, tzinfo=UTC),
        )

        assert isinstance(refusal, NoticeTooShort) is refused

    def test_is_refused_for_a_year_that_is_over_and_twice(self, provider: Provider) -> None:
        with unit_of_work():
            old, new = (make.package_of(make.listed(provider, name=name)) for name in ("Old", "New"))
        with pytest.raises(NotForThisYear), unit_of_work():
            publication.discontinue(old, last_plan_year="2025", successor=new, policy=POLICY, by=BY, at=AT)
        with unit_of_work():
            publication.discontinue(old, last_plan_year=THIS_YEAR, successor=new, policy=POLICY, by=BY, at=AT)
        with pytest.raises(Discontinued), unit_of_work():
            publication.discontinue(old, last_plan_year=NEXT_YEAR, successor=new, policy=POLICY, by=BY, at=AT)

        assert old.last_plan_year == THIS_YEAR


class TestPackageScope:
    def test_shows_the_public_what_is_listed_and_a_provider_all_of_its_own(self, provider: Provider) -> None:
        with unit_of_work():
            shown, draft = make.listed(provider), make.drafted(provider, name="Draft")
            other = make.qualified("New Guild", ein="910000002")
            theirs = make.listed(other)

        def seen(actor: Actor) -> tuple[set[int], set[int]]:
            versions = db.session.execute(access.selecting(PackageVersion, actor)).scalars()
            found = db.session.execute(access.selecting(Package, actor)).scalars()
            return {one.id for one in versions}, {one.id for one in found}

        def both(*versions: PackageVersion) -> tuple[set[int], set[int]]:
            return {one.id for one in versions}, {one.package_id for one in versions}

        own = Actor(Audience.PROVIDER, "p", login_id=1, organization_id=provider.organization_id)
        assert seen(ANONYMOUS) == both(shown, theirs)
        assert seen(own) == both(shown, draft)
        assert seen(Actor(Audience.OPERATOR, "o", login_id=1)) == both(shown, draft, theirs)
        with unit_of_work():
            make.decide(other, ProviderState.SUSPENDED)
        assert seen(ANONYMOUS) == both(shown)
