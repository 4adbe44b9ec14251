"""What can the operator do about the market as a whole from the command line?"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, Final

import click
from flask.cli import with_appcontext
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from exchange import clock, database_commands, health
from exchange.database import in_unit_of_work
from exchange.errors import Refusal
from exchange.identity import login, organizations
from exchange.identity.actors import STAFF, Actor, Audience, system_actor
from exchange.identity.organizations import OrganizationKind
from exchange.ledger import seal_commands
from exchange.policy.commands import policy_group
from exchange.scheduler.commands import (
    invariants_command,
    job_group,
    ready_command,
    scheduler_command,
    sealer_command,
)


def import_group() -> click.Group:
    """``flask import``; ``app.py`` adds each package's ``IMPORTERS``."""
    return click.Group("import", help="Bring published files in.")


def in_words(command: click.Command) -> click.Command:
    """Let the command, or each of the group, end with one sentence where the database is away or not prepared."""
    if isinstance(command, click.Group):
        for one in command.commands.values():
            in_words(one)
    elif command.callback is not None and not hasattr(command.callback, "__wrapped_in_words__"):
        command.callback = _in_words(command.callback)
    return command


def _in_words(work: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(work)
    def told(*arguments: Any, **given: Any) -> Any:
        try:
            return work(*arguments, **given)
        except (DBAPIError, PoolTimeout) as error:
            if forgotten := health.unprepared(error):
                raise click.ClickException(f"{forgotten[0].upper()}{forgotten[1:]}.") from error
            if not isinstance(error, OperationalError | InterfaceError | PoolTimeout):
                raise
            why = str(getattr(error, "orig", error)).strip().partition("\n")[0]
            raise click.ClickException(
                f"The database does not answer: {why}. What was committed stays; say the command again."
            ) from error

    told.__wrapped_in_words__ = True  # type: ignore[attr-defined]  # commands outlive the program that they are added to
    return told


@click.command("invite")
@click.argument("email")
@click.option("--name", required=True, help="The person's name.")
@click.option("--audience", type=click.Choice(sorted(audience.value for audience in STAFF)), required=True)
@click.option("--organization", required=True, help="The organization's name; it is entered when it is not there yet.")
@with_appcontext
def invite_command(email: str, name: str, audience: str, organization: str) -> None:
    """Let a member of staff in. He chooses a password by 'Forgot your password?' at the sign-in page."""
    by = system_actor("command:invite")

    def work() -> None:
        at = clock.now()
        kind = OrganizationKind(audience)
        employer = organizations.named(organization, kind=kind) or organizations.found(
            organization, kind=kind, by=by, at=at
        )
        login.create(
            email, password=None, name=name, audience=Audience(audience), organization_id=employer.id, by=by, at=at
        )

    try:
        in_unit_of_work(work)
    except Refusal as refusal:
        raise click.ClickException(str(refusal)) from refusal
    click.echo(f"{email} may sign in as {audience} of {organization}, once a password is chosen.")


@click.command("disable")
@click.argument("email")
@click.option("--reason", required=True, help="Why; it goes into the audit log. Name no person.")
@with_appcontext
def disable_command(email: str, reason: str) -> None:
    """Let somebody in no more, and end what he is signed in with. 'enable' lets him in again."""
    _change(email, lambda id_, by: login.disable(id_, reason=reason, by=by, at=clock.now()), "disable")
    click.echo(f"{email} may not sign in any more.")


@click.command("enable")
@click.argument("email")
@click.option("--reason", required=True, help="Why; it goes into the audit log. Name no person.")
@with_appcontext
def enable_command(email: str, reason: str) -> None:
    """Let somebody in again who was let in no more."""
    _change(email, lambda id_, by: login.enable(id_, reason=reason, by=by, at=clock.now()), "enable")
    click.echo(f"{email} may sign in again.")


def _change(email: str, change: Callable[[int, Actor], None], command: str) -> None:
    def work() -> None:
        found = login.by_email(login.clean_email(email))
        if found is None:
            raise click.ClickException(f"Nobody signs in as {email}.")
        change(found.id, system_actor(f"command:{command}"))

    try:
        in_unit_of_work(work)
    except Refusal as refusal:
        raise click.ClickException(str(refusal)) from refusal


COMMANDS: Final[list[click.Command]] = [
    disable_command,
    enable_command,
    invariants_command,
    invite_command,
    job_group,
    policy_group,
    ready_command,
    scheduler_command,
    sealer_command,
    *database_commands.COMMANDS,
    *seal_commands.COMMANDS,
]
