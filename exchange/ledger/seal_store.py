"""Where do seals, checkpoints and statements stand?

Everything here is derived from what is posted, or signed over it. ``journal_seal`` gives an entry its
position; nodes of the tree are kept at every eighth level only, which makes them a 256th of the
journal and a proof three questions.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Final

from sqlalchemy import CheckConstraint, ForeignKey, Index, SmallInteger, UniqueConstraint, select
from sqlalchemy.orm import Mapped, mapped_column

from exchange.database import Base, Choice, db, one_of
from exchange.ledger import merkle
from exchange.money import Unit

STEP: Final = 8  # levels of the tree between kept nodes
_BLOCK: Final = 1 << STEP


class JournalSeal(Base):
    """The place of an entry in the sealed journal: positions 0, 1, 2, … without a hole. Never changed."""

    __tablename__ = "journal_seal"

    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    entry_id: Mapped[int] = mapped_column(ForeignKey("ledger_entry.id"), unique=True)
    leaf_hash: Mapped[bytes]


class SealNode(Base):
    """A perfect subtree of 2^level leaves (level 8, 16, 24, …). Never changed."""

    __tablename__ = "seal_node"

    level: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    hash: Mapped[bytes]


class SealGap(Base):
    """Entry ids below the highest sealed one that were not there when it was sealed.

    Ids come from a sequence: such an entry's transaction was open, or was rolled back and leaves a
    gap for ever. The sealer looks here each time, so that no entry is skipped.
    """

    __tablename__ = "seal_gap"
    __table_args__ = (CheckConstraint("first_id <= last_id", name="not_empty"),)

    first_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    last_id: Mapped[int]


class SealState(Base):
    """How far the sealer is: one row, which it holds while it works, so that there is one sealer."""

    __tablename__ = "seal_state"
    __table_args__ = (
        CheckConstraint("id = 1", name="one_row"),
        CheckConstraint("(stopped_at IS NULL) = (stopped_because IS NULL)", name="stopped_for_a_reason"),
    )

    id: Mapped[int] = mapped_column(primary_key=True, default=1, autoincrement=False)
    highest_entry_id: Mapped[int] = mapped_column(default=0)
    size: Mapped[int] = mapped_column(default=0)
    # The hashes of the perfect subtrees that the journal consists of, the largest first.
    peaks: Mapped[bytes] = mapped_column(default=b"")
    # Set when the books do not extend what was published: nothing is sealed until somebody has looked.
    stopped_at: Mapped[datetime | None]
    stopped_because: Mapped[str | None]


class SealCheckpoint(Base):
    """A signed size and root of the journal. Never changed; what others sign stands in ``note_cosignature``."""

    __tablename__ = "seal_checkpoint"

    size: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    root: Mapped[bytes]
    note: Mapped[str]
    sealed_at: Mapped[datetime]


class LiabilityStatement(Base):
    """What a provider owes in one component and unit, signed: the root of a tree of liabilities. Never changed."""

    __tablename__ = "liability_statement"
    __table_args__ = (
        one_of("unit", Unit),
        UniqueConstraint("organization_id", "component", "unit", "journal_size", "as_of"),
        Index("ix_liability_statement_journal_size", "journal_size"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    # Whose: ``org-7``, or ``exchange`` for what is with no provider.
    provider: Mapped[str]
    organization_id: Mapped[int] = mapped_column(ForeignKey("organization.id"))
    component: Mapped[str]
    unit: Mapped[Unit] = mapped_column(Choice(Unit))
    as_of: Mapped[date]
    # Why it was made: monthly, before or after a cutover, for a reserve check.
    cause: Mapped[str]
    journal_size: Mapped[int] = mapped_column(ForeignKey("seal_checkpoint.size"))
    period_salt: Mapped[bytes]
    root: Mapped[bytes]
    count: Mapped[int]
    # Decimal: a sum may be larger than the largest number of the database.
    sum: Mapped[str]
    note: Mapped[str]
    made_at: Mapped[datetime]
    # The journal's entry whose details are the statement's text.
    entry_id: Mapped[int] = mapped_column(ForeignKey("ledger_entry.id"), unique=True)


class LiabilityLeaf(Base):
    """The opening of one worker's leaf. Confidential: shown to its owner and the regulator."""

    __tablename__ = "liability_leaf"
    __table_args__ = (Index("ix_liability_leaf_account_number_statement_id", "account_number", "statement_id"),)

    # Deferred: the root is known, and the statement written, when all leaves are there.
    statement_id: Mapped[int] = mapped_column(
        ForeignKey("liability_statement.id", deferrable=True, initially="DEFERRED"), primary_key=True
    )
    leaf_hash: Mapped[bytes] = mapped_column(primary_key=True)
    nonce: Mapped[bytes]
    account_number: Mapped[str]
    email: Mapped[str]
    legal_name: Mapped[str]
    balance: Mapped[int]
    # The line of the books that the balance stands on; empty where none was ever opened.
    account_id: Mapped[int | None] = mapped_column(ForeignKey("ledger_account.id"))


