"""Does a special enrollment open for what a worker may claim, in time, and for nothing else?"""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest
from flask import Flask
from sqlalchemy import select

from enrollment import claims, windows
from enrollment.claims import Claim
from enrollment.models import BenefitAccount, EnrollmentWindow, WindowKind, Worker
from enrollment.registration import UnknownPlace
from exchange.audit import AuditEvent
from exchange.database import db, in_unit_of_work
from exchange.errors import Refusal
from tests.support.enrollment_makers import BY, WHILE_OPEN, Town

MOVED = Claim("moved", date(2026, 11, 20), "Lease of 12 Pine Street", "US-WA/Pierce County/Tacoma")


@pytest.fixture
def town(app: Flask) -> Town:
    """Three providers and an open enrollment on this test's database."""
    return Town()


def file_claim(town: Town, account_id: int, claim: Claim) -> None:
    """File it in a unit of work of its own."""
    in_unit_of_work(
        lambda: claims.file_claim(
            db.session.get_one(BenefitAccount, account_id), claim, policy=town.policy, by=BY, at=WHILE_OPEN
        )
    )


def special_windows() -> list[EnrollmentWindow]:
    special = select(EnrollmentWindow).where(EnrollmentWindow.kind == WindowKind.SPECIAL)
    return list(db.session.execute(special).scalars())


class TestFileClaim:
    def test_opens_the_enrollment_at_once_and_keeps_the_evidence(self, town: Town) -> None:
        ada = town.member("Ada", package_id=town.harbor)

        file_claim(town, ada, MOVED)

        (window,) = special_windows()
        account = db.session.get_one(BenefitAccount, ada)
        assert windows.open_for(account, WHILE_OPEN)[0].id == window.id
        assert db.session.get_one(Worker, account.worker_id).place == "US-WA/Pierce County/Tacoma"
        kept = select(AuditEvent.reason).where(AuditEvent.action == "window.claimed")
        assert db.session.execute(kept).scalar_one() == "Lease of 12 Pine Street"

    def test_twice_opens_it_once(self, town: Town) -> None:
        ada = town.member("Ada", package_id=town.harbor)

        for _ in range(2):
            file_claim(town, ada, MOVED)

        assert len(special_windows()) == 1

    @pytest.mark.parametrize(
        ("claim", "refusal"),
        [
            (replace(MOVED, cause="first_contribution"), claims.NotClaimable),
            (replace(MOVED, place="US-OR"), UnknownPlace),
            (replace(MOVED, evidence="  "), claims.EvidenceNeeded),
            # It is the 1st of December; sixty days before and after are open.
            (replace(MOVED, event_on=date(2026, 10, 1)), claims.OutOfTime),
            (replace(MOVED, event_on=date(2027, 1, 31)), claims.OutOfTime),
            (replace(MOVED, cause="court_order", event_on=date(2026, 12, 2)), claims.OutOfTime),
            (replace(MOVED, event_on=date.min), claims.OutOfTime),
            (replace(MOVED, event_on=date.max), claims.OutOfTime),
        ],
    )
    def test_refuses_and_opens_nothing(self, town: Town, claim: Claim, refusal: type[Refusal]) -> None:
        ada = town.member("Ada", package_id=town.harbor)

        with pytest.raises(refusal):
            file_claim(town, ada, claim)

        assert special_windows() == []

    @pytest.mark.parametrize("event_on", [date(2026, 10, 2), date(2027, 1, 30)])
    def test_takes_the_first_and_the_last_day(self, town: Town, event_on: date) -> None:
        ada = town.member("Ada", package_id=town.harbor)

        file_claim(town, ada, replace(MOVED, event_on=event_on))

        assert len(special_windows()) == 1
