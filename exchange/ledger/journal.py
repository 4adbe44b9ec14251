"""What has happened, in the order it was written down, and how does something get in?

``post`` is the only door to the books. A transfer moves a positive amount from one ledger account to
another of the same unit; an entry is a list of transfers under one key. An entry that does not
balance can therefore not be written. The key says the deed (``switch:2027:1204``): the same key with
the same content is the entry that is already there, with other content it is refused.

A few postings are written at once (``small_posts``). Of many the rows go straight to where they stay; where some
keys are there already all is staged in temporary tables. ``post_staged`` serves callers that stage millions of rows
with one ``INSERT … SELECT`` instead of bringing them to Python. Nothing here locks a row that all
writers share: changes of shared accounts are appended as deltas.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final, NamedTuple

from flask_babel import lazy_gettext as _l
from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Select,
    SmallInteger,
    UniqueConstraint,
    and_,
    func,
    insert,
    literal,
    or_,
    select,
    true,
    update,
)
from sqlalchemy.orm import Mapped, mapped_column

from exchange import audit
from exchange.bulk import Prepared, insert_rows
from exchange.database import Base, Choice, Instant, core, db, insert_or_ignore, one_of, rows_of, to_microseconds
from exchange.errors import Refusal
from exchange.identity.actors import Actor
from exchange.ledger import balances, locks, small_posts, staging
from exchange.ledger.accounts import SET_BY_SET, LedgerBalance
from exchange.money import MAX_AMOUNT, Unit


class LedgerEntry(Base):
    """One deed in the books: transfers that belong together. Its name in the journal is ``e-<id>``."""

    __tablename__ = "ledger_entry"

    id: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str]
    kind: Mapped[str]
    # When it was written down, and when what it tells of took effect: two things.
    posted_at: Mapped[datetime] = mapped_column(Instant)
    effective_on: Mapped[date]
    # SHA-256 over salt and details (verification.md §1); empty where there are none.
    details_digest: Mapped[bytes | None]
    corrects_id: Mapped[int | None] = mapped_column(ForeignKey("ledger_entry.id"))


class LedgerKey(Base):
    """Which entry a key stands for. A table of its own, so that entries can be partitioned by their ids."""

    __tablename__ = "ledger_key"
    # So that SQLite finds the key of an entry that is being written without reading all of them.
    __table_args__ = (
        UniqueConstraint("entry_id", info=SET_BY_SET),
        ForeignKeyConstraint(["entry_id"], ["ledger_entry.id"], deferrable=True, initially="DEFERRED", info=SET_BY_SET),
    )

    key: Mapped[str] = mapped_column(primary_key=True)
    # Mostly written before the entry, in the same transaction: the key decides who may write it.
    entry_id: Mapped[int]


class LedgerTransfer(Base):
    """An amount that moved from one ledger account to another, in the unit of both."""

    __tablename__ = "ledger_transfer"
    __table_args__ = (
        ForeignKeyConstraint(["entry_id"], ["ledger_entry.id"], info=SET_BY_SET),
        ForeignKeyConstraint(
            ["source_id", "unit"], ["ledger_account.id", "ledger_account.unit"],
            name="fk_ledger_transfer_source", info=SET_BY_SET,
        ),
        ForeignKeyConstraint(
            ["target_id", "unit"], ["ledger_account.id", "ledger_account.unit"],
            name="fk_ledger_transfer_target", info=SET_BY_SET,
        ),
        CheckConstraint("amount > 0", name="positive"),
        CheckConstraint("source_id <> target_id", name="two_accounts"),
        one_of("unit", Unit),
        Index("ix_ledger_transfer_target_id", "target_id"),
    )  # fmt: skip

    entry_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    seq: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    source_id: Mapped[int]
    target_id: Mapped[int]
    unit: Mapped[Unit] = mapped_column(Choice(Unit))
    amount: Mapped[int]


class LedgerDetail(Base):
    """Words about an entry that may concern a person: outside the journal, and erasable.

    The journal keeps only the salted digest, so the chain holds when salt and words are erased.
    """

    __tablename__ = "ledger_detail"

    entry_id: Mapped[int] = mapped_column(ForeignKey("ledger_entry.id"), primary_key=True, autoincrement=False)
    salt: Mapped[bytes]
    details: Mapped[str]


MAX_KEY = 200  # characters
DEED = "ledger.posted"
# Entries and transfers together: up to here they are posted faster in one statement.
SMALL = 100


class BadPosting(Refusal):
    """A posting that cannot stand in the books."""

    code = "bad_posting"


class KeyReused(Refusal):
    """The key stands for an entry with other content."""

    code = "key_reused"
    status = 409


class InsufficientBalance(Refusal):
    """The transfers would leave a worker's line below zero."""

    code = "insufficient_balance"


