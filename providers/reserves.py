"""What must a provider hold, what does that which it holds count, and which rung of the ladder follows?

Pure, in whole cents: what is required is rounded up, what counts is rounded down. Every figure of the
law comes with the policy's ``Reserves``. The facts stand in ``reserve_standing``, what is done about
them in ``reserve_checks``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import Final

from exchange.money import BP, MAX_AMOUNT, share_half_up
from exchange.policy.document import Requirement, Reserves, Tier, Trend

# A filing names insured cover by this code; it is no asset, and counts up to the policy's cap.
INSURED: Final = "insured_cover"


@dataclass(frozen=True, slots=True)
class Position:
    """The facts about one provider on a day.

    ``liabilities_cents``: what the ledger says it owes its workers. ``pooled_cents``: what came into its
    pools in ``weeks`` weeks. ``holdings``: cents by asset class, from the filing that counts.
    ``moved_cents``: cash that came since the filing, or would come, with workers who switch (negative: went).
    """

    provider_id: int
    applied_on: date
    liabilities_cents: int = 0
    pooled_cents: int = 0
    weeks: int = 1
    holdings: Mapping[str, int] = field(default_factory=dict)
    moved_cents: int = 0
    filing_id: int | None = None
    filed_as_of: date | None = None
    # The rung by ratio alone of the check before, from which hysteresis is measured.
    previous: str | None = None


@dataclass(frozen=True, slots=True)
class Required:
    """What must be held, in cents: against individual balances, for pooled cover, and for what nobody foresees."""

    individual_cents: int
    pooled_cents: int
    contingency_cents: int

    @property
    def cents(self) -> int:
        """All of it."""
        return self.individual_cents + self.pooled_cents + self.contingency_cents


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a provider stands: the figures, their ratio (None when nothing is required), and the rung."""

    position: Position
    required: Required
    held_cents: int
    ratio_bp: int | None
    ratio_tier: Tier
    filing_overdue: bool
    tier: Tier


def standing(position: Position, *, rules: Reserves, on: date) -> Standing:
    """The standing that follows from the facts by the rules."""
    required = requirement(
        rules.requirement,
        liabilities_cents=position.liabilities_cents,
        pooled_cents=position.pooled_cents,
        weeks=position.weeks,
    )
    filed_cents = held(position.holdings, rules=rules, required_cents=required.cents)
    held_cents = min(max(filed_cents + position.moved_cents, 0), MAX_AMOUNT)
    ratio = ratio_bp(held_cents, required.cents)
    overdue = filing_overdue(rules, filed_as_of=position.filed_as_of, applied_on=position.applied_on, on=on)
    by_ratio = tier_by_ratio(ratio, rules=rules, previous=position.previous)
    tier = tier_after_filing(by_ratio, rules=rules, overdue=overdue)
    return Standing(position, required, held_cents, ratio, by_ratio, overdue, tier)


# --- the formula ----------------------------------------------------------------------------------


def requirement(rules: Requirement, *, liabilities_cents: int, pooled_cents: int, weeks: int) -> Required:
    """What must be held against ``liabilities_cents``, with ``pooled_cents`` of pooled cost in ``weeks`` weeks.

    Corrections may outweigh what came into the pools: then no pooled cost is seen.
    """
    pooled = max(pooled_cents, 0)
    return Required(
        individual_cents=_up(liabilities_cents * rules.individual_bp, BP),
        pooled_cents=_up(pooled * rules.pooled_weeks, weeks),
        contingency_cents=_up(pooled * rules.contingency_weeks, weeks),
    )


