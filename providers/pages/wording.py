"""Which words and pictures stand for the states and kinds of providers and packages?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from flask_babel import LazyString
from flask_babel import lazy_gettext as _l

from exchange.policy.document import Policy, Tier
from exchange.web.charts import Band, Tone
from providers.health_plans import Metal
from providers.models import CriterionState, ProviderKind, ProviderState, VersionState

KIND_WORDS: Final[Mapping[ProviderKind, LazyString]] = MappingProxyType(
    {
        ProviderKind.UNION: _l("Union"),
        ProviderKind.CREDIT_UNION: _l("Credit union"),
        ProviderKind.PROFESSIONAL: _l("Professional association"),
        ProviderKind.CIVIC: _l("Civic association"),
        ProviderKind.COOPERATIVE: _l("Cooperative"),
        ProviderKind.MUTUAL: _l("Mutual benefit society"),
    }
)
METAL_WORDS: Final[Mapping[Metal, LazyString]] = MappingProxyType(
    {
        Metal.CATASTROPHIC: _l("Catastrophic"),
        Metal.BRONZE: _l("Bronze"),
        Metal.SILVER: _l("Silver"),
        Metal.GOLD: _l("Gold"),
        Metal.PLATINUM: _l("Platinum"),
    }
)
# State → kind of tag, and word.
PROVIDER_STATES: Final[Mapping[ProviderState, tuple[str, LazyString]]] = MappingProxyType(
    {
        ProviderState.APPLIED: ("waiting", _l("Applied")),
        ProviderState.UNDER_REVIEW: ("waiting", _l("Under review")),
        ProviderState.QUALIFIED: ("good", _l("Qualified")),
        ProviderState.QUALIFIED_WITH_CONDITIONS: ("fair", _l("Qualified with conditions")),
        ProviderState.SUSPENDED: ("bad", _l("Suspended")),
        ProviderState.WITHDRAWN: ("off", _l("Withdrawn")),
    }
)
VERSION_STATES: Final[Mapping[VersionState, tuple[str, LazyString]]] = MappingProxyType(
    {
        VersionState.DRAFT: ("info", _l("Draft")),
        VersionState.SUBMITTED: ("waiting", _l("Waits for certification")),
        VersionState.CERTIFIED: ("fair", _l("Certified")),
        VersionState.LISTED: ("good", _l("On the shelf")),
        VersionState.CLOSED: ("off", _l("Closed")),
    }
)
CRITERION_STATES: Final[Mapping[CriterionState, tuple[str, LazyString]]] = MappingProxyType(
    {
        CriterionState.OPEN: ("waiting", _l("Not answered yet")),
        CriterionState.MET: ("good", _l("Met")),
        CriterionState.NOT_MET: ("bad", _l("Not met")),
    }
)
TONES: Final = {"good": Tone.GOOD, "fair": Tone.FAIR, "watch": Tone.WATCH, "bad": Tone.BAD, "run_off": Tone.QUIET}


@dataclass(frozen=True, slots=True)
class TierShown:
    """A rung of the ladder as a tag: its kind, its word, and what follows from standing on it."""

    code: str
    kind: str
    word: str
    at_least_bp: int
    consequences: tuple[LazyString, ...]


def kind_of_tier(tier: Tier, policy: Policy) -> str:
    """The kind of tag for a rung, by what follows from it: ladders differ from program to program."""
    if tier.run_off:
        return "run_off"
    if not tier.on_sale:
        return "bad"
    if tier.plan_due_days is not None:
        return "watch"
    return "good" if tier == policy.reserves.ladder[0] else "fair"


def tiers_shown(policy: Policy) -> dict[str, TierShown]:
    """Every rung by its code, best first."""
    return {
        tier.code: TierShown(
            tier.code, kind_of_tier(tier, policy), tier.name, tier.at_least_bp, tuple(_consequences(tier))
        )
        for tier in policy.reserves.ladder
    }


def tier_bands(policy: Policy) -> list[Band]:
    """The ladder as bands behind a chart of ratios."""
    return [Band(tier.name, tier.at_least_bp, TONES[kind_of_tier(tier, policy)]) for tier in policy.reserves.ladder]


def place_names(policy: Policy) -> dict[str, str]:
    """The names of the policy's places by code."""
    return {place.code: place.name for place in policy.places}


def _consequences(tier: Tier) -> list[LazyString]:
    found = [_l("New members may join.") if tier.on_sale else _l("No new members: its packages are off the shelf.")]
    if tier.plan_due_days is not None:
        found.append(_l("A plan to mend it is due within %(days)s days.", days=tier.plan_due_days))
    if tier.may_leave_at_once:
        found.append(_l("Members may leave at once, without waiting for open enrollment."))
    if tier.run_off:
        found.append(_l("The provider is wound up. Members choose another one, and everything goes with them."))
    return found
