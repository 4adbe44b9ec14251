"""Does the worker's own script compute what the vectors pin, and refuse each known attack, in a real browser?"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest
from flask import Flask
from playwright.sync_api import Page

from enrollment.models import BenefitAccount
from enrollment.pages.worker_check import in_texts
from exchange.database import db
from exchange.ledger import merkle, notes, proofs, seals, statements
from exchange.ledger.seal_store import LiabilityStatement
from exchange.ledger.seals import Head
from exchange.money import Unit
from tests.support.vectors import rfc6962, vectors
from tests.support.verifying import Year, live_a_year, resigned

pytestmark = [pytest.mark.journey, pytest.mark.parametrize("engine_name", ["sqlite"])]
Change = Callable[[Any], object]

LIABILITIES = """async (found) => {
  const m = await import("/static/check/hashing.js");
  const wrong = [];
  const expect = (what, computed, wanted) => { if (computed !== wanted) wrong.push(`${what}: ${computed}`); };
  const { as_of: asOf, journal_size: size, journal_root: root, period_salt: salt } = found;
  const journal = { size: BigInt(size), root: m.unhex(root) };
  const id = await m.treeId({ ...found, asOf, journal, salt: m.unhex(salt) });
  expect("tree", m.hex(id), found.tree_id);
  for (const [index, one] of found.leaves.entries()) {
    const key = await m.workerKey(m.unhex(found.master_key), one.account_number);
    const nonce = await m.nonceOf(key, m.unhex(salt));
    const { account_number: number, email, legal_name: name, balance } = one;
    const leaf = await m.leafOf(id, { nonce, number, email, name, balance });
    const node = await m.rootFrom(leaf, BigInt(index), BigInt(found.count), one.path);
    expect("key", m.hex(key), one.worker_key);
    expect("nonce", m.hex(nonce), one.nonce);
    expect("leaf", m.hex(leaf.hash), one.leaf_hash);
    expect("root", m.hex(node.hash), found.root);
    expect("sum", String(node.sum), String(found.sum));
    expect("count", String(node.count), String(found.count));
  }
  return wrong;
}"""
JOURNAL = """async (found) => {
  const m = await import("/static/check/hashing.js");
  const p = await import("/static/check/proof.js");
  const bytes = (text) => Uint8Array.from(text.match(/../g), (pair) => parseInt(pair, 16));
  const wrong = [];
  for (const one of found.entries) {
    if (m.hex(await m.journalLeaf(bytes(one.entry_hex))) !== one.leaf) wrong.push(one.entry_id);
  }
  const keys = await p.readKeys([found.vkey]);
  const note = p.readNote(found.checkpoint);
  const head = p.readHead(note.text, "exchange.example");
  const signers = await p.signedBy(note, keys, "exchange.example/journal");
  return { wrong, size: String(head.size), root: m.hex(head.root), signers: signers.map((one) => one.line) };
}"""
RFC_6962 = """async ([inclusion, consistency]) => {
  const m = await import("/static/check/hashing.js");
  const bytes = (text) => Uint8Array.from(atob(text ?? ""), (letter) => letter.charCodeAt(0));
  const holds = (work) => work().then((same) => same, () => false);
  const accepted = [];
  for (const [name, one] of inclusion) {
    if (await holds(async () => {
      const leaf = bytes(one.leafHash);
      const path = (one.proof ?? []).map((node) => m.hex(bytes(node)));
      const root = await m.journalRoot(leaf, m.whole(one.leafIdx), m.whole(one.treeSize), path);
      return leaf.length === 32 && m.same(root, bytes(one.root));
    })) accepted.push(name);
  }
  for (const [name, one] of consistency) {
    if (await holds(async () => {
      const [old, now] = [1, 2].map((n) => ({ size: m.whole(one[`size${n}`]), root: bytes(one[`root${n}`]) }));
      await m.extendsJournal(old, now, (one.proof ?? []).map(bytes));
      return true;
    })) accepted.push(name);
  }
  return accepted;
}"""
PROOFS = """async ([keyLines, found]) => {
  const p = await import("/static/check/proof.js");
  const keys = await p.readKeys(keyLines);
  const [said, ways] = [{}, {}];
  const told = (work) => work().then(() => "holds", (error) => error.code ?? String(error));
  for (const [name, proof] of found) {
    said[name] = await told(() => p.checkProof(proof, keys));
    ways[name] = await told(async () => {
      const read = await p.readProof(proof);
      return p.checkPath(read, await p.leafIn(read));
    });
  }
  return [said, ways];
}"""


@pytest.fixture
def browser_page(live_server: str, page: Page) -> Page:
    """A page of ours, from which the modules can be loaded."""
    page.goto(live_server + "/verification")
    return page


class TestFormulas:
    def test_are_those_of_the_vectors(self, browser_page: Page) -> None:
        assert browser_page.evaluate(LIABILITIES, vectors("liabilities")) == []
        journal = vectors("journal")

        assert browser_page.evaluate(JOURNAL, journal) == {
            "wrong": [], "size": "7", "root": journal["root"], "signers": [journal["vkey"]],
        }  # fmt: skip

    def test_of_trees_agree_with_every_published_proof(self, browser_page: Page) -> None:
        published = [rfc6962("inclusion"), rfc6962("consistency")]

        accepted = browser_page.evaluate(RFC_6962, published)

        assert [len(kind) for kind in published] == [98, 98]
        right = {name for kind in published for name, one in kind if not one["wantErr"]}
        assert set(accepted) == right


# --- attacks --------------------------------------------------------------------------------------


@pytest.fixture
def year(app: Flask, tmp_path: Path) -> Year:
    """A small year with a cutover."""
    return live_a_year(app, tmp_path / "keys")


def proof_in(statement: LiabilityStatement, number: str, year: Year) -> Any:
    """A proof as the script gets it."""
    return in_texts(proofs.proof_content(statement, number, keys=year.ring))


def around(year: Year) -> tuple[LiabilityStatement, LiabilityStatement, str]:
    """Ada's paid leave before the cutover, where Ben has a leaf too, and after it; her number."""
    number = db.session.get_one(BenefitAccount, year.ada).number
    mine = [one for one in statements.of_account(number) if (one.component, one.unit) == ("paid_leave", Unit.USD)]
    before = next(one for one in mine if one.cause.startswith("before"))
    return before, mine[0], number


