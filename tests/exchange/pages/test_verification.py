"""Does a stranger find at fixed addresses what was signed, and does a witness sign only what extends what it saw?"""

from __future__ import annotations

import base64
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from click.testing import Result
from flask import Flask
from flask.testing import FlaskClient

from exchange.database import db, in_unit_of_work
from exchange.ledger import cosigning, merkle, notes, seals
from exchange.ledger.keys import KeyRing
from exchange.ledger.seals import Head
from tests.support.ledger_makers import AT, BY, Books, entry, post
from tests.support.seal_makers import make_ring, seal
from tests.support.verifying import all_statements, live_a_year, resigned
from tests.support.witnessing import NAME, URL, Regulator
from verifier import witness

WELL_KNOWN = "/.well-known/pbx"
Fetch = Callable[[str], str]
Cli = Callable[..., Result]


@pytest.fixture
def books(app: Flask) -> Books:
    """A small set of books on this test's database."""
    return Books()


@pytest.fixture
def ring(app: Flask, tmp_path: Path) -> KeyRing:
    """The keys of this test's exchange."""
    return make_ring(app, tmp_path)


@pytest.fixture
def fetch(client: FlaskClient) -> Fetch:
    """Fetch from the exchange as a witness does."""
    return lambda address: client.get(address.removeprefix("https://exchange.example")).text


def seal_some(books: Books, ring: KeyRing, count: int, *, prefix: str) -> None:
    ada = books.worker(1)
    post(*(entry(f"{prefix}{number}", (books.money, ada, 1)) for number in range(count)))
    seal(ring)


class TestWellKnown:
    def test_shows_the_newest_checkpoint_and_the_older_ones(
        self, books: Books, ring: KeyRing, client: FlaskClient
    ) -> None:
        assert client.get(f"{WELL_KNOWN}/checkpoint").status_code == 404
        seal_some(books, ring, 3, prefix="a")
        seal_some(books, ring, 4, prefix="b")

        newest = client.get(f"{WELL_KNOWN}/checkpoint")

        assert newest.mimetype == "text/plain"
        assert notes.signers(newest.text, ring.verifying())
        assert seals.head_of(newest.text).size == 7
        assert seals.head_of(client.get(f"{WELL_KNOWN}/checkpoint/3").text).size == 3
        assert client.get(f"{WELL_KNOWN}/checkpoint/4").status_code == 404

    def test_shows_that_one_checkpoint_extends_another(self, books: Books, ring: KeyRing, client: FlaskClient) -> None:
        seal_some(books, ring, 3, prefix="a")
        seal_some(books, ring, 4, prefix="b")

        lines = client.get(f"{WELL_KNOWN}/consistency/3/7").text.splitlines()

        old, new = seals.checkpoint_at(3).root, seals.checkpoint_at(7).root
        assert merkle.extends(old, new, old=3, new=7, path=[base64.b64decode(line) for line in lines])
        for sizes in ("0/7", "3/8", "7/3"):
            assert client.get(f"{WELL_KNOWN}/consistency/{sizes}").status_code == 404

    def test_shows_the_keys(self, ring: KeyRing, client: FlaskClient) -> None:
        assert client.get(f"{WELL_KNOWN}/keys").text == "".join(f"{key}\n" for key in ring.verifying())

    def test_shows_no_keys_where_nothing_is_sealed(self, app: Flask, client: FlaskClient) -> None:
        assert client.get(f"{WELL_KNOWN}/keys").text == ""

    def test_shows_statements_and_nobodys_leaf(self, app: Flask, client: FlaskClient, tmp_path: Path) -> None:
        live_a_year(app, tmp_path / "keys")
        made = all_statements()

        lines = client.get(f"{WELL_KNOWN}/statements").text.splitlines()

        assert len(lines) == len(made)
        date, provider, component, unit, _digest, address = lines[0].split(" ")
        assert (date, provider, component, unit) == (
            str(made[-1].as_of), made[-1].provider, made[-1].component, made[-1].unit,
        )  # fmt: skip
        assert client.get(address).text == made[-1].note
        everything = "".join(client.get(line.split(" ")[-1]).text for line in lines)
        assert "example.org" not in everything
        assert client.get(f"{WELL_KNOWN}/statements/987654").status_code == 404
        older = client.get(f"{WELL_KNOWN}/statements?before={made[4].id}").text.splitlines()
        assert older == lines[-4:]
        for before in (made[0].id, 0, -1):
            assert client.get(f"{WELL_KNOWN}/statements?before={before}").text == ""
        for odd in (2**64, "many"):
            assert len(client.get(f"{WELL_KNOWN}/statements?before={odd}").text.splitlines()) == len(made)

    def test_hands_out_both_programs(self, app: Flask, client: FlaskClient, tmp_path: Path) -> None:
        """In the folder that the witness's own words name they need nothing else."""
        folder = tmp_path / "verifier"
        folder.mkdir()
        for name in ("verify.py", "witness.py"):
            folder.joinpath(name).write_bytes(client.get(f"{WELL_KNOWN}/{name}").data)
        command = [
            sys.executable,
            "-I",
            str(folder / "witness.py"),
            "--new",
            "regulator.example",
            str(tmp_path / "key"),
        ]

        made, again = (subprocess.run(command, capture_output=True, text=True, check=False) for _ in range(2))

        assert (made.returncode, made.stdout.split("+")[0]) == (0, "regulator.example")
        assert (again.returncode, again.stdout, again.stderr[:12]) == (1, "", "NOT SIGNED: ")


