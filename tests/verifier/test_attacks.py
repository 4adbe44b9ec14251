"""Is each known attack on proofs, statements and books refused, even by whoever holds every key of the exchange?"""

from __future__ import annotations

import base64
import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import text

from enrollment import liability_statements
from enrollment.models import BenefitAccount
from exchange.database import db, in_unit_of_work
from exchange.ledger import merkle, proofs, seals, statements
from exchange.ledger.liabilities import Subject
from exchange.ledger.seal_store import LiabilityStatement
from exchange.ledger.statements import Moment, Owed
from exchange.money import Unit
from tests.support.enrollment_makers import BY, EFFECTIVE, WHILE_OPEN
from tests.support.ledger_makers import entry, post
from tests.support.seal_makers import seal
from tests.support.verifying import (
    Year,
    all_statements,
    findings,
    live_a_year,
    resealed,
    resigned,
    respelled,
    state_checked,
    verified,
)

pytestmark = pytest.mark.parametrize("engine_name", ["sqlite"])
Change = Callable[[Any], object]


@pytest.fixture
def year(app: Flask, tmp_path: Path) -> Year:
    """A small year with a cutover."""
    return live_a_year(app, tmp_path / "keys")


@pytest.fixture
def refused(year: Year, tmp_path: Path) -> Callable[[Change], None]:
    """Change something in Ada's proof, which must then not hold."""

    def check(change: Change) -> None:
        proof = proof_before(year)
        assert verified(proof, tmp_path / "proof").ok
        assert not verified(respelled(proof, change), tmp_path / "proof").ok

    return check


def proof_before(year: Year, account_id: int | None = None) -> bytes:
    """A proof of Ada's paid leave at Harbor before the cutover, where Ben has a leaf as well."""
    number = number_of(account_id or year.ada)
    found = statement_before(year)
    return proofs.proof_file(found, number, keys=year.ring)


def statement_before(year: Year) -> LiabilityStatement:
    harbor = f"org-{year.town.provider_of(year.town.harbor)}"
    mine = [one for one in statements.of_account(number_of(year.ada)) if one.cause.startswith("before")]
    return next(one for one in mine if (one.provider, one.component, one.unit) == (harbor, "paid_leave", Unit.USD))


def number_of(account_id: int) -> str:
    return db.session.get_one(BenefitAccount, account_id).number


def bens(year: Year) -> Any:
    """Ben's proof in the same statement."""
    leaves = statements.leaves_of(statement_before(year).id)
    number = next(leaf.account_number for leaf in leaves if leaf.legal_name == "Ben")
    return json.loads(proofs.proof_file(statement_before(year), number, keys=year.ring))


