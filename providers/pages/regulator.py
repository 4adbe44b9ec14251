"""How does a regulator see one provider: its reserves day by day, the filings behind them, and what would become of it?

Liabilities are the exchange's own figures, assets are what was filed. The questions "what if" are
asked of the present books and change nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from flask import Response, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import LazyString
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from exchange import clock, exports
from exchange.database import db, in_unit_of_work
from exchange.identity import access, organizations, people
from exchange.identity.access import current_actor
from exchange.identity.actors import Audience
from exchange.identity.organizations import Organization
from exchange.policy.document import Policy
from exchange.web import forms, tables
from exchange.web.audiences import audience_blueprint, decision
from exchange.web.charts import Chart, Line, Point, line_chart
from exchange.web.downloads import csv_answer
from exchange.web.filters import money
from providers import (
    decisions,
    irs_register,
    overview,
    profiles,
    qualification,
    reserve_checks,
    reserve_filings,
    reserve_notices,
    reserve_standing,
    reserves,
)
from providers.models import CheckCause, Finding, FindingState, Provider, ReserveFiling
from providers.pages.occasion import Occasion, occasion
from providers.pages.reserves_chart import reserves_chart
from providers.pages.wording import CRITERION_STATES, KIND_WORDS, PROVIDER_STATES, TierShown, tiers_shown
from providers.reserve_standing import CheckPoint
from providers.reserves import Standing

bp = audience_blueprint("regulator_providers", __name__, Audience.REGULATOR, "/regulator/providers")
what_if_bp = audience_blueprint("regulator_what_if", __name__, Audience.REGULATOR, "/regulator/what-if")
what_if_bp.add_to_nav("show", _l("What if"), order=20)

HISTORY: Final = timedelta(days=365)
CAUSES: Final = {
    CheckCause.DAILY: _l("Daily"),
    CheckCause.FILING: _l("On a filing"),
    CheckCause.CUTOVER: _l("Before a cutover"),
}


@dataclass(frozen=True, slots=True)
class Asked:
    """How bad it is supposed to be: per cent of the members who leave, and by how much claims rise."""

    leave: int
    claims: int


@dataclass(frozen=True, slots=True)
class Compared:
    """A provider as it stands by the present books, and as it would."""

    provider_id: int
    name: str
    now: Standing
    then: Standing
    now_tier: TierShown
    then_tier: TierShown

    @property
    def falls(self) -> bool:
        """Whether it would stand on a lower rung."""
        return self.now.tier.at_least_bp > self.then.tier.at_least_bp


@dataclass(frozen=True, slots=True)
class FindingShown:
    """A finding in words."""

    id: int
    sentence: LazyString
    finding: Finding
    is_late: bool


@dataclass(frozen=True, slots=True)
class HoldingShown:
    """One line of a filing: what was filed, how much of it is cut off, and what counts."""

    name: str
    amount_cents: int
    haircut_bp: int | None
    counted_cents: int


@bp.get("/<int:provider_id>")
def show(provider_id: int) -> str:
    """Everything about one provider."""
    now, actor = occasion(), current_actor()
    provider = access.one(Provider, actor, organization_id=provider_id)
    organization = db.session.get_one(Organization, provider_id)
    (place,) = [one for one in overview.places(policy=now.policy, on=now.on) if one.provider_id == provider_id]
    checks = reserve_standing.history(provider_id, since=now.on - HISTORY)
    taken = decisions.history(provider_id)
    return render_template(
        "regulator/provider.html",
        provider=provider,
        place=place,
        ein=None if organization.ein is None else irs_register.format_ein(organization.ein),
        kind=KIND_WORDS[provider.kind],
        states=PROVIDER_STATES,
        tiers=tiers_shown(now.policy),
        ratio_chart=reserves_chart(checks, policy=now.policy),
        money_chart=_money_chart(checks),
        findings=findings_shown(reserve_checks.open_findings(provider_id), now=now),
        compared=compare(_asked(), now=now, provider_ids=[provider_id]),
        asked=_asked(),
        examined=qualification.examination(provider, policy=now.policy, on=now.on),
        criterion_states=CRITERION_STATES,
        seats=profiles.board_of(provider_id),
        open_decision=decisions.open_decision(provider_id),
        decisions=taken,
        names=people.names_of({login for one in taken for login in (one.proposed_by_id, one.decided_by_id)}),
        may_review=provider.state == "applied",
    )


@bp.get("/<int:provider_id>/checks")
def checks(provider_id: int) -> str:
    """Every check with all its figures, the latest first."""
    now = occasion()
    access.one(Provider, current_actor(), organization_id=provider_id)
    return render_template(
        "regulator/checks.html",
        provider_id=provider_id,
        name=organizations.names_of([provider_id])[provider_id],
        page=tables.read_page(reserve_standing.checks_of(provider_id), number=tables.asked_page()),
        tiers=tiers_shown(now.policy),
        causes=CAUSES,
    )


@bp.get("/<int:provider_id>/checks.csv")
def checks_as_csv(provider_id: int) -> Response:
    """The same as a file."""
    access.one(Provider, current_actor(), organization_id=provider_id)
    headings = [
        _l("Day"), _l("Cause"), _l("Checked at"), _l("Late"), _l("Owed to workers, cents"),
        _l("Required for balances, cents"), _l("Required for pooled cost, cents"), _l("Contingency, cents"),
        _l("Required, cents"), _l("Held, cents"), _l("Ratio, basis points"), _l("Tier"), _l("Tier by ratio alone"),
        _l("Filing"), _l("Filing overdue"),
    ]  # fmt: skip
    rows = [
        (
            row.on_date, row.cause.value, row.checked_at, "yes" if row.late else "no", row.liabilities_cents,
            row.individual_cents, row.pooled_cents, row.contingency_cents, row.required_cents, row.held_cents,
            row.ratio_bp, row.tier, row.ratio_tier, row.filing_id, "yes" if row.filing_overdue else "no",
        )
        for row in db.session.execute(reserve_standing.checks_of(provider_id))
    ]  # fmt: skip
    return csv_answer(exports.to_csv(headings, rows), f"checks-{provider_id}.csv", rows=len(rows))


@bp.get("/<int:provider_id>/filings/<int:filing_id>")
def filing(provider_id: int, filing_id: int) -> str:
    """One filing: what was filed, and what of it counts by the present policy."""
    now = occasion()
    found = access.one(ReserveFiling, current_actor(), id=filing_id, provider_id=provider_id)
    filed = reserve_filings.filed(found)
    standing = reserve_standing.standings([provider_id], policy=now.policy, on=now.on)[provider_id]
    counted = reserves.counted(filed.holdings, rules=now.policy.reserves, required_cents=standing.required.cents)
    return render_template(
        "regulator/filing.html",
        provider_id=provider_id,
        name=organizations.names_of([provider_id])[provider_id],
        filed=filed,
        filed_by=people.names_of([found.filed_by_id]).get(found.filed_by_id),
        lines=[_holding(code, cents, counted[code], now.policy) for code, cents in filed.holdings.items()],
        counted_cents=sum(counted.values()),
        required_cents=standing.required.cents,
    )


def _holding(code: str, cents: int, counted_cents: int, policy: Policy) -> HoldingShown:
    if code == reserves.INSURED:
        return HoldingShown(_("Insured cover, up to a share of what is required"), cents, None, counted_cents)
    known = {asset.code: asset for asset in policy.reserves.assets}
    if code not in known:
        return HoldingShown(code, cents, 10_000, counted_cents)
    return HoldingShown(known[code].name, cents, known[code].haircut_bp, counted_cents)


# --- findings -------------------------------------------------------------------------------------


class CloseForm(forms.PageForm):
    """What satisfied the regulator."""

    reason = forms.TextField(_l("What satisfied you"), [forms.needed()], hint=_l("It goes into the audit log."))


@bp.route("/<int:provider_id>/findings/<int:finding_id>", methods=["GET", "POST"])
@decision
def finding(provider_id: int, finding_id: int) -> ResponseReturnValue:
    """One finding; closed with a reason."""
    form = CloseForm()
    actor = current_actor()
    if form.validate_on_submit():

        def work() -> None:
            found = access.one(Finding, actor, id=finding_id, provider_id=provider_id)
            reserve_checks.close_finding(found, reason=str(form.reason.data), by=actor, at=clock.now())

        in_unit_of_work(work)
        flash(_("The finding is closed."), "success")
        return redirect(url_for("regulator_providers.show", provider_id=provider_id), code=303)
    now = occasion()
    (shown,) = findings_shown([access.one(Finding, actor, id=finding_id, provider_id=provider_id)], now=now)
    return forms.render_form(
        "regulator/finding.html",
        form,
        shown=shown,
        provider_id=provider_id,
        name=organizations.names_of([provider_id])[provider_id],
        is_open=shown.finding.state is FindingState.OPEN,
    )


def findings_shown(findings: Iterable[Finding], *, now: Occasion) -> list[FindingShown]:
    """Findings in words; late is one whose answer was due before today."""
    return [
        FindingShown(
            one.id,
            reserve_notices.sentence_of(one, policy=now.policy),
            one,
            one.answer_due_on is not None and one.answer_due_on < now.on,
        )
        for one in findings
    ]


# --- what if --------------------------------------------------------------------------------------


@what_if_bp.get("/", endpoint="show")
def what_if() -> str:
    """All providers, if some members left and claims rose."""
    now, asked = occasion(), _asked()
    compared = compare(asked, now=now, provider_ids=None)
    return render_template(
        "regulator/what_if.html",
        asked=asked,
        compared=compared,
        fallen=sum(one.falls for one in compared),
        tiers=tiers_shown(now.policy),
    )


def compare(asked: Asked, *, now: Occasion, provider_ids: list[int] | None) -> list[Compared]:
    """Each provider as it stands and as it would, those that would stand lowest first."""
    policy, on = now.policy, now.on
    present = reserve_standing.standings(provider_ids, policy=policy, on=on)
    then = reserve_standing.stress(
        provider_ids, leave_bp=asked.leave * 100, claims_bp=asked.claims * 100, policy=policy, on=on
    )
    return compared_standings(present, then, policy=policy)


def compared_standings(
    present: Mapping[int, Standing], then: Mapping[int, Standing], *, policy: Policy
) -> list[Compared]:
    """Two standings of the same providers side by side, those that would stand lowest first."""
    names, tiers = organizations.names_of(list(then)), tiers_shown(policy)
    found = [
        Compared(id_, names[id_], present[id_], one, tiers[present[id_].tier.code], tiers[one.tier.code])
        for id_, one in then.items()
    ]
    return sorted(found, key=lambda one: (one.then.tier.at_least_bp, one.then.ratio_bp or 0, one.name))


def _asked() -> Asked:
    return Asked(_percent("leave", 20, at_most=100), _percent("claims", 50, at_most=1_000))


def _percent(name: str, default: int, *, at_most: int) -> int:
    text = request.args.get(name, "")
    return min(int(text), at_most) if text.isascii() and text.isdigit() and len(text) <= 4 else default


def _money_chart(found: list[CheckPoint]) -> Chart | None:
    """What must be held and what is, over time: the last check of each week."""
    by_week = {check.on_date.isocalendar()[:2]: check for check in found}
    points = list(by_week.values())
    if not points:
        return None
    return line_chart(
        _("Required and held"),
        [
            Line(_("Required"), [Point(check.on_date, check.required_cents) for check in points]),
            Line(_("Held"), [Point(check.on_date, check.held_cents) for check in points]),
        ],
        show=money,
        headings=(_("Day"), _("Required"), _("Held")),
    )
