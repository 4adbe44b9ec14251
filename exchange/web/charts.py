"""How are figures drawn so that everybody can read them?

Small SVGs of our own: no script, no inline style, nothing that the content security policy would refuse. Lengths along
the page are per cent and type is in pixels, so a chart is as readable at 360 pixels as on a wide screen. Every
chart carries the same figures as a table (macro ``figure`` shows both), and nothing is told by colour alone:
patterns, dashes and words say it too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from functools import lru_cache
from itertools import pairwise

from flask_babel import LazyString
from flask_babel import gettext as _
from markupsafe import Markup, escape

from exchange.web.filters import short_day

Show = Callable[[int], str]
"""How a value is written: ``filters.money``, ``filters.percent``, …"""


class Tone(StrEnum):
    """What a mark means; the style sheet gives each a colour, the chart adds a word or a pattern."""

    MAIN = "main"
    GOOD = "good"
    FAIR = "fair"
    WATCH = "watch"
    BAD = "bad"
    QUIET = "quiet"


@dataclass(frozen=True, slots=True)
class Bar:
    """One row of a bar chart; ``note`` is a word that stands before the value where there is room for one."""

    label: str | LazyString
    value: int
    tone: Tone = Tone.MAIN
    note: str | LazyString = ""


@dataclass(frozen=True, slots=True)
class Point:
    """One value on one date."""

    on: date
    value: int


@dataclass(frozen=True, slots=True)
class Line:
    """A named series in ascending order of dates."""

    label: str | LazyString
    points: Sequence[Point]


@dataclass(frozen=True, slots=True)
class Band:
    """A named range of values behind a line chart, from ``start`` up to the next band's start."""

    label: str | LazyString
    start: int
    tone: Tone


@dataclass(frozen=True, slots=True)
class Chart:
    """A drawing and the table that says the same. Shown with ``figure(chart)`` from ``macros/charts.html``."""

    title: str
    svg: Markup
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def bar_chart(
    title: str | LazyString, bars: Sequence[Bar], *, show: Show, headings: tuple[str, str], description: str = ""
) -> Chart:
    """Horizontal bars from zero, one row each, label and value written above the bar. Values are not negative."""
    row = 52
    longest = max((bar.value for bar in bars), default=0)
    marks: list[Markup] = []
    for index, bar in enumerate(bars):
        top = index * row
        marks += [
            _text(bar.label, x="0", y=top + 18, css="chart__label"),
            _text(show(bar.value), x="100%", y=top + 18, css="chart__value", anchor="end"),
            _rect("0", top + 26, "100%", 14, css="chart__track"),
            _rect("0", top + 26, _share(bar.value, longest), 14, css=f"chart__bar tone-{bar.tone}"),
        ]
    rows = tuple((str(bar.label), show(bar.value)) for bar in bars)
    svg = _svg(title, description or _sentence(rows), marks, height=max(row * len(bars), 1), css="chart--bars")
    return Chart(str(title), svg, headings, rows)