class TestProof:
    def test_with_swapped_siblings_is_refused(self, year: Year, refused: Callable[[Change], None]) -> None:
        def swap(found: Any) -> None:
            found["index"] ^= 1

        refused(swap)

    def test_with_a_sum_moved_between_siblings_is_refused(self, refused: Callable[[Change], None]) -> None:
        def move(found: Any) -> None:
            found["opening"]["balance"] -= 1
            found["path"][0][1] += 1

        refused(move)

    def test_with_an_inflated_count_is_refused(self, year: Year, refused: Callable[[Change], None]) -> None:
        def inflate(found: Any) -> None:
            found["statement"] = resigned(found["statement"], year.ring, lambda t: t.replace("count 2", "count 3"))

        refused(inflate)

    @pytest.mark.parametrize("change", [lambda path: path.pop(), lambda path: path.append(path[0])])
    def test_with_a_path_too_short_or_too_long_is_refused(
        self, refused: Callable[[Change], None], change: Change
    ) -> None:
        refused(lambda found: change(found["path"]))
        refused(lambda found: change(found["seal"]["path"]))
        refused(lambda found: change(found["extends"]))

    @pytest.mark.parametrize("index", [-1, 2, 3, 2**32, 2**64])
    def test_with_an_index_out_of_range_is_refused(self, refused: Callable[[Change], None], index: int) -> None:
        refused(lambda found: found.update(index=index))
        refused(lambda found: found["seal"].update(position=index if index > 3 else -1))

    @pytest.mark.parametrize("total", [2**95, 2**128, -1])
    def test_with_a_sum_above_the_limit_is_refused(self, refused: Callable[[Change], None], total: int) -> None:
        refused(lambda found: found["path"][0].__setitem__(1, total))

    @pytest.mark.parametrize("balance", [-1, -12_345, 2**63])
    def test_with_a_negative_balance_is_refused(self, refused: Callable[[Change], None], balance: int) -> None:
        refused(lambda found: found["opening"].update(balance=balance))

    def test_with_another_periods_salt_is_refused(self, year: Year, refused: Callable[[Change], None]) -> None:
        salt = base64.b64encode(bytes(32)).decode()

        def change(found: Any) -> None:
            old = next(line for line in found["statement"].splitlines() if line.startswith("salt "))
            found["statement"] = resigned(found["statement"], year.ring, lambda t: t.replace(old, f"salt {salt}"))

        refused(change)

    def test_with_another_workers_opening_is_refused(self, year: Year, refused: Callable[[Change], None]) -> None:
        ben = bens(year)

        refused(lambda found: found.update(opening=ben["opening"]))
        refused(lambda found: found["opening"].update(legal_name="Ben"))

    def test_with_a_statement_of_another_journal_size_is_refused(
        self, year: Year, refused: Callable[[Change], None]
    ) -> None:
        after = json.loads(year.proof())

        def other_size(found: Any) -> None:
            size = f"journal {statement_before(year).journal_size} "
            found["statement"] = resigned(found["statement"], year.ring, lambda t: t.replace(size, "journal 4 "))

        refused(lambda found: found.update(statement=after["statement"]))
        refused(lambda found: found.update(statement=after["statement"], seal=after["seal"], extends=after["extends"]))
        refused(other_size)

    def test_under_a_forked_checkpoint_is_refused(self, year: Year, refused: Callable[[Change], None]) -> None:
        """The exchange signs a journal that does not begin as the one of which the statement speaks."""

        def fork(found: Any) -> None:
            statement_leaf = merkle.leaf_hash(base64.b64decode(found["seal"]["entry"]))
            size = statement_before(year).journal_size
            leaves = [merkle.leaf_hash(b"other") for _ in range(size)] + [statement_leaf]
            tree = merkle.Growing[bytes](merkle.node_hash)
            nodes = {(level, at): node for leaf in leaves for level, at, node in tree.append(leaf)}
            head = seals.Head(tree.size, merkle.journal_root(tree))
            perfect = lambda level, at: nodes[level, at]  # noqa: E731 - one line
            path = merkle.inclusion_path(size, size + 1, perfect, merkle.node_hash)
            found["seal"] |= {
                "position": size,
                "path": [node.hex() for node in path],
                "checkpoint": resigned(
                    found["seal"]["checkpoint"], year.ring, lambda _: head.text(year.ring.journal_name)
                ),
            }
            found["extends"] = [node.hex() for node in merkle.consistency_path(size, size + 1, perfect)]

        refused(fork)

    def test_of_a_duplicate_leaf_is_refused(self, year: Year, tmp_path: Path) -> None:
        content = year.bundle(tmp_path / "bundle.zip")

        def twice(members: dict[str, bytes]) -> None:
            first, rest = members["confidential/leaves"].split(b"\n", 1)
            members["confidential/leaves"] = first + b"\n" + first + b"\n" + rest

        assert verified(resealed(content, year.ring, lambda _: None), tmp_path / "same").ok
        found = findings(verified(resealed(content, year.ring, twice), tmp_path / "twice"))
        assert any("strictly ascending" in finding for finding in found)