def put(*path: str | int) -> Callable[[object], Change]:
    """``put("path", 0, 1)("5")`` is the change that writes "5" there."""

    def writing(value: object) -> Change:
        def change(found: Any) -> None:
            for part in path[:-1]:
                found = found[part]
            found[path[-1]] = value

        return change

    return writing


def rewritten(year: Year, old: str, new: str) -> Change:
    """The statement says something else, signed by all whose keys signed it."""

    def change(found: Any) -> None:
        found["statement"] = resigned(found["statement"], year.ring, lambda text: text.replace(old, new))

    return change


def moved(found: Any) -> None:
    """A cent goes from the leaf to its sibling."""
    found["opening"]["balance"] = str(int(found["opening"]["balance"]) - 1)
    found["path"][0][1] = str(int(found["path"][0][1]) + 1)


def forked(year: Year, size: int) -> Change:
    """The exchange signs a journal that does not begin as the one of which the statement speaks."""

    def change(found: Any) -> None:
        leaf = merkle.leaf_hash(base64.b64decode(found["seal"]["entry"]))
        leaves = [merkle.leaf_hash(b"other")] * size + [leaf]
        tree = merkle.Growing(merkle.node_hash)
        nodes = {(level, at): node for one in leaves for level, at, node in tree.append(one)}
        head = Head(tree.size, merkle.journal_root(tree))
        paths = (
            merkle.inclusion_path(size, size + 1, lambda *at: nodes[at], merkle.node_hash),
            merkle.consistency_path(size, size + 1, lambda *at: nodes[at]),
        )
        found["seal"]["position"] = str(size)
        found["seal"]["checkpoint"] = notes.sign(head.text(year.ring.journal_name), year.ring.journal_keys())
        found["seal"]["path"], found["extends"] = ([node.hex() for node in path] for path in paths)

    return change


def attacks_on_the_path() -> dict[str, Change]:
    """What verification.md §5 names of indexes, paths, sums and balances."""
    return {
        "nothing": lambda _: None,
        "swapped siblings": lambda found: found.update(index=str(1 - int(found["index"]))),
        "sum moved between siblings": moved,
        "path too short": lambda found: found["path"].pop(),
        "path too long": lambda found: found["path"].append(found["path"][0]),
        "journal's path too short": lambda found: found["seal"]["path"].pop(),
        "journal's path too long": lambda found: found["seal"]["path"].append("0" * 64),
        "beginning's path too short": lambda found: found["extends"].pop(),
        "beginning's path too long": lambda found: found["extends"].append("0" * 64),
        "index out of range": put("index")("2"),
        "index negative": put("index")("-1"),
        "index huge": put("index")(str(2**64)),
        "position out of range": put("seal", "position")(str(2**40)),
        "sum above the limit": put("path", 0, 1)(str(2**95)),
        "sum far above the limit": put("path", 0, 1)(str(2**128)),
        "sum negative": put("path", 0, 1)("-1"),
        "balance negative": put("opening", "balance")("-12345"),
        "balance above the limit": put("opening", "balance")(str(2**63)),
        "balance a float": put("opening", "balance")(12345.5),
        "field missing": lambda found: found.pop("opening"),
    }


