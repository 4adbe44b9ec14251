"""Do the books of a portable benefits exchange hold, for somebody who trusts nobody?

    python verify.py FILE [--key VKEY …] [--json]

FILE is a regulator's bundle (zip), a worker's proof or receipt (JSON). All is computed anew; this program imports
nothing of the exchange, needs Python 3.11 and ``cryptography``, and asks no network. It exits with 0 only if all holds.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import io
import json
import re
import sys
import unicodedata
import zipfile
from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache, partial, reduce
from pathlib import Path
from typing import Any, NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

MAX_BALANCE, MAX_SUM, MAX_LEAVES, BP, UNITS = 2**63 - 1, 2**95 - 1, 2**32, 10_000, ("USD", "MIN")
MAX_LINE, LARGEST, LONGEST, FIGURES = 1 << 20, 1 << 25, 500, ("liabilities", "individual", "pooled", "contingency")
FORMS = {"index": int, "position": int, "balance": int, "path": list, "extends": list, "before": list, "after": list}
MEMBERS = "checkpoint keys accounts entries seals statements confidential/leaves filings rules reserves"
LEAVES, STATED, OWED = "confidential/leaves", "statements", "what is owed by reserve checks"
BROKEN = {"InvalidSignature": "a signature does not hold", "KeyError": "a field is missing"}  # by the error's name
BARE, SHOWN = f"{STATED} without leaves here: their sums alone", 20  # so many findings are shown for each check
LIMITS = """Assets are not seen, only what was filed about them. Who was left out of books and statements alike is found
only when he checks himself. Taken as told: the law's rules, pooled cost, lateness, what checks without a journal owe
""".splitlines()
STATEMENT = re.compile(
    r"pbx-pol/v1\nexchange (\S+)\nprovider (\S+)\ncomponent (\S+)\nunit (USD|MIN)\nasof ([0-9]{4}-[0-9]{2}-[0-9]{2})\n"
    r"journal ([0-9]+) (\S+)\nsalt (\S+)\ncount ([0-9]+)\nsum ([0-9]+)\nroot (\S+)\n"
)
RECEIPT = re.compile(
    r"pbx-receipt/v1\nexchange (\S+)\naccount (\S+)\nswitch ([0-9]+)\neffective (\S+)\nentry (\S+)\nkey ([^\n]+)\n"
    r"((?:line (?:\S+ ){7}[0-9]+\n)*)"
)


def need(holds: object, what: str) -> Any:
    """Raise ``ValueError`` unless it holds."""
    if not holds:
        raise ValueError(what)


def matched(pattern: str | re.Pattern[str], text: Any, what: str = "the text") -> tuple[str, ...]:
    """The groups of a text that begins as it should."""
    if isinstance(text, str) and (match := re.match(pattern, text)):
        return match.groups()
    raise ValueError(f"{what} is not of the known form")


class Report:
    """What was checked: for each check how often, how often it did not hold, and the first findings."""

    def __init__(self) -> None:
        self.checks: dict[str, tuple[int, int, list[str]]] = {}
        self.notes, self.ok = list[str](), True

    def expect(self, name: str, holds: object, finding: str = "") -> None:
        """Count one test of a check."""
        tests, wrong, findings = self.checks.get(name, (0, 0, []))
        findings += [] if holds or wrong >= SHOWN else [finding[:LONGEST]]
        self.checks[name] = tests + 1, wrong + (not holds), findings
        self.ok = self.ok and bool(holds)

    def hold(self, name: str, where: str, test: Callable[..., object], *given: Any) -> None:
        """The same for a test that raises when something does not hold."""
        try:
            test(*given)
        except Exception as error:  # noqa: BLE001 - whatever a file does to its reader is a finding
            words = BROKEN.get(type(error).__name__, "not of the known form") + f" ({type(error).__name__}: {error})"
            is_ours = type(error) is ValueError or isinstance(error, (OSError, zipfile.BadZipFile))
            return self.expect(name, False, where + (str(error) if is_ours else words))
        return self.expect(name, True)


def sha(*parts: bytes) -> bytes:
    """SHA-256."""
    return hashlib.sha256(b"".join(parts)).digest()


def lp(text: str) -> bytes:
    """A text with its length before it; refused when it is spelled in another way than it is hashed."""
    # Not by normalizing it: a text can be made that takes hours.
    need((text.isascii() or unicodedata.is_normalized("NFC", text)) and text.strip() == text, "a text is not normal")
    return len(content := text.encode()).to_bytes(4, "big") + content


def b64(text: str, length: int | None = None) -> bytes:
    """Base64 in its one spelling."""
    content = base64.b64decode(text) if re.fullmatch("([A-Za-z0-9+/=]{4})*", text) else b""
    need(base64.b64encode(content).decode() == text and length in {None, len(content)}, "base64 is misspelled")
    return content


def unhex(text: str) -> bytes:
    """32 bytes in small hexadecimal digits."""
    return bytes.fromhex(*matched(r"([0-9a-f]{64})\Z", text, "a hash"))


def whole(number: Any, at_most: int = MAX_SUM) -> int:
    """A whole number in its range, also in its one decimal spelling; no bool, no float."""
    number = int(*matched(r"(0|[1-9][0-9]{0,39})\Z", number, "a number")) if isinstance(number, str) else number
    need(type(number) is int and 0 <= number <= at_most, "a number is out of range")
    return int(number)


join_hashes = partial(sha, b"\x01")  # a node of the journal's tree
unique: Any = lambda pairs: need(len(pairs) == len(dict(pairs)), "a name twice") or dict(pairs)  # noqa: E731
read_json = json.JSONDecoder(object_pairs_hook=unique, parse_float=whole, parse_constant=whole).decode  # no 1.0, NaN
holds = lru_cache(1024)(lambda public, *signed: Ed25519PublicKey.from_public_bytes(public).verify(*signed))  # or raises


class Keys:
    """The public keys by name and id; ``pinned`` ones are known from elsewhere, and no other may take their names."""

    def __init__(self, lines: Sequence[str], pinned: Sequence[str] = ()) -> None:
        self.known: dict[tuple[str, bytes], bytes] = {}
        self.pinned = {line.partition("+")[0] for line in pinned}
        for line in (*lines, *pinned):
            name, key_id, blob = matched(r"([^\s+]+)\+([^+]+)\+(.+)$", line, f"the key “{line:.99}”")
            identity = sha(name.encode(), b"\n", content := b64(blob, 33))[:4]
            need(content[:1] == b"\x01" and identity.hex() == key_id, f"the key {name} has another id")
            if line in pinned or name not in self.pinned:
                self.known[name, identity] = content[1:]

    def note(self, note: str, *needed: str) -> tuple[str, str]:
        """The text of a note and its signers. Every signature must be a known key's and hold, and all needed there."""
        text, gap, signatures = note.rpartition("\n\n")
        need(gap and signatures.endswith("\n"), "no signed note")
        content, signers = (text := text + "\n").encode(), set()
        for line in signatures[:-1].split("\n"):
            name, spelled = matched(r"— ([^\s+]+) ([A-Za-z0-9+/]+={0,2})$", line, "a signature")
            need((name, (blob := b64(spelled, 68))[:4]) in self.known, f"signed by an unknown key of {name}")
            holds(self.known[name, blob[:4]], blob[4:], content)
            signers.add(name)
        need(signers.issuperset(needed), f"not signed by {' and '.join(needed)}")
        need(not self.pinned or self.pinned.issuperset(needed[:1]), f"no key that you know is of {needed[0]}")
        own = " (a key of the file's own)" if self.pinned else ""
        return text, ", ".join(name + own * (name not in self.pinned) for name in sorted(signers))


