"""How do the terms of a package come on the shelf, and how do they leave it?

Draft, submitted, certified, listed for a plan year, closed. Each step asks the rules again: the law and
the provider's standing may have changed since the step before. A package that ends names the one its
members go to.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from flask_babel import lazy_gettext as _l
from sqlalchemy import select

from exchange import audit
from exchange.calendar import plan_year
from exchange.clock import local_date
from exchange.database import db
from exchange.errors import Refusal
from exchange.identity.actors import Actor, Audience
from exchange.policy.document import Policy
from providers import package_terms, qualification
from providers.decisions import NotARegulator
from providers.models import Package, PackageVersion, Provider, VersionState
from providers.packages import (
    MAY_BECOME,
    Discontinued,
    NoSuchStep,
    NotQualified,
    act_for,
    provider_of,
    record,
    refusal_of_ended,
    refusal_of_year,
    terms_of,
)

_V = VersionState


class NoSuccessor(Refusal):
    """A package ends without naming one that its members can go to."""

    code = "no_successor"


class NoticeTooShort(Refusal):
    """The end comes sooner than members must be told."""

    code = "notice_too_short"


def refusals_to_submit(version: PackageVersion, *, policy: Policy) -> list[Refusal]:
    """Every reason why this version cannot be published; none when it can. ``policy``: the plan year's."""
    package = db.session.get_one(Package, version.package_id)
    found: list[Refusal] = []
    if not qualification.may_offer(db.session.get_one(Provider, package.provider_id)):
        found.append(NotQualified(_l("Only a qualified provider publishes packages.")))
    ended = refusal_of_ended(package, version.plan_year)
    if ended is not None:
        found.append(ended)
    found.extend(package_terms.refusals_of(terms_of(version), policy=policy))
    return found


def submit(version: PackageVersion, *, policy: Policy, by: Actor, at: datetime) -> None:
    """Hand a draft in for certification; from now on its terms never change.

    Refuses the first of ``refusals_to_submit``.
    """
    act_for(provider_of(version), by)
    _must_become(version, _V.SUBMITTED)
    for refusal in refusals_to_submit(version, policy=policy):
        raise refusal
    version.state, version.submitted_at = _V.SUBMITTED, at
    record(version, by=by, at=at)


def certify(version: PackageVersion, *, policy: Policy, by: Actor, at: datetime) -> None:
    """A regulator finds the terms lawful. Refuses as ``submit``: the law may have changed since."""
    _regulator(by)
    _must_become(version, _V.CERTIFIED)
    for refusal in refusals_to_submit(version, policy=policy):
        raise refusal
    version.state, version.certified_at = _V.CERTIFIED, at
    record(version, by=by, at=at)


def turn_down(version: PackageVersion, *, reason: str, by: Actor, at: datetime) -> None:
    """A regulator does not certify a submitted version: it is closed, and another may be drafted."""
    _regulator(by)
    if version.state is not _V.SUBMITTED:
        raise NoSuchStep(_l("Only a version that has been submitted and not certified yet can be turned down."))
    _close(version, reason=reason, by=by, at=at)


def put_on_shelf(version: PackageVersion, *, policy: Policy, by: Actor, at: datetime) -> None:
    """List a certified version for its plan year; the one that was listed before it is closed.

    It is on sale while the provider is qualified and takes new members: see ``shelf.on_sale``.
    """
    act_for(provider_of(version), by)
    _must_become(version, _V.LISTED)
    for refusal in refusals_to_submit(version, policy=policy):
        raise refusal
    v = PackageVersion
    before = select(v).where(v.package_id == version.package_id, v.plan_year == version.plan_year, v.state == _V.LISTED)
    for replaced in db.session.execute(before).scalars():
        _close(replaced, reason=f"replaced by version {version.id}", by=by, at=at)
    version.state, version.listed_at = _V.LISTED, at
    record(version, by=by, at=at)


