"""Which part of a long list is asked for, and in which order?

Lists are filtered, sorted and paged by plain GET addresses: they can be kept, sent to somebody and read without
scripts. Keys of the query: ``page``, ``sort`` (a name, with ``-`` before it for descending).
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from itertools import compress
from typing import Any, Generic, NamedTuple, TypeVar
from urllib.parse import urlencode

from flask import request
from markupsafe import Markup, escape
from sqlalchemy import ColumnElement, Row, Select, SQLColumnExpression, func, select
from werkzeug.urls import iri_to_uri

from exchange.database import db

PER_PAGE = 50
FARTHEST_PAGE = 10_000
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """A part of a list: its rows, its number (from 1), how many pages and rows there are."""

    rows: Sequence[T]
    number: int
    pages: int
    total: int
    first: int
    """Number of the first row shown, from 1; 0 when there is none."""
    has_more: bool = False
    """Whether there are rows behind the last page that can be paged to."""

    @property
    def last(self) -> int:
        """Number of the last row shown."""
        return self.first + len(self.rows) - 1 if self.rows else 0


class Head(NamedTuple):
    """What stands above a column of a comparison: a name, what is said below it, where it leads to."""

    label: str
    note: str = ""
    href: str = ""
    is_mine: bool = False


class Cells(NamedTuple):
    """What stands in a row: a value for each column, and how each of the values is written."""

    values: Sequence[Hashable]
    words: Mapping[Any, str]


class Line(NamedTuple):
    """A row of a comparison: what it is about, a figure for each column, whether they differ, and a word of help.

    With ``is_heading`` the label heads the rows below it, and the rest is empty.
    """

    label: str
    cells: Cells | Sequence[object] = ()
    differs: bool = False
    help: str = ""
    is_heading: bool = False


@dataclass(frozen=True, slots=True)
class Sort:
    """The order asked for: a name out of those allowed, and whether from the end."""

    name: str
    descending: bool

    def next_for(self, name: str) -> str:
        """The value of ``sort`` behind a column's heading: turn round when it is this column, else ascending."""
        return f"-{name}" if name == self.name and not self.descending else name

    def state_of(self, name: str) -> str | None:
        """The value of aria-sort at the column's heading."""
        if name != self.name:
            return None
        return "descending" if self.descending else "ascending"


def asked_page() -> int:
    """The page's number in the address, from 1; whatever is no such number means the first."""
    text = request.args.get("page", "")
    return max(1, int(text)) if text.isascii() and text.isdigit() and len(text) <= 5 else 1


def asked_sort(allowed: Mapping[str, Any], *, default: str) -> Sort:
    """The order in the address when it is among ``allowed``, otherwise ``default`` (e.g. ``"-posted"``)."""
    text = request.args.get("sort", default)
    if text.removeprefix("-") not in allowed:
        text = default
    return Sort(text.removeprefix("-"), descending=text.startswith("-"))


def order_of(
    sort: Sort, allowed: Mapping[str, SQLColumnExpression[Any]], *, last: SQLColumnExpression[Any]
) -> list[ColumnElement[Any]]:
    """The ORDER BY for ``sort``; ``last`` (a key) settles ties, so that no row stands on two pages."""
    column = allowed[sort.name]
    return [column.desc() if sort.descending else column.asc(), last.asc()]


