"""How do tests make files that somebody would make up who holds every key of the exchange and its providers?

``Books`` writes whatever it is told, signed and sealed as it should be, without the application: a bundle,
a proof, a receipt. What it makes when nobody lies holds.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import struct
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final

from exchange.ledger import encoding, liabilities, merkle, notes
from exchange.ledger.encoding import SealedEntry, SealedTransfer
from exchange.ledger.liabilities import Opening, Scope, Subject
from exchange.ledger.merkle import Growing
from exchange.ledger.notes import SigningKey
from exchange.ledger.seals import Head
from exchange.money import Unit

ON: Final = date(2026, 10, 1)
RULES: Final = {
    "individual_bp": 10_000, "pooled_weeks": 8, "contingency_weeks": 8, "insured_cap_bp": 2_000, "hysteresis_bp": 200,
    "late_filing_drops": 1, "haircuts": {"cash": 0}, "ladder": [["strong", 12_500], ["run_off", 0]],
}  # fmt: skip
Leaf = tuple[str | None, str, int]
"""Which line of the books (or none), whose account number, and the balance."""


@dataclass
class Books:
    """Ada has 100 and Ben has 50 with org-1, on the lines la-2 and la-3; the world's side is la-1."""

    exchange: str = "exchange.example"
    accounts: list[str] = field(default_factory=list)
    entries: list[bytes] = field(default_factory=list)
    statements: list[Any] = field(default_factory=list)
    leaves: list[Any] = field(default_factory=list)
    filings: list[Any] = field(default_factory=list)
    reserves: list[Any] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.accounts += ["la-1 exchange outside - USD", "la-2 org-1 worker leave USD", "la-3 org-1 worker leave USD"]
        self.move(("la-1", "la-2", 100), ("la-1", "la-3", 50))

    def key(self, whose: str = "journal") -> SigningKey:
        """The key of the exchange, or of one of its providers."""
        return SigningKey(f"{self.exchange}/{whose}", hashlib.sha256(f"{self.exchange}/{whose}".encode()).digest())

    def key_lines(self) -> list[str]:
        """The public keys, as they stand in a file."""
        return [str(self.key(whose).verifying) for whose in ("journal", "org-1", "org-2")]

    def move(self, *transfers: tuple[str, str, int], kind: str = "contribution", **other: Any) -> int:
        """Enter some transfers; gives the entry's position."""
        number = len(self.entries)
        given = {"entry_id": f"e-{number + 1}", "details_digest": None, **other}
        moved = [SealedTransfer(source, target, Unit.USD, amount) for source, target, amount in transfers]
        entry = SealedEntry(
            key=f"key:{number}", posted_at_us=number, effective_on=ON, kind=kind, transfers=moved, **given
        )
        self.entries.append(encoding.entry_bytes(entry))
        return number

    def head(self, size: int | None = None) -> Head:
        """The head of the journal, or of its first entries."""
        tree = Growing[bytes](merkle.node_hash)
        for content in self.entries[:size]:
            tree.append(merkle.leaf_hash(content))
        return Head(tree.size, merkle.journal_root(tree))

    def checkpoint(self, head: Head | None = None) -> str:
        """The signed head."""
        return notes.sign((head or self.head()).text(self.key().name), [self.key()])

    def state(self, *leaves: Leaf, provider: str = "org-1", kind: str = "statement", size: int | None = None) -> int:
        """Enter a statement with these leaves of the journal as it is; gives its number."""
        head, number = self.head(size), len(self.statements) + 1
        salt = hashlib.sha256(str(number).encode()).digest()
        scope = Scope(self.exchange, provider, "leave", Unit.USD, ON, head.size, head.root, salt)
        made = []
        for line, account, balance in leaves:
            who = Subject(account, f"{account.lower()}@example.org", account)
            nonce = hashlib.sha256(f"{line}{account}".encode()).digest()
            node = liabilities.leaf(scope.tree_id, Opening(nonce, who, balance))
            made.append((node, [number, line, account, who.email, who.legal_name, nonce.hex(), balance]))
        builder = liabilities.Builder(scope)
        for node, leaf in sorted(made, key=lambda one: one[0].hash):
            builder.add(node)
            self.leaves.append(leaf)
        text = liabilities.statement_text(scope, builder.root())
        signers = [self.key(), *([self.key(provider)] if provider != "exchange" else [])]
        self.statements.append([number, notes.sign(text, signers)])
        digest = hashlib.sha256(b"pbx/jrn/detail/v1\0" + encoding.OPEN_SALT + text.encode()).digest()
        self.move(kind=kind, details_digest=digest)
        return number

    def check(self, **other: Any) -> None:
        """File 200 in cash, and enter a reserve check of it."""
        self.filings.append({"id": 1, "provider": "org-1", "as_of": "2026-09-30", "holdings": {"cash": 200}})
        self.reserves.append(
            {
                "provider": "org-1", "on": "2026-10-01", "rules": 0, "filing": 1, "overdue": False, "journal": 1,
                "cites": [], "liabilities": 150, "individual": 150, "pooled": 0, "contingency": 0, "required": 150,
                "settlement": 0, "held": 200, "ratio_bp": 13_333, "ratio_tier": "strong", "tier": "strong", **other,
            }
        )  # fmt: skip

    def bundle(
        self, *, method: int = zipfile.ZIP_DEFLATED, head: Head | None = None, instead: dict[str, bytes] | None = None
    ) -> bytes:
        """The bundle of it all; ``instead`` gives members another content, or further ones."""
        members = {
            "checkpoint": self.checkpoint(head).encode(),
            "keys": "".join(f"{line}\n" for line in self.key_lines()).encode(),
            "accounts": "".join(f"{line}\n" for line in self.accounts).encode(),
            "entries": b"".join(struct.pack(">I", len(content)) + content for content in self.entries),
            "seals": b"".join(merkle.leaf_hash(content) for content in self.entries),
            "statements": _lines(self.statements),
            "confidential/leaves": _lines(self.leaves),
            "filings": _lines(self.filings),
            "rules": _lines([RULES]),
            "reserves": _lines(self.reserves),
        }
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", method) as archive:
            for name, content in (members | (instead or {})).items():
                archive.writestr(name, content)
        return self.signed(out.getvalue()[:-2])

    def signed(self, archive: bytes) -> bytes:
        """A zip file without the length of its comment, and the comment that signs it."""
        digest = base64.b64encode(hashlib.sha256(archive).digest()).decode()
        text = f"pbx-bundle/v1\nexchange {self.exchange}\nsha256 {digest}\nmade now\n"
        comment = notes.sign(text, [self.key()]).encode()
        return archive + struct.pack("<H", len(comment)) + comment

    def seal_of(self, position: int) -> dict[str, Any]:
        """An entry under the newest checkpoint."""
        path = merkle.inclusion_path(position, len(self.entries), self._perfect(), merkle.node_hash)
        return {
            "entry": base64.b64encode(self.entries[position]).decode(),
            "position": position,
            "path": [node.hex() for node in path],
            "checkpoint": self.checkpoint(),
        }

    def proof(self, number: int, account: str) -> dict[str, Any]:
        """The only leaf of a statement, which is the last thing in the journal."""
        _, note = self.statements[number - 1]
        (leaf,) = (one for one in self.leaves if one[:1] + one[2:3] == [number, account])
        size = len(self.entries) - 1
        _, _, account_number, email, legal_name, nonce, balance = leaf
        return {
            "statement": note,
            "index": 0,
            "opening": {
                "nonce": nonce,
                "account_number": account_number,
                "email": email,
                "legal_name": legal_name,
                "balance": balance,
            },
            "path": [],
            "seal": self.seal_of(len(self.entries) - 1),
            "extends": [node.hex() for node in merkle.consistency_path(size, len(self.entries), self._perfect())],
        }

    def proof_file(self, number: int, account: str) -> bytes:
        """The same as a file."""
        return spelled({"format": "pbx-proof/v1", **self.proof(number, account), "keys": self.key_lines()})

    def receipt(self, position: int, line: str, before: Sequence[Any], after: Sequence[Any], seal: Any) -> bytes:
        """A receipt of Ada's switch, which is the entry at ``position``."""
        text = (
            f"pbx-receipt/v1\nexchange {self.exchange}\naccount Ada\nswitch 1\neffective {ON}\n"
            f"entry e-{position + 1}\nkey key:{position}\nline {line}\n"
        )
        note = notes.sign(text, [self.key()])
        found = {"receipt": note, "seal": seal, "before": before, "after": after, "keys": self.key_lines()}
        return spelled({"format": "pbx-receipt/v1", **found})

    def _perfect(self) -> Callable[[int, int], bytes]:
        tree = Growing[bytes](merkle.node_hash)
        nodes = {
            (level, at): node for content in self.entries for level, at, node in tree.append(merkle.leaf_hash(content))
        }
        return lambda level, at: nodes[level, at]


def spelled(found: Any) -> bytes:
    """A proof or receipt in its one spelling."""
    return (json.dumps(found, ensure_ascii=False, indent=1) + "\n").encode()


def _lines(values: Sequence[Any]) -> bytes:
    return b"".join(json.dumps(value, ensure_ascii=False).encode() + b"\n" for value in values)
