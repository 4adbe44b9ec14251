"""Does a regulator see one provider whole, and decide on it only with another?"""

from __future__ import annotations

from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select

from exchange import clock
from exchange.audit import AuditEvent
from exchange.clock import local_date
from exchange.database import db, in_unit_of_work
from exchange.identity import organizations
from exchange.identity.actors import Audience
from exchange.identity.organizations import OrganizationKind
from providers import decisions, packages, publication, qualification, reserve_checks, reserve_filings
from providers.models import (
    CriterionState,
    Finding,
    FindingState,
    PackageVersion,
    Provider,
    ProviderCriterion,
    ProviderDecision,
    ProviderState,
    ReserveCheck,
    ReserveFiling,
    VersionState,
)
from tests.support import provider_makers
from tests.support.provider_makers import BY, staff_of, terms
from tests.support.signing_in import make_login, post, sign_in
from tests.support.worker_makers import Market


@pytest.fixture
def market(app: Flask) -> Market:
    app.config["PROGRAM_ZONE"] = "America/Los_Angeles"
    made = Market()
    made.contribute(made.worker())
    return made


def enter(app: Flask, name: str) -> FlaskClient:
    """Come in as a regulator of the one board."""
    board = organizations.named("The board", kind=OrganizationKind.REGULATOR)
    assert board is not None
    client = app.test_client()
    sign_in(client, make_login(Audience.REGULATOR, name, organization_id=board.id))
    return client


@pytest.fixture
def rita(app: Flask, market: Market) -> FlaskClient:
    return enter(app, "Rita Moss")


@pytest.fixture
def ron(app: Flask, market: Market) -> FlaskClient:
    return enter(app, "Ron Hale")


@pytest.fixture
def harbor(market: Market) -> int:
    """The union that Ada is with, which has filed one dollar against what it owes her."""
    id_ = market.provider_of(market.packages[0])
    file(market, id_, 100)
    return id_


def file(market: Market, provider_id: int, cash_cents: int) -> None:
    def work() -> None:
        provider, at = db.session.get_one(Provider, provider_id), clock.now()
        today = local_date(at, "America/Los_Angeles")
        holdings = {"cash": cash_cents, "shares": 1_000}
        reserve_filings.file_reserves(
            provider, as_of=today, holdings=holdings, policy=market.policy, by=staff_of(provider), at=at
        )

    in_unit_of_work(work)


def counts() -> dict[str, int]:
    """How much is written down: what a question leaves as it is."""
    return {
        model.__tablename__: db.session.execute(select(func.count()).select_from(model)).scalar_one()
        for model in (ReserveCheck, Finding, ProviderDecision, AuditEvent)
    }


def state_of(provider_id: int) -> ProviderState:
    return db.session.get_one(Provider, provider_id).state


class TestProviderPage:
    def test_shows_figures_findings_and_what_is_not_known(self, rita: FlaskClient, harbor: int) -> None:
        page = rita.get(f"/regulator/providers/{harbor}").text

        assert "Harbor Drivers Union" in page
        assert "Run-off" in page
        assert "whether it is there, the exchange cannot see" in page
        assert "The reserves now stand at “Run-off”; before, they stood at “Strong”." in page
        assert "It is proposed that this provider becomes: Suspended." in page

    def test_lists_every_check_with_the_filing_it_used(self, rita: FlaskClient, harbor: int) -> None:
        check = db.session.execute(select(ReserveCheck)).scalar_one()

        page = rita.get(f"/regulator/providers/{harbor}/checks").text
        file_ = rita.get(f"/regulator/providers/{harbor}/checks.csv").text

        assert f"/regulator/providers/{harbor}/filings/{check.filing_id}" in page
        assert f",{check.liabilities_cents},{check.individual_cents},{check.pooled_cents}," in file_

    def test_shows_what_of_a_filing_counts(self, rita: FlaskClient, harbor: int) -> None:
        filing_id = db.session.execute(select(ReserveFiling.id)).scalar_one()

        page = rita.get(f"/regulator/providers/{harbor}/filings/{filing_id}").text

        assert "Listed shares" in page
        assert "$10.00" in page
        assert "40%" in page
        assert "$7.00" in page, "one dollar of cash and six of ten in shares"
        assert rita.get(f"/regulator/providers/{harbor + 1}/filings/{filing_id}").status_code == 404

    def test_asks_what_if_without_writing_anything(self, rita: FlaskClient, market: Market, harbor: int) -> None:
        file(market, harbor, 10_000_000)
        before = counts()

        calm = rita.get(f"/regulator/providers/{harbor}?leave=0&claims=0").text
        worst = rita.get("/regulator/what-if/?leave=0&claims=1000").text
        odd = rita.get("/regulator/what-if/?leave=-5&claims=x")

        assert "falls below a border" not in calm
        assert "Harbor Drivers Union" in worst
        assert odd.status_code == 200
        assert counts() == before

    def test_knows_no_other_providers(self, rita: FlaskClient) -> None:
        assert rita.get("/regulator/providers/987654").status_code == 404
        assert rita.get("/regulator/providers/987654/checks").status_code == 404


