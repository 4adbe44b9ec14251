"""What does a provider sell, and how are the terms of a package drafted?

A package goes on year after year; its terms stand in versions, each for one plan year. What has been
submitted never changes again (the database refuses it too): who wants other terms drafts another
version. How a version is published and a package ended stands in ``publication``.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Final

from flask_babel import lazy_gettext as _l
from sqlalchemy import ColumnElement, bindparam, delete, func, insert, select, true

from exchange import audit
from exchange.calendar import plan_year_of
from exchange.clock import local_date
from exchange.database import db
from exchange.errors import NotAllowed, Refusal
from exchange.identity.access import scope_of
from exchange.identity.actors import Actor, Audience
from exchange.policy.document import Policy
from providers import health_plans, package_terms
from providers.decisions import OFFERING
from providers.models import Package, PackageComponent, PackageVersion, Provider, ProviderState, VersionState
from providers.package_terms import ComponentTerms, Terms

_V = VersionState

# State → the states it may become. Nothing else sets a state.
MAY_BECOME: Final[Mapping[VersionState, frozenset[VersionState]]] = MappingProxyType(
    {
        _V.DRAFT: frozenset({_V.SUBMITTED}),
        _V.SUBMITTED: frozenset({_V.CERTIFIED, _V.CLOSED}),  # closed: the regulator turned it down
        _V.CERTIFIED: frozenset({_V.LISTED, _V.CLOSED}),
        _V.LISTED: frozenset({_V.CLOSED}),
        _V.CLOSED: frozenset(),
    }
)
# State → what the audit log calls becoming it.
AUDITED_AS: Final[Mapping[VersionState, str]] = MappingProxyType(
    {
        _V.DRAFT: "package_version.drafted",
        _V.SUBMITTED: "package_version.submitted",
        _V.CERTIFIED: "package_version.certified",
        _V.LISTED: "package_version.listed",
        _V.CLOSED: "package_version.closed",
    }
)
MAX_NAME: Final = 120


class NotYours(NotAllowed):
    """The package is another provider's."""

    code = "not_your_package"


class BadName(Refusal):
    """A package's name is empty, too long, or another package's of the same provider."""

    code = "bad_package_name"


class NoSuchStep(Refusal):
    """The version's state does not lead to the one asked for."""

    code = "no_such_step"
    status = 409


class DraftThere(Refusal):
    """There is a draft for the plan year already."""

    code = "draft_there"
    status = 409


class NotForThisYear(Refusal):
    """The plan year is over, or no plan year at all."""

    code = "not_for_this_year"


class NotQualified(Refusal):
    """The provider is not qualified to offer packages."""

    code = "provider_not_qualified"


class Discontinued(Refusal):
    """The package ends before the plan year."""

    code = "package_discontinued"


# --- drafting -------------------------------------------------------------------------------------


def create(provider: Provider, *, name: str, by: Actor, at: datetime) -> Package:
    """Begin a package; it has no terms yet. Refuses ``BadName``, ``NotYours`` and a withdrawn provider."""
    act_for(provider.organization_id, by)
    if provider.state is ProviderState.WITHDRAWN:
        raise NotQualified(_l("This provider has been withdrawn."))
    name = name.strip()
    if not 1 <= len(name) <= MAX_NAME:
        raise BadName(_l("A package's name has between 1 and %(most)s characters.", most=MAX_NAME))
    taken = select(Package.id).where(
        Package.provider_id == provider.organization_id, func.lower(Package.name) == name.lower()
    )
    if db.session.execute(taken).first() is not None:
        raise BadName(_l("Another of your packages has this name."))
    package = Package(provider_id=provider.organization_id, name=name, created_at=at)
    db.session.add(package)
    db.session.flush()
    audit.record("package.created", f"package:{package.id}", by=by, at=at)
    return package


