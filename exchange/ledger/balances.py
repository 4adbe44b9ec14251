"""What does each line of the books amount to now?

Stored figures, derived from transfers, which ``rebuilt`` can compute again from nothing: a worker's
line has one row that is never negative; a shared line has a folded row and the deltas since.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Final

from sqlalchemy import BigInteger, Select, Subquery, delete, func, insert, select, true, union_all, update
from sqlalchemy.dialects import sqlite

from exchange.bulk import Prepared
from exchange.database import core, db, driver, is_sqlite, of_sqlalchemy, rows_of, told_by_sqlalchemy
from exchange.ledger import staging
from exchange.ledger.accounts import AccountKind, LedgerAccount, LedgerBalance, LedgerSharedBalance, LedgerSharedDelta
from exchange.money import Unit


def apply_staged_changes() -> None:
    """Carry the staged changes into the stored balances. Called by the journal only."""
    change = staging.change
    db.session.execute(
        update(LedgerBalance)
        # A sum, so that SQLite cannot begin with the balances of everybody and look each of them up among the changes.
        .where(LedgerBalance.account_id == change.c.account_id + 0)
        .values(amount=LedgerBalance.amount + change.c.delta)
        .execution_options(synchronize_session=False)
    )
    shared = select(change.c.account_id, change.c.delta).join(
        LedgerSharedBalance, LedgerSharedBalance.account_id == change.c.account_id
    )
    db.session.execute(insert(core(LedgerSharedDelta)).from_select(["account_id", "amount"], shared))


def apply(changes: Sequence[tuple[int, int]]) -> bool:
    """Change balances by what is given for each ledger account, ascending; False, and no change, where one of a
    worker's does not suffice. Their rows are locked in that order, and read after that.
    """
    if not is_sqlite():
        ((suffices,),) = _APPLY.run(changes)
        return bool(suffices)
    negative = [change for change in changes if change[1] < 0]
    if negative and _SHORT.run(negative):
        return False
    shared = {account_id for (account_id,) in _APPEND.run(changes)}
    present = driver()
    with told_by_sqlalchemy(present.connection):
        own = [(delta, account_id) for account_id, delta in changes if account_id not in shared]
        present.cursor.executemany("UPDATE ledger_balance SET amount = amount + ? WHERE account_id = ?", own)
    return True


_APPLY: Final = Prepared(
    """
    WITH held AS MATERIALIZED (
        SELECT b.account_id, b.amount + c.delta AS amount
        FROM {rows} JOIN ledger_balance b ON b.account_id = c.account_id
        ORDER BY b.account_id FOR UPDATE OF b
    ), answer AS MATERIALIZED (
        SELECT NOT EXISTS (SELECT FROM held WHERE amount < 0) AS suffices
    ), balance AS (
        UPDATE ledger_balance b SET amount = h.amount FROM held h
        WHERE b.account_id = h.account_id AND (SELECT suffices FROM answer)
    ), shared AS (
        INSERT INTO ledger_shared_delta (account_id, amount)
        SELECT c.account_id, c.delta FROM {rows} JOIN ledger_shared_balance s ON s.account_id = c.account_id
        WHERE (SELECT suffices FROM answer)
    )
    SELECT suffices FROM answer
    """,
    "c",
    account_id="bigint",
    delta="bigint",
)
_SHORT: Final = Prepared(
    """
    SELECT b.account_id FROM {rows} JOIN ledger_balance b ON b.account_id = c.account_id
    WHERE b.amount + c.delta < 0 LIMIT 1
    """,
    "c",
    account_id="bigint",
    delta="bigint",
)
_APPEND: Final = Prepared(
    """
    INSERT INTO ledger_shared_delta (account_id, amount)
    SELECT c.account_id, c.delta FROM {rows} JOIN ledger_shared_balance s ON s.account_id = c.account_id WHERE true
    RETURNING account_id
    """,
    "c",
    account_id="bigint",
    delta="bigint",
)


def apply_staged_moves() -> None:
    """Carry the staged moves into the stored balances: each source once, each target by all that comes to it."""
    m = staging.move
    emptied = db.session.execute(
        update(LedgerBalance)
        .where(LedgerBalance.account_id == m.c.source_id, LedgerBalance.amount == m.c.amount)
        .values(amount=0)
        .execution_options(synchronize_session=False)
    )
    staged = db.session.execute(select(func.count()).select_from(m)).scalar_one()
    assert rows_of(emptied) == staged, "nobody posts to lines whose holder's membership is held"
    if is_sqlite():
        each = sqlite.insert(core(LedgerBalance)).from_select(
            ["account_id", "amount"], select(m.c.target_id, m.c.amount).where(true())
        )
        more = {"amount": LedgerBalance.amount + each.excluded.amount}
        db.session.execute(each.on_conflict_do_update(index_elements=["account_id"], set_=more))
        return
    new = select(m.c.target_id, m.c.coming).where(m.c.opens, m.c.is_first)
    db.session.execute(insert(core(LedgerBalance)).from_select(["account_id", "amount"], new))
    db.session.execute(
        update(LedgerBalance)
        .where(LedgerBalance.account_id == m.c.target_id, ~m.c.opens, m.c.is_first)
        .values(amount=LedgerBalance.amount + m.c.coming)
        .execution_options(synchronize_session=False)
    )


def fold() -> int:
    """Fold the deltas of shared lines into their balances; returns how many were folded.

    Deltas of transactions that are still open are not seen and stay for the next time.
    """
    deltas = select(LedgerSharedDelta.id, LedgerSharedDelta.account_id, LedgerSharedDelta.amount)
    if not is_sqlite():
        deltas = deltas.with_for_update(skip_locked=True)
    folded = 0
    sums: dict[int, int] = {}
    ids: list[int] = []
    for id_, account_id, amount in db.session.execute(deltas.order_by(LedgerSharedDelta.id).limit(100_000)):
        sums[account_id] = sums.get(account_id, 0) + amount
        ids.append(id_)
        folded += 1
    for account_id in sorted(sums):
        db.session.execute(
            update(LedgerSharedBalance)
            .where(LedgerSharedBalance.account_id == account_id)
            .values(amount=LedgerSharedBalance.amount + sums[account_id])
        )
    for start in range(0, len(ids), 10_000):
        db.session.execute(delete(LedgerSharedDelta).where(LedgerSharedDelta.id.in_(ids[start : start + 10_000])))
    return folded


def current() -> Subquery:
    """Every ledger account's balance as a subquery of ``(account_id, amount)``."""
    parts = union_all(
        select(LedgerBalance.account_id, LedgerBalance.amount),
        select(LedgerSharedBalance.account_id, LedgerSharedBalance.amount),
        select(LedgerSharedDelta.account_id, LedgerSharedDelta.amount),
    ).subquery()
    amount = func.sum(parts.c.amount).cast(BigInteger).label("amount")
    return select(parts.c.account_id, amount).group_by(parts.c.account_id).subquery("balance")


