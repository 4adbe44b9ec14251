"""At which addresses does anybody find what the exchange has signed?

Machine-readable text at fixed addresses, for witnesses, regulators and whoever keeps a copy: the last
checkpoint, proofs that one checkpoint extends another, the keys, and every statement (never its
leaves). The first lines of each answer are what is signed, byte for byte.
"""

from __future__ import annotations

import base64
import hashlib
from typing import Final

from flask import Response, request, url_for
from flask_babel import lazy_gettext as _l
from sqlalchemy import select

from exchange import settings
from exchange.database import db
from exchange.errors import NotFound
from exchange.identity.actors import Audience
from exchange.ledger import keys, seals, statements
from exchange.ledger.seal_store import LiabilityStatement
from exchange.web.audiences import audience_blueprint

LISTED: Final = 1_000  # statements on one page of the list
LAST: Final = 2**63 - 1  # no statement has a larger number
PROGRAMS: Final = settings.ROOT / "verifier"

bp = audience_blueprint("verification", __name__, Audience.PUBLIC, url_prefix="/.well-known/pbx")


@bp.get("/checkpoint")
def checkpoint() -> Response:
    """The newest checkpoint, with every signature on it."""
    newest = seals.latest()
    if newest is None:
        raise NotFound(_l("Nothing has been sealed yet."))
    return _text(seals.signed_note(newest))


@bp.get("/checkpoint/<int:size>")
def checkpoint_at(size: int) -> Response:
    """The checkpoint that was signed at a size of the journal."""
    return _text(seals.signed_note(seals.checkpoint_at(size)))


@bp.get("/consistency/<int:old>/<int:new>")
def consistency(old: int, new: int) -> Response:
    """That the journal of ``new`` entries begins with that of ``old``: RFC 6962's hashes, in base64, one a line."""
    path = seals.consistency_proof(old, new)
    return _text("".join(f"{base64.b64encode(node).decode()}\n" for node in path))


@bp.get("/keys")
def public_keys() -> Response:
    """Every key whose signatures are to be found here, the retired ones included: one a line."""
    ring = keys.ring_or_none()
    return _text("" if ring is None else "".join(f"{key}\n" for key in ring.verifying()))


@bp.get("/statements")
def statement_list() -> Response:
    """The statements: date, provider, component, unit, SHA-256 of the signed text, and address; the newest first.

    So many at once; ``?before=`` the number at the end of the last address gives those before it.
    """
    s = LiabilityStatement
    before = request.args.get("before", LAST, type=int)
    asked = select(s).where(s.id < min(before, LAST)).order_by(s.id.desc()).limit(LISTED)
    newest = db.session.execute(asked).scalars()
    lines = (
        f"{one.as_of} {one.provider} {one.component} {one.unit} {_digest(one)} "
        f"{url_for('verification.statement', statement_id=one.id)}\n"
        for one in newest
    )
    return _text("".join(lines))


@bp.get("/statements/<int:statement_id>")
def statement(statement_id: int) -> Response:
    """One statement, signed. Its leaves are shown to their owners only."""
    found = db.session.get(LiabilityStatement, statement_id)
    if found is None:
        raise NotFound(_l("There is no such page or record, or it is not yours to see."))
    return _text(statements.signed_note(found))


@bp.get("/verify.py")
def verifier() -> Response:
    """The program that checks proofs, receipts and bundles, to be read and run by anybody."""
    return _program("verify.py")


@bp.get("/witness.py")
def witness() -> Response:
    """The program with which a regulator watches the journal. It stands beside the other one."""
    return _program("witness.py")


def _program(name: str) -> Response:
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(PROGRAMS.joinpath(name).read_bytes(), mimetype="text/x-python", headers=headers)


def _digest(one: LiabilityStatement) -> str:
    return hashlib.sha256(one.note.partition("\n\n")[0].encode() + b"\n").hexdigest()


def _text(content: str) -> Response:
    return Response(content, mimetype="text/plain")
