"""Does a worker see before he confirms exactly what then happens?"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta

import pytest
from flask import Flask
from sqlalchemy import select

from enrollment import accounts, choosing, standpoint
from enrollment.choosing import Choice, Statement
from enrollment.models import BenefitAccount, Worker
from enrollment.pages.worker_home import time_left
from enrollment.standpoint import Standpoint
from exchange.database import db, in_unit_of_work, unit_of_work
from exchange.identity.actors import Audience
from exchange.identity.organizations import Organization
from exchange.money import Unit
from exchange.outgoing_mail import OutgoingMail
from providers.comparison import LossKind
from providers.models import PackageVersion, Provider
from tests.support.enrollment_makers import BY, CLOSES, EFFECTIVE, LEAVE, WHILE_OPEN, Town, held_by
from tests.support.signing_in import make_login

USD, MIN = Unit.USD, Unit.MIN
HOLDING = {**LEAVE, ("sick_leave", USD): 777, ("sick_leave", MIN): 61, ("retirement", USD): 40_001,
           ("training", USD): 999}  # fmt: skip


@pytest.fixture
def town(app: Flask) -> Town:
    """Three providers and an open enrollment on this test's database."""
    return Town()


def account(account_id: int) -> BenefitAccount:
    return db.session.get_one(BenefitAccount, account_id)


def shown(town: Town, account_id: int, package_id: int) -> Statement:
    """What the worker is shown before he confirms."""
    return choosing.statement(
        account(account_id),
        window=town.window,
        version=town.version_of(package_id),
        policy=town.policy,
        at=WHILE_OPEN,
    )


def offered(town: Town, account_id: int) -> dict[str, Choice]:
    """What the worker may choose from, by package."""
    here = replace(standing_at(town, account_id), at=WHILE_OPEN)
    versions = [one.version_id for one in choosing.on_sale(here, plan_year="2027")]
    found = choosing.choices(here, versions, window=town.window, policy=town.policy)
    return {choice.offer.package_name: choice for choice in found}


def standing_at(town: Town, account_id: int) -> Standpoint:
    """From where the worker looks; he signs in from now on."""
    worker_id = account(account_id).worker_id
    login_id = make_login(Audience.WORKER, f"Worker {secrets.token_hex(4)}")
    with unit_of_work():
        db.session.get_one(Worker, worker_id).login_id = login_id
    found = standpoint.of_login(login_id, window_id=town.window_id, zone=town.policy.zone)
    assert found is not None
    return found


class TestStatement:
    @pytest.mark.parametrize("to", ["valley", "summit", "harbor"])
    def test_says_where_every_balance_is_after_the_switch(self, town: Town, to: str) -> None:
        package_id = getattr(town, to)
        ada = town.member("Ada", package_id=town.harbor, holding=HOLDING)
        statement = shown(town, ada, package_id)
        town.choose(ada, package_id)
        town.order()
        town.carry_out()

        told: dict[tuple[str, str, Unit], int] = {}
        for move in statement.moves:
            for unit, amount in ((USD, move.cents), (MIN, move.minutes or 0)):
                place = (move.new_holder, move.new_name, unit)
                told[place] = told.get(place, 0) + amount
        organizations = {one.id: one.name for one in db.session.execute(select(Organization)).scalars()}
        names = {component.code: component.name for component in town.policy.components}
        really = {(organizations[org], names[code], unit): n for (org, code, unit), n in held_by(ada).items()}
        assert {place: amount for place, amount in told.items() if amount} == really

    def test_adds_up_to_everything_there_is(self, town: Town) -> None:
        ada = town.member("Ada", package_id=town.harbor, holding=HOLDING)

        statement = shown(town, ada, town.valley)

        assert (statement.cents, statement.minutes) == (12_345 + 777 + 40_001 + 999, 661)
        assert (statement.effective_at, statement.effective_on) == (EFFECTIVE, date(2027, 1, 1))
        assert statement.changes_provider
        assert not statement.changes_nothing

    def test_says_what_will_not_carry_over(self, town: Town) -> None:
        ada = town.member("Ada", package_id=town.harbor, holding=HOLDING)

        kinds = {(loss.kind, loss.component) for loss in shown(town, ada, town.valley).losses}

        assert (LossKind.MOVES_TO_LIKE, "sick_leave") in kinds
        assert (LossKind.MOVES_TO_LIKE, "training") in kinds

    def test_of_the_package_one_has_moves_nothing(self, town: Town) -> None:
        ada = town.member("Ada", package_id=town.harbor, holding=HOLDING)

        statement = shown(town, ada, town.harbor)

        assert statement.changes_nothing
        assert all(move.stays for move in statement.moves)
        assert statement.losses == ()

    def test_of_who_had_chosen_nobody_has_nothing_to_lose(self, town: Town) -> None:
        ada = town.member("Ada", package_id=None, holding=LEAVE)

        statement = shown(town, ada, town.valley)

        assert statement.losses == ()
        assert [move.new_holder for move in statement.moves] == ["Valley Mutual"]


