"""Which law holds in this program, what would another version change, and who says so?

A version is proposed by one regulator and approved by another. Before anybody agrees he sees every
rule that would say something else, and the lines of the text.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Final

from flask import Response, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import LazyString, ngettext
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_wtf.file import FileField
from werkzeug.datastructures import FileStorage
from wtforms import TextAreaField

from exchange import clock
from exchange.database import in_unit_of_work
from exchange.errors import Refusal
from exchange.identity import access, people
from exchange.identity.access import current_actor
from exchange.identity.actors import Audience
from exchange.policy import differences, versions
from exchange.policy.document import NoPolicyInForce
from exchange.policy.nodes import BadPolicy, Problem
from exchange.policy.versions import PolicyState, PolicyVersion
from exchange.web import forms
from exchange.web.audiences import audience_blueprint, decision
from exchange.web.filters import program_zone

bp = audience_blueprint("regulator_policy", __name__, Audience.REGULATOR, "/regulator/policy")
bp.add_to_nav("show_all", _l("Policy"), order=60)

STATES: Final[dict[PolicyState, tuple[str, LazyString]]] = {
    PolicyState.PROPOSED: ("waiting", _l("Proposed")),
    PolicyState.APPROVED: ("good", _l("Approved")),
    PolicyState.WITHDRAWN: ("off", _l("Taken back")),
}
"""How a version's state is shown: kind of tag, and word."""


class ProposeForm(forms.PageForm):
    """The whole text of the document, and which of its versions is proposed."""

    effective_on = forms.DateField(
        _l("Takes effect on"),
        [forms.needed()],
        hint=_l("The date under “effective_on” of the version that you propose; tomorrow at the earliest."),
    )
    document = FileField(_l("The policy as a file"), description=_l("YAML in UTF-8. It goes before the text below."))
    text = TextAreaField(_l("or as text"), render_kw={"spellcheck": "false"})


class ReasonForm(forms.PageForm):
    """Why a version is taken back."""

    reason = forms.TextField(_l("Reason"), [forms.needed()])


@bp.get("/")
def show_all() -> str:
    """Every version, and which of them holds today."""
    found = versions.listed()
    return render_template(
        "regulator/policy.html",
        versions=found,
        holding=_holding(),
        names=_names(found),
        states=STATES,
    )


@bp.get("/<int:version_id>")
def show(version_id: int) -> str:
    """One version: what it changes in the one before, and its text."""
    version = versions.called(version_id)
    return _page(version, ReasonForm())[0]


@bp.get("/<int:version_id>/policy.yaml")
def as_file(version_id: int) -> Response:
    """The text, as it was proposed."""
    version = versions.called(version_id)
    name = f"policy-{version.jurisdiction}-{version.effective_on.isoformat()}.yaml"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(version.text, mimetype="application/yaml", headers=headers)


@bp.route("/propose", methods=["GET", "POST"])
@decision
def propose() -> ResponseReturnValue:
    """Propose a version: every problem of the text is listed by its line."""
    if (stale := access.require_fresh()) is not None:
        return stale
    form = ProposeForm()
    problems: tuple[Problem, ...] = ()
    if form.validate_on_submit():
        try:
            text = _text_of(form)
            effective_on: date = form.effective_on.data
            version_id = in_unit_of_work(
                lambda: versions.propose(text, effective_on=effective_on, by=current_actor(), at=clock.now()).id
            )
        except BadPolicy as refusal:
            problems = refusal.problems
            form.form_errors.append(
                ngettext(
                    "The text breaks the policy language in %(count)s place, listed below.",
                    "The text breaks the policy language in %(count)s places, listed below.",
                    len(problems),
                    count=len(problems),
                )
            )
        except Refusal as refusal:
            forms.refusal_to_form(form, refusal)
        else:
            flash(_("Proposed. Another regulator has to approve it."), "success")
            return redirect(url_of(version_id), code=303)
    return forms.render_form("regulator/policy_propose.html", form, problems=problems)


@bp.post("/<int:version_id>/approve")
@decision
def approve(version_id: int) -> ResponseReturnValue:
    """Let it take effect on its date."""
    if (stale := access.require_fresh()) is not None:
        return stale
    in_unit_of_work(lambda: versions.approve(versions.called(version_id), by=current_actor(), at=clock.now()))
    flash(_("Approved. It takes effect on its date."), "success")
    return redirect(url_of(version_id), code=303)


@bp.post("/<int:version_id>/withdraw")
@decision
def withdraw(version_id: int) -> ResponseReturnValue:
    """Take it back, with a reason, before it holds."""
    form = ReasonForm()
    if not form.validate_on_submit():
        return _page(versions.called(version_id), form)
    in_unit_of_work(
        lambda: versions.withdraw(
            versions.called(version_id), reason=str(form.reason.data), by=current_actor(), at=clock.now()
        )
    )
    flash(_("Taken back."), "success")
    return redirect(url_of(version_id), code=303)


def url_of(version_id: int) -> str:
    """The page of a version."""
    return url_for("regulator_policy.show", version_id=version_id)


def _page(version: PolicyVersion, form: ReasonForm) -> tuple[str, int]:
    before, at = versions.one_before(version), clock.now()
    return forms.render_form(
        "regulator/policy_version.html",
        form,
        version=version,
        before=before,
        holding=_holding(),
        names=_names([version]),
        states=STATES,
        changes=differences.of_rules(versions.policy_of(before), versions.policy_of(version)) if before else [],
        places=differences.of_texts(before.text, version.text) if before else [],
        lines=version.text.splitlines(),
        refusal_to_approve=versions.refusal_to_approve(version, by=current_actor(), at=at),
        refusal_to_withdraw=versions.refusal_to_withdraw(version, by=current_actor(), at=at),
    )


class NoText(Refusal):
    """Nothing was proposed, or something that is no text."""

    code = "no_policy_text"


def _text_of(form: ProposeForm) -> str:
    """What was handed in, with the line ends of a file. Refuses ``NoText``."""
    handed_in = form.document.data
    if isinstance(handed_in, FileStorage) and handed_in.filename:
        try:
            text = handed_in.stream.read().decode("utf-8")
        except UnicodeDecodeError as error:
            raise NoText(_l("The file is not written in UTF-8."), field="document") from error
    else:
        text = form.text.data or ""
    if not text.strip():
        raise NoText(_l("Choose a file, or put the text below."), field="document")
    form.text.data = text = text.replace("\r\n", "\n")
    return text


def _holding() -> int | None:
    """The id of the version that holds today; None before the first does."""
    try:
        return versions.in_force(_today(clock.now())).id
    except NoPolicyInForce:
        return None


def _today(at: datetime) -> date:
    return clock.local_date(at, str(program_zone()))


def _names(found: Sequence[PolicyVersion]) -> dict[int | None, str]:
    logins = {login for one in found for login in (one.proposed_by, one.approved_by, one.withdrawn_by)}
    return people.names_of(logins)