Node = NamedTuple("Node", [("hash", bytes), ("sum", int), ("leaves", int)])  # noqa: UP014 - of a tree of liabilities


def join(left: Node, right: Node) -> Node:
    """A node of a tree of liabilities: both sums are inside its hash."""
    total, count = left.sum + right.sum, left.leaves + right.leaves
    need(left.sum >= 0 and right.sum >= 0 and total <= MAX_SUM and count <= MAX_LEAVES, "a sum is out of range")
    inside = (b + n.to_bytes(16, "big") + c.to_bytes(8, "big") for b, n, c in (left, right))
    return Node(sha(b"pbx/pol/node/v1\0", *inside), total, count)


class Growing:
    """A tree in RFC 6962's shape that keeps only its perfect subtrees."""

    def __init__(self, above: Callable[[Any, Any], Any]) -> None:
        self.above, self.size, self.peaks = above, 0, list[Any]()

    def append(self, node: Any) -> None:
        """Add a leaf."""
        for _ in range((~self.size & (self.size + 1)).bit_length() - 1):
            node = self.above(self.peaks.pop(), node)
        self.peaks.append(node)
        self.size += 1

    def root(self, empty: Any) -> Any:
        """The node above all leaves."""
        return reduce(lambda node, peak: self.above(peak, node), reversed(self.peaks)) if self.peaks else empty


