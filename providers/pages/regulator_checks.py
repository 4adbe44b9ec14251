"""What does each reserve check rest on: which size of the journal, and which signed statements?

Every figure of a check, and for each statement that it cites the hash of its signed text, the place of
its own entry in the journal, and the address at which anybody finds it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from flask import render_template
from flask_babel import lazy_gettext as _l

from exchange.identity import access, organizations
from exchange.identity.access import current_actor
from exchange.identity.actors import Audience
from exchange.ledger import statements
from exchange.ledger.seal_store import LiabilityStatement
from exchange.money import Unit
from exchange.web.audiences import ROW, audience_blueprint
from providers import reserve_citations, reserve_standing
from providers.models import ReserveCheck
from providers.pages.occasion import occasion
from providers.pages.regulator import CAUSES
from providers.pages.wording import tiers_shown

bp = audience_blueprint("regulator_checks", __name__, Audience.REGULATOR, "/regulator/checks")
bp.add_to_nav("show_all", _l("Reserve checks"), order=15)

UNITS: Final = {Unit.USD: _l("in dollars"), Unit.MIN: _l("in hours")}


@dataclass(frozen=True, slots=True)
class LastCheck:
    """The last check of a provider, in a line: how many statements it cites, and what they say is owed (cents)."""

    name: str
    check: ReserveCheck
    cited: int
    stated_cents: int


@dataclass(frozen=True, slots=True)
class Cited:
    """A statement that a check cites: its hash, and where its own entry stands (None: not sealed yet)."""

    statement: LiabilityStatement
    amount: int
    sha256: str
    position: int | None


@bp.get("/")
def show_all() -> str:
    """The last check of every provider."""
    now = occasion()
    checks = reserve_standing.latest_checks()
    cited = reserve_citations.statements_of([one.id for one in checks.values()])
    names = organizations.names_of(list(checks))
    found = [
        LastCheck(names[id_], one, len(cited.get(one.id, ())), _dollars(cited.get(one.id, ())))
        for id_, one in checks.items()
    ]
    return render_template(
        "regulator/last_checks.html",
        checks=sorted(found, key=lambda one: one.name),
        tiers=tiers_shown(now.policy),
        causes=CAUSES,
    )


@bp.get(f"/<{ROW}:check_id>")
def show(check_id: int) -> str:
    """One check: its figures, and the statements that it cites."""
    now = occasion()
    check = access.one(ReserveCheck, current_actor(), id=check_id)
    cited = reserve_citations.statements_of([check.id]).get(check.id, [])
    places = statements.places_of(cited)
    return render_template(
        "regulator/check.html",
        check=check,
        name=organizations.names_of([check.provider_id])[check.provider_id],
        cited=[Cited(one, int(one.sum), statements.digest_of(one), places.get(one.id)) for one in cited],
        stated_cents=_dollars(cited),
        tiers=tiers_shown(now.policy),
        causes=CAUSES,
        units=UNITS,
        components={component.code: component.name for component in now.policy.components},
    )


def _dollars(cited: list[LiabilityStatement] | tuple[()]) -> int:
    return sum(int(one.sum) for one in cited if one.unit is Unit.USD)
