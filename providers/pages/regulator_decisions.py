"""What does a regulator decide about providers: criterion by criterion, and, with another, on their state?

To qualify, suspend or withdraw takes two people: one proposes, another agrees. Each page says, in the
operation's own words, why a step is not open.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import LazyString
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from sqlalchemy import select
from wtforms import RadioField
from wtforms.fields.choices import SelectChoice

from exchange.database import db, in_unit_of_work
from exchange.errors import NotFound, Refusal
from exchange.identity import access, organizations, people
from exchange.identity.access import current_actor
from exchange.identity.actors import Actor, Audience
from exchange.web import forms
from exchange.web.audiences import audience_blueprint, decision
from providers import decisions, qualification, reserve_checks
from providers.models import Provider, ProviderDecision, ProviderState
from providers.pages.occasion import Occasion, occasion
from providers.pages.regulator import findings_shown
from providers.pages.wording import CRITERION_STATES, PROVIDER_STATES
from providers.qualification import Examined

bp = audience_blueprint("regulator_decisions", __name__, Audience.REGULATOR, "/regulator/decisions")
bp.add_to_nav("show_all", _l("Decisions"), order=30)

PROPOSABLE: Final = (
    ProviderState.QUALIFIED,
    ProviderState.QUALIFIED_WITH_CONDITIONS,
    ProviderState.SUSPENDED,
    ProviderState.WITHDRAWN,
)
CONSEQUENCES: Final = {
    ProviderState.QUALIFIED: _l("It may publish packages and take members."),
    ProviderState.QUALIFIED_WITH_CONDITIONS: _l("It may publish packages; criteria not met are its conditions."),
    ProviderState.SUSPENDED: _l("Its packages leave the shelf at once, and its members may choose another provider."),
    ProviderState.WITHDRAWN: _l("It is no provider here any more. Cover goes on until members could enroll elsewhere."),
}


@dataclass(frozen=True, slots=True)
class Step:
    """A state that a provider could be brought to, and why it cannot now (None: it can)."""

    state: ProviderState
    word: LazyString
    consequence: LazyString
    refusal: Refusal | None


@dataclass(frozen=True, slots=True)
class WaitingDecision:
    """A proposal that waits: on whom, what, by whom (None: the exchange itself), and why the reader cannot answer."""

    decision: ProviderDecision
    name: str
    becomes: tuple[str, LazyString]
    proposed_by: str | None
    refusal: Refusal | None


class CriterionForm(forms.PageForm):
    """The answer to one criterion."""

    answer = RadioField(
        _l("Your answer"),
        [forms.needed(_l("Say whether it is met."))],
        choices=[SelectChoice("met", _l("Met")), SelectChoice("not_met", _l("Not met"))],
    )
    reason = forms.TextField(_l("Reason"), [forms.needed()], hint=_l("The provider and the public will read it."))


class ProposeForm(forms.PageForm):
    """A change of a provider's state."""

    becomes = RadioField(_l("It becomes"), [forms.needed(_l("Choose one."))])
    reason = forms.TextField(_l("Reason"), [forms.needed()], hint=_l("The provider and the public will read it."))


class RejectForm(forms.PageForm):
    """Why a proposal is turned down."""

    reason = forms.TextField(_l("Reason"), [forms.needed()])


@bp.get("/")
def show_all() -> str:
    """Everything that waits for a regulator's decision."""
    now = occasion()
    waiting = decisions.open_decisions()
    findings = reserve_checks.open_findings()
    applied = select(Provider).where(Provider.state.in_((ProviderState.APPLIED, ProviderState.UNDER_REVIEW)))
    applicants = db.session.execute(applied.order_by(Provider.applied_at)).scalars().all()
    concerned = {one.provider_id for one in waiting} | {one.provider_id for one in findings}
    names = organizations.names_of(concerned | {one.organization_id for one in applicants})
    proposers = people.names_of([one.proposed_by_id for one in waiting])
    return render_template(
        "regulator/decisions.html",
        waiting=[
            WaitingDecision(
                one,
                names[one.provider_id],
                PROVIDER_STATES[one.becomes],
                proposers.get(one.proposed_by_id),
                decisions.refusal_to_answer(one, by=current_actor()),
            )
            for one in waiting
        ],
        findings=findings_shown(findings, now=now),
        applicants=applicants,
        names=names,
        states=PROVIDER_STATES,
    )


# --- criteria -------------------------------------------------------------------------------------


@bp.post("/providers/<int:provider_id>/review")
@decision
def begin_review(provider_id: int) -> ResponseReturnValue:
    """Take an application up."""

    def work() -> None:
        provider = access.one(Provider, current_actor(), organization_id=provider_id)
        qualification.begin_review(provider, by=current_actor(), at=occasion().at)

    in_unit_of_work(work)
    flash(_("The review has begun: answer the criteria one by one."), "success")
    return redirect(_page_of(provider_id), code=303)


@bp.route("/providers/<int:provider_id>/criteria/<code>", methods=["GET", "POST"])
@decision
def criterion(provider_id: int, code: str) -> ResponseReturnValue:
    """One criterion: what was shown, what figures say, and the answer with its reason."""
    form = CriterionForm()
    if form.validate_on_submit():
        try:
            in_unit_of_work(lambda: _answer(provider_id, code, form))
        except NotFound:
            raise
        except Refusal as refusal:
            forms.refusal_to_form(form, refusal)
        else:
            flash(_("Your answer is on record."), "success")
            return redirect(_page_of(provider_id), code=303)
    now = occasion()
    provider = access.one(Provider, current_actor(), organization_id=provider_id)
    return forms.render_form(
        "regulator/criterion.html",
        form,
        examined=_examined(provider, code, now),
        provider_id=provider_id,
        name=organizations.names_of([provider_id])[provider_id],
        criterion_states=CRITERION_STATES,
    )


