"""Which packages can anybody look at, narrow down and hold side by side, without signing in?"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from sqlalchemy import select

from exchange import remembered
from exchange.database import db
from exchange.identity import access
from exchange.identity.actors import ANONYMOUS, Audience
from exchange.money import BadAmount, format_percent, parse_dollars, parse_whole
from exchange.revision import Moment
from exchange.web import kept, tables
from exchange.web.audiences import ROW, audience_blueprint, repeatable
from exchange.web.tables import Page
from providers import catalogue, comparison, health_plans, profiles, shelf
from providers.catalogue import Wanted
from providers.health_plans import Metal
from providers.models import Package, PackageVersion, ProviderKind
from providers.pages import cards
from providers.pages.comparison_table import heads_of, rows_of
from providers.pages.occasion import Occasion, occasion
from providers.pages.wording import KIND_WORDS, METAL_WORDS, VERSION_STATES, place_names, tiers_shown

bp = audience_blueprint("packages", __name__, Audience.PUBLIC)
bp.add_to_nav("catalogue_page", _l("Packages"), order=10)

PER_PAGE: Final = 10
MOST_COMPARED: Final = 4
FEES_BP: Final = (200, 300, 400, 500, 600, 800, 1_000)
LONGEST_TEXT: Final = 100
# The example that the comparison begins with: it is the reader's to change.
EXAMPLE_HOURS: Final = 30
EXAMPLE_CENTS: Final = 200
EXAMPLE_AGE: Final = 40
HOURS_A_WEEK: Final = 168
MOST_CENTS_AN_HOUR: Final = 1_000_00
OLDEST: Final = 120


@dataclass(frozen=True, slots=True)
class Example:
    """The work that a comparison is made for, as its form shows it, and what was wrong with what was typed."""

    hours: int
    cents_per_hour: int
    age: int
    problems: tuple[str, ...]


@bp.get("/packages")
@repeatable("version")
def catalogue_page() -> ResponseReturnValue:
    """Every package on sale, narrowed by a plain form, with boxes for comparing."""
    return kept.page(kept.of_the_market, _catalogue)


def _catalogue(moment: Moment) -> str:
    now = occasion(moment)
    years = catalogue.plan_years_on_sale(now.policy, at=now.at, market=moment.market)
    wanted = _wanted(now, years)
    orders = catalogue.orders(now.policy.reserves.ladder)
    sort = tables.asked_sort(orders, default="standing")
    order = [*tables.order_of(sort, orders, last=PackageVersion.fee_bp), PackageVersion.id]
    number = tables.asked_page()

    def read() -> Page[Any]:
        return tables.read_page(catalogue.matching(wanted).order_by(*order), number=number, per_page=PER_PAGE)

    # Remembered is what everybody comes to, not each way of narrowing it, of which there is no end.
    is_whole = wanted == Wanted(plan_year=wanted.plan_year)
    page = remembered.of_market(("catalogue", wanted, sort, number), moment.market, read) if is_whole else read()
    offers = shelf.offers_known([row.id for row in page.rows], market=moment.market)
    kinds = remembered.each_of_market(
        "kind", {offer.provider_id for offer in offers}, moment.market, catalogue.kinds_of
    )
    shown = cards.cards_known(offers, kinds, policy=now.policy, market=moment.market)
    picked = asked_versions()
    return kept.render(
        "public/packages.html",
        page=page,
        cards=shown,
        sort=sort,
        wanted=wanted,
        picked=picked,
        picked_elsewhere=[id_ for id_ in picked if id_ not in {offer.version_id for offer in offers}],
        most=MOST_COMPARED,
        options=_options(now, years),
        asked=request.args,
    )


@bp.get("/packages/compare")
@repeatable("version")
def compare() -> ResponseReturnValue:
    """Two to four packages side by side, on work like the reader's."""
    now = occasion()
    asked, example = asked_versions(), _example()
    offers = shelf.offers(_to_be_seen(asked)[:MOST_COMPARED], age=example.age)
    if not offers:
        flash(_("Choose the packages that you want to see side by side: up to four."), "info")
        return redirect(url_for("packages.catalogue_page"), code=303)
    pattern = comparison.weekly_pattern(minutes_per_week=example.hours * 60, cents_per_hour=example.cents_per_hour)
    table = comparison.compare(offers, pattern=pattern, policy=now.policy)
    tiers = tiers_shown(now.policy)
    return render_template(
        "public/compare.html",
        offers=offers,
        columns=heads_of(offers),
        rows=rows_of(table),
        tiers=[tiers.get(offer.tier or "") for offer in offers],
        example=example,
        pattern=pattern,
        left_out=len(asked) - len(offers),
        picked=[offer.version_id for offer in offers],
        most=MOST_COMPARED,
    )


@bp.get(f"/packages/<{ROW}:version_id>")
def package(version_id: int) -> ResponseReturnValue:
    """Everything about one version of a package."""
    return kept.page(kept.of_the_market, lambda moment: _package(version_id, moment))


