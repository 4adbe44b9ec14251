"""Is a window open exactly from its first instant to the one before its close, and for whom?"""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest
from flask import Flask
from sqlalchemy import func, insert, select
from sqlalchemy.exc import DBAPIError

from enrollment import choosing, windows
from enrollment.models import BenefitAccount, Election, ElectionState, EnrollmentWindow, WindowKind
from exchange import calendar
from exchange.database import core, db, in_unit_of_work, unit_of_work
from exchange.policy.document import Trigger
from tests.support.enrollment_makers import BY, CLOSES, EFFECTIVE, LONG_AGO, OPENS, WHILE_OPEN, Town

MICROSECOND = timedelta(microseconds=1)
BORDERS = [
    (OPENS - MICROSECOND, False),
    (OPENS, True),
    (WHILE_OPEN, True),
    (CLOSES - MICROSECOND, True),
    (CLOSES, False),
]


@pytest.fixture
def town(app: Flask) -> Town:
    """Three providers and an open enrollment on this test's database."""
    return Town()


def open_special(town: Town, account_id: int, event_on: date = date(2026, 12, 1)) -> None:
    """The worker moved."""
    in_unit_of_work(
        lambda: windows.open_special(
            [account_id],
            cause=town.policy.cause("moved"),
            event_on=event_on,
            policy=town.policy,
            by=BY,
            at=WHILE_OPEN,
        )
    )


class TestPublishOpenEnrollment:
    def test_computes_the_instants_of_the_policys_zone(self, town: Town) -> None:
        window = town.window

        assert (window.opens_at, window.closes_at, window.effective_at) == (OPENS, CLOSES, EFFECTIVE)
        assert window.kind is WindowKind.OPEN

    def test_again_is_the_window_that_is_there(self, town: Town) -> None:
        year = calendar.plan_year(town.policy, "2027")

        again = in_unit_of_work(
            lambda: windows.publish_open_enrollment(town.policy, year, by=BY, at=WHILE_OPEN).id
        )  # fmt: skip

        assert again == town.window_id
        assert db.session.execute(select(func.count()).select_from(EnrollmentWindow)).scalar_one() == 1
        assert town.window.published_at == LONG_AGO


class TestRefusalToChoose:
    @pytest.mark.parametrize(("at", "is_open"), BORDERS)
    def test_is_none_from_the_opening_to_the_instant_before_the_close(
        self, town: Town, at: object, is_open: bool
    ) -> None:
        refusal = windows.refusal_to_choose(town.window, at)  # type: ignore[arg-type]

        assert (refusal is None) is is_open

    def test_tells_the_time_of_the_program(self, town: Town) -> None:
        told = [str(windows.refusal_to_choose(town.window, at)) for at in (LONG_AGO, town.window.closes_at)]

        assert [sentence.replace("\u202f", " ") for sentence in told] == [
            "You can choose from November 1, 2026, 12:00 AM PDT on.",
            "You could choose until December 16, 2026, 12:00 AM PST. The time is over.",
        ]

    @pytest.mark.parametrize(("at", "is_open"), BORDERS)
    def test_agrees_with_what_is_listed_as_open(self, town: Town, at: object, is_open: bool) -> None:
        account = db.session.get_one(BenefitAccount, town.member("Ada", package_id=town.harbor))

        found = windows.open_for(account, at)  # type: ignore[arg-type]

        assert bool(found) is is_open
        assert (windows.current_open_enrollment(at) is not None) is is_open  # type: ignore[arg-type]


class TestDatabase:
    @pytest.mark.parametrize(("at", "is_open"), BORDERS)
    def test_itself_takes_no_election_outside(self, town: Town, at: object, is_open: bool) -> None:
        ada = town.member("Ada", package_id=town.harbor)
        row = {
            "benefit_account_id": ada,
            "window_id": town.window_id,
            "plan_year": "2027",
            "package_version_id": town.version_of(town.valley).id,
            "state": ElectionState.STANDING,
            "decided_at": at,
            "effective_at": EFFECTIVE,
            "retroactive": False,
        }

        if is_open:
            with unit_of_work():
                db.session.execute(insert(core(Election)).values(row))
        else:
            with pytest.raises(DBAPIError), unit_of_work():
                db.session.execute(insert(core(Election)).values(row))
        elections = db.session.execute(select(func.count()).select_from(Election)).scalar_one()
        assert elections == int(is_open)


class TestNextOpenEnrollment:
    @pytest.mark.parametrize(("at", "is_there"), [(LONG_AGO, True), (CLOSES - MICROSECOND, True), (CLOSES, False)])
    def test_is_published_and_not_closed(self, town: Town, at: object, is_there: bool) -> None:
        assert (windows.next_open_enrollment(at) is not None) is is_there  # type: ignore[arg-type]


class TestOpenSpecial:
    def test_is_open_for_that_worker_alone_and_stands_first(self, town: Town) -> None:
        ada, ben = (town.member(name, package_id=town.harbor) for name in ("Ada", "Ben"))
        open_special(town, ada)

        def kinds(account_id: int) -> list[WindowKind]:
            account = db.session.get_one(BenefitAccount, account_id)
            return [window.kind for window in windows.open_for(account, WHILE_OPEN)]

        assert kinds(ada) == [WindowKind.SPECIAL, WindowKind.OPEN]
        assert kinds(ben) == [WindowKind.OPEN]

    def test_opens_once_for_the_same_event(self, town: Town) -> None:
        ada = town.member("Ada", package_id=town.harbor)

        for event_on in (date(2026, 12, 1), date(2026, 12, 1), date(2026, 12, 2)):
            open_special(town, ada, event_on)

        special = select(EnrollmentWindow.event_on).where(EnrollmentWindow.kind == WindowKind.SPECIAL)
        found = db.session.execute(special.order_by(EnrollmentWindow.event_on)).scalars().all()
        assert found == [date(2026, 12, 1), date(2026, 12, 2)]

    def test_of_a_cause_that_a_new_law_dropped_lets_choose_as_it_did_when_it_was_opened(self, town: Town) -> None:
        ada = town.member("Ada", package_id=town.harbor)
        open_special(town, ada, date(2026, 12, 1))
        account = db.session.get_one(BenefitAccount, ada)
        before = choosing.open_windows(account, policy=town.policy, at=WHILE_OPEN)

        town.policy = replace(town.policy, causes=())

        assert choosing.open_windows(account, policy=town.policy, at=WHILE_OPEN) == before
        assert before[0].cause is not None
        town.choose(ada, town.valley, special=True, plan_year=before[0].plan_year)

    def test_of_nobody_writes_nothing(self, town: Town) -> None:
        cause = town.policy.cause_for(Trigger.PACKAGE_CHANGED)
        assert cause is not None

        with unit_of_work():
            windows.open_special(
                [], cause=cause, event_on=date(2026, 12, 1), policy=town.policy, by=BY, at=WHILE_OPEN
            )  # fmt: skip

        assert db.session.execute(select(func.count()).select_from(EnrollmentWindow)).scalar_one() == 1
