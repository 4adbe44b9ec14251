"""Whatever happened on a worker's lines: do his deeds find what the whole journal, read through, says of them?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from enrollment import balance_check, rolling_back, statement
from enrollment.balance_check import Round
from enrollment.models import Contribution, Election, ElectionState, Membership, Switch, SwitchState
from enrollment.statement import Direction
from exchange.database import db, in_unit_of_work
from exchange.ledger import seals
from exchange.ledger.accounts import AccountKind, LedgerAccount
from exchange.ledger.journal import LedgerEntry, LedgerTransfer
from exchange.ledger.keys import KeyRing
from exchange.ledger.seal_store import JournalSeal
from exchange.money import Unit
from tests.properties import test_nothing_lost
from tests.properties.test_nothing_lost import package, worker
from tests.support.databases import TestDatabase
from tests.support.enrollment_makers import BY, LEAVE, totals_of
from tests.support.seal_makers import make_ring

NOBODY, NOTHING = st.just(0), st.just(0)
AT_ANY_TIME = (
    st.tuples(st.just("contribute"), worker, st.integers(1, 50_000)),
    st.tuples(st.just("switch at once"), worker, package),
    st.tuples(st.just("take leave"), worker, st.integers(1, 40)),
    st.tuples(st.just("correct"), worker, NOTHING),
)
# Somebody gets leave and a contribution, so that there is something to take; the third one begins with nothing.
FIRST = [(deed, who, 700) for who in (0, 1) for deed in ("endow", "contribute")]
BEFORE = st.lists(st.one_of(*AT_ANY_TIME), max_size=5)
CHOICES = st.lists(st.tuples(st.just("elect"), worker, package), min_size=1, max_size=4)
CUTOVER = st.tuples(st.just("cut over"), NOBODY, st.integers(1, 3))
SINCE = st.lists(
    st.one_of(
        *AT_ANY_TIME,
        st.tuples(st.just("carry out one"), NOBODY, NOTHING),
        st.tuples(st.just("roll back"), NOBODY, st.integers(1, 3)),
        CUTOVER,
    ),
    max_size=8,
)


class Story(test_nothing_lost.Story):
    """Goes on after the cutover, and has it rolled back."""

    def endow(self, who: int, _what: int) -> None:
        """Leave of before, so that there is some to take."""
        key = f"endow:{self.number}"
        in_unit_of_work(lambda: self.town.give(self.accounts[who], LEAVE, key=key))
        self.paid_in += LEAVE["paid_leave", Unit.USD]

    def carry_out_one(self, _who: int, _what: int) -> None:
        """A cutover comes one worker further."""
        self.town.carry_out(at=self.at, limit=1)

    def roll_back(self, _who: int, batch: int) -> None:
        """Everybody for whom nothing was done since goes back, and nobody else."""
        carried_out = self.carried_out()
        stay = [one for one in carried_out if self.was_acted_for(one)]
        paid = [one for one in carried_out if one not in stay and self.was_paid_for(one)]
        assert rolling_back.acted_since(self.town.window_id) == len(stay)

        def back() -> int:
            return rolling_back.roll_back(self.town.window, by=BY, at=self.at, limit=batch).workers

        while in_unit_of_work(back):
            pass
        assert {one.id for one in self.carried_out()} == {one.id for one in (*stay, *paid)}

    def carried_out(self) -> list[Switch]:
        """The switches of the open enrollment that are carried out."""
        db.session.expire_all()
        s = Switch
        rows = select(s).where(s.window_id == self.town.window_id, s.state == SwitchState.CARRIED_OUT)
        return list(db.session.scalars(rows))

    def was_acted_for(self, switch: Switch) -> bool:
        """Whether something was posted on his lines, taken back, chosen or ordered since, or he moved on."""
        id_, m, s, e, c = switch.benefit_account_id, Membership, Switch, Election, Contribution
        now = db.session.scalars(select(m).where(m.benefit_account_id == id_, m.ends_at.is_(None))).one()
        ordered = select(s.id).where(s.benefit_account_id == id_, s.state == SwitchState.ORDERED)
        standing = select(e.id).where(e.benefit_account_id == id_, e.state == ElectionState.STANDING)
        back = select(c.reversed_by_id).where(c.benefit_account_id == id_, c.reversed_by_id.is_not(None))
        return (
            now.package_id != switch.to_package_id
            or now.starts_at < switch.effective_at
            or any(db.session.execute(one).first() for one in (ordered, standing))
            or later(switch, [*(entry_id for entry_id, *_ in transfers_of(id_)), *db.session.scalars(back)])
        )

    def was_paid_for(self, switch: Switch) -> bool:
        """Whether a contribution was posted since, be it to pools alone."""
        c = Contribution
        paid = select(c.entry_id).where(c.benefit_account_id == switch.benefit_account_id, c.entry_id.is_not(None))
        return later(switch, db.session.scalars(paid))


def later(switch: Switch, entry_ids: Iterable[int | None]) -> bool:
    """Whether one of the entries was posted after the switch."""
    if switch.entry_id is not None:
        return any(id_ > switch.entry_id for id_ in entry_ids if id_)
    assert switch.carried_out_at is not None
    return any(db.session.get_one(LedgerEntry, id_).posted_at >= switch.carried_out_at for id_ in entry_ids)


def transfers_of(account_id: int) -> list[tuple[int, int, int, int]]:
    """Every transfer of the journal that touches the worker's lines: entry, source, target, amount."""
    a = LedgerAccount
    own = set(db.session.scalars(select(a.id).where(a.holder_id == account_id, a.kind == AccountKind.WORKER)))
    t = LedgerTransfer
    everything = db.session.execute(select(t.entry_id, t.source_id, t.target_id, t.amount).order_by(t.entry_id, t.seq))
    return [(e, s, to, amount) for e, s, to, amount in everything if s in own or to in own]


