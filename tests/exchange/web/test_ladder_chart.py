"""Do ratios stand before their ladder, in a picture and in the same words?"""

from __future__ import annotations

from flask import Flask

from exchange.web.charts import Band, Bar, Tone, ladder_chart
from exchange.web.filters import percent

BANDS = [Band("Strong", 15_000, Tone.GOOD), Band("Run-off", 0, Tone.QUIET), Band("Watch", 10_000, Tone.WATCH)]


def drawn(*bars: Bar) -> str:
    return str(ladder_chart("Ratios", bars, bands=BANDS, show=percent, headings=("Provider", "Ratio")).svg)


class TestLadderChart:
    def test_puts_the_bands_in_order_with_their_borders(self, app: Flask) -> None:
        svg = drawn(Bar("Harbor", 12_000, Tone.WATCH, note="Watch"))

        assert svg.index("Run-off") < svg.index(">Watch<") < svg.index("Strong")
        assert 'x="50.00%"' in svg and 'x="75.00%"' in svg
        assert "0%</text>" in svg

    def test_ends_a_bar_that_is_too_long_at_the_edge_and_still_says_its_value(self, app: Flask) -> None:
        svg = drawn(Bar("Harbor", 90_000, Tone.GOOD, note="Strong"))

        assert 'width="100.00%" height="14"' in svg
        assert "Strong 900%" in svg

    def test_has_the_same_figures_as_a_table(self, app: Flask) -> None:
        chart = ladder_chart(
            "Ratios", [Bar("Harbor", 12_050, note="Watch"), Bar("<b>", 0)], bands=BANDS, show=percent,
            headings=("Provider", "Ratio"),
        )  # fmt: skip

        assert chart.rows == (("Harbor", "Watch 120.5%"), ("<b>", "0%"))
        assert "<b>" not in str(chart.svg)