def take_off_shelf(version: PackageVersion, *, reason: str, by: Actor, at: datetime) -> None:
    """Close a certified or listed version. Who is in the package stays in it, on the same terms."""
    act_for(provider_of(version), by)
    if version.state not in {_V.CERTIFIED, _V.LISTED}:
        raise NoSuchStep(_l("Only a certified or listed version can be taken off the shelf."))
    _close(version, reason=reason, by=by, at=at)


def discontinue(
    package: Package, *, last_plan_year: str, successor: Package | None, policy: Policy, by: Actor, at: datetime
) -> None:
    """End a package with a plan year; its members go to the successor unless they choose otherwise.

    Refuses ``NoSuccessor``, ``NotForThisYear``, ``NoticeTooShort`` and ``Discontinued`` (it ends already).
    """
    act_for(package.provider_id, by)
    refusal = refusal_to_discontinue(package, last_plan_year=last_plan_year, successor=successor, policy=policy, at=at)
    if refusal is not None:
        raise refusal
    assert successor is not None, "a package without a successor is refused"
    package.last_plan_year, package.successor_id = last_plan_year, successor.id
    db.session.flush()
    v = PackageVersion
    later = select(v).where(v.package_id == package.id, v.plan_year > last_plan_year, v.state != _V.CLOSED)
    for version in db.session.execute(later.where(v.state != _V.DRAFT)).scalars():
        _close(version, reason=f"the package ends with {last_plan_year}", by=by, at=at)
    facts = f"last_plan_year={last_plan_year} successor={successor.id}"
    audit.record("package.discontinued", f"package:{package.id}", by=by, at=at, facts=facts)


def refusal_to_discontinue(
    package: Package, *, last_plan_year: str, successor: Package | None, policy: Policy, at: datetime
) -> Refusal | None:
    """Why the package cannot end so; None when it can."""
    wrong_year = refusal_of_year(package, last_plan_year, policy=policy, at=at)
    if package.last_plan_year is not None:
        return Discontinued(_l("This package ends with %(year)s already.", year=package.last_plan_year))
    if successor is None or successor.id == package.id:
        return NoSuccessor(_l("Name the package that the members go to: nobody is left without one."))
    if wrong_year is not None:
        return wrong_year
    if successor.last_plan_year is not None:
        return NoSuccessor(_l("“%(name)s” ends itself. Name a package that goes on.", name=successor.name))
    if not qualification.may_offer(db.session.get_one(Provider, successor.provider_id)) or not _was_listed(successor):
        return NoSuccessor(_l("“%(name)s” is not offered. Name a package that is.", name=successor.name))
    ends_on = plan_year(policy, last_plan_year).ends_on
    told_by = ends_on - timedelta(days=policy.notices.package_discontinued_days)
    if local_date(at, policy.zone) > told_by:
        return NoticeTooShort(
            _l("To end with %(year)s it had to be announced by %(day)s.", year=last_plan_year, day=told_by.isoformat())
        )
    return None


def close_past_years(current: str, *, by: Actor, at: datetime) -> int:
    """Close what is still listed for plan years before ``current``; returns how many versions."""
    v = PackageVersion
    over = select(v).where(v.state.in_((_V.LISTED, _V.CERTIFIED)), v.plan_year < current).order_by(v.id)
    closed = 0
    for version in db.session.execute(over).scalars():
        _close(version, reason="the plan year is over", by=by, at=at)
        closed += 1
    return closed


def _close(version: PackageVersion, *, reason: str, by: Actor, at: datetime) -> None:
    _must_become(version, _V.CLOSED)
    version.state, version.closed_at = _V.CLOSED, at
    record(version, by=by, at=at, reason=reason)


def _must_become(version: PackageVersion, state: VersionState) -> None:
    if state not in MAY_BECOME[version.state]:
        raise NoSuchStep(_l("This version cannot take that step from where it stands now."))


def _was_listed(package: Package) -> bool:
    listed = select(PackageVersion.id).where(PackageVersion.package_id == package.id, PackageVersion.state == _V.LISTED)
    return db.session.execute(listed.limit(1)).first() is not None


def _regulator(by: Actor) -> None:
    if by.audience is not Audience.REGULATOR or by.login_id is None:
        raise NotARegulator(_l("Only a regulator certifies packages."))
