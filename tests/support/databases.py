"""How does each test get a database of its own, made by the migrations, in a few milliseconds?

The migrations run once into a template; before each test the template is copied. Deleting rows
would not do: the journal refuses it, as it should. Tests commit for real.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from flask import Flask
from flask_migrate import upgrade

from exchange.database import db
from tests.support import postgres

ROOT = Path(__file__).parents[2]
CONFIG: Mapping[str, Any] = {"TESTING": True, "SECRET_KEY": "of these tests only", "DEMO": False}

AppFactory = Callable[[Mapping[str, Any]], Flask]


class Engine(Protocol):
    """What a test needs of a database engine."""

    def url(self, name: str) -> str:
        """The address of the database ``name``."""
        ...

    def copy(self, template: str, name: str) -> None:
        """Make ``name`` a fresh copy of ``template``; nobody is connected to either."""
        ...

    def drop(self, name: str) -> None:
        """Remove ``name``."""
        ...


@dataclass(frozen=True)
class Sqlite:
    """Databases are files in the run's folder."""

    folder: Path

    def url(self, name: str) -> str:
        """See ``Engine``."""
        return f"sqlite:///{self._file(name)}"

    def copy(self, template: str, name: str) -> None:
        """See ``Engine``."""
        self.drop(name)
        shutil.copyfile(self._file(template), self._file(name))

    def drop(self, name: str) -> None:
        """See ``Engine``."""
        for suffix in ("", "-wal", "-shm"):
            Path(f"{self._file(name)}{suffix}").unlink(missing_ok=True)

    def _file(self, name: str) -> Path:
        return self.folder / f"{name}.db"


@dataclass(frozen=True)
class Postgresql:
    """Databases stand on the run's server."""

    server: postgres.Server

    def url(self, name: str) -> str:
        """See ``Engine``."""
        return self.server.database(name).render_as_string(hide_password=False)

    def copy(self, template: str, name: str) -> None:
        """See ``Engine``."""
        self.server.create(name, template=template)

    def drop(self, name: str) -> None:
        """See ``Engine``."""
        self.server.drop(name)


def engine_called(engine_name: str, folder: Path) -> Engine:
    """``"sqlite"`` or ``"postgresql"``. Raises ``postgres.NoPostgres`` where there is none."""
    return Sqlite(folder) if engine_name == "sqlite" else Postgresql(postgres.server(folder))


class TestDatabase:
    """One worker's database on one engine, and the application that uses it."""

    __test__ = False

    def __init__(self, engine: Engine, create_app: AppFactory, *, folder: Path, worker: str) -> None:
        run = folder.name.replace("-", "_")
        self._engine = engine
        self._template = f"{run}_template"
        self._name = f"{run}_{worker}"
        made = folder / f"{type(engine).__name__}.made"
        with postgres.locked(folder, type(engine).__name__):
            if not made.exists():
                self._make_template(create_app)
                made.touch()
        self.app = create_app({**CONFIG, "SQLALCHEMY_DATABASE_URI": engine.url(self._name)})
        self._config = dict(self.app.config)

    def renew(self) -> None:
        """As the migrations leave it: empty, and the application's settings as it was made with."""
        self.release()
        self.app.config.clear()
        self.app.config.update(self._config)
        self._engine.copy(self._template, self._name)

    def keep(self) -> None:
        """Keep its present state, for ``bring_back``; one state is kept."""
        self.release()
        self._engine.copy(self._name, f"{self._name}_kept")

    def bring_back(self) -> None:
        """Make it what it was when it was kept."""
        self.release()
        self._engine.copy(f"{self._name}_kept", self._name)

    def release(self) -> None:
        """Close what is still connected, so that the database can be replaced or removed."""
        with self.app.app_context():
            db.session.remove()
            db.engine.dispose()

    def remove(self) -> None:
        """When the worker is done. The template goes with the run's folder, or with the next run."""
        self.release()
        self._engine.drop(self._name)
        self._engine.drop(f"{self._name}_kept")

    def _make_template(self, create_app: AppFactory) -> None:
        if isinstance(self._engine, Postgresql):
            self._engine.server.create(self._template)
        app = create_app({**CONFIG, "SQLALCHEMY_DATABASE_URI": self._engine.url(self._template)})
        with app.app_context():
            upgrade(directory=str(ROOT / "migrations"))
            db.engine.dispose()