class TestWitness:
    def test_signs_what_extends_what_it_saw(self, books: Books, ring: KeyRing, fetch: Fetch, tmp_path: Path) -> None:
        known = [str(key) for key in ring.verifying()]
        public = witness.new_key("witness.example", tmp_path / "witness.secret")
        (tmp_path / "witness.pub").write_text(public, encoding="utf-8")
        for prefix in "abc":
            seal_some(books, ring, 3, prefix=prefix)

            note = ask(tmp_path, known, fetch)

            assert note == ask(tmp_path, known, fetch)
            assert in_unit_of_work(partial(cosigning.take, note, ring, by=BY, at=AT)) == ["witness.example"]
        newest = seals.latest()
        assert newest is not None
        assert len(notes.signers(seals.signed_note(newest), ring.verifying())) == 2

    def test_refuses_a_journal_that_was_set_back_or_forked(
        self, books: Books, ring: KeyRing, fetch: Fetch, tmp_path: Path
    ) -> None:
        known = [str(key) for key in ring.verifying()]
        witness.new_key("witness.example", tmp_path / "witness.secret")
        seal_some(books, ring, 3, prefix="a")
        ask(tmp_path, known, fetch)
        remembered = (tmp_path / "seen").read_bytes()

        for size in (2, 3, 4):
            forked = notes.sign(Head(size, bytes(32)).text(ring.journal_name), ring.journal_keys())
            with pytest.raises((ValueError, IndexError)):
                ask(tmp_path, known, partial(forking, forked))
        assert (tmp_path / "seen").read_bytes() == remembered
        db.session.rollback()

    def test_refuses_what_the_exchange_did_not_sign(
        self, books: Books, ring: KeyRing, fetch: Fetch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        other = witness.new_key("exchange.example/journal", tmp_path / "other.secret")
        witness.new_key("witness.example", tmp_path / "witness.secret")
        seal_some(books, ring, 3, prefix="a")

        with pytest.raises(ValueError):
            ask(tmp_path, [other], fetch)

        arguments = [str(tmp_path / "witness.secret"), str(tmp_path / "seen"), "http://127.0.0.1:9", "--exchange-key"]
        assert witness.main([*arguments, other]) == 1
        assert "NOT SIGNED" in capsys.readouterr().err


class TestCopy:
    def test_of_the_statements_is_signed_once_and_shown_to_everybody(
        self, app: Flask, client: FlaskClient, tmp_path: Path
    ) -> None:
        year = live_a_year(app, tmp_path / "keys")
        regulator = Regulator(year.ring, tmp_path / "regulator", client)

        regulator.look()
        regulator.look()

        assert len(list(regulator.copy.glob("*.note"))) == len(all_statements())
        for made in all_statements():
            note = client.get(f"{WELL_KNOWN}/statements/{made.id}").text
            assert note.count(f"— {NAME} ") == 1
            assert {key.name for key in notes.signers(note, year.ring.verifying())} >= {NAME, year.ring.journal_name}

    def test_holds_no_second_version_and_no_statement_of_another_journal(
        self, app: Flask, client: FlaskClient, tmp_path: Path
    ) -> None:
        year = live_a_year(app, tmp_path / "keys")
        regulator = Regulator(year.ring, tmp_path / "regulator", client)
        regulator.look()
        copied = sorted(path.name for path in regulator.copy.iterdir())
        made = all_statements()[0]
        size, root = f"journal {made.journal_size} ", base64.b64encode(bytes(32)).decode()

        for old, new in ((f"sum {made.sum}\n", "sum 1\n"), (size, f"journal 1 {root} ")):
            false = resigned(made.note, year.ring, lambda text, old=old, new=new: text.replace(old, new))  # type: ignore[misc]
            with pytest.raises(ValueError):
                witness.copy_statements(*regulator.place, fetch=partial(listing, false, regulator.fetch))

        assert sorted(path.name for path in regulator.copy.iterdir()) == copied
        db.session.rollback()

    def test_misses_nothing_where_the_list_has_pages(self, app: Flask, client: FlaskClient, tmp_path: Path) -> None:
        year = live_a_year(app, tmp_path / "keys")
        regulator = Regulator(year.ring, tmp_path / "regulator", client)
        regulator.copy.rmdir()
        witness.witness(*regulator.place[:2], *regulator.place[3:], fetch=regulator.fetch)
        made = all_statements()

        for fails_after in (3, len(made)):
            # What was copied before somebody pulled the plug is the oldest.
            fetch = partial(paging, [], fails_after, regulator.fetch)
            try:
                witness.copy_statements(*regulator.place, fetch=fetch)
            except OSError:
                assert {path.name[:12] for path in regulator.copy.iterdir()} == {f"{made[0].journal_size:012}"}

        assert len(list(regulator.copy.glob("*.note"))) == len(made)
        assert witness.copy_statements(*regulator.place, fetch=partial(paging, [], 0, regulator.fetch)) == []
        with pytest.raises(ValueError, match="goes round"):
            list(witness.unseen(URL, (), lambda _address: "a b c d statements/7\n"))
        db.session.rollback()

    def test_by_a_key_that_nobody_handed_in_is_not_taken_and_says_so(
        self, books: Books, ring: KeyRing, fetch: Fetch, cli: Cli, tmp_path: Path
    ) -> None:
        public = witness.new_key("stranger.example", tmp_path / "witness.secret")
        seal_some(books, ring, 3, prefix="a")
        path = tmp_path / "signed.note"
        path.write_text(ask(tmp_path, [str(key) for key in ring.verifying()], fetch), encoding="utf-8")
        db.session.rollback()

        said = cli("cosign", str(path)).output

        assert said.startswith(
            f"Signed by nobody new.\nNot taken: the key {'+'.join(public.split('+')[:2])} is not known"
        )

    def test_is_handed_back_in_one_go(self, app: Flask, client: FlaskClient, cli: Cli, tmp_path: Path) -> None:
        year = live_a_year(app, tmp_path / "keys")
        regulator = Regulator(year.ring, tmp_path / "regulator", client)
        regulator.see()
        files = sorted(str(path) for path in regulator.copy.glob("*.note"))

        first, again = cli("cosign", *files), cli("cosign", *files)

        assert (first.output, again.output) == (f"Signed by {NAME}.\n", "Signed by nobody new.\n")
        assert f"— {NAME} " in client.get(f"{WELL_KNOWN}/statements/{all_statements()[-1].id}").text


def listing(note: str, fetch: Fetch, address: str) -> str:
    """An exchange that lists and shows this one statement."""
    if address.endswith("/statements"):
        return f"2026-12-31 a b USD {'0' * 64} {WELL_KNOWN}/statements/1\n"
    return note if address.endswith("/statements/1") else fetch(address)


def paging(shown: list[str], fails_after: int, fetch: Fetch, address: str) -> str:
    """An exchange that lists two statements at once, and does not answer after having shown so many of them."""
    if "/statements/" in address:
        shown.append(address)
        if len(shown) > fails_after:
            raise OSError("nobody answers")
    text = fetch(address)
    return "".join(text.splitlines(keepends=True)[:2]) if address.partition("?")[0].endswith("/statements") else text


def forking(note: str, address: str) -> str:
    """An exchange that shows this checkpoint, and no proof."""
    return note if "checkpoint" in address else ""


def ask(folder: Path, known: list[str], fetch: Fetch) -> str:
    return witness.witness(folder / "witness.secret", folder / "seen", "https://exchange.example", known, fetch=fetch)
