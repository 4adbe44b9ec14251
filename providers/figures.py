"""Which figures about providers does whoever watches the exchange see?"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import func, select

from exchange.database import db
from exchange.figures import Sample, figure
from providers import reserve_standing
from providers.models import Provider


@figure("pbx_providers", "Providers by state.")
def _by_state(_at: datetime) -> Iterable[Sample]:
    rows = select(Provider.state, func.count()).group_by(Provider.state).order_by(Provider.state)
    for state, count in db.session.execute(rows):
        yield Sample(count, {"state": state})


@figure("pbx_reserve_tier", "Providers by the rung that their last reserve check found.")
def _by_tier(_at: datetime) -> Iterable[Sample]:
    tiers: dict[str, int] = {}
    for check in reserve_standing.latest_checks().values():
        tiers[check.tier] = tiers.get(check.tier, 0) + 1
    for tier, count in sorted(tiers.items()):
        yield Sample(count, {"tier": tier})