class Transfer(NamedTuple):
    """``amount`` (1 … 2^63−1, in ``unit``) from ledger account ``source_id`` to ``target_id``."""

    source_id: int
    target_id: int
    unit: Unit
    amount: int


@dataclass(frozen=True, slots=True)
class Posting:
    """What is asked of the ledger: one entry with its transfers, in the order in which they shall stand."""

    key: str
    kind: str
    effective_on: date
    transfers: tuple[Transfer, ...]
    details: str | None = None
    corrects_id: int | None = None
    # 32 bytes that everybody may know, for words that everybody may read; otherwise the salt is new and secret.
    salt: bytes | None = None


def post(postings: Sequence[Posting], *, by: Actor, at: datetime) -> dict[str, int]:
    """Write the postings, all or none. Returns the entry id under each key.

    Called twice with the same content it writes once. Refuses ``BadPosting``, ``KeyReused`` and
    ``InsufficientBalance``; a refusal inside a unit of work rolls all of it back.
    """
    if not postings:
        return {}
    _check(postings)
    db.session.flush()  # what the session has not written yet comes before the entry
    if sum(1 + len(p.transfers) for p in postings) <= SMALL:
        outcome = small_posts.write(_asked(postings, by=by, at=at))
    else:
        outcome = _write_many(postings, by=by, at=at)
    if not outcome.suffices:
        raise InsufficientBalance(_l("The balance does not suffice."))
    claimed = outcome.claimed
    if len(claimed) < len(postings):
        stage(postings, claimed)
        post_staged(by=by, at=at, subject=postings[0].key)
        keys = select(LedgerKey.key, LedgerKey.entry_id).where(LedgerKey.key.in_(select(_e.c.key)))
        claimed = dict(db.session.execute(keys).all())
    return dict(claimed)


def _write_many(postings: Sequence[Posting], *, by: Actor, at: datetime) -> small_posts.Outcome:
    """Write the postings if all keys are free: what ``post_staged`` does, but each row goes straight to its place."""
    ids, when = staging.allot_ids(len(postings)), to_microseconds(at)
    claimed = dict(_CLAIM.run([(p.key, id_) for id_, p in zip(ids, postings, strict=True)]))
    if len(claimed) < len(postings):
        return small_posts.Outcome(claimed, suffices=True)
    if not balances.apply(sorted(_changes(postings).items())):
        return small_posts.Outcome(claimed, suffices=False)
    entries, worded = [], []
    for id_, p in zip(ids, postings, strict=True):
        digest = None
        if p.details is not None:
            column = _columns(p, 0)
            digest = column["details_digest"]
            worded.append((id_, column["salt"], p.details))
        entries.append((id_, p.key, p.kind, when, p.effective_on.isoformat(), digest, p.corrects_id))
    insert_rows(core(LedgerEntry), _ENTRY, entries)
    moved = (
        (id_, seq, source_id, target_id, unit.value, amount)
        for id_, p in zip(ids, postings, strict=True)
        for seq, (source_id, target_id, unit, amount) in enumerate(p.transfers)
    )
    insert_rows(core(LedgerTransfer), _TRANSFER, moved)
    if worded:
        insert_rows(core(LedgerDetail), ["entry_id", "salt", "details"], worded)
    audit.record(DEED, f"entry:{postings[0].key}", by=by, at=at, facts=f"entries={len(postings)}")
    return small_posts.Outcome(claimed, suffices=True)


_CLAIM: Final = Prepared(
    "INSERT INTO ledger_key (key, entry_id) SELECT new.key, new.entry_id FROM {rows} WHERE true ORDER BY new.key"
    " ON CONFLICT DO NOTHING RETURNING key, entry_id",
    "new", key="text", entry_id="bigint",
)  # fmt: skip


