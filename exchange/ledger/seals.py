"""How does the journal get an order and a signature that nobody can take back?

Entries are posted concurrently and without a position. The sealer takes what is committed and not yet
sealed, gives it the next positions, appends it to a tree of hashes and signs size and root: a
checkpoint. Posting neither waits for it nor writes a row more. Once sealed, an entry that is changed,
removed or slipped in no longer leads to the root that the world has seen.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from sqlalchemy import BigInteger, ColumnElement, Text, delete, insert, select, type_coerce

from exchange import audit, notices
from exchange.database import core, db, insert_or_ignore
from exchange.errors import NotFound, Refusal
from exchange.identity.actors import Actor
from exchange.identity.organizations import Organization, OrganizationKind
from exchange.ledger import encoding, gaps, merkle, notes
from exchange.ledger.encoding import SealedEntry, SealedTransfer
from exchange.ledger.gaps import Span
from exchange.ledger.journal import LedgerEntry, LedgerTransfer
from exchange.ledger.keys import KeyRing
from exchange.ledger.merkle import Growing
from exchange.ledger.notes import BadNote
from exchange.ledger.seal_store import (
    STEP,
    JournalSeal,
    NoteCosignature,
    SealCheckpoint,
    SealGap,
    SealNode,
    SealState,
    StoredTree,
    split_peaks,
)
from exchange.money import Unit

BATCH: Final = 5_000  # entries under one checkpoint, at most


class Forked(Refusal):
    """The books do not extend the last checkpoint that was published."""

    code = "journal_forked"
    status = 409


@dataclass(frozen=True, slots=True)
class Head:
    """A size of the journal and its root."""

    size: int
    root: bytes

    def text(self, origin: str) -> str:
        """The checkpoint's lines, before they are signed."""
        return f"{origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"


def head_of(text: str) -> Head:
    """Size and root of a checkpoint, given by its text or as the whole note, whoever signed it. Raises ``BadNote``."""
    lines = text.partition("\n\n")[0].splitlines()
    if len(lines) != 3 or not lines[1].isdecimal():
        raise BadNote("this is no checkpoint")
    return Head(int(lines[1]), notes.decode(lines[2]))


# --- sealing --------------------------------------------------------------------------------------


def seal(keys: KeyRing, *, by: Actor, at: datetime, limit: int = BATCH) -> int:
    """Seal up to ``limit`` entries and sign a checkpoint over them. Returns how many; zero when none is left.

    Refuses ``Forked`` when the books do not extend what was published, and ``NoKeys``. After the
    commit, ``publish`` hands the checkpoint to the world.
    """
    signers = keys.journal_keys()
    state = _hold_state()
    refusal = refusal_to_seal(state, keys)
    if refusal is not None:
        raise refusal
    state.stopped_at = state.stopped_because = None
    ids = _unsealed(state, limit)
    if not ids:
        return 0
    tree: Growing[bytes] = Growing(merkle.node_hash, state.size, split_peaks(state.peaks))
    _append(tree, ids)
    _remember_gaps(state, ids)
    state.size, state.peaks = tree.size, b"".join(tree.peaks)
    head = Head(tree.size, merkle.journal_root(tree))
    note = notes.sign(head.text(keys.journal_name), signers)
    db.session.add(SealCheckpoint(size=head.size, root=head.root, note=note, sealed_at=at))
    audit.record("journal.sealed", f"checkpoint:{head.size}", by=by, at=at, facts=f"entries={len(ids)}")
    db.session.flush()
    return len(ids)


def publish(keys: KeyRing) -> None:
    """Remember the newest checkpoint outside of the database. Called after its commit; twice is once."""
    # Whoever was held up in between must not put an older one in the place of a newer one.
    with keys.alone():
        newest, before = latest(), keys.published()
        if newest is not None and (before is None or head_of(before).size < newest.size):
            keys.remember(newest.note)


def refusal_to_seal(state: SealState, keys: KeyRing) -> Forked | None:
    """Why the sealer must stop; None when the books extend what was published."""
    published = keys.published()
    if published is None:
        return None
    notes_of_ours = notes.signers(published, [key for key in keys.verifying() if key.name == keys.journal_name])
    seen = head_of(published)
    if not notes_of_ours:
        return Forked(_l("The last published checkpoint is signed by no key of ours."), size=seen.size)
    if seen.size > state.size and _is_here_unsealed(state, seen):
        return None
    if seen.size > state.size:
        return Forked(
            _l(
                "A journal of %(seen)s entries was published; the database knows of %(size)s.",
                seen=seen.size,
                size=state.size,
            ),
            size=seen.size,
        )
    if StoredTree().root(seen.size) != seen.root:
        return Forked(
            _l("The first %(seen)s entries of the journal are not those that were published.", seen=seen.size),
            size=seen.size,
        )
    return None


