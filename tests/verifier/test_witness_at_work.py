"""Does a regulator's witness keep up with a running exchange, through a change of keys, and stop at a fork?

The exchange is served over HTTP, the witness is a process of its own, and the books are sealed by the command.
"""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from flask import Flask
from sqlalchemy import select

from exchange.database import db, in_unit_of_work
from exchange.identity import organizations
from exchange.identity.organizations import OrganizationKind
from exchange.ledger import keys
from exchange.ledger.keys import KeyRing
from exchange.notices import Notice
from tests.support.ledger_makers import AT, BY, Books, entry, post
from tests.support.seal_makers import make_ring

ROOT = Path(__file__).parents[2]
Cli = Callable[..., Result]

pytestmark = [pytest.mark.parametrize("engine_name", ["sqlite"]), pytest.mark.breaks_rules]


class Exchange:
    """An exchange that is served, and its books."""

    def __init__(self, app: Flask, cli: Cli, folder: Path) -> None:
        """Found it, with a regulator who is to be told; one entry is sealed."""
        self.books = Books()
        in_unit_of_work(lambda: organizations.found("State", kind=OrganizationKind.REGULATOR, by=BY, at=AT))
        self.cli = cli
        self.ada = self.books.worker(1)
        self.ring: KeyRing = make_ring(app, folder)
        self.first_key = self.own_keys()[0]
        self.grow("first", 1)

    def own_keys(self) -> list[str]:
        """The public keys of the journal."""
        return [str(key) for key in self.ring.verifying() if key.name == self.ring.journal_name]

    def grow(self, prefix: str, count: int) -> Result:
        """Post some entries, and seal."""
        post(*(entry(f"{prefix}{number}", (self.books.money, self.ada, 1)) for number in range(count)))
        return self.cli("seal")


class Witness:
    """The program, its key and what it remembers."""

    def __init__(self, exchange: Exchange, folder: Path, address: str) -> None:
        """Make its key, and hand the public half to the exchange."""
        folder.mkdir()
        self.exchange, self.address, self.folder = exchange, address, folder
        made = self.run("--new", "regulator.example", str(folder / "secret"))
        exchange.ring.folder.joinpath("regulator.pub").write_text(made.stdout, encoding="utf-8")

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run it as somebody would type it."""
        command = [sys.executable, "-I", str(ROOT / "verifier" / "witness.py"), *words]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    def look(self, *known: str) -> tuple[int, str]:
        """Look once, knowing these keys of the exchange; its exit status and what it says when it does not sign.

        What it signs is handed back.
        """
        told = [word for key in known for word in ("--exchange-key", key)]
        ran = self.run(str(self.folder / "secret"), str(self.folder / "seen.note"), self.address, *told)
        if ran.returncode == 0:
            signed = self.folder / "signed.note"
            signed.write_text(ran.stdout, encoding="utf-8")
            assert "regulator.example" in self.exchange.cli("cosign", str(signed)).output
        return ran.returncode, ran.stderr


@pytest.fixture
def exchange(app: Flask, cli: Cli, tmp_path: Path) -> Exchange:
    folder = tmp_path / "keys"
    folder.mkdir()
    return Exchange(app, cli, folder)


@pytest.fixture
def witness(exchange: Exchange, live_server: str, tmp_path: Path) -> Witness:
    return Witness(exchange, tmp_path / "regulator", live_server)


class TestWitness:
    def test_goes_on_through_a_change_of_the_exchanges_key(self, exchange: Exchange, witness: Witness) -> None:
        old = exchange.first_key
        assert witness.look(old) == (0, "")
        new = str(keys.new_key(exchange.ring.journal_name, exchange.ring.folder))
        exchange.grow("both sign", 2)
        assert witness.look(old) == (0, "")
        exchange.grow("both are known", 1)
        assert witness.look(old, new) == (0, "")
        keys.retire(exchange.ring.journal_name, old.split("+")[1], exchange.ring.folder)
        exchange.grow("the new one signs", 1)

        refused, said = witness.look(old)

        assert (refused, "has the exchange changed its key?" in said) == (1, True)
        assert witness.look(new) == (0, "")

    def test_and_sealer_refuse_a_database_that_was_replaced_by_an_older_copy(
        self, exchange: Exchange, witness: Witness, tmp_path: Path
    ) -> None:
        key, older = exchange.first_key, tmp_path / "older.db"
        copy_database(Path(str(db.engine.url.database)), older)
        exchange.grow("what the world has seen", 5)
        assert witness.look(key) == (0, "")

        copy_database(older, Path(str(db.engine.url.database)))
        sealed = exchange.grow("what happens instead", 3)

        assert (sealed.exit_code, "A journal of 6 entries was published" in sealed.output) == (1, True)
        told = db.session.execute(select(Notice.organization_id).where(Notice.subject.contains("no longer sealed")))
        assert len(set(told.scalars())) == 2
        assert "it was set back" in witness.look(key)[1]

    def test_alone_refuses_a_fork_whose_sealer_was_made_to_forget(
        self, exchange: Exchange, witness: Witness, tmp_path: Path
    ) -> None:
        key, older = exchange.first_key, tmp_path / "older.db"
        copy_database(Path(str(db.engine.url.database)), older)
        exchange.grow("what the world has seen", 5)
        assert witness.look(key) == (0, "")

        copy_database(older, Path(str(db.engine.url.database)))
        exchange.ring.folder.joinpath(keys.PUBLISHED).unlink()
        sealed = exchange.grow("what happens instead", 9)

        assert sealed.exit_code == 0
        assert witness.look(key) == (1, "NOT SIGNED: a fork of the journal\n")
        assert witness.look(key)[0] == 1


def copy_database(source: Path, target: Path) -> None:
    """Put a copy of a database in the place of another, as whoever has the machine could."""
    db.session.remove()
    db.engine.dispose()
    with sqlite3.connect(source) as old, sqlite3.connect(target) as new:
        old.backup(new)
    old.close()
    new.close()
