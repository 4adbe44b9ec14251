"""How is an offer written on a page: how a contribution is split, what leave it earns, how its provider stands?

Final figures for templates, made from what ``shelf`` and the policy say.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from flask_babel import gettext as _
from markupsafe import Markup, escape

from exchange import remembered
from exchange.money import BP
from exchange.policy.document import Nature, Policy
from exchange.web.filters import percent
from exchange.web.language import current_language
from providers.models import ProviderKind
from providers.package_terms import FEE, ComponentTerms, Terms
from providers.pages.wording import KIND_WORDS, METAL_WORDS, TierShown, place_names, tiers_shown
from providers.shelf import Offer

_SHOWN_FROM_BP = 450
"""A narrower part of the bar has no room for its number."""


@dataclass(frozen=True)
class Part:
    """One part of a contribution: where it stands in the bar (per cent of its width), and what it is."""

    number: int
    code: str
    label: str
    share_bp: int
    x: str
    width: str
    middle: str | None

    # A page has a hundred of them, with ten values each: a template would take longer for these than for all the rest.

    def bar(self, height: int) -> Markup:
        """Its stretch of the bar, with its number where there is room."""
        mark = f'<rect class="benefit-{escape(self.code)}" x="{self.x}" y="0" width="{self.width}" height="{height}"/>'
        if self.middle:
            mark += f'<text x="{self.middle}" y="{height // 2 + 5}" text-anchor="middle">{self.number}</text>'
        return Markup(mark)  # noqa: S704 - positions are ours, the code is escaped

    @cached_property
    def legend(self) -> Markup:
        """What its number stands for."""
        return Markup(  # noqa: S704 - words are escaped
            f'<li><svg width="24" height="20" aria-hidden="true"><rect class="benefit-{escape(self.code)}" width="24"'
            f' height="20"/><text x="12" y="15" text-anchor="middle">{self.number}</text></svg>'
            f" <span>{escape(self.label)}</span> <b>{percent(self.share_bp)}</b></li>"
        )


@dataclass(frozen=True, slots=True)
class Leave:
    """Hours of work for one hour of leave."""

    name: str
    hours: int


@dataclass(frozen=True, slots=True)
class ComponentShown:
    """One component with its terms, and whose the money in it is."""

    name: str
    code: str
    is_own: bool
    share_bp: int
    waiting_days: int
    accrual_hours: int | None
    vendor: str | None
    terms: str


@dataclass(frozen=True, slots=True)
class Card:
    """A package as lists show it, in words of one language."""

    offer: Offer
    kind: str
    tier: TierShown | None
    place: str
    parts: tuple[Part, ...]
    leave: tuple[Leave, ...]
    metal: str | None


def cards_known(
    offers: Sequence[Offer], kinds: Mapping[int, ProviderKind], *, policy: Policy, market: str
) -> list[Card]:
    """The same as they are remembered while ``market`` is the market's word, for offers and kinds that are, too."""
    by_id = {offer.version_id: offer for offer in offers}
    found = remembered.each_of_market(
        ("card", policy.effective_on, current_language()),
        by_id,
        market,
        lambda ids: dict(zip(ids, cards_of([by_id[id_] for id_ in ids], kinds, policy=policy), strict=True)),
        reads=False,
    )
    return [found[offer.version_id] for offer in offers]


def cards_of(offers: Sequence[Offer], kinds: Mapping[int, ProviderKind], *, policy: Policy) -> list[Card]:
    """The offers as cards, in their order, in the language of the moment."""
    tiers, places = tiers_shown(policy), place_names(policy)
    return [
        Card(
            offer=offer,
            kind=str(KIND_WORDS[kinds[offer.provider_id]]),
            tier=tiers.get(offer.tier or ""),
            place=places.get(offer.terms.service_area, offer.terms.service_area),
            parts=parts_of(offer.terms, policy=policy),
            leave=leave_of(offer.terms, policy=policy),
            metal=None if offer.health is None else str(METAL_WORDS[offer.health.metal]),
        )
        for offer in offers
    ]


def parts_of(terms: Terms, *, policy: Policy) -> tuple[Part, ...]:
    """Where each part of a contribution goes, in the policy's order, the fee last. Parts of nothing are left out."""
    made: list[Part] = []
    before = 0
    for code, label, share_bp in _shares(terms, policy):
        shown = _of_bar(2 * before + share_bp, 2 * BP) if share_bp >= _SHOWN_FROM_BP else None
        made.append(Part(len(made) + 1, code, label, share_bp, _of_bar(before), _of_bar(share_bp), shown))
        before += share_bp
    return tuple(made)


def leave_of(terms: Terms, *, policy: Policy) -> tuple[Leave, ...]:
    """At what pace each kind of leave is earned."""
    by_code = {one.component: one for one in terms.components}
    return tuple(
        Leave(component.name, hours)
        for component in policy.components
        if component.code in by_code and (hours := by_code[component.code].accrual_hours) is not None
    )


def components_shown(terms: Terms, *, policy: Policy) -> list[ComponentShown]:
    """Every component with its terms, in the policy's order; one that the policy does not know comes last."""
    by_code = {one.component: one for one in terms.components}
    known = {component.code: component for component in policy.components}
    order = [code for code in known if code in by_code] + [code for code in by_code if code not in known]
    return [
        _shown(
            by_code[code],
            name=known[code].name if code in known else code,
            is_own=code in known and known[code].nature is Nature.INDIVIDUAL,
        )
        for code in order
    ]


def _shown(one: ComponentTerms, *, name: str, is_own: bool) -> ComponentShown:
    return ComponentShown(
        name=name,
        code=one.component,
        is_own=is_own,
        share_bp=one.share_bp,
        waiting_days=one.waiting_days,
        accrual_hours=one.accrual_hours,
        vendor=one.vendor,
        terms=one.terms,
    )


def _shares(terms: Terms, policy: Policy) -> list[tuple[str, str, int]]:
    split = terms.split
    named = [(component.code, component.name) for component in policy.components]
    unknown = [(code, code) for code in split if code != FEE and code not in dict(named)]
    found: list[tuple[str, str, int]] = [
        (code, name, split[code]) for code, name in (*named, *unknown) if split.get(code)
    ]
    return [*found, (FEE, _("Fee"), split[FEE])] if split[FEE] else found


def _of_bar(part: int, whole: int = BP) -> str:
    # A draft's shares may come to more than the whole: what does not fit is cut off by the picture's edge.
    hundredths = 10_000 * part // whole
    return f"{hundredths // 100}.{hundredths % 100:02d}%"
