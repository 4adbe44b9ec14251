"""What does a stranger see on the first evening?  ``python demo.py serve`` builds a made-up town and serves it.

The town stands in ``town/`` and is built by calling the real operations, told when it was; web and
scheduler then run side by side as they would in earnest. Run again, it keeps its data.
"""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import click
from flask import Flask
from flask_migrate import upgrade
from sqlalchemy import event, func, select
from sqlalchemy.schema import CreateSchema, DropSchema

from app import create_app
from exchange import clock
from exchange.database import db, is_sqlite
from exchange.errors import Refusal
from exchange.ledger import keys
from town import building, watching
from town.setting import Size

ROOT: Final = Path(__file__).parent
MIGRATIONS: Final = str(ROOT / "migrations")
HOST: Final = "127.0.0.1"
DATABASE: Final = "sqlite:///var/demo.db"
WORKERS: Final = 2
CONTACT: Final = "books@regulator.example, (555) 010-0100"
PATIENCE_SECONDS: Final = 30.0
LOOKS_EVERY_SECONDS: Final = 5.0


@click.group()
def main() -> None:
    """The demonstration: a small made-up town with an open enrollment that is open today."""
    os.environ["DEMO"] = "1"
    os.environ.setdefault("REGULATOR_CONTACT", CONTACT)
    os.environ.setdefault("DATABASE_URL", DATABASE)


@main.command()
@click.option("--fresh", is_flag=True, help="Begin anew.")
def build(*, fresh: bool) -> None:
    """Build the town, if it is not there yet."""
    prepare(create_app(), fresh=fresh)


@main.command()
@click.option("--port", type=click.IntRange(1, 65535), default=8000, show_default=True)
@click.option("--fresh", is_flag=True, help="Begin anew.")
def serve(*, port: int, fresh: bool) -> None:
    """Build the town, if it is not there yet, and serve it until Ctrl-C."""
    if not is_free(port):
        raise click.ClickException(
            f"Port {port} is taken: something else listens there. End it, or choose another one: make run PORT=8001"
        )
    prepare(create_app(), fresh=fresh)
    sys.exit(run_side_by_side(port))


@main.command(hidden=True)
@click.argument("url")
def regulator(url: str) -> None:
    """Watch the journal at URL as the regulator's witness does, until a signal comes."""
    app, told = create_app(), ""
    while True:
        with app.app_context():
            try:
                watching.look(keys.ring(), url, at=clock.now())
                said = ""
            except (ValueError, OSError, Refusal) as error:
                said = f"the regulator signs nothing: {error}"
        if said and said != told:
            tell(said)
        told = said
        time.sleep(LOOKS_EVERY_SECONDS)


# --- the database and the town --------------------------------------------------------------------


def prepare(app: Flask, *, fresh: bool = False, size: Size | None = None) -> None:
    """Migrate the database and build the town, where it is not there. Says what it does.

    Raises ``click.ClickException`` for a database that holds something else.
    """
    assert app.config["DEMO"], "a demonstration is one"
    with app.test_request_context():
        tell(f"database: {db.engine.url.render_as_string()}")
        began = time.monotonic()
        upgrade(directory=MIGRATIONS)
        tell(f"migrated ({time.monotonic() - began:.1f} s)")
        is_there = building.is_built()
        if not (building.is_empty() or building.is_begun()):
            raise click.ClickException("This database is no demonstration's: name another one in DATABASE_URL.")
        if is_there and not fresh:
            tell("the town is there: it keeps its data (make run FRESH=1 begins anew)")
            return
        if building.is_begun():
            tell("beginning anew" if is_there else "a town was begun and not finished: beginning anew")
            _empty_database()
        _build(app, size)


