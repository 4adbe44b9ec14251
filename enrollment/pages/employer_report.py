"""How does an employer report work: by a form for a few lines, by a file for many?

Either way the employer sees what every line costs before anything is sent.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any, Final

from flask import Response, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_wtf.file import FileField, FileRequired
from wtforms import BooleanField, Form, FormField, HiddenField, SelectField
from wtforms.fields.choices import SelectChoice

from enrollment import account_numbers, employers, report_drafts, reported_before, reporting
from enrollment.contribution_rules import retold
from enrollment.contributions import AlreadyReported, Confirmed, CostsChanged, ReportRefused
from enrollment.models import Employer, EmployerKind
from enrollment.report_drafts import ReportDraft
from enrollment.report_lines import COLUMNS, KEPT_PROBLEMS, MAX_CENTS, MAX_JOBS, ReportLine, read_report
from enrollment.reported_before import WorkReportedBefore
from enrollment.reporting import Report
from exchange import clock
from exchange.database import in_unit_of_work
from exchange.errors import Refusal
from exchange.exports import to_csv
from exchange.identity import access
from exchange.identity.actors import Audience
from exchange.intake import Problems
from exchange.money import format_dollars
from exchange.policy import versions
from exchange.policy.document import Policy
from exchange.policy.formulas import Basis, WorkerClass
from exchange.policy.versions import Timeline
from exchange.web import forms
from exchange.web.audiences import audience_blueprint

bp = audience_blueprint("employer_report", __name__, Audience.EMPLOYER, "/employer/report")
bp.add_to_nav("form", _l("Report work"), order=20)

MOST_LINES: Final = 10  # of one form
SHOWN_LINES: Final = 100  # of a preview
# Columns of a report that a form calls otherwise.
_FIELDS: Final = {
    "account_number": "number", "minutes": "time", "earnings": "earnings_cents", "fee": "fee_cents",
    "tolls": "tolls_cents", "extra": "extra_cents",
}  # fmt: skip


class WorkForm(Form):
    """One worker's work. A row without an account number is left out."""

    number = forms.AccountNumberField(
        _l("Account number"), parse=account_numbers.parse, hint=_l("From the worker's card.")
    )
    family_name = forms.NameField(
        _l("Family name"), hint=_l("We compare it with the account's, so that a mistyped number is found.")
    )
    first_day = forms.DateField(_l("First day of work"))
    last_day = forms.DateField(_l("Last day of work"))
    place = SelectField(_l("Where the work was done"))
    sector = SelectField(_l("Kind of work"))
    worker_class = SelectField(_l("Worker's tax form"))
    time = forms.HoursField(_l("Time worked"))
    jobs = forms.WholeField(_l("Number of jobs"), at_most=MAX_JOBS)
    earnings_cents = forms.DollarsField(_l("Earnings before tips"), at_most=MAX_CENTS)
    fee_cents = forms.DollarsField(_l("What the customers paid, without tolls and tips"), at_most=MAX_CENTS)
    tolls_cents = forms.DollarsField(_l("Tolls"), at_most=MAX_CENTS)
    extra_cents = forms.DollarsField(_l("More than is owed, if you like"), at_most=MAX_CENTS)


class ReportForm(forms.PageForm):
    """A few lines of work."""

    lines = forms.Rows(FormField(WorkForm), min_entries=1, max_entries=MOST_LINES)


class FileForm(forms.PageForm):
    """A file of many lines."""

    file = FileField(_l("CSV file"), [FileRequired(_l("Choose a file."))])


class SendForm(forms.PageForm):
    """What the employer confirms with a report: the amount that it was shown, and what it says of earlier work."""

    total_cents = HiddenField()
    other_work = BooleanField(_l("This is other work, to be paid besides what was reported before."))

    def confirmed(self) -> Confirmed:
        """An amount that nobody was shown is confirmed by nobody."""
        seen = self.total_cents.data or ""
        total_cents = int(seen) if seen.isascii() and seen.isdigit() and len(seen) < 20 else -1
        return Confirmed(total_cents, bool(self.other_work.data))


@bp.route("/", methods=["GET", "POST"])
def form() -> ResponseReturnValue:
    """Report a few lines."""
    employer = employers.of_actor(access.current_actor())
    law = versions.timeline()
    today = reporting.today_by(law, clock.now())
    page = ReportForm()
    for _more in range(len(page.lines), _rows_asked()):
        page.lines.append_entry()
    for row in page.lines:
        _prepare(row.form, employer, law, today)
    if page.validate_on_submit():
        answer = _take_form(page, employer)
        if answer is not None:
            return answer
    status = 422 if request.method == "POST" else 200
    return render_template("employer/report.html", form=page, rows=len(page.lines), most=MOST_LINES), status


