"""What does the operator do to the database as a whole from the command line?"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

import click
from flask.cli import with_appcontext

from exchange import audit_chain, grants
from exchange.database import allow_long_statements, db, is_sqlite
from exchange.progress import Progress


@click.command("grants")
@click.argument("role")
@with_appcontext
def grants_command(role: str) -> None:
    """Let ROLE run the program, but change nothing that is posted (PostgreSQL; by the owner, after each upgrade)."""
    if is_sqlite():
        raise click.ClickException("An SQLite file has no roles; its triggers refuse what changes the journal.")
    with db.engine.begin() as connection:
        for statement in grants.grant(connection, role):
            click.echo(f"{statement};")


@click.command("backup")
@click.argument("path", type=click.Path(dir_okay=False, path_type=Path))
@with_appcontext
def backup_command(path: Path) -> None:
    """Copy an SQLite database to PATH while it is in use. PostgreSQL has pg_dump and pg_basebackup."""
    if not is_sqlite():
        raise click.ClickException("Use pg_dump or pg_basebackup: see docs/operations.md.")
    if path.exists():
        raise click.ClickException(f"{path} is there already; a backup overwrites nothing.")
    with db.engine.connect() as connection, closing(sqlite3.connect(path)) as copy:
        source = connection.connection.driver_connection
        assert isinstance(source, sqlite3.Connection), "the embedded engine"
        source.backup(copy)
        (state,) = copy.execute("PRAGMA integrity_check").fetchone()
    if state != "ok":
        raise click.ClickException(f"The copy is damaged: {state}")
    click.echo(f"Written to {path}. Keep the folder SEAL_KEYS apart from it.")


@click.group("audit-log")
def audit_log_group() -> None:
    """The audit log: who did what, when and why."""


@audit_log_group.command("check")
@with_appcontext
def check_audit_log_command() -> None:
    """Is it still what it was? Hash all of it anew, and compare with what the journal says. Exit status 1 if not."""
    allow_long_statements()
    with Progress("events read") as tell:
        checked = audit_chain.check(tell=tell)
    for finding in checked.broken:
        click.echo(finding)
    click.echo(
        f"{checked.events:,} events lead to {checked.links:,} links of the chain. What came since is not in it yet."
    )
    if checked.broken:
        click.echo("The audit log is not what it was.", err=True)
        raise click.exceptions.Exit(1)


COMMANDS: Final[list[click.Command]] = [audit_log_group, backup_command, grants_command]