def of(account_ids: Collection[int]) -> dict[int, int]:
    """The balances of some ledger accounts (cents or minutes); unknown ids are absent."""
    parts = union_all(
        select(LedgerBalance.account_id, LedgerBalance.amount).where(LedgerBalance.account_id.in_(account_ids)),
        select(LedgerSharedBalance.account_id, LedgerSharedBalance.amount).where(
            LedgerSharedBalance.account_id.in_(account_ids)
        ),
        select(LedgerSharedDelta.account_id, LedgerSharedDelta.amount).where(
            LedgerSharedDelta.account_id.in_(account_ids)
        ),
    ).subquery()
    rows = select(parts.c.account_id, func.sum(parts.c.amount)).group_by(parts.c.account_id)
    return {account_id: int(amount) for account_id, amount in db.session.execute(rows)}


# One question: a worker's line is one row, found by its key; where there is none, the line is a shared one.
_LINE: Final = """
SELECT amount FROM ledger_balance WHERE account_id = {id} UNION ALL
SELECT amount + (SELECT coalesce(CAST(sum(amount) AS bigint), 0) FROM ledger_shared_delta WHERE account_id = {id})
FROM ledger_shared_balance WHERE account_id = {id} LIMIT 1
"""
_ON_SQLITE: Final = _LINE.format(id="?1")
_ON_POSTGRESQL: Final = _LINE.format(id="%(id)s")


def line(account_id: int) -> int | None:
    """The balance of one ledger account (cents or minutes); None when there is no such account."""
    present = driver()
    try:
        if present.is_sqlite:
            found = present.cursor.execute(_ON_SQLITE, (account_id,)).fetchone()
        else:
            found = present.cursor.execute(_ON_POSTGRESQL, {"id": account_id}).fetchone()
    except present.connection.dialect.loaded_dbapi.Error as error:
        raise of_sqlalchemy(error, present.connection) from error
    return None if found is None else found[0]


def of_holder(holder_id: int) -> Mapping[tuple[int, str, Unit], int]:
    """A worker's balances: (organization id, component, unit) → amount, zero ones included."""
    return {
        (row.organization_id, row.component, row.unit): row.amount
        for row in db.session.execute(_held().where(LedgerAccount.holder_id == holder_id))
    }


def _held() -> Select[int, str, Unit, int]:
    return select(
        LedgerAccount.organization_id, LedgerAccount.component, LedgerAccount.unit, LedgerBalance.amount
    ).join(LedgerBalance, LedgerBalance.account_id == LedgerAccount.id)


def owed_by(organization_id: int) -> dict[tuple[str, Unit], int]:
    """What an organization owes its workers: (component, unit) → the sum of their lines."""
    rows = (
        select(LedgerAccount.component, LedgerAccount.unit, func.sum(LedgerBalance.amount).cast(BigInteger))
        .join(LedgerBalance, LedgerBalance.account_id == LedgerAccount.id)
        .where(LedgerAccount.organization_id == organization_id, LedgerAccount.kind == AccountKind.WORKER)
        .group_by(LedgerAccount.component, LedgerAccount.unit)
    )
    return {(component, unit): int(amount) for component, unit, amount in db.session.execute(rows)}


def shared_of(organization_id: int, kind: AccountKind) -> dict[tuple[str, Unit], int]:
    """An organization's shared lines of one kind: (component, unit) → balance."""
    lines = select(LedgerAccount.id, LedgerAccount.component, LedgerAccount.unit).where(
        LedgerAccount.organization_id == organization_id,
        LedgerAccount.kind == kind,
        LedgerAccount.holder_id.is_(None),  # said for the index, which has shared lines only
    )
    found = {id_: (component, unit) for id_, component, unit in db.session.execute(lines)}
    return {found[id_]: amount for id_, amount in of(found).items()}
