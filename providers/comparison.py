"""How do packages compare for one worker, and what would he lose by leaving one for another?

Pure. A work pattern (hours and contribution in a usual month) is held against each offer: what is set
aside for each benefit, what leave is earned, what the fee takes, how long one waits. ``losses`` says
before a switch what will not carry over or will change; nothing of what a worker owns is ever lost.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from flask_babel import LazyString
from flask_babel import lazy_gettext as _l

from exchange.money import Unit, format_dollars, format_percent, share_half_up, split
from exchange.policy.document import Component, Nature, Policy
from providers.package_terms import FEE, ComponentTerms, home_of
from providers.shelf import HealthOffer, Offer

_ByComponent = Mapping[str, ComponentTerms]
WEEKS_A_YEAR: Final = 52
MONTHS_A_YEAR: Final = 12


@dataclass(frozen=True, slots=True)
class WorkPattern:
    """A usual month: minutes worked, and what employers contribute for them, in cents."""

    minutes: int
    contribution_cents: int


def weekly_pattern(*, minutes_per_week: int, cents_per_hour: int) -> WorkPattern:
    """The month of somebody who works so much each week and gets so much for an hour."""
    minutes = share_half_up(minutes_per_week, WEEKS_A_YEAR, MONTHS_A_YEAR)
    return WorkPattern(minutes, share_half_up(minutes, cents_per_hour, 60))


def pattern_of(months: Sequence[WorkPattern]) -> WorkPattern:
    """The average of a worker's own last months; nothing of no months."""
    count = max(len(months), 1)
    return WorkPattern(
        share_half_up(sum(month.minutes for month in months), 1, count),
        share_half_up(sum(month.contribution_cents for month in months), 1, count),
    )


# --- side by side ---------------------------------------------------------------------------------


class Kind(StrEnum):
    """What the figures of a row are."""

    CENTS = "cents"
    MINUTES = "minutes"
    DAYS = "days"
    SHARE = "share"  # basis points
    TEXT = "text"


@dataclass(frozen=True, slots=True)
class Row:
    """One thing, for each offer in order. None: the offer has none. ``differs``: not the same for all."""

    label: LazyString | str
    kind: Kind
    cells: tuple[int | str | None, ...]

    @property
    def differs(self) -> bool:
        """Whether the offers part here."""
        return len(set(self.cells)) > 1


@dataclass(frozen=True, slots=True)
class Section:
    """Rows that belong together."""

    title: LazyString
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Offers side by side: their heads, and the rows in sections (empty sections are left out)."""

    offers: tuple[Offer, ...]
    pattern: WorkPattern
    sections: tuple[Section, ...]


def compare(offers: Sequence[Offer], *, pattern: WorkPattern, policy: Policy) -> Comparison:
    """The offers side by side for somebody who works so. Components stand in the policy's order."""
    terms = [{one.component: one for one in offer.terms.components} for offer in offers]
    sections = (
        Section(_l("Set aside each month"), tuple(_money(offers, pattern, policy))),
        Section(_l("Leave earned each month"), tuple(_leave(terms, pattern, policy))),
        Section(_l("Days to wait before cover begins"), tuple(_waiting(terms, policy))),
        Section(_l("Health plan"), tuple(_health(offers))),
        Section(_l("Behind it"), tuple(_behind(offers, terms, policy))),
    )
    return Comparison(tuple(offers), pattern, tuple(section for section in sections if section.rows))


def _money(offers: Sequence[Offer], pattern: WorkPattern, policy: Policy) -> Iterator[Row]:
    parts = [split(pattern.contribution_cents, offer.terms.split) for offer in offers]
    codes = frozenset[str]().union(*parts)
    for component in policy.components:
        if component.code in codes:
            yield Row(component.name, Kind.CENTS, tuple(part.get(component.code) for part in parts))
    yield Row(_l("Fee"), Kind.CENTS, tuple(part[FEE] for part in parts))
    yield Row(_l("Fee, as a share of the contribution"), Kind.SHARE, tuple(offer.terms.fee_bp for offer in offers))