def attacks_on_what_is_signed(year: Year) -> dict[str, Change]:
    """What it names of counts, salts, openings, sizes and forks; signed anew where that is what it takes."""
    before, after, number = around(year)
    ben = next(leaf.account_number for leaf in statements.leaves_of(before.id) if leaf.legal_name == "Ben")
    bens, later = proof_in(before, ben, year), proof_in(after, number, year)
    salt = f"salt {base64.b64encode(before.period_salt).decode()}"
    return {
        "count inflated": rewritten(year, "count 2", "count 3"),
        "sum inflated": rewritten(year, f"sum {before.sum}", f"sum {int(before.sum) + 1}"),
        "another period's salt": rewritten(year, salt, f"salt {base64.b64encode(bytes(32)).decode()}"),
        "another worker's opening": put("opening")(bens["opening"]),
        "another worker's name": put("opening", "legal_name")("Ben"),
        "statement of another journal size": put("statement")(later["statement"]),
        "statement and seal of another journal size": lambda found: found.update(
            statement=later["statement"], seal=later["seal"], extends=later["extends"]
        ),
        "another journal size": rewritten(year, f"journal {before.journal_size} ", "journal 4 "),
        "forked checkpoint": forked(year, before.journal_size),
        "statement not signed by the provider": lambda found: found.update(
            statement=notes.sign(notes.parts(found["statement"])[0], year.ring.journal_keys())
        ),
        "signature of another text": lambda found: found.update(
            statement=found["statement"].replace("asof 2026", "asof 2025")
        ),
        "entry that moves money": put("seal", "entry")(base64.b64encode(seals.entry_contents([1])[1]).decode()),
    }


class TestProof:
    LEADS_TO: ClassVar[dict[str, str]] = {
        "nothing": "holds",
        "swapped siblings": "root",
        "sum moved between siblings": "root",
        "count inflated": "path_length",
        "sum inflated": "sum",
        "path too short": "path_length",
        "path too long": "path_length",
        "index out of range": "index",
        "sum above the limit": "range",
        "balance negative": "range",
        "another period's salt": "root",
        "another worker's opening": "root",
        "another journal size": "root",
    }

    def test_that_was_attacked_is_refused_and_the_true_one_holds(self, year: Year, browser_page: Page) -> None:
        before, _, number = around(year)
        named = []
        for name, change in {**attacks_on_the_path(), **attacks_on_what_is_signed(year)}.items():
            found = json.loads(json.dumps(proof_in(before, number, year)))
            change(found)
            named.append((name, found))
        db.session.rollback()

        said, ways = browser_page.evaluate(PROOFS, [[str(key) for key in year.ring.verifying()], named])

        assert [name for name, answer in said.items() if answer == "holds"] == ["nothing"]
        assert (said["forked checkpoint"], said["signature of another text"]) == ("forked", "signature")
        # Also an exchange that enters its false statement in the journal does not get past the tree.
        assert {name: ways[name] for name in self.LEADS_TO} == self.LEADS_TO

    def test_with_any_letter_changed_is_refused(self, year: Year, browser_page: Page) -> None:
        """A sample through the whole file; all of them are tried on verifier/verify.py."""
        before, _, number = around(year)
        keys = [str(key) for key in year.ring.verifying()]
        text = json.dumps(proof_in(before, number, year), ensure_ascii=False)
        changed = {}
        for at in range(7, len(text), 29):
            other = "0" if text[at] != "0" else "1"
            try:
                changed[f"{at}: {text[at - 5 : at + 5]}"] = json.loads(text[:at] + other + text[at + 1 :])
            except json.JSONDecodeError:
                continue
        db.session.rollback()

        said, _ = browser_page.evaluate(PROOFS, [keys, list(changed.items())])

        assert len(said) > 60
        assert [name for name, answer in said.items() if answer == "holds"] == []
