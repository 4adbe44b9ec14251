"""How do the contributions of a remittance become entries of the books?

Piece by piece they come to Python with where their workers are, become postings like any others, and go back with the
numbers of their entries. What many have in common is looked up once for a piece: the lines, the splits of packages,
the rates of leave.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import Final, NamedTuple

from sqlalchemy import select

from enrollment import accrual, memberships
from enrollment.memberships import Current
from enrollment.models import Contribution, Remittance
from enrollment.posting_plan import WITH_NOBODY, Plan, Work
from exchange.bulk import Prepared
from exchange.identity.actors import Actor
from exchange.ledger import accounts, journal, staging
from exchange.ledger.accounts import AccountKind, Line, OwnLine
from exchange.ledger.journal import Posting, Transfer
from exchange.money import Unit

# More lines than these, and PostgreSQL would rather read whole tables; of fewer it looks up each by itself.
MANY: Final = 100
_USD, _MIN = Unit.USD.value, Unit.MIN.value
_WENT: Final = Prepared(
    """
    UPDATE contribution
    SET provider_id = went.provider_id, package_version_id = went.version_id, entry_id = went.entry_id
    FROM {rows} WHERE contribution.id = went.id
    """,
    "went",
    id="bigint",
    provider_id="bigint",
    version_id="bigint",
    entry_id="bigint",
)


_PIECE: Final = Prepared(
    """
    SELECT line, id, benefit_account_id, place, minutes, rule, policy_version_id, owed_cents + extra_cents + late_cents
    FROM contribution WHERE remittance_id = {remittance_id} AND line > {last} ORDER BY line LIMIT {size}
    """,
    values=("remittance_id", "last", "size"),
)


class Posted(NamedTuple):
    """A contribution as it is posted."""

    line: int
    id: int
    account_id: int
    place: str
    minutes: int
    rule: str
    policy_version_id: int
    amount_cents: int


class World(NamedTuple):
    """The lines on which the other side of a remittance stands."""

    outside_id: int
    funds_id: int
    accrual_id: int


Targets = Mapping[tuple[int, int], Sequence[tuple[str, int | None]]]
"""By package and provider: into which components money is divided, and the id of the line where many share it."""


def post(remittance: Remittance, plan: Plan, *, piece: int, on: date, by: Actor, at: datetime) -> None:
    """Put the remittance and its contributions, ``piece`` at a time, into the books, in the caller's transaction."""
    for number, contributions in enumerate(_pieces(remittance.id, piece)):
        if len(contributions) > MANY and number == 0:
            staging.plan_by_index()
        if len(contributions) == piece and number == 0:
            accounts_of = select(Contribution.benefit_account_id).where(Contribution.remittance_id == remittance.id)
            memberships.hold_for_posting(accounts_of)
        where = memberships.current_for_posting([one.account_id for one in contributions])
        plan.learn({current.package_id for current in where.values() if current.package_id is not None})
        world, targets = _shared_lines(remittance.employer_id, where.values(), plan)
        postings = [_received(remittance, world, on)] if number == 0 and remittance.total_cents else []
        postings += _postings(contributions, where, plan, world, targets, on)
        _mark(contributions, where, plan, journal.post(postings, by=by, at=at))


def _pieces(remittance_id: int, size: int) -> Iterator[list[Posted]]:
    """The contributions, in the order of the report's lines, so many at a time."""
    last = -1
    while True:
        found = [Posted(*row) for row in _PIECE.run(remittance_id=remittance_id, last=last, size=size)]
        if found:
            yield found
        if len(found) < size:
            return
        last = found[-1].line


def _received(remittance: Remittance, world: World, on: date) -> Posting:
    """The money comes in: the first entry of the remittance."""
    transfer = Transfer(world.outside_id, world.funds_id, Unit.USD, remittance.total_cents)
    return Posting(f"remittance:{remittance.id}", "remittance", on, (transfer,))


def _postings(
    contributions: Sequence[Posted], where: Mapping[int, Current], plan: Plan, world: World, targets: Targets, on: date
) -> Iterator[Posting]:
    """An entry for each contribution that moves something: money first, then the leave that the work earned."""
    leave = accrual.accrue([_work(one, where[one.account_id], plan) for one in contributions])
    moves = [
        _money(one, where[one.account_id], plan, targets) + _leave(one, where[one.account_id], leave.get(one.id, ()))
        for one in contributions
    ]
    own = accounts.open_own({target for each in moves for target, _ in each if isinstance(target, tuple)})
    for one, each in zip(contributions, moves, strict=True):
        transfers = []
        for target, amount in each:
            if not isinstance(target, tuple):
                transfers.append(Transfer(world.funds_id, target, Unit.USD, amount))
            elif target[-1] == _USD:
                transfers.append(Transfer(world.funds_id, own[target], Unit.USD, amount))
            else:
                transfers.append(Transfer(world.accrual_id, own[target], Unit.MIN, amount))
        if transfers:
            yield Posting(_key(one), "contribution", on, tuple(transfers))


def _shared_lines(employer_id: int, homes: Iterable[Current], plan: Plan) -> tuple[World, Targets]:
    """The lines that many share, opened where they are not there yet."""
    lines = {home: plan.targets(*home) for home in {(_package(now), now.provider_id) for now in homes}}
    world = (
        Line(AccountKind.OUTSIDE, plan.exchange_id, Unit.USD),
        Line(AccountKind.FUNDS, employer_id, Unit.USD),
        Line(AccountKind.ACCRUAL, plan.exchange_id, Unit.MIN),
    )
    shared = accounts.open_lines({*world, *(line for each in lines.values() for _, line in each if line is not None)})
    targets = {
        home: [(code, None if line is None else shared[line]) for code, line in each] for home, each in lines.items()
    }
    return World(*(shared[line] for line in world)), targets


def _money(one: Posted, now: Current, plan: Plan, targets: Targets) -> list[tuple[int | OwnLine, int]]:
    package_id = _package(now)
    return [
        (shared_id or (one.account_id, now.provider_id, code, _USD), cents)
        for (code, shared_id), cents in zip(
            targets[package_id, now.provider_id], plan.parts(package_id, one.amount_cents), strict=True
        )
        if cents
    ]


def _leave(one: Posted, now: Current, earned: Sequence[tuple[str, int]]) -> list[tuple[int | OwnLine, int]]:
    return [((one.account_id, now.provider_id, component, _MIN), minutes) for component, minutes in earned]


def _key(one: Posted) -> str:
    return f"contribution:{one.id}"


def _package(now: Current) -> int:
    return WITH_NOBODY if now.package_id is None else now.package_id


def _work(one: Posted, now: Current, plan: Plan) -> accrual.Work:
    """What of it earns leave: nothing where no rule holds for the work."""
    earns = bool(one.rule and one.minutes)
    rates = plan.rates(Work(_package(now), one.policy_version_id, one.place)) if earns else ()
    return accrual.Work(one.id, one.account_id, one.minutes, rates)


def _mark(contributions: Sequence[Posted], where: Mapping[int, Current], plan: Plan, ids: Mapping[str, int]) -> None:
    """Write on each contribution where it went: provider, the package's version, entry."""
    rows = []
    for one in contributions:
        now, entry_id = where[one.account_id], ids.get(_key(one))
        if entry_id is not None:
            rows.append((one.id, now.provider_id, plan.version(_package(now)), entry_id))
    if rows:
        _WENT.run(rows)
