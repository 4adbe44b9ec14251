"""How are packages written side by side for one worker?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, cast

from flask import request
from flask_babel import gettext as _
from markupsafe import Markup

from enrollment.choosing import Choice
from enrollment.pages.worker_self import LONGEST_ID
from exchange.web.tables import Head, Line, escaped
from providers.comparison import Comparison, Kind, Row, WorkPattern, weekly_pattern
from providers.pages.comparison_table import cells_of, heads_of, stem_of

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


def columns_of(choices: Sequence[Choice]) -> list[Head]:
    """The heads of the table: package, provider, and which one is the worker's now."""
    return heads_of([one.offer for one in choices], mine=[one.is_mine for one in choices])


def actions_of(choices: Sequence[Choice], *, window_id: int) -> dict[str, object]:
    """Below each column: why it cannot be chosen, else the link to where it is chosen; and the version's id.

    Where everything can be chosen, the links as cells of the table, written in one go.
    """
    confirm, (keep, choose) = stem_of("worker_choice.confirm"), escaped([_("Keep"), _("Choose")])
    names = escaped([f"{one.offer.package_name}, {one.offer.provider_name}" for one in choices])
    links = [
        f'<a class="usa-button" href="{confirm}{one.offer.version_id}?window={window_id}">'
        f'{keep if one.is_mine else choose}<span class="usa-sr-only"> {name}</span></a>'
        for one, name in zip(choices, names, strict=True)
    ]
    if all(one.refusal is None for one in choices):
        whole = Markup("".join(f"<td>{link}</td>" for link in links))  # noqa: S704 - it is escaped
        return {"links": whole, "actions": []}
    return {
        "links": None,
        "actions": [
            (one.refusal, Markup(link), one.offer.version_id)  # noqa: S704 - as above
            for one, link in zip(choices, links, strict=True)
        ],
    }


def rows_of(table: Comparison) -> list[Line]:
    """The table's rows with their figures written out; what differs is marked."""
    return [
        Line(row.label, cells_of(row), _differs(row), section.title)
        for section in table.sections
        for row in section.rows
    ]


def _differs(row: Row) -> bool:
    """Whether a reader would say so: an odd cent of rounding is no difference between packages."""
    if row.kind is Kind.CENTS and row.cells and None not in row.cells:
        cents = cast(tuple[int, ...], row.cells)
        return max(cents) - min(cents) > 1
    return row.differs
