"""What does somebody see who has come for the first time: what this is, when one can choose, and how big it is?"""

from __future__ import annotations

from dataclasses import dataclass

from flask import current_app, render_template
from flask.typing import ResponseReturnValue
from flask_babel import lazy_gettext as _l
from sqlalchemy import func, select

from enrollment import memberships, punctuality, windows
from enrollment.models import EnrollmentWindow, Membership
from exchange import clock, remembered, revision
from exchange.database import db
from exchange.identity.actors import Audience
from exchange.policy import versions
from exchange.web import kept, tables
from exchange.web.audiences import audience_blueprint
from exchange.web.kept import Facts
from providers import catalogue, profiles, shelf
from providers.decisions import OFFERING
from providers.models import Provider
from providers.pages.wording import KIND_WORDS, tiers_shown
from providers.profiles import Profile

bp = audience_blueprint("home", __name__, Audience.PUBLIC)
bp.add_to_nav("front", _l("Home"), order=0)


@dataclass(frozen=True, slots=True)
class Figures:
    """How large the market is: qualified providers, packages on sale, workers who are a provider's member."""

    providers: int
    packages: int
    members: int


@dataclass(frozen=True, slots=True)
class Placed:
    """One line of the league table."""

    profile: Profile
    members: int
    switches: int
    in_time_bp: int | None


@dataclass(frozen=True, slots=True)
class Seen:
    """What the first page is written from: the window that is open or comes next, and who is a member already."""

    window: EnrollmentWindow | None
    is_open: bool
    members: int


@bp.get("/")
def front() -> ResponseReturnValue:
    """The first page."""
    return kept.page(_seen, _front)


def _seen() -> Facts[Seen]:
    """Which window it is follows from the time; what it says, and the offers, from the market."""
    moment = revision.moment()
    window = windows.next_open_enrollment(moment.at)
    seen = Seen(
        window=window,
        is_open=window is not None and window.opens_at <= moment.at,
        members=remembered.counts("members of providers", _members)[""],
    )
    return Facts((moment.market, None if window is None else window.id, seen.is_open, seen.members), seen)


def _front(seen: Seen) -> str:
    window = seen.window
    return kept.render(
        "public/home.html",
        window=window,
        is_open=seen.is_open,
        effective_on=None
        if window is None or window.effective_at is None
        else clock.local_date(window.effective_at, current_app.config["PROGRAM_ZONE"]),
        figures=_figures(window, seen.members),
    )


@bp.get("/league")
def league() -> str:
    """The qualified providers in one table: fee, standing, and whether those who left were let go in time."""
    at = clock.now()
    policy = versions.at_instant(at)
    year = catalogue.plan_year_to_choose(policy, catalogue.plan_years_on_sale(policy, at=at), at=at)
    members = remembered.counts("members", memberships.counts)
    punctual = punctuality.punctuality(policy=policy, at=at)
    lines = []
    for profile in profiles.profiles(year):
        of_leavers = punctual.get(profile.provider_id)
        lines.append(
            Placed(
                profile,
                members=members.get(profile.provider_id, 0),
                switches=0 if of_leavers is None else of_leavers.switches,
                in_time_bp=None if of_leavers is None else of_leavers.share_bp,
            )
        )
    rungs = {tier.code: rung for rung, tier in enumerate(policy.reserves.ladder)}
    orders = {
        "standing": lambda one: (rungs.get(one.profile.tier or "", len(rungs)), -(one.profile.ratio_bp or 0)),
        "name": lambda one: one.profile.name.casefold(),
        "fee": lambda one: (one.profile.lowest_fee_bp is None, one.profile.lowest_fee_bp or 0),
        "intime": lambda one: (one.in_time_bp is None, -(one.in_time_bp or 0)),
        "members": lambda one: one.members,
    }
    sort = tables.asked_sort(orders, default="standing")
    return render_template(
        "public/league.html",
        lines=sorted(lines, key=orders[sort.name], reverse=sort.descending),
        sort=sort,
        tiers=tiers_shown(policy),
        kinds=KIND_WORDS,
        year=year,
        days=policy.switching.cash_within_business_days,
    )


def _figures(window: EnrollmentWindow | None, members: int) -> Figures:
    """Two counts of what is on offer; how many members there are is known."""
    offering = select(func.count()).select_from(Provider).where(Provider.state.in_(OFFERING))
    packages = 0
    if window is not None:
        sold = shelf.on_sale(window.plan_year).with_only_columns(func.count())
        packages = db.session.execute(sold).scalar_one()
    return Figures(providers=db.session.execute(offering).scalar_one(), packages=packages, members=members)


def _members() -> dict[str, int]:
    """Everybody who is with a provider."""
    m = Membership
    rows = select(func.count()).select_from(m).where(m.ends_at.is_(None), m.package_id.is_not(None))
    return {"": db.session.execute(rows).scalar_one()}
