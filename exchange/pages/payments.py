"""Where does a payer pay at the local bank, and what has been paid?

The bank's pages look like a payment company's: payee, amount, reference, Pay, Refuse. They exist only
while the application is paid through the local gateway.
"""

from __future__ import annotations

from typing import Final

from flask import Response, abort, make_response, redirect, render_template, request
from flask.typing import ResponseReturnValue
from flask_babel import LazyString
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from exchange import clock
from exchange.database import in_unit_of_work
from exchange.errors import NotFound
from exchange.identity.actors import Audience, system_actor
from exchange.payments import gateway, local_gateway, payments, purposes
from exchange.payments.gateway import ChargeState
from exchange.payments.local_gateway import LocalGateway
from exchange.payments.payments import PaymentState
from exchange.web import tables
from exchange.web.audiences import audience_blueprint
from exchange.web.redirects import local_path

bank_bp = audience_blueprint("local_bank", __name__, Audience.PUBLIC, "/local-bank")
operator_bp = audience_blueprint("operator_payments", __name__, Audience.OPERATOR, "/operator/payments")
operator_bp.add_to_nav("show_payments", _l("Payments"), order=70)

STATES: Final[dict[PaymentState, tuple[str, LazyString]]] = {
    PaymentState.STARTED: ("waiting", _l("Under way")),
    PaymentState.PAID: ("done", _l("Paid")),
    PaymentState.REFUSED: ("off", _l("Refused")),
}
"""How a payment's state is shown: kind of tag, and word."""


@bank_bp.before_request
def _only_with_local_gateway() -> None:
    if not gateway.is_a(LocalGateway):
        raise NotFound(_l("There is no such page or record, or it is not yours to see."))


@bank_bp.get("/<name>")
def show(name: str) -> Response:
    """What is to be paid, with both buttons, as long as it is open."""
    charge = local_gateway.charge_called(name)
    page = make_response(
        render_template(
            "payments/local_bank.html",
            charge=charge,
            is_open=charge.state is ChargeState.OPEN,
            return_url=local_path(charge.return_url, default="/"),
        )
    )
    page.headers["Cache-Control"] = "no-store"  # whoever knows the address may pay: it stays out of caches
    return page


@bank_bp.post("/<name>")
def decide(name: str) -> ResponseReturnValue:
    """Pay or refuse. The bank tells the exchange in the same breath, then sends the payer back."""
    decision = request.form.get("decision")
    if decision not in {"pay", "refuse"}:
        abort(400)

    def work() -> str:
        at = clock.now()
        local_gateway.decide(name, pay=decision == "pay", at=at)
        payments.record(gateway.present().status(name), by=system_actor("gateway:local"), at=at)
        return local_gateway.charge_called(name).return_url

    return redirect(local_path(in_unit_of_work(work), default="/"), code=303)


@operator_bp.get("/")
def show_payments() -> str:
    """Every payment, the latest first."""
    state = request.args.get("state")
    chosen = PaymentState(state) if state in set(PaymentState) else None
    page = tables.read_page(payments.listed(chosen), number=tables.asked_page())
    labels = {name: purposes.named(name).label for name in {row.purpose for row in page.rows}}
    options = [("", _("Any")), *((one.value, word) for one, (_kind, word) in STATES.items())]
    return render_template(
        "payments/list.html", page=page, states=STATES, state=state, labels=labels, state_options=options
    )
