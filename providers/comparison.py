"""How do packages compare for one worker, and what would he lose by leaving one for another?

Pure. A work pattern (hours and contribution in a usual month) is held against each offer: what is set
aside for each benefit, what leave is earned, what the fee takes, how long one waits. ``losses`` says
before a switch what will not carry over or will change; nothing of what a worker owns is ever lost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice, repeat
from typing import Final, NamedTuple, TypeAlias

from flask_babel import LazyString
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from exchange.money import Unit, format_dollars, format_percent, share_half_up, split
from exchange.policy.document import Component, Nature, Policy
from providers.package_terms import FEE, ComponentTerms, home_of
from providers.shelf import HealthOffer, Offer

Cell: TypeAlias = int | str | None
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


class Row(NamedTuple):
    """One thing, for each offer in order. None: the offer has none. ``differs``: not the same for all."""

    label: str
    kind: Kind
    cells: tuple[Cell, ...]

    @property
    def differs(self) -> bool:
        """Whether the offers part here."""
        return len(set(self.cells)) > 1


class Section(NamedTuple):
    """Rows that belong together."""

    title: str
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Offers side by side: their heads, and the rows in sections (empty sections are left out)."""

    offers: tuple[Offer, ...]
    pattern: WorkPattern
    sections: tuple[Section, ...]


@dataclass(frozen=True, slots=True)
class Column:
    """What an offer says to everybody: its last cells; and from what the first, which go by the work, are computed.

    ``hours``: of work for an hour of leave, for each component that has leave. ``kind``: the same word for all columns
    whose shares and hours are the same.
    """

    shares_bp: Mapping[str, int]
    hours: tuple[int | None, ...]
    kind: str
    cells: tuple[Cell, ...]


class Entry(NamedTuple):
    """A row that a table can have, and for which cells it is shown."""

    label: str
    kind: Kind
    is_shown: Callable[[Sequence[Cell]], bool]


class Part(NamedTuple):
    """Rows that a table can have. ``is_optional``: none of them is shown unless the first of them tells something."""

    title: str
    entries: Sequence[Entry]
    is_optional: bool = False


def compare(
    offers: Sequence[Offer],
    *,
    pattern: WorkPattern,
    policy: Policy,
    columns: Sequence[Column] | None = None,
    outline: Sequence[Part] | None = None,
) -> Comparison:
    """The offers side by side for somebody who works so. Components stand in the policy's order.

    ``columns``, ``outline``: what ``column_of`` and ``outline_of`` tell of these offers and this policy, where known.
    """
    if columns is None:
        columns = [column_of(offer, policy=policy) for offer in offers]
    figures: dict[str, tuple[Cell, ...]] = {}  # many offers are of one kind
    whole = []
    for column in columns:
        first = figures.get(column.kind)
        if first is None:
            first = figures[column.kind] = tuple(_figures(column, pattern, policy))
        whole.append(first + column.cells)
    lines: Iterator[tuple[Cell, ...]] = zip(*whole, strict=True) if whole else repeat(())
    sections = []
    for title, entries, is_optional in outline_of(policy) if outline is None else outline:
        found = list(islice(lines, len(entries)))
        if is_optional and not _is_given(found[0]):
            continue
        rows = [
            Row(label, kind, cells)
            for (label, kind, is_shown), cells in zip(entries, found, strict=True)
            if is_shown(cells)
        ]
        if rows:
            sections.append(Section(title, tuple(rows)))
    return Comparison(tuple(offers), pattern, tuple(sections))


def outline_of(policy: Policy) -> list[Part]:
    """Every row that a table can have, in its order, named in the language of the moment."""
    names = [component.name for component in policy.components]
    leave = [component.name for component in _with_leave(policy)]
    return [
        Part(
            _("Set aside each month"),
            [
                *(Entry(name, Kind.CENTS, _is_given) for name in names),
                Entry(_("Fee"), Kind.CENTS, _always),
                Entry(_("Fee, as a share of the contribution"), Kind.SHARE, _always),
            ],
        ),
        Part(_("Leave earned each month"), [Entry(name, Kind.MINUTES, _is_given) for name in leave]),
        Part(_("Days to wait before cover begins"), [Entry(name, Kind.DAYS, any) for name in names]),
        Part(
            _("Health plan"),
            [
                Entry(_("Plan"), Kind.TEXT, _always),
                Entry(_("Insurer"), Kind.TEXT, _always),
                Entry(_("Level"), Kind.TEXT, _always),
                Entry(_("Premium a month, from"), Kind.CENTS, _is_given),
                Entry(_("Premium a month, up to"), Kind.CENTS, _is_given),
                Entry(_("Deductible a year"), Kind.CENTS, _always),
                Entry(_("Most you pay in a year"), Kind.CENTS, _always),
            ],
            is_optional=True,
        ),
        Part(
            _("Behind it"),
            [
                Entry(_("Where it serves"), Kind.TEXT, _always),
                *(Entry(_("%(benefit)s: who stands behind it", benefit=name), Kind.TEXT, any) for name in names),
            ],
        ),
    ]


def column_of(offer: Offer, *, policy: Policy) -> Column:
    """The offer's column, with the name of its place in the language of the moment."""
    terms = {one.component: one for one in offer.terms.components}
    found = [terms.get(component.code) for component in policy.components]
    leave = [terms.get(component.code) for component in _with_leave(policy)]
    area, shares_bp = offer.terms.service_area, offer.terms.split
    hours = tuple(None if one is None else one.accrual_hours for one in leave)
    return Column(
        shares_bp=shares_bp,
        hours=hours,
        kind=repr((shares_bp, hours)),
        cells=(
            *(None if one is None else one.waiting_days for one in found),
            *_health(offer.health),
            next((place.name for place in policy.places if place.code == area), area),
            *(None if one is None else one.vendor for one in found),
        ),
    )


def _figures(column: Column, pattern: WorkPattern, policy: Policy) -> Iterator[Cell]:
    """The first cells of a column: what is set aside, what the fee takes, what leave is earned."""
    parts = split(pattern.contribution_cents, column.shares_bp)
    for component in policy.components:
        yield parts.get(component.code)
    yield parts[FEE]
    yield column.shares_bp[FEE]
    for hours in column.hours:
        yield None if hours is None else pattern.minutes // hours


def _health(plan: HealthOffer | None) -> tuple[Cell, ...]:
    if plan is None:
        return (None,) * 7
    premiums = plan.premium_from_cents, plan.premium_to_cents
    return plan.name, plan.issuer, str(plan.metal), *premiums, plan.deductible_cents, plan.oop_max_cents


def _with_leave(policy: Policy) -> list[Component]:
    return [component for component in policy.components if Unit.MIN in component.units]


def _is_given(cells: Sequence[Cell]) -> bool:
    return cells.count(None) < len(cells)


def _always(_cells: Sequence[Cell]) -> bool:
    return True


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