class LiabilityBlock(Base):
    """A perfect subtree of 1,024 leaves of a statement, so that a proof does not read all leaves."""

    __tablename__ = "liability_block"

    statement_id: Mapped[int] = mapped_column(
        ForeignKey("liability_statement.id", deferrable=True, initially="DEFERRED"), primary_key=True
    )
    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    first_leaf_hash: Mapped[bytes]
    hash: Mapped[bytes]
    sum: Mapped[str]


class NoteCosignature(Base):
    """A signature line that somebody else handed back: a witness on a checkpoint, a provider on a statement."""

    __tablename__ = "note_cosignature"
    __table_args__ = (
        CheckConstraint("(checkpoint_size IS NULL) <> (statement_id IS NULL)", name="one_note"),
        UniqueConstraint("checkpoint_size", "line"),
        UniqueConstraint("statement_id", "line"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    checkpoint_size: Mapped[int | None] = mapped_column(ForeignKey("seal_checkpoint.size"))
    statement_id: Mapped[int | None] = mapped_column(ForeignKey("liability_statement.id"))
    key_name: Mapped[str]
    line: Mapped[str]
    received_at: Mapped[datetime]


class StoredTree:
    """The journal's tree as it is kept: any perfect subtree of it, read in blocks of 256 nodes."""

    def __init__(self) -> None:
        self._blocks: dict[tuple[int, int], list[bytes]] = {}

    def perfect(self, level: int, position: int) -> bytes:
        """The subtree over the leaves [position · 2^level, (position + 1) · 2^level)."""
        base = level - level % STEP
        width = 1 << (level - base)
        first = position * width
        nodes = self._block(base, first // _BLOCK)[first % _BLOCK :][:width]
        assert len(nodes) == width, "the subtree is in the tree"
        while len(nodes) > 1:
            nodes = [merkle.node_hash(left, right) for left, right in zip(nodes[::2], nodes[1::2], strict=True)]
        return nodes[0]

    def root(self, size: int) -> bytes:
        """The journal's root when it had ``size`` entries."""
        return merkle.span_node((0, size), self.perfect, merkle.node_hash) if size else merkle.EMPTY_ROOT

    def _block(self, base: int, number: int) -> list[bytes]:
        if (base, number) not in self._blocks:
            first, end = number * _BLOCK, (number + 1) * _BLOCK
            s, n = JournalSeal, SealNode
            rows = (
                select(n.hash).where(n.level == base, n.position >= first, n.position < end).order_by(n.position)
                if base
                else select(s.leaf_hash).where(s.position >= first, s.position < end).order_by(s.position)
            )
            self._blocks[base, number] = list(db.session.execute(rows).scalars())
        return self._blocks[base, number]


def split_peaks(peaks: bytes) -> list[bytes]:
    """The hashes in ``SealState.peaks``."""
    return [peaks[start : start + 32] for start in range(0, len(peaks), 32)]
