"""Are the figures that a worker sees of his account those of the books?"""

from __future__ import annotations

from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text

from enrollment import contributions, overview, registration, windows
from enrollment.models import BenefitAccount, Employer, Employment
from enrollment.overview import ContributionState
from enrollment.registration import Person
from exchange import clock
from exchange.calendar import next_plan_year
from exchange.database import db, in_unit_of_work, unit_of_work
from exchange.money import Unit
from exchange.policy import versions
from tests.support.employer_makers import open_program, work
from tests.support.enrollment_makers import totals_of
from tests.support.policies import NEW_YORK
from tests.support.signing_in import sign_in
from tests.support.worker_makers import BY, PASSWORD, Market, login_of


@pytest.fixture
def market(app: Flask) -> Market:
    """Four providers and an open enrollment that is open now."""
    return Market()


@pytest.fixture
def ada(market: Market) -> int:
    """A worker whom two employers pay in for."""
    account_id = market.worker()
    market.contribute(account_id, months=2)
    return account_id


class TestHoldings:
    def test_are_everything_that_the_books_hold(self, market: Market, ada: int) -> None:
        holdings = overview.holdings_of(ada, policy=market.policy)

        totals = totals_of(ada)
        assert sum(one.cents for one in holdings) == totals[Unit.USD]
        assert sum(one.minutes or 0 for one in holdings) == totals[Unit.MIN]
        assert [one.name for one in holdings] == ["Paid leave", "Sick leave", "Retirement", "Training"]
        assert {one.holder for one in holdings} == {"Harbor Drivers Union"}

    def test_say_what_the_exchange_holds(self, market: Market) -> None:
        ben = market.worker("Ben Ortiz", package=None)
        market.contribute(ben, months=1)

        holdings = overview.holdings_of(ben, policy=market.policy)

        assert holdings
        assert all(one.held_by_exchange for one in holdings)
        home = overview.home_of(db.session.get_one(BenefitAccount, ben), policy=market.policy, at=clock.real_now())
        assert home.is_exchange


class TestPayers:
    def test_are_told_with_what_they_paid_and_have_yet_to_pay(self, market: Market, ada: int) -> None:
        account = db.session.get_one(BenefitAccount, ada)
        day = market.today - timedelta(days=2)

        def report() -> None:
            employer = db.session.get_one(Employer, market.employers[0])
            line = work(account, first_day=day, last_day=day, minutes=60)
            contributions.submit([line], employer=employer, source="form", by=BY, at=clock.real_now())

        in_unit_of_work(report)

        payers = {payer.name: payer for payer in overview.payers_of(ada)}

        assert payers["Blue Cab"].waiting_cents == 354
        assert payers["Blue Cab"].last_worked_on == day
        assert payers["Tidy Homes"].waiting_cents == 0
        ids = list(db.session.execute(overview.contributions_of(ada)).scalars())
        listed = overview.paid(ids, policy=market.policy)
        assert [one.state for one in listed][:2] == [ContributionState.WAITING, ContributionState.POSTED]
        for name, payer in payers.items():
            posted = [one.cents for one in listed if one.employer == name and one.state is ContributionState.POSTED]
            assert (sum(posted), len(posted)) == (payer.paid_cents, payer.contributions)

    @pytest.mark.parametrize("engine_name", ["sqlite"])
    def test_are_read_from_the_accounts_own_contributions(self, market: Market, ada: int) -> None:
        asked = overview.payers(Employment.benefit_account_id == ada).compile(
            dialect=db.engine.dialect, compile_kwargs={"literal_binds": True}
        )

        plan = str(db.session.execute(text(f"EXPLAIN QUERY PLAN {asked}")).all())

        assert "ix_contribution_benefit_account_id" in plan
        assert "ix_contribution_employer_id" not in plan

    def test_each_contribution_says_how_it_was_computed_and_what_lateness_added(self, market: Market, ada: int) -> None:
        ids = list(db.session.execute(overview.contributions_of(ada)).scalars())

        words = {one.explanation.split(";")[0] for one in overview.paid(ids, policy=market.policy)}

        assert words == {"80 h 15 min at $3.54 per hour = $284.09", "9 × $5.00 per job = $45.00"}
        assert any("for being late" in one.explanation for one in overview.paid(ids, policy=market.policy))


class TestPattern:
    def test_is_a_third_of_three_months(self, market: Market, ada: int) -> None:
        pattern = overview.pattern_of(ada, today=market.today)

        assert pattern is not None
        assert pattern.minutes == 2 * (4_815 + 1_620) // 3
        assert pattern.contribution_cents == 2 * (28_409 + 4_500) // 3

    def test_is_none_of_who_has_not_worked_lately(self, market: Market, ada: int) -> None:
        assert overview.pattern_of(ada, today=market.today + timedelta(days=400)) is None


class TestPages:
    PAGES = (
        "/worker/",
        "/worker/card",
        "/worker/contributions",
        "/worker/contributions.csv",
        "/worker/statement/",
        "/worker/statement/statement.csv",
        "/worker/leave/",
        "/worker/switches/",
        "/worker/choose/",
        "/worker/choose/?has=training&sort=fee",
        "/worker/choose/compare",
        "/worker/special-enrollment/",
    )

    @pytest.mark.parametrize("package", [0, None])
    def test_are_there_for_members_and_for_who_has_chosen_nobody(
        self, client: FlaskClient, market: Market, package: int | None
    ) -> None:
        market.worker("Cleo Ray", package=package)
        sign_in(client, login_of("cleo.ray@example.org").id)

        answers = {page: client.get(page).status_code for page in self.PAGES}

        assert set(answers.values()) == {200}, answers

    def test_are_there_under_another_jurisdictions_law(self, client: FlaskClient) -> None:
        with unit_of_work():
            open_program(NEW_YORK)
            at = clock.real_now()
            policy = versions.at_instant(at)
            person = Person("Cleo Ray", "cleo.ray@example.org", PASSWORD, policy.places[0].code)
            registration.register(person, policy=policy, by=BY, at=at)
            windows.publish_open_enrollment(policy, next_plan_year(policy, at.date()), by=BY, at=at)
        sign_in(client, login_of("cleo.ray@example.org").id)

        answers = {page: client.get(page).status_code for page in self.PAGES if "compare" not in page}

        assert set(answers.values()) == {200}, answers

    def test_hold_what_somebody_else_chose_away(self, client: FlaskClient, market: Market) -> None:
        market.worker("Cleo Ray")
        sign_in(client, login_of("cleo.ray@example.org").id)

        for page in (
            "/worker/switches/987654",
            "/worker/choose/987654",
            "/worker/choose/compare?window=987654",
            f"/worker/choose/{10**30}",
            f"/worker/switches/{10**30}",
        ):
            assert client.get(page).status_code == 404
