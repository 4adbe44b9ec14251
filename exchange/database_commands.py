"""What does the operator do to the database as a whole from the command line?"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

import click
from flask.cli import with_appcontext

from exchange import grants
from exchange.database import db, is_sqlite


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


COMMANDS: Final[list[click.Command]] = [backup_command, grants_command]
