"""How are packages written side by side for one worker?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from flask import request, url_for
from flask_babel import gettext as _
from flask_babel import ngettext

from enrollment.choosing import Choice
from enrollment.pages.worker_self import LONGEST_ID
from exchange.web.filters import NOTHING, minutes, money, percent
from providers.comparison import Comparison, Kind, Row, WorkPattern, weekly_pattern

USUAL: Final[WorkPattern] = weekly_pattern(minutes_per_week=30 * 60, cents_per_hour=200)
"""An example for who has no work on file yet: 30 hours a week, $2.00 paid in for each."""
MOST: Final = 6
"""So many packages stand side by side at most."""


def packages_asked() -> list[int]:
    """The versions that the address names, at most six, each once."""
    texts = request.args.getlist("package")
    return list(
        dict.fromkeys(int(text) for text in texts if text.isascii() and text.isdigit() and len(text) <= LONGEST_ID)
    )[:MOST]


def columns_of(choices: Sequence[Choice]) -> list[dict[str, Any]]:
    """The heads of the table: package, provider, and which one is the worker's now."""
    return [
        {
            "label": one.offer.package_name,
            "href": url_for("packages.package", version_id=one.offer.version_id),
            "note": one.offer.provider_name,
            "mine": one.is_mine,
        }
        for one in choices
    ]


def rows_of(table: Comparison) -> list[dict[str, Any]]:
    """The table's rows with their figures written out; what differs is marked."""
    return [
        {
            "label": str(row.label),
            "help": str(section.title),
            "cells": [written(row.kind, cell) for cell in row.cells],
            "differs": _differs(row),
        }
        for section in table.sections
        for row in section.rows
    ]


def _differs(row: Row) -> bool:
    """Whether a reader would say so: an odd cent of rounding is no difference between packages."""
    cents = [cell for cell in row.cells if isinstance(cell, int)]
    if row.kind is Kind.CENTS and cents and len(cents) == len(row.cells):
        return max(cents) - min(cents) > 1
    return row.differs


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