def siblings(index: int, size: int, path: Sequence[Any]) -> list[tuple[bool, int]]:
    """For each node of a path beside the way from leaf to root: whether it stands left, and how many leaves it has."""
    need(0 <= index < size <= 2**63, "the index is not in the tree")
    found = []
    while size > 1:
        half = 1 << ((size - 1).bit_length() - 1)
        found.append((left := index >= half, half if left else size - half))
        index, size = (index - half, size - half) if left else (index, half)
    need(len(found) == len(path), "a path is too short or too long")
    return found[::-1]


def extends(old: Head, new: Head, path: Sequence[str]) -> None:
    """The journal of ``new`` begins with that of ``old`` (RFC 9162, 2.1.4.2)."""
    need(1 <= old.size < new.size <= 2**63, "the journal did not grow")
    first, last, rest = old.size - 1, new.size - 1, [unhex(text) for text in path]
    while first & 1:
        first, last = first >> 1, last >> 1
    before = after = rest.pop(0) if first else old.root
    for node in rest:
        need(last, "the path is too long")
        if first & 1 or first == last:
            before, after = join_hashes(node, before), join_hashes(node, after)
            while first and not first & 1:
                first, last = first >> 1, last >> 1
        else:
            after = join_hashes(after, node)
        first, last = first >> 1, last >> 1
    need((before, after, last) == (old.root, new.root, 0), "a fork of the journal")


Head = NamedTuple("Head", [("size", int), ("root", bytes)])  # noqa: UP014 - a size of the journal and its root


def checkpoint(note: str, keys: Keys, exchange: str) -> tuple[Head, str]:
    """A checkpoint's head and who signed it."""
    text, signers = keys.note(note, f"{exchange}/journal")
    size, root = matched(re.escape(f"{exchange}/journal") + r"\n(\S+)\n(\S+)\n\Z", text, "the checkpoint")
    return Head(whole(size), b64(root, 32)), f"The checkpoint is signed by {signers}."


class Entry:
    """The entry of the journal that the bytes are; refused when they are anything besides."""

    def __init__(self, content: bytes) -> None:
        at = 5

        def field(length: int) -> bytes:
            nonlocal at
            at += length
            return content[at - length : at]

        def text() -> str:
            return lp(field(int.from_bytes(field(4), "big")).decode())[4:].decode()

        self.entry_id, self.key, _posted_at, _effective_on, self.kind = text(), text(), field(8), text(), text()
        self.details, self.transfers = field(32), list[tuple[str, str, str, int]]()  # from, to, unit, amount
        for _ in range(int.from_bytes(field(4), "big")):
            self.transfers.append((text(), text(), text(), int.from_bytes(field(8), "big")))
            source, target, unit, amount = self.transfers[-1]
            need(1 <= amount <= MAX_BALANCE and unit in UNITS and source != target, "a transfer that cannot be")
        need(content[:5] == b"PBXJ\x01" and at == len(content), "this is no entry, or more than one")


class Statement:
    """What a provider is said to owe in a component and unit, signed by the exchange and by itself."""

    def __init__(self, note: str, keys: Keys) -> None:
        *named, size, journal, salt, count, total, root = matched(STATEMENT, note, "a statement")
        self.exchange, self.provider, self.component, self.unit, self.as_of = named
        own = [f"{self.exchange}/{self.provider}"] if self.provider != "exchange" else []
        text, _ = keys.note(note, f"{self.exchange}/journal", *own)
        need(STATEMENT.fullmatch(text), "a statement has eleven lines")
        self.digest = sha(text.encode()).hex()  # as in the exchange's list of statements
        self.journal = Head(whole(size), b64(journal, 32))
        self.root = Node(b64(root, 32), whole(total), whole(count, MAX_LEAVES))
        spoken = b"".join(map(lp, named)) + self.journal.size.to_bytes(8, "big") + self.journal.root
        self.tree_id = sha(b"pbx/pol/tree/v1\0", spoken, b64(salt, 32))  # goes into every leaf
        self.details = sha(b"pbx/jrn/detail/v1\0", bytes(32), text.encode())  # in its own entry in the journal
        self.title = f"{self.provider} {self.component} {self.unit} of {self.as_of}, journal {self.journal.size}"


