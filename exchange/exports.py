"""How does a table leave the exchange as CSV, so that no spreadsheet runs what somebody typed in?

RFC 4180: CRLF, a comma between cells, quotation marks doubled. Every text is quoted, so that a
spreadsheet that splits at semicolons finds no formula after one either. A text that begins like a
formula gets an apostrophe, which spreadsheets take as "this is text" (OWASP ASVS 5.0.0, 1.2.10).
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from typing import TypeAlias

from flask_babel import LazyString

from exchange.intake import begins_like_formula

# Whole numbers are ours, already typed, and stay numbers (a minus included); everything else is text.
Cell: TypeAlias = str | LazyString | int | date | None

_LINES_AT_ONCE = 500


def harmless(text: str) -> str:
    """The text, with ``'`` before it when a spreadsheet might run it. Twice is once."""
    return f"'{text}" if begins_like_formula(text) else text


def csv_lines(headings: Sequence[str | LazyString], rows: Iterable[Sequence[Cell]]) -> Iterator[str]:
    """The file in pieces, for a streamed response: headings first, each row as long as they are.

    Dates and instants are written as ISO 8601, ``None`` as an empty cell. Encode as UTF-8.
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\r\n")
    writer.writerow([_written(heading) for heading in headings])
    for number, row in enumerate(rows, start=1):
        assert len(row) == len(headings), "a row is as long as its headings"
        writer.writerow([_written(cell) for cell in row])
        if number % _LINES_AT_ONCE == 0:
            yield _taken(buffer)
    yield _taken(buffer)


def to_csv(headings: Sequence[str | LazyString], rows: Iterable[Sequence[Cell]]) -> str:
    """The whole file as one text; for short tables."""
    return "".join(csv_lines(headings, rows))


def _written(cell: Cell) -> str | int:
    if cell is None:
        return ""
    if isinstance(cell, int) and not isinstance(cell, bool):
        return cell
    return harmless(cell.isoformat() if isinstance(cell, date) else str(cell))


def _taken(buffer: io.StringIO) -> str:
    piece = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    return piece
