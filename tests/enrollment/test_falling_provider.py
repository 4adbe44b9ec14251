"""When a provider's reserves fall in the middle of an open enrollment: who may still choose it, and who is told?"""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from flask import Flask
from sqlalchemy import func, select

from enrollment import elections, special
from enrollment.models import BenefitAccount, ElectionState, EnrollmentWindow
from exchange.audit import AuditEvent
from exchange.database import db, unit_of_work
from exchange.errors import Refusal
from exchange.identity.organizations import Organization, OrganizationKind
from exchange.ledger import invariants
from exchange.money import Unit
from exchange.notices import Notice
from exchange.scheduler import jobs as scheduler_jobs
from exchange.scheduler import runner
from exchange.scheduler.records import RunState
from providers import jobs
from providers.models import Finding, Provider
from tests.support.enrollment_makers import BY, WHILE_OPEN, Town
from tests.support.provider_makers import file_cash, owe

DAY = timedelta(days=1)
TODAY = date(2026, 12, 1)
OWED = {("retirement", Unit.USD): 100_000}


@pytest.fixture
def town(app: Flask) -> Town:
    """All have filed $1,600.00; Valley Mutual owes $1,000.00 to Ben: strong as the others; the enrollment is open."""
    app.config["PROGRAM_ZONE"] = "America/Los_Angeles"
    town = Town()
    town.member("Ben", package_id=town.valley, holding=OWED)
    for package_id in (town.harbor, town.valley, town.summit):
        file(town, package_id, 160_000)
    return town


def provider(town: Town, package_id: int) -> Provider:
    return db.session.get_one(Provider, town.provider_of(package_id))


def file(town: Town, package_id: int, cents: int, *, days: int = 0) -> None:
    with unit_of_work():
        file_cash(provider(town, package_id), cents, at=WHILE_OPEN + days * DAY, as_of=TODAY + days * DAY)


def check(*, days: int = 0) -> str:
    """What the scheduler does every day."""
    with unit_of_work():
        return str(jobs.check_reserves(TODAY + days * DAY, by=BY, at=WHILE_OPEN + days * DAY))


def refusals(town: Town, account_id: int, *, days: int) -> list[Refusal]:
    """What the page says beside the package of Valley Mutual."""
    account = db.session.get_one(BenefitAccount, account_id)
    version, at = town.version_of(town.valley), WHILE_OPEN + days * DAY
    return list(elections.refusals_to_elect(account, window=town.window, version=version, policy=town.policy, at=at))


def told() -> list[str]:
    """The notices that wait for the regulators."""
    rows = (
        select(Notice.body)
        .join(Organization, Organization.id == Notice.organization_id)
        .where(Organization.kind == OrganizationKind.REGULATOR)
    )
    return list(db.session.execute(rows).scalars())


def acted() -> tuple[list[tuple[str | None, str]], int, int, int]:
    """What was found, the changes of rung in the audit, all notices, and those to the regulators."""
    found = db.session.execute(select(Finding.from_tier, Finding.to_tier).order_by(Finding.id)).all()
    changes = select(func.count()).select_from(AuditEvent).where(AuditEvent.action == "provider.tier_changed")
    notices = select(func.count()).select_from(Notice)
    return (
        [(before, after) for before, after in found],
        db.session.execute(changes).scalar_one(),
        db.session.execute(notices).scalar_one(),
        len(told()),
    )


def looked() -> list[runner.Ran]:
    """The scheduler's look for providers whose members may leave at once."""
    among = [scheduler_jobs.called("open-special-windows")]
    return list(runner.run_due(runner.Hand("test"), among=among))


def ran() -> list[RunState]:
    """What comes of that look."""
    return [ran.state for ran in looked()]


def may_leave() -> set[int | None]:
    """The accounts for which a special enrollment was opened."""
    w = EnrollmentWindow
    return set(db.session.scalars(select(w.benefit_account_id).where(w.cause == "provider_restricted")))


class TestFall:
    @pytest.mark.parametrize("found_by", ["its filing", "the daily check"])
    def test_in_an_open_enrollment_stops_new_members_at_once_and_is_told_once(self, town: Town, found_by: str) -> None:
        ada, cid = (town.member(name, package_id=town.harbor) for name in ("Ada", "Cid"))
        check()
        assert acted() == ([], 0, 0, 0)
        assert refusals(town, ada, days=0) == []
        before = town.choose(cid, town.valley)

        if found_by == "its filing":
            file(town, town.valley, 80_000, days=1)
        else:
            with unit_of_work():
                owe(provider(town, town.valley), 100_000, key="more", holder_id=cid, at=WHILE_OPEN + DAY / 2)
        check(days=1)

        (shown,) = refusals(town, ada, days=1)
        assert str(shown) == "This provider takes no new members at the moment."
        with pytest.raises(elections.NotOnSale, match="takes no new members"):
            town.choose(ada, town.valley, at=WHILE_OPEN + DAY)
        assert elections.standing(ada, "2027") is None
        assert acted() == ([("strong", "restricted")], 1, 2, 1)
        (words,) = told()
        assert "now stand at “Restricted”; before, they stood at “Strong”" in words
        assert "That is 80%." in words

        once = acted()
        check(days=1)
        check(days=2)

        assert acted() == once
        assert [type(one) for one in refusals(town, ada, days=2)] == [elections.NotOnSale]
        town.choose(ada, town.summit, at=WHILE_OPEN + 2 * DAY)
        assert elections.history(cid)[0].id == before
        assert elections.history(cid)[0].state is ElectionState.STANDING
        assert invariants.broken() == []

    @pytest.mark.parametrize("at_once", [True, False])
    def test_of_two_on_one_day_lets_the_members_of_both_leave(self, town: Town, at_once: bool) -> None:
        cid = town.member("Cid", package_id=town.harbor, holding=OWED)

        file(town, town.valley, 80_000)
        if not at_once:
            assert ran() == [RunState.DONE]
        file(town, town.harbor, 80_000)

        assert ran() == [RunState.DONE] * (2 if at_once else 1)
        assert ran() == []
        assert cid in may_leave()
        assert len(may_leave()) == 2

    def test_tells_how_many_may_leave_now_who_could_not_before(self, town: Town) -> None:
        file(town, town.valley, 80_000)
        with unit_of_work():
            (event,) = special.provider_events(town.policy)
            assert special.open_for_event(event, policy=town.policy, by=BY, at=WHILE_OPEN) == 1
        ada = town.member("Ada", package_id=town.valley)

        assert [str(one.text) for one in looked()] == ["1 window opened"]

        assert ada in may_leave()
        opened = select(AuditEvent.facts).where(AuditEvent.action == "window.opened").order_by(AuditEvent.id)
        assert [str(facts).split()[0] for facts in db.session.scalars(opened)] == ["accounts=1", "accounts=1"]
