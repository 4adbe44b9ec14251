"""What does an employer say that its workers did?

One line is one worker's work of some days in one place, with the figures that contributions are
computed from. It comes from a form, a CSV file or the API; all three are read by the parsers that
stand here, and refuse the same things in the same words. Nothing here asks the database.
"""

from __future__ import annotations

import hashlib
import json
import re
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import date
from functools import partial
from operator import attrgetter
from typing import Any, BinaryIO, Final, TypeVar

from flask_babel import lazy_gettext as _l

from enrollment import account_numbers
from exchange.errors import Refusal
from exchange.intake import UPLOAD, Column, Limits, Problems, Row, read_csv
from exchange.money import BadAmount, parse_dollars, parse_whole
from exchange.policy.formulas import WorkerClass

# No line of work comes near; below it, the sums of a year's lines fit the database's integers.
MAX_CENTS: Final = 10**12
MAX_MINUTES: Final = 10**6
MAX_JOBS: Final = 10**6
KEPT_PROBLEMS: Final = 1_000
T = TypeVar("T")

# Each cell is read by a parser that takes no formula, and says so together with what else is wrong.
_read = partial(Column, identifier=False)
COLUMNS: Final = (
    _read("account_number", heads=("number", "benefit account")),
    _read("first_day", heads=("from", "period start")),
    _read("last_day", heads=("to", "period end"), required=False),
    _read("place"),
    _read("sector", required=False),
    _read("worker_class", heads=("class",), required=False),
    _read("minutes", required=False),
    _read("hours", required=False),
    _read("earnings", required=False),
    _read("fee", required=False),
    _read("tolls", required=False),
    _read("jobs", required=False),
    _read("extra", required=False),
    _read("family_name", heads=("last name",), required=False),
)

_DATE: Final = re.compile(r"(?P<year>[0-9]{4})-(?P<month>[0-9]{2})-(?P<day>[0-9]{2})", re.ASCII)
_HOURS: Final = re.compile(r"(?P<hours>[0-9]{1,5})(?::(?P<minutes>[0-5][0-9])|\.(?P<hundredths>[0-9]{1,2}))?", re.ASCII)


class BadDay(Refusal):
    """Text that is no date."""

    code = "bad_day"


class BadWorkerClass(Refusal):
    """A worker is reported as 1099 or as W-2."""

    code = "bad_worker_class"


@dataclass(frozen=True, slots=True)
class ReportLine:
    """One line of a report. Both days are included; money is cents; None is a figure that was not given.

    ``line`` is where it stood (the heading of a file is line 1). An empty ``sector`` means the
    employer's own. ``family_name`` is only compared with the account's, and never kept.
    """

    line: int
    number: str
    first_day: date
    last_day: date
    place: str
    sector: str = ""
    worker_class: WorkerClass = WorkerClass.INDEPENDENT
    minutes: int | None = None
    earnings_cents: int | None = None
    fee_cents: int | None = None
    tolls_cents: int | None = None
    jobs: int | None = None
    extra_cents: int = 0
    family_name: str = ""

    @property
    def days(self) -> int:
        """How many days the period has."""
        return (self.last_day - self.first_day).days + 1


# --- reading --------------------------------------------------------------------------------------


def read_report(stream: BinaryIO, *, problems: Problems, max_rows: int) -> list[ReportLine]:
    """The lines of a CSV file. Refuses ``BadFile``; what is wrong with single rows goes to ``problems``."""
    limits = Limits(max_bytes=UPLOAD.max_bytes, max_rows=min(max_rows, UPLOAD.max_rows or max_rows))
    read = (line_of(row, problems) for row in read_csv(stream, COLUMNS, problems=problems, limits=limits))
    return [line for line in read if line is not None]


def line_of(row: Row, problems: Problems) -> ReportLine | None:
    """One row of text cells; None when something is wrong with it, all of which is then in ``problems``."""
    cells = _Cells(row, problems)
    number = cells.read("account_number", account_numbers.parse)
    first_day = cells.read("first_day", parse_day)
    last_day = cells.read("last_day", parse_day) or first_day
    place = cells.read("place", str)
    worker_class = cells.read("worker_class", parse_worker_class) or WorkerClass.INDEPENDENT
    minutes = cells.read("minutes", parse_minutes)
    if cells.text("hours"):
        if minutes is not None:
            cells.refuse("hours", BadAmount(_l("Give minutes or hours, not both.")))
        minutes = cells.read("hours", parse_hours)
    figures: dict[str, Any] = {
        "earnings_cents": cells.read("earnings", parse_cents),
        "fee_cents": cells.read("fee", parse_cents),
        "tolls_cents": cells.read("tolls", parse_cents),
        "jobs": cells.read("jobs", parse_jobs),
        "extra_cents": cells.read("extra", parse_cents) or 0,
    }
    if number is None or first_day is None or last_day is None or place is None:
        for column in ("account_number", "first_day", "place"):
            if not cells.text(column):
                problems.add(row.line, _l("is missing."), column)
        return None
    if cells.refused:
        return None
    return ReportLine(
        row.line,
        number,
        first_day,
        last_day,
        place,
        sector=cells.text("sector"),
        worker_class=worker_class,
        minutes=minutes,
        family_name=cells.text("family_name"),
        **figures,
    )


