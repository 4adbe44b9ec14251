"""What has happened in a worker's account, line by line and in words?

Every entry of the journal that touches one of his lines, the latest first: contributions, switches,
leave taken, corrections. What a switch moves is his before and after, so it counts neither as in nor
as out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from flask_babel import gettext
from sqlalchemy import Select, select
from sqlalchemy.orm import aliased

from enrollment import own_entries
from enrollment.models import Contribution, LeaveRequest, Switch, SwitchState
from exchange.clock import local_date
from exchange.database import core, db
from exchange.identity.organizations import Organization
from exchange.ledger.accounts import LedgerAccount
from exchange.ledger.journal import LedgerEntry, LedgerTransfer
from exchange.money import Unit
from exchange.policy.document import Policy
from exchange.web.filters import short_day


class Direction(StrEnum):
    """Whether a movement put something into the account, took it out, or moved what is in it."""

    IN = "in"
    OUT = "out"
    MOVED = "moved"


@dataclass(frozen=True, slots=True)
class Part:
    """What a movement did to one component: cents and minutes (0: none)."""

    component: str
    cents: int
    minutes: int


@dataclass(frozen=True, slots=True)
class Movement:
    """One entry's effect on the account in one direction: the deed in words, its parts and their sum."""

    entry_id: int
    posted_on: date
    words: str
    direction: Direction
    parts: tuple[Part, ...]
    switch_id: int | None

    @property
    def cents(self) -> int:
        """All the money that moved."""
        return sum(part.cents for part in self.parts)

    @property
    def minutes(self) -> int:
        """All the leave that moved."""
        return sum(part.minutes for part in self.parts)


@dataclass(frozen=True, slots=True)
class _Deed:
    words: str
    switch_id: int | None = None


def entries_of(account_id: int) -> Select[int]:
    """A SELECT of the ids of the entries that touch the account, the latest first."""
    # Asked before, and named one by one: of the lines that nobody has named the planner expects as many transfers
    # as a line has on average, and the world's side has most of them.
    lines = db.session.execute(own_entries.lines(account_id)).scalars().all()
    return (
        select(LedgerEntry.id)
        .where(LedgerEntry.id.in_(own_entries.touching(account_id, lines)))
        .order_by(LedgerEntry.posted_at.desc(), LedgerEntry.id.desc())
    )


def movements(entry_ids: Sequence[int], *, account_id: int, policy: Policy) -> list[Movement]:
    """What these entries did to the account, in their order."""
    deeds = _deeds(entry_ids, account_id)
    names = {component.code: component.name for component in policy.components}
    found: dict[int, dict[Direction, dict[str, dict[Unit, int]]]] = {id_: {} for id_ in entry_ids}
    posted_at: dict[int, datetime] = {}
    for entry_id, at, direction, code, unit, amount in _transfers(entry_ids, account_id):
        posted_at[entry_id] = at
        amounts = found[entry_id].setdefault(direction, {}).setdefault(names.get(code, code), {})
        amounts[unit] = amounts.get(unit, 0) + amount
    return [
        Movement(
            entry_id=id_,
            posted_on=local_date(posted_at[id_], policy.zone),
            words=deeds[id_].words,
            direction=direction,
            parts=tuple(
                Part(name, amounts.get(Unit.USD, 0), amounts.get(Unit.MIN, 0)) for name, amounts in parts.items()
            ),
            switch_id=deeds[id_].switch_id,
        )
        for id_ in entry_ids
        for direction, parts in found[id_].items()
    ]


def _transfers(entry_ids: Sequence[int], account_id: int) -> Iterator[tuple[int, datetime, Direction, str, Unit, int]]:
    source, target = core(LedgerAccount).alias(), core(LedgerAccount).alias()
    t = LedgerTransfer
    rows = (
        select(
            t.entry_id, LedgerEntry.posted_at, t.unit, t.amount,
            source.c.holder_id, source.c.component, target.c.holder_id, target.c.component,
        )
        .join(LedgerEntry, LedgerEntry.id == t.entry_id)
        .join(source, source.c.id == t.source_id)
        .join(target, target.c.id == t.target_id)
        .where(
            t.entry_id.in_(entry_ids), (source.c.holder_id == account_id) | (target.c.holder_id == account_id)
        )
        .order_by(t.entry_id, t.seq)
    )  # fmt: skip
    for entry_id, at, unit, amount, giver, given, taker, taken in db.session.execute(rows):
        direction = Direction.MOVED if giver == taker else Direction.OUT if giver == account_id else Direction.IN
        yield entry_id, at, direction, given if direction is Direction.OUT else taken, unit, amount


def _deeds(entry_ids: Sequence[int], account_id: int) -> dict[int, _Deed]:
    """What each entry was, asked for by the worker: no index leads from an entry to its deed."""
    deeds = {id_: _Deed(gettext("Correction by the exchange")) for id_ in entry_ids}
    for found in (_contributions, _taken_back, _switches, _leave):
        deeds |= found(entry_ids, account_id)
    return deeds


def _contributions(entry_ids: Sequence[int], account_id: int) -> dict[int, _Deed]:
    c = Contribution
    rows = (
        select(c.entry_id, Organization.name, c.work_from, c.work_to)
        .join(Organization, Organization.id == c.employer_id)
        .where(c.benefit_account_id == account_id, c.entry_id.in_(entry_ids))
    )
    return {
        int(id_ or 0): _Deed(
            gettext("Contribution of %(employer)s for %(days)s", employer=name, days=_days(first, last))
        )
        for id_, name, first, last in db.session.execute(rows)
    }


def _taken_back(entry_ids: Sequence[int], account_id: int) -> dict[int, _Deed]:
    c = Contribution
    rows = (
        select(c.reversed_by_id, Organization.name, c.work_from, c.work_to)
        .join(Organization, Organization.id == c.employer_id)
        .where(c.benefit_account_id == account_id, c.reversed_by_id.in_(entry_ids))
    )
    return {
        int(id_ or 0): _Deed(
            gettext("Contribution of %(employer)s for %(days)s taken back", employer=name, days=_days(first, last))
        )
        for id_, name, first, last in db.session.execute(rows)
    }


def _switches(entry_ids: Sequence[int], account_id: int) -> dict[int, _Deed]:
    left, joined = aliased(Organization), aliased(Organization)
    rows = (
        select(Switch.entry_id, Switch.id, left.name, joined.name)
        .join(left, left.id == Switch.from_provider_id)
        .join(joined, joined.id == Switch.to_provider_id)
        .where(
            Switch.benefit_account_id == account_id,
            Switch.state != SwitchState.ABANDONED,
            Switch.entry_id.in_(entry_ids),
        )
    )
    return {
        int(id_ or 0): _Deed(gettext("Switch from %(old)s to %(new)s", old=old, new=new), switch_id)
        for id_, switch_id, old, new in db.session.execute(rows)
    }


def _leave(entry_ids: Sequence[int], account_id: int) -> dict[int, _Deed]:
    r = LeaveRequest
    rows = select(r.entry_id, r.first_day, r.last_day).where(
        r.benefit_account_id == account_id, r.entry_id.in_(entry_ids)
    )
    return {
        int(id_ or 0): _Deed(gettext("Leave taken, %(days)s", days=_days(first, last)))
        for id_, first, last in db.session.execute(rows)
    }


def _days(first: date, last: date) -> str:
    if first == last:
        return short_day(first)
    return str(gettext("%(first)s to %(last)s", first=short_day(first), last=short_day(last)))