def _rows_asked() -> int:
    text = request.args.get("rows", "1")
    return min(int(text), MOST_LINES) if text.isascii() and text.isdigit() and len(text) < 3 else 1


_FIGURES: Final = {
    "jobs": {Basis.JOBS},
    "earnings_cents": {Basis.EARNINGS},
    "fee_cents": {Basis.FEE, Basis.FEE_AND_TOLLS},
    "tolls_cents": {Basis.FEE_AND_TOLLS},
}
"""Fields that are only asked for where a rule is computed from such a figure."""


def _reportable(law: Timeline, today: date) -> list[Policy]:
    """The policies of the days that may be reported today: of each kind of work, its own day's rule holds."""
    _, present = law.on(today)
    first = today - timedelta(days=present.limits.backdating_days)
    last = today + timedelta(days=present.limits.future_days)
    ends = (*law.effective_on[1:], date.max)
    spans = zip(law.effective_on, ends, law.policies, strict=True)
    return [policy for starts_on, ends_on, policy in spans if starts_on <= last and ends_on > first]


def _bases(policies: Sequence[Policy], sector: str) -> set[Basis]:
    """The figures that some rule for the sector is computed from."""
    rules = (rule for policy in policies for rule in policy.contributions.rules)
    return {basis for rule in rules if not rule.sectors or sector in rule.sectors for basis in rule.bases}


def _prepare(row: Any, employer: Employer, law: Timeline, today: date) -> None:
    """Ask for the figures of the employer's own sector; offer the sectors that need no other."""
    policies = _reportable(law, today)
    own = _bases(policies, employer.sector) | {Basis.MINUTES}
    places = {place.code: place.name for policy in policies for place in policy.places}
    sectors = {sector.code: sector.name for policy in policies for sector in policy.sectors}
    row.place.choices = [SelectChoice(code, name) for code, name in places.items()]
    row.sector.choices = [SelectChoice(code, name) for code, name in sectors.items() if _bases(policies, code) <= own]
    row.worker_class.choices = [SelectChoice(kind.value, kind.value) for kind in WorkerClass]
    if not row.sector.raw_data:
        row.sector.data = employer.sector
    if not row.worker_class.raw_data and employer.kind is EmployerKind.HOUSEHOLD:
        row.worker_class.data = WorkerClass.EMPLOYEE.value
    for day in (row.first_day, row.last_day):
        day.render_kw = {"max": str(today + timedelta(days=law.on(today)[1].limits.future_days))}
    for field in (row.number, row.first_day, row.last_day):
        field.flags.required = True  # in every row that is filled in at all
    for name, bases in _FIGURES.items():
        if not bases & own:
            del row[name]


def _take_form(page: ReportForm, employer: Employer) -> ResponseReturnValue | None:
    rows = {place: row.form for place, row in enumerate(page.lines, start=1) if row.form.number.data}
    lines = [_line(place, row, employer) for place, row in rows.items() if _has_days(row)]
    if len(lines) < len(rows):
        return None
    try:
        report = reporting.preview(lines, employer=employer, at=clock.now())
    except Refusal as refusal:
        forms.refusal_to_form(page, refusal)
        return None
    for problem in report.problems.kept:
        row, name = rows[problem.line], _FIELDS.get(problem.column or "", problem.column)
        field = row[name if name in row else "number"]
        field.errors = [*field.errors, problem.reason]
    return None if report.problems.count else _to_check(lines, "form")


def _has_days(row: Any) -> bool:
    for field in (row.first_day, row.last_day):
        if field.data is None:
            field.errors = [*field.errors, _("Write the day.")]
    return row.first_day.data is not None and row.last_day.data is not None


def _line(place: int, row: Any, employer: Employer) -> ReportLine:
    """The line as a file would say it: the same work is the same report, whichever way it comes."""
    figures = {name: row[name].data for name in ("earnings_cents", "fee_cents", "tolls_cents", "jobs") if name in row}
    return ReportLine(
        place,
        row.number.data,
        row.first_day.data,
        row.last_day.data,
        row.place.data,
        sector="" if row.sector.data == employer.sector else row.sector.data,
        worker_class=WorkerClass(row.worker_class.data),
        minutes=row.time.data,
        extra_cents=row.extra_cents.data or 0,
        family_name=row.family_name.data or "",
        **figures,
    )


# --- files ----------------------------------------------------------------------------------------


