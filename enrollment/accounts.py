"""Which benefit account is a worker's, and what stands in it?

The account number is permanent: it never changes when the worker switches, and is never used again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from flask_babel import lazy_gettext as _l
from sqlalchemy import ColumnElement, Select, false, select, true

from enrollment import account_numbers, memberships
from enrollment.models import BenefitAccount, Membership, MembershipCause, Worker
from exchange import audit
from exchange.database import db
from exchange.errors import NotFound, Refusal
from exchange.identity.access import scope_of
from exchange.identity.actors import Actor, Audience
from exchange.identity.organizations import Organization, exchange_id
from exchange.ledger.accounts import AccountKind, LedgerAccount, LedgerBalance
from exchange.money import Unit

TRIES = 10  # 2^40 numbers: two collisions in a row do not happen


class AccountClosed(Refusal):
    """The account takes nothing any more."""

    code = "account_closed"


class NotEmpty(Refusal):
    """An account that still holds something is not closed."""

    code = "account_not_empty"


@dataclass(frozen=True, slots=True)
class Balance:
    """One line of a worker's statement: with whom, which component, how much (cents or minutes)."""

    organization_id: int
    organization_name: str
    component: str
    unit: Unit
    amount: int


def open_account(worker: Worker, *, by: Actor, at: datetime) -> BenefitAccount:
    """Open the worker's account. Until he chooses a package, the exchange holds what comes in."""
    account = BenefitAccount(number=_free_number(), worker_id=worker.id, opened_at=at)
    db.session.add(account)
    db.session.flush()
    memberships.begin_first(account.id, provider_id=exchange_id(), cause=MembershipCause.OPENED, at=at)
    audit.record("benefit_account.opened", f"benefit_account:{account.id}", by=by, at=at)
    return account


def _free_number() -> str:
    for _ in range(TRIES):
        number = account_numbers.generate()
        if db.session.execute(select(BenefitAccount.id).where(BenefitAccount.number == number)).first() is None:
            return number
    raise AssertionError("no free account number was found")


def close(account: BenefitAccount, *, by: Actor, at: datetime) -> None:
    """Close an account for good. Refused while anything stands in it."""
    if any(line.amount for line in balances_of(account.id)):
        raise NotEmpty(_l("This account still holds money or leave. Withdraw it first."))
    account.closed_at = at
    audit.record("benefit_account.closed", f"benefit_account:{account.id}", by=by, at=at)


def set_switch_lock(account: BenefitAccount, *, locked: bool, by: Actor, at: datetime) -> None:
    """Lock the account against switches, or take the lock off (domain §7: switches the worker never made)."""
    account.switch_locked = locked
    audit.record(
        "benefit_account.locked" if locked else "benefit_account.unlocked",
        f"benefit_account:{account.id}",
        by=by,
        at=at,
    )


def of_worker(worker: Worker) -> BenefitAccount:
    """The worker's account."""
    return db.session.execute(select(BenefitAccount).where(BenefitAccount.worker_id == worker.id)).scalar_one()


def by_number(text: str) -> BenefitAccount:
    """The account that a number names. Refuses a number that is none, and one that nobody has."""
    account = db.session.execute(
        select(BenefitAccount).where(BenefitAccount.number == account_numbers.parse(text))
    ).scalar_one_or_none()
    if account is None:
        raise NotFound(_l("No account has this number. Compare it with the card."))
    return account


def balances_of(account_id: int) -> Sequence[Balance]:
    """Every line of the worker's, by component: the opening statement of a switch is just this."""
    return [Balance(*row) for row in db.session.execute(balances(LedgerAccount.holder_id == account_id))]


def balances(theirs: ColumnElement[bool]) -> Select[int, str, str, Unit, int]:
    """A SELECT of the columns of ``Balance`` for the lines that are ``theirs``."""
    return (
        select(
            LedgerAccount.organization_id,
            Organization.name,
            LedgerAccount.component,
            LedgerAccount.unit,
            LedgerBalance.amount,
        )
        .select_from(LedgerAccount)
        .join(LedgerBalance, LedgerBalance.account_id == LedgerAccount.id)
        .join(Organization, Organization.id == LedgerAccount.organization_id)
        .where(theirs, LedgerAccount.kind == AccountKind.WORKER)
        .order_by(LedgerAccount.component, LedgerAccount.unit.desc(), LedgerAccount.organization_id)
    )


@scope_of(BenefitAccount)
def _accounts_of(actor: Actor) -> ColumnElement[bool]:
    """A worker sees his own; a provider its members'; operator and regulator all; employers none."""
    match actor.audience:
        case Audience.WORKER:
            return BenefitAccount.worker_id.in_(select(Worker.id).where(Worker.login_id == actor.login_id))
        case Audience.PROVIDER:
            members = select(Membership.benefit_account_id).where(
                Membership.provider_id == actor.organization_id, Membership.ends_at.is_(None)
            )
            return BenefitAccount.id.in_(members)
        case Audience.OPERATOR | Audience.REGULATOR | Audience.SYSTEM:
            return true()
        case _:
            return false()
