"""How does a program read what everybody may see: packages on sale, providers, their reserves?

JSON over HTTP below ``/api/v1``, without a key, read-only. Described at ``/api/openapi.json``.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, Final

from flask_smorest import Blueprint
from webargs.flaskparser import FlaskParser

from exchange import clock
from exchange.identity import access
from exchange.identity.actors import ANONYMOUS
from exchange.policy import versions
from exchange.policy.document import Policy
from exchange.web import tables
from exchange.web.audiences import ROW
from providers import catalogue, profiles, reserve_standing, schemas, shelf
from providers.catalogue import Wanted
from providers.models import PackageVersion, Provider

PER_PAGE: Final = 50
HISTORY: Final = timedelta(days=366)


class StrictParser(FlaskParser):
    """Leaves unknown keys to the schemas, which refuse them."""

    DEFAULT_UNKNOWN_BY_LOCATION: Any = MappingProxyType({**FlaskParser.DEFAULT_UNKNOWN_BY_LOCATION, "query": None})


class OpenBlueprint(Blueprint):
    """A blueprint whose addresses are read strictly."""

    ARGUMENTS_PARSER = StrictParser()


bp = OpenBlueprint("market_api", __name__, url_prefix="/api/v1", description="What everybody may see")


@bp.get("/packages")
@bp.arguments(schemas.PackagesAsked, location="query")
@bp.response(200, schemas.PackagesSchema)
@bp.doc(security=[])
def packages(asked: dict[str, Any]) -> dict[str, Any]:
    """The packages on sale, narrowed; the lowest fee first."""
    at = clock.now()
    number = asked.pop("page")
    policy = versions.at_instant(at)
    wanted = Wanted(**{"plan_year": _plan_year(policy, at), **asked})
    matching = catalogue.matching(wanted).order_by(PackageVersion.fee_bp, PackageVersion.id)
    page = tables.read_page(matching, number=number, per_page=PER_PAGE)
    return {
        "plan_year": wanted.plan_year,
        "total": page.total,
        "page": page.number,
        "pages": page.pages,
        "packages": shelf.offers([row.id for row in page.rows]),
    }


@bp.get(f"/packages/<{ROW}:version_id>")
@bp.response(200, schemas.PackageSchema)
@bp.doc(security=[])
def package(version_id: int) -> shelf.Offer:
    """One version of a package that is on the shelf."""
    version = access.one(PackageVersion, ANONYMOUS, id=version_id)
    (offer,) = shelf.offers([version.id])
    return offer


@bp.get("/providers")
@bp.response(200, schemas.ProvidersSchema)
@bp.doc(security=[])
def providers() -> dict[str, Any]:
    """Every qualified provider and how it stands."""
    at = clock.now()
    year = _plan_year(versions.at_instant(at), at)
    return {"plan_year": year, "providers": profiles.profiles(year)}


@bp.get(f"/providers/<{ROW}:provider_id>/reserves")
@bp.arguments(schemas.ReservesAsked, location="query")
@bp.response(200, schemas.ReservesSchema)
@bp.doc(security=[])
def reserves(asked: dict[str, Any], provider_id: int) -> dict[str, Any]:
    """What a provider owed, had to hold and held, check by check."""
    at = clock.now()
    access.one(Provider, ANONYMOUS, organization_id=provider_id)
    earliest = clock.local_date(at, versions.at_instant(at).zone) - HISTORY
    since = max(asked.get("since", earliest), earliest)
    return {"provider_id": provider_id, "checks": reserve_standing.history(provider_id, since=since)}


def _plan_year(policy: Policy, at: datetime) -> str:
    return catalogue.plan_year_to_choose(policy, catalogue.plan_years_on_sale(policy, at=at), at=at)
