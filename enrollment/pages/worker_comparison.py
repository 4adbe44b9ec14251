"""How are packages written side by side for one worker?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from flask import request

from enrollment.choosing import Choice
from enrollment.pages.worker_self import LONGEST_ID
from providers.comparison import Comparison, Kind, Row, WorkPattern, weekly_pattern
from providers.pages.comparison_table import cells_of, stem_of

USUAL: Final[WorkPattern] = weekly_pattern(minutes_per_week=30 * 60, cents_per_hour=200)
"""An example for who has no work on file yet: 30 hours a week, $2.00 paid in for each."""
MOST: Final = 50
"""So many packages stand side by side at most."""


def packages_asked() -> list[int]:
    """The versions that the address names, at most ``MOST``, each once."""
    texts = request.args.getlist("package")
    return list(
        dict.fromkeys(int(text) for text in texts if text.isascii() and text.isdigit() and len(text) <= LONGEST_ID)
    )[:MOST]


def columns_of(choices: Sequence[Choice], *, window_id: int) -> list[dict[str, Any]]:
    """The heads of the table: package, provider, which one is the worker's now, and where it is chosen."""
    package, confirm = stem_of("packages.package"), stem_of("worker_choice.confirm")
    return [
        {
            "label": one.offer.package_name,
            "href": f"{package}{one.offer.version_id}",
            "note": one.offer.provider_name,
            "mine": one.is_mine,
            "confirm": f"{confirm}{one.offer.version_id}?window={window_id}",
        }
        for one in choices
    ]


def rows_of(table: Comparison) -> list[dict[str, Any]]:
    """The table's rows with their figures written out; what differs is marked."""
    return [
        {
            "label": str(row.label),
            "help": str(section.title),
            "cells": cells_of(row),
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
