"""Is a choice taken exactly when, of what and by whom it may be, and does the last one count?"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import func, select, update

from enrollment import accounts, elections, windows
from enrollment.models import BenefitAccount, Election, ElectionState, EnrollmentWindow, WindowKind, Worker
from exchange.database import db, in_unit_of_work, unit_of_work
from exchange.errors import NotFound, Refusal
from exchange.identity.access import selecting
from exchange.identity.actors import Actor, Audience
from providers.models import PackageVersion, Provider, ProviderState, VersionState
from tests.support.enrollment_makers import BY, CLOSES, EFFECTIVE, OPENS, WHILE_OPEN, Town

MICROSECOND = timedelta(microseconds=1)
Change = Callable[[Town, int], None]


@pytest.fixture
def town(app: Flask) -> Town:
    """Three providers and an open enrollment on this test's database."""
    return Town()


def states_of(account_id: int) -> list[ElectionState]:
    """What became of a worker's choices, in their order."""
    rows = select(Election.state).where(Election.benefit_account_id == account_id).order_by(Election.id)
    return list(db.session.execute(rows).scalars())


def undo(town: Town, account_id: int, *, at: datetime = WHILE_OPEN) -> None:
    """Take the choice back in a unit of work of its own."""
    in_unit_of_work(
        lambda: elections.undo(
            db.session.get_one(BenefitAccount, account_id), window=town.window, plan_year="2027", by=BY, at=at
        )
    )


class TestElect:
    @pytest.mark.parametrize(
        ("at", "is_taken"),
        [
            (OPENS - MICROSECOND, False),
            (OPENS, True),
            (CLOSES - MICROSECOND, True),
            (CLOSES, False),
            (EFFECTIVE, False),
        ],
    )
    def test_is_in_time_to_the_microsecond(self, town: Town, at: datetime, is_taken: bool) -> None:
        ada = town.member("Ada", package_id=town.harbor)

        if is_taken:
            town.choose(ada, town.valley, at=at)
        else:
            with pytest.raises(windows.WindowClosed):
                town.choose(ada, town.valley, at=at)

        assert states_of(ada) == [ElectionState.STANDING] * is_taken

    def test_again_replaces_the_choice_before(self, town: Town) -> None:
        ada = town.member("Ada", package_id=town.harbor)

        for package_id in (town.valley, town.summit, town.valley):
            town.choose(ada, package_id)

        assert states_of(ada) == [ElectionState.REPLACED, ElectionState.REPLACED, ElectionState.STANDING]
        standing = elections.standing(ada, "2027")
        assert standing is not None
        assert standing.package_version_id == town.version_of(town.valley).id
        assert standing.effective_at == EFFECTIVE

    def test_received_earlier_does_not_replace_one_received_later(self, town: Town) -> None:
        account_id = town.member("Ada", package_id=town.harbor)
        later = town.choose(account_id, town.summit, at=WHILE_OPEN + timedelta(microseconds=1))
        earlier = town.choose(account_id, town.valley, at=WHILE_OPEN)

        states = dict(db.session.execute(select(Election.id, Election.state)).all())
        assert states == {later: ElectionState.STANDING, earlier: ElectionState.REPLACED}

    def test_is_refused_once_the_choices_are_being_carried_out(self, town: Town) -> None:
        ada = town.member("Ada", package_id=town.harbor)
        town.order()

        with pytest.raises(windows.WindowClosed):
            town.choose(ada, town.valley, at=CLOSES - MICROSECOND)


def _locked(_town: Town, account_id: int) -> None:
    account = db.session.get_one(BenefitAccount, account_id)
    accounts.set_switch_lock(account, locked=True, by=BY, at=WHILE_OPEN)


def _suspended(town: Town, _account_id: int) -> None:
    provider = db.session.get_one(Provider, town.provider_of(town.valley))
    provider.state = ProviderState.SUSPENDED


def _restricted(town: Town, _account_id: int) -> None:
    db.session.get_one(Provider, town.provider_of(town.valley)).takes_new_members = False


def _off_the_shelf(town: Town, _account_id: int) -> None:
    version = town.version_of(town.valley)
    version.state, version.closed_at = VersionState.CLOSED, WHILE_OPEN


def _closed(_town: Town, account_id: int) -> None:
    accounts.close(db.session.get_one(BenefitAccount, account_id), by=BY, at=WHILE_OPEN)


def _moved_away(_town: Town, _account_id: int) -> None:
    db.session.execute(update(Worker).values(place="US-OR"))


