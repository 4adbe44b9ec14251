"""How do a few postings get into the books without the cost of staging them?

PostgreSQL takes all of it in one statement; SQLite, which has no network, in a handful of short ones.
They do what ``journal.post_staged`` does, in the same order: claim the keys, lock the workers' balances
in ascending order, see that none falls below zero, write. Two answers are no: a key that was there, and
a balance that does not suffice. Then the keys that were free are written (on SQLite also balances before
the one that does not suffice), and they have no entry: the database refuses to commit that. Called by the journal only.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from exchange.database import driver, is_sqlite, note_transaction, told_by_sqlalchemy

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Asked:
    """What shall be written, by the names of the columns, as the database holds it (instants and dates too).

    ``entries`` are numbered by ``ordinal``, and ``transfers`` name their entry's. ``changes`` is what they
    do to each ledger account (``account_id``, ``delta``), ascending; ``event`` is the row of the audit log.
    """

    entries: Sequence[Row]
    transfers: Sequence[Row]
    changes: Sequence[Row]
    event: Row


@dataclass(frozen=True, slots=True)
class Outcome:
    """The entry id of each key that was free; whether the balances suffice. Written is only what is both."""

    claimed: Mapping[str, int]
    suffices: bool


def write(asked: Asked) -> Outcome:
    """Write the postings if all keys are free and the balances suffice."""
    return _on_sqlite(asked) if is_sqlite() else _on_postgresql(asked)


# --- PostgreSQL -----------------------------------------------------------------------------------

# Nothing here names a row by a value in the text, every parameter is text, and no array stands where the planner
# could count it: so the plan is made once for a connection. The parts depend on one another by what they read, so
# they run in the order in which they stand. What a balance will be is computed from the locked row. The update itself
# sees the snapshot from before the lock: it may only set the figure, not add to one that is perhaps outdated.
# Shorter than 4,096 characters, or psycopg would translate it each time.
_STATEMENT: Final = """
WITH asked AS MATERIALIZED (
    SELECT nextval('ledger_entry_id_seq') AS entry_id, p.*
    FROM json_to_recordset(%(entries)s) AS p (ordinal integer, key text, kind text, posted_at bigint,
        effective_on date, details_digest text, salt text, details text, corrects_id bigint)
), claimed AS (
    INSERT INTO ledger_key (key, entry_id) SELECT key, entry_id FROM asked ORDER BY key
    ON CONFLICT DO NOTHING RETURNING key, entry_id
), change AS MATERIALIZED (
    SELECT account_id, delta
    FROM unnest((SELECT %(accounts)s::bigint[]), (SELECT %(deltas)s::bigint[])) AS p (account_id, delta)
    WHERE (SELECT count(*) FROM claimed) = (SELECT count(*) FROM asked)
), held AS MATERIALIZED (
    SELECT b.account_id, b.amount + c.delta AS amount
    FROM change c JOIN ledger_balance b ON b.account_id = c.account_id
    ORDER BY b.account_id FOR UPDATE OF b
), answer AS MATERIALIZED (
    SELECT NOT EXISTS (SELECT FROM held WHERE amount < 0) AS suffices,
        (SELECT count(*) FROM claimed) = (SELECT count(*) FROM asked) AS is_new
), entry AS (
    INSERT INTO ledger_entry (id, key, kind, posted_at, effective_on, details_digest, corrects_id)
    SELECT entry_id, key, kind, posted_at, effective_on, decode(details_digest, 'hex'), corrects_id
    FROM asked WHERE (SELECT suffices AND is_new FROM answer)
), transfer AS (
    INSERT INTO ledger_transfer (entry_id, seq, source_id, target_id, unit, amount)
    SELECT a.entry_id, t.seq, t.source_id, t.target_id, t.unit, t.amount
    FROM json_to_recordset(%(transfers)s) AS t (ordinal integer, seq smallint, source_id bigint,
        target_id bigint, unit text, amount bigint)
    JOIN asked a ON a.ordinal = t.ordinal WHERE (SELECT suffices AND is_new FROM answer)
), detail AS (
    INSERT INTO ledger_detail (entry_id, salt, details) SELECT entry_id, decode(salt, 'hex'), details
    FROM asked WHERE details IS NOT NULL AND (SELECT suffices AND is_new FROM answer)
), balance AS (
    UPDATE ledger_balance b SET amount = h.amount FROM held h
    WHERE b.account_id = h.account_id AND (SELECT suffices FROM answer)
), shared AS (
    INSERT INTO ledger_shared_delta (account_id, amount) SELECT c.account_id, c.delta
    FROM change c JOIN ledger_shared_balance s ON s.account_id = c.account_id WHERE (SELECT suffices FROM answer)
), event AS (
    INSERT INTO audit_event (at, action, subject, audience, actor_name, login_id, organization_id,
        reason, facts, request_id, address)
    SELECT p.* FROM json_to_record(%(event)s) AS p (at bigint, action text, subject text, audience text,
        actor_name text, login_id bigint, organization_id bigint, reason text, facts text, request_id text,
        address text) WHERE (SELECT suffices AND is_new FROM answer)
)
SELECT key, entry_id, (SELECT suffices FROM answer), pg_current_xact_id()::text FROM claimed
"""


def _on_postgresql(asked: Asked) -> Outcome:
    given = {
        "entries": _document(asked.entries),
        "transfers": _document(asked.transfers),
        "accounts": _array([change["account_id"] for change in asked.changes]),
        "deltas": _array([change["delta"] for change in asked.changes]),
        "event": _document(asked.event),
    }
    present = driver()
    with told_by_sqlalchemy(present.connection):
        rows = present.cursor.execute(_STATEMENT, given).fetchall()
    for _, _, _, number in rows[:1]:
        note_transaction(number)
    return Outcome({key: entry_id for key, entry_id, _, _ in rows}, all(suffices for _, _, suffices, _ in rows))


def _array(numbers: list[int]) -> str:
    """As PostgreSQL reads it. It takes an array for a short one, and so asks an index for each of its rows."""
    return f"{{{','.join(map(str, numbers))}}}"


_document = json.JSONEncoder(default=bytes.hex, check_circular=False).encode


# --- SQLite ---------------------------------------------------------------------------------------

_LAST_ID: Final = "SELECT coalesce(max(id), 0) FROM ledger_entry"
_CLAIM: Final = "INSERT INTO ledger_key (key, entry_id) VALUES (:key, :entry_id) ON CONFLICT DO NOTHING"
_CLAIMED: Final = "SELECT key, entry_id FROM ledger_key WHERE entry_id > ?"
_ENTRY: Final = """
INSERT INTO ledger_entry (id, key, kind, posted_at, effective_on, details_digest, corrects_id)
VALUES (:entry_id, :key, :kind, :posted_at, :effective_on, :details_digest, :corrects_id)
"""
_TRANSFER: Final = """
INSERT INTO ledger_transfer (entry_id, seq, source_id, target_id, unit, amount)
VALUES (:entry_id, :seq, :source_id, :target_id, :unit, :amount)
"""
_DETAIL: Final = "INSERT INTO ledger_detail (entry_id, salt, details) VALUES (:entry_id, :salt, :details)"
_BALANCE: Final = (
    "UPDATE ledger_balance SET amount = amount + :delta WHERE account_id = :account_id AND amount + :delta >= 0"
)
_SHARED: Final = """
INSERT INTO ledger_shared_delta (account_id, amount)
SELECT account_id, :delta FROM ledger_shared_balance WHERE account_id = :account_id
"""
_IS_WORKERS: Final = "SELECT 1 FROM ledger_balance WHERE account_id = :account_id"
_EVENT: Final = """
INSERT INTO audit_event (at, action, subject, audience, actor_name, login_id, organization_id,
    reason, facts, request_id, address)
