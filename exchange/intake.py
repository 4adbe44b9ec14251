"""What does a file from outside say, read without trusting it?

CSV is read row by row, so that memory stays flat whatever the size; JSON is read strictly. What is
wrong with the *file* (encoding, columns, size, a quotation mark never closed) is a ``BadFile``
refusal, which may come after rows were already yielded: read inside a unit of work, and nothing of
it stays. What is wrong with one *row* is kept in ``Problems`` by line and reason, and the row is
left out; the caller decides whether a file with problems is taken. Reasons never repeat a cell, so
a formula cannot travel through an error report.

Limits after OWASP ASVS 5.0.0, 5.2.1 and 1.2.10: see ``UPLOAD``.
"""

from __future__ import annotations

import csv
import gzip
import re
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple, cast

from flask_babel import LazyString
from flask_babel import lazy_gettext as _l

from exchange.errors import Refusal

RECORD_BYTES: Final = 128 * 1024  # one row with all its cells; also what the csv module takes for one cell
# Also full-width, small and mathematical signs; blanks and zero-width characters before them hide nothing.
_FORMULA: Final = re.compile("\\A(?:[\t\r\n\0]|[\\s\u200b-\u200d\u2060\ufeff]*[=+\\-@＝＋－＠﹦﹢﹣﹫−])")
_GZIP: Final = b"\x1f\x8b"
_WORKBOOK: Final = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
# Control characters, and those that turn or hide text (UAX 9, zero width); new lines and tabs are text.
_UNSEEN: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]")
_CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f]")


class BadFile(Refusal):
    """A file that cannot be read as a whole. ``details["line"]`` is the line, where one is to blame."""

    code = "bad_file"


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is taken. ``None`` is no limit, for the operator's own command line."""

    max_bytes: int | None
    max_rows: int | None
    refuse_unknown: bool = True


UPLOAD: Final = Limits(max_bytes=10_000_000, max_rows=200_000)
IMPORT: Final = Limits(max_bytes=None, max_rows=None, refuse_unknown=False)


@dataclass(frozen=True, slots=True)
class Column:
    """One column that is wanted.

    ``name`` is how the reader calls it; ``heads`` are other headings that mean the same. Headings are
    compared by their letters and digits only: ``Account number`` is ``account_number``. A cell of an
    ``identifier`` column (numbers, codes, dates, amounts) that begins like a spreadsheet formula or
    holds control characters makes its row a problem; text columns keep formulas as the text they are.
    """

    name: str
    heads: tuple[str, ...] = ()
    required: bool = True
    identifier: bool = True
    max_length: int = 200


class Row(NamedTuple):
    """One row: the line that it begins on (the heading is line 1) and its cells by column name, stripped."""

    line: int
    cells: dict[str, str]


@dataclass(frozen=True, slots=True)
class Problem:
    """Why the row on ``line`` was left out."""

    line: int
    reason: str | LazyString
    column: str | None = None

    def __str__(self) -> str:
        place = _l("line %(line)s", line=self.line)
        return f"{place}, {self.column}: {self.reason}" if self.column else f"{place}: {self.reason}"


@dataclass(slots=True)
class Problems:
    """The rows that were left out: all are counted, the first ``keep`` are kept."""

    keep: int = 200
    count: int = 0
    kept: list[Problem] = field(default_factory=list)

    def add(self, line: int, reason: str | LazyString, column: str | None = None) -> None:
        """Remember that the row on ``line`` was left out."""
        self.count += 1
        if len(self.kept) < self.keep:
            self.kept.append(Problem(line, reason, column))


def read_csv(
    stream: BinaryIO, columns: Sequence[Column], *, problems: Problems, limits: Limits = UPLOAD
) -> Iterator[Row]:
    """The rows of a UTF-8 CSV file with a heading line; a byte-order mark is accepted.

    Raises ``BadFile`` for what is wrong with the file as a whole, at the latest when the last row was
    taken. Blank lines are skipped and not counted.
    """
    lines = _Lines(stream, limits)
    records = csv.reader(lines, strict=True)
    head = _next_record(records, lines)
    if head is None:
        raise BadFile(_l("The file is empty. Its first line must hold the names of the columns."))
    wanted = _positions(head, columns, refuse_unknown=limits.refuse_unknown)
    count = 0
    while (record := _next_record(records, lines)) is not None:
        if not record:
            continue
        count += 1
        if limits.max_rows is not None and count > limits.max_rows:
            raise BadFile(
                _l("The file has more than %(rows)s rows. Split it and send the parts.", rows=f"{limits.max_rows:,}"),
                line=lines.begins,
            )
        if len(record) != len(head):
            problems.add(
                lines.begins, _l("has %(n)s cells, the heading has %(wanted)s.", n=len(record), wanted=len(head))
            )
            continue
        cells = {column.name: record[place].strip(" ") for column, place in wanted}
        if _is_clean(cells, wanted, lines.begins, problems):
            yield Row(lines.begins, cells)