def stage(postings: Sequence[Posting], claimed: Mapping[str, int]) -> None:
    """Put postings where ``post_staged`` finds them; ``claimed`` are keys that this transaction holds already."""
    staging.clear()
    ids = staging.allot_ids(len(postings))
    entries, transfers = [], []
    for ordinal, (p, new_id) in enumerate(zip(postings, ids, strict=True)):
        entry_id = claimed.get(p.key, new_id)
        entries.append({"entry_id": entry_id, "effective_on": p.effective_on, **_columns(p, ordinal)})
        transfers += [{"entry_id": entry_id, **_transfer(t, seq)} for seq, t in enumerate(p.transfers)]
    staging.add(entries, transfers)


def post_staged(*, by: Actor, at: datetime, subject: str) -> int:
    """Write what stands in the staging tables (``staging.entry``, ``staging.transfer``), all or none.

    Returns how many entries were new. The staged rows stay until the next ``staging.clear`` or the
    end of the transaction. ``subject`` names the batch in the audit log. Refuses as ``post`` does.
    """
    new = _claim_keys()
    staging.sum_changes()
    _hold_and_see()
    write_staged_entries(at)
    _write_transfers()
    _write_details()
    balances.apply_staged_changes()
    audit.record(DEED, f"entry:{subject}", by=by, at=at, facts=f"entries={new}")
    return new


def details_digest(salt: bytes, details: str) -> bytes:
    """What the journal keeps of an entry's words (verification.md §1)."""
    return hashlib.sha256(b"pbx/jrn/detail/v1\0" + salt + details.encode()).digest()


_e, _t = staging.entry, staging.transfer
_ENTRY = ["id", "key", "kind", "posted_at", "effective_on", "details_digest", "corrects_id"]
_TRANSFER = ["entry_id", "seq", "source_id", "target_id", "unit", "amount"]


def _asked(postings: Sequence[Posting], *, by: Actor, at: datetime) -> small_posts.Asked:
    when = to_microseconds(at)
    entries, transfers = [], []
    for ordinal, p in enumerate(postings):
        dated = {"posted_at": when, "effective_on": p.effective_on.isoformat()}
        entries.append({**dated, **_columns(p, ordinal)})
        for seq, t in enumerate(p.transfers):
            transfers.append({"ordinal": ordinal, **_transfer(t, seq)})
    changes = _changes(postings)
    event = audit.event(DEED, f"entry:{postings[0].key}", by=by, at=at, facts=f"entries={len(postings)}")
    return small_posts.Asked(
        entries,
        transfers,
        [{"account_id": id_, "delta": changes[id_]} for id_ in sorted(changes)],
        {**event, "at": when},
    )


def _changes(postings: Sequence[Posting]) -> dict[int, int]:
    """What the postings do to each ledger account."""
    changes: dict[int, int] = {}
    for p in postings:
        for source_id, target_id, _, amount in p.transfers:
            changes[source_id] = changes.get(source_id, 0) - amount
            changes[target_id] = changes.get(target_id, 0) + amount
    if any(abs(delta) > MAX_AMOUNT for delta in changes.values()):
        raise BadPosting(_l("The transfers together move more than the ledger can hold."))
    return changes


def _columns(posting: Posting, ordinal: int) -> dict[str, Any]:
    """What every way into the books needs of a posting."""
    salt = (posting.salt or secrets.token_bytes(32)) if posting.details is not None else None
    return {
        "ordinal": ordinal,
        "key": posting.key,
        "kind": posting.kind,
        "details_digest": details_digest(salt, posting.details) if salt and posting.details is not None else None,
        "salt": salt,
        "details": posting.details,
        "corrects_id": posting.corrects_id,
    }


def _transfer(t: Transfer, seq: int) -> dict[str, Any]:
    return {"seq": seq, "source_id": t.source_id, "target_id": t.target_id, "unit": t.unit, "amount": t.amount}


def _check(postings: Sequence[Posting]) -> None:
    if len({p.key for p in postings}) < len(postings):
        raise BadPosting(_l("One request names the same key twice."))
    for p in postings:
        if not p.key or len(p.key) > MAX_KEY:
            raise BadPosting(_l("A key has between 1 and 200 characters."))
        for source_id, target_id, _, amount in p.transfers:
            if not 1 <= amount <= MAX_AMOUNT:
                raise BadPosting(_l("A transfer moves a positive amount that the ledger can hold."))
            if source_id == target_id:
                raise BadPosting(_l("A transfer moves between two ledger accounts."))


