"""What does a provider owe, said once and signed, so that each worker can find himself in it?

A statement is the root of a tree of liabilities (see ``liabilities``) at one size of the journal. Its
text is also entered in the journal, as an entry without transfers: one witnessed checkpoint covers all
statements, and a second version of one would show. The leaves are confidential.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from itertools import islice
from typing import Any, Final

from flask_babel import lazy_gettext as _l
from sqlalchemy import Row, delete, exists, func, insert, select

from exchange import audit, bulk
from exchange.database import core, db, is_sqlite, rows_of
from exchange.errors import NotFound, Refusal
from exchange.identity.actors import Actor
from exchange.ledger import encoding, journal, liabilities, merkle, notes, seals
from exchange.ledger.journal import Posting
from exchange.ledger.keys import KeyRing
from exchange.ledger.liabilities import Builder, LeafMaker, Node, Opening, Scope, Subject
from exchange.ledger.seal_store import (
    JournalSeal,
    LiabilityBlock,
    LiabilityLeaf,
    LiabilityStatement,
    NoteCosignature,
)
from exchange.ledger.seals import Head
from exchange.money import Unit

BLOCK_LEVEL: Final = 10  # a block is a perfect subtree of 1,024 leaves
_BLOCK: Final = 1 << BLOCK_LEVEL
_AT_ONCE: Final = 5_000
_LEAF: Final = (
    "statement_id", "leaf_hash", "nonce", "account_number", "email", "legal_name", "balance", "account_id",
)  # fmt: skip
KIND: Final = "statement"
FOR_CHECKS: Final = "reserve checks"
"""The cause of statements that are made for reserve checks: every day, so that their leaves are not kept for ever."""
FOR_FILINGS: Final = "filings"
"""The same for checks of some providers alone, which have filed something: others are not stated then."""


class NothingPosted(Refusal):
    """There is no journal yet of which anything could be stated."""

    code = "nothing_posted"


@dataclass(frozen=True, slots=True)
class Tree:
    """Of whose liabilities a statement speaks: the provider as statements call it (``org-7``, ``exchange``)."""

    provider: str
    organization_id: int
    component: str
    unit: Unit


@dataclass(frozen=True, slots=True)
class Moment:
    """Of when: the journal's head, the date, and why the statements are made (``monthly 2027-01``)."""

    head: Head
    as_of: date
    cause: str


@dataclass(frozen=True, slots=True)
class Owed:
    """One worker's balance, on the ledger account ``account_id`` (None: no line was ever opened, nothing is owed)."""

    subject: Subject
    balance: int
    account_id: int | None


@dataclass(frozen=True, slots=True)
class Proof:
    """That a worker's balance is in a statement: his opening, and the way (hash and sum) from his leaf to the root."""

    index: int
    opening: Opening
    path: tuple[tuple[bytes, int], ...]


# --- making ---------------------------------------------------------------------------------------


def begin_snapshot() -> None:
    """The first thing in a unit of work that makes statements: it sees one state of the books, whoever posts meanwhile.

    SQLite's one writer sees that anyway.
    """
    if not is_sqlite():
        db.session.connection().exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")


def freeze(keys: KeyRing, *, by: Actor, at: datetime) -> Head:
    """Seal everything that this transaction sees; balances now are those of the journal of this size.

    Refuses as ``seals.seal`` does, and ``NothingPosted``.
    """
    while seals.seal(keys, by=by, at=at):
        pass
    newest = seals.latest()
    if newest is None:
        raise NothingPosted(_l("Nothing has been posted yet, so nothing is owed."))
    return Head(newest.size, newest.root)


def state(
    tree: Tree, owed: Iterable[Owed], *, moment: Moment, keys: KeyRing, by: Actor, at: datetime
) -> LiabilityStatement:
    """Make, sign, enter and keep one statement. ``owed`` comes in any order and is not held in memory.

    Raises ``liabilities.BadTree`` for a negative balance, and an integrity error for a worker who is
    named twice: then there is no statement, not a wrong one.
    """
    scope = Scope(
        exchange=keys.exchange,
        provider=tree.provider,
        component=tree.component,
        unit=tree.unit,
        as_of=moment.as_of,
        journal_size=moment.head.size,
        journal_root=moment.head.root,
        period_salt=secrets.token_bytes(32),
    )
    id_ = _free_id()
    _write_leaves(id_, scope, owed, keys.master())
    root = _build(id_, scope)
    text = liabilities.statement_text(scope, root)
    key = f"statement:{tree.provider}:{tree.component}:{tree.unit.value}:{moment.as_of}:{moment.head.size}"
    posting = Posting(key, KIND, moment.as_of, (), details=text, salt=encoding.OPEN_SALT)
    statement = LiabilityStatement(
        id=id_,
        provider=tree.provider,
        organization_id=tree.organization_id,
        component=tree.component,
        unit=tree.unit,
        as_of=moment.as_of,
        cause=moment.cause,
        journal_size=scope.journal_size,
        period_salt=scope.period_salt,
        root=root.hash,
        count=root.count,
        sum=str(root.sum),
        note=notes.sign(text, keys.signers_of(tree.provider)),
        made_at=at,
        entry_id=journal.post([posting], by=by, at=at)[key],
    )
    db.session.add(statement)
    db.session.flush()
    audit.record("statement.made", f"statement:{id_}", by=by, at=at, facts=f"leaves={root.count} {moment.cause}")
    return statement