def draft(package: Package, *, plan_year: str, terms: Terms, policy: Policy, by: Actor, at: datetime) -> PackageVersion:
    """Draft terms for a plan year that is not over. A draft may still break rules; submitting it may not."""
    act_for(package.provider_id, by)
    refusal = (
        refusal_of_year(package, plan_year, policy=policy, at=at)
        or package_terms.refusal_to_keep(terms)
        or _refusal_of_second_draft(package, plan_year)
    )
    if refusal is not None:
        raise refusal
    numbers = select(func.max(PackageVersion.number)).where(
        PackageVersion.package_id == package.id, PackageVersion.plan_year == plan_year
    )
    version = PackageVersion(
        package_id=package.id,
        plan_year=plan_year,
        number=(db.session.execute(numbers).scalar_one() or 0) + 1,
        state=_V.DRAFT,
        created_at=at,
        **_columns(terms),
    )
    db.session.add(version)
    db.session.flush()
    _write_components(version, terms)
    record(version, by=by, at=at)
    return version


def edit(version: PackageVersion, *, terms: Terms, by: Actor, at: datetime) -> None:
    """Replace the terms of a draft. What has been submitted never changes."""
    act_for(provider_of(version), by)
    if version.state is not _V.DRAFT:
        raise NoSuchStep(_l("These terms have been submitted and never change. Draft another version."))
    refusal = package_terms.refusal_to_keep(terms)
    if refusal is not None:
        raise refusal
    for column, value in _columns(terms).items():
        setattr(version, column, value)
    db.session.flush()
    db.session.execute(delete(PackageComponent).where(PackageComponent.version_id == version.id))
    _write_components(version, terms)
    audit.record("package_version.edited", f"package_version:{version.id}", by=by, at=at)


def clone(version: PackageVersion, *, plan_year: str, policy: Policy, by: Actor, at: datetime) -> PackageVersion:
    """Draft the same terms for another plan year (or once more for the same one)."""
    package = db.session.get_one(Package, version.package_id)
    return draft(package, plan_year=plan_year, terms=terms_of(version), policy=policy, by=by, at=at)


def terms_of(version: PackageVersion) -> Terms:
    """What the version says."""
    return terms_of_all([version])[version.id]


def terms_of_all(versions: Collection[PackageVersion]) -> dict[int, Terms]:
    """What several versions say, by version id; one statement however many."""
    components = components_of([version.id for version in versions])
    return {
        version.id: Terms(
            summary=version.summary,
            fee_bp=version.fee_bp,
            service_area=version.service_area,
            components=components[version.id],
            withdrawal_terms=version.withdrawal_terms,
            health_plan_id=version.health_plan_id,
        )
        for version in versions
    }


_C = PackageComponent
_COMPONENTS = (
    select(_C.version_id, _C.component, _C.share_bp, _C.waiting_days, _C.accrual_hours, _C.vendor, _C.terms)
    .where(_C.version_id.in_(bindparam("version_ids", expanding=True)))
    .order_by(_C.version_id, _C.component)
)


def components_of(version_ids: Collection[int]) -> dict[int, tuple[ComponentTerms, ...]]:
    """The components of several versions with their terms, by version id, in the order of their codes."""
    found: dict[int, list[ComponentTerms]] = {id_: [] for id_ in version_ids}
    told = db.session.execute(_COMPONENTS, {"version_ids": list(found)})
    for version_id, component, share_bp, waiting_days, hours, vendor, terms in told:
        found[version_id].append(ComponentTerms(component, share_bp, waiting_days, hours, vendor, terms))
    return {id_: tuple(terms) for id_, terms in found.items()}


def provider_of(version: PackageVersion) -> int:
    """The organization whose package this is."""
    return db.session.execute(select(Package.provider_id).where(Package.id == version.package_id)).scalar_one()


# --- who may see it -------------------------------------------------------------------------------


def _qualified() -> ColumnElement[bool]:
    return Package.provider_id.in_(select(Provider.organization_id).where(Provider.state.in_(OFFERING)))