def _lock(town: Town, account_id: int) -> None:
    accounts.set_switch_lock(account(account_id), locked=True, by=BY, at=WHILE_OPEN)


def _restrict_valley(town: Town, _account_id: int) -> None:
    db.session.get_one(Provider, town.provider_of(town.valley)).takes_new_members = False


def _restrict_harbor(town: Town, _account_id: int) -> None:
    db.session.get_one(Provider, town.provider_of(town.harbor)).takes_new_members = False


class TestChoices:
    @pytest.mark.parametrize(
        ("change", "names", "refused"),
        [
            (None, {"Harbor Union Plan", "Valley Mutual Plan", "Summit Guild Plan"}, set()),
            (
                _lock,
                {"Harbor Union Plan", "Valley Mutual Plan", "Summit Guild Plan"},
                {"Harbor Union Plan", "Valley Mutual Plan", "Summit Guild Plan"},
            ),
            (_restrict_valley, {"Harbor Union Plan", "Summit Guild Plan"}, set()),
            # One's own stays to be kept, though nobody new may come.
            (_restrict_harbor, {"Harbor Union Plan", "Valley Mutual Plan", "Summit Guild Plan"}, set()),
        ],
    )
    def test_are_what_elect_would_take_and_refuse(
        self, town: Town, change: Callable[[Town, int], None] | None, names: set[str], refused: set[str]
    ) -> None:
        ada = town.member("Ada", package_id=town.harbor)
        if change is not None:
            in_unit_of_work(lambda: change(town, ada))

        found = offered(town, ada)

        assert set(found) == names
        assert {name for name, choice in found.items() if choice.refusal is not None} == refused
        assert [name for name, choice in found.items() if choice.is_mine] == ["Harbor Union Plan"]

    def test_mark_the_one_that_stands(self, town: Town) -> None:
        ada = town.member("Ada", package_id=town.harbor)
        town.choose(ada, town.summit)

        assert [name for name, choice in offered(town, ada).items() if choice.is_chosen] == ["Summit Guild Plan"]


class TestConfirm:
    def test_records_the_choice_and_tells_the_worker(self, town: Town) -> None:
        ada = town.member("Ada", package_id=town.harbor)
        version_id = town.version_of(town.valley).id

        in_unit_of_work(
            lambda: choosing.confirm(
                account(ada),
                window=town.window,
                version=db.session.get_one(PackageVersion, version_id),
                policy=town.policy,
                by=BY,
                at=WHILE_OPEN,
            )
        )

        (window,) = choosing.open_windows(account(ada), policy=town.policy, at=WHILE_OPEN)
        assert window.standing is not None
        assert (window.standing.package, window.standing.provider) == ("Valley Mutual Plan", "Valley Mutual")
        letter = db.session.execute(select(OutgoingMail)).scalar_one()
        assert letter.recipient == "ada@example.org"
        assert "January 1, 2027" in letter.body

    def test_is_taken_back_with_a_letter(self, town: Town) -> None:
        ada = town.member("Ada", package_id=town.harbor)
        town.choose(ada, town.valley)

        in_unit_of_work(
            lambda: choosing.take_back(
                account(ada), window=town.window, plan_year="2027", by=BY, at=CLOSES - timedelta(microseconds=1)
            )
        )

        (window,) = choosing.open_windows(account(ada), policy=town.policy, at=WHILE_OPEN)
        assert window.standing is None
        assert window.left == CLOSES - WHILE_OPEN
        assert len(db.session.execute(select(OutgoingMail)).all()) == 1


class TestTimeLeft:
    @pytest.mark.parametrize(
        ("left", "later", "is_told_otherwise"),
        [
            (timedelta(days=5, hours=20), timedelta(days=5), False),
            (timedelta(days=5), timedelta(days=5) - timedelta(microseconds=1), True),
            (timedelta(days=1), timedelta(hours=23, minutes=59), True),
            (timedelta(hours=3, seconds=59), timedelta(hours=3), False),
            (timedelta(hours=3), timedelta(hours=2, minutes=59, seconds=59), True),
        ],
    )
    def test_changes_by_the_day_and_on_the_last_by_the_minute(
        self, town: Town, left: timedelta, later: timedelta, is_told_otherwise: bool
    ) -> None:
        here = standing_at(town, town.member("Ada", package_id=town.harbor))

        told = [replace(here, at=CLOSES - one).time_left for one in (left, later)]

        assert (told[0] != told[1]) is is_told_otherwise
        assert [time_left(one) for one in (left, later)].count(time_left(left)) == (1 if is_told_otherwise else 2)