def _package(version_id: int, moment: Moment) -> str:
    now = occasion(moment)
    version = access.one(PackageVersion, ANONYMOUS, id=version_id)
    (offer,) = shelf.offers([version.id])
    kind = catalogue.kinds_of([offer.provider_id])
    plan = None if version.health_plan_id is None else health_plans.health_plan(version.health_plan_id)
    return kept.render(
        "public/package.html",
        version=version,
        card=cards.cards_of([offer], kind, policy=now.policy)[0],
        components=cards.components_shown(offer.terms, policy=now.policy),
        plan=plan,
        metal=None if plan is None else METAL_WORDS[plan.metal],
        premiums=[] if plan is None else catalogue.premiums_by_age(plan.id),
        history=profiles.shelf_history(version.package_id),
        states=VERSION_STATES,
        can_be_chosen=shelf.takes_new_members(version),
        ends_with=_last_plan_year(version.package_id),
    )


def asked_versions() -> list[int]:
    """The versions that the address names, each once. Whatever is no number is passed over."""
    texts = request.args.getlist("version")
    return list(dict.fromkeys(int(text) for text in texts if text.isascii() and text.isdigit() and len(text) < 19))


def _to_be_seen(version_ids: Sequence[int]) -> list[int]:
    """Those among them that everybody may see, in their order."""
    if not version_ids:
        return []
    rows = access.selecting(PackageVersion, ANONYMOUS).where(PackageVersion.id.in_(version_ids[:50]))
    seen = set(db.session.execute(rows.with_only_columns(PackageVersion.id)).scalars())
    return [id_ for id_ in version_ids if id_ in seen]


def _last_plan_year(package_id: int) -> str | None:
    return db.session.execute(select(Package.last_plan_year).where(Package.id == package_id)).scalar_one()


# --- what is asked for ----------------------------------------------------------------------------


def _wanted(now: Occasion, years: Sequence[str]) -> Wanted:
    """The filter of the address; what it does not know does not narrow."""
    asked = request.args
    policy = now.policy
    fee = asked.get("fee", "")
    return Wanted(
        plan_year=asked["year"]
        if asked.get("year") in years
        else catalogue.plan_year_to_choose(policy, years, at=now.at),
        text=" ".join(asked.get("q", "").split())[:LONGEST_TEXT],
        component=_known(asked.get("component"), {one.code for one in policy.components}),
        fee_at_most_bp=int(fee) if fee in {str(one) for one in FEES_BP} else None,
        tier=_known(asked.get("tier"), set(tiers_shown(policy))),
        kind=ProviderKind(kind) if (kind := _known(asked.get("kind"), set(ProviderKind))) else None,
        place=_known(asked.get("place"), set(place_names(policy))),
        metal=Metal(metal) if (metal := _known(asked.get("metal"), set(Metal))) else None,
    )


def _known(asked: str | None, known: Collection[str]) -> str | None:
    return asked if asked in known else None


def _options(now: Occasion, years: Sequence[str]) -> dict[str, list[tuple[str, str]]]:
    """What each filter offers: value and words."""
    anything = ("", _("Any"))
    places = sorted(place_names(now.policy).items(), key=lambda place: place[0])
    return {
        "year": [(year, year) for year in years],
        "component": [anything, *((one.code, one.name) for one in now.policy.components if not one.mandatory)],
        "fee": [anything, *((str(fee), _("%(fee)s or less", fee=format_percent(fee))) for fee in FEES_BP)],
        "tier": [anything, *((one.code, one.word) for one in tiers_shown(now.policy).values())],
        "kind": [anything, *((kind.value, str(word)) for kind, word in KIND_WORDS.items())],
        "place": [("", _("Anywhere")), *places],
        "metal": [anything, *((metal.value, str(word)) for metal, word in METAL_WORDS.items())],
        "sort": [
            ("standing", _("Best standing first")),
            ("fee", _("Lowest fee first")),
            ("name", _("By name")),
            ("provider", _("By provider")),
        ],
    }


def _example() -> Example:
    """The example of the address. What cannot be read is said, and the usual example stands in its place."""
    problems: list[str] = []

    def read(key: str, parse: Callable[[str], int], most: int, usual: int) -> int:
        text = request.args.get(key, "")
        if not text.strip():
            return usual
        try:
            value = parse(text)
        except BadAmount as refusal:
            problems.append(f"{_EXAMPLE_WORDS[key]}: {refusal}")
            return usual
        if value > most:
            problems.append(f"{_EXAMPLE_WORDS[key]}: {_l('This is more than anybody has.')}")
            return usual
        return value

    return Example(
        hours=read("hours", parse_whole, HOURS_A_WEEK, EXAMPLE_HOURS),
        cents_per_hour=read("rate", parse_dollars, MOST_CENTS_AN_HOUR, EXAMPLE_CENTS),
        age=read("age", parse_whole, OLDEST, EXAMPLE_AGE),
        problems=tuple(problems),
    )


_EXAMPLE_WORDS: Final = {
    "hours": _l("Hours of work a week"),
    "rate": _l("Contribution for an hour"),
    "age": _l("Age"),
}
