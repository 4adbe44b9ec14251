"""What does a regulator see of the market as a whole: whether its rules hold, the sums of the books, who did what?"""

from __future__ import annotations

from datetime import date
from typing import Final

from flask import Response, render_template, request
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from exchange import audit_log, clock, exports
from exchange.audit_log import Wanted
from exchange.errors import Refusal
from exchange.identity import access
from exchange.identity.actors import Audience
from exchange.ledger import invariants, sums
from exchange.web.audiences import audience_blueprint
from exchange.web.downloads import csv_answer
from exchange.web.filters import program_zone
from exchange.web.forms import read_date

books_bp = audience_blueprint("regulator_books", __name__, Audience.REGULATOR, "/regulator/books")
books_bp.add_to_nav("show", _l("Books"), order=50)
audit_bp = audience_blueprint("regulator_audit", __name__, Audience.REGULATOR, "/regulator/audit")
audit_bp.add_to_nav("show", _l("Audit log"), order=70)

IN_FILE: Final = 20_000
"""Events that one file holds at most: a narrower question gives the rest."""


# --- books ----------------------------------------------------------------------------------------


@books_bp.get("/")
def show() -> str:
    """The rules that always hold, the sums of the books; with ``?check=1`` the rules are asked now."""
    asked = request.args.get("check") == "1"
    found: dict[tuple[int, str], list[str]] = {rule: [] for rule in invariants.rules()}
    if asked:
        for one in invariants.broken():
            found.setdefault((one.number, one.name), []).append(one.finding)
    return render_template(
        "regulator/books.html",
        asked=asked,
        at=clock.now(),
        rules=[(number, name, findings) for (number, name), findings in found.items()],
        broken=sum(len(findings) for findings in found.values()),
        books=sums.books(),
    )


@books_bp.get("/books.csv")
def as_csv() -> Response:
    """The sums as a file."""
    headings = [
        _l("Organization"), _l("Kind"), _l("Owed to workers, cents"), _l("Leave, minutes"), _l("Pools, cents"),
        _l("Fees, cents"), _l("Paid in and not allotted, cents"), _l("The world's side, cents"),
        _l("The world's side, minutes"),
    ]  # fmt: skip
    rows = [
        (
            row.name, row.kind.value, row.workers_cents, row.minutes, row.pools_cents, row.fees_cents,
            row.funds_cents, row.outside_cents, row.accrual_minutes,
        )
        for row in sums.books().rows
    ]  # fmt: skip
    return csv_answer(exports.to_csv(headings, rows), "books.csv", rows=len(rows))


# --- audit log ------------------------------------------------------------------------------------


@audit_bp.get("/", endpoint="show")
def show_audit() -> str:
    """Every deed, the latest first; narrowed by deed, subject, actor and days."""
    wanted = _wanted()
    found = audit_log.stretch(wanted, zone=str(program_zone()), before=_id("before"), after=_id("after"))
    return render_template(
        "regulator/audit.html",
        found=found,
        wanted=wanted,
        audiences=[("", _("Anybody")), *((one.value, word) for one, word in AUDIENCE_WORDS.items())],
        words=AUDIENCE_WORDS,
    )


@audit_bp.get("/audit.csv", endpoint="as_csv")
def audit_as_csv() -> ResponseReturnValue:
    """The same as a file, the latest first."""
    if (stale := access.require_fresh()) is not None:
        return stale
    headings = [
        _l("Number"), _l("When"), _l("Deed"), _l("Subject"), _l("Capacity"), _l("Who"), _l("Reason"), _l("Facts"),
        _l("Request"), _l("Address"),
    ]  # fmt: skip
    wanted, zone = _wanted(), str(program_zone())
    count = audit_log.how_many(wanted, zone=zone, at_most=IN_FILE)
    found = audit_log.everything(wanted, zone=zone, at_most=IN_FILE)
    return csv_answer(exports.csv_lines(headings, (tuple(row) for row in found)), "audit.csv", rows=count)


AUDIENCE_WORDS: Final = {
    Audience.SYSTEM: _l("The exchange itself"),
    Audience.WORKER: _l("Worker"),
    Audience.EMPLOYER: _l("Employer"),
    Audience.PROVIDER: _l("Provider"),
    Audience.REGULATOR: _l("Regulator"),
    Audience.OPERATOR: _l("Operator"),
    Audience.PUBLIC: _l("Not signed in"),
}


def _wanted() -> Wanted:
    given = {name: request.args.get(name, "").strip() for name in ("action", "subject", "who", "audience")}
    audience = Audience(given["audience"]) if given["audience"] in set(Audience) else None
    return Wanted(
        action=given["action"],
        subject=given["subject"],
        who=given["who"],
        audience=audience,
        first_day=_day("first_day"),
        last_day=_day("last_day"),
    )


def _day(name: str) -> date | None:
    """A day of the address; what is no date narrows nothing."""
    try:
        return read_date(request.args.get(name, ""))
    except Refusal:
        return None


def _id(name: str) -> int | None:
    text = request.args.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else None
