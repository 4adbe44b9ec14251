"""Who are the providers, who stands behind them, and how well are they covered?"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from flask import render_template, request
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from exchange.database import db
from exchange.identity import access
from exchange.identity.actors import ANONYMOUS, Audience
from exchange.identity.organizations import Organization
from exchange.policy.document import Policy
from exchange.web import tables
from exchange.web.audiences import ROW, audience_blueprint
from providers import catalogue, irs_register, profiles, qualification, reserve_standing, shelf
from providers.catalogue import Wanted
from providers.models import PackageVersion, Provider, ProviderKind
from providers.pages import cards
from providers.pages.occasion import occasion
from providers.pages.reserves_chart import reserves_chart
from providers.pages.wording import (
    CRITERION_STATES,
    KIND_WORDS,
    PROVIDER_STATES,
    tiers_shown,
)
from providers.profiles import Profile

bp = audience_blueprint("providers", __name__, Audience.PUBLIC)
bp.add_to_nav("everybody", _l("Providers"), order=20)

HISTORY: Final = timedelta(days=365)
CHECKS_SHOWN: Final = 15
_SORTS: Final = ("standing", "name", "fee")


@bp.get("/providers")
def everybody() -> str:
    """The qualified providers, by standing, name or fee."""
    now = occasion()
    years = catalogue.plan_years_on_sale(now.policy, at=now.at)
    year = catalogue.plan_year_to_choose(now.policy, years, at=now.at)
    tiers = tiers_shown(now.policy)
    kind, tier = request.args.get("kind", ""), request.args.get("tier", "")
    found = [
        one
        for one in profiles.profiles(year)
        if (kind not in set(ProviderKind) or one.kind == kind) and (tier not in tiers or one.tier == tier)
    ]
    sort = tables.asked_sort(dict.fromkeys(_SORTS), default="standing")
    anything = ("", _("Any"))
    return render_template(
        "public/providers.html",
        providers=_sorted(found, sort, now.policy),
        sort=sort,
        year=year,
        tiers=tiers,
        kinds=KIND_WORDS,
        states=PROVIDER_STATES,
        options={
            "kind": [anything, *((one.value, str(word)) for one, word in KIND_WORDS.items())],
            "tier": [anything, *((one.code, one.word) for one in tiers.values())],
            "sort": [
                ("standing", _("Best standing first")),
                ("fee", _("Lowest fee first")),
                ("name", _("By name")),
            ],
        },
        asked=request.args,
    )


@bp.get(f"/providers/<{ROW}:provider_id>")
def provider(provider_id: int) -> str:
    """Everything that everybody may know about one provider."""
    now = occasion()
    shown = access.one(Provider, ANONYMOUS, organization_id=provider_id)
    organization = db.session.get_one(Organization, provider_id)
    years = catalogue.plan_years_on_sale(now.policy, at=now.at)
    year = catalogue.plan_year_to_choose(now.policy, years, at=now.at)
    (profile,) = profiles.profiles(year, [provider_id])
    sold = catalogue.matching(Wanted(plan_year=year)).where(Provider.organization_id == provider_id)
    ids = db.session.execute(sold.order_by(PackageVersion.fee_bp, PackageVersion.id)).scalars().all()
    checks = reserve_standing.history(provider_id, since=now.on - HISTORY)
    return render_template(
        "public/provider.html",
        profile=profile,
        ein=None if organization.ein is None else irs_register.format_ein(organization.ein),
        seats=profiles.board_of(provider_id),
        examined=qualification.examination(shown, policy=now.policy, on=now.on),
        criterion_states=CRITERION_STATES,
        chart=reserves_chart(checks, policy=now.policy),
        checks=checks[-CHECKS_SHOWN:][::-1],
        tiers=tiers_shown(now.policy),
        kind=KIND_WORDS[profile.kind],
        state=PROVIDER_STATES[profile.state],
        year=year,
        cards=cards.cards_of(shelf.offers(ids), {provider_id: profile.kind}, policy=now.policy),
    )


def _sorted(found: list[Profile], sort: tables.Sort, policy: Policy) -> list[Profile]:
    rungs = {tier.code: rung for rung, tier in enumerate(policy.reserves.ladder)}
    orders = {
        "standing": lambda one: (rungs.get(one.tier or "", len(rungs)), -(one.ratio_bp or 0)),
        "name": lambda one: (one.name.casefold(), 0),
        "fee": lambda one: (one.lowest_fee_bp is None, one.lowest_fee_bp or 0),
    }
    return sorted(found, key=orders[sort.name], reverse=sort.descending)
