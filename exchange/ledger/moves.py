"""How do all balances of very many workers come to other lines at once?

What ``journal.post_staged`` does for any transfers, for those that each take a whole line: nothing is added up, new
lines are opened on the way, and no key may be there already.
"""

from __future__ import annotations

from datetime import datetime

from flask_babel import lazy_gettext as _l
from sqlalchemy import exists, func, insert, select

from exchange import audit
from exchange.database import core, db, rows_of
from exchange.identity.actors import Actor
from exchange.ledger import accounts, balances, journal, staging
from exchange.ledger.journal import KeyReused, LedgerKey, LedgerTransfer


def post_moves(*, by: Actor, at: datetime, subject: str) -> None:
    """Write the staged entries whose transfers stand in ``staging.move``, all or none, opening lines on the way.

    The caller keeps everybody else from posting to lines of these holders, and each move takes all that its source
    holds: so no line falls below zero, and each source changes once. Where it holds something else by now, nothing is
    posted (an assertion fails). Refuses ``KeyReused`` for every key that is there already.
    """
    journal.write_staged_entries(at)
    with staging.keys_follow():  # no key may be there already, so the entries may come before them
        new = _claim_keys()
    accounts.open_staged()
    m = staging.move.c
    names = ["entry_id", "seq", "source_id", "target_id", "unit", "amount"]
    db.session.execute(insert(core(LedgerTransfer)).from_select(names, select(*(m[name] for name in names))))
    balances.apply_staged_moves()
    audit.record(journal.DEED, f"entry:{subject}", by=by, at=at, facts=f"entries={new}")


def _claim_keys() -> int:
    """Write the keys; how many. Refuses ``KeyReused`` where one is there, whatever it stands for.

    None should be: to be ready for a conflict with each costs PostgreSQL more than to look first. Of two who write
    one key at the same moment the later one is asked again.
    """
    e = staging.entry.c
    absent = select(e.key, e.entry_id).where(~exists().where(LedgerKey.key == e.key)).order_by(e.key)
    keys = insert(core(LedgerKey)).from_select(["key", "entry_id"], absent)
    claimed = rows_of(db.session.execute(keys.execution_options(preserve_rowcount=True)))
    if claimed < db.session.execute(select(func.count()).select_from(staging.entry)).scalar_one():
        taken = select(e.key).join(LedgerKey, (LedgerKey.key == e.key) & (LedgerKey.entry_id != e.entry_id)).limit(1)
        other = db.session.execute(taken).scalar_one()
        raise KeyReused(_l("This was already entered with other content."), key=other)
    return claimed
