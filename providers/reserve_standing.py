"""How do providers stand by the books of this instant, and how would they stand if?

Brings the facts together for all providers at once, in five statements however many there are:
liabilities and pooled cost from the exchange's own ledger, holdings from the filings. Nothing is
written here.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Select, SQLColumnExpression, Subquery, func, select, union_all

from exchange.calendar import first_instant
from exchange.clock import local_date
from exchange.database import db
from exchange.ledger import earlier, totals
from exchange.ledger.accounts import AccountKind, LedgerAccount
from exchange.money import Unit
from exchange.policy.document import Policy, Requirement
from exchange.settlement import SettlementBatch, SettlementPosition
from providers import reserves
from providers.models import CheckCause, Provider, ReserveCheck, ReserveFiling, ReserveHolding
from providers.reserves import Position, Standing


@dataclass(frozen=True, slots=True)
class CheckPoint:
    """One check of a provider, for a chart or a table: cents, ratio in basis points (None: nothing required)."""

    on_date: date
    cause: CheckCause
    checked_at: datetime
    late: bool
    liabilities_cents: int
    required_cents: int
    held_cents: int
    ratio_bp: int | None
    tier: str


def positions(
    provider_ids: Collection[int] | None, *, policy: Policy, on: date, size: int | None = None
) -> dict[int, Position]:
    """The facts about these providers (None: all) by the present books, with the filings as of ``on`` or before.

    With a ``size``, liabilities are those of the sealed journal of so many entries, to the cent.
    """
    applied = {
        id_: local_date(at, policy.zone)
        for id_, at in db.session.execute(
            select(Provider.organization_id, Provider.applied_at)
            .where(_among(Provider.organization_id, provider_ids))
            .order_by(Provider.organization_id)
        )
    }
    owed = liabilities(provider_ids, size=size)
    pooled = _pooled(provider_ids, rules=policy.reserves.requirement, on=on)
    filings = _last_filings(provider_ids, on=on)
    holdings = _holdings(filings)
    settled = _settled_since(filings, zone=policy.zone, before=None if size is None else earlier.first_after(size))
    previous = _previous_tiers(provider_ids)
    found = {}
    for id_, applied_on in applied.items():
        filing_id, as_of = filings.get(id_, (None, None))
        came, weeks = pooled.get(id_, (0, 1))
        found[id_] = Position(
            provider_id=id_,
            applied_on=applied_on,
            liabilities_cents=owed.get(id_, 0),
            pooled_cents=came,
            weeks=weeks,
            holdings=holdings.get(filing_id, {}),
            moved_cents=settled.get(id_, 0),
            filing_id=filing_id,
            filed_as_of=as_of,
            previous=previous.get(id_),
        )
    return found


def standings(
    provider_ids: Collection[int] | None, *, policy: Policy, on: date, size: int | None = None
) -> dict[int, Standing]:
    """How these providers (None: all) stand now, or by what they owed when the journal had ``size`` entries."""
    return _all_standing(positions(provider_ids, policy=policy, on=on, size=size), policy=policy, on=on)


def projected(deltas: Mapping[int, int], *, policy: Policy, on: date) -> dict[int, Standing]:
    """How providers would stand if these balances moved: cents that come (or go, if negative) by provider.

    Cash moves with them by the settlement. What belongs to no provider (the exchange's own books) is left out.
    """
    moved = {
        id_: reserves.with_moved(position, delta_cents=deltas[id_])
        for id_, position in positions(list(deltas), policy=policy, on=on).items()
    }
    return _all_standing(moved, policy=policy, on=on)


def stress(
    provider_ids: Collection[int] | None, *, leave_bp: int, claims_bp: int, policy: Policy, on: date
) -> dict[int, Standing]:
    """How providers would stand if ``leave_bp`` of their members left and claims rose by ``claims_bp``."""
    moved = {
        id_: reserves.stressed(position, leave_bp=leave_bp, claims_bp=claims_bp)
        for id_, position in positions(provider_ids, policy=policy, on=on).items()
    }
    return _all_standing(moved, policy=policy, on=on)


def history(provider_id: int, *, since: date | None = None) -> list[CheckPoint]:
    """Every check of a provider, the oldest first."""
    c = ReserveCheck
    rows = (
        select(
            c.on_date, c.cause, c.checked_at, c.late, c.liabilities_cents, c.required_cents, c.held_cents,
            c.ratio_bp, c.tier,
        )
        .where(c.provider_id == provider_id)
        .order_by(c.on_date, c.id)
    )  # fmt: skip
    if since is not None:
        rows = rows.where(c.on_date >= since)
    return [CheckPoint(**row) for row in db.session.execute(rows).mappings()]


def checks_of(provider_id: int) -> Select[*tuple[Any, ...]]:
    """A SELECT of a provider's checks with every figure and the filing that counted, the latest first."""
    c = ReserveCheck
    return (
        select(
            c.id, c.on_date, c.cause, c.checked_at, c.late, c.liabilities_cents, c.individual_cents, c.pooled_cents,
            c.contingency_cents, c.required_cents, c.held_cents, c.ratio_bp, c.tier, c.ratio_tier, c.filing_id,
            c.filing_overdue,
        )
        .where(c.provider_id == provider_id)
        .order_by(c.on_date.desc(), c.id.desc())
    )  # fmt: skip


def latest_checks(provider_ids: Collection[int] | None = None) -> dict[int, ReserveCheck]:
    """The last check of each provider that has been checked."""
    last = _last_check_ids(provider_ids)
    rows = select(ReserveCheck).join(last, last.c.id == ReserveCheck.id)
    return {check.provider_id: check for check in db.session.execute(rows).scalars()}


def liabilities(provider_ids: Collection[int] | None, *, size: int | None = None) -> dict[int, int]:
    """What providers owe their workers, in cents: the sum of the workers' lines in their books.

    Now, or when the sealed journal had ``size`` entries. Leave minutes are not added: their cash value
    was set aside in cents when they were earned.
    """
    total = totals.current().c
    is_owed = (total.kind == AccountKind.WORKER) & (total.unit == Unit.USD)
    held = select(total.organization_id, total.amount.label("cents")).where(
        is_owed, _among(total.organization_id, provider_ids)
    )
    amounts = held.subquery()
    if size is not None:
        a, net = LedgerAccount, earlier.net_after(size)
        lines = (a.kind == AccountKind.WORKER) & (a.unit == Unit.USD) & _among(a.organization_id, provider_ids)
        since = select(a.organization_id, -net.c.amount).join(net, net.c.account_id == a.id).where(lines)
        amounts = union_all(held, since).subquery()
    cents = func.sum(amounts.c.cents).cast(BigInteger)
    rows = select(amounts.c.organization_id, cents).group_by(amounts.c.organization_id)
    return dict(db.session.execute(rows).all())


def _all_standing(facts: Mapping[int, Position], *, policy: Policy, on: date) -> dict[int, Standing]:
    return {id_: reserves.standing(position, rules=policy.reserves, on=on) for id_, position in facts.items()}


def _among(column: SQLColumnExpression[int], provider_ids: Collection[int] | None) -> ColumnElement[bool]:
    """The providers asked for; all of them when none are named."""
    every = select(Provider.organization_id)
    return column.in_(every if provider_ids is None else provider_ids)


def _pooled(provider_ids: Collection[int] | None, *, rules: Requirement, on: date) -> dict[int, tuple[int, int]]:
    """What came into each provider's pools in the weeks that count, corrections deducted, and how many weeks."""
    day = totals.pool_days().c
    rows = (
        select(day.organization_id, func.sum(day.cents).cast(BigInteger), func.min(day.effective_on))
        .where(
            day.effective_on.between(reserves.averaged_from(rules, on), on), _among(day.organization_id, provider_ids)
        )
        .group_by(day.organization_id)
    )
    return {
        id_: (cents, reserves.weeks_counted(rules, first_on=first_on, on=on))
        for id_, cents, first_on in db.session.execute(rows)
    }


def _last_filings(provider_ids: Collection[int] | None, *, on: date) -> dict[int, tuple[int, date]]:
    """The filing that counts for each provider: the latest as of ``on`` or before, the later filed of two."""
    f = ReserveFiling
    place = func.row_number().over(partition_by=f.provider_id, order_by=(f.as_of.desc(), f.id.desc())).label("place")
    ranked = (
        select(f.provider_id, f.id, f.as_of, place).where(f.as_of <= on, _among(f.provider_id, provider_ids)).subquery()
    )
    rows = select(ranked.c.provider_id, ranked.c.id, ranked.c.as_of).where(ranked.c.place == 1)
    return {provider_id: (id_, as_of) for provider_id, id_, as_of in db.session.execute(rows)}


def _settled_since(filings: Mapping[int, tuple[int, date]], *, zone: str, before: datetime | None) -> dict[int, int]:
    """The net cash that settlements in effect after each provider's filing gave it, or asked of it.

    What a provider owes for members who left counts against its reserves, paid or not; the next filing
    shows it (domain §9). A switch that is not in the books that the liabilities are of is not in here
    either: ``before`` is when the first posting that is missing there was made.
    """
    if not filings:
        return {}
    b, p = SettlementBatch, SettlementPosition
    earliest = first_instant(min(as_of for _, as_of in filings.values()), zone)
    rows = (
        select(p.organization_id, b.effective_at, p.net_cents)
        .join(b, b.id == p.batch_id)
        .where(b.effective_at >= earliest, p.organization_id.in_(filings))
    )
    if before is not None:
        rows = rows.where(b.netted_at < before)
    settled: dict[int, int] = {}
    for provider_id, effective_at, cents in db.session.execute(rows):
        if local_date(effective_at, zone) > filings[provider_id][1]:
            settled[provider_id] = settled.get(provider_id, 0) + cents
    return settled


def _holdings(filings: Mapping[int, tuple[int, date]]) -> dict[int | None, dict[str, int]]:
    h = ReserveHolding
    rows = select(h.filing_id, h.asset_class, h.amount_cents).where(
        h.filing_id.in_([id_ for id_, _ in filings.values()])
    )
    found: dict[int | None, dict[str, int]] = {}
    for filing_id, asset_class, cents in db.session.execute(rows):
        found.setdefault(filing_id, {})[asset_class] = cents
    return found


def _last_check_ids(provider_ids: Collection[int] | None) -> Subquery:
    """The check that counts: the last of the latest day. One made up for an earlier day says nothing of today."""
    c = ReserveCheck
    latest = (
        select(c.provider_id, func.max(c.on_date).label("on_date"))
        .where(_among(c.provider_id, provider_ids))
        .group_by(c.provider_id)
        .subquery()
    )
    of_that_day = (latest.c.provider_id == c.provider_id) & (latest.c.on_date == c.on_date)
    return select(func.max(c.id).label("id")).join(latest, of_that_day).group_by(c.provider_id).subquery()


def _previous_tiers(provider_ids: Collection[int] | None) -> dict[int, str]:
    last = _last_check_ids(provider_ids)
    rows = select(ReserveCheck.provider_id, ReserveCheck.ratio_tier).join(last, last.c.id == ReserveCheck.id)
    return dict(db.session.execute(rows).all())