@scope_of(Package)
def _packages_of(actor: Actor) -> ColumnElement[bool]:
    """Everybody sees what is listed by qualified providers, a provider its own only; the overseers see all."""
    match actor.audience:
        case Audience.REGULATOR | Audience.OPERATOR | Audience.SYSTEM:
            return true()
        case Audience.PROVIDER:
            return Package.provider_id == actor.organization_id
        case _:
            listed = select(PackageVersion.package_id).where(PackageVersion.state == _V.LISTED)
            return _qualified() & Package.id.in_(listed)


@scope_of(PackageVersion)
def _versions_of(actor: Actor) -> ColumnElement[bool]:
    """As the packages; drafts are seen by their provider and the overseers."""
    match actor.audience:
        case Audience.REGULATOR | Audience.OPERATOR | Audience.SYSTEM:
            return true()
        case Audience.PROVIDER:
            own = select(Package.id).where(Package.provider_id == actor.organization_id)
            return PackageVersion.package_id.in_(own)
        case _:
            offered = select(Package.id).where(_qualified())
            return (PackageVersion.state == _V.LISTED) & PackageVersion.package_id.in_(offered)


# --- small things ---------------------------------------------------------------------------------


def refusal_of_year(package: Package, plan_year: str, *, policy: Policy, at: datetime) -> Refusal | None:
    """Why the package has no terms for that plan year; None when it may."""
    now = plan_year_of(policy, local_date(at, policy.zone)).id
    if len(plan_year) != len(now) or not (plan_year.isascii() and plan_year.isdigit()):
        return NotForThisYear(_l("A plan year is written like %(year)s.", year=now))
    if plan_year < now:
        return NotForThisYear(_l("The plan year %(year)s is over.", year=plan_year))
    return refusal_of_ended(package, plan_year)


def refusal_of_ended(package: Package, plan_year: str) -> Refusal | None:
    """Whether the package ends before that plan year."""
    if package.last_plan_year is None or plan_year <= package.last_plan_year:
        return None
    return Discontinued(_l("This package ends with %(year)s.", year=package.last_plan_year))


def _refusal_of_second_draft(package: Package, plan_year: str) -> Refusal | None:
    v = PackageVersion
    there = select(v.id).where(v.package_id == package.id, v.plan_year == plan_year, v.state == _V.DRAFT)
    if db.session.execute(there).first() is None:
        return None
    return DraftThere(_l("There is a draft for %(year)s already: change that one.", year=plan_year))


def _columns(terms: Terms) -> dict[str, object]:
    if terms.health_plan_id is not None:
        health_plans.health_plan(terms.health_plan_id)
    return {
        "summary": terms.summary,
        "fee_bp": terms.fee_bp,
        "withdrawal_terms": terms.withdrawal_terms,
        "service_area": terms.service_area,
        "health_plan_id": terms.health_plan_id,
    }


def _write_components(version: PackageVersion, terms: Terms) -> None:
    rows = [
        {
            "version_id": version.id,
            "component": one.component,
            "share_bp": one.share_bp,
            "waiting_days": one.waiting_days,
            "accrual_hours": one.accrual_hours,
            "vendor": one.vendor,
            "terms": one.terms,
        }
        for one in terms.components
    ]
    if rows:
        db.session.execute(insert(PackageComponent), rows)


def act_for(provider_id: int, by: Actor) -> None:
    """Refuse whoever may not act for the provider: its own staff may, operator and system may for any."""
    if by.audience is Audience.PROVIDER and by.organization_id == provider_id:
        return
    if by.audience not in {Audience.OPERATOR, Audience.SYSTEM}:
        raise NotYours(_l("This package is another provider's."))


def record(version: PackageVersion, *, by: Actor, at: datetime, reason: str | None = None) -> None:
    """Write down that the version has become what it is."""
    db.session.flush()
    facts = f"package={version.package_id} plan_year={version.plan_year} number={version.number}"
    audit.record(AUDITED_AS[version.state], f"package_version:{version.id}", by=by, at=at, reason=reason, facts=facts)
