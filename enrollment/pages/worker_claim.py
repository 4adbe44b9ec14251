"""What does a worker do who may choose outside of open enrollment because something happened to him?"""

from __future__ import annotations

from flask import flash, redirect, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from wtforms import RadioField, SelectField
from wtforms.fields.choices import SelectChoice

from enrollment import claims
from enrollment.claims import Claim
from enrollment.pages.worker_self import place_choices, read_self
from exchange.database import in_unit_of_work
from exchange.errors import Refusal
from exchange.identity.actors import Audience
from exchange.web import forms
from exchange.web.audiences import audience_blueprint

bp = audience_blueprint("worker_claim", __name__, Audience.WORKER, "/worker/special-enrollment")


class ClaimForm(forms.PageForm):
    """What happened, when, and what shows it."""

    cause = RadioField(_l("What happened"), [forms.needed(_l("Choose what happened."))])
    event_on = forms.DateField(_l("On which day"), [forms.needed()])
    place = SelectField(_l("Where you live now"))
    evidence = forms.TextField(
        _l("What shows it"),
        [forms.needed()],
        hint=_l("For example the address of the new lease, or court and number of the order. Keep the paper."),
    )


@bp.route("/", methods=["GET", "POST"])
def ask() -> ResponseReturnValue:
    """Claim a cause that the policy lets workers claim; the enrollment opens at once."""
    me = read_self()
    form = ClaimForm(data={"place": me.worker.place})
    form.cause.choices = [SelectChoice(cause.code, cause.name) for cause in claims.claimable(me.policy)]
    form.place.choices = place_choices(me.policy)
    automatic = [cause.name for cause in me.policy.causes if cause not in claims.claimable(me.policy)]
    if form.validate_on_submit():
        claim = Claim(str(form.cause.data), form.event_on.data, str(form.evidence.data), str(form.place.data))
        try:
            in_unit_of_work(lambda: _file(claim))
        except Refusal as refusal:
            forms.refusal_to_form(form, refusal)
        else:
            flash(_("Your special enrollment is open. Choose below."), "success")
            return redirect(url_for("worker_choice.shop"), code=303)
    return forms.render_form("worker/special_enrollment.html", form, automatic=automatic)


def _file(claim: Claim) -> None:
    me = read_self()
    claims.file_claim(me.account, claim, policy=me.policy, by=me.actor, at=me.at)
