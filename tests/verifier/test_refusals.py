"""Does the stand-alone program say in one sentence what is wrong with a file, and refuse none that is right?"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tracemalloc
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from exchange.database import db, in_unit_of_work
from providers import reserve_checks, reserve_filings
from providers.models import CheckCause, Provider
from tests.support.enrollment_makers import BY, EFFECTIVE
from tests.support.forging import Books, spelled
from tests.support.seal_makers import seal
from tests.support.verifying import findings, live_a_year, verified
from verifier import verify

PROGRAM = Path(__file__).parents[2] / "verifier" / "verify.py"
MOST_BYTES = 40 << 20
RAW = ("Error", "object", "subscriptable", "unpack", "literal", "argument", "zip()")
"""What only somebody who writes programs would understand."""


@pytest.fixture
def books() -> Books:
    """Ada has 100 and Ben has 50, and it is stated that Ada has it."""
    return Books()


def proof_of(books: Books) -> Any:
    return json.loads(books.proof_file(books.state(("la-2", "Ada", 100)), "Ada"))


class TestFile:
    @pytest.mark.parametrize("place", ["path", "extends"])
    @pytest.mark.parametrize("instead", ["", {}])
    def test_with_something_else_than_a_list_is_refused(
        self, books: Books, tmp_path: Path, place: str, instead: object
    ) -> None:
        proof = proof_of(books) | {place: instead}

        assert not verified(spelled(proof), tmp_path / "proof").ok

    def test_with_a_number_that_is_a_text_is_refused(self, books: Books, tmp_path: Path) -> None:
        assert not verified(spelled(proof_of(books) | {"index": "0"}), tmp_path / "proof").ok

    def test_that_is_half_a_zip_file_is_a_finding(self, books: Books, tmp_path: Path) -> None:
        content = books.bundle()
        end = content.rindex(b"PK\x05\x06")
        of_many_disks = b"PK\x06\x07" + (5).to_bytes(4, "little") + bytes(8) + (9).to_bytes(4, "little")

        assert findings(verified(content[:end] + of_many_disks + content[end:], tmp_path / "file")) != []

    def test_whose_name_is_too_long_is_a_finding(self, tmp_path: Path) -> None:
        assert findings(verify.verify(tmp_path / ("a" * 300))) != []

    def test_names_the_key_that_is_misspelled(self, books: Books, tmp_path: Path) -> None:
        report = verified(books.bundle(), tmp_path / "bundle", "exchange.example/journal")

        assert any("the key “exchange.example/journal” is not of the known form" in one for one in findings(report))

    def test_names_the_member_and_the_line_that_cannot_be_read(self, books: Books, tmp_path: Path) -> None:
        for member, content in {"filings": b"{\n", "rules": b"\xff\n", "confidential/leaves": b"[1,\n"}.items():
            (found,) = findings(verified(books.bundle(instead={member: content}), tmp_path / "bundle"))
            assert f"{member}, line 1: " in found

    def test_that_cannot_be_is_told_in_words(self, books: Books, tmp_path: Path) -> None:
        proof = proof_of(books)
        wrong = proof["statement"][:-8] + "AAAA" + proof["statement"][-4:]
        for changed in (
            proof | {"keys": ["x"]}, proof | {"statement": "x"}, proof | {"path": ["x"]}, proof | {"statement": wrong},
            proof | {"seal": proof["seal"] | {"entry": "x"}}, proof | {"seal": proof["seal"] | {"path": ["0" * 64]}},
        ):  # fmt: skip
            (found,) = findings(verified(spelled(changed), tmp_path / "proof"))
            assert not any(word in found.replace("InvalidSignature", "") for word in RAW), found

    def test_holds_where_the_terminal_does_not_know_a_letter_of_a_name(self, books: Books, tmp_path: Path) -> None:
        path = tmp_path / "proof"
        path.write_bytes(books.proof_file(books.state(("la-2", "Zoë-李", 100)), "Zoë-李"))
        ran = subprocess.run(
            [sys.executable, str(PROGRAM), str(path)], env=os.environ | {"PYTHONIOENCODING": "ascii"},
            capture_output=True, text=True, check=False,
        )  # fmt: skip

        assert (ran.returncode, ran.stderr) == (0, "")
        assert "ALL OF IT HOLDS" in ran.stdout


class TestPacked:
    @pytest.mark.parametrize("member", ["keys", "checkpoint", "entries"])
    def test_ever_so_small_is_not_unpacked(self, books: Books, tmp_path: Path, member: str) -> None:
        """As a zip file may be packed: a thousandth of what it says."""
        path = tmp_path / "bundle"
        length = (1 << 27).to_bytes(4, "big") if member == "entries" else b""
        path.write_bytes(books.bundle(instead={member: length + bytes(1 << 27)}))
        assert path.stat().st_size < 200_000

        tracemalloc.start()
        report = verify.verify(path)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()

        assert not report.ok
        assert most < (MOST_BYTES * 4 if member == "entries" else MOST_BYTES)


class TestReserveChecks:
    def test_two_filings_of_one_number_are_refused(self, books: Books, tmp_path: Path) -> None:
        books.check()
        assert verified(books.bundle(), tmp_path / "bundle").ok
        books.filings.append(books.filings[0] | {"holdings": {"cash": 10_000}})

        assert any("a name twice" in found for found in findings(verified(books.bundle(), tmp_path / "bundle")))

    def test_one_made_up_for_an_earlier_day_is_not_where_the_next_one_climbs_from(
        self, app: Flask, tmp_path: Path
    ) -> None:
        """As the exchange counts: the last check is the one of the latest day."""
        year = live_a_year(app, tmp_path / "keys")
        harbor = db.session.get_one(Provider, year.town.provider_of(year.town.harbor))
        day = timedelta(days=1)

        def file(cents: int, days: int) -> None:
            at = EFFECTIVE + days * day
            in_unit_of_work(
                lambda: reserve_filings.file_reserves(
                    harbor, as_of=at.date(), holdings={"cash": cents}, policy=year.town.policy, by=BY, at=at
                )
            )

        def check(days: int) -> None:
            on = EFFECTIVE + days * day
            in_unit_of_work(
                lambda: reserve_checks.check(
                    None, policy=year.town.policy, on=on.date(), cause=CheckCause.DAILY, by=BY, at=EFFECTIVE + 9 * day
                )
            )

        owed = 12_345
        check(1)
        file(owed * 110 // 100, 3)  # watch
        check(3)
        check(2)  # made up: with the filing of before it was strong
        file(owed * 126 // 100, 4)  # adequate, but for the two per cent more that it takes to climb there
        check(4)
        while seal(year.ring):
            pass

        assert findings(verified(year.bundle(tmp_path / "b.zip"), tmp_path / "bundle")) == []