@contextmanager
def open_for_import(path: Path) -> Iterator[BinaryIO]:
    """The bytes of a file on the operator's machine, unpacked when its content is gzip (not its name)."""
    with path.open("rb") as raw:
        if raw.peek(2)[:2] != _GZIP:
            yield raw
            return
        with gzip.GzipFile(fileobj=raw) as unpacked:
            yield cast("BinaryIO", unpacked)


def begins_like_formula(text: str) -> bool:
    """Whether a spreadsheet might take the cell for a formula."""
    return _FORMULA.match(text) is not None


class _Lines:
    """The decoded lines of a stream, for the csv module, which knows only records.

    ``begins`` is the line on which the present record begins. A record may not grow beyond
    ``RECORD_BYTES``, whether on one line or over many: that is what an unclosed quotation mark does.
    """

    def __init__(self, stream: BinaryIO, limits: Limits) -> None:
        self.stream = stream
        self.limits = limits
        self.line = 0
        self.begins = 1
        self._taken = 0
        self._record = 0

    def next_record_begins(self) -> None:
        self.begins = self.line + 1
        self._record = 0

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        try:
            raw = self.stream.readline(RECORD_BYTES + 1)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise BadFile(
                _l("The compressed file is damaged after line %(line)s.", line=self.line), line=self.line
            ) from error
        if not raw:
            raise StopIteration
        self.line += 1
        self._taken += len(raw)
        self._record += len(raw)
        if self.limits.max_bytes is not None and self._taken > self.limits.max_bytes:
            megabytes = self.limits.max_bytes // 1_000_000
            raise BadFile(_l("The file is larger than %(mb)s MB. Split it and send the parts.", mb=megabytes))
        if self._record > RECORD_BYTES:
            raise BadFile(
                _l(
                    "The row that begins on line %(line)s is too long. Perhaps a quotation mark was never closed.",
                    line=self.begins,
                ),
                line=self.begins,
            )
        return self._decoded(raw)

    def _decoded(self, raw: bytes) -> str:
        if self.line == 1:
            if raw.startswith((*_WORKBOOK, _GZIP)):
                raise BadFile(_l("This is a workbook or an archive, not a CSV file. Save it as “CSV UTF-8”."))
            raw = raw.removeprefix(b"\xef\xbb\xbf")
        if b"\0" in raw:
            raise BadFile(
                _l("Line %(line)s holds a NUL byte. Save the file as “CSV UTF-8”.", line=self.line), line=self.line
            )
        try:
            return raw.decode("utf-8")
        except UnicodeDecodeError as error:
            raise BadFile(
                _l("Line %(line)s is not UTF-8. Save the file as “CSV UTF-8”.", line=self.line), line=self.line
            ) from error


def _next_record(records: Iterator[list[str]], lines: _Lines) -> list[str] | None:
    lines.next_record_begins()
    try:
        return next(records, None)
    except csv.Error as error:
        if "unexpected end" in str(error):
            sentence = _l(
                "A quotation mark in the row that begins on line %(line)s is never closed.", line=lines.begins
            )
        else:
            sentence = _l(
                "The row on line %(line)s has a quotation mark or a line end out of place.", line=lines.begins
            )
        raise BadFile(sentence, line=lines.begins) from error


def _plain(head: str) -> str:
    return re.sub(r"[\W_]+", " ", head.casefold()).strip()


def _shown(head: str, place: int) -> str | LazyString:
    # A heading is as foreign as a cell: one that is odd is named by its place alone.
    if begins_like_formula(head) or _UNSEEN.search(head) or not head.strip():
        return _l("number %(place)s", place=place + 1)
    return f"“{head.strip()[:60]}”"


def _positions(
    head: Sequence[str], columns: Sequence[Column], *, refuse_unknown: bool
) -> tuple[tuple[Column, int], ...]:
    """Which place holds which column; refuses repeated, unknown and missing ones by name."""
    meant = {_plain(name): column for column in columns for name in (column.name, *column.heads)}
    found: dict[str, int] = {}
    for place, text in enumerate(head):
        column = meant.get(_plain(text))
        if column is None and refuse_unknown:
            raise BadFile(_l("The column %(head)s is not known here. Remove it.", head=_shown(text, place)), line=1)
        key = column.name if column else f"?{_plain(text)}"
        if key in found and key != "?":
            raise BadFile(_l("The column %(head)s is there twice.", head=_shown(text, place)), line=1)
        found[key] = place
    missing = [column.name for column in columns if column.required and column.name not in found]
    if missing:
        raise BadFile(_l("These columns are missing: %(names)s.", names=", ".join(missing)), line=1, columns=missing)
    return tuple((column, found[column.name]) for column in columns if column.name in found)


def _is_clean(cells: dict[str, str], wanted: Sequence[tuple[Column, int]], line: int, problems: Problems) -> bool:
    for column, _ in wanted:
        text = cells[column.name]
        if not text:
            continue
        if len(text) > column.max_length:
            reason = _l("is longer than %(n)s characters.", n=column.max_length)
        elif column.identifier and begins_like_formula(text):
            reason = _l("begins like a formula (= + - @ or a tab).")
        elif (_CONTROL if column.identifier else _UNSEEN).search(text):
            reason = _l("holds a character that cannot be seen.")
        else:
            continue
        problems.add(line, reason, column.name)
        return False
    return True
