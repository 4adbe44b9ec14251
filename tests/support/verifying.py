"""How do tests come to a proof, a receipt and a bundle of a small year, and verify them as a stranger would?"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import struct
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

from flask import Flask
from sqlalchemy import select

from enrollment import cutover, liability_statements, switch_receipts
from enrollment.models import BenefitAccount
from exchange.database import db, in_unit_of_work
from exchange.ledger import bundle, notes, proofs, seals, statements
from exchange.ledger.keys import KeyRing
from exchange.ledger.seal_store import LiabilityStatement
from exchange.ledger.seals import Head
from exchange.ledger.statements import Moment
from exchange.money import Unit
from providers import reserve_checks, reserve_citations, reserve_filings
from providers.models import CheckCause, Provider
from providers.reserve_citations import Waiting
from tests.support.enrollment_makers import BY, CLOSES, EFFECTIVE, LEAVE, WHILE_OPEN, Held, Town
from tests.support.seal_makers import make_ring, seal
from verifier import verify
from verifier.verify import Report


@dataclass(frozen=True)
class Year:
    """A town whose workers switched at a cutover, with statements before and after, all of it sealed."""

    town: Town
    ring: KeyRing
    ada: int

    def proof(self) -> bytes:
        """Ada's proof in the newest statement of her paid leave."""
        number = db.session.get_one(BenefitAccount, self.ada).number
        s = LiabilityStatement
        newest = next(
            one for one in statements.of_account(number) if (one.component, one.unit) == ("paid_leave", Unit.USD)
        )
        assert isinstance(newest, s)
        return proofs.proof_file(newest, number, keys=self.ring)

    def receipt(self) -> bytes:
        """Ada's receipt."""
        return switch_receipts.receipt_of(self.town.switch_of(self.ada), keys=self.ring, zone=self.town.policy.zone)

    def bundle(self, path: Path, *, confidential: bool = True) -> bytes:
        """The regulator's bundle."""
        bundle.write(path, keys=self.ring, at=EFFECTIVE, confidential=confidential)
        return path.read_bytes()


def live_a_year(app: Flask, folder: Path, holding: Held | None = None) -> Year:
    """Ada leaves Harbor for Valley with what she is ``holding``, Ben stays, Cleo is with nobody."""
    town = Town()
    folder.mkdir()
    ring = make_ring(app, folder, *(f"org-{town.provider_of(one)}" for one in (town.harbor, town.valley, town.summit)))
    ada = town.member("Ada", package_id=town.harbor, holding=holding or {**LEAVE, ("training", Unit.USD): 70})
    town.member("Ben", package_id=town.harbor, holding=LEAVE)
    town.member("Cleo", package_id=None, holding={("retirement", Unit.USD): 50})
    town.choose(ada, town.valley)
    state(town, ring, "before cutover 2027")
    town.order(at=CLOSES)
    town.carry_out()
    in_unit_of_work(lambda: cutover.finish(town.window, by=BY, at=EFFECTIVE))
    state(town, ring, "after cutover 2027")
    while seal(ring):
        pass
    harbor = db.session.get_one(Provider, town.provider_of(town.harbor))
    in_unit_of_work(
        lambda: reserve_filings.file_reserves(
            harbor, as_of=EFFECTIVE.date(), holdings={"cash": 30_000}, policy=town.policy, by=BY, at=EFFECTIVE
        )
    )
    state_checked(town, ring)
    in_unit_of_work(
        lambda: reserve_checks.check(
            None, policy=town.policy, on=EFFECTIVE.date(), cause=CheckCause.DAILY, by=BY, at=EFFECTIVE
        )
    )
    while seal(ring):
        pass
    return Year(town, ring, ada)


def state(town: Town, ring: KeyRing, cause: str) -> None:
    """Make all statements in a unit of work of its own."""

    def work() -> None:
        statements.begin_snapshot()
        on = WHILE_OPEN.date()
        liability_statements.state_all(policy=town.policy, as_of=on, cause=cause, keys=ring, by=BY, at=WHILE_OPEN)

    in_unit_of_work(work)
    seals.publish(ring)


def state_checked(town: Town, ring: KeyRing) -> None:
    """Make the statements that the day's reserve checks wait for, and let them cite these."""

    def make(one: Waiting) -> None:
        statements.begin_snapshot()
        moment = Moment(Head(one.size, seals.checkpoint_at(one.size).root), EFFECTIVE.date(), statements.FOR_CHECKS)
        everything = liability_statements.plan(policy=town.policy, as_of=moment.as_of, size=one.size)
        planned = liability_statements.of_providers(everything, one.provider_ids)
        liability_statements.state_some(planned, moment=moment, leaves=10_000, keys=ring, by=BY, at=EFFECTIVE)
        reserve_citations.cite(one.size, by=BY, at=EFFECTIVE)

    for one in reserve_citations.waiting(EFFECTIVE - timedelta(days=1)):
        in_unit_of_work(partial(make, one))


def verified(content: bytes, path: Path, *pinned: str) -> Report:
    """What the stand-alone program says about a file of this content."""
    path.write_bytes(content)
    return verify.verify(path, pinned)


def findings(report: Report) -> list[str]:
    """Everything that did not hold."""
    return [finding for _, _, found in report.checks.values() for finding in found]


def all_statements() -> list[LiabilityStatement]:
    """Every statement, the oldest first."""
    return list(db.session.execute(select(LiabilityStatement).order_by(LiabilityStatement.id)).scalars())


# --- forging --------------------------------------------------------------------------------------


def respelled(content: bytes, change: Callable[[Any], object]) -> bytes:
    """A proof or receipt with something changed in it, spelled as it should be."""
    found = json.loads(content)
    change(found)
    return (json.dumps(found, ensure_ascii=False, indent=1) + "\n").encode()


def resigned(note: str, ring: KeyRing, change: Callable[[str], str]) -> str:
    """A note whose text somebody changed who holds all of the exchange's keys, and those of the providers."""
    text, signatures = notes.parts(note)
    changed = change(text)
    assert changed != text, "something changed"
    return notes.sign(changed, [key for name in {one.name for one in signatures} for key in ring.signing(name)])


def resealed(content: bytes, ring: KeyRing, change: Callable[[dict[str, bytes]], object]) -> bytes:
    """A bundle with something changed in it, sealed again by the exchange itself."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    change(members)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, member in members.items():
            archive.writestr(name, member)
    head = out.getvalue()[:-2]
    digest = base64.b64encode(hashlib.sha256(head).digest()).decode()
    text = f"pbx-bundle/v1\nexchange {ring.exchange}\nsha256 {digest}\nmade now\n"
    comment = notes.sign(text, ring.journal_keys()).encode()
    return head + struct.pack("<H", len(comment)) + comment