@bp.route("/file", methods=["GET", "POST"])
def file() -> ResponseReturnValue:
    """Report many lines by a file."""
    employer = employers.of_actor(access.current_actor())
    _today, policy = _present()
    page, report = FileForm(), None
    if page.validate_on_submit():
        problems = Problems(keep=KEPT_PROBLEMS)
        try:
            lines = read_report(page.file.data.stream, problems=problems, max_rows=policy.limits.file_rows)
            report = reporting.preview(lines, employer=employer, problems=problems, at=clock.now())
        except Refusal as refusal:
            forms.refusal_to_form(page, refusal, field="file")
        else:
            if not report.problems.count:
                return _to_check(lines, "csv")
    status = 422 if request.method == "POST" else 200
    problems_found = report.problems if report else None
    return render_template(
        "employer/report_file.html",
        form=page,
        problems=problems_found,
        rows=policy.limits.file_rows,
        places=policy.places,
        sectors=policy.sectors,
    ), status


def _present() -> tuple[date, Policy]:
    law = versions.timeline()
    today = reporting.today_by(law, clock.now())
    return today, law.on(today)[1]


@bp.get("/template.csv")
def template() -> Response:
    """An empty file with the columns, and one line to show how they are filled."""
    today, policy = _present()
    example = {
        "account_number": account_numbers.from_serial(0),
        "first_day": today.replace(day=1),
        "last_day": today,
        "place": policy.jurisdiction,
        "sector": policy.sectors[0].code,
        "worker_class": WorkerClass.INDEPENDENT.value,
        "hours": "7:30",
        "earnings": "1204.50",
        "fee": "1600.00",
        "tolls": "0.00",
        "jobs": 3,
        "family_name": "Flores",
    }
    names = [column.name for column in COLUMNS]
    text = to_csv(names, [[example.get(name) for name in names]])
    disposition = 'attachment; filename="work-report.csv"'
    return Response(text, mimetype="text/csv", headers={"Content-Disposition": disposition})


# --- before it is sent ----------------------------------------------------------------------------


def _to_check(lines: list[ReportLine], source: str) -> ResponseReturnValue:
    def keep() -> int:
        actor = access.current_actor()
        employer = employers.of_actor(actor)
        return report_drafts.keep(lines, employer=employer, source=source, by=actor, at=clock.now()).id

    return redirect(url_for(".check", draft_id=in_unit_of_work(keep)), code=303)


@bp.get("/check/<int:draft_id>")
def check(draft_id: int) -> str:
    """What the report costs, line by line, before it is sent."""
    return _shown(draft_id, SendForm())


def _shown(draft_id: int, page: SendForm) -> str:
    draft = access.one(ReportDraft, access.current_actor(), id=draft_id)
    employer = employers.of_actor(access.current_actor())
    report = reporting.preview(report_drafts.lines_of(draft), employer=employer, at=clock.now())
    page.total_cents.data = str(report.total_cents)  # what is shown now is what is confirmed next
    return render_template(
        "employer/report_check.html",
        form=page,
        retold=retold,
        draft=draft,
        report=report,
        before=reported_before.find(report.lines, employer.organization_id),
        sums=_sums(report),
        shown=report.lines[:SHOWN_LINES],
        problems=report.problems if report.problems.count else None,
    )


def _sums(report: Report) -> list[tuple[str, int, str]]:
    """For each rule: its name, how many lines, how much."""
    names = {rule.code: rule.name for policy in versions.timeline().policies for rule in policy.contributions.rules}
    lines = Counter(line.rule for line in report.lines)
    cents: Counter[str] = Counter()
    for line in report.lines:
        cents[line.rule] += line.amount_cents
    return [
        (names.get(code, str(_l("No rule: nothing is owed by law"))), count, format_dollars(cents[code]))
        for code, count in sorted(lines.items())
    ]


@bp.post("/check/<int:draft_id>/send")
def send(draft_id: int) -> ResponseReturnValue:
    """Send it: from now on it is due. Where it is not taken as it was shown, it is shown again."""
    page = SendForm()

    def work() -> int:
        actor = access.current_actor()
        draft = access.one(ReportDraft, actor, id=draft_id)
        employer = employers.of_actor(actor)
        return report_drafts.confirm(draft, employer=employer, confirmed=page.confirmed(), by=actor, at=clock.now()).id

    try:
        remittance_id = in_unit_of_work(work)
    except (AlreadyReported, CostsChanged, ReportRefused, WorkReportedBefore) as refusal:
        forms.refusal_to_form(page, refusal)
        return _shown(draft_id, page), refusal.status
    flash(_("The report is taken. Pay it, and the money goes to each worker's provider."), "success")
    return redirect(url_for("employer.remittance", remittance_id=remittance_id), code=303)


@bp.post("/check/<int:draft_id>/drop")
def drop(draft_id: int) -> ResponseReturnValue:
    """Forget it; nothing was sent."""
    actor = access.current_actor()
    in_unit_of_work(lambda: report_drafts.drop(access.one(ReportDraft, actor, id=draft_id)))
    flash(_("The report is dropped. Nothing was sent."), "success")
    return redirect(url_for(".form"), code=303)
