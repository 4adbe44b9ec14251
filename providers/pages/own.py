"""Whose pages are these: which provider does the signed-in member of staff act for, and what of it is his to see?"""

from __future__ import annotations

from exchange.database import db
from exchange.identity import access
from exchange.identity.access import current_actor
from exchange.identity.organizations import Organization
from providers.models import Package, PackageVersion, Provider


def own_provider() -> Provider:
    """The provider of this request's person. ``NotFound`` where the organization is none."""
    actor = current_actor()
    return access.one(Provider, actor, organization_id=access.require_organization(actor))


def own_name() -> str:
    """The name that the provider is registered under."""
    return db.session.get_one(Organization, access.require_organization(current_actor())).name


def own_package(package_id: int) -> Package:
    """A package of the provider; ``NotFound`` for everybody else's."""
    return access.one(Package, current_actor(), id=package_id)


def own_version(version_id: int) -> PackageVersion:
    """A version of one of the provider's packages; ``NotFound`` for everybody else's."""
    return access.one(PackageVersion, current_actor(), id=version_id)
