"""How is a comparison of packages written as a table that everybody can read?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from flask import url_for
from flask_babel import gettext as _
from flask_babel import ngettext

from exchange.web.filters import NOTHING, minutes, money, percent
from providers.comparison import Comparison, Kind
from providers.shelf import Offer


def columns_of(offers: Sequence[Offer]) -> list[dict[str, Any]]:
    """The heads of the table: package and provider."""
    return [
        {
            "label": offer.package_name,
            "note": offer.provider_name,
            "href": url_for("packages.package", version_id=offer.version_id),
        }
        for offer in offers
    ]


def rows_of(table: Comparison) -> list[dict[str, Any]]:
    """The rows with their figures written out; each section begins with a row that names it."""
    return list(_rows(table))


def written(kind: Kind, value: int | str | None) -> str:
    """One figure in words; a package that lacks the thing has a dash."""
    if value is None:
        return NOTHING
    if isinstance(value, str):
        return value.capitalize() if value.islower() else value
    match kind:
        case Kind.CENTS:
            return money(value)
        case Kind.MINUTES:
            return minutes(value)
        case Kind.SHARE:
            return percent(value)
        case _:
            return str(ngettext("%(num)s day", "%(num)s days", value)) if value else str(_("none"))


def _rows(table: Comparison) -> Iterator[dict[str, Any]]:
    for section in table.sections:
        yield {"section": str(section.title)}
        for row in section.rows:
            yield {
                "label": str(row.label),
                "cells": [written(row.kind, cell) for cell in row.cells],
                "differs": row.differs and len(row.cells) > 1,
            }
