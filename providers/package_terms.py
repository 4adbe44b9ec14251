"""Are the terms of a package whole, and within the law of the program?

Pure. The shares of the components and the fee, in basis points, are the whole of each contribution.
Every refusal names the rule that is broken and the figure that breaks it, and in its details the
``component`` that it is about; a page that drafts and the
operation that submits ask the same question.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from flask_babel import lazy_gettext as _l

from exchange.errors import Refusal
from exchange.money import BP, Unit, format_percent
from exchange.policy.document import EXCHANGE, Component, LeaveAccrual, Policy
from exchange.policy.formulas import covers, depth

FEE = "fee"  # stands for the fee among the shares of a split; no component has this code
MAX_WAITING_DAYS = 3_650
MAX_ACCRUAL_HOURS = 10_000
MAX_TEXT = 4_000


class BadTerms(Refusal):
    """A figure or a text that no terms can hold, draft or not."""

    code = "bad_terms"


class MandatoryMissing(Refusal):
    """A component that every package has is missing, or gets nothing."""

    code = "mandatory_component_missing"


class NotTheWhole(Refusal):
    """Shares and fee are more or less than the whole contribution."""

    code = "not_the_whole"


class FeeAboveCap(Refusal):
    """The fee is higher than policy allows for administration."""

    code = "fee_above_cap"


class UnknownComponent(Refusal):
    """The policy does not know the component."""

    code = "unknown_component"


class UnknownPlace(Refusal):
    """The policy does not know the service area."""

    code = "unknown_place"


class WorseAccrual(Refusal):
    """Leave accrues more slowly than the law of the service area says."""

    code = "worse_accrual"


class NoLeave(Refusal):
    """An accrual is given for a component that has no leave."""

    code = "no_leave"


@dataclass(frozen=True, slots=True)
class ComponentTerms:
    """One component: its share of each contribution, and its terms.

    ``accrual_hours``: hours of work for one hour of leave. ``vendor``: the insurer, bank or fund behind it.
    """

    component: str
    share_bp: int
    waiting_days: int = 0
    accrual_hours: int | None = None
    vendor: str | None = None
    terms: str = ""


@dataclass(frozen=True, slots=True)
class Terms:
    """What a version of a package says. ``service_area`` is a place of the policy."""

    summary: str
    fee_bp: int
    service_area: str
    components: tuple[ComponentTerms, ...]
    withdrawal_terms: str = ""
    health_plan_id: int | None = None

    @property
    def split(self) -> dict[str, int]:
        """Basis points by component, the fee under ``FEE``."""
        return {**{one.component: one.share_bp for one in self.components}, FEE: self.fee_bp}


def refusal_to_keep(terms: Terms) -> Refusal | None:
    """Why these terms cannot even be kept as a draft; None when they can."""
    codes = [one.component for one in terms.components]
    if len(set(codes)) < len(codes):
        return BadTerms(_l("A component stands here twice."))
    if any(not 0 <= share <= BP for share in (terms.fee_bp, *(one.share_bp for one in terms.components))):
        return BadTerms(_l("No share is less than nothing or more than the whole contribution."))
    if any(not 0 <= one.waiting_days <= MAX_WAITING_DAYS for one in terms.components):
        return BadTerms(_l("A waiting period lies between 0 and %(most)s days.", most=MAX_WAITING_DAYS))
    hours = (one.accrual_hours for one in terms.components if one.accrual_hours is not None)
    if any(not 1 <= one <= MAX_ACCRUAL_HOURS for one in hours):
        return BadTerms(_l("Leave accrues for a whole number of hours worked, at least 1."))
    texts = (terms.summary, terms.withdrawal_terms, *(one.terms + (one.vendor or "") for one in terms.components))
    if any(len(one) > MAX_TEXT for one in texts):
        return BadTerms(_l("A text is too long: at most %(most)s characters.", most=MAX_TEXT))
    return None


def refusals_of(terms: Terms, *, policy: Policy) -> Iterator[Refusal]:
    """Every rule of the policy that the terms break; nothing when they keep them all."""
    known = {component.code: component for component in policy.components}
    for one in terms.components:
        if one.component not in known:
            yield UnknownComponent(
                _l("The policy of this program does not know the component “%(code)s”.", code=one.component),
                component=one.component,
            )
    yield from _refusals_of_split(terms, policy)
    if terms.service_area not in {place.code for place in policy.places}:
        yield UnknownPlace(
            _l("The policy of this program does not know the place “%(code)s”.", code=terms.service_area)
        )
        return
    for one in terms.components:
        if one.component in known:
            yield from _refusals_of_accrual(one, known[one.component], policy=policy, place=terms.service_area)


def accrual_floor(policy: Policy, component: str, place: str) -> LeaveAccrual | None:
    """The accrual that the law asks for wherever in the place one works; None where it asks for none.

    A place within it may ask for more: work there accrues by that law, whatever the package says.
    """
    rules = [
        (depth(where), rule)
        for rule in policy.leave
        if rule.component == component
        for where in rule.places
        if covers(where, place)
    ]
    return max(rules, key=lambda found: found[0])[1] if rules else None


def home_of(component: Component, offered: Collection[str]) -> str | None:
    """Where an individual balance goes in a package with these components: itself, the like one, or None.

    None: the exchange holds it for the worker.
    """
    if component.code in offered:
        return component.code
    if component.like is not None and component.like != EXCHANGE and component.like in offered:
        return component.like
    return None


def _refusals_of_split(terms: Terms, policy: Policy) -> Iterator[Refusal]:
    split = terms.split
    for component in policy.mandatory:
        if not split.get(component.code):
            yield MandatoryMissing(
                _l("Every package has the component “%(name)s”: give it a share.", name=component.name),
                component=component.code,
            )
    whole = sum(split.values())
    if whole != BP:
        yield NotTheWhole(
            _l(
                "Shares and fee come to %(whole)s of each contribution; they must come to 100%%.",
                whole=format_percent(whole),
            )
        )
    cap = policy.contributions.administration_cap_bp
    if terms.fee_bp > cap:
        yield FeeAboveCap(
            _l(
                "The fee is %(fee)s; at most %(cap)s is allowed.",
                fee=format_percent(terms.fee_bp),
                cap=format_percent(cap),
            )
        )


def _refusals_of_accrual(one: ComponentTerms, component: Component, *, policy: Policy, place: str) -> Iterator[Refusal]:
    if Unit.MIN not in component.units:
        if one.accrual_hours is not None:
            yield NoLeave(
                _l("“%(name)s” is no leave: no hours accrue in it.", name=component.name), component=component.code
            )
        return
    floor = accrual_floor(policy, component.code, place)
    if floor is None:
        return
    # One hour for ``accrual_hours`` is worse than the law when more work is asked for the same leave.
    if one.accrual_hours is None or one.accrual_hours * floor.minutes_earned > floor.minutes_worked:
        yield WorseAccrual(
            _l(
                "“%(name)s”: the law asks for at least 1 hour of leave for %(hours)s hours of work.",
                name=component.name,
                hours=floor.minutes_worked // floor.minutes_earned,
            ),
            component=component.code,
        )
