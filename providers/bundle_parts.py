"""What do providers' filings and reserve checks look like in the regulator's bundle?

Enough to compute every ratio and rung anew: what was filed, the rules of the law that held, and the
figures that the exchange came to.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import date
from typing import Any, Final

from sqlalchemy import Row, select

from exchange.database import core, db, to_microseconds
from exchange.ledger import bundle
from exchange.ledger.seal_store import JournalSeal, LiabilityStatement
from exchange.policy import versions
from exchange.policy.document import Reserves
from providers.models import ReserveCheck, ReserveCheckStatement, ReserveFiling, ReserveHolding

_AT_ONCE: Final = 1_000


@bundle.part("filings")
def filings(_size: int) -> Iterator[Any]:
    """Each filing with what was filed, in cents by asset class."""
    h = ReserveHolding
    holdings: dict[int, dict[str, int]] = {}
    for filing_id, code, cents in db.session.execute(select(h.filing_id, h.asset_class, h.amount_cents)):
        holdings.setdefault(filing_id, {})[code] = cents
    f = ReserveFiling
    for id_, provider_id, as_of in db.session.execute(select(f.id, f.provider_id, f.as_of).order_by(f.id)):
        yield {"id": id_, "provider": f"org-{provider_id}", "as_of": str(as_of), "holdings": holdings.get(id_, {})}


@bundle.part("rules")
def rules(_size: int) -> Iterator[Any]:
    """The rules of reserves that held for any check, in the order in which ``reserves`` numbers them."""
    yield from _Rules().all_of_them()


@bundle.part("reserves")
def reserve_checks(size: int) -> Iterator[Any]:
    """Every check in the order in which it was made, but those that speak of a journal longer than the bundle's."""
    numbers = _Rules()
    c = ReserveCheck
    rows = select(
        c.provider_id, c.on_date, c.cause, c.checked_at, c.filing_id, c.filing_overdue, c.liabilities_cents,
        c.individual_cents, c.pooled_cents, c.contingency_cents, c.required_cents, c.settlement_cents, c.held_cents,
        c.ratio_bp, c.ratio_tier, c.tier, c.journal_size, c.id,
    ).where(c.journal_size.is_(None) | (c.journal_size <= size)).order_by(c.id)  # fmt: skip
    for piece in db.session.execute(rows.execution_options(yield_per=_AT_ONCE)).partitions():
        cited = _cited([row.id for row in piece], size)
        for row in piece:
            yield _check(row, rules=numbers.of(row.on_date), cites=cited.get(row.id, []))


def _check(row: Row[*tuple[Any, ...]], *, rules: int, cites: list[int]) -> dict[str, Any]:
    return {
        "provider": f"org-{row.provider_id}",
        "on": str(row.on_date),
        "cause": str(row.cause),
        "checked_at": to_microseconds(row.checked_at),
        "rules": rules,
        "filing": row.filing_id,
        "overdue": row.filing_overdue,
        "journal": row.journal_size,
        "cites": cites,
        "liabilities": row.liabilities_cents,
        "individual": row.individual_cents,
        "pooled": row.pooled_cents,
        "contingency": row.contingency_cents,
        "required": row.required_cents,
        "settlement": row.settlement_cents,
        "held": row.held_cents,
        "ratio_bp": row.ratio_bp,
        "ratio_tier": row.ratio_tier,
        "tier": row.tier,
    }


def _cited(check_ids: Collection[int], size: int) -> dict[int, list[int]]:
    """The statements that each check cites, where all of them are in the journal of ``size`` entries."""
    r, s, j = core(ReserveCheckStatement).c, core(LiabilityStatement).c, core(JournalSeal).c
    joined = (
        core(ReserveCheckStatement)
        .join(core(LiabilityStatement), s.id == r.statement_id)
        .outerjoin(core(JournalSeal), (j.entry_id == s.entry_id) & (j.position < size))
    )
    rows = select(r.check_id, r.statement_id, j.position).select_from(joined).where(r.check_id.in_(check_ids))
    found: dict[int, list[int]] = {}
    waiting = set()
    for check_id, statement_id, position in db.session.execute(rows.order_by(r.check_id, r.statement_id)):
        found.setdefault(check_id, []).append(statement_id)
        waiting |= {check_id} if position is None else set()
    return {check_id: cited for check_id, cited in found.items() if check_id not in waiting}


class _Rules:
    """The law of each day on which somebody was checked, each version once."""

    def __init__(self) -> None:
        self._timeline = versions.timeline()
        days = db.session.execute(select(ReserveCheck.on_date).distinct().order_by(ReserveCheck.on_date)).scalars()
        self._order = list(dict.fromkeys(self._timeline.on(day)[0] for day in days))

    def of(self, on: date) -> int:
        """Which of the rules held on that day."""
        version_id, _ = self._timeline.on(on)
        return self._order.index(version_id)

    def all_of_them(self) -> Iterator[Any]:
        """The rules in their order."""
        for version_id in self._order:
            yield _written(versions.policy_of(versions.called(version_id)).reserves)


def _written(rule: Reserves) -> dict[str, Any]:
    return {
        "individual_bp": rule.requirement.individual_bp,
        "pooled_weeks": rule.requirement.pooled_weeks,
        "contingency_weeks": rule.requirement.contingency_weeks,
        "insured_cap_bp": rule.insured_cap_bp,
        "hysteresis_bp": rule.hysteresis_bp,
        "late_filing_drops": rule.late_filing_drops,
        "haircuts": {asset.code: asset.haircut_bp for asset in rule.assets},
        "ladder": [[tier.code, tier.at_least_bp] for tier in rule.ladder],
    }