def assert_told_whole(story: Story, account_id: int) -> None:
    """The statement names each entry once, and adds up."""
    found = list(db.session.scalars(statement.entries_of(account_id)))
    assert Counter(found) == Counter({entry_id for entry_id, *_ in transfers_of(account_id)})
    signs = {Direction.IN: 1, Direction.OUT: -1, Direction.MOVED: 0}
    moved = statement.movements(found, account_id=account_id, policy=story.town.policy)
    assert totals_of(account_id) == {
        Unit.USD: sum(signs[one.direction] * one.cents for one in moved),
        Unit.MIN: sum(signs[one.direction] * one.minutes for one in moved),
    }


def assert_checked_whole(story: Story, account_id: int, since: int) -> None:
    """What came and went since the journal had that size is, line by line, what the journal says."""
    places = dict(db.session.execute(select(JournalSeal.entry_id, JournalSeal.position)).all())
    came, went = Counter[int](), Counter[int]()
    for entry_id, source_id, target_id, amount in transfers_of(account_id):
        if places.get(entry_id, since) >= since:
            went[source_id] += amount
            came[target_id] += amount
    a = LedgerAccount
    own = list(db.session.scalars(select(a.id).where(a.holder_id == account_id, a.kind == AccountKind.WORKER)))
    lines = balance_check.lines_of(account_id, Round(since, story.at.date(), story.at))
    assert Counter((one.came, one.went) for one in lines) == Counter((came[id_], went[id_]) for id_ in own)


@pytest.fixture
def ring(app: Flask, tmp_path: Path) -> KeyRing:
    """Keys to seal the journal with."""
    return make_ring(app, tmp_path)


class TestOwnEntries:
    @settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
    @given(
        before=BEFORE, choices=CHOICES, cutover=CUTOVER, since=SINCE, sealed=st.integers(1, 12), size=st.integers(0, 9)
    )
    def test_are_all_that_touch_his_lines(
        self, app: Flask, database: TestDatabase, ring: KeyRing, before: list[tuple[str, int, int]],
        choices: list[tuple[str, int, int]], cutover: tuple[str, int, int], since: list[tuple[str, int, int]],
        sealed: int, size: int,
    ) -> None:  # fmt: skip
        db.session.remove()
        database.renew()
        story = Story()

        for deed, who, what in (*FIRST, *before, *choices, cutover, *since, ("roll back", 0, 2)):
            story.do(deed, who, what)
        # Published nowhere: the next example's journal is another one.
        in_unit_of_work(lambda: seals.seal(ring, by=BY, at=story.at, limit=sealed))

        for account_id in story.accounts:
            assert_told_whole(story, account_id)
            assert_checked_whole(story, account_id, size)
        story.assert_nothing_is_lost()