def _free_id() -> int:
    if is_sqlite():
        return (db.session.execute(select(func.max(LiabilityStatement.id))).scalar_one() or 0) + 1
    number: int = db.session.execute(select(func.nextval("liability_statement_id_seq"))).scalar_one()
    return number


def _write_leaves(statement_id: int, scope: Scope, owed: Iterable[Owed], master: bytes) -> None:
    maker, source = LeafMaker(scope, master), iter(owed)
    while piece := list(islice(source, _AT_ONCE)):
        bulk.insert_rows(core(LiabilityLeaf), _LEAF, [_leaf_row(statement_id, one, maker) for one in piece])


def _leaf_row(statement_id: int, one: Owed, maker: LeafMaker) -> tuple[object, ...]:
    """Kept as it is hashed, so that what is shown later is spelled in the one way that leads to the leaf."""
    who = one.subject
    number, email, name = map(encoding.plain, (who.account_number, who.email.lower(), who.legal_name))
    hashed, nonce = maker.make(number, email, name, one.balance)
    return (
        statement_id, hashed, nonce, number.decode(), email.decode(), name.decode(), one.balance, one.account_id,
    )  # fmt: skip


def _build(statement_id: int, scope: Scope) -> Node:
    """The root above the leaves that are written, in their order; keeps the blocks that it completes."""
    f = LiabilityLeaf
    leaves = select(f.leaf_hash, f.balance).where(f.statement_id == statement_id).order_by(f.leaf_hash)
    builder, blocks, first = Builder(scope), [], b""
    for index, (hashed, balance) in enumerate(db.session.execute(leaves.execution_options(yield_per=_AT_ONCE))):
        if index % _BLOCK == 0:
            first = hashed
        for level, position, node in builder.add(Node(hashed, balance, 1)):
            if level == BLOCK_LEVEL:
                row = {"position": position, "first_leaf_hash": first, "hash": node.hash, "sum": str(node.sum)}
                blocks.append({"statement_id": statement_id, **row})
    if blocks:
        db.session.execute(insert(core(LiabilityBlock)), blocks)
    return builder.root()


# --- forgetting -----------------------------------------------------------------------------------


def forgettable(before: datetime) -> list[tuple[int, int]]:
    """The statements for reserve checks made before then that still have leaves: id and how many; the oldest first."""
    s, f = LiabilityStatement, LiabilityLeaf
    old = select(s.id, s.count).where(s.cause.in_([FOR_CHECKS, FOR_FILINGS]), s.made_at < before, s.count > 0)
    there = exists().where(f.statement_id == s.id)
    return [(id_, count) for id_, count in db.session.execute(old.where(there).order_by(s.id))]


def forget_leaves(statement_ids: Collection[int]) -> int:
    """Drop the leaves of these statements; returns how many. What was signed stands, and its place in the journal."""
    leaves = delete(core(LiabilityLeaf)).where(core(LiabilityLeaf).c.statement_id.in_(statement_ids))
    return rows_of(db.session.execute(leaves))


# --- reading --------------------------------------------------------------------------------------


def signed_note(statement: LiabilityStatement) -> str:
    """The statement with every signature on it, those that a provider handed in later included."""
    c = NoteCosignature
    lines = select(c.line).where(c.statement_id == statement.id).order_by(c.id)
    return statement.note + "".join(db.session.execute(lines).scalars())


def digest_of(statement: LiabilityStatement) -> str:
    """SHA-256 of the text that is signed, in hexadecimal, as the public list of statements has it."""
    return hashlib.sha256(notes.parts(statement.note)[0].encode()).hexdigest()


def places_of(made: Collection[LiabilityStatement]) -> dict[int, int]:
    """Where the statements' own entries stand in the journal, by the statement's id; absent while they wait."""
    j, s = JournalSeal, LiabilityStatement
    rows = select(s.id, j.position).join(j, j.entry_id == s.entry_id).where(s.id.in_([one.id for one in made]))
    return dict(db.session.execute(rows).all())


