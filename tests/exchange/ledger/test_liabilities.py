"""Does a tree of liabilities have the leaves, the root and the proofs of the vectors, and none of the known tricks?"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from exchange.ledger import encoding, liabilities, merkle
from exchange.ledger.liabilities import MAX_SUM, BadTree, Builder, LeafMaker, Node
from tests.support.vectors import opening, scope, vectors

FOUND = vectors("liabilities")
LEAVES: list[dict[str, Any]] = FOUND["leaves"]
SCOPE = scope()


def nodes() -> list[Node]:
    return [liabilities.leaf(SCOPE.tree_id, opening(found)) for found in LEAVES]


def path_of(index: int) -> list[tuple[bytes, int]]:
    return [(bytes.fromhex(hashed), total) for hashed, total in LEAVES[index]["path"]]


def built() -> tuple[Node, dict[tuple[int, int], Node]]:
    builder = Builder(SCOPE)
    perfect = {(level, at): node for leaf in nodes() for level, at, node in builder.add(leaf)}
    return builder.root(), perfect


class TestLeaf:
    def test_is_made_of_the_keys_of_the_vectors(self) -> None:
        master = bytes.fromhex(FOUND["master_key"])

        assert SCOPE.tree_id.hex() == FOUND["tree_id"]
        for found in LEAVES:
            key = liabilities.worker_key(master, found["account_number"])
            assert key.hex() == found["worker_key"]
            assert liabilities.nonce_of(key, SCOPE.period_salt).hex() == found["nonce"]
            assert liabilities.leaf(SCOPE.tree_id, opening(found)).hash.hex() == found["leaf_hash"]

    def test_made_for_one_of_a_million_is_the_same(self) -> None:
        maker = LeafMaker(SCOPE, bytes.fromhex(FOUND["master_key"]))

        for found in LEAVES:
            number, email, name = map(
                encoding.plain, (found["account_number"], found["email"].lower(), found["legal_name"])
            )
            hashed, nonce = maker.make(number, email, name, found["balance"])
            assert (hashed.hex(), nonce.hex()) == (found["leaf_hash"], found["nonce"])

    @pytest.mark.parametrize("balance", [-1, 2**63])
    def test_of_a_balance_out_of_range_is_refused(self, balance: int) -> None:
        with pytest.raises(BadTree):
            liabilities.leaf(SCOPE.tree_id, replace(opening(LEAVES[0]), balance=balance))


class TestTree:
    def test_has_the_root_sum_and_count_of_the_vectors(self) -> None:
        root, _ = built()

        assert (root.hash.hex(), root.sum, root.count) == (FOUND["root"], FOUND["sum"], FOUND["count"])
        assert liabilities.statement_text(SCOPE, root) == FOUND["statement"]

    def test_without_leaves_is_that_of_the_vectors(self) -> None:
        assert Builder(SCOPE).root() == Node(bytes.fromhex(FOUND["empty"]), 0, 0)

    def test_takes_no_leaf_twice_or_out_of_order(self) -> None:
        first, second = nodes()[:2]
        for pair in ((first, first), (second, first)):
            builder = Builder(SCOPE)
            builder.add(pair[0])
            with pytest.raises(BadTree):
                builder.add(pair[1])

    def test_holds_no_more_than_its_limit(self) -> None:
        with pytest.raises(BadTree):
            liabilities.join(Node(bytes(32), MAX_SUM, 1), Node(bytes(32), 1, 1))


class TestProof:
    def test_is_that_of_the_vectors(self) -> None:
        _, perfect = built()

        for index, _ in enumerate(LEAVES):
            path = merkle.inclusion_path(index, len(LEAVES), lambda level, at: perfect[level, at], liabilities.join)
            assert [(node.hash, node.sum) for node in path] == path_of(index)

    def test_leads_to_the_root(self) -> None:
        root, _ = built()

        for index, node in enumerate(nodes()):
            assert liabilities.root_from(path_of(index), leaf_node=node, index=index, size=len(LEAVES)) == root

    @pytest.mark.parametrize(("index", "size"), [(-1, 11), (11, 11), (1, 11), (0, 8), (0, 2**32 + 1)])
    def test_of_another_place_leads_elsewhere(self, index: int, size: int) -> None:
        root, _ = built()

        assert liabilities.root_from(path_of(0), leaf_node=nodes()[0], index=index, size=size) != root

    def test_with_a_sum_out_of_range_leads_nowhere(self) -> None:
        for total in (-1, MAX_SUM + 1):
            path = [(path_of(0)[0][0], total), *path_of(0)[1:]]
            assert liabilities.root_from(path, leaf_node=nodes()[0], index=0, size=len(LEAVES)) is None