def _is_here_unsealed(state: SealState, seen: Head) -> bool:
    """Whether the entries that are sealed next make the journal exactly what was published.

    Then no entry is lost, only its seal: by a failover, or because a restored copy of these books sealed first.
    """
    missing = seen.size - state.size
    ids = _unsealed(state, missing) if missing <= BATCH else []
    contents = entry_contents(ids)
    tree: Growing[bytes] = Growing(merkle.node_hash, state.size, split_peaks(state.peaks))
    for id_ in ids:
        for _node in tree.append(merkle.leaf_hash(contents[id_])):
            pass
    return tree.size == seen.size and merkle.journal_root(tree) == seen.root


def stop(refusal: Forked, *, by: Actor, at: datetime) -> None:
    """Stop sealing until somebody has looked, and tell operator and regulators. Twice is once."""
    state = _hold_state()
    if state.stopped_at is not None:
        return
    state.stopped_at, state.stopped_because = at, str(refusal)
    readers = select(Organization.id).where(
        Organization.kind.in_([OrganizationKind.OPERATOR, OrganizationKind.REGULATOR])
    )
    for organization_id in db.session.execute(readers).scalars():
        notices.notify(
            _("The journal is no longer sealed"),
            body=_(
                "%(reason)s Nothing more is sealed until the operator has found out why: keep the database as it is, "
                "compare it with your own copy of the last checkpoint, and run “flask seal” when it is put right.",
                reason=refusal,
            ),
            organization_id=organization_id,
            by=by,
            at=at,
        )
    audit.record("journal.sealing_stopped", "journal:seals", by=by, at=at, reason=str(refusal))


def _hold_state() -> SealState:
    db.session.execute(insert_or_ignore(SealState).rows(), [{"id": 1, "highest_entry_id": 0, "size": 0, "peaks": b""}])
    held = select(SealState).with_for_update().execution_options(populate_existing=True)
    return db.session.execute(held).scalar_one()


# --- what is not sealed yet -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Waiting:
    """The first entry that waits for its seal, and how many entries are sealed."""

    entry_id: int
    posted_at: datetime
    sealed: int


def oldest_unsealed() -> Waiting | None:
    """The entry that has waited longest; None when none waits. Two looks into an index."""
    highest, size = _reached()
    e = LedgerEntry
    late = select(e.id, e.posted_at).join(SealGap, e.id.between(SealGap.first_id, SealGap.last_id)).order_by(e.id)
    above = select(e.id, e.posted_at).where(e.id > highest).order_by(e.id)
    for rows in (late.limit(1), above.limit(1)):
        for entry_id, posted_at in db.session.execute(rows):
            return Waiting(entry_id, posted_at, size)
    return None


def is_stopped() -> bool:
    """Whether sealing waits for somebody to look: see ``stop``."""
    return db.session.execute(select(SealState.stopped_at)).scalar_one_or_none() is not None


def _unsealed(state: SealState, limit: int) -> list[int]:
    """Entries that are committed and not sealed: late ones from the gaps first, then those above the highest."""
    e = LedgerEntry
    late = select(e.id).join(SealGap, e.id.between(SealGap.first_id, SealGap.last_id)).order_by(e.id).limit(limit)
    found = list(db.session.execute(late).scalars())
    above = select(e.id).where(e.id > state.highest_entry_id).order_by(e.id).limit(limit - len(found))
    return found + list(db.session.execute(above).scalars())


def _remember_gaps(state: SealState, ids: Sequence[int]) -> None:
    late = [id_ for id_ in ids if id_ <= state.highest_entry_id]
    if late:
        _fill_gaps(late)
    new = ids[len(late) :]
    new_gaps = [{"first_id": gap.first, "last_id": gap.last} for gap in gaps.between(state.highest_entry_id, new)]
    if new_gaps:
        db.session.execute(insert(core(SealGap)), new_gaps)
    if new:
        state.highest_entry_id = new[-1]


def _fill_gaps(late: Sequence[int]) -> None:
    """Take sealed ids out of the gaps; what is left of each on either side stays one."""
    g = core(SealGap).c
    touched = select(g.first_id, g.last_id).where(g.last_id >= late[0], g.first_id <= late[-1]).order_by(g.first_id)
    touching = [Span(first, last) for first, last in db.session.execute(touched)]
    left = [{"first_id": one.first, "last_id": one.last} for span in touching for one in gaps.without(span, late)]
    db.session.execute(delete(core(SealGap)).where(g.first_id.in_([span.first for span in touching])))
    if left:
        db.session.execute(insert(core(SealGap)), left)


def _append(tree: Growing[bytes], ids: Sequence[int]) -> None:
    contents = entry_contents(ids)
    seals, nodes = [], []
    for id_ in ids:
        hashed = merkle.leaf_hash(contents[id_])
        for level, position, node in tree.append(hashed):
            if level == 0:
                seals.append({"position": position, "entry_id": id_, "leaf_hash": hashed})
            elif level % STEP == 0:
                nodes.append({"level": level, "position": position, "hash": node})
    db.session.execute(insert(core(JournalSeal)), seals)
    if nodes:
        db.session.execute(insert(core(SealNode)), nodes)


# --- reading --------------------------------------------------------------------------------------


