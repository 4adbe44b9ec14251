"""How does a paid remittance get into the books, and to whom?

The money comes in as one entry: from the world to the employer's funds. From there each contribution
is one entry of its own: divided by the package that the worker has *now*, to the last cent, into his
individual components, the provider's pools and its fee, together with the leave that the work earned.
Work of long ago goes to today's provider; the money of a worker who has chosen nobody is held by the
exchange, divided as the policy says. Interest and penalty are divided like the contribution itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, case, func, select, update

from enrollment import memberships
from enrollment.accrual import Rates, Work, accrue
from enrollment.memberships import Current
from enrollment.models import Contribution, Remittance, RemittanceState
from enrollment.splits import FEE, Split, held, in_force, leave_rates
from exchange import audit
from exchange.calendar import plan_year_of
from exchange.clock import local_date
from exchange.database import db
from exchange.identity.actors import Actor
from exchange.identity.organizations import exchange_id
from exchange.ledger import balances, invariants, journal, staging
from exchange.ledger.accounts import AccountKind, LedgerAccount, Line, open_lines
from exchange.ledger.journal import LedgerTransfer
from exchange.money import Unit, split
from exchange.policy import versions
from exchange.policy.document import Nature, Policy
from exchange.policy.versions import Timeline

_AT_ONCE = 5_000


class Posted(NamedTuple):
    """A contribution as it is posted."""

    id: int
    account_id: int
    place: str
    minutes: int
    rule: str
    policy_version_id: int
    amount_cents: int


@dataclass(frozen=True, slots=True)
class Move:
    """One transfer of a contribution's entry, between lines that may not be open yet."""

    source: Line
    target: Line
    amount: int


def post(remittance: Remittance, *, by: Actor, at: datetime) -> None:
    """Post a remittance whose money has come in, or that costs nothing; it becomes paid.

    The caller holds its row.
    """
    assert remittance.state is RemittanceState.REPORTED, "a remittance is posted once"
    contributions = _contributions_of(remittance.id)
    law = versions.timeline()
    today = local_date(at, law.policies[-1].zone)
    where = memberships.current_for_posting([one.account_id for one in contributions])
    plan = _Plan(law, law.on(today)[1], where, plan_year=plan_year_of(law.on(today)[1], today).id)
    funds = Line(AccountKind.FUNDS, remittance.employer_id, Unit.USD)
    staging.clear()
    ids = iter(staging.allot_ids(len(contributions) + 1))
    if remittance.total_cents:
        outside = Line(AccountKind.OUTSIDE, plan.exchange_id, Unit.USD)
        received = [Move(outside, funds, remittance.total_cents)]
        _stage([(next(ids), f"remittance:{remittance.id}", "remittance", received)], on=today, first=0)
    posted: list[dict[str, Any]] = []
    for start in range(0, len(contributions), _AT_ONCE):
        chunk = contributions[start : start + _AT_ONCE]
        entries = [(next(ids), one, moves) for one, moves in plan.moves(chunk, funds) if moves]
        _stage(
            [(id_, f"contribution:{one.id}", "contribution", moves) for id_, one, moves in entries],
            on=today,
            first=start + 1,
        )
        posted += [plan.whereabouts(one, id_) for id_, one, _ in entries]
    journal.post_staged(by=by, at=at, subject=f"remittance:{remittance.id}")
    for start in range(0, len(posted), _AT_ONCE):
        db.session.execute(update(Contribution), posted[start : start + _AT_ONCE])
    remittance.state, remittance.paid_at = RemittanceState.PAID, at
    audit.record(
        "remittance.paid", f"remittance:{remittance.id}", by=by, at=at, facts=f"cents={remittance.total_cents}"
    )
    db.session.flush()


def _contributions_of(remittance_id: int) -> list[Posted]:
    c = Contribution
    rows = (
        select(
            c.id, c.benefit_account_id, c.place, c.minutes, c.rule, c.policy_version_id,
            c.owed_cents + c.extra_cents + c.late_cents,
        )
        .where(c.remittance_id == remittance_id)
        # By account: tallies and balances are locked in one order by whoever posts.
        .order_by(c.benefit_account_id, c.id)
    )  # fmt: skip
    return [Posted(*row) for row in db.session.execute(rows)]


def _stage(entries: Sequence[tuple[int, str, str, Sequence[Move]]], *, on: date, first: int) -> None:
    """Put entries (id, key, kind, moves) where the journal looks; opens the lines that are missing."""
    lines = open_lines(line for *_, moves in entries for move in moves for line in (move.source, move.target))
    rows = [
        {
            "ordinal": first + ordinal,
            "entry_id": id_,
            "key": key,
            "kind": kind,
            "effective_on": on,
            "details_digest": None,
            "salt": None,
            "details": None,
            "corrects_id": None,
        }
        for ordinal, (id_, key, kind, _) in enumerate(entries)
    ]
    transfers = [
        {
            "entry_id": id_,
            "seq": seq,
            "source_id": lines[move.source],
            "target_id": lines[move.target],
            "unit": move.source.unit,
            "amount": move.amount,
        }
        for id_, _, _, moves in entries
        for seq, move in enumerate(moves)
    ]
    if rows:
        staging.add(rows, transfers)


# --- what goes where ------------------------------------------------------------------------------


