"""What does an employer owe, what has it paid, and for whom?"""

from __future__ import annotations

from typing import Any

from flask import Response, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from sqlalchemy import Select, select

from enrollment import contributions, employed, employers
from enrollment.contribution_rules import retold
from enrollment.models import BenefitAccount, Contribution, Remittance, RemittanceState
from exchange import clock, exports
from exchange.database import db, in_unit_of_work
from exchange.identity import access
from exchange.identity.actors import Audience
from exchange.identity.organizations import Organization
from exchange.ledger.accounts import AccountKind
from exchange.ledger.balances import shared_of
from exchange.money import Unit
from exchange.payments import payments
from exchange.payments.payments import PaymentState
from exchange.policy import versions
from exchange.web import tables
from exchange.web.audiences import audience_blueprint
from exchange.web.downloads import csv_answer

bp = audience_blueprint("employer", __name__, Audience.EMPLOYER, "/employer")
bp.add_to_nav("home", _l("Overview"), order=10)
bp.add_to_nav("workers", _l("Workers"), order=30)

STATES = {
    RemittanceState.REPORTED: ("waiting", _l("To be paid")),
    RemittanceState.PAID: ("done", _l("Paid")),
    RemittanceState.CANCELLED: ("off", _l("Cancelled")),
}
"""How a remittance's state is shown: kind of tag, and word."""
SOURCES = {"form": _l("Form"), "csv": _l("File"), "api": _l("Program")}


@bp.get("/")
def home() -> str:
    """What is due, and the remittances so far."""
    actor = access.current_actor()
    employer = employers.of_actor(actor)
    own = access.selecting(Remittance, actor).with_only_columns(
        Remittance.id,
        Remittance.state,
        Remittance.source,
        Remittance.reported_at,
        Remittance.total_cents,
        Remittance.late_cents,
    )
    page = tables.read_page(own.order_by(Remittance.id.desc()), number=tables.asked_page())
    funds = shared_of(employer.organization_id, AccountKind.FUNDS)
    return render_template(
        "employer/home.html",
        name=db.session.get_one(Organization, employer.organization_id).name,
        due=contributions.due(employer.organization_id),
        credit_cents=funds.get(("", Unit.USD), 0),
        page=page,
        states=STATES,
        sources=SOURCES,
    )


@bp.get("/remittances/<int:remittance_id>")
def remittance(remittance_id: int) -> str:
    """One remittance: its lines, the rule of each, and what can be done about it."""
    found = access.one(Remittance, access.current_actor(), id=remittance_id)
    standing = payments.latest(contributions.PURPOSE, found.id)
    return render_template(
        "employer/remittance.html",
        remittance=found,
        page=tables.read_page(_lines(found.id), number=tables.asked_page(), per_page=100),
        rules=_rule_names(),
        retold=retold,
        states=STATES,
        sources=SOURCES,
        under_way=standing is not None and standing.state is PaymentState.STARTED,
    )


def _lines(remittance_id: int) -> Select[*tuple[Any, ...]]:
    c = Contribution
    return (
        select(
            c.id, c.line, BenefitAccount.number, c.work_from, c.work_to, c.place, c.sector, c.worker_class, c.minutes,
            c.earnings_cents, c.fee_cents, c.tolls_cents, c.jobs, c.rule, c.explanation, c.owed_cents, c.extra_cents,
            c.late_cents, c.reversed_by_id, c.entry_id, c.policy_version_id,
            (c.owed_cents + c.extra_cents + c.late_cents).label("amount_cents"),
        )
        .join(BenefitAccount, BenefitAccount.id == c.benefit_account_id)
        .where(c.remittance_id == remittance_id)
        .order_by(c.line)
    )  # fmt: skip


def _rule_names() -> dict[tuple[int, str], str]:
    """The name of each rule by policy version and code."""
    law = versions.timeline()
    return {
        (id_, rule.code): rule.name
        for id_, policy in zip(law.ids, law.policies, strict=True)
        for rule in policy.contributions.rules
    }


@bp.post("/remittances/<int:remittance_id>/pay")
def pay(remittance_id: int) -> ResponseReturnValue:
    """Begin paying: off to the bank."""

    def start() -> int:
        actor = access.current_actor()
        found = access.one(Remittance, actor, id=remittance_id)
        return contributions.start_payment(found, by=actor, at=clock.now())

    payment_id = in_unit_of_work(start)
    address = url_for(".remittance", remittance_id=remittance_id)
    return redirect(payments.checkout(payment_id, return_url=address), code=303)


@bp.post("/remittances/<int:remittance_id>/cancel")
def cancel(remittance_id: int) -> ResponseReturnValue:
    """Take a report back that is not paid."""

    def work() -> None:
        actor = access.current_actor()
        contributions.cancel(access.one(Remittance, actor, id=remittance_id), by=actor, at=clock.now())

    in_unit_of_work(work)
    flash(_("The report is cancelled. Nothing is due for it."), "success")
    return redirect(url_for(".home"), code=303)


@bp.get("/remittances/<int:remittance_id>.csv")
def export(remittance_id: int) -> Response:
    """The lines of a remittance as a file."""
    found = access.one(Remittance, access.current_actor(), id=remittance_id)
    headings = [
        _("Line"), _("Account number"), _("First day"), _("Last day"), _("Place"), _("Sector"), _("Class"),
        _("Minutes"), _("Earnings, cents"), _("Fee, cents"), _("Tolls, cents"), _("Jobs"), _("Rule"), _("Computed"),
        _("Owed, cents"), _("Extra, cents"), _("Late, cents"),
    ]  # fmt: skip

    lines = db.session.execute(_lines(found.id)).all()
    text = exports.to_csv(headings, (list(line)[1 : len(headings) + 1] for line in lines))
    return csv_answer(text, f"remittance-{found.id}.csv", rows=len(lines), about_workers=True)


@bp.get("/workers")
def workers() -> str:
    """Everybody that this employer has reported work for: account numbers, never names."""
    employer = employers.of_actor(access.current_actor())
    columns = employed.sortable(employer.organization_id)
    sort = tables.asked_sort(columns, default="-last")
    order = tables.order_of(sort, columns, last=employed.key())
    rows = employed.workers_of(employer.organization_id, by=sort.name).order_by(*order)
    page = tables.read_page(rows, number=tables.asked_page(), counting=employed.counted(employer.organization_id))
    shown = employed.shown(employer.organization_id, [row.account_id for row in page.rows])
    return render_template("employer/workers.html", page=page, workers=shown, sort=sort)
