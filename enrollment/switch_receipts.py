"""Which file does a worker get after a switch, that he can check without the exchange?"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from flask_babel import lazy_gettext as _l
from sqlalchemy import select

from enrollment.liability_statements import provider_called
from enrollment.models import BenefitAccount, Switch
from exchange.clock import local_date
from exchange.database import core, db
from exchange.errors import Refusal
from exchange.ledger import cosigning, proofs
from exchange.ledger.accounts import LedgerAccount
from exchange.ledger.journal import LedgerTransfer
from exchange.ledger.keys import KeyRing
from exchange.ledger.proofs import Deed, Moved
from exchange.ledger.seal_store import LiabilityStatement
from exchange.money import Unit


class NothingMoved(Refusal):
    """The switch moved no balance, so there is nothing in the journal to show."""

    code = "nothing_moved"
    status = 409


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a receipt file shows, in figures: place in the journal, the checkpoint over it, leaves before and after.

    ``before`` and ``after`` are of so many of ``balances`` that the switch moved: (shown, balances).
    """

    position: int
    size: int
    root: str
    sealed_at: datetime
    witnesses: Sequence[str]
    before: tuple[int, int]
    after: tuple[int, int]
    # Whether statements were made since: then what they do not show now they never will.
    is_stated: bool


def evidence_of(switch: Switch, *, keys: KeyRing, zone: str) -> Evidence:
    """What the receipt of a switch shows. Refuses as ``receipt_of`` does."""
    deed = _deed(switch, zone)
    shown = proofs.around(deed, keys)
    s = LiabilityStatement
    stated = select(s.id).where(s.journal_size > shown.position).limit(1)
    return Evidence(
        position=shown.position,
        size=shown.checkpoint.size,
        root=base64.b64encode(shown.checkpoint.root).decode(),
        sealed_at=shown.checkpoint.sealed_at,
        witnesses=cosigning.witnesses_of(shown.checkpoint, keys),
        before=(len(shown.before), len({(m.old_provider, m.old_component, m.unit) for m in deed.moved})),
        after=(len(shown.after), len({(m.new_provider, m.new_component, m.unit) for m in deed.moved})),
        is_stated=db.session.execute(stated).first() is not None,
    )


def receipt_of(switch: Switch, *, keys: KeyRing, zone: str) -> bytes:
    """The receipt of a switch that was carried out (see ``proofs.receipt_file``); ``zone`` says which day it was.

    Refuses ``NothingMoved``, ``NotSealedYet`` and ``NoKeys``. The caller has asked whose switch it is.
    """
    return proofs.receipt_file(_deed(switch, zone), keys=keys)


def _deed(switch: Switch, zone: str) -> Deed:
    if switch.entry_id is None:
        raise NothingMoved(_l("This switch moved no balance: there is nothing to show."))
    number = db.session.execute(
        select(BenefitAccount.number).where(BenefitAccount.id == switch.benefit_account_id)
    ).scalar_one()
    effective_on = local_date(switch.effective_at, zone)
    return Deed(number, switch.id, effective_on, switch.entry_id, _moved(switch.entry_id))


def _moved(entry_id: int) -> list[Moved]:
    source, target = core(LedgerAccount).alias("source"), core(LedgerAccount).alias("target")
    t = LedgerTransfer
    rows = (
        select(
            t.source_id, t.target_id, source.c.organization_id, source.c.component, target.c.organization_id,
            target.c.component, t.unit, t.amount,
        )
        .join(source, source.c.id == t.source_id)
        .join(target, target.c.id == t.target_id)
        .where(t.entry_id == entry_id)
        .order_by(t.seq)
    )  # fmt: skip
    return [
        Moved(f"la-{a}", f"la-{b}", provider_called(old), was, provider_called(new), becomes, Unit(unit), amount)
        for a, b, old, was, new, becomes, unit, amount in db.session.execute(rows).all()
    ]
