"""Does a table leave as CSV that says what it said, and runs nothing?"""

from __future__ import annotations

import csv
import io
from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.exports import csv_lines, harmless, to_csv
from exchange.intake import begins_like_formula

STARTS = ["=", "+", "-", "@", "\t", "\r", "\n", "\0", "＝", "＋", "－", "＠"]
PAYLOADS = [
    "1+1",
    "cmd|' /C calc'!A0",
    'HYPERLINK("http://example.org","x")',
    "SUM(1,2)",
    "=A1",
]


def read(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline=""), strict=True))


class TestHarmless:
    @pytest.mark.parametrize("start", STARTS)
    @pytest.mark.parametrize("payload", PAYLOADS)
    def test_puts_an_apostrophe_before_each_formula(self, start: str, payload: str) -> None:
        assert harmless(start + payload) == f"'{start}{payload}"

    @pytest.mark.parametrize("text", [" =1+1", "\u00a0=1", "\u200b=1", "\ufeff@x", "  \t=1"])
    def test_is_not_fooled_by_blanks_before_it(self, text: str) -> None:
        assert harmless(text) == f"'{text}"

    @pytest.mark.parametrize("text", ["", " ", "Union of Cooks", "a=b", "12-3456789", "1,204.50", "'=x"])
    def test_leaves_other_text_as_it_is(self, text: str) -> None:
        assert harmless(text) == text

    @given(st.text())
    def test_done_twice_is_done_once(self, text: str) -> None:
        assert harmless(harmless(text)) == harmless(text)


class TestCsvLines:
    @given(st.lists(st.tuples(st.text(), st.text()), max_size=20))
    def test_says_what_the_cells_said_and_no_cell_begins_like_a_formula(self, rows: list[tuple[str, str]]) -> None:
        written = read(to_csv(["name", "note"], rows))

        assert written[1:] == [[harmless(cell) for cell in row] for row in rows]
        assert not any(begins_like_formula(cell) for row in written for cell in row)

    def test_ends_lines_and_quotes_text_as_the_standard_has_it(self) -> None:
        assert to_csv(["a", "b"], [['say "hi"', 'x;=1"']]) == '"a","b"\r\n"say ""hi""","x;=1"""\r\n'

    def test_keeps_whole_numbers_numbers_and_dates_readable(self) -> None:
        at = datetime(2027, 1, 2, 3, 4, tzinfo=UTC)

        text = to_csv(["n", "on", "at", "none"], [[-5, date(2027, 1, 2), at, None]])

        assert text.splitlines()[1] == '-5,"2027-01-02","2027-01-02T03:04:00+00:00",""'

    def test_comes_in_pieces(self) -> None:
        pieces = list(csv_lines(["n"], ([number] for number in range(2_000))))

        assert len(pieces) > 3
        assert len(read("".join(pieces))) == 2_001