def leaf_of(tree_id: bytes, nonce: bytes, number: str, email: str, name: str, balance: int) -> Node:
    """The leaf of an account number, e-mail address and legal name."""
    need(email == email.lower(), "an e-mail address is not normal")
    subject = sha(b"pbx/pol/subj/v1\0", nonce, lp(number), lp(email), lp(name))
    owed = whole(balance, MAX_BALANCE).to_bytes(8, "big")
    return Node(sha(b"pbx/pol/leaf/v1\0", tree_id, nonce, subject, lp(number), owed), balance, 1)


def exactly(found: Any, names: str) -> list[Any]:
    """The values of an object that has these names and no other."""
    need(isinstance(found, dict) and " ".join(found) == names, f"an object has other fields than {names}")
    return [need(type(one) is FORMS.get(key, type(one)), f"{key}: no such kind") or one for key, one in found.items()]


def check_seal(seal: Any, keys: Keys, exchange: str) -> tuple[Entry, int, Head, str]:
    """An entry's bytes under a checkpoint."""
    content, position, path, note = exactly(seal, "entry position path checkpoint")
    head, signers = checkpoint(note, keys, exchange)
    beside, node = siblings(whole(position), head.size, path), sha(b"\0", b64(content))
    for (left, _), text in zip(beside, path, strict=True):
        node = join_hashes(unhex(text), node) if left else join_hashes(node, unhex(text))
    need(node == head.root, "the path leads to another root of the journal")
    return Entry(b64(content)), position, head, signers


def check_proof(found: Any, keys: Keys) -> tuple[Statement, tuple[str, str, str], int, Head, str]:
    """A worker's balance in a statement: the statement, whose leaf, the balance, the checkpoint, and who signed it."""
    note, index, opening, path, seal, more = exactly(found, "statement index opening path seal extends")
    said = Statement(note, keys)
    nonce, number, email, name, balance = exactly(opening, "nonce account_number email legal_name balance")
    node = leaf_of(said.tree_id, unhex(nonce), number, email, name, balance)
    need(all([*map(type, one)] == [str, int] for one in path), "a path is not of hashes and sums")
    for (left, count), (text, total) in zip(siblings(whole(index), said.root.leaves, path), path, strict=True):
        other = Node(unhex(text), whole(total), count)
        node = join(other, node) if left else join(node, other)
    need(node == said.root, "the path leads to another root, sum or count")
    entry, position, head, signers = check_seal(seal, keys, said.exchange)
    own = ("statement", said.details)  # a bundle tells by the kind which statements are kept back
    need((entry.kind, entry.details, *entry.transfers) == own, "the journal's entry is not this statement's")
    need(position >= said.journal.size, "the statement stands before the journal that it speaks of")
    extends(said.journal, head, more)
    return said, (number, email, name), balance, head, signers


def verify_receipt(found: Any, keys: Keys, report: Report) -> None:
    """A receipt of a switch."""
    note, seal, before, after = exactly(found, "receipt seal before after")
    exchange, account, switch, effective, entry_id, key, rows = matched(RECEIPT, note, "the receipt")
    need(RECEIPT.fullmatch(keys.note(note, f"{exchange}/journal")[0]), "the receipt has other lines")
    moved = [line.split(" ")[1:] for line in rows.splitlines()]
    entry, position, head, signers = check_seal(seal, keys, exchange)
    report.notes += [f"Switch {switch} of {account}, effective {effective}", signers]
    carried = [(source, target, unit, whole(amount)) for source, target, *_, unit, amount in moved]
    same = (entry.entry_id, entry.key, entry.transfers) == (entry_id, key, carried)
    report.expect("the receipt says what the sealed entry says", same, "it says something else")
    for proofs, place, when in ((before, slice(2, 4), "before"), (after, slice(4, 6), "after")):
        amounts: Counter[tuple[str, ...]] = Counter()
        for line in moved:
            amounts[*line[place], line[6]] += int(line[7])
        for proof in proofs:
            said, who, balance, under, _ = check_proof(proof, keys)
            need(who[0] == account and said.exchange == exchange, "a leaf is somebody else's")
            need(under == head, "a leaf stands under another checkpoint, which may be of another journal")
            need((said.journal.size <= position) == (when == "before"), "a leaf of another time")
            same = amounts.pop((said.provider, said.component, said.unit), None) == balance
            report.expect(f"the leaf {when} the switch carries the same figure", same, f"another balance: {said.title}")
        report.notes += [f"No leaf {when} the switch for {' '.join(there)}: {left}" for there, left in amounts.items()]


