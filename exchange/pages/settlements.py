"""What did organizations owe one another after a cutover, pair by pair and netted?

The same pages for the operator, who sees to it that it is paid, and for regulators, who check it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from flask import Blueprint, render_template
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from exchange import clock, settlement
from exchange.identity import organizations
from exchange.identity.actors import Audience
from exchange.money import BP
from exchange.policy import versions
from exchange.policy.document import NoPolicyInForce
from exchange.settlement import Pair, Summary
from exchange.web import tables
from exchange.web.audiences import audience_blueprint
from exchange.web.charts import Bar, Chart, bar_chart
from exchange.web.filters import money

regulator_bp = audience_blueprint("regulator_settlements", __name__, Audience.REGULATOR, "/regulator/settlements")
regulator_bp.add_to_nav("show_all", _l("Settlement"), order=55)
operator_bp = audience_blueprint("operator_settlements", __name__, Audience.OPERATOR, "/operator/settlements")
operator_bp.add_to_nav("show_all", _l("Settlement"), order=40)

# The deed that was netted stands in the reference before its colon.
WORDS: Final = {"cutover": _l("Cutover into %(rest)s"), "switches": _l("Switches outside of open enrollments")}
MATRIX_UP_TO: Final = 12
"""Organizations that still fit side by side; of more the list says the same."""


@dataclass(frozen=True, slots=True)
class Cell:
    """What one organization hands to another, all components together. None: nothing."""

    cents: int | None


@dataclass(frozen=True, slots=True)
class Totals:
    """A batch's sums: they say that it is in order."""

    gross_cents: int
    net_cents: int
    sum_cents: int
    saved_bp: int | None
    obligations: int
    payments: int


def show_all() -> str:
    """Every settlement, the latest first."""
    return render_template(
        "settlements/list.html",
        page=tables.read_page(settlement.batches(), number=tables.asked_page()),
        words_of=words_of,
    )


def show(batch_id: int) -> str:
    """One settlement: its gross pairs, the net position of each, and that they sum to zero."""
    batch = settlement.summary_of(batch_id)
    pairs, nets = settlement.pairs_of(batch_id), settlement.nets_of(batch_id)
    names = organizations.names_of(nets)
    return render_template(
        "settlements/batch.html",
        batch=batch,
        heading=words_of(batch.reference),
        pairs=pairs,
        nets=nets,
        names=names,
        components=_component_names(),
        totals=_totals(batch, pairs, nets),
        matrix=_matrix(pairs, list(nets)) if len(nets) <= MATRIX_UP_TO else None,
        chart=_chart(nets, names),
    )


def words_of(reference: str) -> str:
    """What was netted, in words; a deed that this page does not know is shown by its name."""
    deed, _colon, rest = reference.partition(":")
    return str(WORDS[deed]) % {"rest": rest} if deed in WORDS else reference


def _totals(batch: Summary, pairs: list[Pair], nets: dict[int, int]) -> Totals:
    saved = (batch.gross_cents - batch.net_cents) * BP // batch.gross_cents if batch.gross_cents else None
    return Totals(batch.gross_cents, batch.net_cents, sum(nets.values()), saved, len(pairs), batch.payments)


def _matrix(pairs: list[Pair], order: list[int]) -> list[tuple[int, list[Cell]]]:
    """Payers down, payees across."""
    found: dict[tuple[int, int], int] = {}
    for pair in pairs:
        found[pair.payer_id, pair.payee_id] = found.get((pair.payer_id, pair.payee_id), 0) + pair.amount_cents
    return [(payer, [Cell(found.get((payer, payee))) for payee in order]) for payer in order]


def _chart(nets: dict[int, int], names: dict[int, str]) -> Chart | None:
    bars = [
        Bar(
            _("%(name)s receives", name=names[id_]) if cents > 0 else _("%(name)s pays", name=names[id_]),
            abs(cents),
        )
        for id_, cents in nets.items()
        if cents
    ]
    if not bars:
        return None
    return bar_chart(_("Net positions"), bars, show=money, headings=(_("Organization"), _("Cash")))


def _component_names() -> dict[str, str]:
    try:
        policy = versions.at_instant(clock.now())
    except NoPolicyInForce:
        return {}
    return {component.code: component.name for component in policy.components}


for _bp in (regulator_bp, operator_bp):
    _bp.add_url_rule("/", "show_all", show_all)
    _bp.add_url_rule("/<int:batch_id>", "show", show)

BLUEPRINTS: list[Blueprint] = [regulator_bp, operator_bp]