def _answer(provider_id: int, code: str, form: CriterionForm) -> None:
    now = occasion()
    qualification.decide_criterion(
        access.one(Provider, current_actor(), organization_id=provider_id),
        code,
        met=form.answer.data == "met",
        reason=str(form.reason.data),
        policy=now.policy,
        by=current_actor(),
        at=now.at,
    )


def _examined(provider: Provider, code: str, now: Occasion) -> Examined:
    found = qualification.examination(provider, policy=now.policy, on=now.on)
    for one in found:
        if one.criterion.code == code:
            return one
    raise NotFound(_l("The policy of this program knows no such criterion."))


# --- state ----------------------------------------------------------------------------------------


@bp.route("/providers/<int:provider_id>/propose", methods=["GET", "POST"])
@decision
def propose(provider_id: int) -> ResponseReturnValue:
    """Propose to qualify, suspend or withdraw; another regulator has to agree."""
    if (stale := access.require_fresh()) is not None:
        return stale
    now, actor = occasion(), current_actor()
    provider = access.one(Provider, actor, organization_id=provider_id)
    steps = _steps(provider, now, by=actor)
    form = ProposeForm()
    form.becomes.choices = [SelectChoice(one.state.value, one.word) for one in steps if one.refusal is None]
    if form.validate_on_submit():
        becomes, reason = ProviderState(form.becomes.data), str(form.reason.data)
        try:
            in_unit_of_work(lambda: _propose(provider_id, becomes, reason))
        except Refusal as refusal:
            forms.refusal_to_form(form, refusal)
        else:
            flash(_("Proposed. Another regulator has to agree."), "success")
            return redirect(_page_of(provider_id), code=303)
    return forms.render_form(
        "regulator/propose.html",
        form,
        steps=steps,
        provider_id=provider_id,
        name=organizations.names_of([provider_id])[provider_id],
        state=PROVIDER_STATES[provider.state],
        deciders=now.policy.qualification.deciders,
    )


def _steps(provider: Provider, now: Occasion, *, by: Actor) -> list[Step]:
    return [
        Step(
            state,
            PROVIDER_STATES[state][1],
            CONSEQUENCES[state],
            qualification.refusal_to_propose(provider, state, policy=now.policy, by=by, at=now.at),
        )
        for state in PROPOSABLE
        if state is not provider.state
    ]


def _propose(provider_id: int, becomes: ProviderState, reason: str) -> None:
    now = occasion()
    provider = access.one(Provider, current_actor(), organization_id=provider_id)
    qualification.propose(provider, becomes=becomes, reason=reason, policy=now.policy, by=current_actor(), at=now.at)


@bp.route("/<int:decision_id>", methods=["GET", "POST"])
@decision
def answer(decision_id: int) -> ResponseReturnValue:
    """One proposal: agree to it, or reject it with a reason (the form of this page)."""
    if request.method == "POST" and (stale := access.require_fresh()) is not None:
        return stale
    actor, form = current_actor(), RejectForm()
    if form.validate_on_submit():

        def work() -> int:
            found = decisions.called(decision_id)
            decisions.reject(found, reason=str(form.reason.data), by=actor, at=occasion().at)
            return found.provider_id

        provider_id = in_unit_of_work(work)
        flash(_("Rejected. The provider's state stays as it is."), "success")
        return redirect(_page_of(provider_id), code=303)
    now = occasion()
    found = decisions.called(decision_id)
    provider = access.one(Provider, actor, organization_id=found.provider_id)
    refusal = decisions.refusal_to_answer(found, by=actor)
    behind = decisions.people_behind(found.id)
    names = people.names_of(behind)
    return forms.render_form(
        "regulator/decision.html",
        form,
        decision=found,
        provider=provider,
        name=organizations.names_of([found.provider_id])[found.provider_id],
        behind=[names.get(login, _("somebody who is forgotten")) for login in behind],
        becomes=PROVIDER_STATES[found.becomes],
        state=PROVIDER_STATES[provider.state],
        consequence=CONSEQUENCES[found.becomes],
        deciders=now.policy.qualification.deciders,
        refusal=refusal,
        refusal_to_agree=refusal
        or qualification.refusal_of_criteria(provider, found.becomes, policy=now.policy, on=now.on),
    )


@bp.post("/<int:decision_id>/agree")
@decision
def agree(decision_id: int) -> ResponseReturnValue:
    """Stand behind a proposal; with enough people behind it, it is done."""
    if (stale := access.require_fresh()) is not None:
        return stale

    def work() -> tuple[int, bool]:
        now = occasion()
        found = decisions.called(decision_id)
        taken = qualification.agree(found, policy=now.policy, by=current_actor(), at=now.at)
        return found.provider_id, taken

    provider_id, taken = in_unit_of_work(work)
    flash(_("Agreed, and decided by that.") if taken else _("Agreed. More people have to."), "success")
    return redirect(_page_of(provider_id), code=303)


def _page_of(provider_id: int) -> str:
    return url_for("regulator_providers.show", provider_id=provider_id)