def _claim_keys() -> int:
    """Write the keys; those that are there already must stand for the same content."""
    claimed = _claim_free_keys()
    staged = db.session.execute(select(func.count()).select_from(_e)).scalar_one()
    if claimed == staged:
        return int(staged)
    other = db.session.execute(_reused_with_other_content().limit(1)).scalar_one_or_none()
    if other is not None:
        raise KeyReused(_l("This was already entered with other content."), key=other)
    repeated = select(LedgerKey.key).where(LedgerKey.key == _e.c.key, LedgerKey.entry_id != _e.c.entry_id)
    # All others are new: their keys were written just now, or before by this very transaction.
    return int(staged) - rows_of(db.session.execute(update(_e).where(repeated.exists()).values(is_new=False)))


def _claim_free_keys() -> int:
    """Write the keys that are free; how many were."""
    # SQLite reads ON after a bare SELECT as a join: the WHERE keeps the two apart.
    keys = select(_e.c.key, _e.c.entry_id).where(true()).order_by(_e.c.key)
    return rows_of(db.session.execute(insert_or_ignore(LedgerKey).from_select(["key", "entry_id"], keys)))


def _reused_with_other_content() -> Select[str]:
    t = LedgerTransfer
    old_count = select(func.count()).where(t.entry_id == LedgerEntry.id).scalar_subquery()
    new_count = select(func.count()).where(_t.c.entry_id == _e.c.entry_id).scalar_subquery()
    same = and_(
        t.entry_id == LedgerEntry.id,
        t.seq == _t.c.seq,
        t.source_id == _t.c.source_id,
        t.target_id == _t.c.target_id,
        t.amount == _t.c.amount,
    )
    changed = (
        select(literal(1))
        .select_from(_t.outerjoin(t, same))
        .where(_t.c.entry_id == _e.c.entry_id, t.entry_id.is_(None))
        .correlate(_e, LedgerEntry)
    )
    # Erased details can no longer be compared; the transfers can.
    other_details = select(literal(1)).where(
        LedgerDetail.entry_id == LedgerEntry.id, LedgerDetail.details.is_distinct_from(_e.c.details)
    )
    return (
        select(_e.c.key)
        .join(LedgerKey, and_(LedgerKey.key == _e.c.key, LedgerKey.entry_id != _e.c.entry_id))
        .join(LedgerEntry, LedgerEntry.id == LedgerKey.entry_id)
        .where(
            or_(
                LedgerEntry.kind != _e.c.kind,
                LedgerEntry.effective_on != _e.c.effective_on,
                LedgerEntry.corrects_id.is_distinct_from(_e.c.corrects_id),
                LedgerEntry.details_digest.is_(None) != _e.c.details.is_(None),
                old_count != new_count,
                changed.exists(),
                other_details.exists(),
            )
        )
    )


def _hold_and_see() -> None:
    """Hold the balances that change, and see that none of them falls below zero."""
    locks.lock_changed_balances()
    change = staging.change
    short = (
        select(change.c.account_id)
        .join(LedgerBalance, LedgerBalance.account_id == change.c.account_id + 0)
        .where(change.c.delta < 0, LedgerBalance.amount + change.c.delta < 0)
        .limit(1)
    )
    if db.session.execute(short).first() is not None:
        raise InsufficientBalance(_l("The balance does not suffice."))


def write_staged_entries(at: datetime) -> None:
    """Write those of the staged entries that are new."""
    e = _e.c
    new = select(e.entry_id, e.key, e.kind, literal(at, Instant), e.effective_on, e.details_digest, e.corrects_id)
    db.session.execute(insert(core(LedgerEntry)).from_select(_ENTRY, new.where(e.is_new)))


def _write_transfers() -> None:
    db.session.execute(
        insert(core(LedgerTransfer)).from_select(
            _TRANSFER,
            select(_t.c.entry_id, _t.c.seq, _t.c.source_id, _t.c.target_id, _t.c.unit, _t.c.amount)
            .join(_e, _e.c.entry_id == _t.c.entry_id)
            .where(_e.c.is_new),
        )
    )


def _write_details() -> None:
    db.session.execute(
        insert(core(LedgerDetail)).from_select(
            ["entry_id", "salt", "details"],
            select(_e.c.entry_id, _e.c.salt, _e.c.details).where(_e.c.is_new, _e.c.details.is_not(None)),
        )
    )
