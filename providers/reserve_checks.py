"""Does each provider still hold enough, and what follows where it does not?

A check writes down the figures of one provider and day: daily exactly once, and on every filing.
Crossing a border of the ladder acts once: it leaves a finding and tells provider and regulators. A
rung that is not on sale takes the provider's packages off the shelf at once; what takes away more is
only proposed, for people to decide.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Final

from flask_babel import lazy_gettext as _l
from sqlalchemy import BigInteger, ColumnElement, Select, false, func, insert, select, true, union_all

from exchange import audit
from exchange.clock import AGREE_WITHIN_SECONDS
from exchange.database import db
from exchange.identity.access import scope_of
from exchange.identity.actors import Actor, Audience
from exchange.ledger import earlier, invariants
from exchange.ledger.accounts import AccountKind, LedgerAccount
from exchange.ledger.journal import LedgerEntry, LedgerTransfer
from exchange.money import Unit
from exchange.policy.document import Policy
from providers import decisions, reserve_standing, reserves
from providers.models import CheckCause, Finding, FindingState, Provider, ReserveCheck
from providers.reserve_crossings import Occasion, act
from providers.reserves import Standing

# A transaction that read the clock before a check and commits after it is over within this time.
IN_FLIGHT: Final = timedelta(minutes=1)
# By as much the clock may go back while everything goes on.
STEP_BACK: Final = timedelta(seconds=AGREE_WITHIN_SECONDS)


def check(
    provider_ids: Collection[int] | None,
    *,
    policy: Policy,
    on: date,
    cause: CheckCause,
    by: Actor,
    at: datetime,
    late: bool = False,
) -> list[Standing]:
    """Check these providers (None: every one that had applied by ``on``) and act where a border is crossed.

    Returns the standings that were written down. A daily check that is there already is not made again.
    Where the journal is sealed, what is owed is that of its last checkpoint, which the check names: to be
    held against the statements that are made of the same journal (see ``reserve_citations``).
    A check for a day before one that was checked already is written down and changes nothing else.
    """
    occasion = Occasion(on, policy, by, at)
    providers = _held_still(provider_ids, on=on, cause=cause)
    sealed = earlier.sealed_lately(at)
    size = None if sealed is None else sealed.size
    found = reserve_standing.standings(list(providers), policy=policy, on=on, size=size)
    standings = [standing for standing in found.values() if standing.position.applied_on <= on]
    if not standings:
        return []
    outdated = _checked_after(on)
    highest = _highest_ratios(occasion)
    check_ids = _write(standings, occasion, cause=cause, late=late, size=size)
    for standing in standings:
        id_ = standing.position.provider_id
        if id_ not in outdated:
            falling = reserves.is_falling(
                standing.ratio_bp, highest_before=highest.get(id_), trend=policy.reserves.trend
            )
            act(providers[id_], standing, occasion, check_id=check_ids[id_], falling=falling)
    audit.record("reserves.checked", f"date:{on}", by=by, at=at, facts=f"cause={cause} providers={len(standings)}")
    return standings


def open_findings(provider_id: int | None = None) -> Sequence[Finding]:
    """What was found (about one provider, or all) and waits for an answer, the latest first."""
    rows = select(Finding).where(Finding.state == FindingState.OPEN).order_by(Finding.id.desc())
    if provider_id is not None:
        rows = rows.where(Finding.provider_id == provider_id)
    return db.session.execute(rows).scalars().all()


def close_finding(finding: Finding, *, reason: str, by: Actor, at: datetime) -> None:
    """A regulator is satisfied with the answer to a finding. Twice is once."""
    if by.audience is not Audience.REGULATOR:
        raise decisions.NotARegulator(decisions.ONLY_REGULATORS)
    if finding.state is FindingState.OPEN:
        finding.state = FindingState.CLOSED
        audit.record("finding.closed", f"provider:{finding.provider_id}", by=by, at=at, reason=reason)


# --- writing down ---------------------------------------------------------------------------------


def _held_still(provider_ids: Collection[int] | None, *, on: date, cause: CheckCause) -> dict[int, Provider]:
    """The providers to check; nobody else checks them until the transaction ends."""
    rows = select(Provider).order_by(Provider.organization_id).with_for_update(key_share=True)
    if provider_ids is not None:
        rows = rows.where(Provider.organization_id.in_(provider_ids))
    providers = {
        provider.organization_id: provider
        for provider in db.session.execute(rows.execution_options(populate_existing=True)).scalars()
    }
    if cause is CheckCause.DAILY:
        # Asked after the rows are held: another scheduler may have been at it until now.
        done = select(ReserveCheck.provider_id).where(ReserveCheck.cause == cause, ReserveCheck.on_date == on)
        for provider_id in db.session.execute(done).scalars():
            providers.pop(provider_id, None)
    return providers


def _write(
    standings: Sequence[Standing], occasion: Occasion, *, cause: CheckCause, late: bool, size: int | None
) -> Mapping[int, int]:
    """Write the checks; gives the id of each provider's."""
    rows = [
        {
            "provider_id": standing.position.provider_id,
            "on_date": occasion.on,
            "cause": cause,
            "checked_at": occasion.at,
            "late": late,
            "filing_id": standing.position.filing_id,
            "filing_overdue": standing.filing_overdue,
            "liabilities_cents": standing.position.liabilities_cents,
            "journal_size": size,
            "individual_cents": standing.required.individual_cents,
            "pooled_cents": standing.required.pooled_cents,
            "contingency_cents": standing.required.contingency_cents,
            "required_cents": standing.required.cents,
            "settlement_cents": standing.position.moved_cents,
            "held_cents": standing.held_cents,
            "ratio_bp": standing.ratio_bp,
            "ratio_tier": standing.ratio_tier.code,
            "tier": standing.tier.code,
        }
        for standing in standings
    ]
    written = db.session.execute(insert(ReserveCheck).returning(ReserveCheck.provider_id, ReserveCheck.id), rows)
    return dict(written.all())


