"""Which readings stand in the audit log?  Pages refused to somebody who is signed in, and files taken.

All other reading leaves the line of its request in the program's log. A loop cannot fill the audit log: of refusals it
keeps so many of a login and minute and says when it stops, of files nobody takes more than that.
"""

from __future__ import annotations

from typing import Final

import structlog
from flask import Flask, Response, g, request
from flask_babel import lazy_gettext as _l
from sqlalchemy.exc import SQLAlchemyError

from exchange import audit, clock, quotas
from exchange.database import db, in_unit_of_work
from exchange.errors import Refusal
from exchange.identity import access
from exchange.identity.actors import Actor, Audience
from exchange.identity.login.rates import DatabaseStorage

REFUSALS_A_MINUTE: Final = 10
FILES_A_MINUTE: Final = 30
_MINUTE: Final = 60
_REFUSED: Final = frozenset({403, 404})
_counts: Final = DatabaseStorage("exchange-database://")
_log = structlog.get_logger(__name__)


class TooManyFiles(Refusal):
    """Somebody, or his program, takes file after file."""

    code = "too_many_files"
    status = 429
    retry_after = _MINUTE


def init_app(app: Flask) -> None:
    """Look at each answer."""
    app.after_request(note_refusal)


def note_refusal(response: Response) -> Response:
    """Write down whom a page was refused that is there: of another audience (403), or about what is not his (404)."""
    if response.status_code not in _REFUSED or request.endpoint in {None, "static"}:
        return response
    actor = who_asks()
    if actor.audience is not Audience.PUBLIC:
        try:
            _note("page.refused", _page(), f"{request.method} {response.status_code}{_ids()}", actor=actor)
        except (SQLAlchemyError, Refusal):  # the page is refused all the same
            _log.warning("refusal not noted", endpoint=request.endpoint, status=response.status_code)
    return response


def note_file(rows: int, *, about_workers: bool = False) -> None:
    """Write down that whoever asks takes this page as a file, before the file leaves.

    Refuses ``TooManyFiles``; and ``QuotaReached`` where its rows are records ``about_workers``.
    """
    actor = who_asks()
    if about_workers:
        count_records(rows)
    db.session.rollback()  # what was read for the file is read: a count has a connection of its own
    if _counts.incr(f"files of login {actor.login_id}", _MINUTE) > FILES_A_MINUTE:
        raise TooManyFiles(_l("You took many files in a short while. Wait a minute, then try again."))
    in_unit_of_work(lambda: audit.record("file.taken", _page(), by=actor, at=clock.now(), facts=f"rows={rows}{_ids()}"))


def count_records(records: int) -> None:
    """Count records about workers that whoever asks is about to take. Refuses, and notes, ``QuotaReached``."""
    actor = who_asks()
    try:
        quotas.take(records, by=actor)
    except quotas.QuotaReached as no:
        facts = " ".join(f"{name}={number}" for name, number in no.details.items())
        _note(quotas.DEEDS, f"quota:{actor.organization_id}", facts, actor=actor)
        raise


def who_asks() -> Actor:
    """The person who is signed in, or the program that showed its token."""
    program: Actor | None = g.get("api_actor")
    return program or access.current_actor()


def _note(action: str, subject: str, facts: str, *, actor: Actor) -> None:
    """So many of an action, login and minute."""
    key = f"{action} {actor.audience} {actor.login_id} {actor.organization_id}"
    db.session.rollback()  # nothing is half done here: a count has a connection of its own
    if _counts.get(key) >= REFUSALS_A_MINUTE:  # asked first: a loop writes nothing any more, not even its count
        return
    count = _counts.incr(key, _MINUTE)
    if count <= REFUSALS_A_MINUTE:
        said = f"{facts} last of this minute" if count == REFUSALS_A_MINUTE else facts
        in_unit_of_work(lambda: audit.record(action, subject, by=actor, at=clock.now(), facts=said))


def _page() -> str:
    return f"page:{request.endpoint}"


def _ids() -> str:
    """Which row was asked for: numbers of ours only, for what is text in an address may be a key or an account's."""
    given = request.view_args or {}
    return "".join(f" {name}={value}" for name, value in given.items() if isinstance(value, int))
