"""Does the journal's tree have the shape and the proofs of RFC 6962?"""

from __future__ import annotations

import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.ledger import merkle
from exchange.ledger.merkle import Growing, journal_root, node_hash
from tests.support.vectors import rfc6962, vectors


def leaves(count: int) -> list[bytes]:
    return [merkle.leaf_hash(str(number).encode()) for number in range(count)]


def grown(hashes: list[bytes]) -> tuple[Growing[bytes], dict[tuple[int, int], bytes]]:
    """A tree, and every perfect subtree that it completed on its way."""
    tree: Growing[bytes] = Growing(node_hash)
    nodes = {(level, position): node for leaf in hashes for level, position, node in tree.append(leaf)}
    return tree, nodes


def root_by_definition(hashes: list[bytes]) -> bytes:
    """RFC 6962 §2.1 as it is written."""
    if not hashes:
        return merkle.EMPTY_ROOT
    if len(hashes) == 1:
        return hashes[0]
    left = 1
    while left * 2 < len(hashes):
        left *= 2
    return node_hash(root_by_definition(hashes[:left]), root_by_definition(hashes[left:]))


class TestTree:
    def test_has_the_roots_of_the_vectors(self) -> None:
        journal = vectors("journal")
        tree: Growing[bytes] = Growing(node_hash)

        assert journal_root(tree).hex() == journal["empty_root"]
        for found in journal["entries"]:
            tree.append(bytes.fromhex(found["leaf"]))
            assert journal_root(tree).hex() == found["root_after"]

    @pytest.mark.parametrize("size", [*range(40), 63, 64, 65, 300])
    def test_of_any_size_has_the_root_of_the_definition(self, size: int) -> None:
        assert journal_root(grown(leaves(size))[0]) == root_by_definition(leaves(size))

    def test_goes_on_from_its_peaks(self) -> None:
        tree, _ = grown(leaves(37))

        again: Growing[bytes] = Growing(node_hash, tree.size, tree.peaks)
        again.append(leaves(38)[-1])

        assert journal_root(again) == root_by_definition(leaves(38))


class TestInclusion:
    def test_agrees_with_every_published_proof(self) -> None:
        proofs = rfc6962("inclusion")

        wrong = [name for name, proof in proofs if is_included(proof) is proof["wantErr"]]

        assert len(proofs) == 98
        assert wrong == []

    @given(st.data())
    def test_is_shown_for_each_leaf_and_for_no_other(self, data: st.DataObject) -> None:
        size = data.draw(st.integers(1, 130))
        index, other = data.draw(st.integers(0, size - 1)), data.draw(st.integers(0, size - 1))
        hashes = leaves(size)
        tree, nodes = grown(hashes)

        path = merkle.inclusion_path(index, size, lambda level, at: nodes[level, at], node_hash)

        shown: dict[str, Any] = {"root": journal_root(tree), "index": index, "size": size, "path": path}
        assert merkle.includes(**shown, leaf=hashes[index])
        assert merkle.includes(**shown, leaf=hashes[other]) is (other == index)


class TestConsistency:
    def test_agrees_with_every_published_proof(self) -> None:
        proofs = rfc6962("consistency")

        wrong = [name for name, proof in proofs if is_extended(proof) is proof["wantErr"]]

        assert len(proofs) == 98
        assert wrong == []

    @given(st.data())
    def test_is_shown_for_each_size_that_was(self, data: st.DataObject) -> None:
        new = data.draw(st.integers(1, 130))
        old = data.draw(st.integers(1, new))
        before, (after, nodes) = grown(leaves(old))[0], grown(leaves(new))

        path = merkle.consistency_path(old, new, lambda level, at: nodes[level, at])

        assert merkle.extends(journal_root(before), journal_root(after), old=old, new=new, path=path)
        assert not merkle.extends(bytes(32), journal_root(after), old=old, new=new, path=path)


def is_included(proof: dict[str, Any]) -> bool:
    return merkle.includes(
        decoded(proof["root"]),
        index=proof["leafIdx"],
        size=proof["treeSize"],
        leaf=decoded(proof["leafHash"]),
        path=[decoded(sibling) for sibling in proof["proof"] or ()],
    )


def is_extended(proof: dict[str, Any]) -> bool:
    return merkle.extends(
        decoded(proof["root1"]),
        decoded(proof["root2"]),
        old=proof["size1"],
        new=proof["size2"],
        path=[decoded(sibling) for sibling in proof["proof"] or ()],
    )


def decoded(text: str | None) -> bytes:
    return base64.b64decode(text or "")
