"""Is work reported here that the employer has reported before?

The same report again is refused as a whole (``contributions``). Here it is about single lines: an earlier report
has work of the same worker, place, sector and class on some of the same days. That may be other work of these days,
or the same twice: only the employer can say, so it is asked. What was cancelled or taken back does not count.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Final, NamedTuple

from flask_babel import lazy_ngettext
from sqlalchemy import select

from enrollment.models import Contribution
from enrollment.posting_entries import MANY
from enrollment.report_costs import ComputedLine
from exchange.bulk import Prepared, among
from exchange.database import db
from exchange.errors import Refusal
from exchange.ledger import staging

KEPT: Final = 100
NOTHING_YET: Final = 0
"""Stands for a remittance that is not entered yet."""


class Earlier(NamedTuple):
    """A line of the report, and the earliest work on record that shares a day with it."""

    line: int
    account_number: str
    remittance_id: int
    earlier_line: int
    first_day: date
    last_day: date


@dataclass(frozen=True, slots=True)
class ReportedBefore:
    """The lines that share days with earlier reports: all are counted, the first are kept."""

    count: int = 0
    kept: Sequence[Earlier] = field(default_factory=tuple)


class WorkReportedBefore(Refusal):
    """Some days were reported before, and nobody has said that it is other work."""

    code = "work_reported_before"
    status = 409

    def __init__(self, found: ReportedBefore) -> None:
        first = found.kept[0]
        sentence = lazy_ngettext(
            "%(count)s line shares days with work that you reported before (line %(line)s with report R%(id)s). "
            "Leave it out, or say that it is other work.",
            "%(count)s lines share days with work that you reported before (line %(line)s with report R%(id)s). "
            "Leave them out, or say that it is other work.",
            found.count,
            count=found.count,
            line=first.line,
            id=first.remittance_id,
        )
        lines = [
            {"line": one.line, "remittance_id": one.remittance_id, "earlier_line": one.earlier_line}
            for one in found.kept
        ]
        super().__init__(sentence, lines=lines, count=found.count)


def find(lines: Sequence[ComputedLine], employer_id: int, *, apart_from: int = NOTHING_YET) -> ReportedBefore:
    """Which of the lines were reported before, ``apart_from`` the remittance that they are."""
    if not lines:
        return ReportedBefore()
    if len(lines) > MANY:
        staging.plan_by_index()
    asked = [
        (one.line.line, one.account_id, str(one.line.first_day), str(one.line.last_day), one.line.place, one.sector,
         one.line.worker_class.value)
        for one in lines
    ]  # fmt: skip
    found = _BEFORE.run(asked, employer_id=employer_id, apart_from=apart_from)
    return ReportedBefore(len(found), _told(lines, found[:KEPT]))


def _told(lines: Sequence[ComputedLine], found: Sequence[tuple[int, int]]) -> Sequence[Earlier]:
    if not found:
        return ()
    c = Contribution
    rows = select(c.id, c.remittance_id, c.line, c.work_from, c.work_to).where(among(c.id, [id_ for _, id_ in found]))
    earlier = {row.id: row for row in db.session.execute(rows)}
    numbers = {one.line.line: one.line.number for one in lines}
    return tuple(
        Earlier(line, numbers[line], was.remittance_id, was.line, was.work_from, was.work_to)
        for line, was in ((line, earlier[id_]) for line, id_ in found)
    )


# Days and numbers are compared as the columns hold them; the index of the worker's work leads there. Crosswise and
# with a sum, so that SQLite cannot begin with all that the employer ever reported and look it up among the lines.
_BEFORE: Final = Prepared(
    """
    SELECT asked.line, min(c.id) FROM {rows}
    CROSS JOIN contribution c
    JOIN remittance r ON r.id = c.remittance_id
    WHERE c.benefit_account_id = asked.account_id AND c.work_to >= asked.first_day AND c.work_from <= asked.last_day
    AND c.employer_id + 0 = {employer_id} AND c.remittance_id <> {apart_from}
    AND c.place = asked.place AND c.sector = asked.sector AND c.worker_class = asked.worker_class
    AND c.reversed_by_id IS NULL AND r.state <> 'cancelled'
    GROUP BY asked.line ORDER BY asked.line
    """,
    "asked",
    values=("employer_id", "apart_from"),
    line="integer",
    account_id="bigint",
    first_day="date",
    last_day="date",
    place="text",
    sector="text",
    worker_class="text",
)