class TestProvider:
    """The exchange helps: everything is signed, entered and sealed as it should be, but for what it says."""

    def tell(self, year: Year, tmp_path: Path, falsify: Callable[[Iterable[Owed]], Iterator[Owed]]) -> list[str]:
        """All statements once more, the falsified one of Harbor's retirement among them; what the regulator finds."""

        def work() -> None:
            statements.begin_snapshot()
            head = statements.freeze(year.ring, by=BY, at=EFFECTIVE)
            moment = Moment(head, WHILE_OPEN.date(), "false")
            for planned in liability_statements.plan(policy=year.town.policy, as_of=WHILE_OPEN.date()):
                tree = planned.tree
                owed: Iterable[Owed] = liability_statements.owed(tree, planned.packages)
                if (tree.organization_id, tree.component, tree.unit) == (
                    year.town.provider_of(year.town.harbor),
                    "paid_leave",
                    Unit.USD,
                ):
                    owed = falsify(owed)
                statements.state(tree, owed, moment=moment, keys=year.ring, by=BY, at=EFFECTIVE)

        in_unit_of_work(work)
        while seal(year.ring):
            pass
        return findings(verified(year.bundle(tmp_path / "false.zip"), tmp_path / "false.zip"))

    def test_that_tells_the_truth_is_believed(self, year: Year, tmp_path: Path) -> None:
        assert self.tell(year, tmp_path, iter) == []

    def test_that_leaves_a_worker_out_is_caught(self, year: Year, tmp_path: Path) -> None:
        found = self.tell(year, tmp_path, lambda owed: (one for one in owed if one.balance == 0))

        assert any("somebody is left out" in finding for finding in found)

    def test_that_shrinks_a_balance_is_caught(self, year: Year, tmp_path: Path) -> None:
        found = self.tell(
            year, tmp_path, lambda owed: (Owed(one.subject, one.balance // 2, one.account_id) for one in owed)
        )

        assert any("the statement says 6172, the books 12345" in finding for finding in found)

    def test_that_splits_a_balance_is_caught(self, year: Year, tmp_path: Path) -> None:
        """Two leaves that add up to the one: each would be shown to somebody else."""

        def split(owed: Iterable[Owed]) -> Iterator[Owed]:
            for one in owed:
                half = one.balance // 2
                yield Owed(one.subject, one.balance - half, one.account_id)
                yield Owed(Subject("PB-0", "nobody@example.org", "Nobody"), half, None)

        found = self.tell(year, tmp_path, split)

        assert any("the statement says" in finding for finding in found)


class TestWithoutLeaves:
    """Leaves are missing where the file is for whoever may not know names, or where a week has gone by."""

    def drop(self, *statement_ids: int) -> None:
        in_unit_of_work(lambda: statements.forget_leaves(statement_ids))

    def of_checks(self) -> list[int]:
        causes = {statements.FOR_CHECKS, statements.FOR_FILINGS}
        return [one.id for one in all_statements() if one.cause in causes]

    def test_a_bundle_holds_but_says_that_only_sums_were_checked(self, year: Year, tmp_path: Path) -> None:
        report = verified(year.bundle(tmp_path / "b.zip", confidential=False), tmp_path / "bundle")

        bare = sum(one.count > 0 for one in all_statements())
        assert findings(report) == []
        assert report.checks["statements without leaves here: their sums alone"][0] == bare
        assert b"ben@example.org" not in (tmp_path / "bundle").read_bytes()

    def test_of_a_reserve_check_a_statement_holds_by_its_sum(self, year: Year, tmp_path: Path) -> None:
        self.drop(*self.of_checks())

        report = verified(year.bundle(tmp_path / "b.zip"), tmp_path / "bundle")

        assert findings(report) == []
        assert report.checks["statements without leaves here: their sums alone"][0] > 0

    def test_that_daily_checks_cite_they_all_hold_by_their_sums(self, year: Year, tmp_path: Path) -> None:
        """The exchange's own are made along with those that the checks of providers cite."""
        state_checked(year.town, year.ring)
        while seal(year.ring):
            pass
        self.drop(*self.of_checks())

        assert {one.provider for one in all_statements() if one.cause == statements.FOR_CHECKS} >= {"exchange"}
        assert findings(verified(year.bundle(tmp_path / "b.zip"), tmp_path / "bundle")) == []

    def test_of_any_other_a_statement_is_refused(self, year: Year, tmp_path: Path) -> None:
        self.drop(statement_before(year).id)

        found = findings(verified(year.bundle(tmp_path / "b.zip"), tmp_path / "bundle"))

        assert any("its leaves have another root" in finding for finding in found)


class TestBooks:
    def test_whose_row_was_changed_behind_the_back_are_named_with_the_position(
        self, year: Year, app: Flask, tmp_path: Path
    ) -> None:
        """In the database's file, as somebody could who has it: triggers and all are gone with one line."""
        path = str(db.engine.url.database)
        (row,) = db.session.execute(
            text(
                "SELECT s.position, t.entry_id FROM ledger_transfer t JOIN journal_seal s ON s.entry_id = t.entry_id"
                " ORDER BY s.position LIMIT 1"
            )
        ).all()
        db.session.rollback()
        with sqlite3.connect(path) as connection:
            connection.execute("DROP TRIGGER ledger_transfer_no_update")
            connection.execute("UPDATE ledger_transfer SET amount = amount + 1 WHERE entry_id = ?", (row.entry_id,))
        connection.close()

        found = findings(verified(year.bundle(tmp_path / "bundle.zip"), tmp_path / "bundle.zip"))
        with sqlite3.connect(path) as connection:
            connection.execute("UPDATE ledger_transfer SET amount = amount - 1 WHERE entry_id = ?", (row.entry_id,))
        connection.close()

        assert any(
            finding.startswith(f"position {row.position}: e-{row.entry_id} ") and "not what was sealed" in finding
            for finding in found
        )

    def test_that_keep_a_statement_back_are_found_out(self, year: Year, tmp_path: Path) -> None:
        """A second version of a statement stands in the journal, whatever the bundle shows."""
        content = year.bundle(tmp_path / "bundle.zip")

        def keep_back(members: dict[str, bytes]) -> None:
            lines = members["statements"].splitlines(keepends=True)
            members["statements"] = b"".join(lines[:-1])

        found = findings(verified(resealed(content, year.ring, keep_back), tmp_path / "kept"))
        assert any("a statement that is kept back" in finding for finding in found)

    def test_with_an_entry_slipped_in_or_taken_out_are_found_out(self, year: Year, tmp_path: Path) -> None:
        content = year.bundle(tmp_path / "bundle.zip")

        def take_out(members: dict[str, bytes]) -> None:
            length = 4 + int.from_bytes(members["entries"][:4], "big")
            members["entries"] = bytes(4) + members["entries"][length:]

        found = findings(verified(resealed(content, year.ring, take_out), tmp_path / "out"))
        assert "position 0: the entry is missing" in found
        swapped = resealed(content, year.ring, lambda members: members.update(seals=bytes(len(members["seals"]))))
        assert not verified(swapped, tmp_path / "swapped").ok

    @pytest.mark.parametrize(
        ("figure", "value"),
        [
            ("liabilities", 1), ("individual", 1), ("contingency", 10**6), ("required", 1), ("held", 10**9),
            ("ratio_bp", 99_999), ("ratio_tier", "run_off"), ("tier", "run_off"), ("overdue", True), ("filing", 99),
        ],
    )  # fmt: skip
    def test_with_another_figure_in_a_reserve_check_are_found_out(
        self, year: Year, tmp_path: Path, figure: str, value: object
    ) -> None:
        content = year.bundle(tmp_path / "bundle.zip")

        def change(members: dict[str, bytes]) -> None:
            first, *others = members["reserves"].splitlines()
            changed = {**json.loads(first), figure: value}
            members["reserves"] = b"\n".join([json.dumps(changed).encode(), *others, b""])

        report = verified(resealed(content, year.ring, change), tmp_path / "changed")
        assert report.checks["reserve checks"][1] > 0

    def reserves_with(self, year: Year, tmp_path: Path, change: Change) -> list[str]:
        """What is found when the exchange itself changes its reserve checks in the bundle."""

        def changed(members: dict[str, bytes]) -> None:
            checks = [json.loads(line) for line in members["reserves"].splitlines()]
            change(checks)
            members["reserves"] = b"".join(json.dumps(one).encode() + b"\n" for one in checks)

        content = resealed(year.bundle(tmp_path / "bundle.zip"), year.ring, changed)
        return findings(verified(content, tmp_path / "changed"))

    def test_name_a_check_that_cites_another_statement(self, year: Year, tmp_path: Path) -> None:
        before, somebody_elses = statement_before(year).id, all_statements()[-1].id + 1

        for other in (before, somebody_elses):
            cite: Change = partial(lambda number, checks: checks[0]["cites"].append(number), other)
            found = self.reserves_with(year, tmp_path, cite)
            assert any(
                finding.startswith(f"{self.harbor(year)}, journal ") and "it cites a statement of somebody" in finding
                for finding in found
            )

    def test_name_a_check_that_says_another_sum_than_what_it_cites(self, year: Year, tmp_path: Path) -> None:
        nothing = [one.id for one in all_statements() if one.cause == statements.FOR_CHECKS and one.sum == "0"]

        found = self.reserves_with(year, tmp_path, lambda checks: checks[0].update(cites=nothing))

        assert any("what it cites has another sum" in finding for finding in found)

    def test_name_a_check_of_another_size_of_the_journal(self, year: Year, tmp_path: Path) -> None:
        found = self.reserves_with(year, tmp_path, lambda checks: checks[0].update(journal=3))
        assert any("journal 3: it says that 12345 is owed, the books 24760" in finding for finding in found)

        found = self.reserves_with(year, tmp_path, lambda checks: checks[0].update(journal=10**6))
        assert any("the journal never had the sizes [1000000]" in finding for finding in found)

    @staticmethod
    def harbor(year: Year) -> str:
        return f"org-{year.town.provider_of(year.town.harbor)}"

    def test_with_two_entries_of_one_id_are_found_out(self, year: Year, tmp_path: Path) -> None:
        """Sealed twice, each where it stands: the trees agree, and the money has moved twice."""
        content = year.bundle(tmp_path / "bundle.zip")

        def twice(members: dict[str, bytes]) -> None:
            length = 4 + int.from_bytes(members["entries"][:4], "big")
            first, seal_ = members["entries"][:length], members["seals"][:32]
            members["entries"] += first
            members["seals"] += seal_
            tree = merkle.Growing[bytes](merkle.node_hash)
            for at in range(0, len(members["seals"]), 32):
                tree.append(members["seals"][at : at + 32])
            head = seals.Head(tree.size, merkle.journal_root(tree))
            note = resigned(members["checkpoint"].decode(), year.ring, lambda _: head.text(year.ring.journal_name))
            members["checkpoint"] = note.encode()

        found = findings(verified(resealed(content, year.ring, twice), tmp_path / "twice"))
        assert any("there are two entries e-" in finding for finding in found)

    def test_go_on_after_the_bundle(self, year: Year, tmp_path: Path) -> None:
        """What is posted later is in the next bundle; the first one stays true."""
        first = year.bundle(tmp_path / "first.zip")
        lines = list(db.session.execute(text("SELECT min(id), max(id) FROM ledger_account WHERE unit = 'USD'")).one())
        post(entry("later", (lines[0], lines[1], 1)))
        seal(year.ring)

        assert verified(first, tmp_path / "first").ok
        assert verified(year.bundle(tmp_path / "second.zip"), tmp_path / "second").ok
