"""How does a provider see what it must hold, and file what it holds?"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

from flask import flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from exchange.clock import local_date
from exchange.database import in_unit_of_work
from exchange.identity.access import current_actor
from exchange.identity.actors import Audience
from exchange.policy.document import Policy
from exchange.web.audiences import audience_blueprint
from exchange.web.filters import percent
from exchange.web.forms import DateField, DollarsField, PageForm, TextField, needed, refusal_to_form, render_form
from providers import reserve_checks, reserve_filings, reserve_standing, reserves, tasks
from providers.models import FindingKind
from providers.pages.occasion import Occasion, occasion
from providers.pages.own import own_provider
from providers.pages.reserves_chart import reserves_chart
from providers.pages.wording import tiers_shown
from providers.reserve_filings import BadFiling, Filed
from providers.reserves import INSURED, Standing

bp = audience_blueprint("provider_reserves", __name__, Audience.PROVIDER, "/provider/reserves")
bp.add_to_nav("show", _l("Reserves"), order=20)

HISTORY: Final = timedelta(days=365)
CHECKS_SHOWN: Final = 12
FILINGS_SHOWN: Final = 8
FINDINGS_SHOWN: Final = 4


@dataclass(frozen=True, slots=True)
class HoldingShown:
    """One line of a filing: what was filed, what of it does not count, and what counts."""

    name: str
    filed_cents: int
    cut: str
    counted_cents: int


@dataclass(frozen=True, slots=True)
class FindingShown:
    """Something that a check came upon and that still waits for an answer."""

    found_on: date
    is_trend: bool
    to_word: str
    plan_due_on: date | None
    answer_due_on: date | None


class FilingFormBase(PageForm):
    """What every filing has; the policy's classes of assets are added by ``filing_form``."""

    as_of = DateField(
        _l("As of which day"), [needed()], hint=_l("When you held what you write below. Today at the latest.")
    )
    note = TextField(_l("Note"), at_most=1_000, hint=_l("Whatever the regulator should know about it."))

    holdings_asked: tuple[str, ...] = ()

    @property
    def holdings(self) -> dict[str, int]:
        """Cents by class, of those that were filled in."""
        found = {code: self[f"holding_{code}"].data for code in self.holdings_asked}
        return {code: cents for code, cents in found.items() if cents is not None}


def filing_form(policy: Policy) -> FilingFormBase:
    """The form with a field for each class of assets that the policy knows, and for insured cover."""
    rules = policy.reserves
    fields: dict[str, Any] = {
        f"holding_{asset.code}": DollarsField(
            asset.name,
            hint=_("Counts in full.")
            if not asset.haircut_bp
            else _("%(cut)s of it does not count.", cut=percent(asset.haircut_bp)),
        )
        for asset in rules.assets
    }
    fields[f"holding_{INSURED}"] = DollarsField(
        _("Insured cover"), hint=_("Counts up to %(cap)s of what must be held.", cap=percent(rules.insured_cap_bp))
    )
    asked = (*(asset.code for asset in rules.assets), INSURED)
    form: FilingFormBase = type("FilingForm", (FilingFormBase,), {**fields, "holdings_asked": asked})()
    return form


@bp.get("/")
def show() -> str:
    """Where the provider stands, how that comes about, and how it was before."""
    now = occasion()
    provider = own_provider()
    id_ = provider.organization_id
    standing = reserve_standing.standings([id_], policy=now.policy, on=now.on)[id_]
    checks = reserve_standing.history(id_, since=now.on - HISTORY)
    filings = reserve_filings.history(id_, at_most=FILINGS_SHOWN)
    return render_template(
        "provider/reserves.html",
        provider=provider,
        standing=standing,
        rules=now.policy.reserves,
        tiers=tiers_shown(now.policy),
        due_on=tasks.filing_due_on(provider, policy=now.policy),
        holdings=_holdings(filings[0], standing, now) if filings else [],
        filings=filings,
        chart=reserves_chart(checks, policy=now.policy),
        checks=checks[-CHECKS_SHOWN:][::-1],
        **_findings(id_, now),
    )


@bp.route("/file", methods=["GET", "POST"])
def file() -> ResponseReturnValue:
    """File what is held; its standing follows at once."""
    now = occasion()
    own_provider()
    form = filing_form(now.policy)
    form.as_of.within(None, now.on)
    if not form.validate_on_submit():
        return render_form("provider/file_reserves.html", form, classes=form.holdings_asked)
    try:
        standing = in_unit_of_work(lambda: _file(form))
    except BadFiling as refusal:
        refusal_to_form(form, refusal, field="as_of" if form.holdings else None)
        return render_form("provider/file_reserves.html", form, classes=form.holdings_asked)
    flash(_filed(standing), "success")
    return redirect(url_for("provider_reserves.show"), code=303)


def _findings(provider_id: int, now: Occasion) -> dict[str, object]:
    found = reserve_checks.open_findings(provider_id)
    words = {tier.code: tier.name for tier in now.policy.reserves.ladder}
    shown = [
        FindingShown(
            found_on=local_date(finding.found_at, now.policy.zone),
            is_trend=finding.kind is FindingKind.TREND,
            to_word=words.get(finding.to_tier, finding.to_tier),
            plan_due_on=finding.plan_due_on,
            answer_due_on=finding.answer_due_on,
        )
        for finding in found[:FINDINGS_SHOWN]
    ]
    return {"findings": shown, "more_findings": len(found) - len(shown)}


def _file(form: FilingFormBase) -> Standing:
    now = occasion()
    provider = own_provider()
    reserve_filings.file_reserves(
        provider,
        as_of=form.as_of.data,
        holdings=form.holdings,
        policy=now.policy,
        by=current_actor(),
        at=now.at,
        note=form.note.data or "",
    )
    id_ = provider.organization_id
    return reserve_standing.standings([id_], policy=now.policy, on=now.on)[id_]


def _filed(standing: Standing) -> str:
    if standing.ratio_bp is None:
        return str(_("Filed. Nothing has to be held yet: you stand at “%(tier)s”.", tier=standing.tier.name))
    ratio = percent(standing.ratio_bp)
    return str(
        _(
            "Filed. You hold %(ratio)s of what must be held and stand at “%(tier)s”.",
            ratio=ratio,
            tier=standing.tier.name,
        )
    )


def _holdings(latest: Filed, standing: Standing, now: Occasion) -> list[HoldingShown]:
    rules = now.policy.reserves
    known = {asset.code: asset for asset in rules.assets}
    counted = reserves.counted(latest.holdings, rules=rules, required_cents=standing.required.cents)
    lines = []
    for code, cents in latest.holdings.items():
        asset = known.get(code)
        if asset is not None:
            name, cut = asset.name, percent(asset.haircut_bp) if asset.haircut_bp else _("none")
        elif code == INSURED:
            name, cut = _("Insured cover"), _("above %(cap)s of what must be held", cap=percent(rules.insured_cap_bp))
        else:
            name, cut = code, _("all: the policy no longer knows it")
        lines.append(HoldingShown(name, cents, cut, counted[code]))
    return lines
