from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openapi_spec_validator import validate
from sqlalchemy import func, select
from werkzeug.test import TestResponse

from enrollment import employers
from enrollment.models import BenefitAccount, Contribution, Employer, Remittance
from exchange import clock
from exchange.database import db, unit_of_work
from exchange.identity.actors import Audience
from tests.support.employer_makers import AT, BY, make_account, make_employer, open_program, pay
from tests.support.signing_in import make_login, sign_in


@pytest.fixture
def employer(app: Flask) -> Employer:
    with unit_of_work():
        open_program()
        return make_employer()


@pytest.fixture
def account(employer: Employer) -> BenefitAccount:
    with unit_of_work():
        return make_account()


@pytest.fixture
def token(employer: Employer) -> str:
    with unit_of_work():
        return employers.make_token(employer, name="Payroll", by=BY, at=AT)


def line(account: BenefitAccount, **changes: Any) -> dict[str, Any]:
    """An hour of work two days ago: a day that has come in every zone."""
    day = (clock.now() - timedelta(days=2)).date().isoformat()
    return {"account_number": account.number, "first_day": day, "place": "US-WA", "minutes": 60, **changes}


def send(client: FlaskClient, token: str, body: Any, path: str = "/remittances", **headers: str) -> TestResponse:
    """POST it; bytes are sent as they are."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    given = {"Authorization": f"Bearer {token}", **{name.replace("_", "-"): value for name, value in headers.items()}}
    return client.post(f"/api/v1{path}", data=data, content_type="application/json", headers=given)


def reported() -> int:
    return db.session.execute(select(func.count()).select_from(Remittance)).scalar_one()


class TestReport:
    def test_is_taken_and_can_be_read_again(
        self, client: FlaskClient, token: str, employer: Employer, account: BenefitAccount
    ) -> None:
        answer = send(client, token, {"lines": [line(account), line(account, minutes=30, extra_cents=5)]})

        assert answer.status_code == 201, answer.json
        assert answer.json is not None
        assert (answer.json["total_cents"], answer.json["state"], answer.json["source"]) == (536, "reported", "api")
        bearer = {"Authorization": f"Bearer {token}"}
        again = client.get(answer.headers["Location"], headers=bearer)
        assert again.json == answer.json
        lines = client.get(f"{answer.headers['Location']}/lines", headers=bearer).json
        assert lines is not None
        assert [one["owed_cents"] for one in lines["lines"]] == [354, 177]
        listed = client.get("/api/v1/remittances", headers=bearer).json
        assert listed == {"remittances": [answer.json], "page": 1, "pages": 1}

    def test_sent_twice_under_one_key_is_one(self, client: FlaskClient, token: str, account: BenefitAccount) -> None:
        body = {"lines": [line(account)]}
        first = send(client, token, body, Idempotency_Key="a-1")

        again = send(client, token, body, Idempotency_Key="a-1")
        other = send(client, token, {"lines": [line(account, minutes=61)]}, Idempotency_Key="a-1")
        nameless = send(client, token, body)

        assert again.json == first.json
        assert (other.status_code, nameless.status_code) == (409, 409)
        assert nameless.json is not None and first.json is not None
        assert nameless.json["remittance_id"] == first.json["id"]
        assert reported() == 1

    def test_with_a_wrong_line_is_refused_with_every_problem(
        self, client: FlaskClient, token: str, account: BenefitAccount
    ) -> None:
        lines = [line(account), line(account, place="Mars"), line(account, minutes=1441)]
        answer = send(client, token, {"lines": lines})

        assert answer.status_code == 422
        assert answer.mimetype == "application/problem+json"
        assert answer.json is not None
        assert answer.json["code"] == "report_refused"
        assert [(p["line"], p["column"]) for p in answer.json["problems"]] == [(2, "place"), (3, "minutes")]
        assert reported() == 0

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"[]",
            b"null",
            b"{",
            b'{"lines": []}',
            b'{"lines": [], "lines": []}',
            b'{"lines": [{}], "more": 1}',
            b'{"lines": [1]}',
            b'{"lines": {"0": {}}}',
            b'{"lines": [{"minutes": NaN}]}',
            b'{"lines": [{"minutes": 1e999}]}',
            b"\xff\xfe",
            b"[" * 100_000,
            json.dumps({"lines": [{"account_number": "\u0000"}]}).encode(),
        ],
    )
    def test_that_can_be_read_in_two_ways_is_refused(self, client: FlaskClient, token: str, body: bytes) -> None:
        answer = send(client, token, body)

        assert answer.status_code in {400, 422}
        assert answer.mimetype == "application/problem+json"
        assert reported() == 0

    @pytest.mark.parametrize("key", ["minutes", "earnings_cents", "fee_cents", "tolls_cents", "jobs", "extra_cents"])
    @pytest.mark.parametrize("value", ["１２", "60", "1_000", -1, 1.0, 0.001, 2**63, True, None, [], "NaN"])
    def test_takes_figures_as_whole_numbers_only(
        self, client: FlaskClient, token: str, account: BenefitAccount, key: str, value: Any
    ) -> None:
        answer = send(client, token, {"lines": [{**line(account), key: value}]})

        assert answer.status_code == 422
        assert reported() == 0

    @pytest.mark.parametrize("key", ["id", "owed_cents", "rule", "provider_id", "employer_id", "state", "late_cents"])
    def test_takes_no_key_that_it_does_not_know(
        self, client: FlaskClient, token: str, account: BenefitAccount, key: str
    ) -> None:
        answer = send(client, token, {"lines": [{**line(account), key: 1}]})

        assert answer.status_code == 422
        assert reported() == 0

    @pytest.mark.parametrize("kind", ["text/xml", "text/plain", "application/x-www-form-urlencoded", ""])
    def test_refuses_a_body_that_says_it_is_something_else(
        self, client: FlaskClient, token: str, account: BenefitAccount, kind: str
    ) -> None:
        answer = client.post(
            "/api/v1/remittances",
            data=json.dumps({"lines": [line(account)]}),
            content_type=kind,
            headers={"Authorization": f"Bearer {token}"},
        )

        assert (answer.status_code, answer.get_json()["code"]) == (415, "not_json")
        assert reported() == 0

    @pytest.mark.parametrize("key", ["", "a b", "é", "x" * 201])
    def test_is_not_named_by_just_anything(
        self, client: FlaskClient, token: str, account: BenefitAccount, key: str
    ) -> None:
        answer = send(client, token, {"lines": [line(account)]}, Idempotency_Key=key)

        assert answer.status_code == 422
        assert reported() == 0


class TestPreview:
    def test_keeps_nothing(self, client: FlaskClient, token: str, account: BenefitAccount) -> None:
        answer = send(client, token, {"lines": [line(account), line(account, place="Mars")]}, "/preview")

        assert answer.status_code == 200
        assert answer.json is not None
        assert (answer.json["total_cents"], answer.json["problem_count"]) == (354, 1)
        assert reported() == 0


class TestSignIn:
    @pytest.mark.parametrize("header", ["Bearer nonsense", "Bearer ", "Basic YTpi", "Bearer pbx_", "é"])
    def test_takes_no_token_that_is_not_there(self, client: FlaskClient, employer: Employer, header: str) -> None:
        answer = client.get("/api/v1/remittances", headers={"Authorization": header})

        assert answer.status_code == 401
        assert answer.mimetype == "application/problem+json"

    def test_is_needed_for_everything_but_the_description(self, client: FlaskClient, app: Flask) -> None:
        assert client.get("/api/v1/remittances").status_code == 401
        assert client.post("/api/v1/preview", json={"lines": []}).status_code == 401
        assert client.get("/api/openapi.json").status_code == 200

    def test_ends_when_the_token_is_revoked(self, client: FlaskClient, token: str, employer: Employer) -> None:
        with unit_of_work():
            employers.revoke_token(employers.tokens_of(employer)[0], by=BY, at=AT)

        assert client.get("/api/v1/remittances", headers={"Authorization": f"Bearer {token}"}).status_code == 401

    @pytest.mark.parametrize("audience", [one for one in Audience if one not in {Audience.PUBLIC, Audience.SYSTEM}])
    def test_is_not_done_by_a_browsers_session(
        self, client: FlaskClient, employer: Employer, audience: Audience
    ) -> None:
        sign_in(client, make_login(audience))

        assert client.get("/api/v1/remittances").status_code == 401

    def test_shows_nothing_of_another_employer(self, client: FlaskClient, token: str, account: BenefitAccount) -> None:
        with unit_of_work():
            other = employers.make_token(make_employer("Green Cab"), name="Payroll", by=BY, at=AT)
        address = send(client, token, {"lines": [line(account)]}).headers["Location"]

        bearer = {"Authorization": f"Bearer {other}"}
        assert client.get(address, headers=bearer).status_code == 404
        assert client.get(f"{address}/lines", headers=bearer).status_code == 404
        listed = client.get("/api/v1/remittances", headers=bearer).json
        assert listed is not None and listed["remittances"] == []


class TestAddress:
    @pytest.mark.parametrize("id_", ["0", "-1", "9223372036854775807", "9223372036854775808", "1e3", "１", "x"])
    def test_of_no_remittance_is_not_found(self, client: FlaskClient, token: str, id_: str) -> None:
        answer = client.get(f"/api/v1/remittances/{id_}", headers={"Authorization": f"Bearer {token}"})

        assert answer.status_code == 404
        assert answer.mimetype == "application/problem+json"

    @pytest.mark.parametrize("query", ["page=0", "page=-1", "page=x", "page=1&page=2", "more=1", "page=1e9"])
    def test_with_a_senseless_query_is_refused(self, client: FlaskClient, token: str, query: str) -> None:
        answer = client.get(f"/api/v1/remittances?{query}", headers={"Authorization": f"Bearer {token}"})

        assert answer.status_code in {400, 422}


class TestDescription:
    def test_is_valid_openapi_3_1(self, client: FlaskClient) -> None:
        description = client.get("/api/openapi.json").json

        assert description is not None
        assert description["openapi"] == "3.1.0"
        validate(description)

    def test_says_that_problems_are_problem_documents(self, client: FlaskClient) -> None:
        description = client.get("/api/openapi.json").json
        assert description is not None

        for answer in description["components"]["responses"].values():
            assert list(answer["content"]) == ["application/problem+json"]
        told = client.get("/api/v1/remittances").json
        assert set(description["components"]["schemas"]["Problem"]["properties"]) == set(told or {})
        assert set(description["paths"]) >= {
            "/api/v1/preview",
            "/api/v1/remittances",
            "/api/v1/remittances/{remittance_id}",
            "/api/v1/remittances/{remittance_id}/lines",
        }


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
KEYS = ["account_number", "first_day", "last_day", "place", "sector", "worker_class", "minutes", "fee_cents", "jobs"]
LINES = st.lists(st.dictionaries(st.sampled_from(KEYS), JSON, max_size=9) | JSON, max_size=3)


class TestNonsense:
    @settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(body=JSON | st.fixed_dictionaries({"lines": LINES}))
    def test_never_breaks_anything(self, client: FlaskClient, token: str, body: Any) -> None:
        for path in ("/remittances", "/preview"):
            answer = send(client, token, body, path)

            assert answer.status_code in {400, 422}
            assert answer.mimetype == "application/problem+json"
        assert db.session.execute(select(func.count()).select_from(Contribution)).scalar_one() == 0


class TestPaid:
    def test_shows_in_the_state(self, client: FlaskClient, token: str, account: BenefitAccount) -> None:
        address = send(client, token, {"lines": [line(account)]}).headers["Location"]
        pay(int(address.rpartition("/")[2]), at=clock.now())

        shown = client.get(address, headers={"Authorization": f"Bearer {token}"}).json
        assert shown is not None
        assert shown["state"] == "paid"
        assert shown["paid_at"] is not None
