"""Does a backup bring the books back, and is it noticed when they come back older than what was published?"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy.engine import URL, make_url

from exchange.database import db, in_unit_of_work
from exchange.ledger import invariants, seals
from exchange.ledger.keys import KeyRing
from exchange.sealing_jobs import seal_journal
from tests.conftest import Cli
from tests.support import postgres
from tests.support.databases import CONFIG, AppFactory
from tests.support.ledger_makers import AT, BY, Books, balance, entry, post
from tests.support.seal_makers import EXCHANGE, make_ring, seal


class Backup:
    """The commands of docs/operations.md, as the operator types them."""

    def __init__(self, app: Flask, cli: Cli, folder: Path) -> None:
        self._app, self._cli, self._folder = app, cli, folder
        self._url = make_url(app.config["SQLALCHEMY_DATABASE_URI"])

    def take(self) -> None:
        """While the program runs."""
        if self._url.get_backend_name() == "sqlite":
            assert self._cli("backup", str(self._folder / "books.db")).exit_code == 0
            assert self._cli("backup", str(self._folder / "books.db")).exit_code == 1
        else:
            dump = str(self._folder / "books.dump")
            self._run("pg_dump", "--format=custom", f"--file={dump}", self._address(self._url))

    def restore(self) -> str:
        """Into a database of its own; its address."""
        if self._url.get_backend_name() == "sqlite":
            return f"sqlite:///{self._folder / 'books.db'}"
        restored = self._url.set(database=f"{self._url.database}_restored")
        self._run("createdb", f"--maintenance-db={self._address(self._url)}", str(restored.database))
        dump = str(self._folder / "books.dump")
        self._run("pg_restore", "--exit-on-error", f"--dbname={self._address(restored)}", dump)
        return restored.render_as_string(hide_password=False)

    def remove(self) -> None:
        """The restored database, where it is one of a server."""
        if self._url.get_backend_name() == "postgresql":
            db.session.remove()
            options = ["--if-exists", "--force", f"--maintenance-db={self._address(self._url)}"]
            self._run("dropdb", *options, f"{self._url.database}_restored")

    @staticmethod
    def _address(url: URL) -> str:
        return url.set(drivername="postgresql").render_as_string(hide_password=False)

    @staticmethod
    def _run(program: str, *words: str) -> None:
        environ = {**os.environ, "LC_ALL": "C"}
        subprocess.run([str(postgres.programs() / program), *words], check=True, env=environ)


@pytest.fixture
def backup(app: Flask, cli: Cli, tmp_path: Path) -> Iterator[Backup]:
    one = Backup(app, cli, tmp_path)
    yield one
    one.remove()


@pytest.fixture
def ring(app: Flask, tmp_path: Path) -> KeyRing:
    folder = tmp_path / "seal-keys"
    folder.mkdir()
    return make_ring(app, folder)


class TestRestored:
    def test_has_the_books_of_the_backup_and_seals_nothing_over_what_was_published(
        self, app: Flask, backup: Backup, ring: KeyRing, create_app: AppFactory
    ) -> None:
        books = Books()
        post(*(entry(f"before{number}", (books.money, books.pool, 100)) for number in range(20)))
        seal(ring)
        backup.take()
        post(entry("after", (books.money, books.pool, 7)))
        seal(ring)

        config = {"SEAL_KEYS": str(ring.folder), "EXCHANGE_ID": EXCHANGE}
        restored = create_app({**CONFIG, **config, "SQLALCHEMY_DATABASE_URI": backup.restore()})
        with restored.app_context():
            self.is_what_the_backup_had(books)
            self.seals_nothing(ring)
            self.takes_what_is_posted_again(books, ring)
            db.session.remove()
            db.engine.dispose()

    def test_may_seal_what_was_not_sealed_yet_and_the_live_books_go_on(
        self, app: Flask, backup: Backup, ring: KeyRing, create_app: AppFactory
    ) -> None:
        """A restore is tried while the exchange runs, with the same keys: nothing is lost, so nothing stops."""
        books = Books()
        post(entry("sealed", (books.money, books.pool, 100)))
        seal(ring)
        post(*(entry(f"waits{number}", (books.money, books.pool, 1)) for number in range(3)))
        backup.take()

        config = {"SEAL_KEYS": str(ring.folder), "EXCHANGE_ID": EXCHANGE}
        restored = create_app({**CONFIG, **config, "SQLALCHEMY_DATABASE_URI": backup.restore()})
        with restored.app_context():
            seal(ring)
            db.session.remove()
            db.engine.dispose()
        post(entry("after", (books.money, books.pool, 7)))

        told = seal_journal("any", hold=lambda _progress=None, /: None, by=BY)

        assert str(told.telling) == "4 entries sealed"
        newest = seals.latest()
        assert newest is not None and newest.note == ring.published()
        assert invariants.broken() == []

    @staticmethod
    def is_what_the_backup_had(books: Books) -> None:
        assert balance(books.pool) == 2_000
        assert invariants.broken() == []
        newest = seals.latest()
        assert newest is not None and newest.size == 20
        db.session.rollback()

    @staticmethod
    def seals_nothing(ring: KeyRing) -> None:
        """The world has seen 21 entries: the sealer stops and says so, whatever is posted meanwhile."""
        told = seal_journal("any", hold=lambda _progress=None, /: None, by=BY)

        assert str(told.telling) == "sealing stopped"
        assert "A journal of 21 entries was published; the database knows of 20." in told.broken[0]
        assert seals.is_stopped()
        db.session.rollback()

    @staticmethod
    def takes_what_is_posted_again(books: Books, ring: KeyRing) -> None:
        """Posting goes on; sealing does not, until the lost entry is back or a new journal is begun."""
        post(entry("anew", (books.money, books.pool, 1)))

        assert balance(books.pool) == 2_001
        with pytest.raises(seals.Forked):
            in_unit_of_work(lambda: seals.seal(ring, by=BY, at=AT))
