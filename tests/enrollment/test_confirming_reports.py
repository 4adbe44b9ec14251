"""Is an employer charged only what it has seen, whichever way it reports?"""

from __future__ import annotations

import io
import json
import re
import threading
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select
from werkzeug.test import TestResponse

from enrollment import employers, report_drafts
from enrollment.contributions import UNSEEN
from enrollment.models import BenefitAccount, Employer, Remittance
from enrollment.report_drafts import ReportDraft
from exchange import clock
from exchange.clock import local_date
from exchange.database import db, in_unit_of_work, unit_of_work
from exchange.identity.actors import Audience
from exchange.identity.people import Login
from exchange.policy import versions
from tests.support.at_once import all_at_once
from tests.support.employer_makers import AT, BY, make_account, make_employer, open_program
from tests.support.policies import WASHINGTON, changed
from tests.support.signing_in import form_token, make_login, post, sign_in

HEAD = "account_number,first_day,last_day,place,minutes\r\n"
DEARER = ("owed: {per_hour: $3.54}", "owed: {per_hour: $4.00}")


def foreseeing() -> str:
    """A law that takes work some days before it is done."""
    return changed(WASHINGTON, "future_days: 0", "future_days: 7")[0]


@pytest.fixture
def employer(app: Flask, tmp_path: Path) -> Employer:
    path = tmp_path / "foreseeing.yaml"
    path.write_text(foreseeing(), encoding="utf-8")
    with unit_of_work():
        open_program(path)
        return make_employer()


@pytest.fixture
def account(employer: Employer) -> BenefitAccount:
    with unit_of_work():
        return make_account()


@pytest.fixture
def boss(client: FlaskClient, employer: Employer) -> FlaskClient:
    sign_in(client, make_login(Audience.EMPLOYER, "Kim Boss", organization_id=employer.organization_id))
    return client


@pytest.fixture
def token(employer: Employer) -> str:
    with unit_of_work():
        return employers.make_token(employer, name="Payroll", by=BY, at=AT)


def worked_on() -> date:
    """Today, where the program is: its contributions are not late."""
    return local_date(clock.now(), "America/Los_Angeles")


def tomorrow() -> date:
    return worked_on() + timedelta(days=1)


def draft_of(client: FlaskClient, account: BenefitAccount, *, minutes: int = 60, day: date | None = None) -> str:
    """Send a file of one line; the address of its check."""
    first = day or worked_on()
    data = {
        "csrf_token": form_token(client),
        "file": (io.BytesIO(f"{HEAD}{account.number},{first},{first},US-WA,{minutes}".encode()), "work.csv"),
    }
    return client.post("/employer/report/file", data=data, content_type="multipart/form-data").headers["Location"]


def shown(page: str) -> int:
    """The amount that the page asks to confirm."""
    found = re.search(r'name="total_cents"[^>]* value="([0-9]+)"', page)
    assert found is not None
    return int(found[1])


def send(client: FlaskClient, draft: str, cents: int, **said: str) -> TestResponse:
    return post(client, f"{draft}/send", {"total_cents": str(cents), **said})


def program(client: FlaskClient, token: str, path: str, body: dict[str, Any]) -> TestResponse:
    headers = {"Authorization": f"Bearer {token}"}
    return client.post(f"/api/v1/{path}", data=json.dumps(body), content_type="application/json", headers=headers)


def totals() -> list[int]:
    return list(db.session.execute(select(Remittance.total_cents).order_by(Remittance.id)).scalars())


def make_dearer() -> None:
    """The regulators decide that building sites owe more from tomorrow on."""
    text = foreseeing()
    part = text[text.rindex("    contributions:") :].rstrip()
    law = f"{text}\n  - effective_on: {tomorrow()}\n{part.replace(*DEARER)}\n"

    def decide() -> None:
        regulators = select(Login.id).where(Login.audience == Audience.REGULATOR).order_by(Login.id)
        one, other = (db.session.get_one(Login, id_).as_actor() for id_ in db.session.execute(regulators).scalars())
        version = versions.propose(law, effective_on=tomorrow(), by=one, at=clock.now())
        versions.approve(version, by=other, at=clock.now())

    in_unit_of_work(decide)