def _leave(terms: Sequence[_ByComponent], pattern: WorkPattern, policy: Policy) -> Iterator[Row]:
    for component in policy.components:
        if Unit.MIN in component.units:
            found = [one.get(component.code) for one in terms]
            hours = [None if one is None else one.accrual_hours for one in found]
            if any(hours):
                yield Row(
                    component.name,
                    Kind.MINUTES,
                    tuple(None if one is None else pattern.minutes // one for one in hours),
                )


def _waiting(terms: Sequence[_ByComponent], policy: Policy) -> Iterator[Row]:
    for component in policy.components:
        found = [one.get(component.code) for one in terms]
        if any(one is not None and one.waiting_days for one in found):
            yield Row(component.name, Kind.DAYS, tuple(None if one is None else one.waiting_days for one in found))


def _health(offers: Sequence[Offer]) -> Iterator[Row]:
    plans = [offer.health for offer in offers]
    if not any(plans):
        return

    def row(label: LazyString, kind: Kind, value: str) -> Row:
        return Row(label, kind, tuple(None if plan is None else getattr(plan, value) for plan in plans))

    yield row(_l("Plan"), Kind.TEXT, "name")
    yield row(_l("Insurer"), Kind.TEXT, "issuer")
    yield Row(_l("Level"), Kind.TEXT, tuple(None if plan is None else str(plan.metal) for plan in plans))
    if any(plan is not None and plan.premium_from_cents is not None for plan in plans):
        yield row(_l("Premium a month, from"), Kind.CENTS, "premium_from_cents")
        yield row(_l("Premium a month, up to"), Kind.CENTS, "premium_to_cents")
    yield row(_l("Deductible a year"), Kind.CENTS, "deductible_cents")
    yield row(_l("Most you pay in a year"), Kind.CENTS, "oop_max_cents")


def _behind(offers: Sequence[Offer], terms: Sequence[_ByComponent], policy: Policy) -> Iterator[Row]:
    names = {place.code: place.name for place in policy.places}
    areas = (offer.terms.service_area for offer in offers)
    yield Row(_l("Where it serves"), Kind.TEXT, tuple(names.get(area, area) for area in areas))
    for component in policy.components:
        found = [one.get(component.code) for one in terms]
        vendors = tuple(None if one is None else one.vendor for one in found)
        if any(vendors):
            yield Row(_l("%(benefit)s: who stands behind it", benefit=component.name), Kind.TEXT, vendors)


# --- before a switch ------------------------------------------------------------------------------


class LossKind(StrEnum):
    """In which way the wanted package is less than the present one, or other."""

    MOVES_TO_LIKE = "moves_to_like"  # the balance goes to a like component
    HELD_BY_EXCHANGE = "held_by_exchange"  # the balance is kept by the exchange
    COVER_ENDS = "cover_ends"  # a pooled component that the wanted package lacks
    FEE_HIGHER = "fee_higher"
    ACCRUAL_LOWER = "accrual_lower"
    WAITING = "waiting"  # a new component with a waiting period
    HEALTH_PLAN_CHANGES = "health_plan_changes"


@dataclass(frozen=True, slots=True)
class Loss:
    """One thing that will not carry over or will change, and the sentence that says so."""

    kind: LossKind
    component: str | None
    sentence: LazyString


def losses(current: Offer, wanted: Offer, *, policy: Policy) -> tuple[Loss, ...]:
    """What changes for the worse, or changes at all, when a member of one package goes to the other.

    Waiting periods of components that both have are served already and carry over.
    """
    return tuple(_losses(current, wanted, policy))


def _losses(current: Offer, wanted: Offer, policy: Policy) -> Iterator[Loss]:
    offered = {one.component for one in wanted.terms.components}
    for component in policy.components:
        before, after = _component(current, component.code), _component(wanted, component.code)
        if before is not None and after is None:
            yield _gone(component, offered, policy)
        if before is not None and after is not None and _accrues_less(before, after):
            yield _slower(component, before, after)
        if before is None and after is not None and after.waiting_days:
            sentence = _l(
                "%(benefit)s is new to you: it begins after %(days)s days.",
                benefit=component.name,
                days=after.waiting_days,
            )
            yield Loss(LossKind.WAITING, component.code, sentence)
    if wanted.terms.fee_bp > current.terms.fee_bp:
        sentence = _l(
            "The fee is higher: %(after)s of each contribution instead of %(before)s.",
            after=format_percent(wanted.terms.fee_bp),
            before=format_percent(current.terms.fee_bp),
        )
        yield Loss(LossKind.FEE_HIGHER, None, sentence)
    if current.health is not None and wanted.health != current.health:
        yield from _other_plan(current.health, wanted.health)


def _gone(component: Component, offered: set[str], policy: Policy) -> Loss:
    name = component.name
    if component.nature is Nature.POOLED:
        return Loss(LossKind.COVER_ENDS, component.code, _l("%(benefit)s: the new package has none.", benefit=name))
    home = home_of(component, offered)
    if home is None:
        sentence = _l(
            "%(benefit)s: the new package has none. What you have stays yours; the exchange holds it.", benefit=name
        )
        return Loss(LossKind.HELD_BY_EXCHANGE, component.code, sentence)
    sentence = _l(
        "%(benefit)s: the new package has none. What you have stays yours and becomes %(home)s.",
        benefit=name,
        home=policy.component(home).name,
    )
    return Loss(LossKind.MOVES_TO_LIKE, component.code, sentence)


def _accrues_less(before: ComponentTerms, after: ComponentTerms) -> bool:
    if before.accrual_hours is None:
        return False
    return after.accrual_hours is None or after.accrual_hours > before.accrual_hours


def _slower(component: Component, before: ComponentTerms, after: ComponentTerms) -> Loss:
    if after.accrual_hours is None:
        sentence = _l("%(benefit)s: no more hours of leave are earned in the new package.", benefit=component.name)
    else:
        sentence = _l(
            "%(benefit)s: one hour for %(after)s hours of work instead of for %(before)s.",
            benefit=component.name,
            after=after.accrual_hours,
            before=before.accrual_hours,
        )
    return Loss(LossKind.ACCRUAL_LOWER, component.code, sentence)


def _other_plan(before: HealthOffer, after: HealthOffer | None) -> Iterator[Loss]:
    if after is None:
        sentence = _l("Health: the new package names no plan; you leave “%(before)s”.", before=before.name)
    elif before.plan_id == after.plan_id:
        return
    else:
        sentence = _l(
            "Health: another plan, “%(after)s” of %(issuer)s, with its own doctors and hospitals. "
            "Deductible %(deductible)s, at most %(most)s a year.",
            after=after.name,
            issuer=after.issuer,
            deductible=_dollars(after.deductible_cents),
            most=_dollars(after.oop_max_cents),
        )
    yield Loss(LossKind.HEALTH_PLAN_CHANGES, "health", sentence)


def _dollars(cents: int | None) -> str:
    return "–" if cents is None else format_dollars(cents)


def _component(offer: Offer, code: str) -> ComponentTerms | None:
    return next((one for one in offer.terms.components if one.component == code), None)
