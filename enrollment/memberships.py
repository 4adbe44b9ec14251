"""With whom is a worker, at every instant?

Memberships of one account follow one another without gap or overlap. Whoever puts money on a
worker's lines asks ``current_for_posting`` first: it holds the membership still until his transaction
ends, so that a cutover at the same moment cannot leave the money with the provider left behind.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Final, NamedTuple

from flask_babel import lazy_gettext as _l
from sqlalchemy import Select, func, select
from sqlalchemy.orm import aliased

from enrollment.models import BenefitAccount, Membership, MembershipCause
from exchange.bulk import Prepared
from exchange.database import db, is_sqlite
from exchange.ledger import invariants


class Current(NamedTuple):
    """Where an account is now: membership, provider's (or the exchange's) organization, package."""

    membership_id: int
    provider_id: int
    package_id: int | None


_CHUNK = 5_000


def begin_first(account_id: int, *, provider_id: int, cause: MembershipCause, at: datetime) -> None:
    """The first membership of a new account."""
    db.session.add(Membership(benefit_account_id=account_id, provider_id=provider_id, cause=cause, starts_at=at))
    db.session.flush()


def current(account_id: int) -> Membership:
    """The membership that has no end."""
    return db.session.execute(
        select(Membership).where(Membership.benefit_account_id == account_id, Membership.ends_at.is_(None))
    ).scalar_one()


def at_instant(account_id: int, instant: datetime) -> Membership | None:
    """The membership that held at an instant; None before the account was opened."""
    return db.session.execute(
        select(Membership).where(
            Membership.benefit_account_id == account_id,
            Membership.starts_at <= instant,
            Membership.ends_at.is_(None) | (Membership.ends_at > instant),
        )
    ).scalar_one_or_none()


def current_for_posting(account_ids: Collection[int]) -> dict[int, Current]:
    """Where each account is now, held still (row locks, ascending) until the transaction ends."""
    db.session.flush()
    found: dict[int, Current] = {}
    wanted = sorted(set(account_ids))
    while wanted:
        for start in range(0, len(wanted), _CHUNK):
            found |= _read_locked(wanted[start : start + _CHUNK])
        # A row that a cutover ended while we waited for it drops out: ask again, the new one is there.
        wanted = [account_id for account_id in wanted if account_id not in found]
    return found


def hold_for_posting(account_ids: Select[int]) -> None:
    """Hold the present memberships of the selected accounts still, as ``current_for_posting`` does, set by set.

    Two who post for the same workers take turns: neither can wait for a balance that the other holds while it
    holds one itself.
    """
    if is_sqlite():
        return
    m = Membership
    wanted = account_ids.distinct().subquery()
    present = m.benefit_account_id.in_(select(wanted)) & m.ends_at.is_(None)
    held = select(m.id).where(present).order_by(m.id).with_for_update(key_share=True).subquery()
    count = db.session.execute(select(func.count()).select_from(wanted)).scalar_one()
    # A row that a cutover ended while we waited for it drops out: ask again, the new one is there.
    while db.session.execute(select(func.count()).select_from(held)).scalar_one() < count:
        pass


def _read_locked(account_ids: list[int]) -> dict[int, Current]:
    found = _HELD.run([(account_id,) for account_id in account_ids])
    return {account_id: Current(id_, provider, package) for account_id, id_, provider, package in found}


_HELD: Final = Prepared(
    """
    SELECT benefit_account_id, id, provider_id, package_id FROM membership
    WHERE benefit_account_id IN (SELECT asked.id FROM {rows}) AND ends_at IS NULL ORDER BY id {for_share}
    """,
    "asked",
    id="bigint",
)


def counts() -> dict[int, int]:
    """How many members each organization has now."""
    rows = (
        select(Membership.provider_id, func.count())
        .where(Membership.ends_at.is_(None))
        .group_by(Membership.provider_id)
    )
    return dict(db.session.execute(rows).all())


@invariants.rule(7, _l("at every instant a worker is with exactly one provider"))
def _no_gap_no_overlap() -> Iterable[str]:
    m = Membership
    follows = func.lead(m.starts_at).over(partition_by=m.benefit_account_id, order_by=m.starts_at)
    chain = select(m.benefit_account_id, m.ends_at, follows.label("next_at")).subquery()
    torn = (
        select(chain.c.benefit_account_id)
        .where(chain.c.ends_at.is_distinct_from(chain.c.next_at))
        .limit(invariants.FIRST)
    )
    for account_id in db.session.execute(torn).scalars():
        yield f"the memberships of benefit account {account_id} have a gap or overlap"
    any_membership = aliased(Membership)
    without = (
        select(BenefitAccount.id)
        .outerjoin(any_membership, any_membership.benefit_account_id == BenefitAccount.id)
        .where(any_membership.id.is_(None))
        .limit(invariants.FIRST)
    )
    for account_id in db.session.execute(without).scalars():
        yield f"benefit account {account_id} is with nobody"
