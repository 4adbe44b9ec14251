"""Would a cutover keep every cent and every minute, and would the database take it?

Two answers, neither of which leaves a trace. ``conservation`` adds up, for each organization and
component, what stands there, what would leave, what would come and what would stand there then.
``tried`` really carries out batch after batch, with every rule of the database, and rolls each back.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import BigInteger, ColumnElement, func, select

from enrollment import cutover_control, switching
from enrollment.models import EnrollmentWindow, Switch
from enrollment.rehearsal import Rehearsal
from exchange.database import db, in_unit_of_work
from exchange.identity.actors import Actor
from exchange.ledger import totals
from exchange.ledger.accounts import AccountKind, LedgerAccount, LedgerBalance
from exchange.money import Unit
from exchange.policy.document import Policy


@dataclass(frozen=True, slots=True)
class Line:
    """What an organization owes its workers in one component and unit: now, and after the cutover."""

    organization_id: int
    component: str
    unit: Unit
    before: int
    leaves: int
    comes: int

    @property
    def after(self) -> int:
        """What would stand there then."""
        return self.before - self.leaves + self.comes


@dataclass(frozen=True, slots=True)
class Conservation:
    """Every line that holds something, by organization and component; ``totals`` by unit: (before, after)."""

    lines: list[Line]
    totals: Mapping[Unit, tuple[int, int]]

    @property
    def holds(self) -> bool:
        """Whether every unit's sum stays what it is, and no line would fall below zero."""
        return all(before == after for before, after in self.totals.values()) and all(
            line.after >= 0 for line in self.lines
        )


def conservation(rehearsal: Rehearsal) -> Conservation:
    """All workers' lines, and what the rehearsed moves would make of them; a few statements."""
    total = totals.current().c
    key_of_line = (total.organization_id, total.component, total.unit)
    rows = (
        select(*key_of_line, func.sum(total.amount).cast(BigInteger))
        .where(total.kind == AccountKind.WORKER)
        .group_by(*key_of_line)
    )
    before = {(org, component, unit): int(amount) for org, component, unit, amount in db.session.execute(rows)}
    leaves: dict[tuple[int, str, Unit], int] = {}
    comes: dict[tuple[int, str, Unit], int] = {}
    for move in rehearsal.moves:
        source, target = (move.from_id, move.component, move.unit), (move.to_id, move.to_component, move.unit)
        leaves[source] = leaves.get(source, 0) + move.amount
        comes[target] = comes.get(target, 0) + move.amount
    lines = [
        Line(*key, before=before.get(key, 0), leaves=leaves.get(key, 0), comes=comes.get(key, 0))
        for key in sorted({*before, *leaves, *comes})
        if before.get(key) or key in leaves or key in comes
    ]
    return summed(lines)


def summed(lines: list[Line]) -> Conservation:
    """The report that these lines make. Pure."""
    units = {
        unit: (
            sum(line.before for line in lines if line.unit is unit),
            sum(line.after for line in lines if line.unit is unit),
        )
        for unit in Unit
    }
    return Conservation(lines, units)


def by_name(lines: list[Line], *, organizations: Mapping[int, str], policy: Policy) -> list[Line]:
    """The lines as somebody looks for them: organizations by name, components as the policy lists them. Pure."""
    rank = {component.code: number for number, component in enumerate(policy.components)}

    def place(line: Line) -> tuple[str, int, int, str, bool]:
        name = organizations[line.organization_id]
        component = rank.get(line.component, len(rank))
        return name.casefold(), line.organization_id, component, line.component, line.unit is not Unit.USD

    return sorted(lines, key=place)


@dataclass(frozen=True, slots=True)
class Tried:
    """What came of one batch that was carried out and rolled back: so many workers; sums by unit of what they have."""

    workers: int
    before: Mapping[Unit, int]
    after: Mapping[Unit, int]


class _Back(Exception):
    """No error: how a unit of work is told to leave nothing behind."""

    def __init__(self, tried: Tried, last_id: int) -> None:
        super().__init__()
        self.tried = tried
        self.last_id = last_id


def tried(
    window: EnrollmentWindow, *, policy: Policy, by: Actor, at: datetime, limit: int = switching.BATCH
) -> Iterator[Tried]:
    """Carry out what is ordered in this window, as if it were ``at``, and roll each batch back at once.

    Each batch holds its workers as long as a real one would, and no longer.
    """
    window_id, last_id = window.id, 0
    while True:

        def batch(after: int = last_id) -> None:
            raise _batch(window_id, after, policy=policy, by=by, at=at, limit=limit)

        try:
            in_unit_of_work(batch)
        except _Back as back:
            if not back.tried.workers:
                return
            last_id = back.last_id
            yield back.tried


def _batch(window_id: int, after: int, *, policy: Policy, by: Actor, at: datetime, limit: int) -> _Back:
    cutover_control.held(window_id, shared=True)  # it is not netted without those whom we hold and let go again
    due = switching.due(at, window_id).where(Switch.id > after)
    ids = due.limit(limit).subquery()
    last_id = db.session.execute(select(func.max(ids.c.id))).scalar_one()
    if last_id is None:
        return _Back(Tried(0, {}, {}), after)
    theirs = (Switch.window_id == window_id) & (Switch.id > after) & (Switch.id <= last_id)
    before = _sums(theirs)
    workers = switching.carry_out(due.where(Switch.id <= last_id), policy=policy, by=by, at=at, limit=limit)
    return _Back(Tried(workers, before, _sums(theirs)), last_id)


def _sums(which: ColumnElement[bool]) -> Mapping[Unit, int]:
    a, b = LedgerAccount, LedgerBalance
    rows = (
        select(a.unit, func.sum(b.amount).cast(BigInteger))
        .join(b, b.account_id == a.id)
        .where(a.holder_id.in_(select(Switch.benefit_account_id).where(which)))
        .group_by(a.unit)
    )
    return {unit: int(amount) for unit, amount in db.session.execute(rows)}
