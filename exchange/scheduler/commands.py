"""How does an operator look after the jobs and the rules on the command line?"""

from __future__ import annotations

import signal
from datetime import datetime

import click
from flask import Flask, current_app
from flask.cli import with_appcontext
from sqlalchemy import text

from exchange import clock, connections, health
from exchange.database import allow_long_statements, db
from exchange.errors import Refusal
from exchange.identity.actors import system_actor
from exchange.ledger import invariants
from exchange.progress import Progress
from exchange.scheduler import jobs, overview, runner
from exchange.scheduler.process import Scheduler
from exchange.scheduler.records import RunState


@click.group("job")
def job_group() -> None:
    """Jobs: what the exchange does by itself."""


@job_group.command("list")
@with_appcontext
def list_command() -> None:
    """Every job: what it does, when it is due, what came of it last."""
    zone = jobs.program_zone()

    def local(at: datetime) -> str:
        return at.astimezone(zone).strftime("%Y-%m-%d %H:%M %Z")

    for job in overview.standings(clock.now()):
        click.echo(f"{job.name}\n    {job.description}")
        if job.trouble:
            click.echo(f"    cannot tell what is due: {job.trouble}")
        elif job.due_now:
            click.echo(f"    due: {job.due_now:,} now" + (f", since {local(job.due_at)}" if job.due_at else ""))
        else:
            click.echo(f"    due: {local(job.due_at) if job.due_at else 'when there is something to do'}")
        if job.last is not None:
            late = ", late" if job.last.late else ""
            click.echo(f"    last: {job.last.state} for {job.last.key} at {local(job.last.at)}{late}: {job.last.text}")
            for finding in job.last.broken:
                click.echo(f"    broken: {finding}")


@job_group.command("run")
@click.argument("name")
@click.option("--on", type=click.DateTime(formats=["%Y-%m-%d"]), help="Only what fell due on this local date.")
@with_appcontext
def run_command(name: str, on: datetime | None) -> None:
    """Do what is due for one job now, in the same way as the scheduler does."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C does: the run is given up, not just left
    by = system_actor("command:job-run")
    is_well = True
    try:
        with Progress("runs") as tell:
            runs = runner.run_by_hand(name, by=by, on=on.date() if on else None, tell=tell.say)
            for count, ran in enumerate(runs, start=1):
                tell(count)
                late = ", late" if ran.late else ""
                click.echo(f"{ran.name} for {ran.key}: {ran.state}{late}: {ran.text}")
                for finding in ran.broken:
                    click.echo(f"  broken: {finding}")
                is_well = is_well and ran.state is RunState.DONE and not ran.broken
    except Refusal as refusal:
        raise click.ClickException(str(refusal)) from refusal
    if not is_well:
        raise click.exceptions.Exit(1)


@click.command("scheduler")
@click.option("--without", multiple=True, metavar="JOB", help="Leave a job to a process of its own.")
@click.option("--only", multiple=True, metavar="JOB", help="Do this job alone, beside the scheduler that leads.")
@with_appcontext
def scheduler_command(without: tuple[str, ...], only: tuple[str, ...]) -> None:
    """Run the scheduler until it is stopped (Ctrl-C). A second one stands by."""
    left_out = {_called(name).name for name in without}
    among = [_called(name) for name in only] or jobs.registered()
    if _app().config["DATABASE_POOLER"]:
        raise click.ClickException("Leadership is a lock of a session: the scheduler's address leads past the pooler.")
    connections.name_process("scheduler")
    Scheduler(_app(), among=[one for one in among if one.name not in left_out], leads=not only).run()


@click.command("sealer")
@with_appcontext
def sealer_command() -> None:
    """Seal the journal until it is stopped: the one job, in a process of its own. A second one does no harm."""
    connections.name_process("sealer")
    Scheduler(_app(), among=[_called("seal-journal")], leads=False, name="sealer").run()


def _called(name: str) -> jobs.Job:
    try:
        return jobs.called(name)
    except Refusal as refusal:
        raise click.ClickException(str(refusal)) from refusal


def _app() -> Flask:
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]  # noqa: SLF001 - threads need the app
    return app


@click.command("ready")
@click.option("--scheduler", "wants_scheduler", is_flag=True, help="Also ask that some scheduler leads.")
@with_appcontext
def ready_command(*, wants_scheduler: bool) -> None:
    """Say what keeps the program from its work; exit status 1 when something does."""
    db.session.execute(text("SELECT 1"))  # where it is not answered, the error says more than a page may
    found = health.readiness()
    troubles = list(found.troubles)
    if not troubles and (lacking := health.lacks_grants()):
        troubles.append(lacking)
    if wants_scheduler and not found.scheduler_leads:
        troubles.append("no scheduler leads")
    click.echo("\n".join(troubles) or "ready")
    if troubles:
        raise click.exceptions.Exit(1)


@click.command("invariants")
@with_appcontext
def invariants_command() -> None:
    """Ask every rule that must always hold; exit status 1 when one is broken."""
    allow_long_statements()
    findings: dict[tuple[int, str], list[str]] = {}
    for one in invariants.broken():
        findings.setdefault((one.number, one.name), []).append(one.finding)
    for number, name in invariants.rules():
        broken = findings.get((number, name), [])
        click.echo(f"{'broken' if broken else 'ok':6}  {number:>2}. {name}")
        for finding in broken:
            click.echo(f"            {finding}")
    if findings:
        raise click.exceptions.Exit(1)