class TestFinding:
    def test_is_closed_with_a_reason(self, rita: FlaskClient, harbor: int) -> None:
        (finding,) = reserve_checks.open_findings(harbor)
        address = f"/regulator/providers/{harbor}/findings/{finding.id}"

        assert post(rita, address).status_code == 422
        assert post(rita, address, {"reason": "They have paid in."}).status_code == 303

        assert db.session.execute(select(Finding.state)).scalar_one() is FindingState.CLOSED
        assert "Close it" not in rita.get(address).text


class TestSuspension:
    def test_is_proposed_by_one_and_agreed_to_by_another(
        self, rita: FlaskClient, ron: FlaskClient, market: Market
    ) -> None:
        valley = market.provider_of(market.packages[1])
        address = f"/regulator/decisions/providers/{valley}/propose"
        assert "Suspended" in rita.get(address).text

        assert post(rita, address, {"becomes": "suspended"}).status_code == 422
        assert post(rita, address, {"becomes": "applied", "reason": "x"}).status_code == 422
        assert post(rita, address, {"becomes": "suspended", "reason": "Books not shown."}).status_code == 303
        decision_id = db.session.execute(select(ProviderDecision.id)).scalar_one()
        answer = f"/regulator/decisions/{decision_id}"

        assert "another regulator has to answer it" in rita.get(answer).text
        assert post(rita, f"{answer}/agree").status_code == 403
        assert state_of(valley) is ProviderState.QUALIFIED
        assert "Waits for you" in ron.get("/regulator/decisions/").text
        assert post(ron, f"{answer}/agree").status_code == 303
        assert state_of(valley) is ProviderState.SUSPENDED
        assert "Agreed, and decided by that." in ron.get("/regulator/").text
        assert post(ron, f"{answer}/agree").status_code == 409

    def test_is_rejected_with_a_reason_and_changes_nothing(
        self, rita: FlaskClient, ron: FlaskClient, market: Market
    ) -> None:
        valley = market.provider_of(market.packages[1])
        post(
            rita,
            f"/regulator/decisions/providers/{valley}/propose",
            {"becomes": "suspended", "reason": "Books not shown."},
        )
        decision_id = db.session.execute(select(ProviderDecision.id)).scalar_one()

        assert post(ron, f"/regulator/decisions/{decision_id}").status_code == 422
        assert post(ron, f"/regulator/decisions/{decision_id}", {"reason": "They were shown."}).status_code == 303

        assert state_of(valley) is ProviderState.QUALIFIED
        assert "Rejected" in ron.get(f"/regulator/providers/{valley}").text

    def test_that_the_system_asks_for_takes_two_people(self, rita: FlaskClient, ron: FlaskClient, harbor: int) -> None:
        decision_id = db.session.execute(select(ProviderDecision.id)).scalar_one()
        assert "the exchange itself proposed it" in rita.get(f"/regulator/decisions/{decision_id}").text

        post(rita, f"/regulator/decisions/{decision_id}/agree")
        assert state_of(harbor) is ProviderState.QUALIFIED
        post(rita, f"/regulator/decisions/{decision_id}/agree")
        assert state_of(harbor) is ProviderState.QUALIFIED
        post(ron, f"/regulator/decisions/{decision_id}/agree")

        assert state_of(harbor) is ProviderState.SUSPENDED

    def test_asks_for_the_password_when_the_sign_in_is_not_fresh(
        self, app: Flask, ron: FlaskClient, harbor: int
    ) -> None:
        decision_id = db.session.execute(select(ProviderDecision.id)).scalar_one()
        app.config["SECURITY_FRESHNESS"] = timedelta(0)

        for address in (f"/regulator/decisions/{decision_id}", f"/regulator/decisions/{decision_id}/agree"):
            answer = post(ron, address, {"reason": "They were shown."})

            assert "/sign-in/again" in answer.headers["Location"]
        assert "/sign-in/again" in ron.get(f"/regulator/decisions/providers/{harbor}/propose").headers["Location"]
        assert decisions.people_behind(decision_id) == []
        assert state_of(harbor) is ProviderState.QUALIFIED

    def test_knows_no_other_decisions(self, rita: FlaskClient) -> None:
        assert rita.get("/regulator/decisions/987654").status_code == 404
        assert post(rita, "/regulator/decisions/987654/agree").status_code == 404


