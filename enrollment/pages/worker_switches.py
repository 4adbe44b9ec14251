"""How far is a worker's switch, and what did it carry?"""

from __future__ import annotations

from flask import render_template
from flask_babel import lazy_gettext as _l

from enrollment import receipts
from enrollment.models import SwitchCause, SwitchState
from enrollment.pages.worker_self import read_self
from exchange.identity.actors import Audience
from exchange.web.audiences import audience_blueprint

bp = audience_blueprint("worker_switches", __name__, Audience.WORKER, "/worker/switches")
bp.add_to_nav("show_all", _l("Switches"), order=30)

STATES = {
    SwitchState.ORDERED: ("waiting", _l("Ordered")),
    SwitchState.CARRIED_OUT: ("done", _l("Carried out")),
    SwitchState.ABANDONED: ("off", _l("Given up")),
}
"""How a switch's state is shown: kind of tag, and word."""
CAUSES = {
    SwitchCause.ELECTION: _l("You chose it."),
    SwitchCause.SUCCESSOR: _l("Your package ended and named this one as its successor."),
    SwitchCause.PLACEMENT: _l("You had chosen nobody, so the exchange placed you."),
}


@bp.get("/")
def show_all() -> str:
    """Every switch, the latest first."""
    me = read_self()
    switches = receipts.switches_of(me.account.id, policy=me.policy)
    return render_template("worker/switches.html", switches=switches, states=STATES, causes=CAUSES)


@bp.get("/<int(max=9223372036854775807):switch_id>")
def show(switch_id: int) -> str:
    """One switch: how far it is; when it is carried out, its receipt."""
    me = read_self()
    return render_template(
        "worker/switch_receipt.html",
        receipt=receipts.receipt(me.account.id, switch_id, policy=me.policy),
        states=STATES,
        causes=CAUSES,
        number=me.account.number,
        name=me.worker.legal_name,
    )
