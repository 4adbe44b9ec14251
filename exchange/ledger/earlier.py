"""What did workers' lines amount to when the journal had fewer entries?

A balance is known now. What it was at a size of the sealed journal is that, less what was posted since:
entries with a later place, and those that have none yet. While the sealer keeps up these are the
postings of a minute, however long the journal is, and nobody who posts has to wait.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import CTE, BigInteger, Subquery, func, literal, select, union_all

from exchange.database import core, db
from exchange.ledger import seals
from exchange.ledger.journal import LedgerEntry, LedgerTransfer
from exchange.ledger.seal_store import JournalSeal, SealCheckpoint, SealGap, SealState
from exchange.ledger.statements import KIND as STATEMENT

# A sealer that is further behind than this is out of order: its last checkpoint says nothing of now.
BEHIND: Final = timedelta(hours=1)
# The place of an entry that has none yet.
UNSEALED: Final = 2**63 - 1


def sealed_lately(at: datetime) -> SealCheckpoint | None:
    """The newest checkpoint; None where nothing is sealed, sealing is stopped, or it is more than an hour behind."""
    newest = seals.latest()
    if newest is None or seals.is_stopped():
        return None
    waiting = seals.oldest_unsealed()
    return newest if waiting is None or waiting.posted_at > at - BEHIND else None


def entries_after(size: int) -> Subquery:
    """The entries that are not in the journal of ``size`` entries: ``entry_id`` and ``position``.

    To be read in one statement with the balances that it is held against, so that both are of one state.
    """
    s, e, g = core(JournalSeal).c, core(LedgerEntry).c, core(SealGap).c
    nowhere = literal(UNSEALED, BigInteger).label("position")
    late = core(SealGap).join(core(LedgerEntry), e.id.between(g.first_id, g.last_id))
    return union_all(
        select(s.entry_id, s.position).where(s.position >= size),
        select(e.id, nowhere).where(e.id > select(SealState.highest_entry_id).scalar_subquery()),
        select(e.id, nowhere).select_from(late),
    ).subquery("entries_after")


def moves_after(size: int) -> Subquery:
    """What these entries moved: ``account_id``, ``amount`` (negative: it went), ``position``."""
    t, after = core(LedgerTransfer).c, entries_after(size)
    came = select(t.target_id.label("account_id"), t.amount, after.c.position)
    went = select(t.source_id, -t.amount, after.c.position)
    return union_all(*(part.join(after, after.c.entry_id == t.entry_id) for part in (came, went))).subquery(
        "moves_after"
    )


def net_after(size: int) -> CTE:
    """The same net, a row for each line: ``account_id``, ``amount``."""
    moves = moves_after(size).c
    net = func.sum(moves.amount).cast(BigInteger).label("amount")
    return select(moves.account_id, net).group_by(moves.account_id).cte("net_after")


def first_after(size: int) -> datetime | None:
    """When the first entry that moved something and is not in the journal of ``size`` entries was posted."""
    after = entries_after(size)
    posted_at = select(func.min(LedgerEntry.posted_at)).join(after, after.c.entry_id == LedgerEntry.id)
    return db.session.execute(posted_at.where(LedgerEntry.kind != STATEMENT)).scalar_one()
