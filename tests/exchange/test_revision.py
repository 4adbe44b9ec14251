"""Does the word for the market change with the market, and with nothing else?"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import update

from enrollment import windows
from enrollment.models import EnrollmentWindow
from exchange import clock, revision
from exchange.database import db, unit_of_work, writing
from exchange.identity import organizations
from exchange.identity.actors import system_actor
from exchange.identity.organizations import Organization, OrganizationKind
from providers import packages
from providers.models import Package, PackageVersion, Provider, VersionState
from tests.support.worker_makers import Market

BY = system_actor("test")


@pytest.fixture
def market(app: Flask) -> Market:
    return Market()


def word() -> str:
    return revision.moment().market


def _close_a_version(market: Market) -> None:
    market.version_of(0).state = VersionState.CLOSED


def _end_a_package(market: Market) -> None:
    db.session.get_one(Package, market.packages[0]).last_plan_year = market.year.id


def _draft(market: Market) -> None:
    first = market.version_of(0)
    provider = db.session.get_one(Provider, market.provider_of(market.packages[0]))
    made = packages.create(provider, name="Another", by=BY, at=clock.now())
    packages.draft(
        made,
        plan_year=market.next_year.id,
        terms=packages.terms_of(first),
        policy=market.policy,
        by=BY,
        at=clock.now(),
    )


def _another_tier(market: Market) -> None:
    db.session.get_one(Provider, market.provider_of(market.packages[0])).tier = "watch"


def _rename(market: Market) -> None:
    db.session.get_one(Organization, market.provider_of(market.packages[0])).name = "Harbor Drivers United"


def _pause(market: Market) -> None:
    db.session.get_one(EnrollmentWindow, market.window_id).ordered_at = clock.now()


class TestWord:
    @pytest.mark.parametrize("change", [_close_a_version, _end_a_package, _draft, _another_tier, _rename, _pause])
    def test_is_another_one_after_a_change_that_pages_show(
        self, market: Market, change: Callable[[Market], None]
    ) -> None:
        before = word()
        with unit_of_work():
            change(market)
            db.session.flush()
            while_open = word()

        assert while_open == before, "nobody sees what is not committed"
        assert word() != before

    def test_stays_when_the_change_is_taken_back(self, market: Market) -> None:
        before = word()

        with writing():
            _another_tier(market)
            db.session.flush()
            db.session.rollback()

        assert word() == before

    def test_stays_when_somebody_works_or_gets_a_window_of_his_own(self, market: Market) -> None:
        account_id = market.worker()
        before = word()

        with unit_of_work():
            organizations.found("Another Employer", kind=OrganizationKind.EMPLOYER, by=BY, at=clock.now())
            cause = market.policy.cause("moved")
            windows.open_special(
                [account_id], cause=cause, event_on=market.today, policy=market.policy, by=BY, at=clock.now()
            )

        assert word() == before

    def test_tells_the_database_s_time(self, market: Market) -> None:
        before = clock.real_now()

        at = revision.moment().at

        assert before <= at <= clock.real_now() + timedelta(milliseconds=1)

    def test_is_one_for_all_rows_of_a_transaction(self, market: Market) -> None:
        before = word()

        with unit_of_work():
            db.session.execute(update(PackageVersion).values(closed_at=clock.now()))

        assert word() != before
