"""Is nothing half done when the disk is full, and does all go on by itself when there is room again?"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from flask_migrate import upgrade
from sqlalchemy import event, func, select, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError

from enrollment.models import Employer
from exchange.database import db
from exchange.identity.actors import Audience
from exchange.ledger import invariants
from exchange.settings import ROOT
from tests.support.databases import CONFIG, AppFactory
from tests.support.ledger_makers import Books, balance, entry, post
from tests.support.signing_in import make_login, sign_in
from tests.support.signing_in import post as send
from tests.support.worker_makers import Market

LONG = random.Random(4).randbytes(2_000).hex()  # nothing that a database could compress
MORE_PAGES = 30
REFUSALS = 15  # of each database: 30 in all, with PostgreSQL’s in the night


def fill(books: Books, *, start: int) -> int:
    """Post until there is no room; how many entries were taken."""
    for number in range(5_000):
        try:
            post(entry(f"full{start + number}", (books.money, books.pool, 1), details=f"{start + number} {LONG}"))
        except DBAPIError:
            return number
    raise AssertionError("the disk is larger than that")


def employers() -> int:
    found: int = db.session.execute(select(func.count()).select_from(Employer)).scalar_one()
    return found


def enter(client: FlaskClient, number: int) -> Any:
    letters = "".join(chr(ord("A") + int(digit)) for digit in str(number))
    data = {
        "name": f"Cedar {letters} {'Works ' * 10}".strip(), "kind": "platform", "sector": "cleaning", "ein": "",
        "person": "Pat Cedar", "email": f"pat.{letters.lower()}@example.org",
    }  # fmt: skip
    return send(client, "/operator/employers/", data)


@pytest.mark.parametrize("engine_name", ["sqlite"])
class TestSqlite:
    @pytest.fixture
    def room(self, app: Flask) -> Iterator[dict[str, int]]:
        """``pages``: how many the file may have, for connections from now on."""
        limit = {"pages": 2**30}

        def restrict(connection: Any, _record: object) -> None:
            connection.execute(f"PRAGMA max_page_count = {limit['pages']}")

        event.listen(db.engine, "connect", restrict)
        yield limit
        event.remove(db.engine, "connect", restrict)

    def test_posts_nothing_by_half_and_goes_on_when_there_is_room(self, app: Flask, room: dict[str, int]) -> None:
        books = Books()
        taken = 0
        for _ in range(REFUSALS):
            self.leave(room, pages=MORE_PAGES)
            taken += fill(books, start=taken)

            assert balance(books.pool) == taken
            assert invariants.broken() == []

            self.leave(room, pages=2**20)
            post(entry(f"full{taken}", (books.money, books.pool, 1)))
            taken += 1
            assert balance(books.pool) == taken

    def test_is_told_to_the_reader_who_may_try_again(
        self, app: Flask, client: FlaskClient, room: dict[str, int]
    ) -> None:
        Market()
        sign_in(client, make_login(Audience.OPERATOR))
        before = employers()
        self.leave(room, pages=1)

        taken, answer = 0, enter(client, 0)
        while answer.status_code == 303:
            taken += 1
            answer = enter(client, taken)

        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
        assert "nothing was changed" in answer.text
        assert employers() == before + taken
        self.leave(room, pages=2**20)
        assert enter(client, taken).status_code == 303

    @staticmethod
    def leave(room: dict[str, int], *, pages: int) -> None:
        """So many pages more than there are now."""
        room["pages"] = int(db.session.execute(text("PRAGMA page_count")).scalar_one()) + pages
        db.session.remove()
        db.engine.dispose()


@pytest.mark.long
@pytest.mark.parametrize("engine_name", ["postgresql"])
class TestPostgresql:
    @pytest.fixture
    def small(self, app: Flask, create_app: AppFactory) -> Iterator[Flask]:
        """The same application on a database whose tablespace is a small memory disk."""
        url = make_url(app.config["SQLALCHEMY_DATABASE_URI"])
        name, folder = f"{url.database}_small", Path("/dev/shm") / f"{url.database}_small"  # noqa: S108 - a memory disk
        folder.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", "size=32m,mode=755", "tmpfs", str(folder)]
        if os.geteuid() or subprocess.run(mount, check=False, capture_output=True).returncode:
            folder.rmdir()
            pytest.skip("only root may mount a small disk")
        place = folder / "books"
        place.mkdir(mode=0o700)
        shutil.chown(place, "postgres", "postgres")
        self.run(f"CREATE TABLESPACE {name} LOCATION '{place}'", f"CREATE DATABASE {name} TABLESPACE {name}")
        address = url.set(database=name).render_as_string(hide_password=False)
        made = create_app({**CONFIG, "SQLALCHEMY_DATABASE_URI": address})
        made.test_client_class = app.test_client_class
        yield made
        self.run(f"DROP DATABASE {name} WITH (FORCE)", f"DROP TABLESPACE {name}")
        subprocess.run(["umount", str(folder)], check=True)
        folder.rmdir()

    @staticmethod
    def run(*statements: str) -> None:
        db.session.remove()
        with db.engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
            for statement in statements:
                connection.exec_driver_sql(statement)

    def test_refuses_whole_and_goes_on_when_there_is_room(self, small: Flask) -> None:
        with small.app_context():
            upgrade(directory=str(ROOT / "migrations"))
            self.run("CREATE TABLE ballast AS SELECT repeat('x', 1000) AS x FROM generate_series(1, 14000)")
            books, taken = Books(), 0
            for _ in range(REFUSALS):
                taken += fill(books, start=taken)
                assert balance(books.pool) == taken > 0
                assert invariants.broken() == []
            self.run("DROP TABLE ballast", "CHECKPOINT")
            post(entry(f"full{taken}", (books.money, books.pool, 1)))
            assert balance(books.pool) == taken + 1
            db.session.remove()
            db.engine.dispose()

    def test_is_told_to_the_reader_who_may_try_again(self, small: Flask) -> None:
        with small.app_context():
            upgrade(directory=str(ROOT / "migrations"))
            self.run("CREATE TABLE ballast AS SELECT repeat('x', 1000) AS x FROM generate_series(1, 5000)")
            Market()
            client = small.test_client()
            sign_in(client, make_login(Audience.OPERATOR))
            before = employers()
            self.fill_up()

            taken, answer = 0, enter(client, 0)
            while answer.status_code == 303:
                taken += 1
                answer = enter(client, taken)

            assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
            assert "nothing was changed" in answer.text
            assert employers() == before + taken
            self.run("DROP TABLE ballast", "DROP TABLE sand", "CHECKPOINT")
            assert enter(client, taken).status_code == 303
            db.session.remove()
            db.engine.dispose()

    def fill_up(self) -> None:
        """Leave no page that a table could take."""
        self.run("CREATE TABLE sand (x text)")
        for rows in (1_000, 100, 7):
            for _ in range(100):
                try:
                    self.run(f"INSERT INTO sand SELECT repeat('x', 1000) FROM generate_series(1, {rows})")
                except DBAPIError:
                    break
