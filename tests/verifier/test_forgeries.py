"""Does the stand-alone program believe what nobody could have meant, and what does a hostile file cost it?

Everything here is signed by the exchange itself, or by somebody who made up an exchange of his own.
"""

from __future__ import annotations

import json
import time
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import pytest

from exchange.ledger.seals import Head
from tests.support.forging import Books, spelled
from tests.support.verifying import findings, verified
from verifier import verify

HONEST = (("la-2", "Ada", 100), ("la-3", "Ben", 50))
MOST_BYTES = 40 << 20


@pytest.fixture
def books() -> Books:
    """Ada has 100 and Ben has 50."""
    return Books()


@pytest.fixture
def told(books: Books, tmp_path: Path) -> Any:
    """What is found in the bundle."""
    return lambda **given: findings(verified(books.bundle(**given), tmp_path / "bundle"))


class TestStatement:
    def test_that_tells_the_truth_is_believed(self, books: Books, told: Any) -> None:
        books.state(*HONEST)
        books.check()

        assert told() == []

    def test_with_one_workers_number_on_two_leaves_is_refused(self, books: Books, told: Any) -> None:
        """Ben's balance stands under Ada's number: it adds up, and Ben is nowhere."""
        books.state(("la-2", "Ada", 100), ("la-3", "Ada", 50))

        assert any("has two leaves" in finding for finding in told())

    def test_that_gives_a_line_to_somebody_else_than_before_is_refused(self, books: Books, told: Any) -> None:
        books.state(*HONEST)
        books.state(("la-2", "Ada", 100), ("la-3", "Nobody", 50))

        assert any("Nobody: la-3 was stated for somebody else before" in finding for finding in told())

    def test_that_hides_a_balance_behind_a_negative_one_is_refused(self, books: Books, told: Any) -> None:
        """What Ben owes is as much as Ada has: without both of them it adds up."""
        books.move(("la-3", "la-1", 150))
        books.state()

        assert any("la-3" in finding for finding in told())

    def test_under_another_kind_of_entry_is_refused(self, books: Books, tmp_path: Path) -> None:
        """A bundle would not show it: it asks for the statements of entries that are called so."""
        for kind, holds in (("statement", True), ("note", False)):
            number = books.state(("la-2", "Ada", 100), kind=kind)
            assert verified(books.proof_file(number, "Ada"), tmp_path / "proof").ok == holds

    def test_in_no_round_at_all_is_said(self, books: Books, tmp_path: Path) -> None:
        before = verified(books.bundle(), tmp_path / "bundle").notes
        books.state(*HONEST)
        books.state(provider="exchange")
        after = verified(books.bundle(), tmp_path / "bundle").notes

        assert "All that is owed was stated 0 times, the last: never." in before
        assert any(note.startswith("All that is owed was stated ") and "0 times" not in note for note in after)


class TestReceipt:
    def test_under_two_checkpoints_is_refused(self, tmp_path: Path) -> None:
        """The entry stands in one journal, the leaf in another: each is signed, and no witness sees the two."""
        line = "la-2 la-4 org-1 leave org-2 leave USD 100"
        books, fork = Books(), Books()
        position = books.move(("la-2", "la-4", 100), kind="switch")
        after = books.state(("la-4", "Ada", 100), provider="org-2")
        fork.move(("la-1", "la-2", 1))
        seal, leaf = books.seal_of(position), books.proof(after, "Ada")
        fork.entries[position] = books.entries[position]
        fork.move(("la-1", "la-3", 1))

        assert verified(books.receipt(position, line, [], [leaf], seal), tmp_path / "receipt").ok
        forked = books.receipt(position, line, [], [leaf], fork.seal_of(position))
        assert any("another checkpoint" in finding for finding in findings(verified(forked, tmp_path / "receipt")))


class TestKey:
    def test_of_another_exchange_answers_for_no_file(self, books: Books, tmp_path: Path) -> None:
        """Whoever names a key asks whether the file is that exchange's, not whether it is somebody's."""
        made_up = Books("exchange.examp1e")
        number = made_up.state(("la-2", "Ada", 100))
        files = [made_up.proof_file(number, "Ada"), made_up.receipt(0, "la-1 la-2 a b c d USD 100", [], [], {})]

        for content in (files[0], made_up.bundle(), files[1]):
            assert not verified(content, tmp_path / "file", str(books.key().verifying)).ok
        assert verified(files[0], tmp_path / "file", str(made_up.key().verifying)).ok

    def test_that_the_file_brings_along_is_told_from_those_that_are_known(self, books: Books, tmp_path: Path) -> None:
        content = books.proof_file(books.state(("la-2", "Ada", 100)), "Ada")
        found = json.loads(content)
        witness = Books("witness.example").key("own")
        text, signatures = found["seal"]["checkpoint"].split("\n\n")
        found["seal"]["checkpoint"] = f"{text}\n\n{signatures}{witness.line(text + chr(10))}"
        found["keys"].append(str(witness.verifying))

        report = verified(spelled(found), tmp_path / "proof", str(books.key().verifying))

        assert report.ok
        assert any("witness.example/own (a key of the file's own)" in note for note in report.notes)


