"""Which lines do the books have, and how is one opened?

A ledger account is one line: what an organization owes (or received) for a component in a unit, to
one benefit account or as a line that many share. Its name in the journal is opaque: ``la-<id>``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    UniqueConstraint,
    exists,
    func,
    insert,
    literal,
    select,
    text,
    update,
)
from sqlalchemy.orm import Mapped, mapped_column

from exchange.bulk import Prepared, insert_rows
from exchange.database import Base, Choice, core, db, insert_or_ignore, is_sqlite, one_of, rows_of
from exchange.ledger import staging
from exchange.money import Unit


class AccountKind(StrEnum):
    """What a line of the books says."""

    WORKER = "worker"  # what the organization owes one worker for an individual component
    POOL = "pool"  # what the organization received to buy cover of a pooled component
    FEE = "fee"  # what the organization kept for administration
    FUNDS = "funds"  # what an employer paid in and is not yet allotted to workers
    OUTSIDE = "outside"  # the world's side of every payment in and out
    ACCRUAL = "accrual"  # the world's side of leave minutes earned and taken


# On SQLite a foreign key. On PostgreSQL a trigger that looks once for all rows of a statement: see docs/adr/0006.
SET_BY_SET: Final[dict[str, str]] = {"only_on": "sqlite"}


def set_by_set(**references: str) -> tuple[ForeignKeyConstraint, ...]:
    """References that are checked so, by their columns: each names a column of another table."""
    return tuple(ForeignKeyConstraint([column], [to], info=SET_BY_SET) for column, to in references.items())


class LedgerAccount(Base):
    """One line of the books. Never deleted, and nothing of it ever changes."""

    __tablename__ = "ledger_account"
    __table_args__ = (
        one_of("kind", AccountKind),
        one_of("unit", Unit),
        CheckConstraint("(kind = 'worker') = (holder_id IS NOT NULL)", name="worker_has_holder"),
        # Lets a transfer's foreign keys hold both of its ends to its unit.
        UniqueConstraint("id", "unit", info=SET_BY_SET),
        ForeignKeyConstraint(["organization_id"], ["organization.id"], info=SET_BY_SET),
        Index(
            "uq_ledger_account_worker", "holder_id", "organization_id", "component", "unit",
            unique=True, postgresql_where=text("holder_id IS NOT NULL"), sqlite_where=text("holder_id IS NOT NULL"),
        ),
        Index(
            "uq_ledger_account_shared", "organization_id", "kind", "component", "unit",
            unique=True, postgresql_where=text("holder_id IS NULL"), sqlite_where=text("holder_id IS NULL"),
        ),
    )  # fmt: skip

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[AccountKind] = mapped_column(Choice(AccountKind))
    # In whose books the line stands: the provider that owes it; the exchange for what nobody else holds.
    organization_id: Mapped[int]
    # The benefit account it belongs to. No foreign key: the ledger does not know about workers.
    holder_id: Mapped[int | None]
    # Component code of the policy; empty for lines that belong to no component.
    component: Mapped[str] = mapped_column(default="")
    unit: Mapped[Unit] = mapped_column(Choice(Unit))


class LedgerBalance(Base):
    """What a worker's line amounts to now. Derived from transfers, can be rebuilt; never negative.

    A narrow table of its own, so that PostgreSQL updates its rows in place (HOT).
    """

    __tablename__ = "ledger_balance"
    __table_args__ = (
        CheckConstraint("amount >= 0", name="never_negative"),
        ForeignKeyConstraint(["account_id"], ["ledger_account.id"], info=SET_BY_SET),
        {"postgresql_with": {"fillfactor": "45"}},
    )

    account_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    amount: Mapped[int] = mapped_column(default=0)


class LedgerSharedBalance(Base):
    """The folded part of a shared line's balance (may be negative: the world owes what it paid in)."""

    __tablename__ = "ledger_shared_balance"

    account_id: Mapped[int] = mapped_column(ForeignKey("ledger_account.id"), primary_key=True, autoincrement=False)
    amount: Mapped[int] = mapped_column(default=0)