VALUES (:at, :action, :subject, :audience, :actor_name, :login_id, :organization_id,
    :reason, :facts, :request_id, :address)
"""


def _on_sqlite(asked: Asked) -> Outcome:
    present = driver()
    with told_by_sqlalchemy(present.connection):
        return _written(asked, present.cursor)


def _written(asked: Asked, cursor: Any) -> Outcome:
    """The statements one after the other, in an order that the foreign keys allow."""
    # The write lock makes the next free ids ours.
    (last,) = cursor.execute(_LAST_ID).fetchone()
    entries = [{**entry, "entry_id": last + place} for place, entry in enumerate(asked.entries, 1)]
    if cursor.executemany(_CLAIM, entries).rowcount < len(entries):
        return Outcome(dict(cursor.execute(_CLAIMED, (last,)).fetchall()), suffices=True)
    claimed = {entry["key"]: entry["entry_id"] for entry in entries}
    for change in asked.changes:
        is_changed = any(cursor.execute(statement, change).rowcount for statement in (_BALANCE, _SHARED))
        # A line that is not there at all: its transfer will be refused.
        if not is_changed and cursor.execute(_IS_WORKERS, change).fetchone():
            return Outcome(claimed, suffices=False)
    cursor.executemany(_ENTRY, entries)
    if asked.transfers:
        cursor.executemany(_TRANSFER, [{**t, "entry_id": last + 1 + t["ordinal"]} for t in asked.transfers])
    detailed = [entry for entry in entries if entry["details"] is not None]
    if detailed:
        cursor.executemany(_DETAIL, detailed)
    cursor.execute(_EVENT, asked.event)
    return Outcome(claimed, suffices=True)
