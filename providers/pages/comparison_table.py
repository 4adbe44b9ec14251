"""How is a comparison of packages written as a table that everybody can read?"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from flask import url_for
from flask_babel import gettext as _
from flask_babel import ngettext

from exchange.web.filters import NOTHING, minutes, money, percent
from providers.comparison import Comparison, Kind, Row
from providers.shelf import Offer


def columns_of(offers: Sequence[Offer]) -> list[dict[str, Any]]:
    """The heads of the table: package and provider."""
    package = stem_of("packages.package")
    return [
        {"label": offer.package_name, "note": offer.provider_name, "href": f"{package}{offer.version_id}"}
        for offer in offers
    ]


def stem_of(endpoint: str) -> str:
    """The address of a page about a version, up to the version's id: put together once for many."""
    return url_for(endpoint, version_id=0).removesuffix("0")


def rows_of(table: Comparison) -> list[dict[str, Any]]:
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


def _rows(table: Comparison) -> Iterator[dict[str, Any]]:
    for section in table.sections:
        yield {"section": str(section.title)}
        for row in section.rows:
            yield {"label": str(row.label), "cells": cells_of(row), "differs": row.differs and len(row.cells) > 1}
