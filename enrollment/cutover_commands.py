"""How does the operator look after a cutover on the command line?

``flask cutover status | rehearse | help-out | pause | resume | confirm | roll-back PLAN_YEAR``. What is decided
here is written to the audit log with its reason; the scheduler does the work (``flask job run cutover``
does it at once, and tells how far it is). ``help-out`` carries out batches beside it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import click
from flask.cli import with_appcontext

from enrollment import cutover_control, dry_run, pieces, reckonings, switch_list, switching, turns, windows
from enrollment.models import EnrollmentWindow
from exchange import clock
from exchange.database import allow_long_statements, db, in_unit_of_work
from exchange.errors import Refusal
from exchange.identity import organizations
from exchange.identity.actors import system_actor
from exchange.ledger import statements
from exchange.money import Unit, format_amount
from exchange.policy import versions
from exchange.progress import Progress
from exchange.scheduler import jobs

_BY: Final = system_actor("command:cutover")
_YEAR: Final = click.argument("plan_year")
_REASON: Final = click.option("--reason", required=True, help="Why. It goes into the audit log; name no person.")


@click.group("cutover")
def cutover_group() -> None:
    """The cutover of an open enrollment: how far it is, and decisions about it."""


def _window(plan_year: str) -> EnrollmentWindow:
    window = windows.open_enrollment_for(plan_year)
    if window is None:
        raise click.ClickException(f"No open enrollment is published for plan year {plan_year}.")
    return window


@cutover_group.command("status")
@_YEAR
@with_appcontext
def status_command(plan_year: str) -> None:
    """How far it is: done, rate, remaining."""
    window, at = _window(plan_year), clock.now()
    pace = switch_list.pace(window, at=at)
    if window.ordered_at is None:
        click.echo("The choices have not become switch orders yet: flask cutover rehearse shows what they would move.")
    else:
        click.echo(f"{pace.done:,} of {pace.total:,} workers carried out, {pace.abandoned:,} given up")
    if pace.per_second is not None:
        left = "" if pace.seconds_left is None else f", about {pace.seconds_left:,} s for the rest"
        click.echo(f"{pace.per_second:,} a second{left}")
    for word, instant in (
        ("takes effect", window.effective_at),
        ("ordered", window.ordered_at),
        ("paused", window.paused_at),
        ("being rolled back since", window.rolling_back_since),
        ("carried out and netted", window.cut_over_at),
        ("confirmed", window.confirmed_at),
    ):
        if instant is not None:
            click.echo(f"{word}: {instant.astimezone(jobs.program_zone()):%Y-%m-%d %H:%M:%S %Z}")
    if window.rolled_back:
        click.echo(f"times rolled back: {window.rolled_back}")
    is_due = window.effective_at is not None and window.effective_at <= at
    is_running = is_due and window.paused_at is None and window.cut_over_at is None
    if is_running and not turns.is_turn_to_carry_out(window, at=at):
        click.echo(f"waits: {turns.OTHERS_FIRST}")


@cutover_group.command("rehearse")
@_YEAR
@click.option("--try", "tries", is_flag=True, help="Carry out every batch in the database, and roll each back.")
@with_appcontext
def rehearse_command(plan_year: str, *, tries: bool) -> None:
    """What would stand where afterwards; nothing is changed. Exit status 1 when a sum would differ."""
    statements.begin_snapshot()  # piece by piece, but of one state of the books
    window = _window(plan_year)
    assert window.effective_at is not None, "an open enrollment has an effective instant"
    policy = versions.at_instant(window.effective_at)
    with Progress("accounts looked at", total=pieces.highest_account()) as tell:
        rehearsed = reckonings.rehearse(window, policy=policy, tell=tell)
    report = dry_run.conservation(rehearsed)
    names = organizations.names_of({line.organization_id for line in report.lines})
    click.echo(f"{rehearsed.workers:,} workers change package, {rehearsed.of_others:,} of them provider")
    if earlier := turns.before(window):
        click.echo(
            f"not counted: {earlier:,} chosen or ordered outside of open enrollments for before it, carried out first"
        )
    components = {component.code: component.name for component in policy.components}
    for line in dry_run.by_name(report.lines, organizations=names, policy=policy):
        sums = [format_amount(amount, line.unit) for amount in (line.before, line.leaves, line.comes, line.after)]
        what = f"{names[line.organization_id]}, {components.get(line.component, line.component)}"
        click.echo(f"{what}: {sums[0]} - {sums[1]} + {sums[2]} = {sums[3]}")
    for unit, (before, after) in report.totals.items():
        click.echo(f"all together: {format_amount(before, unit)} before, {format_amount(after, unit)} after")
    is_well = report.holds
    if tries:
        is_well = _try_out(window) and is_well
    if not is_well:
        click.echo("A sum would differ: do not carry this out.", err=True)
        raise click.exceptions.Exit(1)


def _try_out(window: EnrollmentWindow) -> bool:
    assert window.effective_at is not None, "an open enrollment has an effective instant"
    total, done, is_well = switching.progress(window.id), 0, True
    sums = dict.fromkeys(Unit, 0)
    at = max(window.effective_at, clock.now())
    with Progress("workers tried", total=total.total - total.done) as tell:
        for batch in dry_run.tried(window, policy=versions.at_instant(window.effective_at), by=_BY, at=at):
            done += batch.workers
            is_well = is_well and batch.before == batch.after
            for unit, amount in batch.after.items():
                sums[unit] += amount
            tell(done)
        if done:
            tell(done)
    click.echo(f"tried: {done:,} workers carried out and rolled back, every balance kept: {'yes' if is_well else 'NO'}")
    click.echo(", ".join(format_amount(amount, unit) for unit, amount in sums.items()))
    return is_well


@cutover_group.command("help-out")
@_YEAR
@with_appcontext
def help_out_command(plan_year: str) -> None:
    """Carry out batches beside the scheduler until none is left; it finishes. Worth it on PostgreSQL only."""
    window, done = _window(plan_year), 0
    window_id = window.id

    def batch() -> int:
        allow_long_statements()
        window = cutover_control.held(window_id, shared=True)
        return cutover_control.carry_batch(window, by=_BY, at=clock.now())

    try:
        cutover_control.must_be_due(window, at=clock.now())
        turns.must_be_turn_to_carry_out(window, at=clock.now())
        with Progress("workers carried out from here") as tell:
            while count := in_unit_of_work(batch):
                done += count
                tell(done)
    except Refusal as refusal:
        db.session.rollback()
        raise click.ClickException(str(refusal)) from refusal
    click.echo(f"{done:,} workers carried out from here. The scheduler does what is left, and nets.")


def _decide(plan_year: str, deed: Callable[[EnrollmentWindow], None]) -> None:
    def work() -> None:
        allow_long_statements()  # who acted since, of a million workers
        deed(cutover_control.held(_window(plan_year).id))

    try:
        in_unit_of_work(work)
    except Refusal as refusal:
        db.session.rollback()
        raise click.ClickException(str(refusal)) from refusal


def _command(name: str, deed: Callable[..., None], done: str, doc: str) -> None:
    def command(plan_year: str, reason: str) -> None:
        _decide(plan_year, lambda window: deed(window, reason=reason, by=_BY, at=clock.now()))
        click.echo(done)

    command.__doc__ = doc
    cutover_group.command(name)(_YEAR(_REASON(with_appcontext(command))))


for _name, _deed, _done, _doc in (
    ("pause", cutover_control.pause, "Paused: no further batch begins.", "Let no further batch begin."),
    ("resume", cutover_control.resume, "It goes on at the scheduler's next look.", "Let it go on where it stopped."),
    ("confirm", cutover_control.confirm, "Confirmed.", "Stand by it: it is not rolled back any more."),
    (
        "roll-back",
        cutover_control.ask_to_roll_back,
        "The scheduler rolls it back, batch by batch; afterwards it stays paused.",
        "Have it rolled back to the state before, as long as nobody has confirmed it.",
    ),
):
    _command(_name, _deed, _done, _doc)
