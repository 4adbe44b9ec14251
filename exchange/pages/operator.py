"""What does the operator see of the exchange's own work?

The jobs: what each does, what is due, every run with its result, the rules it left broken; a button that does
now what the scheduler would do in a few seconds; the letters; and what upper packages put on the overview.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import LazyString, ngettext
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from exchange import clock, outgoing_mail, quotas
from exchange.errors import Refusal
from exchange.identity import organizations
from exchange.identity.access import current_actor
from exchange.identity.actors import Audience
from exchange.outgoing_mail import State as MailState
from exchange.payments import payments
from exchange.scheduler import jobs, lease, overview, records, runner
from exchange.scheduler.records import RunState
from exchange.web import tables
from exchange.web.audiences import audience_blueprint

bp = audience_blueprint("operator", __name__, Audience.OPERATOR, "/operator")
bp.add_to_nav("home", _l("Overview"), order=0)
bp.add_to_nav("show_jobs", _l("Jobs"), order=60)

STATES: Final[dict[RunState, tuple[str, LazyString]]] = {
    RunState.RUNNING: ("waiting", _l("Running")),
    RunState.DONE: ("done", _l("Done")),
    RunState.FAILED: ("bad", _l("Failed")),
    RunState.ABANDONED: ("off", _l("Abandoned")),
}
"""How a run's state is shown: kind of tag, and word."""


@dataclass(frozen=True, slots=True)
class Card:
    """What an upper package says on the overview: a heading that leads to its page, and sentences."""

    heading: str
    url: str
    sentences: Sequence[str]


_cards: list[Callable[[datetime], Card]] = []


def overview_card(make: Callable[[datetime], Card]) -> Callable[[datetime], Card]:
    """Put a card on the operator's overview; ``make`` is told the present instant."""
    _cards.append(make)
    return make


_AT_MOST_SECONDS: Final = 10  # that a button keeps its page waiting; the scheduler does the rest


@bp.get("/")
def home() -> str:
    """Is all well?"""
    at = clock.now()
    standings = overview.standings(at)
    return render_template(
        "operator/home.html",
        cards=[make(at) for make in _cards],
        waiting_mail=outgoing_mail.waiting(),
        leads=lease.is_held(),
        due=sum(one.due_now for one in standings),
        failed=[one for one in standings if one.failed],
        broken=_broken(standings),
        under_way=payments.under_way(),
        quotas=_quotas(at),
    )


def _quotas(at: datetime) -> list[tuple[str, int]]:
    """Who asked for more records about workers than its organization may take within a day, and how often."""
    found = quotas.reached(within=timedelta(days=1), at=at)
    names = organizations.names_of(found.keys())
    return sorted((names[id_], count) for id_, count in found.items())


@bp.get("/jobs")
def show_jobs() -> str:
    """Every job: what it does, what is due, what came of it last."""
    standings = overview.standings(clock.now())
    return render_template(
        "operator/jobs.html", standings=standings, broken=_broken(standings), leads=lease.is_held(), states=STATES
    )


@bp.get("/jobs/runs")
def show_runs() -> str:
    """Every run, the latest first; of one job, or in one state."""
    job = request.args.get("job") or None
    state = request.args.get("state") or None
    chosen = RunState(state) if state in set(RunState) else None
    page = tables.read_page(records.history(name=job, state=chosen), number=tables.asked_page())
    return render_template(
        "operator/jobs_runs.html",
        page=page,
        states=STATES,
        job=job,
        state=state,
        job_options=[("", _("Any")), *((one.name, one.name) for one in jobs.registered())],
        state_options=[("", _("Any")), *((one.value, word) for one, (_kind, word) in STATES.items())],
        lines_of=overview.lines_of,
    )


@bp.get("/letters")
def show_mail() -> str:
    """The letters that wait or went out; addresses are masked, and what they say is nobody's here."""
    state = request.args.get("state", "")
    chosen = MailState(state) if state in set(MailState) else None
    page = tables.read_page(outgoing_mail.listed(chosen), number=tables.asked_page())
    return render_template(
        "operator/mail.html",
        page=page,
        state=state,
        state_options=[
            ("", _("Any")),
            (MailState.WAITS, _("Waits")),
            (MailState.SENT, _("Sent")),
            (MailState.GIVEN_UP, _("Given up")),
        ],
        waiting=outgoing_mail.waiting(),
        refused_with=_refused_with,
    )


def _refused_with(answer: str) -> str:
    """Why a letter was refused."""
    match answer:
        case outgoing_mail.HUNG_UP:
            return str(_("The mail server hung up."))
        case outgoing_mail.NOT_TO_BE_WRITTEN:
            return str(_("The mail server knows no such form of address."))
        case code:
            return str(_("The mail server answered %(code)s.", code=code))


@bp.post("/jobs/<name>/run")
def run_job(name: str) -> ResponseReturnValue:
    """Do now what is due for a job; long ones are left to the scheduler."""
    refusal = _refusal_to_run(jobs.called(name))
    if refusal is not None:
        raise refusal
    try:
        ran = list(runner.run_by_hand(name, by=current_actor(), should_stop=_after(_AT_MOST_SECONDS)))
    except Refusal as no:
        flash(str(no), "warning")
    else:
        _tell(ran)
    return redirect(url_for("operator.show_jobs"), code=303)


class TooLong(Refusal):
    """A page is no place to wait for this job."""

    code = "too_long"


def _refusal_to_run(job: jobs.Job) -> Refusal | None:
    if job.long_work is None:
        return None
    return TooLong(_l("This job takes long. The scheduler does it; by hand: flask job run %(name)s", name=job.name))


def _tell(ran: list[runner.Ran]) -> None:
    failed = [one for one in ran if one.state is not RunState.DONE]
    done = len(ran) - len(failed)
    if done:
        flash(ngettext("%(num)s run done.", "%(num)s runs done.", done), "success")
    for one in failed:
        flash(_("Failed for %(key)s: %(why)s", key=one.key, why=one.text), "error")


def _broken(standings: list[overview.Standing]) -> list[tuple[str, tuple[str, ...]]]:
    """(job, findings) for each job whose last run saw broken rules."""
    return [(one.name, one.last.broken) for one in standings if one.last is not None and one.last.broken]


def _after(seconds: float) -> Callable[[], bool]:
    end = time.monotonic() + seconds
    return lambda: time.monotonic() > end