def read_page(
    statement: Select[*tuple[Any, ...]],
    *,
    number: int,
    per_page: int = PER_PAGE,
    counting: Select[*tuple[Any, ...]] | None = None,
    at_most: int | None = None,
    searches: bool = False,
) -> Page[Row[Any]]:
    """Read one page of an ordered Core select: two statements, whatever the size. Past the end: the last page.

    ``counting``: another SELECT of as many rows, which is cheaper to count. ``at_most``: of a list that nobody pages
    through, so many rows are counted and can be paged to; whoever looks for one behind them narrows the list.
    ``searches``: finding the rows is what takes long, so they are found and counted in one statement.
    """
    number = min(number, FARTHEST_PAGE)
    if searches:
        counted = statement.add_columns(func.count().over()).limit(per_page).offset((number - 1) * per_page)
        found = db.session.execute(counted).all()
        if found:
            total = found[0][-1]
            return Page(found, number, -(-total // per_page), total, first=(number - 1) * per_page + 1)
    rows_counted = (statement if counting is None else counting).order_by(None)
    if at_most is not None:
        rows_counted = rows_counted.limit(at_most + 1)
    total = db.session.execute(select(func.count()).select_from(rows_counted.subquery())).scalar_one()
    has_more = at_most is not None and total > at_most
    if at_most is not None:
        total = min(total, at_most)
    pages = max(1, -(-total // per_page))
    number = min(number, pages)
    rows = db.session.execute(statement.limit(per_page).offset((number - 1) * per_page)).all()
    return Page(rows, number, pages, total, first=(number - 1) * per_page + 1 if rows else 0, has_more=has_more)


def page_of(rows: Sequence[T], *, number: int, per_page: int = PER_PAGE) -> Page[T]:
    """One page of a list that is already in memory."""
    pages = max(1, -(-len(rows) // per_page))
    number = min(number, pages)
    part = rows[(number - 1) * per_page : number * per_page]
    return Page(part, number, pages, len(rows), first=(number - 1) * per_page + 1 if part else 0)


def same_address(**changes: Any) -> str:
    """The present address with some query keys changed; None takes a key away. For links of paging and sorting."""
    query = {key: values for key, values in request.args.lists() if key not in changes}
    query |= {key: [str(value)] for key, value in changes.items() if value is not None}
    text = urlencode(query, doseq=True)
    path = iri_to_uri(request.path)
    return f"{path}?{text}" if text else path


def cells(contents: Cells | Sequence[object], marked: Sequence[bool], mark: str) -> Markup:
    """The contents as ``<td>``, those that are ``marked`` with the class ``mark``.

    In one go: a wide table has a thousand cells with a handful of contents, and a template would escape each.
    """
    if isinstance(contents, Cells):
        values, words = contents
        written = {value: f"<td>{html}</td>" for value, html in zip(words, escaped([*words.values()]), strict=True)}
        found = [written[value] for value in values]
    else:
        found = [f"<td>{escape(content)}</td>" for content in contents]
    assert len(found) == len(marked), "of each it is said whether it is marked"
    if True in marked:
        head = f'<td class="{escape(mark)}">'
        for place in compress(range(len(found)), marked):
            found[place] = head + found[place].removeprefix("<td>")
    return Markup("".join(found))  # noqa: S704 - each of them is escaped


def lines(rows: Sequence[Line], columns: Sequence[Head], mark: str, unequal: str) -> Markup:
    """The rows of a comparison as ``<tr>``; where they differ the word ``unequal`` says so."""
    marked = [is_mine for *_, is_mine in columns]
    sign = f' <span class="pbx-comparison__sign">≠ {escape(unequal)}</span>'
    whole = []
    for label, figures, differs, help_, is_heading in rows:
        if is_heading:
            head = f'<th scope="rowgroup" colspan="{len(columns) + 1}">{escape(label)}</th>'
            whole.append(f'<tr class="mk-comparison__section">{head}</tr>')
            continue
        note = f' <span class="pbx-comparison__note">{escape(help_)}</span>' if help_ else ""
        begin = '<tr class="pbx-comparison__differs">' if differs else "<tr>"
        head = f'<th scope="row">{escape(label)}{note}{sign if differs else ""}</th>'
        whole.append(f"{begin}{head}{cells(figures, marked, mark)}</tr>")
    return Markup("\n".join(whole))  # noqa: S704 - each of them is escaped


def heads(columns: Sequence[Head], mark: str, badge: Markup) -> Markup:
    """The heads as ``<th>``, also in one go; the reader's own with the class ``mark`` and the ``badge``."""
    texts = iter(escaped([text for label, note, href, _ in columns for text in (label, note, href)]))
    whole = []
    for *_, is_mine in columns:
        label, note, href = next(texts), next(texts), next(texts)
        begin = f'<th scope="col" class="{escape(mark)}">{badge} ' if is_mine else '<th scope="col">'
        name = f'<a href="{href}">{label}</a>' if href else label
        below = f' <span class="pbx-comparison__note">{note}</span>' if note else ""
        whole.append(f"{begin}{name}{below}</th>")
    return Markup("\n".join(whole))  # noqa: S704 - each of them is escaped


def escaped(texts: Sequence[str]) -> list[str]:
    """Each of many texts as HTML, escaped together: taken one by one most of the time goes into the taking."""
    # What separates them stands in no text that was let in: see ``safety.refuse_what_is_no_text``.
    return str(escape("\0".join(texts))).split("\0") if texts else []


def numbers_shown(page: int, pages: int) -> list[int | None]:
    """The page numbers that a pagination shows: first, last, the neighbours; None stands for a gap."""
    near = sorted({1, pages, *range(max(1, page - 1), min(pages, page + 1) + 1)})
    shown: list[int | None] = []
    for number in near:
        if shown and shown[-1] is not None and number - shown[-1] > 1:
            shown.append(number - 1 if number - shown[-1] == 2 else None)
        shown.append(number)
    return shown