class TestQualification:
    @pytest.fixture
    def applicant(self, market: Market) -> int:
        def make() -> int:
            provider_makers.enter_in_register("910000077", "Cedar Guild")
            said = qualification.Application("Cedar Guild", "union", "910000077", "For carpenters.")  # type: ignore[arg-type]
            return qualification.apply(said, policy=market.policy, by=BY, at=clock.now()).organization_id

        return in_unit_of_work(make)

    def test_begins_with_a_review(self, rita: FlaskClient, applicant: int) -> None:
        assert "Cedar Guild" in rita.get("/regulator/decisions/").text
        assert "Begin the review" in rita.get(f"/regulator/providers/{applicant}").text

        assert post(rita, f"/regulator/decisions/providers/{applicant}/review").status_code == 303

        assert state_of(applicant) is ProviderState.UNDER_REVIEW
        assert post(rita, f"/regulator/decisions/providers/{applicant}/review").status_code == 409

    def test_answers_a_criterion_with_a_reason(self, rita: FlaskClient, applicant: int) -> None:
        address = f"/regulator/decisions/providers/{applicant}/criteria/no_political_spending"

        assert post(rita, address, {"answer": "met"}).status_code == 422
        assert post(rita, address, {"answer": "met", "reason": "Declared."}).status_code == 303

        row = db.session.get_one(ProviderCriterion, (applicant, "no_political_spending"))
        assert (row.state, row.reason) == (CriterionState.MET, "Declared.")
        assert row.expires_on is not None

    def test_finds_nothing_met_that_figures_deny(self, rita: FlaskClient, applicant: int) -> None:
        address = f"/regulator/decisions/providers/{applicant}/criteria/member_board"

        answer = post(rita, address, {"answer": "met", "reason": "They told me so."})

        assert answer.status_code == 422
        assert "Member workers elect 0 of the board&#39;s 0 seats." in answer.text
        assert db.session.get_one(ProviderCriterion, (applicant, "member_board")).state is CriterionState.OPEN

    def test_says_which_criteria_are_missing(self, rita: FlaskClient, applicant: int) -> None:
        post(rita, f"/regulator/decisions/providers/{applicant}/review")

        page = rita.get(f"/regulator/decisions/providers/{applicant}/propose").text

        assert "Not met, or not answered yet: At least half of the board elected by member workers" in page
        assert rita.get(f"/regulator/decisions/providers/{applicant}/criteria/nonsense").status_code == 404


class TestCertification:
    @pytest.fixture
    def submitted(self, market: Market) -> int:
        def make() -> int:
            provider = db.session.get_one(Provider, market.provider_of(market.packages[0]))
            version = packages.draft(
                packages.create(provider, name="New", by=staff_of(provider), at=clock.now()),
                plan_year=market.next_year.id,
                terms=terms(),
                policy=market.policy,
                by=staff_of(provider),
                at=clock.now(),
            )
            publication.submit(version, policy=market.policy, by=staff_of(provider), at=clock.now())
            return version.id

        return in_unit_of_work(make)

    def test_waits_in_a_queue_and_lets_a_package_on_the_shelf(self, rita: FlaskClient, submitted: int) -> None:
        assert "New, version 1" in rita.get("/regulator/packages/").text
        assert "No rule speaks against these terms." in rita.get(f"/regulator/packages/{submitted}").text

        assert post(rita, f"/regulator/packages/{submitted}/certify").status_code == 303

        assert db.session.get_one(PackageVersion, submitted).state is VersionState.CERTIFIED
        assert "New, version 1" not in rita.get("/regulator/packages/").text
        assert "New, version 1" in rita.get("/regulator/packages/?state=certified").text
        assert post(rita, f"/regulator/packages/{submitted}/certify").status_code == 409

    def test_is_refused_with_a_reason(self, rita: FlaskClient, submitted: int) -> None:
        assert post(rita, f"/regulator/packages/{submitted}").status_code == 422
        assert post(rita, f"/regulator/packages/{submitted}", {"reason": "Too vague."}).status_code == 303

        assert db.session.get_one(PackageVersion, submitted).state is VersionState.CLOSED

    def test_does_not_see_what_is_only_drafted(self, rita: FlaskClient, market: Market) -> None:
        def make() -> int:
            provider = db.session.get_one(Provider, market.provider_of(market.packages[0]))
            package = packages.create(provider, name="New", by=staff_of(provider), at=clock.now())
            return packages.draft(
                package, plan_year=market.next_year.id, terms=terms(), policy=market.policy, by=staff_of(provider),
                at=clock.now(),
            ).id  # fmt: skip

        draft = in_unit_of_work(make)

        assert rita.get(f"/regulator/packages/{draft}").status_code == 404
        assert "New, version" not in rita.get("/regulator/packages/?state=any").text
        assert "New, version" not in rita.get("/regulator/packages/?state=draft").text
