"""How do tests come to a full shelf?"""

from __future__ import annotations

from exchange import clock
from exchange.database import db, unit_of_work
from exchange.identity.actors import system_actor
from providers import packages
from providers.models import Package, Provider, VersionState
from tests.support.worker_makers import Market

BY = system_actor("test")


def more_packages(market: Market, count: int) -> list[int]:
    """So many more packages like the first one; the ids of their versions for the next plan year."""
    at = clock.now()
    made = []
    with unit_of_work():
        first = market.version_of(0)
        terms = packages.terms_of(first)
        provider = db.session.get_one(Provider, db.session.get_one(Package, first.package_id).provider_id)
        for _ in range(count):
            package = packages.create(provider, name=f"More {_count()}", by=BY, at=at)
            version = packages.draft(
                package, plan_year=market.next_year.id, terms=terms, policy=market.policy, by=BY, at=at
            )
            version.submitted_at = version.certified_at = version.listed_at = at
            version.state = VersionState.LISTED
            made.append(version.id)
    return made


def _count() -> int:
    return db.session.query(Package).count()
