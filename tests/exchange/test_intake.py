"""Is a CSV file from outside read row by row, and refused in words when it cannot be?"""

from __future__ import annotations

import gzip
import io
import tracemalloc
from pathlib import Path

import pytest

from exchange.intake import (
    IMPORT,
    UPLOAD,
    BadFile,
    Column,
    Limits,
    Problems,
    Row,
    begins_like_formula,
    open_for_import,
    read_csv,
)

NUMBER = Column("account_number")
HOURS = Column("hours", max_length=10)
NOTE = Column("note", required=False, identifier=False)
COLUMNS = (NUMBER, HOURS, NOTE)


def rows_of(raw: bytes, problems: Problems | None = None, limits: Limits = UPLOAD) -> list[Row]:
    return list(read_csv(io.BytesIO(raw), COLUMNS, problems=problems or Problems(), limits=limits))


def reason_of(raw: bytes) -> str:
    problems = Problems()
    rows = rows_of(raw, problems)
    assert rows == []
    assert problems.count == len(problems.kept) == 1
    return str(problems.kept[0])


class TestReadCsv:
    def test_gives_each_row_with_the_line_it_begins_on(self) -> None:
        raw = b'account_number,hours,note\r\nA1, 3 ,"two\r\nlines"\r\n\r\nA2,4,\r\n'

        assert rows_of(raw) == [
            Row(2, {"account_number": "A1", "hours": "3", "note": "two\r\nlines"}),
            Row(5, {"account_number": "A2", "hours": "4", "note": ""}),
        ]

    def test_knows_a_heading_whatever_its_case_blanks_and_hyphens(self) -> None:
        rows = rows_of("\ufeff Account-Number ,HOURS\nA1,3\n".encode())

        assert rows == [Row(2, {"account_number": "A1", "hours": "3"})]

    def test_keeps_other_alphabets(self) -> None:
        assert rows_of("account_number,hours,note\nA1,3,Ñandú 東京\n".encode())[0].cells["note"] == "Ñandú 東京"

    def test_ignores_columns_it_does_not_know_in_the_operators_own_files(self) -> None:
        assert len(rows_of(b"x,account_number,,hours,\n1,A,2,3,4\n", limits=IMPORT)) == 1

    def test_takes_two_hundred_thousand_rows_and_not_one_more(self) -> None:
        head, row = b"account_number,hours\n", b"A,1\n"

        assert len(rows_of(head + row * 200_000)) == 200_000
        with pytest.raises(BadFile, match="more than 200,000 rows") as refused:
            rows_of(head + row * 200_001)
        assert refused.value.details["line"] == 200_002

    def test_takes_ten_megabytes_and_not_one_byte_more(self) -> None:
        head = b"account_number,hours,note\n"
        lines = head + (b"A,1," + b"x" * 95 + b"\n") * 99_999
        filled = lines + b"A,1," + b"x" * (10_000_000 - len(lines) - 4)

        assert len(filled) == 10_000_000
        assert len(rows_of(filled)) == 100_000
        with pytest.raises(BadFile, match="larger than 10 MB"):
            rows_of(filled + b"\n")

    def test_needs_no_more_memory_for_a_large_file_than_for_a_small_one(self) -> None:
        raw = b"account_number,hours\n" + b"A,1\n" * 100_000
        tracemalloc.start()

        count = sum(1 for _ in read_csv(io.BytesIO(raw), COLUMNS, problems=Problems()))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()

        assert count == 100_000
        assert peak < 1_000_000