def verify_json(path: Path, pinned: Sequence[str], report: Report) -> None:
    """A proof or receipt, which has one spelling."""
    content = path.read_bytes().decode(errors="replace")
    need(content.startswith("{"), "no bundle, proof or receipt, or not all of it")
    found = read_json(content)
    need(json.dumps(found, ensure_ascii=False, indent=1) + "\n" == content, "the file is spelled otherwise")
    form, keys = found.pop("format"), Keys(found.pop("keys"), pinned)
    if form == "pbx-receipt/v1":
        return verify_receipt(found, keys, report)
    need(form == "pbx-proof/v1", "neither a proof nor a receipt")
    said, who, balance, _, by = check_proof(found, keys)
    report.notes += [f"{who[0]} ({who[2]}) has {balance} {said.unit} in: {said.title}", f"SHA-256 {said.digest}", by]
    return report.expect("the balance is in the statement, and the statement in the sealed journal", True)


def lines_of(archive: zipfile.ZipFile, name: str) -> Iterator[Any]:
    """What stands in the lines of a member, one at a time."""
    file, number = io.TextIOWrapper(archive.open(name), encoding="utf-8", newline="\n"), 1
    try:
        while line := file.readline(MAX_LINE):
            yield line if name == "accounts" else read_json(line)
            number += 1
    except Exception as error:
        raise ValueError(f"{name}, line {number}: {error}") from error