def of_account(account_number: str) -> list[LiabilityStatement]:
    """The statements in which a benefit account has a leaf, the latest first."""
    s, f = LiabilityStatement, LiabilityLeaf
    mine = select(s).join(f, f.statement_id == s.id).where(f.account_number == account_number)
    return list(db.session.execute(mine.order_by(s.id.desc())).scalars())


def proof_of(statement: LiabilityStatement, account_number: str) -> Proof:
    """The proof for one worker. Reads at most two blocks of leaves. ``NotFound`` when he has no leaf there.

    To be shown to its owner and the regulator only: the caller has asked who is asking.
    """
    f = LiabilityLeaf
    mine = db.session.execute(
        select(f).where(f.statement_id == statement.id, f.account_number == account_number)
    ).scalar_one_or_none()
    if mine is None:
        raise NotFound(_l("This account has no place in this statement."))
    tree = _Stored(statement)
    index = tree.index_of(mine.leaf_hash)
    path = merkle.inclusion_path(index, statement.count, tree.perfect, liabilities.join)
    subject = Subject(mine.account_number, mine.email, mine.legal_name)
    return Proof(index, Opening(mine.nonce, subject, mine.balance), tuple((node.hash, node.sum) for node in path))


def leaves_of(statement_id: int) -> Iterator[Row[Any]]:
    """Every leaf (its columns by name) in the order of the tree. Flat in memory."""
    f = core(LiabilityLeaf)
    rows = select(f).where(f.c.statement_id == statement_id).order_by(f.c.leaf_hash)
    yield from db.session.execute(rows.execution_options(yield_per=_AT_ONCE))


class _Stored:
    """A statement's tree as it is kept: leaves in order, and every block of 1,024."""

    def __init__(self, statement: LiabilityStatement) -> None:
        b = LiabilityBlock
        rows = select(b.first_leaf_hash, b.hash, b.sum).where(b.statement_id == statement.id).order_by(b.position)
        found = db.session.execute(rows).all()
        self._id = statement.id
        self._firsts = [first for first, _, _ in found]
        self._levels: dict[int, list[Node]] = {
            BLOCK_LEVEL: [Node(hashed, int(total), _BLOCK) for _, hashed, total in found]
        }
        self._pieces: dict[int, list[Node]] = {}

    def index_of(self, leaf_hash: bytes) -> int:
        """Where the leaf stands."""
        block = max(sum(first <= leaf_hash for first in self._firsts) - 1, 0)
        # What follows the last whole block has no row of its own.
        for number in (block, block + 1):
            for place, node in enumerate(self._piece(number)):
                if node.hash == leaf_hash:
                    return number * _BLOCK + place
        raise AssertionError("unreachable")

    def perfect(self, level: int, position: int) -> Node:
        """The perfect subtree of 2^level leaves that is the ``position``-th of its kind."""
        if level >= BLOCK_LEVEL:
            return self._upper(level)[position]
        start = position << level
        piece = self._piece(start >> BLOCK_LEVEL)
        nodes = piece[start % _BLOCK : start % _BLOCK + (1 << level)]
        return merkle.span_node((0, len(nodes)), lambda depth, at: _reduced(nodes, depth, at), liabilities.join)

    def _upper(self, level: int) -> list[Node]:
        if level not in self._levels:
            below = self._upper(level - 1)
            pairs = zip(below[::2], below[1::2], strict=False)
            self._levels[level] = [liabilities.join(left, right) for left, right in pairs]
        return self._levels[level]

    def _piece(self, number: int) -> list[Node]:
        """The leaves of one block; of the rest after the last block, where ``number`` is the one after it."""
        if number not in self._pieces:
            f = LiabilityLeaf
            rows = select(f.leaf_hash, f.balance).where(f.statement_id == self._id).order_by(f.leaf_hash)
            if number < len(self._firsts):
                rows = rows.where(f.leaf_hash >= self._firsts[number])
            elif self._firsts:
                rows = rows.where(f.leaf_hash >= self._firsts[-1]).offset(_BLOCK)
            found = db.session.execute(rows.limit(_BLOCK))
            self._pieces[number] = [Node(hashed, balance, 1) for hashed, balance in found]
        return self._pieces[number]


def _reduced(nodes: list[Node], level: int, position: int) -> Node:
    part = nodes[position << level : (position + 1) << level]
    while len(part) > 1:
        part = [liabilities.join(left, right) for left, right in zip(part[::2], part[1::2], strict=True)]
    return part[0]
