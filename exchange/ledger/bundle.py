"""What does a regulator get, to compute everything anew without us?

One zip file: the last checkpoint and the keys, every entry in order with its seal, the lines of the
books, all statements with their confidential leaves, and what upper packages add (filings, reserve
figures). It is written as a stream, in flat memory, and signed as a whole by the zip's comment. Its
reader is ``verifier/verify.py``, which imports nothing of ours.

For whoever may not know names it is written without the confidential leaves: then of statements only
the sums can be checked. Leaves of a reserve check's statements are kept for some days only (see
``statements.forget_leaves``); later bundles go without them.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import struct
import zipfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Any, Final

from flask_babel import lazy_gettext as _l
from sqlalchemy import func, select

from exchange import audit
from exchange.database import db
from exchange.identity.actors import Actor
from exchange.identity.organizations import exchange_id
from exchange.ledger import notes, seals, statements
from exchange.ledger.accounts import LedgerAccount
from exchange.ledger.keys import KeyRing
from exchange.ledger.liabilities import HELD_BY_EXCHANGE
from exchange.ledger.seal_store import JournalSeal, LiabilityStatement, SealCheckpoint
from exchange.ledger.seals import Head
from exchange.ledger.statements import NothingPosted

FORMAT: Final = "pbx-bundle/v1"
# What upper packages add; without them the members are empty.
ADDED: Final = ("filings", "rules", "reserves")
_AT_ONCE: Final = 5_000
_PIECE: Final = 1 << 16
_FIXED_DATE: Final = (1980, 1, 1, 0, 0, 0)

Tell = Callable[[int], None]
Lines = Callable[[int], Iterable[Any]]
CONFIDENTIAL: Final = "confidential/leaves"
_added: dict[str, Lines] = {}


def part(name: str) -> Callable[[Lines], Lines]:
    """Register what stands in the member ``name`` of a bundle of so many entries: JSON values, one a line."""
    assert name in ADDED, "the reader knows this member"

    def register(lines: Lines) -> Lines:
        _added[name] = lines
        return lines

    return register


def provider_called(organization_id: int, own: int) -> str:
    """An organization as statements call it; ``own`` is the exchange's."""
    return HELD_BY_EXCHANGE if organization_id == own else f"org-{organization_id}"


@dataclass(frozen=True, slots=True)
class Written:
    """A bundle that is written: how many entries it has, its length in bytes, and its SHA-256 in hexadecimal."""

    entries: int
    length: int
    sha256: str


def write(
    path: Path, *, keys: KeyRing, at: datetime, confidential: bool = True, tell: Tell = lambda _done: None
) -> Written:
    """Write the bundle of everything that is sealed to ``path``.

    Outside of a unit of work: it reads one state of the database for as long as it takes, writes
    nothing to it, and holds up nobody. ``tell`` hears how many entries are written; it may use the
    database in an application context of its own. Refuses ``NothingPosted`` and ``NoKeys``.
    """
    db.session.rollback()
    statements.begin_snapshot()
    try:
        checkpoint = seals.latest()
        if checkpoint is None:
            raise NothingPosted(_l("Nothing has been sealed yet."))
        signers = keys.journal_keys()
        with path.open("wb") as raw:
            stream = _Hashed(raw)
            with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
                _write_members(archive, checkpoint, keys, tell, confidential=confidential)
            digest = base64.b64encode(stream.digest()).decode()
            text = f"{FORMAT}\nexchange {keys.exchange}\nsha256 {digest}\nmade {at.isoformat()}\n"
            comment = notes.sign(text, signers).encode()
            raw.write(stream.signed(comment))
            return Written(checkpoint.size, raw.tell(), stream.whole_digest())
    finally:
        db.session.rollback()


def note_written(written: Written, *, by: Actor, at: datetime) -> None:
    """Enter in the audit log that a bundle was written, and which."""
    audit.record("bundle.written", f"checkpoint:{written.entries}", by=by, at=at, facts=f"sha256={written.sha256}")


