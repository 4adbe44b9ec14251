"""Do charts say what the figures say, to everybody?"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from xml.etree import ElementTree as ET

import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st

from exchange.web import charts, filters


@pytest.fixture(autouse=True)
def request_in_english(app: Flask) -> Iterator[None]:
    """Dates in charts are in the page's language."""
    with app.test_request_context("/"):
        yield


def ratio(*values: int) -> charts.Chart:
    """A line chart of ratios, a month apart, before two bands."""
    points = [charts.Point(date(2026, 1 + month, 1), value) for month, value in enumerate(values)]
    bands = [charts.Band("Watch", 0, charts.Tone.WATCH), charts.Band("Strong", 15_000, charts.Tone.GOOD)]
    return charts.line_chart(
        "Ratio", [charts.Line("Now", points)], show=filters.percent, headings=("Day", "Ratio"), bands=bands
    )


def bars(*values: int) -> charts.Chart:
    """A bar chart of amounts."""
    rows = [charts.Bar(f"Row {number}", value) for number, value in enumerate(values)]
    return charts.bar_chart("Sums", rows, show=filters.money, headings=("Who", "Sum"))


def split(*values: int) -> charts.Chart:
    """A divided bar of amounts."""
    parts = [(f"Part {number}", value) for number, value in enumerate(values)]
    return charts.split_bar("Split", parts, show=filters.money, headings=("Part", "Sum"))


class TestChart:
    @pytest.mark.parametrize(
        "draw",
        [
            lambda: ratio(17_000, 9_000),
            lambda: ratio(5),
            ratio,
            lambda: bars(3, 2, 0),
            bars,
            lambda: bars(0),
            lambda: split(6, 4),
            split,
            lambda: split(0),
        ],
    )
    def test_is_well_formed_and_has_a_title_and_a_description(self, draw: object) -> None:
        assert callable(draw)
        chart = draw()

        tree = ET.fromstring(f"<x>{chart.svg}</x>")  # noqa: S314 - our own markup
        drawing = next(part for part in tree.iter("svg") if part.get("role") == "img")
        assert drawing.findtext("title") == chart.title
        assert drawing.find("desc") is not None

    @pytest.mark.parametrize("chart", ["line", "bars", "split", "spark"])
    def test_has_nothing_that_the_content_security_policy_stops(self, chart: str) -> None:
        markup = {
            "line": ratio(1, 2).svg,
            "bars": bars(1).svg,
            "split": split(1).svg,
            "spark": charts.sparkline("x", [1, 2]),
        }[chart]

        assert re.search(r"style=|<style|<script|href|\son\w+=", str(markup)) is None

    def test_writes_labels_as_text(self) -> None:
        chart = charts.bar_chart("<b>", [charts.Bar("<script>", 1)], show=str, headings=("a", "b"))

        assert "<script>" not in chart.svg
        assert "<b>" not in chart.svg


class TestTableTwin:
    def test_holds_every_point_of_a_line(self) -> None:
        assert ratio(17_000, 9_000).rows == (("Jan 1, 2026", "170%"), ("Feb 1, 2026", "90%"))

    def test_shows_a_dash_where_one_line_has_no_point(self) -> None:
        one = charts.Line("One", [charts.Point(date(2026, 1, 1), 1)])
        two = charts.Line("Two", [charts.Point(date(2026, 2, 1), 2)])

        chart = charts.line_chart("Both", [one, two], show=str, headings=("Day", "One", "Two"))

        assert chart.rows == (("Jan 1, 2026", "1", "–"), ("Feb 1, 2026", "–", "2"))

    def test_holds_every_bar_and_part(self) -> None:
        assert bars(100, 50).rows == (("Row 0", "$1.00"), ("Row 1", "$0.50"))
        assert split(60, 40).rows == (("Part 0", "$0.60"), ("Part 1", "$0.40"))


class TestLengths:
    @given(st.lists(st.integers(0, 10**12), min_size=1, max_size=12))
    def test_of_bars_never_leave_the_drawing(self, values: list[int]) -> None:
        widths = [float(width) for width in re.findall(r'chart__bar[^>]* width="([0-9.]+)%"', str(bars(*values).svg))]

        assert len(widths) == len(values)
        assert all(0 <= width <= 100 for width in widths)
        assert max(values) == 0 or max(widths) == 100

    @given(st.lists(st.integers(0, 10**12), min_size=1, max_size=12))
    def test_of_a_line_never_leave_the_drawing(self, values: list[int]) -> None:
        heights = [int(y) for y in re.findall(r'cy="([0-9]+)"', str(ratio(*values).svg))]

        assert all(20 <= y <= 250 for y in heights)

    def test_of_parts_follow_their_shares(self) -> None:
        widths = re.findall(
            r'<rect class="chart__part part-\d" x="[0-9.]+%" y="0" width="([0-9.]+)%"', str(split(60, 40).svg)
        )

        assert widths == ["60.00", "40.00"]


class TestSparkline:
    @pytest.mark.parametrize("values", [[], [5], [5, 5, 5], [1, 9, 4]])
    def test_has_a_name_whatever_it_draws(self, values: list[int]) -> None:
        assert "<title>Ratio</title>" in charts.sparkline("Ratio", values)
