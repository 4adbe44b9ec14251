"""How far is a worker's switch, and what did it carry?"""

from __future__ import annotations

from flask import Response, render_template
from flask_babel import lazy_gettext as _l

from enrollment import receipts, statement_times, switch_receipts
from enrollment.models import Switch, SwitchCause, SwitchState
from enrollment.pages.worker_self import Self, read_self
from enrollment.switch_receipts import Evidence
from exchange.clock import local_date
from exchange.database import db
from exchange.errors import NotFound, Refusal
from exchange.identity.actors import Audience
from exchange.ledger import keys
from exchange.ledger.keys import NoKeys
from exchange.ledger.proofs import NotSealedYet
from exchange.web.audiences import audience_blueprint
from exchange.web.downloads import json_answer

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
    receipt = receipts.receipt(me.account.id, switch_id, policy=me.policy)
    evidence, why_none = _evidence(me, switch_id) if receipt.entry_key is not None else (None, None)
    return render_template(
        "worker/switch_receipt.html",
        receipt=receipt,
        evidence=evidence,
        why_none=why_none,
        next_at=statement_times.next_after(me.at, me.policy),
        states=STATES,
        causes=CAUSES,
        number=me.account.number,
        name=me.worker.legal_name,
    )


@bp.get("/<int(max=9223372036854775807):switch_id>/receipt.json")
def receipt_file(switch_id: int) -> Response:
    """The receipt as a file for ``verifier/verify.py``."""
    me = read_self()
    switch = _own(me, switch_id)
    content = switch_receipts.receipt_of(switch, keys=keys.ring(), zone=me.policy.zone)
    effective_on = local_date(switch.effective_at, me.policy.zone)
    return json_answer(content, f"receipt-of-switch-{switch.id}-{effective_on}.json")


def _evidence(me: Self, switch_id: int) -> tuple[Evidence | None, Refusal | None]:
    """What the receipt's file shows, or why there is none yet."""
    try:
        return switch_receipts.evidence_of(_own(me, switch_id), keys=keys.ring(), zone=me.policy.zone), None
    except (NotSealedYet, NoKeys) as refusal:
        return None, refusal


def _own(me: Self, switch_id: int) -> Switch:
    found = db.session.get(Switch, switch_id)
    if found is None or found.benefit_account_id != me.account.id:
        raise NotFound(_l("There is no such page or record, or it is not yours to see."))
    return found
