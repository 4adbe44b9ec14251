"""Which signed statements does a reserve check rest on?

A check takes what is owed from the books as they were at a size of the sealed journal, and names that
size. The statements of the same journal are built afterwards, worker by worker, which takes longer
than a check may wait; then the check cites them. Both are figures of one state of one journal: where
they differ nothing is cited, and somebody has to look.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from flask_babel import lazy_gettext as _l
from sqlalchemy import BigInteger, ColumnElement, exists, func, insert, select, union_all

from exchange import audit
from exchange.database import core, db
from exchange.errors import Refusal
from exchange.identity.actors import Actor
from exchange.ledger import earlier, invariants
from exchange.ledger.accounts import AccountKind, LedgerAccount, LedgerBalance
from exchange.ledger.seal_store import LiabilityStatement
from exchange.money import Unit
from providers import reserve_standing
from providers.models import ReserveCheck, ReserveCheckStatement


class Disagreement(Refusal):
    """The statements of a provider do not add up to what its check says is owed."""

    code = "statements_disagree"
    status = 409


@dataclass(frozen=True, slots=True)
class Waiting:
    """Checks of one size of the journal that cite nothing yet: the first one's id, since when, and whose they are."""

    size: int
    first_id: int
    since: datetime
    provider_ids: frozenset[int]


def waiting(since: datetime) -> list[Waiting]:
    """What was checked since then and waits for its statements, oldest first. Where nothing is owed, none are made."""
    c = ReserveCheck
    rows = (
        select(c.journal_size, c.id, c.checked_at, c.provider_id, c.liabilities_cents)
        .where(c.checked_at >= since, c.journal_size.is_not(None), _is_uncited())
        .order_by(c.id)
    )
    found: dict[int, Waiting] = {}
    owing = set()
    for size, id_, at, provider_id, cents in db.session.execute(rows):
        assert size is not None, "it was asked for"
        one = found.get(size, Waiting(size, id_, at, frozenset()))
        found[size] = Waiting(size, one.first_id, one.since, one.provider_ids | {provider_id})
        owing |= {size} if cents else set()
    return [one for size, one in found.items() if size in owing]


def cite(size: int, *, by: Actor, at: datetime) -> int:
    """Let every check of that size of the journal cite the statements of its provider. Returns how many do now.

    Refuses ``Disagreement`` where they do not add up to what the check says: then none does. Twice is once.
    """
    c, s = ReserveCheck, LiabilityStatement
    pairs = (
        select(c.id, c.provider_id, c.liabilities_cents, s.id, s.unit, s.sum)
        .join(s, (s.organization_id == c.provider_id) & (s.journal_size == c.journal_size))
        .where(c.journal_size == size, _is_uncited())
        .order_by(c.id, s.id)
    )
    told: dict[int, tuple[int, int, int]] = {}
    rows = []
    for check_id, provider_id, cents, statement_id, unit, amount in db.session.execute(pairs):
        _, _, so_far = told.get(check_id, (provider_id, cents, 0))
        told[check_id] = provider_id, cents, so_far + (int(amount) if unit is Unit.USD else 0)
        rows.append({"check_id": check_id, "statement_id": statement_id})
    for check_id, (provider_id, cents, stated) in told.items():
        if stated != cents:
            raise Disagreement(
                _l(
                    "By check %(check)s provider %(provider)s owed %(cents)s cents, by its statements %(stated)s.",
                    check=check_id, provider=provider_id, cents=cents, stated=stated,
                )
            )  # fmt: skip
    if rows:
        db.session.execute(insert(core(ReserveCheckStatement)), rows)
        audit.record("reserves.cited", f"checkpoint:{size}", by=by, at=at, facts=f"checks={len(told)}")
    return len(told)


def statements_of(check_ids: Collection[int]) -> Mapping[int, list[LiabilityStatement]]:
    """The statements that each of these checks cites."""
    r, s = ReserveCheckStatement, LiabilityStatement
    rows = select(r.check_id, s).join(s, s.id == r.statement_id).where(r.check_id.in_(check_ids))
    found: dict[int, list[LiabilityStatement]] = {}
    for check_id, statement in db.session.execute(rows.order_by(r.check_id, s.component, s.unit.desc())):
        found.setdefault(check_id, []).append(statement)
    return found


@invariants.rule(9, _l("the last reserve check, its statements and the ledger know one figure"))
def _checks_agree_with_the_sealed_journal() -> Iterator[str]:
    """What a provider owes, less what the journal has got since the size that its last check names, is what it says."""
    sealed = {id_: one for id_, one in reserve_standing.latest_checks().items() if one.journal_size is not None}
    if not sealed:
        return
    owed = _owed_then([one.id for one in sealed.values()], size=min(one.journal_size or 0 for one in sealed.values()))
    cited = statements_of([one.id for one in sealed.values()])
    for provider_id, made in sorted(sealed.items()):
        told = f"provider {provider_id}: by the check of {made.on_date} it owed {made.liabilities_cents} cents, "
        if owed.get(provider_id, 0) != made.liabilities_cents:
            yield f"{told}by the ledger {owed.get(provider_id, 0)} when the journal had {made.journal_size} entries"
        stated = sum(int(one.sum) for one in cited.get(made.id, ()) if one.unit is Unit.USD)
        if made.id in cited and stated != made.liabilities_cents:
            yield f"{told}by the statements that it cites {stated}"


def _owed_then(check_ids: Collection[int], *, size: int) -> dict[int, int]:
    """What each provider owed at the size that its check names; one statement, so that it is of one state."""
    la, lb, c = core(LedgerAccount).c, core(LedgerBalance).c, core(ReserveCheck).c
    moves = earlier.moves_after(size).c
    line = (la.kind == AccountKind.WORKER) & (la.unit == Unit.USD) & c.id.in_(check_ids)
    mine = core(LedgerAccount).join(core(ReserveCheck), c.provider_id == la.organization_id)
    held = select(la.organization_id, lb.amount.label("cents")).select_from(
        mine.join(core(LedgerBalance), lb.account_id == la.id)
    )
    since = select(la.organization_id, -moves.amount).select_from(
        mine.join(moves.account_id.table, (moves.account_id == la.id) & (moves.position >= c.journal_size))
    )
    amounts = union_all(held.where(line), since.where(line)).subquery().c
    rows = select(amounts.organization_id, func.sum(amounts.cents).cast(BigInteger)).group_by(amounts.organization_id)
    return dict(db.session.execute(rows).all())


def _is_uncited() -> ColumnElement[bool]:
    return ~exists().where(ReserveCheckStatement.check_id == ReserveCheck.id)