def weeks_counted(rules: Requirement, *, first_on: date | None, on: date) -> int:
    """Over how many weeks the pooled cost is averaged: whole weeks since ``first_on``, at least one.

    A provider that has only begun is not made to look cheap by the weeks in which it had no members.
    """
    if first_on is None:
        return 1
    return min(rules.averaged_over_weeks, max(1, ((on - first_on).days + 1) // 7))


def averaged_from(rules: Requirement, on: date) -> date:
    """The first day of the weeks over which pooled cost is averaged, when ``on`` is the last."""
    return on - timedelta(days=7 * rules.averaged_over_weeks - 1)


def held(holdings: Mapping[str, int], *, rules: Reserves, required_cents: int) -> int:
    """What the holdings count together, in cents."""
    return min(sum(counted(holdings, rules=rules, required_cents=required_cents).values()), MAX_AMOUNT)


def counted(holdings: Mapping[str, int], *, rules: Reserves, required_cents: int) -> dict[str, int]:
    """What each holding counts: assets after their haircut, insured cover up to a share of the requirement.

    A class of assets that this policy does not know (one before it did) counts nothing.
    """
    kept_bp = {asset.code: BP - asset.haircut_bp for asset in rules.assets}
    cap = required_cents * rules.insured_cap_bp // BP
    return {
        code: min(amount, cap) if code == INSURED else amount * kept_bp.get(code, 0) // BP
        for code, amount in holdings.items()
    }


def ratio_bp(held_cents: int, required_cents: int) -> int | None:
    """Held / required in basis points, rounded down; None when nothing is required."""
    if required_cents == 0:
        return None
    return min(held_cents * BP // required_cents, MAX_AMOUNT)


# --- the ladder -----------------------------------------------------------------------------------


def tier_by_ratio(ratio: int | None, *, rules: Reserves, previous: str | None) -> Tier:
    """The rung for a ratio. Falling is at once; climbing asks for the hysteresis above the rung's border.

    ``previous`` is the rung of the check before (None, or a code this policy does not know: there was
    none). Nothing required is the best rung.
    """
    ladder = rules.ladder
    if ratio is None:
        return ladder[0]
    now = ladder.index(rules.tier_at(ratio))
    before = _rung(previous, rules)
    if before is None or now >= before:
        return ladder[now]
    reached = (rung for rung in range(now, before) if ratio >= ladder[rung].at_least_bp + rules.hysteresis_bp)
    return ladder[next(reached, before)]


def tier_after_filing(tier: Tier, *, rules: Reserves, overdue: bool) -> Tier:
    """The rung that counts: lower by the policy's number of rungs while a filing is overdue."""
    if not overdue:
        return tier
    return rules.ladder[min(rules.ladder.index(tier) + rules.late_filing_drops, len(rules.ladder) - 1)]


def filing_due_on(rules: Reserves, *, filed_as_of: date | None, applied_on: date) -> date:
    """The last day on which the next filing is in time; the first one counts from the application."""
    grace = timedelta(days=rules.filing_due_days)
    if filed_as_of is None:
        return applied_on + grace
    return filed_as_of + timedelta(days=rules.filing_every_days) + grace


def filing_overdue(rules: Reserves, *, filed_as_of: date | None, applied_on: date, on: date) -> bool:
    """Whether the provider should have filed by now and has not."""
    return on > filing_due_on(rules, filed_as_of=filed_as_of, applied_on=applied_on)


def is_better(tier: Tier, than: Tier, *, rules: Reserves) -> bool:
    """Whether one rung lies above another."""
    return rules.ladder.index(tier) < rules.ladder.index(than)


def is_falling(ratio: int | None, *, highest_before: int | None, trend: Trend) -> bool:
    """Whether the ratio lost at least ``trend.falls_bp`` (points of the ratio) against its highest before."""
    return ratio is not None and highest_before is not None and highest_before - ratio >= trend.falls_bp


# --- what if --------------------------------------------------------------------------------------


def with_moved(position: Position, *, delta_cents: int) -> Position:
    """The position if balances of ``delta_cents`` came (or left, if negative), and their cash with them."""
    return replace(
        position,
        liabilities_cents=position.liabilities_cents + delta_cents,
        moved_cents=position.moved_cents + delta_cents,
    )


def stressed(position: Position, *, leave_bp: int, claims_bp: int) -> Position:
    """The position if ``leave_bp`` of the members left with what they own, and claims rose by ``claims_bp``.

    Who stays needs cover: its cost falls with the members and rises with the claims.
    """
    leaving = share_half_up(position.liabilities_cents, leave_bp, BP)
    pooled = _up(max(position.pooled_cents, 0) * (BP - leave_bp) * (BP + claims_bp), BP * BP)
    return replace(with_moved(position, delta_cents=-leaving), pooled_cents=pooled)


def _rung(code: str | None, rules: Reserves) -> int | None:
    return next((rung for rung, tier in enumerate(rules.ladder) if tier.code == code), None)


def _up(numerator: int, denominator: int) -> int:
    return -(-numerator // denominator)
