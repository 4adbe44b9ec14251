"""How do tests come to balances that a worker can check, and to a regulator who has signed the books?"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from flask import Flask
from flask.testing import FlaskClient

from enrollment import liability_statements
from exchange import clock
from exchange.database import db, in_unit_of_work
from exchange.ledger import cosigning, statements
from exchange.ledger.keys import KeyRing
from tests.support.ledger_makers import AT, BY
from tests.support.seal_makers import make_ring, seal
from tests.support.worker_makers import Market
from verifier import witness

VERIFIER = Path(__file__).parents[2] / "verifier" / "verify.py"
NAME = "regulator.example"
URL = "https://exchange.example"


class Regulator:
    """The stand-alone witness, fed by a test's client; what it signs it hands back at once."""

    def __init__(self, ring: KeyRing, folder: Path, client: FlaskClient) -> None:
        """Make its key, and let the exchange know the public half."""
        folder.mkdir()
        self._ring, self._client = ring, client
        self._own = [str(key) for key in ring.verifying() if key.name == ring.journal_name]
        self._key, self._state, self.copy = folder / "secret", folder / "seen.note", folder / "copy"
        self.copy.mkdir()
        ring.folder.joinpath("regulator.pub").write_text(witness.new_key(NAME, self._key) + "\n", encoding="utf-8")

    def fetch(self, address: str) -> str:
        """What stands at an address of the exchange."""
        return self._client.get(address.removeprefix(URL)).text

    @property
    def place(self) -> tuple[Path, Path, Path, str, list[str]]:
        """Key, state, copy, address and the exchange's keys: what ``witness.copy_statements`` takes."""
        return self._key, self._state, self.copy, URL, self._own

    def see(self) -> list[str]:
        """See what is new and sign it; gives the signed notes."""
        note = witness.witness(self._key, self._state, URL, self._own, fetch=self.fetch)
        new = witness.copy_statements(*self.place, fetch=self.fetch)
        db.session.rollback()
        return [note, *(path.read_text(encoding="utf-8") for path in new)]

    def look(self) -> None:
        """The same, and hand it back."""
        signed = self.see()
        in_unit_of_work(lambda: [cosigning.take(one, self._ring, by=BY, at=AT) for one in signed])


class Checked:
    """Ada with balances, statements over them, and a regulator who has signed both."""

    def __init__(self, app: Flask, folder: Path, client: FlaskClient) -> None:
        """All of it."""
        app.config["PROGRAM_ZONE"] = "America/Los_Angeles"
        self.market = Market()
        providers = (f"org-{self.market.provider_of(one)}" for one in self.market.packages)
        (folder / "keys").mkdir()
        self.ring: KeyRing = make_ring(app, folder / "keys", *providers)
        self.ada = self.market.worker()
        self.market.contribute(self.market.worker("Ben Ortiz"), months=1)
        self.market.contribute(self.ada, months=1)
        self.regulator = Regulator(self.ring, folder / "regulator", client)
        self.state()
        self.regulator.look()

    def state(self, *, sealed: bool = True) -> None:
        """Make all statements, and seal them."""

        def work() -> None:
            statements.begin_snapshot()
            at = clock.real_now()
            liability_statements.state_all(
                policy=self.market.policy, as_of=self.market.today, cause="test", keys=self.ring, by=BY, at=at
            )

        in_unit_of_work(work)
        if sealed:
            self.seal()

    def seal(self) -> None:
        """Seal everything."""
        while seal(self.ring):
            pass


def run_verifier(path: Path, content: bytes) -> subprocess.CompletedProcess[str]:
    """What the stand-alone program says of a file of this content."""
    path.write_bytes(content)
    command = [sys.executable, "-I", str(VERIFIER), str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=False)