class _Hashed(io.RawIOBase):
    """A stream that cannot be rewound, and hashes what goes through it but for the last two bytes.

    Those are the length of the zip's comment, which is written anew when the comment is known.
    """

    def __init__(self, file: IO[bytes]) -> None:
        super().__init__()
        self._file, self._hash, self._held = file, hashlib.sha256(), b""

    def writable(self) -> bool:
        return True

    def write(self, content: Any) -> int:
        given = bytes(content)
        out = self._held + given
        self._held = out[-2:]
        self._file.write(out[:-2])
        self._hash.update(out[:-2])
        return len(given)

    def digest(self) -> bytes:
        """Of everything but the last two bytes."""
        return self._hash.digest()

    def signed(self, comment: bytes) -> bytes:
        """What follows the archive: the length of its comment anew, and the comment."""
        end = struct.pack("<H", len(comment)) + comment
        self._hash.update(end)
        return end

    def whole_digest(self) -> str:
        """Of the file as it is handed out, when its end is written."""
        return self._hash.hexdigest()


def _write_members(
    archive: zipfile.ZipFile, checkpoint: SealCheckpoint, keys: KeyRing, tell: Tell, *, confidential: bool
) -> None:
    _member(archive, "checkpoint", [seals.signed_note(checkpoint).encode()])
    _member(archive, "keys", (f"{key}\n".encode() for key in keys.verifying()))
    _member(archive, "accounts", _accounts())
    _member(archive, "entries", _entries(checkpoint.size, tell))
    _member(archive, "seals", _seals(checkpoint.size))
    head = Head(checkpoint.size, checkpoint.root)
    _member(archive, "statements", _json(_statements(head)))
    if confidential:
        _member(archive, CONFIDENTIAL, _json(_leaves(head)))
    for name in ADDED:
        _member(archive, name, _json(_added[name](checkpoint.size) if name in _added else ()))


def _member(archive: zipfile.ZipFile, name: str, content: Iterable[bytes]) -> None:
    info = zipfile.ZipInfo(name, _FIXED_DATE)
    info.compress_type = zipfile.ZIP_DEFLATED
    opened: Any = archive.open(info, "w", force_zip64=True)
    # Lines are short, and compressing each by itself takes longer.
    with io.BufferedWriter(opened, _PIECE) as member:
        for piece in content:
            member.write(piece)


def _json(lines: Iterable[Any]) -> Iterator[bytes]:
    for line in lines:
        yield json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def _accounts() -> Iterator[bytes]:
    """``la-7 org-3 worker retirement USD``: name, provider, kind, component (``-``: none) and unit."""
    own = exchange_id()
    a = LedgerAccount
    rows = select(a.id, a.organization_id, a.kind, a.component, a.unit).order_by(a.id)
    for id_, organization_id, kind, component, unit in db.session.execute(rows.execution_options(yield_per=_AT_ONCE)):
        yield f"la-{id_} {provider_called(organization_id, own)} {kind} {component or '-'} {unit}\n".encode()


def _entries(size: int, tell: Tell) -> Iterator[bytes]:
    """Each entry as the database has it now, its length before it; nothing where it is gone."""
    for position, _seal, content in seals.sealed_between(0, size):
        yield struct.pack(">I", len(content or b"")) + (content or b"")
        if position % 1_000 == 999:
            tell(position + 1)


def _seals(size: int) -> Iterator[bytes]:
    s = JournalSeal
    rows = select(s.leaf_hash).where(s.position < size).order_by(s.position)
    yield from db.session.execute(rows.execution_options(yield_per=_AT_ONCE)).scalars()


def _stated(head: Head) -> list[int]:
    """The statements whose own entries are sealed, in the order of the journals that they speak of."""
    s = LiabilityStatement
    sealed = select(s.id).join(JournalSeal, JournalSeal.entry_id == s.entry_id).where(JournalSeal.position < head.size)
    return list(db.session.execute(sealed.order_by(s.journal_size, s.id)).scalars())


def _statements(head: Head) -> Iterator[Any]:
    for id_ in _stated(head):
        yield [id_, statements.signed_note(db.session.get_one(LiabilityStatement, id_))]


def _leaves(head: Head) -> Iterator[Any]:
    for id_ in _stated(head):
        for leaf in statements.leaves_of(id_):
            name = None if leaf.account_id is None else f"la-{leaf.account_id}"
            yield [id_, name, leaf.account_number, leaf.email, leaf.legal_name, leaf.nonce.hex(), leaf.balance]


def entries_sealed() -> int:
    """How many entries a bundle of now would have."""
    return db.session.execute(select(func.max(SealCheckpoint.size))).scalar_one() or 0
