"""Which rows does a posting lock, and in what order?  ``small_posts`` keeps the same order in its one statement.

PostgreSQL: the workers' balances that change, sorted by id, so that two postings never wait for each
other in a circle. SQLite has one writer at a time (``BEGIN IMMEDIATE``): nothing to lock.
"""

from __future__ import annotations

from sqlalchemy import func, select

from exchange.database import db, is_sqlite
from exchange.ledger import staging
from exchange.ledger.accounts import LedgerBalance


def lock_changed_balances() -> None:
    """Lock the balance of every worker's line that the staged changes touch, ascending."""
    if is_sqlite():
        return
    touched = select(staging.change.c.account_id)
    rows = (
        select(LedgerBalance.account_id)
        .where(LedgerBalance.account_id.in_(touched))
        .order_by(LedgerBalance.account_id)
        .with_for_update()
        .subquery()
    )
    # Counted in the database, so that a million locked rows do not come to Python.
    db.session.execute(select(func.count()).select_from(rows))
