"""Which entries of the books touch a worker's lines?

What comes to a line is found by the line: contributions, and switches and their rolling back, which lead from his lines
to his lines. What leaves them for somebody else's is leave that he took or a contribution that was taken back (rule
15), and those deeds name their entries. So the journal keeps no index of where transfers come from: it would hold the
world's side of every contribution.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from flask_babel import lazy_gettext as _l
from sqlalchemy import CompoundSelect, Select, exists, select, union

from enrollment.models import BenefitAccount, Contribution, LeaveRequest
from exchange.database import core, db
from exchange.ledger import invariants
from exchange.ledger.accounts import AccountKind, LedgerAccount
from exchange.ledger.journal import LedgerTransfer

# Each names the entry by which something left the account's lines, once it is posted. ``rolling_back._acted`` asks
# the same deeds in its own way: who adds one here adds it there.
_DEEDS = ((Contribution, Contribution.reversed_by_id), (LeaveRequest, LeaveRequest.entry_id))


def lines(account_id: int) -> Select[int]:
    """A SELECT of the ids of the account's own lines."""
    la = LedgerAccount
    return select(la.id).where(la.holder_id == account_id, la.kind == AccountKind.WORKER)


def touching(account_id: int, own: Sequence[int]) -> CompoundSelect[int]:
    """A SELECT of the ids of the entries that touch the lines ``own``, which are the account's."""
    t = LedgerTransfer
    came = select(t.entry_id).where(t.target_id.in_(own))
    # Of what was taken back some came from no line of his, but from one that many share.
    gone = select(t.entry_id).where(t.source_id.in_(own))
    return union(came, *(gone.where(t.entry_id.in_(entries)) for entries in leaving(account_id)))


def leaving(account_id: int) -> list[Select[int | None]]:
    """SELECTs of the ids of the entries by which something may have left the account's lines."""
    return [
        select(entry_id).where(deed.benefit_account_id == account_id, entry_id.is_not(None))
        for deed, entry_id in _DEEDS
    ]


@invariants.rule(15, _l("what leaves a worker's lines is leave he took or a contribution that was taken back"))
def _only_deeds_leave() -> Iterator[str]:
    source, target = core(LedgerAccount).alias("source"), core(LedgerAccount).alias("target")
    t = LedgerTransfer
    known = [
        exists().where(entry_id == t.entry_id, deed.benefit_account_id == source.c.holder_id)
        for deed, entry_id in _DEEDS
    ]
    rows = (
        select(t.entry_id, t.seq)
        .join(source, source.c.id == t.source_id)
        .join(target, target.c.id == t.target_id)
        .join(BenefitAccount, BenefitAccount.id == source.c.holder_id)
        .where(target.c.holder_id.is_distinct_from(source.c.holder_id), *(~one for one in known))
        .limit(invariants.FIRST)
    )
    for entry_id, seq in db.session.execute(rows):
        yield f"transfer {seq} of entry e-{entry_id} leaves a worker's line, and no deed of his names it"
