"""Does every worker find himself in a statement, and do all statements together say what the books say?"""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select

from enrollment import cutover, cutover_control, liability_statements, rolling_back
from enrollment.models import BenefitAccount
from exchange.database import db, in_unit_of_work
from exchange.ledger import journal, liabilities, notes, seals, statements
from exchange.ledger.accounts import AccountKind, LedgerAccount, LedgerBalance
from exchange.ledger.encoding import OPEN_SALT
from exchange.ledger.journal import LedgerEntry, LedgerTransfer
from exchange.ledger.keys import KeyRing
from exchange.ledger.liabilities import BadTree, Opening, Subject
from exchange.ledger.seal_store import LiabilityLeaf, LiabilityStatement
from exchange.ledger.statements import Moment, Owed, Tree
from exchange.money import Unit
from exchange.scheduler import jobs, runner
from tests.support.enrollment_makers import BY, EFFECTIVE, LEAVE, WHILE_OPEN, Town
from tests.support.seal_makers import make_ring, seal

USD, MIN = Unit.USD, Unit.MIN


@pytest.fixture
def town(app: Flask) -> Town:
    """Three providers and their packages."""
    return Town()


@pytest.fixture
def ring(app: Flask, town: Town, tmp_path: Path) -> KeyRing:
    """The keys of this test's exchange and of Harbor Union."""
    return make_ring(app, tmp_path, f"org-{town.provider_of(town.harbor)}")


def state_all(town: Town, ring: KeyRing, cause: str = "test") -> int:
    def work() -> int:
        statements.begin_snapshot()
        return liability_statements.state_all(
            policy=town.policy, as_of=WHILE_OPEN.date(), cause=cause, keys=ring, by=BY, at=WHILE_OPEN
        )

    return in_unit_of_work(work)


def statement(organization_id: int, component: str, unit: Unit) -> LiabilityStatement:
    s = LiabilityStatement
    mine = select(s).where(s.organization_id == organization_id, s.component == component, s.unit == unit)
    return db.session.execute(mine.order_by(s.id.desc()).limit(1)).scalar_one()


def number_of(account_id: int) -> str:
    return db.session.get_one(BenefitAccount, account_id).number


class TestStateAll:
    def test_adds_up_to_all_workers_balances_per_unit(self, town: Town, ring: KeyRing) -> None:
        town.member("Ada", package_id=town.harbor, holding=LEAVE)
        town.member("Ben", package_id=town.valley, holding={("retirement", USD): 700})
        town.member("Cleo", package_id=None, holding={("retirement", USD): 50})

        state_all(town, ring)

        line = LedgerAccount.kind == AccountKind.WORKER
        held = select(LedgerAccount.unit, func.sum(LedgerBalance.amount)).join(
            LedgerBalance, LedgerBalance.account_id == LedgerAccount.id
        )
        in_books = dict(db.session.execute(held.where(line).group_by(LedgerAccount.unit)).all())
        stated = dict.fromkeys(Unit, 0)
        for one in db.session.execute(select(LiabilityStatement)).scalars():
            stated[one.unit] += int(one.sum)
        assert stated == {USD: 12_345 + 700 + 50, MIN: 600} == in_books

    def test_has_a_leaf_of_zero_for_whoever_has_nothing_yet(self, town: Town, ring: KeyRing) -> None:
        ada = town.member("Ada", package_id=town.harbor, holding={("retirement", USD): 1})
        ben = town.member("Ben", package_id=town.harbor)

        state_all(town, ring)

        found = statement(town.provider_of(town.harbor), "retirement", USD)
        assert (found.count, found.sum) == (2, "1")
        assert [statements.proof_of(found, number_of(id_)).opening.balance for id_ in (ada, ben)] == [1, 0]

    def test_states_what_is_with_no_provider_under_the_exchanges_name(self, town: Town, ring: KeyRing) -> None:
        town.member("Cleo", package_id=None, holding={("retirement", USD): 50})

        state_all(town, ring)

        found = statement(town.exchange, "retirement", USD)
        assert (found.provider, found.count, found.sum) == ("exchange", 1, "50")

    def test_is_signed_by_the_exchange_and_the_provider(self, town: Town, ring: KeyRing) -> None:
        town.member("Ada", package_id=town.harbor, holding=LEAVE)

        state_all(town, ring)

        found = statement(town.provider_of(town.harbor), "paid_leave", USD)
        names = {key.name for key in notes.signers(found.note, ring.verifying())}
        assert names == {ring.journal_name, ring.provider_name(found.provider)}

    def test_enters_its_text_in_the_journal_without_moving_anything(self, town: Town, ring: KeyRing) -> None:
        town.member("Ada", package_id=town.harbor, holding=LEAVE)
        before = db.session.execute(select(func.count()).select_from(LedgerTransfer)).scalar_one()

        state_all(town, ring)

        found = statement(town.provider_of(town.harbor), "paid_leave", USD)
        entry = db.session.get_one(LedgerEntry, found.entry_id)
        text, _ = notes.parts(found.note)
        assert entry.details_digest == journal.details_digest(OPEN_SALT, text)
        assert db.session.execute(select(func.count()).select_from(LedgerTransfer)).scalar_one() == before

    def test_speaks_of_the_journal_that_is_sealed(self, town: Town, ring: KeyRing) -> None:
        town.member("Ada", package_id=town.harbor, holding=LEAVE)
        seal(ring)
        town.member("Ben", package_id=town.harbor, holding={("paid_leave", USD): 5})

        state_all(town, ring)

        found = statement(town.provider_of(town.harbor), "paid_leave", USD)
        assert (found.journal_size, found.sum) == (2, "12350")
        assert f"journal 2 {_b64(seals.checkpoint_at(2).root)}\n" in found.note

    def test_twice_of_the_same_moment_is_made_of_two_journals(self, town: Town, ring: KeyRing) -> None:
        """Statements are entries themselves: a second version stands beside the first, and both show."""
        town.member("Ada", package_id=town.harbor, holding=LEAVE)
        made = state_all(town, ring)

        assert state_all(town, ring, cause="again") == made

        sizes = db.session.execute(select(LiabilityStatement.journal_size).distinct()).scalars().all()
        assert sorted(sizes) == [1, 1 + made]


