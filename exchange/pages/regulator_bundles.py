"""How does a regulator come to the books, to compute everything anew on a machine of his own?

He asks for a bundle, watches it being written, and takes it: with a reason, and with a fresh sign-in
where it names workers. The page says what is inside, how it is verified and what that cannot show, and
how a witness is run.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from flask import Response, current_app, flash, make_response, redirect, render_template, request, send_file, session
from flask import url_for as url_of
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from wtforms import RadioField
from wtforms.fields.choices import SelectChoice

from exchange import bundle_jobs, clock
from exchange.database import db, in_unit_of_work
from exchange.identity import access, people
from exchange.identity.access import current_actor
from exchange.identity.actors import Audience
from exchange.ledger import bundle_orders, keys, notes, seals
from exchange.ledger.bundle_orders import BundleOrder, NotThere
from exchange.ledger.keys import KeyRing
from exchange.ledger.seal_store import SealCheckpoint, SealState
from exchange.scheduler import records
from exchange.web import forms
from exchange.web.audiences import ROW, audience_blueprint, decision

bp = audience_blueprint("regulator_bundles", __name__, Audience.REGULATOR, "/regulator/bundles")
bp.add_to_nav("show_all", _l("Verify"), order=55)

LISTED: Final = 20
AGAIN_AFTER: Final = 5
"""Seconds after which the browser asks again for a page that follows the writing."""
WITH_NAMES, WITHOUT_NAMES = "with", "without"


class AskForm(forms.PageForm):
    """Which bundle, and why."""

    kind = RadioField(
        _l("Which of the two"),
        [forms.needed(_l("Choose one."))],
        choices=[
            SelectChoice(WITHOUT_NAMES, _l("Without names: statements are checked by their sums")),
            SelectChoice(WITH_NAMES, _l("With names, confidential: every worker’s balance is checked as well")),
        ],
    )
    reason = forms.TextField(_l("What you need it for"), [forms.needed()], hint=_l("It goes into the audit log."))


@dataclass(frozen=True, slots=True)
class Sealed:
    """How the journal stands: the last checkpoint, who signed it besides the exchange, and why sealing is stopped."""

    newest: SealCheckpoint | None
    witnesses: tuple[str, ...]
    stopped: SealState | None
    journal_key: str


@bp.route("/", methods=["GET", "POST"])
@decision
def show_all() -> ResponseReturnValue:
    """How the journal is sealed, the bundles there are, and a form to ask for one."""
    form = AskForm()
    if form.validate_on_submit():
        confidential = form.kind.data == WITH_NAMES
        if confidential and (answer := access.require_fresh()) is not None:
            return answer
        reason, actor = str(form.reason.data), current_actor()
        order_id = in_unit_of_work(
            lambda: bundle_orders.ask(reason=reason, confidential=confidential, by=actor, at=clock.now()).id
        )
        return redirect(url_of(".show", order_id=order_id, follow=1), code=303)
    found = bundle_orders.listed(at_most=LISTED)
    return forms.render_form(
        "regulator/bundles.html",
        form,
        orders=found,
        names=people.names_of({one.asked_by_id for one in found}),
        sealed=_sealed(),
    )


@bp.get("/help")
def explain() -> str:
    """What is inside, how it is verified, what cannot be shown, and how to run a witness."""
    return render_template(
        "regulator/bundle_help.html", sealed=_sealed(), root=request.url_root.rstrip("/"), exchange=_exchange()
    )


@bp.get(f"/<{ROW}:order_id>")
def show(order_id: int) -> Response:
    """One bundle; with ``?follow=1`` the browser asks again by itself while it is written."""
    order = access.one(BundleOrder, current_actor(), id=order_id)
    follows = request.args.get("follow") == "1" and order.written_at is None
    answer = make_response(
        render_template(
            "regulator/bundle.html",
            order=order,
            name=people.names_of([order.asked_by_id]).get(order.asked_by_id),
            run=None if order.written_at else records.latest(bundle_jobs.WRITE, str(order.id)),
            follows=follows,
            again_after=AGAIN_AFTER,
            is_there=_is_there(order),
        )
    )
    if follows:
        answer.headers["Refresh"] = str(AGAIN_AFTER)
    return answer


@bp.post(f"/<{ROW}:order_id>/take")
@decision
def take(order_id: int) -> ResponseReturnValue:
    """Write down that it is taken, then hand it out."""
    actor = current_actor()
    if access.one(BundleOrder, actor, id=order_id).confidential and (answer := access.require_fresh()) is not None:
        return answer

    def work() -> None:
        bundle_orders.take(access.one(BundleOrder, actor, id=order_id), by=actor, at=clock.now())

    in_unit_of_work(work)
    session[_mark(order_id)] = True
    return redirect(url_of(".file", order_id=order_id), code=303)


@bp.get(f"/<{ROW}:order_id>/books.zip")
def file(order_id: int) -> ResponseReturnValue:
    """The file, to whoever has just taken it. A line that breaks goes on where it broke (Range, If-Range)."""
    order = access.one(BundleOrder, current_actor(), id=order_id)
    if not session.get(_mark(order_id)):
        flash(_("Say that you take it first: it goes into the audit log."), "info")
        return redirect(url_of(".show", order_id=order_id), code=303)
    path = bundle_orders.file_of(order)
    return send_file(
        path,
        mimetype="application/zip",
        as_attachment=True,
        download_name=order.file_name,
        conditional=True,
        etag=str(order.sha256),
        max_age=0,
    )


def _mark(order_id: int) -> str:
    return f"takes-bundle-{order_id}"


def _is_there(order: BundleOrder) -> bool:
    try:
        bundle_orders.file_of(order)
    except NotThere:
        return False
    return True


def _sealed() -> Sealed:
    newest, state = seals.latest(), db.session.get(SealState, 1)
    signers = set() if newest is None else {one.name for one in notes.parts(seals.signed_note(newest))[1]}
    witnesses = tuple(sorted(signers - {f"{_exchange()}/journal"}))
    stopped = state if state is not None and state.stopped_at is not None else None
    return Sealed(newest, witnesses, stopped, _journal_key(keys.ring_or_none()))


def _journal_key(ring: KeyRing | None) -> str:
    """The exchange's own public key, for the command line; the newest where there are two."""
    found = [] if ring is None else [str(key) for key in ring.verifying() if key.name == ring.journal_name]
    return found[-1] if found else f"{_exchange()}/journal+…"


def _exchange() -> str:
    return str(current_app.config["EXCHANGE_ID"])