class Bundle:
    """A bundle that is being replayed: 28 bytes for each ledger account, a bit for each entry, and what was stated."""

    def __init__(self, archive: zipfile.ZipFile, keys: Keys, exchange: str, report: Report) -> None:
        self.archive, self.keys, self.exchange, self.report = archive, keys, exchange, report
        self.places: dict[tuple[str, ...], int] = {}  # (provider, kind, component, unit) → its number
        self.totals: Counter[tuple[str, ...]] = Counter()
        self.owed: Counter[tuple[str, str]] = Counter()  # to workers, by provider and unit
        self.columns = array("q"), array("i"), array("q"), array("i"), array("i")  # of each ledger account:
        self.number, self.place, self.balance, self.seen, self.owner = self.columns  # seen by a statement, owner there
        self.overdrawn: dict[str, int] = {}  # whoever was below zero ever
        self.ids: Counter[int] = Counter()  # a bit for each entry's number, in pieces of 512
        self.rounds = ["never"]
        self.checks: dict[int | None, list[Any]] = {}  # by the size of the journal: who, what he owes, what is cited
        for one in lines_of(self.archive, "reserves"):
            self.checks.setdefault(one["journal"], []).append((one["provider"], one["liabilities"], one["cites"]))

    def verify(self, head: Head) -> None:
        """Everything in the bundle."""
        for line in lines_of(self.archive, "accounts"):
            self.report.hold("ledger accounts", "", self.open_account, line)
        self.named = list(self.places)
        self.said: dict[int, list[tuple[int, Statement]]] = {}  # by the size of the journal that they speak of
        self.unseen: dict[bytes, Statement] = {}
        for number, note in lines_of(self.archive, STATED):
            self.report.hold(STATED, f"statement {number}: ", self.read_statement, number, note)
        self.is_whole = LEAVES in self.archive.namelist()
        self.leaves = lines_of(self.archive, LEAVES) if self.is_whole else iter(())
        self.leaf = next(self.leaves, None)
        self.report.notes += [f"{sum(c[1] > 0 for c in self.checks.pop(None, ()))} reserve checks name no journal."]
        self.replay(head)
        self.report.notes += [f"All that is owed was stated {len(self.rounds) - 1} times, the last: {self.rounds[-1]}."]
        self.report.expect(OWED, not self.checks, f"the journal never had the sizes {list(self.checks)}")
        for said in (*self.unseen.values(), *(one for group in self.said.values() for _, one in group)):
            self.report.expect(STATED, False, f"{said.title}: not in the journal, or the journal never had that size")
        self.report.expect(STATED, self.leaf is None, "there are leaves that belong to no statement")
        rules, before = list(lines_of(self.archive, "rules")), dict[str, tuple[str, str | None]]()
        filings = unique([(one["id"], one) for one in lines_of(self.archive, "filings")])
        for one in lines_of(self.archive, "reserves"):
            last, rule = before.get(one["provider"], ("", None)), rules[whole(one["rules"], len(rules) - 1)]
            given = one, rule, filings.get(one["filing"]), last[1]
            self.report.hold("reserve checks", f"{one['provider']} on {one['on']}: ", self.one_check, *given)
            before[one["provider"]] = max((one["on"], one["ratio_tier"]), last, key=lambda check: check[0])  # by day

    def read_statement(self, number: int, note: str) -> None:
        """Take a statement, to be held against the books when they are replayed so far."""
        one = Statement(note, self.keys)
        self.said.setdefault(one.journal.size, []).append((number, one))
        self.unseen[one.details] = one

    def open_account(self, line: str) -> None:
        """A line of the books."""
        name, *named = line.removesuffix("\n").split(" ")
        number = whole(name.removeprefix("la-"), MAX_BALANCE)
        is_next = number > max(self.number[-1:], default=-1)
        need(is_next and len(named) == 4 and named[3] in UNITS, f"{name}: out of order")
        place = self.places.setdefault(tuple(named), len(self.places))
        for column, value in zip(self.columns, (number, place, 0, 0, 0), strict=True):
            column.append(value)

    def line_of(self, name: str) -> int:
        """Where a ledger account stands among them."""
        number = whole(name.removeprefix("la-"), MAX_BALANCE)
        line = bisect_left(self.number, number)
        need(line < len(self.number) and self.number[line] == number, f"{name}: no such ledger account")
        return line

    def replay(self, head: Head) -> None:
        """Every entry in order: its seal, its transfers, and the statements that were made of the journal so far."""
        tree = Growing(join_hashes)
        with self.archive.open("entries") as entries, self.archive.open("seals") as seals:
            for position in range(head.size):
                need(len(seal := seals.read(32)) == 32, "there is less than the checkpoint covers")
                content = entries.read(min(int.from_bytes(entries.read(4), "big"), LARGEST))
                self.report.hold("sealed entries", f"position {position}: ", self.one_entry, content, seal)
                tree.append(seal)
                if tree.size in self.said or tree.size in self.checks:
                    self.stated(Head(tree.size, tree.root(b"")))
            need(not entries.read(1) and not seals.read(1), "there is more than the checkpoint covers")
        self.report.expect("the checkpoint's root", tree.root(sha()) == head.root, "the entries have another one")

    def one_entry(self, content: bytes, seal: bytes) -> None:
        """One entry: is it what was sealed, and what does it move?"""
        need(content, "the entry is missing")
        entry = Entry(content)
        moves = [(source, unit, -amount) for source, _, unit, amount in entry.transfers]
        for name, unit, change in moves + [(target, unit, amount) for _, target, unit, amount in entry.transfers]:
            place = self.named[self.place[line := self.line_of(name)]]
            need(place[3] == unit, f"{name}: is not kept in {unit}")
            self.balance[line] += change
            self.totals[place] += change
            if place[1] == "worker":
                self.owed[place[0], unit] += change
                if self.balance[line] < 0:
                    self.overdrawn[name] = line
        piece, bit = divmod(whole(entry.entry_id.removeprefix("e-")), 512)
        need(not self.ids[piece] >> bit & 1, f"there are two entries {entry.entry_id}")
        self.ids[piece] |= 1 << bit
        if entry.kind == "statement" and not entry.transfers:
            need(self.unseen.pop(entry.details, None), f"{entry.key}: the journal has a statement that is kept back")
        need(sha(b"\0", content) == seal, f"{entry.entry_id} ({entry.key}) is not what was sealed")

    def stated(self, head: Head) -> None:
        """The statements and reserve checks of one size of the journal, against the books as they were."""
        group, checks = self.said.pop(head.size, []), self.checks.pop(head.size, [])
        cited = {one for *_, numbers in checks for one in (*numbers, "exchange")}  # its own are made with these
        sums: dict[str, dict[int, int]] = {}
        for number, said in group:
            self.report.hold(STATED, f"{said.title}: ", self.one_statement, head, number, said, cited)
            while self.leaf is not None and self.leaf[0] == number:
                self.leaf = next(self.leaves, None)
            sums.setdefault(said.provider, {})[number] = said.root.sum * (said.unit == "USD")
        for one in checks:
            self.report.hold(OWED, f"{one[0]}, journal {head.size}: ", self.one_citation, sums.get(one[0], {}), *one)
        if not group:
            return
        red = [name for name, line in self.overdrawn.items() if self.balance[line] < 0]
        self.report.expect("no worker's balance is negative", not red, f"journal {head.size}: {red[:SHOWN]}")
        owed = self.owed.copy()
        for _, said in group:
            owed[said.provider, said.unit] -= said.root.sum
        # Those of a reserve check may speak of its provider alone; where the exchange's own are there, all are.
        self.rounds += [f"{group[0][1].as_of}, journal {head.size}"] if "exchange" in sums else []
        left = {key: rest for key, rest in owed.items() if rest and not sums.keys().isdisjoint({key[0], "exchange"})}
        self.report.expect("statements add up to all balances", not left, f"journal {head.size}: not stated: {left}")

    def one_citation(self, sums: dict[int, int], provider: str, told: int, cited: list[int]) -> None:
        """What a reserve check says is owed: the books' figure, and that of the statements that it cites."""
        need(told == (books := self.owed[provider, "USD"]), f"it says that {told} is owed, the books {books}")
        need(set(cited) <= set(sums), "it cites a statement of somebody else, or of another size of the journal")
        need(not cited or sum(sums[number] for number in set(cited)) == told, "what it cites has another sum")

    def one_statement(self, head: Head, number: int, said: Statement, cited: set[Any]) -> None:
        """One statement: its leaves in strict order, each the balance of its line, and no line left out."""
        need(said.exchange == self.exchange and said.journal == head, "it speaks of another journal")
        named = (said.provider, "worker", said.component, said.unit)
        tree, last, accounts = Growing(join), b"", array("q")
        while self.leaf is not None and self.leaf[0] == number:
            _, name, account, email, legal_name, nonce, balance = self.leaf
            node = leaf_of(said.tree_id, unhex(nonce), account, email, legal_name, balance)
            need(node.hash > last, f"{account}: leaves are not strictly ascending")
            tree.append(node)
            accounts.append(hash(account))
            last, owed = node.hash, 0
            if name:
                line, owner = self.line_of(name), hash(account) & (2**31 - 1) or 1
                need(self.named[self.place[line]] == named and self.seen[line] != number, f"{account}: a foreign leaf")
                need(self.owner[line] in {0, owner}, f"{account}: {name} was stated for somebody else before")
                self.seen[line], self.owner[line], owed = number, owner, self.balance[line]
            need(owed == balance, f"{account}: the statement says {balance}, the books {owed}")
            self.leaf = next(self.leaves, None)
        several = sum(len({one for one in accounts if one % 16 == part}) for part in range(16))  # in little memory
        need(several == tree.size, "a worker has two leaves")
        told, books = said.root.sum, self.totals[named]
        need(told == books, f"it says {told}, the books {books}: somebody is left out, or added")
        is_bare = not tree.size and said.root.leaves and (cited & {number, said.provider} or not self.is_whole)
        empty = Node(sha(b"pbx/pol/empty/v1\0", said.tree_id), 0, 0)
        need(is_bare or tree.root(empty) == said.root, "its leaves have another root")
        if is_bare:
            self.report.expect(BARE, True)

    def one_check(self, one: Any, rule: Any, filing: Any, before: str | None) -> None:
        """One reserve check, computed anew; ``before`` is the rung of the check before."""
        owed, individual, pooled, spare = (whole(one[name]) for name in FIGURES)
        need(individual == -(-owed * rule["individual_bp"] // BP), "what must be held for balances is another sum")
        weeks, more = rule["pooled_weeks"], rule["contingency_weeks"]
        need(abs(pooled * more - spare * weeks) <= max(weeks, more), "pooled cost and contingency disagree")
        required = individual + pooled + spare
        is_theirs = filing and filing["provider"] == one["provider"] and filing["as_of"] <= one["on"]
        need(one["filing"] is None or is_theirs, "the filing is not there, not its own, or of a later day")
        cap = required * rule["insured_cap_bp"] // BP
        held = one["settlement"] + sum(
            min(cents, cap) if code == "insured_cover" else cents * (BP - rule["haircuts"].get(code, BP)) // BP
            for code, cents in (filing or {"holdings": {}})["holdings"].items()
        )
        told, held = (one["required"], one["held"], one["ratio_bp"]), max(0, held)
        ratio = held * BP // required if required else None
        need(told == (required, held, ratio), f"required, held and ratio are {required}, {held}, {ratio}")
        codes, borders = zip(*rule["ladder"], strict=True)
        rung = 0 if ratio is None else next(n for n, border in enumerate(borders) if ratio >= border)
        if ratio is not None and before in codes[rung + 1 :]:
            old = codes.index(before)
            rung = next((n for n in range(rung, old) if ratio >= borders[n] + rule["hysteresis_bp"]), old)
        lower = min(rung + rule["late_filing_drops"], len(codes) - 1) if one["overdue"] else rung
        need((one["ratio_tier"], one["tier"]) == (codes[rung], codes[lower]), f"the rung is {codes[lower]}")


def verify_bundle(path: Path, pinned: Sequence[str], report: Report) -> None:
    """A regulator's bundle: first the file as a whole, then everything in it."""
    with zipfile.ZipFile(path) as archive:
        note = archive.comment.decode()
        exchange, digest, made = matched(r"pbx-bundle/v1\nexchange (\S+)\nsha256 (\S+)\nmade (\S+)\n", note)
        hashed, left = hashlib.sha256(), path.stat().st_size - len(archive.comment) - 2
        with path.open("rb") as file:
            while part := file.read(min(left - file.tell(), 1 << 20)):
                hashed.update(part)
            need(int.from_bytes(file.read(2), "little") == len(archive.comment), "longer or shorter than the file says")
        need(hashed.digest() == b64(digest), "the file is not the one that was signed")
        need(" ".join(archive.namelist()) in {MEMBERS, MEMBERS.replace(f" {LEAVES}", "")}, "it has other members")
        need({one.compress_type for one in archive.infolist()} <= {0, 8}, "it is compressed in an unknown way")
        keys = Keys(archive.open("keys").read(MAX_LINE).decode().splitlines(), pinned)
        keys.note(note, f"{exchange}/journal")
        head, signers = checkpoint(archive.open("checkpoint").read(MAX_LINE).decode(), keys, exchange)
        report.notes += [f"{exchange}: {head.size} entries, root {base64.b64encode(head.root).decode()}, made {made}"]
        report.notes += [signers, *LIMITS]
        Bundle(archive, keys, exchange, report).verify(head)


def verify(path: Path, pinned: Sequence[str] = ()) -> Report:
    """What a file is worth. One that cannot be read is a finding, not an error."""
    report = Report()
    read = (verify_json, verify_bundle)
    report.hold("the file is whole", "", lambda: read[zipfile.is_zipfile(path)](path, pinned, report))
    report.notes += [] if pinned else ["The keys are the file's own: compare them with those you know (--key)."]
    return report


def main(arguments: Sequence[str] | None = None) -> int:
    """Verify the file that is named; 0 if all holds."""
    parser = argparse.ArgumentParser(description="Verify a bundle, a proof or a receipt of a benefits exchange.")
    parser.add_argument("file", type=Path)
    parser.add_argument("--key", action="append", default=[], help="a public key that you know: name+id+base64")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    asked = parser.parse_args(arguments)
    report, lines, known = verify(asked.file, asked.key), [], sys.stdout.encoding or "ascii"
    for name, (tests, wrong, found) in sorted(report.checks.items(), key=lambda check: check[0] != "sealed entries"):
        lines.append(f"{'FAILED' if wrong else 'ok':>6}  {tests:>12,} checked, {wrong:>9,} wrong: {name}")
        lines += [f"{'':>22}{finding}" for finding in found]
    lines += ["", *report.notes, "", "ALL OF IT HOLDS" if report.ok else "IT DOES NOT HOLD"]
    shown = ("".join(c if c.isprintable() else "?" for c in line) for line in lines)  # a file's words move no cursor
    lines = [line.encode(known, "replace").decode(known) for line in shown]
    if asked.json:
        checks = {name: {"tests": n, "wrong": wrong, "findings": f} for name, (n, wrong, f) in report.checks.items()}
        lines = [json.dumps({"ok": report.ok, "checks": checks, "notes": report.notes}, indent=1)]
    sys.stdout.write("\n".join(lines) + "\n")
    return 0 if report.ok else 1


if __name__ == "__main__":
    sys.exit(main())