class TestReserveCheck:
    @pytest.mark.parametrize(
        "figures",
        [
            # What is not owed cannot lower what must be held.
            {"pooled": -50, "contingency": -50, "required": 50, "ratio_bp": 40_000},
            {"liabilities": 150.0}, {"held": 200.0}, {"pooled": float("nan")}, {"contingency": float("inf")},
            {"liabilities": True}, {"pooled": False}, {"journal": 1.0}, {"journal": None, "liabilities": -150},
        ],
    )  # fmt: skip
    def test_with_figures_that_are_none_is_refused(self, books: Books, told: Any, figures: dict[str, Any]) -> None:
        books.state(*HONEST)
        books.check(**figures)

        assert told() != []

    def test_that_says_two_things_under_one_name_is_refused(self, books: Books, told: Any) -> None:
        """Readers differ in which of them they take."""
        books.check()
        line = json.dumps(books.reserves[0]).encode() + b"\n"

        assert told(instead={"reserves": line}) == []
        assert told(instead={"reserves": line.replace(b"{", b'{"liabilities": 0, ', 1)}) != []

    def test_with_a_filing_of_a_later_day_is_refused(self, books: Books, told: Any) -> None:
        books.check()
        books.filings[0]["as_of"] = "2026-10-02"

        assert any("of a later day" in finding for finding in told())


class TestHostileFile:
    """It is small, and would like to take all there is."""

    def cost(self, content: bytes, path: Path) -> int:
        path.write_bytes(content)
        assert len(content) < 100_000
        tracemalloc.start()
        verify.verify(path)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    def test_with_numbers_far_apart_takes_little_memory(self, books: Books, tmp_path: Path) -> None:
        books.accounts += [f"la-{2**31} org-1 worker leave USD", f"la-{2**62} org-1 worker leave USD"]
        books.move(("la-1", f"la-{2**62}", 1), entry_id=f"e-{2**32}")
        books.move(("la-1", f"la-{2**31}", 1), entry_id=f"e-{2**60}")

        assert self.cost(books.bundle(), tmp_path / "bundle") < MOST_BYTES
        assert verify.verify(tmp_path / "bundle").ok

    def test_that_is_packed_ever_so_small_is_not_unpacked(self, books: Books, tmp_path: Path, told: Any) -> None:
        content = books.bundle(method=zipfile.ZIP_BZIP2, instead={"keys": bytes(1 << 26)})

        assert self.cost(content, tmp_path / "bundle") < MOST_BYTES
        assert told(method=zipfile.ZIP_BZIP2) == ["it is compressed in an unknown way"]

    def test_that_says_it_is_endless_ends(self, books: Books, told: Any) -> None:
        assert "there is less than the checkpoint covers" in told(head=Head(2**62, bytes(32)))

    def test_with_a_text_that_is_hard_to_normalize_takes_no_time(self, books: Books, told: Any) -> None:
        """Marks in the wrong order: to bring them into the right one takes a time that grows with their square."""
        entry = books.entries[0]
        marks = ("\u0315" * 40_000 + "\u0316" * 40_000).encode()
        name = len("e-1").to_bytes(4, "big") + b"e-1"
        books.entries[0] = entry.replace(name, len(marks).to_bytes(4, "big") + marks)
        began = time.process_time()

        assert any("not normal" in finding and len(finding) < 1_000 for finding in told())
        assert time.process_time() - began < 5

    def test_moves_no_cursor(self, tmp_path: Path, capsys: pytest.CaptureFixture[str], books: Books) -> None:
        books.state(("la-2", "Ada\x1b[2JALL OF IT HOLDS\x1b[8m", 1))
        path = tmp_path / "bundle"
        path.write_bytes(books.bundle())

        assert verify.main([str(path)]) == 1
        assert "\x1b" not in capsys.readouterr().out

    def test_of_nothing_that_is_known_is_refused(self, tmp_path: Path) -> None:
        deep, long = b'{"keys":' * 10_000, b'{"keys":' + b"9" * 50_000
        for content in (deep, long, b"[" * 50_000, b"{}", b"\xff{", b"PK", b""):
            assert self.cost(content, tmp_path / "file") < MOST_BYTES
            assert not verify.verify(tmp_path / "file").ok

    def test_with_something_beside_its_members_is_refused(self, books: Books, tmp_path: Path) -> None:
        content = books.bundle()
        end = content.rindex(b"PK\x05\x06")
        assert books.signed(content[: end + 20]) == content

        for changed in (
            content[: end + 20] + b"\x00\x00",
            content + content[end:],
            b"MZ" + content,
            content[:-1] + b" ",
            books.bundle(instead={"confidential/leaves ": b""}),
            books.bundle(instead={"../keys": b""}),
        ):
            assert not verified(changed, tmp_path / "bundle").ok
