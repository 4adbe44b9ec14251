"""What follows when a check finds a provider on another rung of the ladder, or falling?

Acts once for each crossing: a finding, words to the provider and the regulators, the shelf. What takes
away more than that is proposed, for people to decide.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import func, select, update

from exchange import audit
from exchange.database import db
from exchange.identity.actors import Actor, system_actor
from exchange.policy.document import Policy, Tier
from providers import decisions, reserve_notices
from providers.decisions import OFFERING
from providers.models import (
    Finding,
    FindingKind,
    FindingState,
    Provider,
    ProviderDecision,
    ProviderState,
)
from providers.reserves import Standing


@dataclass(frozen=True, slots=True)
class Occasion:
    """On which day, under which law, by whom and when checks are made."""

    on: date
    policy: Policy
    by: Actor
    at: datetime


def act(provider: Provider, standing: Standing, occasion: Occasion, *, check_id: int, falling: bool) -> None:
    """Take over the standing of a new check. The same standing again changes nothing."""
    before, now = provider.tier, standing.tier
    provider.takes_new_members = now.on_sale
    if before != now.code:
        provider.tier, provider.tier_since = now.code, occasion.on
        ladder = occasion.policy.reserves.ladder
        if before is not None or now is not ladder[0]:
            _cross(provider, standing, occasion, check_id=check_id, before=before)
    elif falling:
        finding = _find(provider, now, occasion, check_id=check_id, kind=FindingKind.TREND, before=now.code)
        reserve_notices.tell(finding, standing, policy=occasion.policy, by=occasion.by, at=occasion.at)
    if now.run_off:
        _propose_to_suspend(provider, occasion)
    db.session.flush()


def _cross(provider: Provider, standing: Standing, occasion: Occasion, *, check_id: int, before: str | None) -> None:
    now, rules = standing.tier, occasion.policy.reserves
    rungs = [tier.code for tier in rules.ladder]
    if before in rungs and rungs.index(now.code) < rungs.index(before):
        # Climbed: what was found on lower rungs is answered by that.
        db.session.execute(
            update(Finding)
            .where(Finding.provider_id == provider.organization_id, Finding.state == FindingState.OPEN)
            .values(state=FindingState.CLOSED)
        )
    finding = _find(provider, now, occasion, check_id=check_id, kind=FindingKind.CROSSING, before=before)
    reserve_notices.tell(finding, standing, policy=occasion.policy, by=occasion.by, at=occasion.at)
    audit.record(
        "provider.tier_changed",
        f"provider:{provider.organization_id}",
        by=occasion.by,
        at=occasion.at,
        facts=f"from={before} to={now.code} ratio_bp={standing.ratio_bp}",
    )


def _find(
    provider: Provider, now: Tier, occasion: Occasion, *, check_id: int, kind: FindingKind, before: str | None
) -> Finding:
    def by_when(days: int | None) -> date | None:
        return None if days is None else occasion.on + timedelta(days=days)

    finding = Finding(
        provider_id=provider.organization_id,
        check_id=check_id,
        kind=kind,
        from_tier=before,
        to_tier=now.code,
        found_at=occasion.at,
        state=FindingState.OPEN,
        plan_due_on=by_when(now.plan_due_days),
        answer_due_on=by_when(now.answer_due_days),
    )
    db.session.add(finding)
    db.session.flush()
    return finding


def _propose_to_suspend(provider: Provider, occasion: Occasion) -> None:
    """Below the floor: the system asks people to suspend, once for each time the provider gets there."""
    if provider.state not in OFFERING:
        return
    last_crossing = (
        select(func.max(Finding.found_at))
        .where(Finding.provider_id == provider.organization_id, Finding.kind == FindingKind.CROSSING)
        .scalar_subquery()
    )
    asked = (
        select(ProviderDecision.id)
        .where(
            ProviderDecision.provider_id == provider.organization_id,
            ProviderDecision.becomes == ProviderState.SUSPENDED,
            ProviderDecision.proposed_at >= last_crossing,
        )
        .limit(1)
    )
    waiting = decisions.open_decision(provider.organization_id)
    if waiting is None and db.session.execute(asked).first() is None:
        decisions.propose(
            provider,
            becomes=ProviderState.SUSPENDED,
            reason=reserve_notices.reason_to_suspend(occasion.policy.reserves.tier(str(provider.tier))),
            by=system_actor("reserve checks"),
            at=occasion.at,
        )
