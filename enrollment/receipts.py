"""How far is a worker's switch, and what did it carry, to the cent and the minute?

The figures of a receipt are read from the journal's entry, not from the balances of today: before at
the old place, after at the new one, the same amount.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from flask_babel import lazy_gettext as _l
from sqlalchemy import ColumnElement, Text, literal_column, select
from sqlalchemy.orm import aliased

from enrollment.models import Switch, SwitchCause, SwitchState
from exchange import calendar
from exchange.clock import local_date
from exchange.database import core, db
from exchange.errors import NotFound
from exchange.identity.organizations import Organization
from exchange.ledger.accounts import LedgerAccount
from exchange.ledger.journal import LedgerEntry, LedgerTransfer
from exchange.money import Unit
from exchange.policy.document import Policy
from providers.models import Package


@dataclass(frozen=True, slots=True)
class SwitchShown:
    """A switch as its worker reads it. Packages and old provider's names; ``cash_by`` is the guarantee's day."""

    id: int
    state: SwitchState
    cause: SwitchCause
    old_provider: str
    old_package: str | None
    new_provider: str
    new_package: str
    ordered_at: datetime
    effective_at: datetime
    carried_out_at: datetime | None
    entry_id: int | None
    cash_by: date
    reason: str | None


@dataclass(frozen=True, slots=True)
class Carried:
    """One benefit of a receipt: what stood at the old place (cents; minutes, 0: none) and, the same, at the new one."""

    old_holder: str
    old_name: str
    new_holder: str
    new_name: str
    cents: int
    minutes: int


@dataclass(frozen=True, slots=True)
class Receipt:
    """A switch, its entry in the journal (None: there was nothing to move) and every balance that it carried."""

    switch: SwitchShown
    entry_key: str | None
    posted_at: datetime | None
    carried: tuple[Carried, ...]

    @property
    def cents(self) -> int:
        """All the money that was carried."""
        return sum(one.cents for one in self.carried)

    @property
    def minutes(self) -> int:
        """All the leave that was carried."""
        return sum(one.minutes for one in self.carried)


def switches_of(account_id: int, *, policy: Policy) -> Sequence[SwitchShown]:
    """A worker's switches, the latest first."""
    return _shown(account_id, None, policy)


def receipt(account_id: int, switch_id: int, *, policy: Policy) -> Receipt:
    """One switch of the worker with what it carried. ``NotFound`` when it is not his."""
    found = _shown(account_id, switch_id, policy)
    if not found:
        raise NotFound(_l("There is no such page or record, or it is not yours to see."))
    entry = db.session.get(LedgerEntry, found[0].entry_id) if found[0].entry_id is not None else None
    return Receipt(
        switch=found[0],
        entry_key=entry.key if entry else None,
        posted_at=entry.posted_at if entry else None,
        carried=tuple(_carried(entry.id, policy)) if entry else (),
    )


def _shown(account_id: int, switch_id: int | None, policy: Policy) -> list[SwitchShown]:
    s = Switch
    old_provider, new_provider = aliased(Organization), aliased(Organization)
    old_package, new_package = aliased(Package), aliased(Package)
    rows = (
        select(s, old_provider.name, old_package.name, new_provider.name, new_package.name)
        .join(old_provider, old_provider.id == s.from_provider_id)
        .outerjoin(old_package, old_package.id == s.from_package_id)
        .join(new_provider, new_provider.id == s.to_provider_id)
        .join(new_package, new_package.id == s.to_package_id)
        .where(of_account(account_id))
        .order_by(s.ordered_at.desc(), s.id.desc())
    )
    if switch_id is not None:
        rows = rows.where(s.id == switch_id)
    return [
        SwitchShown(
            id=switch.id,
            state=switch.state,
            cause=switch.cause,
            old_provider=left,
            old_package=left_package,
            new_provider=joined,
            new_package=joined_package,
            ordered_at=switch.ordered_at,
            effective_at=switch.effective_at,
            carried_out_at=switch.carried_out_at,
            entry_id=switch.entry_id,
            cash_by=_cash_by(switch.effective_at, policy),
            reason=switch.reason,
        )
        for switch, left, left_package, joined, joined_package in db.session.execute(rows)
    ]


def of_account(account_id: int) -> ColumnElement[bool]:
    """A worker's switches, each side by an index of its own: of those given up there are few.

    The words stand in the statement as in the indexes; as a parameter the planner could not hold one against the other.
    """
    s = Switch
    is_theirs, given_up = s.benefit_account_id == account_id, literal_column("'abandoned'", Text)
    return (is_theirs & (s.state != given_up)) | (is_theirs & (s.state == given_up))


def _cash_by(effective_at: datetime, policy: Policy) -> date:
    """By when the new provider must have the cash: the policy's guarantee."""
    days = policy.switching.cash_within_business_days
    return calendar.business_days_after(policy.calendar, local_date(effective_at, policy.zone), days)


def _carried(entry_id: int, policy: Policy) -> list[Carried]:
    names = {component.code: component.name for component in policy.components}
    source, target = core(LedgerAccount).alias("source"), core(LedgerAccount).alias("target")
    giver, taker = aliased(Organization), aliased(Organization)
    t = LedgerTransfer
    rows = (
        select(giver.name, source.c.component, taker.name, target.c.component, t.unit, t.amount)
        .join(source, source.c.id == t.source_id)
        .join(target, target.c.id == t.target_id)
        .join(giver, giver.id == source.c.organization_id)
        .join(taker, taker.id == target.c.organization_id)
        .where(t.entry_id == entry_id)
        .order_by(source.c.component, t.unit.desc())
    )
    amounts: dict[tuple[str, str, str, str], dict[Unit, int]] = {}
    for old, was, new, becomes, unit, amount in db.session.execute(rows):
        amounts.setdefault((old, names.get(was, was), new, names.get(becomes, becomes)), {})[unit] = amount
    return [Carried(*places, found.get(Unit.USD, 0), found.get(Unit.MIN, 0)) for places, found in amounts.items()]