class TestRefuseTheFile:
    @pytest.mark.parametrize(
        ("raw", "sentence"),
        [
            (b"", "file is empty"),
            (b"hours\n1\n", "columns are missing: account_number"),
            (b"note\n1\n", "columns are missing: account_number, hours"),
            (b"account_number,hours,Account Number\n", "column “Account Number” is there twice"),
            (b"account_number,hours,salary\n", "column “salary” is not known"),
            (b"account_number,hours,=cmd|x\n", "column number 3 is not known"),
            (b"account_number,hours,\n", "column number 3 is not known"),
            (b"account_number,hours\nA,1\nB\xe9,2\n", "Line 3 is not UTF-8"),
            ("account_number,hours\n".encode("utf-16"), "Line 1 is not UTF-8|NUL"),
            ("account_number,hours\n".encode("utf-16-le"), "Line 1 holds a NUL"),
            (b"account_number,hours\nA,1\nB\0,2\n", "Line 3 holds a NUL"),
            (b'account_number,hours\nA,1\nB,"2\nC,3\n', "row that begins on line 3 is never closed"),
            (b'account_number,hours\nA,1\nB,"2"x\n', "row on line 3 has a quotation mark"),
            (b"account_number,hours\rA,1\r", "line end out of place"),
            (b'account_number,hours\nB,"2\n' + b"C,3\n" * 50_000, "begins on line 2 is too long"),
            (b"account_number,hours\nA," + b"," * 200_000, "begins on line 2 is too long"),
            (b"PK\x03\x04rest", "workbook or an archive"),
            (gzip.compress(b"account_number,hours\n", mtime=0), "workbook or an archive"),
        ],
    )
    def test_tells_what_is_wrong_and_where(self, raw: bytes, sentence: str) -> None:
        with pytest.raises(BadFile, match=sentence):
            rows_of(raw)

    def test_tells_of_a_repeated_column_even_where_unknown_ones_are_ignored(self) -> None:
        with pytest.raises(BadFile, match="“X” is there twice"):
            rows_of(b"account_number,hours,x,X\n", limits=IMPORT)


class TestLeaveOutARow:
    @pytest.mark.parametrize(
        ("line", "sentence"),
        [
            (b"A,1", "line 2: has 2 cells, the heading has 3."),
            (b"A,1,,", "line 2: has 4 cells, the heading has 3."),
            (b"A,12345678901,", "line 2, hours: is longer than 10 characters."),
            (b"=1+1,1,", "line 2, account_number: begins like a formula"),
            (b"A,+1,", "line 2, hours: begins like a formula"),
            (b"A,@SUM(A1),", "line 2, hours: begins like a formula"),
            (b"A,\t1,", "line 2, hours: begins like a formula"),
            ("A,＝1,".encode(), "line 2, hours: begins like a formula"),
            (b"A,1\x07,", "line 2, hours: holds a character that cannot be seen"),
            ("A,1,x\u202ey".encode(), "line 2, note: holds a character that cannot be seen"),
        ],
    )
    def test_tells_line_column_and_reason(self, line: bytes, sentence: str) -> None:
        assert sentence in reason_of(b"account_number,hours,note\n" + line + b"\n")

    def test_never_repeats_what_stood_in_the_cell(self) -> None:
        assert "cmd" not in reason_of(b"account_number,hours\n=cmd|calc,1\n")

    def test_keeps_a_formula_in_a_text_column_as_text(self) -> None:
        assert rows_of(b"account_number,hours,note\nA,1,=1+1\n")[0].cells["note"] == "=1+1"

    def test_takes_the_other_rows(self) -> None:
        problems = Problems()

        rows = rows_of(b"account_number,hours\n=A,1\nB,2\n", problems)

        assert [row.cells["account_number"] for row in rows] == ["B"]

    def test_counts_every_problem_and_keeps_only_the_first(self) -> None:
        problems = Problems(keep=3)

        rows_of(b"account_number,hours\n" + b"=A,1\n" * 1_000, problems)

        assert problems.count == 1_000
        assert [problem.line for problem in problems.kept] == [2, 3, 4]


class TestOpenForImport:
    @pytest.mark.parametrize("name", ["rows.csv", "rows.csv.gz"])
    def test_unpacks_by_content_not_by_name(self, tmp_path: Path, name: str) -> None:
        raw = b"account_number,hours\nA,1\n"
        for content in (raw, gzip.compress(raw)):
            path = tmp_path / name
            path.write_bytes(content)

            with open_for_import(path) as stream:
                assert len(list(read_csv(stream, COLUMNS, problems=Problems(), limits=IMPORT))) == 1

    def test_refuses_a_damaged_archive(self, tmp_path: Path) -> None:
        packed = gzip.compress(b"account_number,hours\n" + b"A,1\n" * 10_000)
        path = tmp_path / "rows.csv.gz"
        path.write_bytes(packed[: len(packed) // 2])

        with open_for_import(path) as stream, pytest.raises(BadFile, match="compressed file is damaged"):
            list(read_csv(stream, COLUMNS, problems=Problems(), limits=IMPORT))


class TestBeginsLikeFormula:
    @pytest.mark.parametrize(
        ("text", "answer"),
        [("=1", True), ("-1", True), (" +1", True), ("＠x", True), ("\r", True), ("1-1", False), ("", False)],
    )
    def test_looks_at_the_first_character_that_can_be_seen(self, text: str, answer: bool) -> None:
        assert begins_like_formula(text) is answer
