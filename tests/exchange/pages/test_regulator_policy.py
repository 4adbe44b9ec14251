"""Does another law come to hold only by two regulators, who see what it changes?"""

from __future__ import annotations

import io
from datetime import date, timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.test import TestResponse

from exchange import clock
from exchange.clock import local_date
from exchange.database import db, in_unit_of_work
from exchange.identity.actors import Audience
from exchange.policy.versions import PolicyVersion
from tests.support.employer_makers import open_program
from tests.support.policies import WASHINGTON
from tests.support.signing_in import make_login, post, sign_in

TEXT = WASHINGTON.read_text(encoding="utf-8")


@pytest.fixture
def rita(app: Flask, client: FlaskClient) -> FlaskClient:
    app.config["PROGRAM_ZONE"] = "America/Los_Angeles"
    in_unit_of_work(open_program)
    sign_in(client, make_login(Audience.REGULATOR, "Rita Moss"))
    return client


@pytest.fixture
def ron(app: Flask, rita: FlaskClient) -> FlaskClient:
    client = app.test_client()
    sign_in(client, make_login(Audience.REGULATOR, "Ron Hale"))
    return client


def in_a_month() -> date:
    return local_date(clock.now(), "America/Los_Angeles") + timedelta(days=30)


def next_law() -> str:
    """The shipped document with one more version, by which workers are told earlier where they will be placed."""
    placement = """    placement:
      order: [best_standing, lowest_fee]
      notice_days: 21
      held: {paid_leave: 20%, sick_leave: 20%, emergency: 60%}
"""
    return f"{TEXT.rstrip()}\n  - effective_on: {in_a_month()}\n{placement}"


def propose(client: FlaskClient, text: str, **data: Any) -> TestResponse:
    if "document" in data:
        data["document"] = (io.BytesIO(data["document"]), "law.yaml")
    return post(client, "/regulator/policy/propose", {"effective_on": in_a_month().isoformat(), "text": text, **data})


def states() -> list[str]:
    rows = select(PolicyVersion.state).order_by(PolicyVersion.effective_on, PolicyVersion.id)
    return [state.value for state in db.session.execute(rows).scalars()]


def newest() -> int:
    return db.session.execute(select(PolicyVersion.id).order_by(PolicyVersion.id.desc()).limit(1)).scalar_one()


class TestProposing:
    def test_takes_a_text_and_shows_what_it_changes(self, rita: FlaskClient) -> None:
        answer = propose(rita, next_law().replace("\n", "\r\n"))

        assert answer.status_code == 303
        page = rita.get(answer.location).text
        assert "placement.notice_days" in page
        assert "Proposed" in page
        assert states()[-1] == "proposed"
        assert rita.get(f"/regulator/policy/{newest()}/policy.yaml").text == next_law()

    def test_takes_a_file_before_the_text(self, rita: FlaskClient) -> None:
        answer = propose(rita, "not this", document=next_law().encode())

        assert answer.status_code == 303
        assert states()[-1] == "proposed"

    def test_lists_every_problem_by_its_line_and_keeps_the_text(self, rita: FlaskClient) -> None:
        before = states()
        broken = next_law().replace("days: 21", "days: -1").replace("zone: America/Los_Angeles", "zone: Nowhere")

        answer = propose(rita, broken)

        page = answer.text
        assert answer.status_code == 422
        assert "The text breaks the policy language in 2 places" in page
        assert '<th scope="row" data-label="Line">5</th>' in page
        assert "zone: Nowhere" in page
        assert states() == before

    @pytest.mark.parametrize(
        ("data", "sentence"),
        [
            ({"text": "  "}, "Choose a file, or put the text below."),
            ({"document": b"\xff\xfe"}, "The file is not written in UTF-8."),
            ({"effective_on": "2020-01-01"}, "The document has no version that takes effect on 2020-01-01."),
            ({"effective_on": "soon"}, "Write a date like 2026-11-30"),
        ],
    )
    def test_refuses_what_is_no_proposal(self, rita: FlaskClient, data: dict[str, Any], sentence: str) -> None:
        before = states()

        answer = propose(rita, **{"text": next_law(), **data})

        assert answer.status_code == 422
        assert sentence in answer.text
        assert states() == before


class TestDeciding:
    def test_takes_another_regulator(self, rita: FlaskClient, ron: FlaskClient) -> None:
        address = propose(rita, next_law()).location

        assert "another regulator has to approve it" in rita.get(address).text
        refused = post(rita, f"{address}/approve")
        assert refused.status_code == 403
        assert states()[-1] == "proposed"
        assert post(ron, f"{address}/approve").status_code == 303
        assert states()[-1] == "approved"
        assert "Ron Hale" in ron.get("/regulator/policy/").text

    def test_is_undone_with_a_reason_before_it_holds(self, rita: FlaskClient, ron: FlaskClient) -> None:
        address = propose(rita, next_law()).location

        assert post(ron, f"{address}/withdraw").status_code == 422
        assert states()[-1] == "proposed"
        assert post(ron, f"{address}/withdraw", {"reason": "A slip."}).status_code == 303
        assert states()[-1] == "withdrawn"

    def test_leaves_what_holds_as_it_is(self, rita: FlaskClient, ron: FlaskClient) -> None:
        before = states()

        page = ron.get(f"/regulator/policy/{newest()}").text

        assert "Holds today" in page
        assert "Take it back" not in page
        assert post(ron, f"/regulator/policy/{newest()}/withdraw", {"reason": "No."}).status_code == 409
        assert states() == before

    def test_knows_no_other_versions(self, rita: FlaskClient) -> None:
        assert rita.get("/regulator/policy/987654").status_code == 404
        assert post(rita, "/regulator/policy/987654/approve").status_code == 404
