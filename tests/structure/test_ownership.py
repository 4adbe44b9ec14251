"""Is what belongs to one worker, employer or provider nobody else's, at every address that names it?

The matrix is made from the routes themselves and from a small town of people who have something. An address that takes a
number which nobody has thought of fails. Somebody else's is answered like what does not exist, word for word: who
tries numbers does not even learn which there are.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import pytest
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
from tests.structure.test_access_matrix import statements
from tests.support.employer_makers import work
from tests.support.signing_in import form_token, sign_in
from town import building
from town.setting import Payer, Size

SIZE: Final = Size(workers=24, employers=12, months=3)
NOBODYS: Final = 987_654
# How many of somebody else's things are tried at each address.
EACH: Final = 5
WRITING_WORDS: Final = ("INSERT", "UPDATE", "DELETE")
# Numbers that are no secret: everybody may see an offer, and what the law asks.
EVERYBODYS: Final = {("worker_choice.confirm", "version_id"), ("provider_qualification.evidence", "code")}

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

pytestmark = [pytest.mark.slow, pytest.mark.parametrize("engine_name", ["sqlite"])]


@dataclass(frozen=True)
class Guest:
    """Somebody who is signed in, and what he must call his own: a number of himself."""

    client: FlaskClient
    owner: int
    token: str


def rules_with_numbers(app: Flask) -> Iterator[tuple[Audience, Rule, str]]:
    """Every address of a worker, an employer or a provider with what it takes; but for what is everybody's."""
    for rule in app.url_map.iter_rules():
        audience = Audience.EMPLOYER if rule.endpoint.startswith("api_v1.") else audience_of(app, rule.endpoint)
        if audience is None or audience not in OWNERS:
            continue
        for name in sorted(rule.arguments):
            if (rule.endpoint, name) not in EVERYBODYS:
                yield audience, rule, name


def owners_of(audience: Audience, name: str) -> dict[int, set[int]]:
    """Whom each thing of that kind belongs to."""
    found: dict[int, set[int]] = {}
    for rows in OWNERS[audience][name]:
        for id_, owner in db.session.execute(rows):
            found.setdefault(id_, set()).add(owner)
    return found


@pytest.fixture
def guests(app: Flask, tmp_path: Path) -> Iterator[dict[Audience, Guest]]:
    """One person of each kind in a small town, and nobody of them without anything."""
    app.config.update(DEMO=True, SEAL_KEYS=str(tmp_path), PROPAGATE_EXCEPTIONS=False)
    with app.test_request_context():
        town = building.build(demo.ROOT / "policies" / "washington_demo.yaml", now=clock.now(), size=SIZE)
        app.config["DEMO"] = False
        db.session.rollback()
        tokens = {payer.id: _leave_something(payer) for payer in town.employers.values()}
        made: dict[Audience, Guest] = {}
        for audience in OWNERS:
            login_id, owner = _who_has_most(audience)
            client = app.test_client()
            sign_in(client, login_id)
            made[audience] = Guest(client, owner, tokens.get(owner, ""))
        yield made


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
    for name in OWNERS[audience]:
        kinds.update({owner for owners in owners_of(audience, name).values() for owner in owners})
    number = Login.id if audience is Audience.WORKER else Login.organization_id
    rows = db.session.execute(select(number, Login.id).where(Login.audience == audience))
    logins = {owner: login_id for owner, login_id in rows if owner is not None}
    owner = max(logins, key=lambda owner: kinds[owner])
    return logins[owner], owner


def ask(app: Flask, guest: Guest, rule: Rule, method: str, name: str, number: int) -> TestResponse:
    """Ask for that thing as a page of ours, or a program with its key, would."""
    address = app.url_map.bind("localhost").build(rule.endpoint, {name: number}, method)
    if rule.endpoint.startswith("api_v1."):
        return app.test_client().open(address, method=method, headers={"Authorization": f"Bearer {guest.token}"})
    data = {} if method in READING else {"csrf_token": form_token(guest.client)}
    return guest.client.open(address, method=method, data=data)


def words(answer: TestResponse) -> str:
    """What an answer says, without its own address and what is drawn anew for each."""
    text = answer.text.replace(answer.request.path, "").replace(quote(answer.request.path, safe=""), "")
    return re.sub(r"[0-9a-f]{16,}|[\w.-]{60,}", "", text)


class TestAddress:
    def test_takes_no_number_that_nobody_thought_of(self, app: Flask) -> None:
        unknown = [
            f"{rule.rule}: {name}" for audience, rule, name in rules_with_numbers(app) if name not in OWNERS[audience]
        ]

        assert unknown == []

    def test_shows_its_owner_what_is_his(self, app: Flask, guests: dict[Audience, Guest]) -> None:
        refused = []
        for audience, rule, name in rules_with_numbers(app):
            own = [id_ for id_, owners in owners_of(audience, name).items() if guests[audience].owner in owners]
            assert own, f"{audience} has no {name}"
            if "GET" in (rule.methods or ()):
                answers = {id_: ask(app, guests[audience], rule, "GET", name, id_).status_code for id_ in own[:EACH]}
                refused += [
                    f"{rule.rule} {id_}: {status}"
                    for id_, status in answers.items()
                    if status not in {200, 302, 303, 409}
                ]

        assert refused == []

    def test_answers_everybody_else_as_if_there_were_no_such_thing(
        self, app: Flask, guests: dict[Audience, Guest]
    ) -> None:
        wrong = []
        tried = 0
        for audience, rule, name in rules_with_numbers(app):
            guest = guests[audience]
            foreign = [id_ for id_, owners in owners_of(audience, name).items() if guest.owner not in owners]
            assert foreign, f"nobody else has a {name}"
            for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
                nobodys = ask(app, guest, rule, method, name, NOBODYS)
                for id_ in foreign[:EACH]:
                    with statements() as told:
                        answer = ask(app, guest, rule, method, name, id_)
                    tried += 1
                    written = [one for one in told if one.startswith(WRITING_WORDS)]
                    same = words(answer) == words(nobodys)
                    if answer.status_code != 404 or nobodys.status_code != 404 or not same or written:
                        wrong.append(
                            f"{method} {rule.rule} {id_}: {answer.status_code}, {nobodys.status_code}, {same}, {written}"
                        )

        assert tried > 100
        assert wrong == []
