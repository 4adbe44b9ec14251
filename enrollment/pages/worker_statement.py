"""What has happened in a worker's account, in words and figures?"""

from __future__ import annotations

from flask import Response, render_template
from flask_babel import lazy_gettext as _l

from enrollment import statement
from enrollment.pages.worker_self import read_self
from enrollment.statement import Direction
from exchange import exports
from exchange.database import db
from exchange.identity.actors import Audience
from exchange.web import tables
from exchange.web.audiences import audience_blueprint
from exchange.web.downloads import csv_answer

bp = audience_blueprint("worker_statement", __name__, Audience.WORKER, "/worker/statement")
bp.add_to_nav("show", _l("Account statement"), order=40)

DIRECTIONS = {Direction.IN: ("+", _l("In")), Direction.OUT: ("−", _l("Out")), Direction.MOVED: ("→", _l("Moved"))}
"""How a movement's direction is shown: sign, and word."""


@bp.get("/")
def show() -> str:
    """Every entry of the books that touches the account, the latest first."""
    me = read_self()
    page = tables.read_page(statement.entries_of(me.account.id), number=tables.asked_page(), per_page=20)
    movements = statement.movements([row.id for row in page.rows], account_id=me.account.id, policy=me.policy)
    return render_template(
        "worker/statement.html",
        page=page,
        movements=movements,
        directions=DIRECTIONS,
        name=me.worker.legal_name,
        number=me.account.number,
        at=me.at,
    )


@bp.get("/statement.csv")
def as_csv() -> Response:
    """The same as a file; cents and minutes of leave are signed, what only moved has no sign."""
    me = read_self()
    ids = list(db.session.execute(statement.entries_of(me.account.id)).scalars())
    headings = [_l("Day"), _l("What"), _l("Benefit"), _l("Direction"), _l("Cents"), _l("Minutes"), _l("Entry")]
    rows = []
    for one in statement.movements(ids, account_id=me.account.id, policy=me.policy):
        sign = -1 if one.direction is Direction.OUT else 1
        rows += [
            (one.posted_on, one.words, part.component, one.direction.value, sign * part.cents, sign * part.minutes,
             f"e-{one.entry_id}")
            for part in one.parts
        ]  # fmt: skip
    return csv_answer(exports.to_csv(headings, rows), "statement.csv", rows=len(rows))