def ladder_chart(
    title: str | LazyString,
    bars: Sequence[Bar],
    *,
    bands: Sequence[Band],
    show: Show,
    headings: tuple[str, str],
    description: str = "",
) -> Chart:
    """Horizontal bars before the bands of a ladder (the reserve ratios of many providers, say).

    The page's width is four thirds of the highest band's start: longer bars end at the edge, and their value says
    how far they would go. Values are not negative.
    """
    ordered = sorted(bands, key=lambda band: band.start)
    row, top = 76, 58
    bottom = top + row * len(bars)
    highest = max(max((band.start for band in ordered), default=0) * 4 // 3, 1)
    starts = [*(band.start for band in ordered), highest]
    marks: list[Markup] = []
    for index, band in enumerate(ordered):
        x = _share(band.start, highest)
        width = _share(starts[index + 1] - band.start, highest)
        marks.append(_rect(x, top, width, bottom - top, css=f"chart__band tone-{band.tone}"))
        # On a telephone neighbours would touch: their names stand on two lines by turns.
        marks.append(_text(band.label, x=x, y=18 + 22 * (index % 2), css="chart__tick"))
        if band.start:
            marks.append(_rule(x, top - 6, x, bottom, css="chart__border"))
            marks.append(_text(show(band.start), x=x, y=bottom + 20, css="chart__tick", anchor="middle"))
    for index, bar in enumerate(bars):
        y = top + index * row
        marks += [
            _text(bar.label, x="8", y=y + 22, css="chart__end"),
            _rect("0", y + 30, _share(min(bar.value, highest), highest), 14, css=f"chart__bar tone-{bar.tone}"),
            _text(f"{bar.note} {show(bar.value)}".strip(), x="8", y=y + 62, css="chart__label"),
        ]
    rows = tuple((str(bar.label), f"{bar.note} {show(bar.value)}".strip()) for bar in bars)
    svg = _svg(title, description or _sentence(rows), marks, height=bottom + 30, css="chart--ladder")
    return Chart(str(title), svg, headings, rows)


def split_bar(
    title: str | LazyString,
    parts: Sequence[tuple[str | LazyString, int]],
    *,
    show: Show,
    headings: tuple[str, str],
    description: str = "",
) -> Chart:
    """One bar divided into parts (how a contribution is split). Numbers in the bar name the parts below it."""
    whole = sum(value for _label, value in parts)
    marks: list[Markup] = []
    before = 0
    for index, (label, value) in enumerate(parts):
        number = str(index + 1)
        css = f"chart__part part-{index % 8 + 1}"
        marks.append(_rect(_share(before, whole), 0, _share(value, whole), 40, css=css))
        if whole and value * 100 >= whole * 6:
            marks.append(
                _text(number, x=_share(2 * before + value, 2 * whole), y=26, css="chart__number", anchor="middle")
            )
        y = 72 + index * 30
        marks += [
            _rect("0", y - 16, "24", 22, css=css),
            _text(number, x="12", y=y, css="chart__number", anchor="middle"),
            _text(label, x="34", y=y, css="chart__label"),
            _text(show(value), x="100%", y=y, css="chart__value", anchor="end"),
        ]
        before += value
    rows = tuple((str(label), show(value)) for label, value in parts)
    svg = _svg(title, description or _sentence(rows), marks, height=62 + 30 * len(parts), css="chart--split")
    return Chart(str(title), svg, headings, rows)


def line_chart(
    title: str | LazyString,
    lines: Sequence[Line],
    *,
    show: Show,
    headings: tuple[str, ...],
    bands: Sequence[Band] = (),
    description: str = "",
) -> Chart:
    """Values over time, from zero, before the bands of a ladder (a reserve ratio, say).

    ``headings`` are those of the table: the date's, then one for each line. The points of all lines must stand on
    the same dates for the table to be full; a missing one is shown as a dash.
    """
    height, top, bottom = 300, 20, 250
    dates = sorted({point.on for line in lines for point in line.points})
    values = [point.value for line in lines for point in line.points]
    ordered = sorted(bands, key=lambda band: band.start)
    step = _round_step(max([*values, *(band.start * 115 // 100 for band in ordered), 1]))
    plane = _Plane(dates, 4 * step, top, bottom)
    drawn = [mark for index, line in enumerate(lines) for mark in _line(line, index, plane, show)]
    gutter = _band_labels(ordered, plane, show) if ordered else _value_labels(plane, show)
    grid = _bands(ordered, plane) if ordered else _grid(plane)
    plot = [*grid, *drawn, *_date_labels(dates, plane)]
    by_date = [{point.on: show(point.value) for point in line.points} for line in lines]
    rows = tuple((short_day(on), *(column.get(on, "–") for column in by_date)) for on in dates)
    svg = _svg(title, description or _trend(lines, show), plot, height=height, css="chart--lines")
    labels = Markup('<svg class="chart" aria-hidden="true" width="116" height="{}">{}</svg>').format(
        height, Markup().join(gutter)
    )
    both = Markup('<div class="chart-with-gutter">{}{}</div>').format(labels, svg)
    return Chart(str(title), both, headings, rows)


def sparkline(title: str | LazyString, values: Sequence[int]) -> Markup:
    """A line the size of a word, for a table's cell beside its figure. ``title`` says what it shows."""
    return _sparkline(str(title), tuple(values))


@lru_cache(maxsize=1_024)
def _sparkline(title: str, values: tuple[int, ...]) -> Markup:
    """A list of providers draws the same ones until the next check."""
    width, height = 96, 24
    low, high = min(values, default=0), max(values, default=0)
    span, steps = max(high - low, 1), max(len(values) - 1, 1)
    places = [
        (2 + (width - 8) * index // steps, height - 4 - (height - 8) * (value - low) // span)
        for index, value in enumerate(values)
    ]
    path = " ".join(f"{x},{y}" for x, y in places)
    dot = Markup('<circle class="chart__dot" cx="{}" cy="{}" r="3"/>').format(*places[-1]) if places else ""
    return Markup(
        '<svg class="chart chart--spark" role="img" width="{w}" height="{h}" viewBox="0 0 {w} {h}">'
        '<title>{title}</title><polyline class="chart__line" points="{path}"/>{dot}</svg>'
    ).format(w=width, h=height, title=title, path=path, dot=dot)


@dataclass(frozen=True, slots=True)
class _Plane:
    """Where dates and values lie: dates in per cent of the plot's width, values in pixels from its top."""

    dates: Sequence[date]
    highest: int
    top: int
    bottom: int

    def x(self, on: date) -> str:
        days = (self.dates[-1] - self.dates[0]).days
        return _share(200 * (on - self.dates[0]).days + 4 * days, 208 * days) if days else "50.00%"

    def y(self, value: int) -> int:
        return self.bottom - (self.bottom - self.top) * min(max(value, 0), self.highest) // self.highest


def _bands(bands: Sequence[Band], plane: _Plane) -> list[Markup]:
    marks: list[Markup] = []
    for index, band in enumerate(bands):
        above = bands[index + 1].start if index + 1 < len(bands) else plane.highest
        upper, lower = plane.y(above), plane.y(band.start)
        marks.append(_rect("0", upper, "100%", lower - upper, css=f"chart__band tone-{band.tone}"))
        marks.append(_rule("0", lower, "100%", lower, css="chart__border"))
    return marks


def _band_labels(bands: Sequence[Band], plane: _Plane, show: Show) -> list[Markup]:
    marks: list[Markup] = []
    for index, band in enumerate(bands):
        above = bands[index + 1].start if index + 1 < len(bands) else plane.highest
        lower, room = plane.y(band.start), plane.y(band.start) - plane.y(above)
        if band.start:
            marks.append(_text(show(band.start), x="108", y=lower + 4, css="chart__tick", anchor="end"))
        if room >= 18:
            marks.append(_text(band.label, x="0", y=lower - room // 2 + 5, css="chart__label"))
    return marks


def _steps(plane: _Plane) -> list[int]:
    return [plane.highest * part // 4 for part in range(5)]


def _value_labels(plane: _Plane, show: Show) -> list[Markup]:
    return [_text(show(step), x="108", y=plane.y(step) + 4, css="chart__tick", anchor="end") for step in _steps(plane)]


def _grid(plane: _Plane) -> list[Markup]:
    return [_rule("0", plane.y(step), "100%", plane.y(step), css="chart__border") for step in _steps(plane)[1:]]


def _round_step(highest: int) -> int:
    """A quarter of ``highest``, rounded up to 1, 2, 2.5 or 5 times a power of ten."""
    power = 1
    while 40 * power < highest:
        power *= 10
    return next(step for step in (power, 2 * power, 5 * power // 2, 5 * power, 10 * power) if 4 * step >= highest)


def _date_labels(dates: Sequence[date], plane: _Plane) -> list[Markup]:
    marks = [_rule("0", plane.bottom, "100%", plane.bottom, css="chart__axis")]
    if dates:
        marks.append(_text(short_day(dates[0]), x="0", y=plane.bottom + 24, css="chart__tick"))
    if len(dates) > 1:
        marks.append(_text(short_day(dates[-1]), x="100%", y=plane.bottom + 24, css="chart__tick", anchor="end"))
    return marks


def _line(line: Line, index: int, plane: _Plane, show: Show) -> list[Markup]:
    css = f"chart__line dash-{index % 4 + 1}"
    places = [(plane.x(point.on), plane.y(point.value)) for point in line.points]
    marks = [_rule(x1, y1, x2, y2, css=css) for (x1, y1), (x2, y2) in pairwise(places)]
    if places:
        x, y = places[-1]
        marks.append(Markup('<circle class="chart__dot" cx="{}" cy="{}" r="5"/>').format(x, y))
        marks.append(
            _text(f"{line.label} {show(line.points[-1].value)}", x=x, y=y - 12, css="chart__end", anchor="end")
        )
    return marks


def _sentence(rows: Sequence[tuple[str, str]]) -> str:
    return "; ".join(f"{label}: {value}" for label, value in rows)


def _trend(lines: Sequence[Line], show: Show) -> str:
    return "; ".join(
        _("%(line)s: %(first)s on %(start)s, %(last)s on %(end)s", line=line.label, first=show(line.points[0].value),
          start=short_day(line.points[0].on), last=show(line.points[-1].value), end=short_day(line.points[-1].on))
        for line in lines if line.points
    )  # fmt: skip


def _share(part: int, whole: int) -> str:
    hundredths = 10_000 * part // whole if whole else 0
    return f"{hundredths // 100}.{hundredths % 100:02d}%"


def _svg(title: str | LazyString, description: str, marks: Sequence[Markup], *, height: int, css: str) -> Markup:
    return Markup(
        '<svg class="chart {css}" role="img" width="100%" height="{height}">'
        "<title>{title}</title><desc>{description}</desc>{marks}</svg>"
    ).format(css=css, height=height, title=title, description=description, marks=Markup().join(marks))


# Of these there are hundreds in a chart: Markup's own formatting, which escapes each value, would take longest of all.


def _text(words: str | LazyString, *, x: str, y: int, css: str, anchor: str = "start") -> Markup:
    return Markup(f'<text class="{escape(css)}" x="{x}" y="{y}" text-anchor="{anchor}">{escape(str(words))}</text>')  # noqa: S704 - positions are ours


def _rect(x: str, y: int, width: str, height: int, *, css: str) -> Markup:
    return Markup(f'<rect class="{escape(css)}" x="{x}" y="{y}" width="{width}" height="{height}"/>')  # noqa: S704 - as above


def _rule(x1: str, y1: int, x2: str, y2: int, *, css: str) -> Markup:
    return Markup(f'<line class="{escape(css)}" x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}"/>')  # noqa: S704 - as above
