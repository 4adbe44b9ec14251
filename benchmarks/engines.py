"""On which databases does a benchmark run? Durable ones on a disk, made by the migrations, thrown away afterwards."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

from flask import Flask, has_app_context
from flask_migrate import upgrade
from sqlalchemy import select

from app import create_app
from benchmarks.sizes import sized
from exchange.database import db
from exchange.ledger.keys import KeyRing
from providers.models import Provider
from tests.support import postgres
from tests.support.seal_makers import make_ring

ENGINES = ("sqlite", "postgresql")
Figures: TypeAlias = dict[str, float]
# As docs/operations.md sets it up: every commit waits for the disk.
DURABLE = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "shared_buffers": sized(small="128MB", full="4GB"),
    "max_wal_size": "16GB",
    "checkpoint_timeout": "15min",
    "wal_compression": "zstd",
    "timezone": "UTC",
    "lc_messages": "C",
}


@contextmanager
def application(engine: str) -> Iterator[Flask]:
    """The real application on an empty, migrated database of the engine, its context pushed."""
    folder = Path(tempfile.mkdtemp(prefix="exchange-bench-"))
    folder.chmod(0o755)
    try:
        url = f"sqlite:///{folder / 'bench.db'}"
        if engine == "postgresql":
            address = postgres.start(folder / "postgres", DURABLE)
            url = address.replace("postgresql://", "postgresql+psycopg://")
        app = create_app(
            {
                "SQLALCHEMY_DATABASE_URI": url,
                "TESTING": True,
                "SECRET_KEY": "of this benchmark only",
                # A statement of a benchmark may take as long as it takes.
                "SQLALCHEMY_ENGINE_OPTIONS": {},
            }
        )
        with app.app_context():
            upgrade()
            yield app
            db.session.remove()
            db.engine.dispose()
    finally:
        if engine == "postgresql":
            postgres.stop(folder)
        shutil.rmtree(folder, ignore_errors=True)


def apart(work: Callable[[], Figures]) -> Figures:
    """Do it in a process of its own, so that its peak memory is its own, and return what it returns.

    A failure in there fails the benchmark. Within an application's context both sides connect anew.
    """
    if has_app_context():
        db.session.remove()
        db.engine.dispose()
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        code = 1
        try:
            with os.fdopen(writer, "w") as pipe:
                json.dump(work(), pipe)
            code = 0
        except BaseException:  # noqa: BLE001 - a process of its own has nobody to raise to
            traceback.print_exc()
        os._exit(code)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        told = pipe.read()
    if os.waitpid(child, 0)[1] != 0:
        sys.exit("The process that measured has failed.")
    figures: Figures = json.loads(told)
    return figures


def ring_in(folder: Path, app: Flask) -> KeyRing:
    """An exchange's keys in a folder, and those of the providers that the database has now."""
    providers = db.session.execute(select(Provider.organization_id)).scalars()
    return make_ring(app, folder, *(f"org-{id_}" for id_ in providers))
