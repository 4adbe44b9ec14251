"""Do the rules that must always hold, hold?  An empty list is good.

Each rule of the domain (its number there) is one function that returns what breaks it. The ledger's
own stand here; the upper packages add theirs with ``@rule``, and ``broken`` asks them all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from flask_babel import LazyString
from flask_babel import lazy_gettext as _l
from sqlalchemy import BigInteger, func, or_, select, union_all

from exchange.database import core, db
from exchange.ledger import balances
from exchange.ledger.accounts import AccountKind, LedgerAccount, LedgerBalance
from exchange.ledger.journal import LedgerEntry, LedgerKey, LedgerTransfer


@dataclass(frozen=True, slots=True)
class Broken:
    """One thing that breaks a rule: the rule's number and name, and what was found."""

    number: int
    name: str
    finding: str


Check = Callable[[], Iterable[str]]
_rules: list[tuple[int, LazyString, Check]] = []


def rule(number: int, name: LazyString) -> Callable[[Check], Check]:
    """Register a check of rule ``number``; it returns a sentence for each thing that breaks it."""

    def register(check: Check) -> Check:
        _rules.append((number, name, check))
        return check

    return register


def broken() -> list[Broken]:
    """Everything that breaks a rule, by the rules' numbers."""
    return [
        Broken(number, str(name), finding)
        for number, name, check in sorted(_rules, key=lambda r: (r[0], str(r[1])))
        for finding in check()
    ]


def rules() -> list[tuple[int, str]]:
    """The rules that are checked: number, and name in the language of the moment."""
    return sorted({(number, str(name)) for number, name, _ in _rules})


FIRST = 20  # findings shown for each check; one is already too many


@rule(1, _l("every entry balances, per unit"))
def _units_agree() -> Iterable[str]:
    # A transfer takes from one account what it gives to another, so only a unit could differ.
    source, target = core(LedgerAccount).alias(), core(LedgerAccount).alias()
    t = LedgerTransfer
    rows = (
        select(t.entry_id, t.seq)
        .join(source, source.c.id == t.source_id)
        .join(target, target.c.id == t.target_id)
        .where(or_(source.c.unit != t.unit, target.c.unit != t.unit, t.amount <= 0))
        .limit(FIRST)
    )
    for entry_id, seq in db.session.execute(rows):
        yield f"transfer {seq} of entry e-{entry_id} joins accounts of different units"


@rule(2, _l("the books sum to zero, per unit"))
def _books_sum_to_zero() -> Iterable[str]:
    balance = balances.current()
    rows = (
        select(LedgerAccount.unit, func.sum(balance.c.amount).cast(BigInteger))
        .join(balance, balance.c.account_id == LedgerAccount.id)
        .group_by(LedgerAccount.unit)
    )
    for unit, amount in db.session.execute(rows):
        if amount:
            yield f"all balances in {unit} sum to {amount}"


@rule(3, _l("no worker's balance is ever negative"))
def _never_negative() -> Iterable[str]:
    for account_id in db.session.execute(
        select(LedgerBalance.account_id).where(LedgerBalance.amount < 0).limit(FIRST)
    ).scalars():
        yield f"la-{account_id} is negative"


@rule(5, _l("one key, one entry"))
def _keys_and_entries_agree() -> Iterable[str]:
    rows = (
        select(LedgerEntry.id)
        .outerjoin(LedgerKey, (LedgerKey.key == LedgerEntry.key) & (LedgerKey.entry_id == LedgerEntry.id))
        .where(LedgerKey.key.is_(None))
        .limit(FIRST)
    )
    for entry_id in db.session.execute(rows).scalars():
        yield f"entry e-{entry_id} does not stand under its key"
    strays = (
        select(LedgerKey.key)
        .join(LedgerEntry, LedgerEntry.id == LedgerKey.entry_id)
        .where(LedgerEntry.key != LedgerKey.key)
        .limit(FIRST)
    )
    for key in db.session.execute(strays).scalars():
        yield f"the key {key} names an entry that has another one"


@rule(12, _l("replaying the journal gives the same balances"))
def _replay_agrees() -> Iterable[str]:
    for account_id, stored, replayed in differences():
        yield f"la-{account_id} is stored as {stored}, the journal says {replayed}"


@rule(12, _l("every worker's line has a stored balance"))
def _lines_have_balances() -> Iterable[str]:
    rows = (
        select(LedgerAccount.id)
        .outerjoin(LedgerBalance, LedgerBalance.account_id == LedgerAccount.id)
        .where(LedgerAccount.kind == AccountKind.WORKER, LedgerBalance.account_id.is_(None))
        .limit(FIRST)
    )
    for account_id in db.session.execute(rows).scalars():
        yield f"la-{account_id} has no stored balance"


def differences() -> list[tuple[int, int, int]]:
    """Ledger accounts whose stored balance is not what their transfers sum to: (id, stored, replayed)."""
    t = LedgerTransfer
    moves = union_all(
        select(t.source_id.label("account_id"), (-t.amount).label("amount")),
        select(t.target_id, t.amount),
    ).subquery()
    replayed = (
        select(moves.c.account_id, func.sum(moves.c.amount).cast(BigInteger).label("amount"))
        .group_by(moves.c.account_id)
        .subquery()
    )
    stored = balances.current()
    rows = (
        select(LedgerAccount.id, func.coalesce(stored.c.amount, 0), func.coalesce(replayed.c.amount, 0))
        .outerjoin(stored, stored.c.account_id == LedgerAccount.id)
        .outerjoin(replayed, replayed.c.account_id == LedgerAccount.id)
        .where(func.coalesce(stored.c.amount, 0) != func.coalesce(replayed.c.amount, 0))
        .limit(FIRST)
    )
    return [(id_, int(a), int(b)) for id_, a, b in db.session.execute(rows)]
