"""How is a comparison of packages written as a table that everybody can read?"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from flask_babel import gettext as _
from flask_babel import ngettext

from exchange import remembered
from exchange.policy.document import Policy
from exchange.web.filters import NOTHING, minutes, money, percent
from exchange.web.language import current_language
from exchange.web.sparing import address_of
from exchange.web.tables import Cells, Head, Line
from providers.comparison import Comparison, Kind, Row, WorkPattern, column_of, compare, outline_of
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
    return address_of(endpoint, version_id=0).removesuffix("0")


def compare_known(offers: Sequence[Offer], *, pattern: WorkPattern, policy: Policy, market: str) -> Comparison:
    """The comparison of offers as they are remembered while ``market`` is the market's word: so are their columns."""
    # The law of a day, named in a language.
    law = policy.effective_on, current_language()
    by_id = {offer.version_id: offer for offer in offers}
    columns = remembered.each_of_market(
        ("column", *law),
        by_id,
        market,
        lambda ids: {id_: column_of(by_id[id_], policy=policy) for id_ in ids},
        reads=False,
    )
    outline = remembered.of_market(("outline", *law), market, lambda: outline_of(policy), reads=False)
    return compare(
        offers,
        pattern=pattern,
        policy=policy,
        columns=[columns[offer.version_id] for offer in offers],
        outline=outline,
    )


def rows_of(table: Comparison) -> list[Line]:
    """The rows with their figures written out; each section begins with a row that names it."""
    return list(_rows(table))


def cells_of(row: Row) -> Cells:
    """The row's figures in words; a package that lacks the thing has a dash."""
    write = _WRITERS[row.kind]
    return Cells(row.cells, {cell: NOTHING if cell is None else write(cell) for cell in set(row.cells)})


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
        yield Line(section.title, is_heading=True)
        for row in section.rows:
            yield Line(row.label, cells_of(row), row.differs and len(row.cells) > 1)
