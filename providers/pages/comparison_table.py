"""How is a comparison of packages written as a table that everybody can read?"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from flask import url_for
from flask_babel import gettext as _
from flask_babel import ngettext

from exchange.web.filters import NOTHING, minutes, money, percent
from exchange.web.tables import Head, Line
from providers.comparison import Comparison, Kind, Row
from providers.shelf import Offer


def heads_of(offers: Sequence[Offer], *, mine: Sequence[bool] = ()) -> list[Head]:
    """The heads of the table: package and provider, and which are ``mine`` (none where nothing is said)."""
    package = stem_of("packages.package")
    return [
        Head(offer.package_name, offer.provider_name, f"{package}{offer.version_id}", is_mine)
        for offer, is_mine in zip(offers, mine or [False] * len(offers), strict=True)
    ]


def stem_of(endpoint: str) -> str:
    """The address of a page about a version, up to the version's id: put together once for many."""
    return url_for(endpoint, version_id=0).removesuffix("0")


def rows_of(table: Comparison) -> list[Line]:
    """The rows with their figures written out; each section begins with a row that names it."""
    return list(_rows(table))


def cells_of(row: Row) -> list[str]:
    """The row's figures in words; a package that lacks the thing has a dash."""
    write = _WRITERS[row.kind]
    words = {cell: NOTHING if cell is None else write(cell) for cell in set(row.cells)}
    return [words[cell] for cell in row.cells]


def _text(value: Any) -> str:
    words = str(value)
    return words.capitalize() if words.islower() else words


def _days(value: Any) -> str:
    return str(ngettext("%(num)s day", "%(num)s days", value)) if value else str(_("none"))


_WRITERS: Final[Mapping[Kind, Callable[[Any], str]]] = {
    Kind.CENTS: money,
    Kind.MINUTES: minutes,
    Kind.SHARE: percent,
    Kind.DAYS: _days,
    Kind.TEXT: _text,
}


def _rows(table: Comparison) -> Iterator[Line]:
    for section in table.sections:
        yield Line(str(section.title), is_heading=True)
        for row in section.rows:
            yield Line(str(row.label), cells_of(row), row.differs and len(row.cells) > 1)
