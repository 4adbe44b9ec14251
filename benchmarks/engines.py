"""On which databases does a benchmark run? Durable ones on a disk, made by the migrations, thrown away afterwards."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from flask import Flask
from flask_migrate import upgrade

from app import create_app
from exchange.database import db
from tests.support import postgres

ENGINES = ("sqlite", "postgresql")
# As somebody who serves in earnest would set it up: every commit waits for the disk.
DURABLE = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "shared_buffers": "1GB",
    "max_wal_size": "8GB",
    "checkpoint_timeout": "15min",
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
