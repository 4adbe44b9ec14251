"""Has an entry exactly the bytes that a stranger computes?"""

from __future__ import annotations

import pytest

from exchange.ledger import encoding, journal, merkle
from exchange.ledger.encoding import lp
from tests.support.vectors import entry_of, vectors

ENTRIES = vectors("journal")["entries"]


class TestEntryBytes:
    @pytest.mark.parametrize("found", ENTRIES, ids=[found["entry_id"] for found in ENTRIES])
    def test_are_those_of_the_vectors(self, found: dict[str, str]) -> None:
        written = encoding.entry_bytes(entry_of(found))

        assert written.hex() == found["entry_hex"]
        assert merkle.leaf_hash(written).hex() == found["leaf"]


class TestDetailsDigest:
    @pytest.mark.parametrize("found", [found for found in ENTRIES if found["details_salt"]])
    def test_is_that_of_the_vectors(self, found: dict[str, str]) -> None:
        digest = journal.details_digest(bytes.fromhex(found["details_salt"]), found["details"])

        assert digest.hex() == found["details_digest"]


class TestText:
    def test_is_composed_and_without_blanks_around_it(self) -> None:
        assert lp(" Wo\u0308rker ") == lp("Wörker") == b"\0\0\0\x07W\xc3\xb6rker"