def _b64(content: bytes) -> str:
    return base64.b64encode(content).decode()


class TestState:
    def make(self, town: Town, ring: KeyRing, owed: list[Owed]) -> LiabilityStatement:
        harbor = town.provider_of(town.harbor)
        tree = Tree(f"org-{harbor}", harbor, "retirement", USD)

        def work() -> LiabilityStatement:
            statements.begin_snapshot()
            head = statements.freeze(ring, by=BY, at=WHILE_OPEN)
            moment = Moment(head, WHILE_OPEN.date(), "test")
            return statements.state(tree, iter(owed), moment=moment, keys=ring, by=BY, at=WHILE_OPEN)

        return in_unit_of_work(work)

    @pytest.mark.parametrize("count", [0, 1, 1_024, 2_600])
    def test_of_any_size_shows_each_leaf_its_way_to_the_root(self, town: Town, ring: KeyRing, count: int) -> None:
        town.member("Ada", package_id=town.harbor, holding=LEAVE)
        owed = [Owed(Subject(f"PB-{n}", f"w{n}@example.org", f"Worker {n}"), n, None) for n in range(count)]

        found = self.make(town, ring, owed)

        assert (found.count, found.sum) == (count, str(sum(range(count))))
        scope = liabilities.Scope(
            ring.exchange, found.provider, found.component, USD, found.as_of, found.journal_size,
            seals.checkpoint_at(found.journal_size).root, found.period_salt,
        )  # fmt: skip
        for one in owed[:: max(count // 40, 1)]:
            proof = statements.proof_of(found, one.subject.account_number)
            leaf = liabilities.leaf(scope.tree_id, proof.opening)
            root = liabilities.root_from(proof.path, leaf_node=leaf, index=proof.index, size=count)
            assert root is not None
            assert (root.hash, root.sum, root.count) == (found.root, int(found.sum), count)

    def test_with_a_negative_balance_is_not_made(self, town: Town, ring: KeyRing) -> None:
        town.member("Ada", package_id=town.harbor, holding=LEAVE)
        who = Subject("PB-1", "a@example.org", "A")

        with pytest.raises(BadTree):
            self.make(town, ring, [Owed(who, -1, None)])

        assert db.session.execute(select(LiabilityStatement.id)).first() is None
        assert db.session.execute(select(LiabilityLeaf.nonce)).first() is None

    def test_keeps_a_leaf_as_it_is_hashed(self, town: Town, ring: KeyRing) -> None:
        town.member("Ada", package_id=town.harbor, holding=LEAVE)

        found = self.make(town, ring, [Owed(Subject("PB-1", " A@Example.org", "Wo\u0308rker "), 7, None)])

        who = statements.proof_of(found, "PB-1").opening
        assert (who.subject.email, who.subject.legal_name) == ("a@example.org", "Wörker")
        assert isinstance(who, Opening)


class TestJob:
    def test_states_each_month_once(self, town: Town, ring: KeyRing) -> None:
        town.member("Ada", package_id=town.harbor, holding=LEAVE)
        seal(ring)

        (ran,) = runner.run_by_hand("state-liabilities", by=BY)

        made = db.session.execute(select(func.count()).select_from(LiabilityStatement)).scalar_one()
        assert str(ran.text) == f"{made} statements made"
        with pytest.raises(runner.NothingDue):
            list(runner.run_by_hand("state-liabilities", by=BY))

    def test_states_both_sides_of_a_cutover_and_again_of_one_that_was_rolled_back(
        self, town: Town, ring: KeyRing
    ) -> None:
        town.choose(town.member("Ada", package_id=town.harbor, holding=LEAVE), town.valley)
        town.order()
        seal(ring)
        asked = dict[str, list[str]]()
        why: Any = {"reason": "the wrong table", "by": BY, "at": EFFECTIVE}

        def note(when: str) -> None:
            due = jobs.called("state-liabilities").due(EFFECTIVE)
            asked[when] = [one.key for one in due if "cutover" in one.key]
            for cause in asked[when]:
                state_all(town, ring, cause)

        def carry_out() -> None:
            assert town.carry_out() == 1
            in_unit_of_work(lambda: cutover.finish(town.window, by=BY, at=EFFECTIVE))

        def roll_back() -> None:
            cutover_control.ask_to_roll_back(town.window, **why)
            assert rolling_back.roll_back(town.window, by=BY, at=EFFECTIVE).workers == 1
            rolling_back.finish(town.window, by=BY, at=EFFECTIVE)

        note("first")
        carry_out()
        note("carried out")
        in_unit_of_work(roll_back)
        note("rolled back, and paused")
        in_unit_of_work(lambda: cutover_control.resume(town.window, **why))
        note("again")
        carry_out()
        note("carried out again")

        assert asked == {
            "first": ["before cutover 2027"],
            "carried out": ["after cutover 2027"],
            "rolled back, and paused": [],
            "again": ["before cutover 2027/2"],
            "carried out again": ["after cutover 2027/2"],
        }
