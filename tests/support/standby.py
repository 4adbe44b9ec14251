"""How does a test come to two primaries of one database, as after a failover that the old one did not notice?"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from sqlalchemy import event, make_url

from exchange.database import db
from tests.support import postgres

# As the tests' own server, but with a log that a standby can follow.
SETTINGS = {**postgres.SETTINGS, "wal_level": "replica", "max_wal_senders": "4", "hot_standby": "on"}


class Switchboard:
    """Which server the application reaches under the same address, from its next connection on."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.old = make_url(postgres.start(folder / "old" / "postgres", SETTINGS)).set(drivername="postgresql+psycopg")
        self.new_port = 0
        self._port = self.old.port

    def fail_over(self) -> None:
        """Copy the old primary, and promote the copy. The old one is not told."""
        owner = "postgres" if os.geteuid() == 0 else None
        data = self._folder / "new" / "postgres"
        data.mkdir(mode=0o700)
        if owner:
            shutil.chown(data, owner, owner)
        self._run("pg_basebackup", "-D", data, "-p", self.old.port, "-h127.0.0.1", "-Upostgres", "-R", "-cfast")
        self.new_port = postgres.free_port()
        options = " ".join(f"-c {name}='{value}'" for name, value in SETTINGS.items())
        log = data / "server.log"
        self._run("pg_ctl", "-D", data, "-w", "-l", log, "-o", f"-p {self.new_port} {options}", "start")
        with psycopg.connect(f"postgresql://postgres@127.0.0.1:{self.new_port}/postgres", autocommit=True) as one:
            one.execute("SELECT pg_promote()")

    def lead_to_old(self, *, at_once: bool = True) -> None:
        """The address leads to the old primary; ``at_once``: connections of the pool are dropped."""
        self._lead_to(self.old.port or 0, at_once=at_once)

    def lead_to_new(self, *, at_once: bool = True) -> None:
        """The address leads to the new primary."""
        self._lead_to(self.new_port, at_once=at_once)

    def _lead_to(self, port: int, *, at_once: bool) -> None:
        self._port = port
        db.session.remove()
        if at_once:
            db.engine.dispose()

    def connect(self, _dialect: object, _record: object, _args: object, parameters: dict[str, object]) -> None:
        """What the engine asks before it connects."""
        parameters["port"] = self._port

    @staticmethod
    def _run(program: str, *words: object) -> None:
        owner = "postgres" if os.geteuid() == 0 else None
        command = [str(postgres.programs() / program), *map(str, words)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, user=owner, cwd="/")


@contextmanager
def switchboard(folder: Path) -> Iterator[Switchboard]:
    """A primary in ``folder``, and later the one that follows it; both are stopped in the end."""
    for name in ("old", "new"):
        (folder / name).mkdir(mode=0o755)
    try:
        yield Switchboard(folder)
    finally:
        for name in ("old", "new"):
            postgres.stop(folder / name)


@contextmanager
def connected_by(board: Switchboard) -> Iterator[None]:
    """Let the application, whose context is pushed, connect as the switchboard says."""
    event.listen(db.engine, "do_connect", board.connect)
    try:
        yield
    finally:
        db.session.remove()
        db.engine.dispose()
        event.remove(db.engine, "do_connect", board.connect)
