"""Does the overview show every provider as its last check left it, at a price that does not grow with them?"""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from flask import Flask

from exchange.database import in_unit_of_work
from providers import decisions, overview, publication, reserve_checks
from providers.models import CheckCause, ProviderState
from tests.support.counting import statements
from tests.support.provider_makers import (
    AT,
    BY,
    POLICY,
    TODAY,
    applicant,
    drafted,
    file_cash,
    open_program,
    owe,
    qualified,
    regulator,
    staff_of,
)


@pytest.fixture(autouse=True)
def program(app: Flask) -> None:
    in_unit_of_work(open_program)


def check(on: date) -> None:
    at = AT + (on - TODAY)
    in_unit_of_work(
        lambda: reserve_checks.check(None, policy=POLICY, on=on, cause=CheckCause.DAILY, by=BY, at=at) and None
    )


def two_providers() -> None:
    harbor = qualified(cash_cents=30_000)
    valley = qualified("Valley Mutual", ein="910000002", cash_cents=10_000)
    owe(harbor, 20_000, key="harbor")
    owe(valley, 20_000, key="valley")


class TestPlaces:
    def test_shows_the_figures_of_the_last_check(self) -> None:
        in_unit_of_work(two_providers)
        check(TODAY)
        check(TODAY + timedelta(days=1))

        harbor, valley = overview.places(policy=POLICY, on=TODAY + timedelta(days=1))

        assert (harbor.name, harbor.tier, harbor.ratio_bp) == ("Harbor Union", "strong", 15_000)
        assert (harbor.liabilities_cents, harbor.required_cents, harbor.held_cents) == (20_000, 20_000, 30_000)
        assert (valley.tier, valley.ratio_bp, valley.open_findings) == ("run_off", 5_000, 1)
        assert valley.decision_id is not None, "the system asks people to suspend it"
        assert valley.trend == (5_000, 5_000)
        assert (valley.filed_as_of, valley.checked_on) == (TODAY, TODAY + timedelta(days=1))

    @pytest.mark.parametrize(("days", "overdue"), [(121, 0), (122, 1), (150, 29)])
    def test_counts_the_days_since_a_filing_was_due(self, days: int, overdue: int) -> None:
        in_unit_of_work(qualified)

        (harbor,) = overview.places(policy=POLICY, on=TODAY + timedelta(days=days))

        assert harbor.due_on == TODAY + timedelta(days=121), "91 days and 30 of grace"
        assert harbor.days_overdue == overdue

    def test_waits_for_no_filing_of_who_is_gone(self) -> None:
        def withdraw() -> None:
            provider = qualified()
            decisions.change_state(provider, ProviderState.WITHDRAWN, by=regulator(), at=AT)

        in_unit_of_work(withdraw)

        (harbor,) = overview.places(policy=POLICY, on=TODAY + timedelta(days=500))

        assert harbor.days_overdue == 0

    def test_shows_who_has_only_applied_with_no_figures(self) -> None:
        in_unit_of_work(applicant)

        (harbor,) = overview.places(policy=POLICY, on=TODAY)

        assert (harbor.state, harbor.tier, harbor.ratio_bp, harbor.trend) == (ProviderState.APPLIED, None, None, ())
        assert (harbor.filed_as_of, harbor.due_on) == (None, TODAY + timedelta(days=30))

    def test_asks_no_more_for_more_providers(self) -> None:
        in_unit_of_work(qualified)
        check(TODAY)
        with statements() as for_one:
            overview.places(policy=POLICY, on=TODAY)
        in_unit_of_work(lambda: [qualified(f"Provider {n}", ein=f"92000000{n}") for n in range(5)] and None)
        check(TODAY + timedelta(days=1))

        with statements() as for_six:
            found = overview.places(policy=POLICY, on=TODAY)

        assert len(found) == 6
        assert len(for_six) == len(for_one)


class TestWaiting:
    def test_counts_what_waits_for_people(self) -> None:
        def make() -> None:
            two_providers()
            applicant("Summit Guild", ein="910000003")
            plain = qualified("Plain Aid", ein="910000004")
            publication.submit(drafted(plain), policy=POLICY, by=staff_of(plain), at=AT)

        in_unit_of_work(make)
        check(TODAY)

        waits = overview.waiting(TODAY)

        assert (waits.decisions, waits.findings, waits.packages, waits.applications) == (1, 1, 1, 1)
        assert waits.answers_late == 0

    def test_says_when_an_answer_is_late(self) -> None:
        def make() -> None:
            provider = qualified(cash_cents=22_000)
            owe(provider, 20_000, key="owed")
            file_cash(provider, 22_000)

        in_unit_of_work(make)

        assert overview.waiting(TODAY + timedelta(days=60)).answers_late == 0
        assert overview.waiting(TODAY + timedelta(days=61)).answers_late == 1
