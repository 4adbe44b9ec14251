"""After a cutover: does what a correction takes back come from where the cutover brought it?"""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, time, timedelta

import pytest
from flask import Flask
from sqlalchemy import select

from enrollment import contributions, corrections, cutover, memberships, switching
from enrollment.models import BenefitAccount, Contribution
from exchange.database import db, in_unit_of_work, unit_of_work
from exchange.identity.actors import Actor, Audience
from exchange.ledger import invariants
from exchange.ledger.accounts import LedgerAccount
from exchange.ledger.journal import LedgerTransfer
from tests.support.employer_makers import AT, balances_of, funds_of, make_employer, pay, work
from tests.support.enrollment_makers import BY, CLOSES, EFFECTIVE, Town, held_by

OPERATOR = Actor(Audience.OPERATOR, "Olga")
LATER = EFFECTIVE + timedelta(days=1)


@pytest.fixture
def town(app: Flask) -> Town:
    """Three providers and an open enrollment on this test's database."""
    return Town()


def contributed(account_id: int, *, minutes: int = 1_440, name: str = "Blue Cab") -> Contribution:
    """A day and night of work, reported and paid: money and leave with the worker's present provider."""
    with unit_of_work():
        employer, account = make_employer(name), db.session.get_one(BenefitAccount, account_id)
        made = contributions.submit([work(account, minutes=minutes)], employer=employer, source="form", by=BY, at=AT)
        remittance_id = made.id
    pay(remittance_id)
    return next(contributions.lines_of(remittance_id))


def cut_over(town: Town, account_id: int, package_id: int) -> None:
    """He chooses, the enrollment closes, the choices are carried out and netted."""
    town.choose(account_id, package_id)
    assert town.order(at=CLOSES) == 1
    assert town.carry_out() == 1
    in_unit_of_work(lambda: cutover.finish(town.window, by=BY, at=EFFECTIVE))


def switch(town: Town, account_id: int, package_id: int, *, on: date) -> None:
    """A court has it that he changes his package from that day on: carried out and netted the day after."""
    at = datetime.combine(on, time(20), UTC)
    town.open_special(account_id, cause="court_order", event_on=on, at=at)
    town.choose(account_id, package_id, at=at, special=True)
    in_unit_of_work(lambda: switching.order_special(by=BY, at=at))
    town.carry_out(at=at)
    in_unit_of_work(lambda: cutover.settle_others(by=BY, at=at))


def take_back(contribution: Contribution) -> corrections.Correction:
    with unit_of_work():
        correction = corrections.ask(contribution, reason="Reported twice", by=BY, at=LATER)
        corrections.carry_out(correction, by=OPERATOR, at=LATER)
    return correction


def organizations_that_gave(correction: corrections.Correction, account_id: int) -> set[int]:
    """With whom the worker's lines stood from which it was taken."""
    moves = select(LedgerAccount.organization_id).join(LedgerTransfer, LedgerTransfer.source_id == LedgerAccount.id)
    rows = moves.where(LedgerTransfer.entry_id == correction.entry_id, LedgerAccount.holder_id == account_id)
    return set(db.session.execute(rows).scalars())


class TestTakeBack:
    @pytest.mark.parametrize("choice", ["valley", "summit"])
    def test_after_a_cutover_takes_it_from_where_the_cutover_brought_it(self, town: Town, choice: str) -> None:
        """Valley Mutual has like components for some, Summit Guild none: the exchange holds the rest."""
        ada = town.member("Ada", package_id=town.harbor)
        contribution = contributed(ada)
        assert {code for code, _ in balances_of(ada)} == {"paid_leave", "sick_leave", "retirement", "training"}
        chosen = getattr(town, choice)
        cut_over(town, ada, chosen)
        holders = {organization_id for organization_id, _, _ in held_by(ada)}

        correction = take_back(contribution)

        assert held_by(ada) == {}
        assert funds_of(contribution.employer_id) == 354 * 24
        assert organizations_that_gave(correction, ada) == holders
        assert town.provider_of(chosen) in holders
        assert town.provider_of(town.harbor) not in holders
        assert invariants.broken() == []

    def test_of_what_the_exchange_held_finds_it_where_it_stayed(self, town: Town) -> None:
        """He had chosen nobody, and then a package that lacks what the exchange holds for him."""
        ada = town.member("Ada", package_id=None)
        contribution = contributed(ada)
        held = held_by(ada)
        cut_over(town, ada, town.summit)
        assert held_by(ada) == held

        take_back(contribution)

        assert held_by(ada) == {}
        assert invariants.broken() == []

    @pytest.mark.parametrize("seed", range(4))
    def test_finds_all_of_it_wherever_switches_brought_it_as_long_as_nothing_was_used(
        self, town: Town, seed: int
    ) -> None:
        chance = random.Random(seed)
        packages = [town.harbor, town.valley, town.summit]
        ada = town.member("Ada", package_id=chance.choice([None, *packages]))
        paid = []
        for number in range(5):
            minutes = chance.choice([1, 29, 59, 61, 479, 1_440])
            paid.append(contributed(ada, minutes=minutes, name=f"Employer {number}"))
            others = [one for one in packages if one != memberships.current(ada).package_id]
            switch(town, ada, chance.choice(others), on=date(2027, 1, 4 + number))

        for contribution in chance.sample(paid, len(paid)):
            if contribution.entry_id is not None:
                take_back(contribution)

        assert held_by(ada) == {}
        assert all(funds_of(one.employer_id) == one.owed_cents for one in paid)
        assert invariants.broken() == []