def _checked_after(on: date) -> frozenset[int]:
    """Providers that a later day has been checked for: a check that is made up for says nothing new of them."""
    later = select(ReserveCheck.provider_id).where(ReserveCheck.on_date > on).distinct()
    return frozenset(db.session.execute(later).scalars())


def _highest_ratios(occasion: Occasion) -> dict[int, int]:
    """The highest ratio of each provider in the days over which a trend is looked for.

    What was found before has been told: a fall is measured from the last finding on.
    """
    c = ReserveCheck
    since = occasion.on - timedelta(days=occasion.policy.reserves.trend.within_days)
    found = select(func.max(Finding.check_id)).where(Finding.provider_id == c.provider_id).scalar_subquery()
    rows = (
        select(c.provider_id, func.max(c.ratio_bp))
        .where(c.on_date.between(since, occasion.on), c.ratio_bp.is_not(None), c.id >= func.coalesce(found, 0))
        .group_by(c.provider_id)
    )
    return {id_: highest for id_, highest in db.session.execute(rows) if highest is not None}


# --- who may see it -------------------------------------------------------------------------------


@scope_of(ReserveCheck)
def _checks_of(actor: Actor) -> ColumnElement[bool]:
    """A provider sees its own; regulator and operator all. The public sees the tier, at the provider."""
    match actor.audience:
        case Audience.REGULATOR | Audience.OPERATOR | Audience.SYSTEM:
            return true()
        case Audience.PROVIDER:
            return ReserveCheck.provider_id == actor.organization_id
        case _:
            return false()


@scope_of(Finding)
def _findings_of(actor: Actor) -> ColumnElement[bool]:
    """As the checks that they come of."""
    match actor.audience:
        case Audience.REGULATOR | Audience.OPERATOR | Audience.SYSTEM:
            return true()
        case Audience.PROVIDER:
            return Finding.provider_id == actor.organization_id
        case _:
            return false()


# --- what always holds ----------------------------------------------------------------------------


@invariants.rule(9, _l("the last reserve check, its statements and the ledger know one figure"))
def _checks_agree_with_the_ledger() -> Iterator[str]:
    """What a provider owes now, less what was posted since its last check, is what the check says.

    Of checks that name no size of the journal (the others: ``reserve_citations``). A posting that was under
    way when the check was made is not told from one before it by its time, nor one before it from one after
    it where the clock was set back by what is let pass: where one lies within the minute before the check
    or the seconds after it, nothing is said.
    """
    last = {id_: check for id_, check in reserve_standing.latest_checks().items() if check.journal_size is None}
    if not last:
        return
    owed = reserve_standing.liabilities(None)
    since = min(check.checked_at for check in last.values()) - IN_FLIGHT
    moved: dict[int, list[tuple[datetime, int]]] = {}
    for provider_id, posted_at, cents in db.session.execute(_moves_since(since)):
        moved.setdefault(provider_id, []).append((posted_at, cents))
    for provider_id, made in sorted(last.items()):
        moves = moved.get(provider_id, [])
        then = owed.get(provider_id, 0) - sum(cents for posted_at, cents in moves if posted_at > made.checked_at)
        first, last_at = made.checked_at - IN_FLIGHT, made.checked_at + STEP_BACK
        in_flight = any(first < posted_at <= last_at for posted_at, _ in moves)
        if then != made.liabilities_cents and not in_flight:
            yield (
                f"provider {provider_id}: by the check of {made.on_date} it owed {made.liabilities_cents} cents, "
                f"by the ledger {then}"
            )


def _moves_since(since: datetime) -> Select[int, datetime, int]:
    """What was posted to workers' lines in dollars, net, by provider and instant."""
    t, a, e = LedgerTransfer, LedgerAccount, LedgerEntry
    line = (a.kind == AccountKind.WORKER) & (a.unit == Unit.USD) & (e.posted_at >= since)
    came = select(a.organization_id, e.posted_at, t.amount.label("cents")).join(t, t.target_id == a.id)
    went = select(a.organization_id, e.posted_at, (-t.amount).label("cents")).join(t, t.source_id == a.id)
    moves = union_all(*(part.join(e, e.id == t.entry_id).where(line) for part in (came, went))).subquery()
    return select(moves.c.organization_id, moves.c.posted_at, func.sum(moves.c.cents).cast(BigInteger)).group_by(
        moves.c.organization_id, moves.c.posted_at
    )


@invariants.rule(10, _l("each day and provider has exactly one reserve check"))
def _each_day_is_checked() -> Iterator[str]:
    """From a provider's first daily check to the last day that anybody was checked for; the index keeps it to one."""
    c = ReserveCheck
    rows = db.session.execute(
        select(c.provider_id, func.count(), func.min(c.on_date), func.max(c.on_date))
        .where(c.cause == CheckCause.DAILY)
        .group_by(c.provider_id)
        .order_by(c.provider_id)
    ).all()
    last_on = max((last for *_, last in rows), default=None)
    for provider_id, count, first, _ in rows:
        assert last_on is not None, "there are rows"
        missing = (last_on - first).days + 1 - count
        if missing:
            yield f"provider {provider_id}: {missing} days between {first} and {last_on} have no daily check"