def entry_contents(ids: Sequence[int]) -> dict[int, bytes]:
    """The bytes of some entries as the database has them now; ids that are not there are absent."""
    if not ids:
        return {}
    wanted = set(ids)
    # Core columns, and units as the text they are: an entry is read a million times in a row.
    e, t = core(LedgerEntry).c, core(LedgerTransfer).c
    units = {unit.value: unit for unit in Unit}
    moved: dict[int, list[SealedTransfer]] = {}
    rows = select(t.entry_id, t.source_id, t.target_id, type_coerce(t.unit, Text), t.amount)
    for entry_id, source, target, unit, amount in db.session.execute(
        rows.where(_among(t.entry_id, wanted)).order_by(t.entry_id, t.seq)
    ):
        moved.setdefault(entry_id, []).append(SealedTransfer(f"la-{source}", f"la-{target}", units[unit], amount))
    entries = select(e.id, e.key, type_coerce(e.posted_at, BigInteger), e.effective_on, e.kind, e.details_digest)
    return {
        id_: encoding.entry_bytes(SealedEntry(f"e-{id_}", key, posted_at, on, kind, digest, moved.get(id_, ())))
        for id_, key, posted_at, on, kind, digest in db.session.execute(entries.where(_among(e.id, wanted)))
        if id_ in wanted
    }


def sealed_between(start: int, end: int, *, at_once: int = BATCH) -> Iterator[tuple[int, bytes, bytes | None]]:
    """Positions [start, end) in order: the position, its sealed leaf hash, and the entry's bytes as they are now.

    The bytes are None where the entry is no longer in the database. Flat in memory.
    """
    s = JournalSeal
    for first in range(start, end, at_once):
        rows = select(s.position, s.entry_id, s.leaf_hash).where(
            s.position >= first, s.position < min(first + at_once, end)
        )
        piece = db.session.execute(rows.order_by(s.position)).all()
        contents = entry_contents([entry_id for _, entry_id, _ in piece])
        for position, entry_id, hashed in piece:
            yield position, hashed, contents.get(entry_id)


def _among(column: ColumnElement[int], wanted: set[int]) -> ColumnElement[bool]:
    """The ids; as a range where they lie close together, which is what a batch of the journal does."""
    low, high = min(wanted), max(wanted)
    if high - low < 2 * len(wanted):
        return column.between(low, high)
    return column.in_(wanted)


def latest() -> SealCheckpoint | None:
    """The newest checkpoint."""
    newest = select(SealCheckpoint).order_by(SealCheckpoint.size.desc()).limit(1)
    return db.session.execute(newest).scalar_one_or_none()


def checkpoint_at(size: int) -> SealCheckpoint:
    """The checkpoint of that size. ``NotFound`` when none was signed."""
    found = db.session.get(SealCheckpoint, size)
    if found is None:
        raise NotFound(_l("No checkpoint of this size was signed."))
    return found


def first_checkpoint_over(position: int, *, not_only: str | None = None) -> SealCheckpoint | None:
    """The first checkpoint that covers the entry at ``position``.

    ``not_only`` names the exchange: then the first one that a witness has signed as well. A witness's key has a
    name of its own, not one that begins with the exchange's.
    """
    covering = select(SealCheckpoint).where(SealCheckpoint.size > position).order_by(SealCheckpoint.size).limit(1)
    if not_only is not None:
        c = NoteCosignature
        witnessed = select(c.checkpoint_size).where(
            c.checkpoint_size > position, ~c.key_name.startswith(f"{not_only}/", autoescape=True)
        )
        covering = covering.where(SealCheckpoint.size.in_(witnessed.order_by(c.checkpoint_size).limit(1)))
    return db.session.execute(covering).scalar_one_or_none()


def signed_note(checkpoint: SealCheckpoint) -> str:
    """The checkpoint with every signature on it, the witnesses' included."""
    c = NoteCosignature
    lines = select(c.line).where(c.checkpoint_size == checkpoint.size).order_by(c.id)
    return checkpoint.note + "".join(db.session.execute(lines).scalars())


def position_of(entry_id: int) -> int | None:
    """Where an entry stands in the sealed journal; None while it waits."""
    at = select(JournalSeal.position).where(JournalSeal.entry_id == entry_id)
    return db.session.execute(at).scalar_one_or_none()


def inclusion_proof(position: int, size: int) -> list[bytes]:
    """The path from an entry to the root of the journal of ``size`` entries. ``NotFound`` outside of it."""
    if not 0 <= position < size <= _reached()[1]:
        raise NotFound(_l("The journal has no such entry yet."))
    return merkle.inclusion_path(position, size, StoredTree().perfect, merkle.node_hash)


def consistency_proof(old: int, new: int) -> list[bytes]:
    """That the journal of ``new`` entries begins with that of ``old``. ``NotFound`` for sizes it never had."""
    if not 1 <= old <= new <= _reached()[1]:
        raise NotFound(_l("The journal never had these sizes."))
    return merkle.consistency_path(old, new, StoredTree().perfect)


def _reached() -> tuple[int, int]:
    """The highest entry id that is sealed, and how many entries are."""
    row = db.session.execute(select(SealState.highest_entry_id, SealState.size)).one_or_none()
    return (0, 0) if row is None else (row.highest_entry_id, row.size)
