"""How are offers written in the list that a worker chooses from?"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

from flask_babel import gettext as _

from enrollment.choosing import Choice
from exchange import remembered
from exchange.errors import Refusal
from exchange.policy.document import Policy
from exchange.web.filters import percent
from exchange.web.language import current_language
from providers.shelf import Offer


class Card(NamedTuple):
    """An offer with its figures written out; ``facts`` are names with what is said to each, ``tier`` a code."""

    version_id: int
    package: str
    provider: str
    summary: str
    tier: str | None
    facts: Sequence[tuple[str, str]]
    shares: str
    is_mine: bool
    is_chosen: bool
    is_ticked: bool
    refusal: Refusal | None


class Words(NamedTuple):
    """What a card says of an offer to everybody who reads the language."""

    facts: Sequence[tuple[str, str]]
    shares: str


def cards_of(choices: Sequence[Choice], *, ticked: Collection[int], policy: Policy, market: str) -> list[Card]:
    """The offers in their order; ``ticked`` are the versions that stand side by side next.

    The offers are those that are remembered while ``market`` is the market's word; so is what they say.
    """
    offers = {one.offer.version_id: one.offer for one in choices}
    words = remembered.each_of_market(
        ("card of a list", policy.effective_on, current_language()),
        offers,
        market,
        lambda ids: _Written(policy).words_of(offers[id_] for id_ in ids),
        reads=False,
    )
    return [
        Card(
            version_id=one.offer.version_id,
            package=one.offer.package_name,
            provider=one.offer.provider_name,
            summary=one.offer.terms.summary,
            tier=one.offer.tier,
            facts=words[one.offer.version_id].facts,
            shares=words[one.offer.version_id].shares,
            is_mine=one.is_mine,
            is_chosen=one.is_chosen,
            is_ticked=one.offer.version_id in ticked,
            refusal=one.refusal,
        )
        for one in choices
    ]


class _Written:
    """The words that offers have in common, each looked for once."""

    def __init__(self, policy: Policy) -> None:
        self._names = {component.code: component.name for component in policy.components}
        self._fee, self._health = _("Fee"), _("Health plan")
        self._accruals: dict[int, str] = {}

    def words_of(self, offers: Iterable[Offer]) -> dict[int, Words]:
        """What each says, by its version."""
        return {offer.version_id: Words(self._facts(offer), self._shares(offer)) for offer in offers}

    def _facts(self, offer: Offer) -> list[tuple[str, str]]:
        """The fee, what leave is earned, and the health plan."""
        return [
            (self._fee, percent(offer.terms.fee_bp)),
            *(
                (self._names.get(part.component, part.component), self._accrual(part.accrual_hours))
                for part in offer.terms.components
                if part.accrual_hours
            ),
            *([(self._health, offer.health.name)] if offer.health is not None else []),
        ]

    def _shares(self, offer: Offer) -> str:
        """What of each dollar goes where."""
        shares = offer.terms.split
        return " · ".join(f"{name} {percent(shares[code])}" for code, name in self._names.items() if shares.get(code))

    def _accrual(self, hours: int) -> str:
        if hours not in self._accruals:
            self._accruals[hours] = _("1 h for %(hours)s h of work", hours=hours)
        return self._accruals[hours]
