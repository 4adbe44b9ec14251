"""What may a worker choose from, and what would a choice do to everything he has?

Before he confirms, a worker sees the provider, the package, the date, every balance that moves and
where to, and what will not carry over or will change. What he sees comes from the same questions that
``elections`` and ``switching`` ask when they refuse and carry out.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import islice
from typing import Any, NamedTuple

from flask_babel import format_date, gettext
from sqlalchemy import ColumnElement, Select, select

from enrollment import elections, letters, memberships, overview, switching, windows
from enrollment.models import BenefitAccount, Election, ElectionState, EnrollmentWindow
from enrollment.standpoint import Standpoint
from exchange import calendar
from exchange.clock import local_date
from exchange.database import db
from exchange.errors import Refusal
from exchange.identity.actors import Actor
from exchange.identity.organizations import Organization, exchange_id
from exchange.policy.document import Policy
from providers import comparison, shelf
from providers.comparison import Loss
from providers.models import Package, PackageVersion, VersionState
from providers.shelf import Offer, Sold


class Choice(NamedTuple):
    """An offer as the worker meets it: whether it is what he has, and why he may not choose it (None: he may)."""

    offer: Offer
    is_mine: bool
    is_chosen: bool
    refusal: Refusal | None


@dataclass(frozen=True, slots=True)
class Move:
    """Where a balance goes: cents and minutes (None: no leave) of a component, and how it is called there."""

    name: str
    cents: int
    minutes: int | None
    holder: str
    new_name: str
    new_holder: str
    stays: bool


@dataclass(frozen=True, slots=True)
class Statement:
    """What a worker is shown before he confirms."""

    offer: Offer
    effective_at: datetime
    effective_on: date
    moves: tuple[Move, ...]
    losses: tuple[Loss, ...]
    changes_nothing: bool
    changes_provider: bool
    refusal: Refusal | None

    @property
    def cents(self) -> int:
        """All the money there is."""
        return sum(move.cents for move in self.moves)

    @property
    def minutes(self) -> int:
        """All the leave there is."""
        return sum(move.minutes or 0 for move in self.moves)


@dataclass(frozen=True, slots=True)
class Standing:
    """The choice that counts as things stand, and the window in which it was made."""

    window_id: int
    package: str
    provider: str
    effective_on: date
    plan_year: str


@dataclass(frozen=True, slots=True)
class OpenWindow:
    """An enrollment in which the worker may choose now; ``cause`` is None for open enrollment.

    ``left`` is the time until it closes. ``standing``: what he has chosen in it, which he can still undo.
    """

    id: int
    cause: str | None
    plan_year: str
    closes_at: datetime
    left: timedelta
    standing: Standing | None


# --- what is offered ------------------------------------------------------------------------------


def open_windows(account: BenefitAccount, *, policy: Policy, at: datetime) -> list[OpenWindow]:
    """Where the worker may choose now, the special enrollments first."""
    return told(windows.open_for(account, at), standing_of(account.id, policy=policy), policy=policy, at=at)


def told(
    open_: Sequence[EnrollmentWindow], standing: Mapping[str, Standing], *, policy: Policy, at: datetime
) -> list[OpenWindow]:
    """These windows as a worker is told of them whose choices these are, by plan year."""
    found = []
    for window in open_:
        cause = windows.cause_of(window, policy)
        year = plan_year_for(window, policy=policy, at=at)
        chosen = standing.get(year)
        found.append(
            OpenWindow(
                id=window.id,
                cause=cause.name if cause is not None else None,
                plan_year=year,
                closes_at=window.closes_at,
                left=window.closes_at - at,
                standing=chosen if chosen and chosen.window_id == window.id else None,
            )
        )
    return found


def standing_of(account_id: int, *, policy: Policy) -> dict[str, Standing]:
    """The choices of a worker that stand, by plan year."""
    return standing_by(db.session.execute(standing(Election.benefit_account_id == account_id)), policy=policy)


def standing(theirs: ColumnElement[bool]) -> Select[int, str, str, datetime, str]:
    """A SELECT of what ``standing_by`` tells of the elections that are ``theirs``."""
    e, v = Election, PackageVersion
    return (
        select(
            e.window_id, Package.name.label("package"), Organization.name.label("provider"), e.effective_at, e.plan_year
        )
        .select_from(e)
        .join(v, v.id == e.package_version_id)
        .join(Package, Package.id == v.package_id)
        .join(Organization, Organization.id == Package.provider_id)
        .where(theirs, e.state == ElectionState.STANDING)
    )


def standing_by(rows: Iterable[Sequence[Any]], *, policy: Policy) -> dict[str, Standing]:
    """Rows of ``standing`` as a worker is told of them, by plan year."""
    return {
        year: Standing(window_id, package, provider, local_date(effective_at, policy.zone), year)
        for window_id, package, provider, effective_at, year in rows
    }


def plan_year_for(window: EnrollmentWindow, *, policy: Policy, at: datetime) -> str:
    """For which plan year a choice made now in this window counts."""
    effective_on = local_date(elections.effective_instant(window, policy=policy, at=at), policy.zone)
    return calendar.plan_year_of(policy, effective_on).id


def on_sale(
    standpoint: Standpoint,
    *,
    plan_year: str,
    has: str | None = None,
    beside: Collection[int] = (),
    by_fee: bool = False,
    at_most: int | None = None,
) -> list[Sold]:
    """What is on sale where the worker lives.

    ``has``: only what has this component. ``beside``: without these versions. By provider and package, or the
    lowest fee first. ``at_most``: so many and no more.
    """
    rows: Iterable[Sold] = shelf.sold(plan_year, standpoint.place, market=standpoint.market).versions.values()
    if beside or has is not None:
        rows = (one for one in rows if one.version_id not in beside and (has is None or has in one.components))
    if by_fee:
        rows = sorted(rows, key=lambda one: one.fee_bp)
    return list(islice(rows, at_most))


def choices(
    standpoint: Standpoint, version_ids: Sequence[int], *, window: EnrollmentWindow, policy: Policy
) -> list[Choice]:
    """These versions as the worker meets them, in their order, and before them what he has, wherever it is listed.

    What is not on sale for him is left out, but for his own. What is on sale for this year and place can be refused
    for reasons of the worker's only: one answer serves all.
    """
    year = plan_year_for(window, policy=policy, at=standpoint.at)
    v, mine = PackageVersion, standpoint.package_id
    sold = shelf.sold(year, standpoint.place, market=standpoint.market)
    own = list(sold.of_package.get(mine, ())) if mine is not None else []
    refusals: dict[int, Refusal | None] = {}
    if not own and mine is not None:
        listed = select(v).where(v.package_id == mine, v.plan_year == year, v.state == VersionState.LISTED)
        for version in db.session.execute(listed).scalars():
            own = [version.id]
            why = elections.refusals_to_elect(
                standpoint.account,
                window=window,
                version=version,
                policy=policy,
                at=standpoint.at,
                known=(standpoint.provider_id, standpoint.place),
            )
            refusals[version.id] = next(why, None)
    shared = next(elections.refusals_of_worker(standpoint.account, window=window, at=standpoint.at), None)
    return [
        Choice(
            offer=offer,
            is_mine=offer.package_id == mine,
            is_chosen=offer.version_id in standpoint.chosen,
            refusal=refusals.get(offer.version_id, shared),
        )
        for offer in shelf.offers_known(
            [*own, *(id_ for id_ in version_ids if id_ in sold.versions)], market=standpoint.market
        )
    ]


def _refusal(
    account: BenefitAccount, version: PackageVersion, *, window: EnrollmentWindow, policy: Policy, at: datetime
) -> Refusal | None:
    refusals = elections.refusals_to_elect(account, window=window, version=version, policy=policy, at=at)
    return next(refusals, None)


def present_offer(account_id: int, *, policy: Policy, at: datetime) -> Offer | None:
    """The terms that hold for the worker now; None while the exchange holds what comes in."""
    package_id = memberships.current(account_id).package_id
    if package_id is None:
        return None
    year = calendar.plan_year_of(policy, local_date(at, policy.zone)).id
    version_id = shelf.version_in_force(package_id, year)
    return shelf.offers([version_id])[0] if version_id is not None else None


# --- before it is confirmed -----------------------------------------------------------------------


def statement(
    account: BenefitAccount, *, window: EnrollmentWindow, version: PackageVersion, policy: Policy, at: datetime
) -> Statement:
    """What the choice would do, as things stand; nothing is written."""
    offer = shelf.offers([version.id])[0]
    present = present_offer(account.id, policy=policy, at=at)
    current = memberships.current(account.id)
    effective_at = elections.effective_instant(window, policy=policy, at=at)
    return Statement(
        offer=offer,
        effective_at=effective_at,
        effective_on=local_date(effective_at, policy.zone),
        moves=tuple(moves_of(account.id, offer, policy=policy)),
        losses=comparison.losses(present, offer, policy=policy) if present else (),
        changes_nothing=current.package_id == offer.package_id,
        changes_provider=current.provider_id != offer.provider_id,
        refusal=_refusal(account, version, window=window, policy=policy, at=at),
    )


def moves_of(account_id: int, offer: Offer, *, policy: Policy) -> list[Move]:
    """Where each balance would stand after a switch to the offer."""
    offered = [component.component for component in offer.terms.components]
    targets = switching.destinations_of(policy, offered)
    names = {component.code: component.name for component in policy.components}
    exchange = db.session.get_one(Organization, exchange_id())
    moves = []
    for holding in overview.holdings_of(account_id, policy=policy):
        target = targets.get(holding.component)
        kept = target is None or target.held_by_exchange
        code = target.component if target else holding.component
        holder_id, holder = (exchange.id, exchange.name) if kept else (offer.provider_id, offer.provider_name)
        moves.append(
            Move(
                name=holding.name,
                cents=holding.cents,
                minutes=holding.minutes,
                holder=holding.holder,
                new_name=names.get(code, code),
                new_holder=holder,
                stays=(holder_id, code) == (holding.holder_id, holding.component),
            )
        )
    return moves


# --- confirmed ------------------------------------------------------------------------------------


def confirm(
    account: BenefitAccount,
    *,
    window: EnrollmentWindow,
    version: PackageVersion,
    policy: Policy,
    by: Actor,
    at: datetime,
) -> Election:
    """Record the choice and tell the worker under every address of his. Refuses as ``elections.elect``."""
    election = elections.elect(account, window=window, version=version, policy=policy, by=by, at=at)
    package = db.session.get_one(Package, version.package_id)
    provider = db.session.get_one(Organization, package.provider_id)
    letters.tell(
        account.id,
        lambda: (
            gettext("You chose %(package)s", package=package.name),
            gettext(
                "From %(day)s on: %(package)s of %(provider)s. Until %(closes)s you can undo this with one click.\n"
                "If it was not you, sign in, undo the choice and lock your account.",
                day=format_date(local_date(election.effective_at, policy.zone), "long"),
                package=package.name,
                provider=provider.name,
                closes=format_date(local_date(window.closes_at - timedelta(microseconds=1), policy.zone), "long"),
            ),
        ),
        by=by,
        at=at,
    )
    return election


def take_back(account: BenefitAccount, *, window: EnrollmentWindow, plan_year: str, by: Actor, at: datetime) -> None:
    """Undo the standing choice and tell the worker. Refuses as ``elections.undo``."""
    elections.undo(account, window=window, plan_year=plan_year, by=by, at=at)
    letters.tell(
        account.id,
        lambda: (
            gettext("Your choice is undone"),
            gettext("You stay where you are, unless you choose again before the enrollment closes."),
        ),
        by=by,
        at=at,
    )