class TestRefusal:
    @pytest.mark.parametrize(
        ("change", "refusal"),
        [
            (_locked, elections.AccountLocked),
            (_suspended, elections.NotOnSale),
            (_restricted, elections.NotOnSale),
            (_off_the_shelf, elections.NotOnSale),
            (_closed, NotFound),
            (_moved_away, elections.OutsideServiceArea),
        ],
    )
    def test_is_given_on_the_page_and_by_the_operation_alike(
        self, town: Town, change: Change, refusal: type[Refusal]
    ) -> None:
        ada = town.member("Ada", package_id=town.harbor)
        in_unit_of_work(lambda: change(town, ada))
        shown = next(
            elections.refusals_to_elect(
                db.session.get_one(BenefitAccount, ada),
                window=town.window,
                version=town.version_of(town.valley),
                policy=town.policy,
                at=WHILE_OPEN,
            )
        )

        with pytest.raises(refusal) as raised:
            town.choose(ada, town.valley)

        assert (type(shown), str(shown)) == (type(raised.value), str(raised.value))
        assert states_of(ada) == []

    def test_does_not_keep_a_member_from_the_package_of_a_restricted_provider(self, town: Town) -> None:
        ada = town.member("Ada", package_id=town.valley)
        in_unit_of_work(lambda: _restricted(town, ada))

        town.choose(ada, town.valley)

        assert states_of(ada) == [ElectionState.STANDING]

    def test_is_given_for_another_plan_years_offer(self, town: Town) -> None:
        ada = town.member("Ada", package_id=town.harbor)

        with pytest.raises(elections.OtherPlanYear):
            _elect(town, ada, version=town.version_of(town.valley, plan_year="2026"))

        assert states_of(ada) == []

    def test_is_given_in_the_window_of_another_worker(self, town: Town) -> None:
        ada, ben = (town.member(name, package_id=town.harbor) for name in ("Ada", "Ben"))
        window = _special(town, ben)

        with pytest.raises(NotFound):
            _elect(town, ada, window=window)

        assert states_of(ada) == []


def _special(town: Town, account_id: int, *, cause: str = "court_order") -> EnrollmentWindow:
    with unit_of_work():
        windows.open_special(
            [account_id],
            cause=town.policy.cause(cause),
            event_on=date(2026, 11, 20),
            policy=town.policy,
            by=BY,
            at=WHILE_OPEN,
        )
    found = select(EnrollmentWindow).where(EnrollmentWindow.kind == WindowKind.SPECIAL)
    return db.session.execute(found).scalar_one()


def _elect(
    town: Town, account_id: int, *, window: EnrollmentWindow | None = None, version: PackageVersion | None = None
) -> Election:
    window_id = (window or town.window).id
    version_id = (version or town.version_of(town.valley)).id
    return in_unit_of_work(
        lambda: elections.elect(
            db.session.get_one(BenefitAccount, account_id),
            window=db.session.get_one(EnrollmentWindow, window_id),
            version=db.session.get_one(PackageVersion, version_id),
            policy=town.policy,
            by=BY,
            at=WHILE_OPEN,
        )
    )


class TestEffectiveInstant:
    def test_of_a_court_order_is_the_day_of_the_event(self, town: Town) -> None:
        ada = town.member("Ada", package_id=town.harbor)
        window = _special(town, ada)

        election = _elect(town, ada, window=window, version=town.version_of(town.valley, plan_year="2026"))

        assert election.effective_at == datetime(2026, 11, 20, 8, tzinfo=EFFECTIVE.tzinfo)
        assert election.retroactive

    @pytest.mark.parametrize(
        ("day", "month"),
        [(1, 1), (15, 1), (16, 2), (31, 2)],
    )
    def test_after_a_move_follows_the_rule_of_the_fifteenth(self, town: Town, day: int, month: int) -> None:
        ada = town.member("Ada", package_id=town.harbor)
        window = _special(town, ada, cause="moved")

        found = elections.effective_instant(window, policy=town.policy, at=WHILE_OPEN.replace(day=day))

        assert found == datetime(2027, month, 1, 8, tzinfo=EFFECTIVE.tzinfo)


class TestUndo:
    @pytest.mark.parametrize(("at", "is_taken"), [(WHILE_OPEN, True), (CLOSES - MICROSECOND, True), (CLOSES, False)])
    def test_is_possible_until_the_close(self, town: Town, at: datetime, is_taken: bool) -> None:
        ada = town.member("Ada", package_id=town.harbor)
        town.choose(ada, town.valley)

        if is_taken:
            undo(town, ada, at=at)
        else:
            with pytest.raises(windows.WindowClosed):
                undo(town, ada, at=at)

        assert states_of(ada) == [ElectionState.UNDONE if is_taken else ElectionState.STANDING]

    def test_of_no_choice_is_refused(self, town: Town) -> None:
        ada = town.member("Ada", package_id=town.harbor)
        town.choose(ada, town.valley)
        undo(town, ada)

        with pytest.raises(elections.NothingToUndo):
            undo(town, ada)

    def test_leaves_nothing_to_carry_out(self, town: Town) -> None:
        ada = town.member("Ada", package_id=town.harbor)
        town.choose(ada, town.valley)
        undo(town, ada)

        assert town.order() == 0


class TestScope:
    def test_shows_a_choice_to_its_worker_and_the_overseers_only(self, town: Town) -> None:
        ada = town.member("Ada", package_id=town.harbor)
        town.choose(ada, town.valley)

        def seen(actor: Actor) -> int:
            rows = selecting(Election, actor).with_only_columns(func.count())
            return db.session.execute(rows).scalar_one()

        assert seen(Actor(Audience.REGULATOR, "Rita")) == 1
        assert seen(Actor(Audience.OPERATOR, "Olga")) == 1
        assert seen(Actor(Audience.WORKER, "Eve", login_id=987_654)) == 0
        assert seen(Actor(Audience.PROVIDER, "Sam", organization_id=town.provider_of(town.valley))) == 0


class TestStates:
    def test_have_each_a_line_in_the_table(self) -> None:
        assert set(elections.STEPS) == set(ElectionState)