class _Plan:
    """Where each worker is now, and how his provider splits what comes in."""

    def __init__(self, law: Timeline, present: Policy, where: Mapping[int, Current], *, plan_year: str) -> None:
        self.exchange_id = exchange_id()
        self._policies = dict(zip(law.ids, law.policies, strict=True))
        self._natures = {component.code: component.nature for component in present.components}
        self._where = where
        packages = {current.package_id for current in where.values() if current.package_id is not None}
        self._splits: dict[int | None, Split] = {None: held(present)}
        for package_id, one in in_force(packages, plan_year).items():
            self._splits[package_id] = one
        self._rates: dict[tuple[int | None, int, str], Rates] = {}

    def split_of(self, account_id: int) -> Split:
        """How this worker's contributions are split."""
        return self._splits[self._where[account_id].package_id]

    def whereabouts(self, one: Posted, entry_id: int) -> dict[str, Any]:
        """What is written on the contribution when it is posted."""
        return {
            "id": one.id,
            "provider_id": self._where[one.account_id].provider_id,
            "package_version_id": self.split_of(one.account_id).version_id,
            "entry_id": entry_id,
        }

    def moves(self, contributions: Sequence[Posted], funds: Line) -> Iterator[tuple[Posted, list[Move]]]:
        """Each contribution with its transfers; counts the work into the tallies of leave."""
        leave = accrue([Work(one.id, one.account_id, one.minutes, self._rates_of(one)) for one in contributions])
        for one in contributions:
            moves = self._money(one, funds) if one.amount_cents else []
            provider_id = self._where[one.account_id].provider_id
            for component, minutes in leave.get(one.id, ()):
                world = Line(AccountKind.ACCRUAL, self.exchange_id, Unit.MIN)
                moves.append(Move(world, _own(provider_id, component, Unit.MIN, one.account_id), minutes))
            yield one, moves

    def _money(self, one: Posted, funds: Line) -> list[Move]:
        provider_id = self._where[one.account_id].provider_id
        parts = split(one.amount_cents, self.split_of(one.account_id).shares_bp)
        return [
            Move(funds, self._target(provider_id, code, one.account_id), cents)
            for code, cents in parts.items()
            if cents
        ]

    def _target(self, provider_id: int, code: str, account_id: int) -> Line:
        if code == FEE:
            return Line(AccountKind.FEE, provider_id, Unit.USD)
        if self._natures[code] is Nature.POOLED:
            return Line(AccountKind.POOL, provider_id, Unit.USD, code)
        return _own(provider_id, code, Unit.USD, account_id)

    def _rates_of(self, one: Posted) -> Rates:
        if not one.rule or not one.minutes:
            return ()
        how = self.split_of(one.account_id)
        key = how.version_id, one.policy_version_id, one.place
        if key not in self._rates:
            self._rates[key] = leave_rates(how, self._policies[one.policy_version_id], one.place)
        return self._rates[key]


def _own(provider_id: int, component: str, unit: Unit, account_id: int) -> Line:
    return Line(AccountKind.WORKER, provider_id, unit, component, account_id)


# --- rules that always hold -----------------------------------------------------------------------


@invariants.rule(13, "what an employer paid for a worker stands in the books, to the cent")
def _contributions_are_posted() -> Iterator[str]:
    c, r, t = Contribution, Remittance, LedgerTransfer
    in_books = (
        select(t.entry_id, func.sum(t.amount).cast(BigInteger).label("cents"))
        .join(c, c.entry_id == t.entry_id)
        .where(t.unit == Unit.USD)
        .group_by(t.entry_id)
        .subquery()
    )
    paid = c.owed_cents + c.extra_cents + c.late_cents
    expected = case((r.state == RemittanceState.PAID, paid), else_=0)
    rows = (
        select(c.id, expected, func.coalesce(in_books.c.cents, 0))
        .join(r, r.id == c.remittance_id)
        .outerjoin(in_books, in_books.c.entry_id == c.entry_id)
        .where(func.coalesce(in_books.c.cents, 0) != expected)
        .limit(invariants.FIRST)
    )
    for id_, cents, booked in db.session.execute(rows):
        yield f"contribution {id_} is of {cents} cents, its entry of {booked}"


@invariants.rule(14, "an employer's funds are what was taken back from workers, and nothing else")
def _funds_are_allotted() -> Iterator[str]:
    c = Contribution
    returned = (
        select(c.employer_id, func.sum(c.owed_cents + c.extra_cents + c.late_cents).cast(BigInteger).label("cents"))
        .where(c.reversed_by_id.is_not(None))
        .group_by(c.employer_id)
        .subquery()
    )
    balance = balances.current()
    rows = (
        select(LedgerAccount.organization_id, balance.c.amount, func.coalesce(returned.c.cents, 0))
        .join(balance, balance.c.account_id == LedgerAccount.id)
        .outerjoin(returned, returned.c.employer_id == LedgerAccount.organization_id)
        .where(LedgerAccount.kind == AccountKind.FUNDS, balance.c.amount != func.coalesce(returned.c.cents, 0))
        .limit(invariants.FIRST)
    )
    for employer_id, cents, expected in db.session.execute(rows):
        yield f"employer {employer_id} has {cents} cents of funds, {expected} were taken back"