class _Cells:
    """The cells of a row on their way to values; remembers whether one was refused."""

    def __init__(self, row: Row, problems: Problems) -> None:
        self.row, self.problems, self.refused = row, problems, False

    def text(self, column: str) -> str:
        return self.row.cells.get(column, "")

    def read(self, column: str, parse: Callable[[str], T]) -> T | None:
        text = self.text(column)
        if not text:
            return None
        try:
            return parse(text)
        except Refusal as refusal:
            self.refuse(column, refusal)
            return None

    def refuse(self, column: str, refusal: Refusal) -> None:
        self.refused = True
        self.problems.add(self.row.line, refusal.sentence, column)


def parse_day(text: str) -> date:
    """``2026-11-30``. Refuses every other way of writing a date: two countries would read it in two ways."""
    match = _DATE.fullmatch(text)
    try:
        if match is not None:
            return date(int(match["year"]), int(match["month"]), int(match["day"]))
    except ValueError:
        pass
    raise BadDay(_l("Write a date like 2026-11-30: year, month, day."))


def parse_cents(text: str) -> int:
    """An amount of dollars of one line."""
    cents = parse_dollars(text)
    if cents > MAX_CENTS:
        raise BadAmount(_l("This amount is too large."))
    return cents


def parse_minutes(text: str) -> int:
    """Whole minutes of work."""
    return parse_whole(text, at_most=MAX_MINUTES)


def parse_jobs(text: str) -> int:
    """A number of jobs."""
    return parse_whole(text, at_most=MAX_JOBS)


def parse_hours(text: str) -> int:
    """``7:30``, ``7.5`` or ``7`` → minutes. Hundredths of an hour are rounded to the nearest minute, halves up."""
    match = _HOURS.fullmatch(text)
    if match is None:
        raise BadAmount(_l("Write hours like 7:30 or 7.5, with at most two digits after the point."))
    whole = int(match["hours"]) * 60
    if match["hundredths"]:
        return whole + (int(match["hundredths"].ljust(2, "0")) * 60 + 50) // 100
    return whole + int(match["minutes"] or "0")


def parse_worker_class(text: str) -> WorkerClass:
    """``1099`` or ``W-2``, as the tax form calls it."""
    for worker_class in WorkerClass:
        if text.upper().replace("W2", "W-2") == worker_class.value:
            return worker_class
    raise BadWorkerClass(_l("Write 1099 or W-2."))


# --- keeping and comparing ------------------------------------------------------------------------

_values: Callable[[ReportLine], tuple[Any, ...]] = attrgetter(*(field.name for field in fields(ReportLine)))
_written: Callable[[tuple[Any, ...]], str] = json.JSONEncoder(default=str, check_circular=False).encode


def digest_of(lines: Iterable[ReportLine]) -> bytes:
    """SHA-256 of what is reported, the same however the lines are ordered and whichever way they came."""
    digest, separator = hashlib.sha256(), ""
    for part in sorted(_written(_values(line)[1:-1]) for line in lines):
        digest.update(f"{separator}{part}".encode())
        separator = "\n"
    return digest.digest()


def packed(lines: Sequence[ReportLine]) -> bytes:
    """The lines as bytes, to be kept between a preview and its confirmation."""
    compressor, before = zlib.compressobj(), "["
    parts = []
    for line in lines:
        parts.append(compressor.compress(f"{before}{_written(_values(line))}".encode()))
        before = ", "
    return b"".join((*parts, compressor.compress(b"]" if lines else b"[]"), compressor.flush()))


def unpacked(packed_lines: bytes) -> list[ReportLine]:
    """What ``packed`` was given."""
    rows: list[list[Any]] = json.loads(zlib.decompress(packed_lines))
    return [
        ReportLine(
            line, number, date.fromisoformat(first), date.fromisoformat(last), place, sector, WorkerClass(kind), *rest
        )
        for line, number, first, last, place, sector, kind, *rest in rows
    ]