class LedgerSharedDelta(Base):
    """A change of a shared line that is not folded yet.

    Posting appends one row for each shared line it touches, instead of locking a row that everybody
    touches; ``balances.fold`` adds them up later. Balance = folded part + these.
    """

    __tablename__ = "ledger_shared_delta"
    __table_args__ = (Index("ix_ledger_shared_delta_account_id", "account_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("ledger_account.id"))
    amount: Mapped[int]


@dataclass(frozen=True, slots=True)
class Line:
    """What identifies a ledger account: a worker's line when ``holder_id`` is given, else a shared one."""

    kind: AccountKind
    organization_id: int
    unit: Unit
    component: str = ""
    holder_id: int | None = None


OwnLine = tuple[int, int, str, str]
"""What identifies a worker's line, where there are many: holder, organization, component, unit."""


def open_lines(lines: Iterable[Line]) -> dict[Line, int]:
    """The id of each line, opened first where it is not there yet. The same line twice is one line."""
    wanted = sorted(
        set(lines), key=lambda line: (line.holder_id or 0, line.organization_id, line.component, line.unit, line.kind)
    )
    db.session.flush()
    found = _find(wanted)
    missing = [line for line in wanted if line not in found]
    if missing:
        rows = [(one.kind.value, one.organization_id, one.holder_id, one.component, one.unit.value) for one in missing]
        _OPEN_ANY.run(rows)
        found |= _find(missing)
        _open_balances([found[line] for line in missing if line.holder_id is not None], _OPEN_BALANCES)
        _open_balances([found[line] for line in missing if line.holder_id is None], _OPEN_SHARED_BALANCES)
    return found


_PLACES: Final = Prepared(
    """
    SELECT a.holder_id, a.organization_id, a.component, a.unit, a.id FROM {rows}
    JOIN ledger_account a ON a.holder_id = asked.holder_id AND a.organization_id = asked.organization_id
    """,
    "asked",
    holder_id="bigint",
    organization_id="bigint",
)
_OPEN: Final = Prepared(
    """
    INSERT INTO ledger_account (kind, holder_id, organization_id, component, unit)
    SELECT 'worker', new.holder_id, new.organization_id, new.component, new.unit FROM {rows} WHERE true
    ON CONFLICT DO NOTHING RETURNING holder_id, organization_id, component, unit, id
    """,
    "new",
    holder_id="bigint",
    organization_id="bigint",
    component="text",
    unit="text",
)


def open_own(wanted: Collection[OwnLine]) -> dict[OwnLine, int]:
    """The ids of workers' lines, opened first where they are not there yet; others of the same workers may come too."""
    found = _find_own(wanted)
    missing = sorted(set(wanted) - found.keys())
    for start in range(0, len(missing), _CHUNK):
        opened = {
            (holder, organization, component, unit): id_
            for holder, organization, component, unit, id_ in _OPEN.run(missing[start : start + _CHUNK])
        }
        insert_rows(core(LedgerBalance), ["account_id", "amount"], ((id_, 0) for id_ in opened.values()))
        found |= opened
    # Those that somebody else has opened meanwhile have their balance from him.
    elsewhere = [line for line in missing if line not in found]
    return found | _find_own(elsewhere) if elsewhere else found


def _find_own(wanted: Collection[OwnLine]) -> dict[OwnLine, int]:
    """What these workers have with these organizations."""
    places = sorted({line[:2] for line in wanted})
    found: dict[OwnLine, int] = {}
    for start in range(0, len(places), _CHUNK):
        for holder, organization, component, unit, id_ in _PLACES.run(places[start : start + _CHUNK]):
            found[holder, organization, component, unit] = id_
    return found


def open_staged() -> None:
    """Open the lines that staged moves lead to and that are not there yet; their balances are written with the money.

    Several moves may lead to one line: it gets the number of the first, and all lead there.
    """
    staging.number_moves()
    m = staging.move
    line = (m.c.holder_id, m.c.organization_id, m.c.component, m.c.unit)
    names = ["id", "kind", *(column.name for column in line)]
    new = select(m.c.target_id, literal(AccountKind.WORKER.value), *line).where(m.c.opens, m.c.is_first)
    if is_sqlite():
        asked = db.session.execute(select(func.count()).where(m.c.opens)).scalar_one()
        has_followers = rows_of(db.session.execute(insert_or_ignore(LedgerAccount).from_select(names, new))) < asked
    else:
        db.session.execute(insert(core(LedgerAccount)).from_select(names, new))
        has_followers = db.session.execute(select(exists().where(~m.c.is_first))).scalar_one()
    if has_followers:
        a = core(LedgerAccount).c
        same = [a[column.name] == column for column in line]
        db.session.execute(update(m).where(m.c.opens, a.id != m.c.target_id, *same).values(target_id=a.id))
        staging.sum_moves()


_OPEN_ANY: Final = Prepared(
    """
    INSERT INTO ledger_account (kind, organization_id, holder_id, component, unit)
    SELECT new.kind, new.organization_id, new.holder_id, new.component, new.unit FROM {rows} WHERE true
    ON CONFLICT DO NOTHING
    """,
    "new",
    kind="text",
    organization_id="bigint",
    holder_id="bigint",
    component="text",
    unit="text",
)
_OPEN_BALANCES, _OPEN_SHARED_BALANCES = (
    Prepared(
        f"INSERT INTO {table} (account_id, amount) SELECT new.id, 0 FROM {{rows}} WHERE true ON CONFLICT DO NOTHING",  # noqa: S608 - our own names
        "new",
        id="bigint",
    )
    for table in (LedgerBalance.__tablename__, LedgerSharedBalance.__tablename__)
)


def _open_balances(ids: list[int], statement: Prepared) -> None:
    if ids:
        statement.run([(id_,) for id_ in ids])


_CHUNK = 5_000
_OWN_LINES: Final = Prepared(
    """
    SELECT id, kind, organization_id, unit, component, holder_id FROM ledger_account
    WHERE holder_id IN (SELECT asked.id FROM {rows})
    """,
    "asked",
    id="bigint",
)
_SHARED_LINES: Final = Prepared(
    """
    SELECT id, kind, organization_id, unit, component, holder_id FROM ledger_account
    WHERE holder_id IS NULL AND organization_id IN (SELECT asked.id FROM {rows})
    """,
    "asked",
    id="bigint",
)


def _find(lines: list[Line]) -> dict[Line, int]:
    """Those of the lines that are there. Asked by holder: a few lines more come back, and the question stays short."""
    wanted = set(lines)
    holders = sorted({line.holder_id for line in lines if line.holder_id is not None})
    organizations = sorted({line.organization_id for line in lines if line.holder_id is None})
    found: dict[Line, int] = {}
    for question, ids in ((_OWN_LINES, holders), (_SHARED_LINES, organizations)):
        for start in range(0, len(ids), _CHUNK):
            for id_, kind, organization, unit, component, holder in question.run(
                [(one,) for one in ids[start : start + _CHUNK]]
            ):
                found[Line(AccountKind(kind), organization, Unit(unit), component, holder)] = id_
    return {line: id_ for line, id_ in found.items() if line in wanted}
