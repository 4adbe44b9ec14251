"""Who lives in a small town of people who all have something, and what is whose?

``settle`` builds it and gives one guest of each audience, signed in; ``owners_of`` says whose each thing is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.routing import Rule
from werkzeug.test import TestResponse

import demo
from enrollment import employers, report_drafts
from enrollment.employers import ApiToken
from enrollment.models import (
    BenefitAccount,
    Contribution,
    Employer,
    LeaveRequest,
    Membership,
    Remittance,
    Switch,
    Worker,
)
from enrollment.report_drafts import ReportDraft
from exchange import clock
from exchange.database import db, unit_of_work
from exchange.identity.actors import Audience
from exchange.identity.people import Login
from exchange.ledger.seal_store import LiabilityLeaf
from exchange.web.audiences import READING, audience_of
from providers.models import Package, PackageVersion
from tests.support.employer_makers import work
from tests.support.signing_in import form_token, sign_in
from town import building
from town.setting import Payer, Size

SIZE: Final = Size(workers=24, employers=12, months=3)

_account = select(BenefitAccount.id, BenefitAccount.number, Worker.login_id).join(Worker).subquery("account")
# What there is of each kind, and whose: an organization's, or a worker's who signs in with that login.
OWNERS: Final[Mapping[Audience, Mapping[str, tuple[Any, ...]]]] = {
    Audience.EMPLOYER: {
        "remittance_id": (select(Remittance.id, Remittance.employer_id),),
        "contribution_id": (select(Contribution.id, Remittance.employer_id).join(Remittance),),
        "draft_id": (select(ReportDraft.id, ReportDraft.employer_id),),
        "token_id": (select(ApiToken.id, ApiToken.employer_id),),
    },
    Audience.PROVIDER: {
        "package_id": (select(Package.id, Package.provider_id),),
        "version_id": (select(PackageVersion.id, Package.provider_id).join(Package),),
        # Whoever answered a request for leave, and with whomever its worker ever was.
        "request_id": (
            select(LeaveRequest.id, LeaveRequest.provider_id).where(LeaveRequest.provider_id.is_not(None)),
            select(LeaveRequest.id, Membership.provider_id).join(
                Membership, Membership.benefit_account_id == LeaveRequest.benefit_account_id
            ),
        ),
    },
    Audience.WORKER: {
        "request_id": (
            select(LeaveRequest.id, _account.c.login_id).join(
                _account, _account.c.id == LeaveRequest.benefit_account_id
            ),
        ),
        "switch_id": (
            select(Switch.id, _account.c.login_id).join(_account, _account.c.id == Switch.benefit_account_id),
        ),
        "statement_id": (
            select(LiabilityLeaf.statement_id, _account.c.login_id).join(
                _account, _account.c.number == LiabilityLeaf.account_number
            ),
        ),
    },
}


@dataclass(frozen=True)
class Guest:
    """Somebody of an audience; signed in, but for the public. Who owns things has a number as their owner."""

    client: FlaskClient
    owner: int = 0
    token: str = ""


def settle(app: Flask, folder: Path) -> dict[Audience, Guest]:
    """Build the town; inside a request context. Whoever can own things is one who has of the most kinds."""
    app.config.update(DEMO=True, SEAL_KEYS=str(folder), PROPAGATE_EXCEPTIONS=False)
    town = building.build(demo.ROOT / "policies" / "washington_demo.yaml", now=clock.now(), size=SIZE)
    app.config["DEMO"] = False
    db.session.rollback()
    tokens = {payer.id: _leave_something(payer) for payer in town.employers.values()}
    guests = {Audience.PUBLIC: Guest(app.test_client())}
    for audience in (*OWNERS, Audience.REGULATOR, Audience.OPERATOR):
        login_id, owner = _who_has_most(audience)
        guests[audience] = Guest(app.test_client(), owner, tokens.get(owner, ""))
        sign_in(guests[audience].client, login_id)
    return guests


def owners_of(audience: Audience, name: str) -> dict[int, set[int]]:
    """Whom each thing of that kind belongs to."""
    found: dict[int, set[int]] = {}
    for rows in OWNERS[audience][name]:
        for id_, owner in db.session.execute(rows):
            found.setdefault(id_, set()).add(owner)
    return found


def audience_with_key(app: Flask, rule: Rule) -> Audience:
    """Whom an address is for; below /api/v1/remittances a program with an employer's key."""
    return Audience.EMPLOYER if _takes_key(rule) else audience_of(app, rule.endpoint) or Audience.PUBLIC


def ask(app: Flask, guest: Guest, rule: Rule, numbers: Mapping[str, int], *, method: str = "GET") -> TestResponse:
    """Ask for those things as a page of ours, or a program with its key, would."""
    address = app.url_map.bind("localhost").build(rule.endpoint, numbers, method)
    if _takes_key(rule):
        return app.test_client().open(address, method=method, headers={"Authorization": f"Bearer {guest.token}"})
    data = {} if method in READING else {"csrf_token": form_token(guest.client)}
    return guest.client.open(address, method=method, data=data)


def _takes_key(rule: Rule) -> bool:
    return bool(rule.endpoint.startswith("api_v1."))


def _leave_something(payer: Payer) -> str:
    """A report that waits to be confirmed, and a token for a program."""
    employer = db.session.get_one(Employer, payer.id)
    account = db.session.execute(select(BenefitAccount).limit(1)).scalar_one()
    with unit_of_work():
        report_drafts.keep([work(account)], employer=employer, source="form", by=payer.actor, at=clock.now())
        return employers.make_token(employer, name="payroll", by=payer.actor, at=clock.now())


def _who_has_most(audience: Audience) -> tuple[int, int]:
    """The login, and the owner's number, of whoever owns something of the most kinds."""
    kinds: Counter[int] = Counter()
    for name in OWNERS.get(audience, ()):
        kinds.update({owner for owners in owners_of(audience, name).values() for owner in owners})
    number = Login.id if audience is Audience.WORKER else Login.organization_id
    rows = db.session.execute(select(number, Login.id).where(Login.audience == audience))
    logins = {owner: login_id for owner, login_id in rows if owner is not None}
    owner = max(logins, key=lambda owner: kinds[owner])
    return logins[owner], owner
