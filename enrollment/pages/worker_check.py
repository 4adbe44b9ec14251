"""How does a worker check that his balances are counted, without taking the exchange's word for it?

The page and its data. The check runs in the browser (``static/check``): from here it gets figures and proofs,
never a verdict. Proofs are shown to the account's owner only.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from flask import Response, render_template, session, url_for
from flask_babel import lazy_gettext as _l
from sqlalchemy import select

from enrollment import balance_check, statement_times
from enrollment.balance_check import Round
from enrollment.liability_statements import provider_called
from enrollment.models import BenefitAccount
from enrollment.pages import check_words
from enrollment.pages.worker_self import Self, read_self
from exchange.database import db
from exchange.identity.actors import Audience
from exchange.identity.organizations import Organization, OrganizationKind
from exchange.ledger import encoding, keys, liabilities, proofs
from exchange.ledger.keys import KeyRing
from exchange.policy.document import Policy
from exchange.web.audiences import audience_blueprint
from exchange.web.downloads import json_answer

bp = audience_blueprint("worker_check", __name__, Audience.WORKER, "/worker/check")
bp.add_to_nav("show", _l("Check my balances"), order=50)

NOTHING: Final[Mapping[str, None]] = {"round": None}


@dataclass(frozen=True, slots=True)
class FileShown:
    """A proof that can be taken home."""

    statement_id: int
    component: str
    unit: str
    provider: str


@bp.get("/")
def show() -> str:
    """Every step, with what was compared with what; the files; the limits."""
    me = read_self()
    newest = newest_round(me.at)
    own = () if newest is None else balance_check.statements_in(me.account, newest)
    names = names_in(me.policy, providers_called())
    return render_template(
        "worker/check.html",
        me=me,
        round=newest,
        next_at=statement_times.next_after(me.at, me.policy),
        steps=check_words.CHECKS,
        settings=settings_of(me.account.id, me.account.number, newest, names),
        files=[
            FileShown(one.id, names.get(one.component, one.component), one.unit.value, names[one.provider])
            for one in own
        ],
        units=check_words.LABELS,
        regulators=regulators(),
    )


@bp.get("/data")
def data() -> Response:
    """What the script needs, with every number as a text: a sum may be larger than JavaScript's own numbers."""
    me = read_self()
    newest = newest_round(me.at)
    content = NOTHING if newest is None else _content(me, newest, keys.ring())
    return Response(json.dumps(in_texts(content), ensure_ascii=False), mimetype="application/json")


@bp.get("/proof-<int:statement_id>.json")
def proof(statement_id: int) -> Response:
    """The worker's proof in one statement, as a file for ``verifier/verify.py``."""
    me = read_self()
    statement = balance_check.statement_of(me.account, statement_id)
    name = f"proof-{statement.as_of}-{statement.provider}-{statement.component}-{statement.unit.value}.json"
    return json_answer(proofs.proof_file(statement, me.account.number, keys=keys.ring()), name)


# --- for the script -------------------------------------------------------------------------------


def newest_round(at: datetime) -> Round | None:
    """The newest statements that can be checked; None before the first, and where nothing is sealed."""
    return balance_check.newest_round(at) if is_sealing() else None


def is_sealing() -> bool:
    """Whether this exchange seals its journal: without seals there is nothing to check by."""
    return keys.ring_or_none() is not None


def settings_of(account_id: int, number: str, newest: Round | None, names: Mapping[str, str]) -> Mapping[str, Any]:
    """What the script is told by the page: where the data are, its words, and which visit this is."""
    size = "" if newest is None else newest.journal_size
    return {
        "address": url_for("worker_check.data"),
        "number": number,
        # Once at each sign-in, and once for each new statement.
        "visit": f"{account_id}:{session.get('began_at', '')}:{size}",
        "why": _spoken(check_words.WHY),
        "labels": _spoken(check_words.LABELS),
        "steps": {step.name: str(step.title) for step in check_words.CHECKS},
        "names": names,
    }


def regulators() -> Collection[str]:
    """Whom a worker tells when something does not hold."""
    names = select(Organization.name).where(Organization.kind == OrganizationKind.REGULATOR).order_by(Organization.id)
    return db.session.execute(names).scalars().all()


def names_in(policy: Policy, providers: Mapping[int, str]) -> dict[str, str]:
    """Providers (by id) and components as people call them, by the names that stand in statements."""
    called = {provider_called(id_): name for id_, name in providers.items()}
    return called | {component.code: component.name for component in policy.components}


def providers_called() -> dict[int, str]:
    """Who has statements: the names of the providers and of the exchange, by id."""
    o = Organization
    rows = select(o.id, o.name).where(o.kind.in_([OrganizationKind.PROVIDER, OrganizationKind.OPERATOR]))
    return dict(db.session.execute(rows).all())


def _content(me: Self, newest: Round, ring: KeyRing) -> Mapping[str, Any]:
    return {
        "exchange": ring.exchange,
        "account": _identity(me.account, me.worker.email, me.worker.legal_name),
        "key": base64.b64encode(liabilities.worker_key(ring.master(), me.account.number)).decode(),
        "round": {"journal": newest.journal_size, "as_of": newest.as_of.isoformat()},
        "lines": [
            {
                "provider": line.provider,
                "component": line.component,
                "unit": line.unit.value,
                "now": line.now,
                "came": line.came,
                "went": line.went,
            }
            for line in balance_check.lines_of(me.account.id, newest)
        ],
        "proofs": [
            {
                "id": one.id,
                "provider": one.provider,
                "component": one.component,
                "unit": one.unit.value,
                **proofs.proof_content(one, me.account.number, keys=ring),
            }
            for one in balance_check.statements_in(me.account, newest)
        ],
        "keys": proofs.key_lines(ring),
    }


def _identity(account: BenefitAccount, email: str, legal_name: str) -> Mapping[str, str]:
    """Who the worker is, spelled as it is hashed."""
    found = {"account_number": account.number, "email": email.lower(), "legal_name": legal_name}
    return {name: encoding.plain(text).decode() for name, text in found.items()}


def in_texts(value: Any) -> Any:
    """The same with every number as decimal digits."""
    if isinstance(value, Mapping):
        return {name: in_texts(part) for name, part in value.items()}
    if isinstance(value, list):
        return [in_texts(part) for part in value]
    return str(value) if type(value) is int else value


def _spoken(words: Mapping[str, object]) -> Mapping[str, str]:
    return {name: str(word) for name, word in words.items()}