class TestPages:
    def test_show_a_report_anew_when_the_law_has_changed_and_send_it_when_that_is_confirmed(
        self, boss: FlaskClient, account: BenefitAccount
    ) -> None:
        draft = draft_of(boss, account, day=tomorrow())
        seen = shown(boss.get(draft).text)
        make_dearer()

        answer = send(boss, draft, seen)

        assert (seen, answer.status_code, totals()) == (354, 409, [])
        assert "This costs $4.00 now" in answer.text
        assert shown(answer.text) == 400
        assert send(boss, draft, 400).status_code == 303
        assert totals() == [400]

    def test_send_nothing_that_was_not_shown(self, boss: FlaskClient, account: BenefitAccount) -> None:
        draft = draft_of(boss, account)

        assert post(boss, f"{draft}/send").status_code == 409
        for amount in ("", "-1", "353", "３５４", "9" * 99):
            assert post(boss, f"{draft}/send", {"total_cents": amount}).status_code == 409
        assert totals() == []

    def test_tell_before_it_is_sent_what_lateness_costs(self, boss: FlaskClient, account: BenefitAccount) -> None:
        draft = draft_of(boss, account, minutes=600, day=worked_on() - timedelta(days=120))
        page = boss.get(draft).text
        seen = shown(page)

        assert seen > 3540
        assert "interest and penalty, as of today" in page
        assert send(boss, draft, seen).status_code == 303
        assert totals() == [seen]

    def test_ask_whether_it_is_other_work_and_name_the_lines(self, boss: FlaskClient, account: BenefitAccount) -> None:
        first = draft_of(boss, account)
        remittance = send(boss, first, 354).headers["Location"]
        draft = draft_of(boss, account, minutes=120)
        page = boss.get(draft).text
        assert "Was this reported before?" in page
        assert f'href="{remittance}"' in page

        answer = send(boss, draft, 708)

        assert (answer.status_code, totals()) == (409, [354])
        assert "1 line shares days with work that you reported before" in answer.text
        assert send(boss, draft, 708, other_work="y").status_code == 303
        assert totals() == [354, 708]

    def test_do_not_ask_where_nothing_was_reported_before(self, boss: FlaskClient, account: BenefitAccount) -> None:
        page = boss.get(draft_of(boss, account)).text

        assert "other_work" not in page
        assert "reported before" not in page

    def test_send_or_drop_a_report_but_not_both(
        self, app: Flask, boss: FlaskClient, employer: Employer, account: BenefitAccount
    ) -> None:
        id_ = int(draft_of(boss, account).rpartition("/")[2])
        employer_id = employer.organization_id
        waiting = threading.Barrier(2)

        def found() -> ReportDraft:
            draft = db.session.get_one(ReportDraft, id_)
            db.session.expunge(draft)
            db.session.rollback()
            waiting.wait(20)
            return draft

        def confirm(draft: ReportDraft) -> None:
            payer = db.session.get_one(Employer, employer_id)
            report_drafts.confirm(draft, employer=payer, confirmed=UNSEEN, by=BY, at=clock.now())

        def send_it() -> None:
            draft = found()
            in_unit_of_work(lambda: confirm(draft))

        def drop_it() -> None:
            draft = found()
            in_unit_of_work(lambda: report_drafts.drop(draft))

        said = all_at_once(app, [send_it, drop_it])

        assert said == {"done": 1, "NotFound": 1}


class TestPrograms:
    def test_are_refused_when_it_costs_something_else_than_they_say(
        self, client: FlaskClient, token: str, account: BenefitAccount
    ) -> None:
        body: dict[str, Any] = {
            "lines": [{"account_number": account.number, "first_day": str(tomorrow()), "place": "US-WA", "minutes": 60}]
        }
        previewed = program(client, token, "preview", body).json
        assert previewed is not None
        make_dearer()

        answer = program(client, token, "remittances", {**body, "total_cents": previewed["total_cents"]})

        assert answer.json is not None
        assert (answer.status_code, answer.json["code"], answer.json["total_cents"]) == (409, "costs_changed", 400)
        assert totals() == []
        assert program(client, token, "remittances", {**body, "total_cents": 400}).status_code == 201

    def test_are_told_what_lateness_costs(self, client: FlaskClient, token: str, account: BenefitAccount) -> None:
        day = str(worked_on() - timedelta(days=120))
        body = {"lines": [{"account_number": account.number, "first_day": day, "place": "US-WA", "minutes": 600}]}

        previewed, sent = (program(client, token, path, body).json for path in ("preview", "remittances"))

        assert previewed is not None and sent is not None
        assert previewed["late_cents"] > 0
        assert [previewed[key] for key in ("total_cents", "late_cents")] == [
            sent[key] for key in ("total_cents", "late_cents")
        ]

    def test_are_refused_for_work_reported_before_unless_they_say_that_it_is_other_work(
        self, client: FlaskClient, token: str, account: BenefitAccount
    ) -> None:
        line = {"account_number": account.number, "first_day": str(worked_on()), "place": "US-WA", "minutes": 60}
        first = program(client, token, "remittances", {"lines": [line]}).json
        again = {"lines": [{**line, "minutes": 30}]}
        previewed = program(client, token, "preview", again).json
        refused = program(client, token, "remittances", again)

        assert first is not None and previewed is not None and refused.json is not None
        named = [{"line": 1, "remittance_id": first["id"], "earlier_line": 1}]
        assert (previewed["reported_before"], previewed["reported_before_count"]) == (named, 1)
        assert (refused.status_code, refused.json["code"], refused.json["lines"]) == (
            409,
            "work_reported_before",
            named,
        )
        for said in (1, "true", None):
            assert program(client, token, "remittances", {**again, "other_work": said}).status_code == 422
        assert program(client, token, "remittances", {**again, "other_work": False}).status_code == 409
        assert program(client, token, "remittances", {**again, "other_work": True}).status_code == 201
        assert db.session.execute(select(func.count()).select_from(Remittance)).scalar_one() == 2
