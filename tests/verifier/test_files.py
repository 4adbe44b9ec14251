"""Does the stand-alone program accept what the exchange hands out, and nothing that differs by a byte?"""

from __future__ import annotations

import copy
import json
import os
import random
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from exchange.ledger import bundle
from exchange.ledger.notes import SigningKey
from exchange.money import Unit
from tests.support.verifying import Year, findings, live_a_year, respelled, verified
from verifier import verify
from verifier.verify import Keys

ROOT = Path(__file__).parents[2]
MUTATIONS = 100_000

pytestmark = pytest.mark.parametrize("engine_name", ["sqlite"])


@pytest.fixture
def year(app: Flask, tmp_path: Path) -> Year:
    """A small year with a cutover."""
    return live_a_year(app, tmp_path / "keys")


class TestFile:
    def test_of_each_kind_holds(self, year: Year, tmp_path: Path) -> None:
        keys = [str(key) for key in year.ring.verifying()]
        for content in (year.proof(), year.receipt(), year.bundle(tmp_path / "bundle.zip")):
            for pinned in ((), keys):
                assert findings(verified(content, tmp_path / "file", *pinned)) == []

    def test_is_verified_by_a_program_that_stands_alone(self, year: Year, tmp_path: Path) -> None:
        good, bad = tmp_path / "good.zip", tmp_path / "bad.json"
        year.bundle(good)
        bad.write_bytes(year.proof()[:-1])

        for path, ok in ((good, True), (bad, False)):
            ran = subprocess.run(
                [sys.executable, "-I", str(ROOT / "verifier" / "verify.py"), str(path), "--json"],
                capture_output=True, text=True, cwd=tmp_path, check=False,
            )  # fmt: skip
            assert (ran.returncode == 0, json.loads(ran.stdout)["ok"]) == (ok, ok)

    def test_tells_a_person_what_was_found(
        self, year: Year, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        year.bundle(tmp_path / "good.zip")

        assert verify.main([str(tmp_path / "good.zip")]) == 0
        assert "ALL OF IT HOLDS" in capsys.readouterr().out
        assert verify.main([str(ROOT / "README.md")]) == 1
        assert "FAILED" in capsys.readouterr().out

    def test_signed_by_somebody_else_is_refused_by_whoever_knows_the_key(self, year: Year, tmp_path: Path) -> None:
        other = SigningKey(year.ring.journal_name, bytes(32)).verifying

        for content in (year.proof(), year.receipt(), year.bundle(tmp_path / "bundle.zip")):
            assert not verified(content, tmp_path / "file", str(other)).ok

    def test_of_a_receipt_shows_what_moved_before_and_after(self, year: Year, tmp_path: Path) -> None:
        found = json.loads(year.receipt())

        assert len(found["before"]) == len(found["after"]) == 3
        report = verified(year.receipt(), tmp_path / "receipt")
        assert report.checks["the leaf before the switch carries the same figure"][0] == 3

    def test_of_a_proof_holds_nobody_elses_name(self, year: Year) -> None:
        assert b"Ben" not in year.proof() + year.receipt()
        assert b"Cleo" not in year.proof() + year.receipt()

    def test_of_a_bundle_holds_names_only_in_its_confidential_part(self, year: Year, tmp_path: Path) -> None:
        year.bundle(tmp_path / "bundle.zip")

        with zipfile.ZipFile(tmp_path / "bundle.zip") as archive:
            naming = [name for name in archive.namelist() if b"ben@example.org" in archive.read(name)]
        assert naming == ["confidential/leaves"]
        assert bundle.entries_sealed() > 0


class TestEverySingleByte:
    """At every position of small files: all 255 other values in the long run, three of them otherwise."""

    @pytest.mark.slow
    @pytest.mark.parametrize("values", [3, pytest.param(255, marks=pytest.mark.long)])
    @pytest.mark.parametrize("kind", ["proof", "receipt", "bundle"])
    def test_changed_is_refused(self, app: Flask, tmp_path: Path, kind: str, values: int) -> None:
        year, path = live_a_year(app, tmp_path / "keys", {("paid_leave", Unit.USD): 70}), tmp_path / "changed"
        content = {"proof": year.proof, "receipt": year.receipt}.get(kind, partial(year.bundle, tmp_path / "b.zip"))()
        assert verified(content, path).ok
        accepted, count = [], 0

        with path.open("r+b", buffering=0) as file:
            for position, byte in enumerate(content):
                for bits in changes_of(position, values):
                    os.pwrite(file.fileno(), bytes([byte ^ bits]), position)
                    count += 1
                    if verify.verify(path).ok:
                        accepted.append((position, bits))
                os.pwrite(file.fileno(), bytes([byte]), position)

        print(f"{kind}: {len(content)} bytes, {count} changes of one byte")
        assert count == len(content) * values
        assert accepted == []
        assert verify.verify(path).ok

    def test_added_or_lost_at_the_end_is_refused(self, year: Year, tmp_path: Path) -> None:
        for content in (year.proof(), year.receipt(), year.bundle(tmp_path / "bundle.zip")):
            for changed in (content[:-1], content + b"\n", content + b" ", b" " + content, b""):
                assert not verified(changed, tmp_path / "changed").ok


class TestMutation:
    @pytest.mark.slow
    def test_of_a_proof_is_never_accepted(self, year: Year) -> None:
        dice = random.Random(6962)
        proof = json.loads(year.proof())
        keys = Keys(proof.pop("keys"))
        proof.pop("format")
        verify.check_proof(proof, keys)
        accepted = []

        for number in range(MUTATIONS):
            changed = copy.deepcopy(proof)
            mutate(changed, dice)
            if changed != proof and holds(changed, keys):
                accepted.append((number, changed))

        assert accepted == []


def changes_of(position: int, values: int) -> Sequence[int]:
    """Which bits are flipped in a byte: all ways, or a digit's, a letter's case, and another from place to place."""
    return range(1, 256) if values == 255 else (0x01, 0x20, 0x40 + position % 192)


def holds(proof: Any, keys: Keys) -> bool:
    try:
        verify.check_proof(proof, keys)
    except Exception:  # noqa: BLE001 - as the program itself does
        return False
    return True


def mutate(found: Any, dice: random.Random) -> None:
    """Change one thing somewhere: a digit, a number, the order or the length of a list."""
    place, key = dice.choice(list(places(found)))
    value = place[key]
    if isinstance(value, str):
        at = dice.randrange(len(value))
        place[key] = value[:at] + dice.choice("0123456789abcdefABCDEF+/= \n") + value[at + 1 :]
    elif isinstance(value, int):
        place[key] = dice.choice(
            [value + 1, value - 1, value ^ 1, -value, value * 2, 2**95, 2**63, 0, True, float(value)]
        )
    elif isinstance(value, list) and value:
        again = dice.choice([value[::-1], value[1:], value[:-1], [*value, value[0]], dice.sample(value, len(value))])
        place[key] = again
    else:
        place[key] = None


def places(found: Any) -> Any:
    """Every place in a JSON value, as what it is in and its key or index."""
    for key, value in found.items() if isinstance(found, dict) else enumerate(found):
        yield found, key
        if isinstance(value, dict | list):
            yield from places(value)


class TestSpelling:
    def test_other_than_the_one_is_refused(self, year: Year, tmp_path: Path) -> None:
        proof = year.proof()
        loose = json.dumps(json.loads(proof)).encode()

        assert not verified(loose, tmp_path / "loose").ok
        assert verified(respelled(proof, lambda _: None), tmp_path / "same").ok
