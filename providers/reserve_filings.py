"""What does a provider say that it holds, as of which day?

A filing is never changed: a later one counts instead. Each one is checked against the books at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from flask_babel import lazy_gettext as _l
from sqlalchemy import ColumnElement, false, func, insert, select, true

from exchange import audit
from exchange.clock import local_date
from exchange.database import db
from exchange.errors import Refusal
from exchange.identity.access import scope_of
from exchange.identity.actors import Actor, Audience
from exchange.money import MAX_AMOUNT
from exchange.policy.document import Policy
from providers import reserve_checks, reserves
from providers.models import CheckCause, Provider, ProviderState, ReserveFiling, ReserveHolding
from providers.reserves import INSURED


class BadFiling(Refusal):
    """A filing that cannot be taken: its date or its amounts are wrong."""

    code = "bad_filing"


@dataclass(frozen=True, slots=True)
class Filed:
    """A filing and its lines: cents by asset class."""

    filing: ReserveFiling
    holdings: Mapping[str, int]

    @property
    def total_cents(self) -> int:
        """What was filed, before any haircut."""
        return sum(self.holdings.values())


def file_reserves(
    provider: Provider,
    *,
    as_of: date,
    holdings: Mapping[str, int],
    policy: Policy,
    by: Actor,
    at: datetime,
    note: str = "",
) -> ReserveFiling:
    """Take a provider's statement of what it holds (cents by asset class), and check its standing by it.

    ``reserves.INSURED`` names insured cover. Refuses ``BadFiling`` as ``refusal_to_file`` says.
    """
    refusal = refusal_to_file(provider, as_of=as_of, holdings=holdings, policy=policy, at=at)
    if refusal is not None:
        raise refusal
    filing = ReserveFiling(
        provider_id=provider.organization_id, as_of=as_of, filed_at=at, filed_by_id=by.login_id, note=note
    )
    db.session.add(filing)
    db.session.flush()
    rows = [
        {"filing_id": filing.id, "asset_class": code, "amount_cents": cents} for code, cents in sorted(holdings.items())
    ]
    db.session.execute(insert(ReserveHolding), rows)
    audit.record("reserves.filed", f"provider:{provider.organization_id}", by=by, at=at, facts=f"filing={filing.id}")
    reserve_checks.check(
        [provider.organization_id],
        policy=policy,
        on=local_date(at, policy.zone),
        cause=CheckCause.FILING,
        by=by,
        at=at,
    )
    return filing


def refusal_to_file(
    provider: Provider, *, as_of: date, holdings: Mapping[str, int], policy: Policy, at: datetime
) -> Refusal | None:
    """Why this statement is not taken; None when it is."""
    if provider.state is ProviderState.WITHDRAWN:
        return BadFiling(_l("This provider has been withdrawn."))
    today = local_date(at, policy.zone)
    if as_of > today:
        return BadFiling(
            _l("%(day)s lies ahead: a filing tells what is held today or was before.", day=as_of.isoformat())
        )
    last = _last_as_of(provider.organization_id)
    if last is not None and as_of < last:
        return BadFiling(
            _l("There is a filing as of %(last)s. File as of that day or a later one.", last=last.isoformat())
        )
    if reserves.filing_overdue(policy.reserves, filed_as_of=as_of, applied_on=as_of, on=today):
        return BadFiling(
            _l("%(day)s is too long ago: the next filing after it would be overdue already.", day=as_of.isoformat())
        )
    return _refusal_of_amounts(holdings, policy)


def latest(provider_id: int) -> Filed | None:
    """The filing that counts now, with its lines."""
    found = history(provider_id, at_most=1)
    return found[0] if found else None


def history(provider_id: int, *, at_most: int = 100) -> Sequence[Filed]:
    """The filings of a provider with their lines, the latest first."""
    f, h = ReserveFiling, ReserveHolding
    filings = (
        db.session.execute(
            select(f).where(f.provider_id == provider_id).order_by(f.as_of.desc(), f.id.desc()).limit(at_most)
        )
        .scalars()
        .all()
    )
    lines: dict[int, dict[str, int]] = {filing.id: {} for filing in filings}
    for filing_id, asset_class, cents in db.session.execute(
        select(h.filing_id, h.asset_class, h.amount_cents).where(h.filing_id.in_(lines)).order_by(h.asset_class)
    ):
        lines[filing_id][asset_class] = cents
    return [Filed(filing, lines[filing.id]) for filing in filings]


def filed(filing: ReserveFiling) -> Filed:
    """A filing together with its lines."""
    h = ReserveHolding
    rows = select(h.asset_class, h.amount_cents).where(h.filing_id == filing.id).order_by(h.asset_class)
    return Filed(filing, dict(db.session.execute(rows).all()))


@scope_of(ReserveFiling)
def _filings_of(actor: Actor) -> ColumnElement[bool]:
    """A provider sees its own; regulator and operator all."""
    match actor.audience:
        case Audience.REGULATOR | Audience.OPERATOR | Audience.SYSTEM:
            return true()
        case Audience.PROVIDER:
            return ReserveFiling.provider_id == actor.organization_id
        case _:
            return false()


def _refusal_of_amounts(holdings: Mapping[str, int], policy: Policy) -> Refusal | None:
    known = {INSURED, *(asset.code for asset in policy.reserves.assets)}
    for code, cents in holdings.items():
        if code not in known:
            return BadFiling(_l("The policy of this program does not know “%(code)s”.", code=code))
        if cents < 0:
            return BadFiling(_l("What is held is never less than nothing: write amounts without a sign."))
    if not holdings:
        return BadFiling(_l("Write at least one amount; 0 is one."))
    if sum(holdings.values()) > MAX_AMOUNT:
        return BadFiling(_l("These amounts are too large together."))
    return None


def _last_as_of(provider_id: int) -> date | None:
    return db.session.execute(
        select(func.max(ReserveFiling.as_of)).where(ReserveFiling.provider_id == provider_id)
    ).scalar_one()
