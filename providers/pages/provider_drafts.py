"""How does a provider write the terms of a draft, and name the health plan that it buys?"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from exchange.database import in_unit_of_work
from exchange.errors import Refusal
from exchange.identity.access import current_actor
from exchange.identity.actors import Audience
from exchange.money import format_percent
from exchange.web import tables
from exchange.web.audiences import ROW, audience_blueprint
from exchange.web.forms import refusal_to_form, render_form
from providers import health_plans, packages
from providers.health_plans import Metal, PlanFilter
from providers.models import PackageVersion, VersionState
from providers.packages import NoSuchStep
from providers.pages.occasion import occasion, policy_of_year
from providers.pages.own import own_package, own_version
from providers.pages.provider_packages import hand_in
from providers.pages.terms_form import TermsFormBase, broken_rules, show_at_fields, terms_form
from providers.pages.wording import METAL_WORDS

bp = audience_blueprint("provider_drafts", __name__, Audience.PROVIDER, "/provider/packages")

PER_PAGE: Final = 20
USUAL_AGE: Final = 40
OLDEST: Final = 120


@bp.route(f"/versions/<{ROW}:version_id>/edit", methods=["GET", "POST"])
def edit(version_id: int) -> ResponseReturnValue:
    """Write a draft; keep it as it is, or keep it and hand it in."""
    now = occasion()
    version = own_version(version_id)
    if version.state is not VersionState.DRAFT:
        flash(_("These terms have been handed in and never change. Draft another version."), "warning")
        return redirect(url_for("provider_packages.version", version_id=version_id), code=303)
    form = terms_form(policy_of_year(now, version.plan_year), packages.terms_of(version))
    if not form.validate_on_submit():
        return _form_page(form, version)
    try:
        in_unit_of_work(lambda: _save(version_id, form))
    except Refusal as refusal:
        refusal_to_form(form, refusal)
        return _form_page(form, own_version(version_id))
    if request.form.get("then") != "submit":
        flash(_("The draft is kept."), "success")
        return redirect(url_for("provider_packages.version", version_id=version_id), code=303)
    refusals = in_unit_of_work(lambda: hand_in(version_id))
    if refusals:
        show_at_fields(form, broken_rules(refusals))
        return _form_page(form, own_version(version_id), kept=True)
    flash(_("Handed in. A regulator certifies it; from now on its terms never change."), "success")
    return redirect(url_for("provider_packages.version", version_id=version_id), code=303)


@bp.get(f"/versions/<{ROW}:version_id>/health-plan")
def choose_plan(version_id: int) -> str:
    """The catalogue of health plans, to take one into the draft."""
    version = own_version(version_id)
    years = health_plans.plan_years()
    issuers = health_plans.issuers(_year(years, version)) if years else ()
    states = sorted({issuer.state for issuer in issuers})
    asked = request.args
    state = asked.get("state") if asked.get("state") in states else (states[0] if len(states) == 1 else None)
    metal = Metal(asked["metal"]) if asked.get("metal") in set(Metal) else None
    issuer = asked.get("issuer") if asked.get("issuer") in {one.issuer_id for one in issuers} else None
    text = asked.get("age", "")
    age = int(text) if text.isascii() and text.isdigit() and len(text) < 4 else USUAL_AGE
    wanted = PlanFilter(
        plan_year=_year(years, version),
        state=state,
        metals=() if metal is None else (metal,),
        issuer_id=issuer,
        age=min(age, OLDEST),
    )
    found = health_plans.find_plans(wanted, page=tables.asked_page(), per_page=PER_PAGE)
    pages = max(1, -(-found.total // PER_PAGE))
    first = (found.page - 1) * PER_PAGE + 1 if found.plans else 0
    return render_template(
        "provider/choose_plan.html",
        version=version,
        package=own_package(version.package_id),
        page=tables.Page(found.plans, min(found.page, pages), pages, found.total, first),
        wanted=wanted,
        metals=METAL_WORDS,
        options={
            "state": [("", _("Any")), *((one, one) for one in states)],
            "metal": [("", _("Any")), *((one.value, str(word)) for one, word in METAL_WORDS.items())],
            "issuer": [("", _("Any")), *((one.issuer_id, f"{one.issuer} ({one.state})") for one in issuers)],
        },
    )


@bp.post(f"/versions/<{ROW}:version_id>/health-plan")
def take_plan(version_id: int) -> ResponseReturnValue:
    """Name the plan that the health component buys, or none."""
    text = request.form.get("plan", "")
    plan_id = int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None

    def work() -> None:
        now = occasion()
        version = own_version(version_id)
        terms = replace(packages.terms_of(version), health_plan_id=plan_id)
        packages.edit(version, terms=terms, by=current_actor(), at=now.at)

    in_unit_of_work(work)
    flash(_("The health plan is in the draft.") if plan_id else _("The draft names no health plan."), "success")
    return redirect(url_for("provider_drafts.edit", version_id=version_id), code=303)


def _save(version_id: int, form: TermsFormBase) -> None:
    now = occasion()
    version = own_version(version_id)
    if version.state is not VersionState.DRAFT:
        raise NoSuchStep(_("These terms have been handed in and never change. Draft another version."))
    packages.edit(version, terms=form.terms(version.health_plan_id), by=current_actor(), at=now.at)


def _form_page(form: TermsFormBase, version: PackageVersion, *, kept: bool = False) -> tuple[str, int]:
    plan_id = version.health_plan_id
    return render_form(
        "provider/draft.html",
        form,
        version=version,
        package=own_package(version.package_id),
        plan=None if plan_id is None else health_plans.health_plan(plan_id),
        cap=format_percent(form.policy.contributions.administration_cap_bp),
        kept=kept,
    )


def _year(years: tuple[int, ...], version: PackageVersion) -> int:
    """The catalogue of the version's own year, or the latest there is."""
    wanted = int(version.plan_year)
    return wanted if wanted in years or not years else years[0]
