"""Does a long list come in parts, each at an address of its own?"""

from __future__ import annotations

import pytest
from flask import Flask
from flask.testing import FlaskClient
from markupsafe import Markup
from sqlalchemy import ColumnElement, column, literal, select, union_all

from exchange.web import tables
from tests.support.counting import statements


class TestPage:
    @pytest.mark.parametrize(
        ("number", "rows", "first", "last"), [(1, [0, 1, 2], 1, 3), (3, [6], 7, 7), (99, [6], 7, 7)]
    )
    def test_holds_its_part_and_knows_its_place(self, number: int, rows: list[int], first: int, last: int) -> None:
        page = tables.page_of(list(range(7)), number=number, per_page=3)

        assert (list(page.rows), page.first, page.last, page.pages, page.total) == (rows, first, last, 3, 7)

    def test_of_nothing_is_one_empty_page(self) -> None:
        page: tables.Page[int] = tables.page_of([], number=1)

        assert (page.pages, page.total, page.first, page.last) == (1, 0, 0, 0)

    def test_read_from_the_database_is_the_same(self, app: Flask) -> None:
        numbers = union_all(*(select(literal(number).label("number")) for number in range(7))).subquery()
        statement = select(numbers.c.number).order_by(numbers.c.number)

        with app.app_context():
            page = tables.read_page(statement, number=9, per_page=3)

        assert ([row.number for row in page.rows], page.number, page.pages, page.total) == ([6], 3, 3, 7)

    @pytest.mark.parametrize(("number", "asked"), [(1, 1), (2, 1), (3, 1), (9, 3)])
    def test_is_found_and_counted_in_one_statement_where_finding_takes_long(
        self, app: Flask, number: int, asked: int
    ) -> None:
        numbers = union_all(*(select(literal(number).label("number")) for number in range(7))).subquery()
        statement = select(numbers.c.number).order_by(numbers.c.number)

        with app.app_context(), statements() as told:
            page = tables.read_page(statement, number=number, per_page=3, searches=True)
            plain = tables.read_page(statement, number=number, per_page=3)

        assert [row.number for row in page.rows] == [row.number for row in plain.rows]
        told_of = [(one.number, one.pages, one.total, one.first, one.last) for one in (page, plain)]
        assert told_of[0] == told_of[1]
        assert len(told) == asked + 2


class TestAddress:
    @pytest.mark.parametrize(
        ("text", "number"), [("", 1), ("2", 2), ("0", 1), ("-1", 1), ("１２", 1), ("1e3", 1), ("999999", 1), ("x", 1)]
    )
    def test_of_a_page_that_is_no_number_is_the_first(self, app: Flask, text: str, number: int) -> None:
        with app.test_request_context("/list", query_string={"page": text}):
            assert tables.asked_page() == number

    @pytest.mark.parametrize(
        ("text", "sort"),
        [
            ("", ("name", False)),
            ("size", ("size", False)),
            ("-size", ("size", True)),
            ("password", ("name", False)),
            ("--size", ("name", False)),
        ],
    )
    def test_sorts_by_nothing_but_what_is_offered(self, app: Flask, text: str, sort: tuple[str, bool]) -> None:
        with app.test_request_context("/list", query_string={"sort": text}):
            asked = tables.asked_sort({"name": 1, "size": 2}, default="name")

        assert (asked.name, asked.descending) == sort

    def test_keeps_the_rest_of_the_query(self, app: Flask) -> None:
        with app.test_request_context("/list?q=a%26b&page=2&sort=name"):
            assert tables.same_address(page=3) == "/list?q=a%26b&sort=name&page=3"
            assert tables.same_address(q=None, page=None, sort=None) == "/list"

    def test_of_a_heading_turns_the_order_round(self, client: FlaskClient) -> None:
        text = client.get("/list?sort=name&page=3").text

        assert 'href="/list?sort=-name"' in text
        assert 'aria-sort="ascending"' in text


class TestNumbersShown:
    @pytest.mark.parametrize(
        ("page", "pages", "shown"),
        [
            (1, 1, [1]),
            (1, 3, [1, 2, 3]),
            (1, 9, [1, 2, None, 9]),
            (3, 9, [1, 2, 3, 4, None, 9]),
            (5, 9, [1, None, 4, 5, 6, None, 9]),
            (9, 9, [1, None, 8, 9]),
        ],
    )
    def test_are_the_ends_and_the_neighbours(self, page: int, pages: int, shown: list[int | None]) -> None:
        assert tables.numbers_shown(page, pages) == shown


class TestOrder:
    def test_ends_with_a_key_that_settles_ties(self) -> None:
        name: ColumnElement[str] = column("name")
        key: ColumnElement[int] = column("id")

        order = tables.order_of(tables.Sort("name", descending=True), {"name": name}, last=key)

        assert [str(part) for part in order] == ["name DESC", "id ASC"]


class TestCells:
    def test_are_written_in_order_and_escaped(self) -> None:
        written = tables.cells(["<b>", Markup("<b>"), 7, "<b>"], [False, False, True, False], "mine")

        assert written == '<td>&lt;b&gt;</td><td><b></td><td class="mine">7</td><td>&lt;b&gt;</td>'
        assert isinstance(written, Markup)

    def test_of_nothing_but_text_are_escaped_as_well(self) -> None:
        plain = tables.cells(["<b>", "&", "<b>"], [False] * 3, "mine")

        assert plain == "<td>&lt;b&gt;</td><td>&amp;</td><td>&lt;b&gt;</td>"
        assert tables.cells(["<b>"], [True], "mine") == '<td class="mine">&lt;b&gt;</td>'
        assert tables.cells([], [], "mine") == ""

    def test_of_values_are_written_once_for_each_value(self) -> None:
        contents = tables.Cells((1, None, 1), {1: "<1>", None: "–"})

        written = tables.cells(contents, [True, False, False], "mine")

        assert written == '<td class="mine">&lt;1&gt;</td><td>–</td><td>&lt;1&gt;</td>'


class TestLines:
    def test_say_what_differs_and_are_escaped(self) -> None:
        columns = [tables.Head("A", is_mine=True), tables.Head("B")]
        rows = [
            tables.Line("Costs <b>", is_heading=True),
            tables.Line("Fee & more", ["2%", "3%"], differs=True, help="of <each>"),
            tables.Line("Same", ["1", "1"]),
        ]

        written = tables.lines(rows, columns, "mine", "differs")

        assert written.splitlines() == [
            '<tr class="mk-comparison__section"><th scope="rowgroup" colspan="3">Costs &lt;b&gt;</th></tr>',
            (
                '<tr class="pbx-comparison__differs"><th scope="row">Fee &amp; more'
                ' <span class="pbx-comparison__note">of &lt;each&gt;</span>'
                ' <span class="pbx-comparison__sign">≠ differs</span></th><td class="mine">2%</td><td>3%</td></tr>'
            ),
            '<tr><th scope="row">Same</th><td class="mine">1</td><td>1</td></tr>',
        ]


class TestHeads:
    def test_say_whose_they_are_and_where_they_lead_and_are_escaped(self) -> None:
        columns = [tables.Head("A<b>", 'of "B"', "/1?a=1&b", is_mine=True), tables.Head("C")]

        written = tables.heads(columns, "mine", Markup("<i>Yours</i>"))

        assert written == (
            '<th scope="col" class="mine"><i>Yours</i> <a href="/1?a=1&amp;b">A&lt;b&gt;</a>'
            ' <span class="pbx-comparison__note">of &#34;B&#34;</span></th>\n<th scope="col">C</th>'
        )
