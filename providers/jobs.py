"""What has to happen to providers and packages every day, by itself?"""

from __future__ import annotations

from datetime import date, datetime, time, timedelta

from flask_babel import lazy_gettext as _l
from sqlalchemy import func, select

from exchange.calendar import plan_year_of
from exchange.clock import local_date
from exchange.database import db
from exchange.identity.actors import Actor
from exchange.policy import versions
from exchange.scheduler.jobs import daily_job, program_zone
from exchange.scheduler.telling import Telling, number_of, said
from providers import publication, reserve_checks
from providers.models import CheckCause, Provider, ReserveCheck


def first_unchecked_date() -> date | None:
    """The first local date for which some provider lacks a daily check; None while there is no provider."""
    c = ReserveCheck
    last = select(c.provider_id, func.max(c.on_date)).where(c.cause == CheckCause.DAILY).group_by(c.provider_id)
    checked = dict(db.session.execute(last).all())
    zone = str(program_zone())
    return min(
        (
            checked[id_] + timedelta(days=1) if id_ in checked else local_date(applied_at, zone)
            for id_, applied_at in db.session.execute(select(Provider.organization_id, Provider.applied_at))
        ),
        default=None,
    )


@daily_job(
    "check-reserves",
    _l("Computes for every provider what it must hold and what it holds, and acts where a border is crossed."),
    after=time(1),
    since=first_unchecked_date,
    order=30,
)
def check_reserves(on: date, *, by: Actor, at: datetime) -> Telling:
    """Every provider once for the date. A missed date is made up for with the books of now, and marked late."""
    policy = versions.on(on)
    late = on < local_date(at, policy.zone)
    made = reserve_checks.check(None, policy=policy, on=on, cause=CheckCause.DAILY, by=by, at=at, late=late)
    low = sum(not standing.tier.on_sale for standing in made)
    checked = number_of("%(num)s provider checked", "%(num)s providers checked", len(made))
    return checked + said("%(low)s of them off the shelf", low=low)


@daily_job(
    "close-past-plan-years",
    _l("Takes off the shelf what was offered for plan years that are over."),
    order=40,
)
def close_past_plan_years(on: date, *, by: Actor, at: datetime) -> Telling:
    """Twice on a day is once."""
    closed = publication.close_past_years(plan_year_of(versions.on(on), on).id, by=by, at=at)
    return number_of("%(num)s version closed", "%(num)s versions closed", closed)
