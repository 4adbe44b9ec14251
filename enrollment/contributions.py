"""How does a report become a remittance, and what is still due?

A remittance is one payment of an employer that covers many contributions: reported in one go, paid
in one go, to whichever providers the workers are with. It is taken whole or not at all. Once it is
paid ``posting`` puts it into the books.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from flask_babel import force_locale, lazy_ngettext
from flask_babel import lazy_gettext as _l
from sqlalchemy import BigInteger, ColumnElement, false, func, select, true, update
from sqlalchemy.orm import make_transient_to_detached

from enrollment import lateness, posting, reported_before, reporting
from enrollment.models import BenefitAccount, Contribution, Employer, Remittance, RemittanceState, Worker
from enrollment.posting_entries import MANY
from enrollment.report_costs import ComputedLine
from enrollment.report_lines import ReportLine, digest_of
from enrollment.reported_before import WorkReportedBefore
from enrollment.reporting import Report
from exchange import audit
from exchange.bulk import Prepared, insert_rows
from exchange.database import core, db, to_microseconds
from exchange.errors import NotAllowed, Refusal
from exchange.identity.access import scope_of
from exchange.identity.actors import Actor, Audience
from exchange.intake import Problems
from exchange.ledger import staging
from exchange.money import format_dollars
from exchange.payments import payments
from exchange.payments.payments import PaymentState
from exchange.policy import versions
from exchange.policy.versions import Timeline

PURPOSE = "remittance"
MAY_BECOME: Mapping[RemittanceState, frozenset[RemittanceState]] = {
    RemittanceState.REPORTED: frozenset({RemittanceState.PAID, RemittanceState.CANCELLED}),
    RemittanceState.PAID: frozenset(),
    RemittanceState.CANCELLED: frozenset(),
}
_AT_ONCE = 5_000


class ReportRefused(Refusal):
    """Something is wrong with a report; ``problems`` tells all of it, and nothing was taken."""

    code = "report_refused"

    def __init__(self, problems: Problems) -> None:
        kept = [
            {"line": problem.line, "column": problem.column, "reason": str(problem.reason)} for problem in problems.kept
        ]
        sentence = lazy_ngettext(
            "Nothing was taken: %(count)s problem in the report.",
            "Nothing was taken: %(count)s problems in the report.",
            problems.count,
            count=problems.count,
        )
        super().__init__(sentence, problems=kept, count=problems.count)
        self.problems = problems


class AlreadyReported(Refusal):
    """The same was reported before."""

    code = "already_reported"
    status = 409


class RequestKeyReused(Refusal):
    """The name of the request stands for another report."""

    code = "request_key_reused"
    status = 409


class CostsChanged(Refusal):
    """The report costs something else now than the employer was told."""

    code = "costs_changed"
    status = 409

    def __init__(self, total_cents: int) -> None:
        sentence = _l(
            "This costs %(now)s now, which is not what you were shown: the rules, earlier reports or how late it is "
            "have changed since. Nothing was taken. Look at it again, and send it if you agree.",
            now=format_dollars(total_cents),
        )
        super().__init__(sentence, total_cents=total_cents)


@dataclass(frozen=True, slots=True)
class Confirmed:
    """What the employer says with a report, knowing what it would do.

    ``total_cents``: what it was told that the report costs; None: it takes what it costs. ``other_work``: lines that
    share days with earlier reports are other work.
    """

    total_cents: int | None = None
    other_work: bool = False


UNSEEN: Final = Confirmed()


class NotOpen(Refusal):
    """The remittance is paid or cancelled, or a payment for it is under way."""

    code = "remittance_not_open"
    status = 409


# --- reporting ------------------------------------------------------------------------------------


def submit(
    lines: Sequence[ReportLine],
    *,
    employer: Employer,
    source: str,
    request_key: str | None = None,
    confirmed: Confirmed = UNSEEN,
    by: Actor,
    at: datetime,
) -> Remittance:
    """Take a report. ``source`` says which way it came (``form``, ``csv``, ``api``).

    Refuses ``ReportRefused``, ``AlreadyReported``, ``WorkReportedBefore``, ``CostsChanged``,
    ``NothingReported`` and a report for another employer. With a ``request_key`` the same report again is
    the remittance that is there already; another report under it is ``RequestKeyReused``.
    """
    if by.audience is not Audience.SYSTEM and by.organization_id != employer.organization_id:
        raise NotAllowed(_l("You can report for your own organization only."))
    db.session.flush()
    digest = digest_of(lines)
    earlier = _under(request_key, employer, digest)
    if earlier is not None:
        return earlier
    if len(lines) > MANY:
        staging.plan_by_index()
    with force_locale("en"):  # what is kept is for many readers
        law = versions.timeline()
        report = reporting.preview(lines, employer=employer, law=law, digest=digest, at=at)
    if report.problems.count:
        raise ReportRefused(report.problems)
    if confirmed.total_cents not in {None, report.total_cents} and report.earlier_id is None:
        raise CostsChanged(report.total_cents)
    if report.earlier_id is not None:
        return _entered_meanwhile(report, employer, request_key)
    remittance = _entered(report, employer=employer, source=source, request_key=request_key, by=by, at=at)
    if remittance is None:
        return _entered_meanwhile(report, employer, request_key)
    _enter_lines(remittance.id, employer.organization_id, report.lines)
    _EMPLOYMENTS.run(remittance_id=remittance.id)
    if not confirmed.other_work:  # asked while the employments are held: two reports at once are told of each other
        before = reported_before.find(report.lines, employer.organization_id, apart_from=remittance.id)
        if before.count:
            raise WorkReportedBefore(before)
    facts = f"lines={len(report.lines)} workers={report.workers} cents={report.total_cents}"
    audit.record("remittance.reported", f"remittance:{remittance.id}", by=by, at=at, facts=facts)
    if report.late_cents:
        lateness.charge(remittance.id, law=law, paid_on=reporting.today_by(law, at))
    if remittance.total_cents == 0:
        posting.post(remittance, by=by, at=at)
    return remittance


def _under(request_key: str | None, employer: Employer, digest: bytes) -> Remittance | None:
    if request_key is None:
        return None
    named = _NAMED.run(employer_id=employer.organization_id, request_key=request_key)
    found = db.session.get_one(Remittance, named[0][0]) if named else None
    if found is not None and found.content_digest != digest:
        raise RequestKeyReused(
            _l("This request was sent before with another content. Name each request anew."), remittance_id=found.id
        )
    return found


def _already(remittance_id: int) -> AlreadyReported:
    reported_at = db.session.execute(select(Remittance.reported_at).where(Remittance.id == remittance_id)).scalar_one()
    return AlreadyReported(
        _l(
            "The same was reported on %(day)s: it is remittance %(id)s. Nothing was taken a second time.",
            day=reported_at.date().isoformat(),
            id=remittance_id,
        ),
        remittance_id=remittance_id,
    )


def _entered(
    report: Report, *, employer: Employer, source: str, request_key: str | None, by: Actor, at: datetime
) -> Remittance | None:
    """The new remittance; None when another request with the same report, or under the same name, was faster."""
    row: dict[str, Any] = {
        "employer_id": employer.organization_id,
        "state": RemittanceState.REPORTED,
        "source": source,
        "content_digest": report.digest,
        "request_key": request_key,
        "reported_at": at,
        "reported_by_id": by.login_id,
        "total_cents": report.total_cents,
        "late_cents": report.late_cents,
    }
    written: dict[str, Any] = {**row, "state": RemittanceState.REPORTED.value, "reported_at": to_microseconds(at)}
    entered = _ENTER.run(**written)  # the database lets one in
    if not entered:
        return None
    remittance = Remittance(id=entered[0][0], paid_at=None, **row)
    make_transient_to_detached(remittance)  # it is written already
    db.session.add(remittance)
    return remittance


def _entered_meanwhile(report: Report, employer: Employer, request_key: str | None) -> Remittance:
    """What another request entered since we asked, if ours is the same by name; else ``AlreadyReported``."""
    named = _under(request_key, employer, report.digest)
    if named is not None:
        return named
    same = select(Remittance.id).where(
        Remittance.employer_id == employer.organization_id,
        Remittance.content_digest == report.digest,
        Remittance.state != RemittanceState.CANCELLED,
    )
    raise _already(db.session.execute(same).scalar_one())


_NAMED: Final = Prepared(
    "SELECT id FROM remittance WHERE employer_id = {employer_id} AND request_key = {request_key}",
    values=("employer_id", "request_key"),
)
_ENTERED: Final = (
    "employer_id", "state", "source", "content_digest", "request_key", "reported_at", "reported_by_id", "total_cents",
    "late_cents",
)  # fmt: skip
_ENTER: Final = Prepared(
    f"INSERT INTO remittance ({', '.join(_ENTERED)}) VALUES ({', '.join(f'{{{name}}}' for name in _ENTERED)})"  # noqa: S608 - our own names
    " ON CONFLICT DO NOTHING RETURNING id",
    values=_ENTERED,
)
_COLUMNS = (
    "remittance_id", "line", "employer_id", "benefit_account_id", "work_from", "work_to", "place", "sector",
    "worker_class", "minutes", "earnings_cents", "fee_cents", "tolls_cents", "jobs", "policy_version_id", "rule",
    "owed_cents", "extra_cents", "late_cents", "explanation",
)  # fmt: skip


def _enter_lines(remittance_id: int, employer_id: int, lines: Sequence[ComputedLine]) -> None:
    rows = (_row(remittance_id, employer_id, computed) for computed in lines)
    insert_rows(core(Contribution), _COLUMNS, rows)


def _row(remittance_id: int, employer_id: int, computed: ComputedLine) -> tuple[Any, ...]:
    """The values of ``_COLUMNS``."""
    line, account_id, sector, policy_version_id, rule, owed_cents, explanation = computed
    return (
        remittance_id, line.line, employer_id, account_id, str(line.first_day), str(line.last_day), line.place, sector,
        line.worker_class.value, line.minutes or 0, line.earnings_cents or 0, line.fee_cents or 0,
        line.tolls_cents or 0, line.jobs or 0, policy_version_id, rule, owed_cents, line.extra_cents, 0, explanation,
    )  # fmt: skip


# Widen each employment to the days that the remittance names. Two reports for the same workers at once take turns.
_EMPLOYMENTS: Final = Prepared(
    """
    INSERT INTO employment (employer_id, benefit_account_id, first_worked_on, last_worked_on)
    SELECT employer_id, benefit_account_id, min(work_from), max(work_to) FROM contribution
    WHERE remittance_id = {remittance_id} GROUP BY employer_id, benefit_account_id ORDER BY benefit_account_id
    ON CONFLICT (employer_id, benefit_account_id) DO UPDATE SET
        first_worked_on = CASE WHEN excluded.first_worked_on < employment.first_worked_on
            THEN excluded.first_worked_on ELSE employment.first_worked_on END,
        last_worked_on = CASE WHEN excluded.last_worked_on > employment.last_worked_on
            THEN excluded.last_worked_on ELSE employment.last_worked_on END
    WHERE excluded.first_worked_on < employment.first_worked_on OR excluded.last_worked_on > employment.last_worked_on
    """,
    values=("remittance_id",),
)


# --- paying ---------------------------------------------------------------------------------------


def start_payment(remittance: Remittance, *, by: Actor, at: datetime) -> int:
    """Start paying the remittance as it stands today, lateness included; the id for ``payments.checkout``.

    A payment that was started earlier goes on at its own amount. Refuses ``NotOpen``.
    """
    _hold(remittance)
    _must_become(remittance, RemittanceState.PAID)
    standing = payments.latest(PURPOSE, remittance.id)
    if standing is None or standing.state is not PaymentState.STARTED:
        _charge_lateness(remittance, law=versions.timeline(), at=at)
    return payments.start(
        PURPOSE,
        subject_id=remittance.id,
        payer_id=remittance.employer_id,
        amount_cents=remittance.total_cents,
        reference=f"R{remittance.id}",
        by=by,
        at=at,
    )


def book(remittance_id: int, /, *, payment_id: int, amount_cents: int, by: Actor, at: datetime) -> None:
    """What is done with a paid payment: the ``Booking`` of the purpose ``remittance``."""
    # Whoever pays and whoever cancels at the same moment take turns.
    held = select(Remittance).where(Remittance.id == remittance_id).with_for_update()
    remittance = db.session.execute(held.execution_options(populate_existing=True)).scalar_one()
    _must_become(remittance, RemittanceState.PAID)
    assert amount_cents == remittance.total_cents, f"payment {payment_id} is not of the amount that was asked for"
    posting.post(remittance, by=by, at=at)


def cancel(remittance: Remittance, *, by: Actor, at: datetime) -> None:
    """Take a report back before it is paid. Refuses ``NotOpen``, also while a payment is under way."""
    _hold(remittance)
    _must_become(remittance, RemittanceState.CANCELLED)
    standing = payments.latest(PURPOSE, remittance.id)
    if standing is not None and standing.state is PaymentState.STARTED:
        raise NotOpen(_l("A payment for this is under way. Finish or refuse it at the bank first."))
    remittance.state = RemittanceState.CANCELLED
    audit.record("remittance.cancelled", f"remittance:{remittance.id}", by=by, at=at)


def _must_become(remittance: Remittance, state: RemittanceState) -> None:
    if state not in MAY_BECOME[remittance.state]:
        words = {
            RemittanceState.PAID: _l("This is paid already."),
            RemittanceState.CANCELLED: _l("This was cancelled."),
        }
        raise NotOpen(words[remittance.state])


def _hold(remittance: Remittance) -> None:
    """Whoever pays and whoever cancels at the same moment take turns."""
    db.session.refresh(remittance, with_for_update=True)


def _charge_lateness(remittance: Remittance, *, law: Timeline, at: datetime) -> None:
    late_cents = lateness.charge(remittance.id, law=law, paid_on=reporting.today_by(law, at))
    if late_cents != remittance.late_cents:
        set_ = update(Remittance).where(Remittance.id == remittance.id)
        total_cents = remittance.total_cents - remittance.late_cents + late_cents
        db.session.execute(set_.values(late_cents=late_cents, total_cents=total_cents))
        db.session.refresh(remittance)


# --- questions ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Due:
    """What an employer has reported and not paid: how many remittances, and how much."""

    remittances: int
    cents: int


def due(employer_id: int) -> Due:
    """What is still to be paid, lateness as it was last charged."""
    open_ = select(func.count(), func.coalesce(func.sum(Remittance.total_cents), 0).cast(BigInteger)).where(
        Remittance.employer_id == employer_id, Remittance.state == RemittanceState.REPORTED
    )
    count, cents = db.session.execute(open_).one()
    return Due(count, int(cents))


def lines_of(remittance_id: int) -> Iterator[Contribution]:
    """The contributions of a remittance, in the order of its lines."""
    rows = select(Contribution).where(Contribution.remittance_id == remittance_id).order_by(Contribution.line)
    return iter(db.session.scalars(rows.execution_options(yield_per=_AT_ONCE)))


@scope_of(Remittance)
def _remittances_of(actor: Actor) -> ColumnElement[bool]:
    """An employer sees its own; operator and regulator all."""
    match actor.audience:
        case Audience.EMPLOYER:
            return Remittance.employer_id == actor.organization_id
        case Audience.OPERATOR | Audience.REGULATOR | Audience.SYSTEM:
            return true()
        case _:
            return false()


@scope_of(Contribution)
def _contributions_of(actor: Actor) -> ColumnElement[bool]:
    """An employer sees what it reported, a worker what was reported for him, a provider what came to it."""
    match actor.audience:
        case Audience.EMPLOYER:
            return Contribution.employer_id == actor.organization_id
        case Audience.WORKER:
            own = (
                select(BenefitAccount.id)
                .join(Worker, Worker.id == BenefitAccount.worker_id)
                .where(Worker.login_id == actor.login_id)
            )
            return Contribution.benefit_account_id.in_(own)
        case Audience.PROVIDER:
            return Contribution.provider_id == actor.organization_id
        case Audience.OPERATOR | Audience.REGULATOR | Audience.SYSTEM:
            return true()
        case _:
            return false()
