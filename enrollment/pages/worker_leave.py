"""What leave has a worker, and how does he ask for it?"""

from __future__ import annotations

from datetime import timedelta

from flask import flash, redirect, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from wtforms import SelectField
from wtforms.fields.choices import SelectChoice

from enrollment import leave
from enrollment.leave import TimeOff
from enrollment.models import LeaveRequest, LeaveState
from enrollment.pages.worker_self import Self, read_self
from exchange.database import in_unit_of_work
from exchange.errors import Refusal
from exchange.identity import access
from exchange.identity.actors import Audience
from exchange.web import forms
from exchange.web.audiences import audience_blueprint

bp = audience_blueprint("worker_leave", __name__, Audience.WORKER, "/worker/leave")
bp.add_to_nav("home", _l("Leave"), order=20)

STATES = {
    LeaveState.ASKED: ("waiting", _l("Waiting for an answer")),
    LeaveState.APPROVED: ("done", _l("Approved and paid")),
    LeaveState.REFUSED: ("bad", _l("Refused")),
    LeaveState.WITHDRAWN: ("off", _l("Withdrawn")),
}
"""How a request's state is shown: kind of tag, and word."""


class LeaveForm(forms.PageForm):
    """A request for time off."""

    component = SelectField(_l("Kind of leave"))
    minutes = forms.HoursField(_l("Time off"), [forms.needed(_l("Say how long."))], at_least=1)
    first_day = forms.DateField(_l("First day"), [forms.needed()])
    last_day = forms.DateField(_l("Last day"), [forms.needed()])


@bp.route("/", methods=["GET", "POST"])
def home() -> ResponseReturnValue:
    """Leave that is there, requests and their answers; asking for more."""
    me = read_self()
    form = _form(me)
    if form.validate_on_submit():
        wanted = TimeOff(form.component.data, form.minutes.data, form.first_day.data, form.last_day.data)
        try:
            in_unit_of_work(lambda: _ask(wanted))
        except Refusal as refusal:
            forms.refusal_to_form(form, refusal)
        else:
            days = me.policy.withdrawals.decide_within_days
            flash(_("Asked for. You will hear within %(days)s days.", days=days), "success")
            return redirect(url_for(".home"), code=303)
        me = read_self()
    return forms.render_form("worker/leave.html", form, **_shown(me))


def _form(me: Self) -> LeaveForm:
    form = LeaveForm()
    names = {component.code: component.name for component in me.policy.components}
    form.component.choices = [SelectChoice(code, names.get(code, code)) for code in leave.leave_of(me.account.id)]
    # Time taken lately may be asked for afterwards, as far back as work is reported.
    earliest = me.today - timedelta(days=me.policy.limits.backdating_days)
    for day in (form.first_day, form.last_day):
        day.within(earliest, me.today + leave.LONGEST)
    return form


def _shown(me: Self) -> dict[str, object]:
    return {
        "leave": list(leave.leave_of(me.account.id).values()),
        "requests": leave.of_account(me.account.id),
        "names": {component.code: component.name for component in me.policy.components},
        "due": {one.id: leave.due_on(one, me.policy) for one in leave.of_account(me.account.id)},
        "states": STATES,
        "days": me.policy.withdrawals.decide_within_days,
        "today": me.today,
    }


def _ask(wanted: TimeOff) -> None:
    me = read_self()
    leave.ask(me.account, wanted, policy=me.policy, by=me.actor, at=me.at)


@bp.post("/<int(max=9223372036854775807):request_id>/withdraw")
def withdraw(request_id: int) -> ResponseReturnValue:
    """Take a request back that nobody has answered yet."""

    def work() -> None:
        me = read_self()
        leave.withdraw(access.one(LeaveRequest, me.actor, id=request_id), by=me.actor, at=me.at)

    in_unit_of_work(work)
    flash(_("The request is withdrawn. The time is yours to ask for again."), "success")
    return redirect(url_for(".home"), code=303)