def _build(app: Flask, size: Size | None) -> None:
    began = time.monotonic()
    db.session.remove()
    db.engine.dispose()
    if is_sqlite():
        # If the machine dies meanwhile the town is begun anew: nothing has to wait for the disk.
        event.listen(db.engine, "connect", _without_waiting_for_the_disk)
    # What was published of a town that is gone binds nobody any more.
    keys.ring().folder.joinpath(keys.PUBLISHED).unlink(missing_ok=True)
    watching.forget(keys.ring())
    tell("building the town")
    now = clock.now()
    db.session.rollback()
    policy = ROOT / "policies" / str(app.config["PROGRAM_POLICY"])
    building.build(policy, now=now, size=size, tell=lambda line: tell(f"  {line}"))
    db.session.remove()
    if is_sqlite():
        event.remove(db.engine, "connect", _without_waiting_for_the_disk)
    db.engine.dispose()
    tell(f"the town is built ({time.monotonic() - began:.1f} s)")


def _without_waiting_for_the_disk(connection: Any, _record: object) -> None:
    connection.execute("PRAGMA synchronous = OFF")


def _empty_database() -> None:
    """Only ever called for a database in which a demonstration was begun."""
    db.session.remove()
    if is_sqlite():
        db.engine.dispose()
        for suffix in ("", "-wal", "-shm"):
            Path(f"{db.engine.url.database}{suffix}").unlink(missing_ok=True)
    else:
        # Not by migrating down: what is signed is not taken back.
        with db.engine.begin() as connection:
            schema = connection.execute(select(func.current_schema())).scalar_one()
            connection.execute(DropSchema(schema, cascade=True))
            connection.execute(CreateSchema(schema))
        db.engine.dispose()
    upgrade(directory=MIGRATIONS)


# --- web and scheduler ----------------------------------------------------------------------------


def is_free(port: int) -> bool:
    """Whether nobody listens there."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def run_side_by_side(port: int) -> int:
    """Run web and scheduler until a signal comes or one of them ends; then end both. Returns the exit status."""
    asked_to_stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: asked_to_stop.set())
    processes: dict[str, subprocess.Popen[bytes]] = {}
    try:
        for name, command in commands(port).items():
            # In sessions of their own: Ctrl-C reaches this process alone, which ends them in good order.
            processes[name] = subprocess.Popen(command, cwd=ROOT, start_new_session=True)
            if name == "web" and _is_answering(port, processes[name], asked_to_stop):
                tell(f"ready: {address(port)} – sign in as anybody: {address(port)}demo/sign-in (Ctrl-C ends)")
        while not asked_to_stop.wait(0.3):
            ended = [name for name, process in processes.items() if process.poll() is not None]
            if ended:
                tell(f"{ended[0]} has ended by itself: ending the rest")
                return 1
        return 0
    finally:
        _end(list(processes.values()))
        tell("ended")


def commands(port: int) -> Mapping[str, list[str]]:
    """What is run, by name."""
    web = [sys.executable, "-m", "gunicorn", "--workers", str(WORKERS), "--bind", f"{HOST}:{port}"]
    return {
        "web": [*web, "--preload", "--log-level", "warning", "app:create_app()"],
        "scheduler": [sys.executable, "-m", "flask", "--app", "app", "scheduler"],
        "regulator": [sys.executable, "demo.py", "regulator", address(port).rstrip("/")],
    }


def address(port: int) -> str:
    """Where the town is."""
    return f"http://{HOST}:{port}/"


def _is_answering(port: int, web: subprocess.Popen[bytes], asked_to_stop: threading.Event) -> bool:
    until = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < until and not asked_to_stop.wait(0.2) and web.poll() is None:
        page = http.client.HTTPConnection(HOST, port, timeout=PATIENCE_SECONDS)
        try:
            page.request("GET", "/")
            return page.getresponse().status < http.HTTPStatus.INTERNAL_SERVER_ERROR
        except OSError:
            continue
        finally:
            page.close()
    return False


def _end(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    for process in processes:
        if process.poll() is None:
            process.terminate()
    for process in processes:
        try:
            process.wait(PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def tell(line: str) -> None:
    """Say what is being done, at once."""
    print(line, flush=True)


if __name__ == "__main__":
    main()
