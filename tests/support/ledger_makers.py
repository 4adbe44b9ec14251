"""How do tests come to ledger accounts, and how do they post and read in a line each?"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime

from sqlalchemy import select

from exchange.database import db, in_unit_of_work
from exchange.identity import organizations
from exchange.identity.actors import system_actor
from exchange.identity.organizations import OrganizationKind
from exchange.ledger import balances, journal
from exchange.ledger.accounts import AccountKind, Line, open_lines
from exchange.ledger.journal import LedgerKey, Posting, Transfer
from exchange.money import Unit

AT = datetime(2026, 11, 2, 17, tzinfo=UTC)
ON = date(2026, 11, 2)
BY = system_actor("test")


class Books:
    """A small set of books: the exchange, two providers, the world outside, and any number of workers."""

    def __init__(self) -> None:
        """Found the organizations and open the lines that many share, in a unit of work of its own."""
        in_unit_of_work(self._begin)

    def _begin(self) -> None:
        self.exchange = organizations.found("The exchange", kind=OrganizationKind.OPERATOR, by=BY, at=AT).id
        self.harbor = organizations.found("Harbor Union", kind=OrganizationKind.PROVIDER, by=BY, at=AT).id
        self.valley = organizations.found("Valley Mutual", kind=OrganizationKind.PROVIDER, by=BY, at=AT).id
        self.money = self.line(AccountKind.OUTSIDE, self.exchange)
        self.time = self.line(AccountKind.ACCRUAL, self.exchange, unit=Unit.MIN)
        self.pool = self.line(AccountKind.POOL, self.harbor, component="health")

    def line(
        self,
        kind: AccountKind,
        organization_id: int,
        *,
        unit: Unit = Unit.USD,
        component: str = "",
        holder: int | None = None,
    ) -> int:
        """The id of a ledger account, opened when it is not there."""
        line = Line(kind, organization_id, unit, component, holder)
        return open_lines([line])[line]

    def worker(
        self, holder: int, *, at: int | None = None, component: str = "retirement", unit: Unit = Unit.USD
    ) -> int:
        """A worker's line, with Harbor Union unless told otherwise; opened in a unit of work of its own."""
        provider = at or self.harbor
        return in_unit_of_work(
            lambda: self.line(AccountKind.WORKER, provider, unit=unit, component=component, holder=holder)
        )


def entry(key: str, *transfers: tuple[int, int, int], unit: Unit = Unit.USD, details: str | None = None) -> Posting:
    """A posting of (source, target, amount) transfers."""
    moved = tuple(Transfer(source, target, unit, amount) for source, target, amount in transfers)
    return Posting(key, "test", ON, moved, details=details)


Post = Callable[..., dict[str, int]]


def post(*postings: Posting) -> dict[str, int]:
    """Post in a unit of work of its own."""
    return in_unit_of_work(lambda: journal.post(postings, by=BY, at=AT))


def post_by_sets(*postings: Posting) -> dict[str, int]:
    """The same by way of the staging tables, as what posts thousands at once does."""

    def work() -> dict[str, int]:
        journal.stage(postings, {})
        journal.post_staged(by=BY, at=AT, subject=postings[0].key)
        keys = select(LedgerKey.key, LedgerKey.entry_id).where(LedgerKey.key.in_([p.key for p in postings]))
        return dict(db.session.execute(keys).all())

    return in_unit_of_work(work)


def balance(account_id: int) -> int:
    """What a ledger account amounts to."""
    amount = balances.line(account_id)
    assert amount is not None, "the line is open"
    return amount
