"""Whose signatures does the exchange take from others, and put beside its own?

A witness hands back the checkpoint that it has checked, a provider the statement that it agrees to.
Only the signatures of keys that are known here and hold are kept, each once.
"""

from __future__ import annotations

from datetime import datetime

from flask_babel import lazy_gettext as _l
from sqlalchemy import select

from exchange import audit
from exchange.database import db
from exchange.errors import NotFound
from exchange.identity.actors import Actor
from exchange.ledger import notes, seals
from exchange.ledger.keys import KeyRing
from exchange.ledger.notes import BadNote
from exchange.ledger.seal_store import LiabilityStatement, NoteCosignature, SealCheckpoint


def take(note: str, keys: KeyRing, *, by: Actor, at: datetime) -> list[str]:
    """Keep the signatures on a note of ours; gives the names that are new. Twice is once.

    Raises ``BadNote`` when a known key's signature does not hold; refuses ``NotFound`` when the text
    is no checkpoint or statement of this exchange.
    """
    signers = notes.signers(note, [key for key in keys.verifying() if key.name != keys.journal_name])
    text, signatures = notes.parts(note)
    checkpoint_size, statement_id = _signed(text)
    known = {(key.name, key.key_id) for key in signers}
    c = NoteCosignature
    place = (c.checkpoint_size == checkpoint_size) if statement_id is None else (c.statement_id == statement_id)
    there = set(db.session.execute(select(c.line).where(place)).scalars())
    new = []
    for signature, line in zip(signatures, note.removeprefix(text + "\n").splitlines(keepends=True), strict=True):
        if (signature.name, signature.key_id) in known and line not in there:
            there.add(line)
            new.append(signature.name)
            row = {"key_name": signature.name, "line": line, "received_at": at}
            db.session.add(c(checkpoint_size=checkpoint_size, statement_id=statement_id, **row))
    if new:
        subject = f"statement:{statement_id}" if checkpoint_size is None else f"checkpoint:{checkpoint_size}"
        audit.record("note.cosigned", subject, by=by, at=at, facts=" ".join(new))
    return new


def witnesses_of(checkpoint: SealCheckpoint, keys: KeyRing) -> list[str]:
    """Who besides the exchange has signed a checkpoint, by name."""
    c = NoteCosignature
    names = select(c.key_name).where(c.checkpoint_size == checkpoint.size).order_by(c.key_name).distinct()
    return [name for name in db.session.execute(names).scalars() if not keys.is_own(name)]


def _signed(text: str) -> tuple[int | None, int | None]:
    """Which checkpoint (its size) or statement (its id) has this text."""
    try:
        checkpoint = db.session.get(SealCheckpoint, seals.head_of(text).size)
    except BadNote:
        checkpoint = None
    if checkpoint is not None and notes.parts(checkpoint.note)[0] == text:
        return checkpoint.size, None
    statement = select(LiabilityStatement.id).where(LiabilityStatement.note.startswith(f"{text}\n", autoescape=True))
    id_ = db.session.execute(statement).scalar_one_or_none()
    if id_ is None:
        raise NotFound(_l("This exchange never signed that text."))
    return None, id_
