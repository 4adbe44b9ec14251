"""Do programs read what everybody may see, without a key, and nothing else?"""

from __future__ import annotations

import pytest
from flask import Flask
from flask.testing import FlaskClient
from openapi_spec_validator import validate

from exchange.database import db, unit_of_work
from providers.models import Provider, ProviderState
from tests.support.counting import statements
from tests.support.worker_makers import OFFERINGS, Market


@pytest.fixture
def market(app: Flask) -> Market:
    return Market()


class TestPackages:
    def test_are_those_on_sale_with_all_their_terms(self, market: Market, client: FlaskClient) -> None:
        answer = client.get("/api/v1/packages").get_json()

        assert (answer["total"], answer["plan_year"]) == (len(OFFERINGS), market.next_year.id)
        for one in answer["packages"]:
            terms = one["terms"]
            assert terms["fee_bp"] + sum(part["share_bp"] for part in terms["components"]) == 10_000

    def test_are_narrowed(self, market: Market, client: FlaskClient) -> None:
        answer = client.get("/api/v1/packages?component=health_spending&kind=civic_association").get_json()

        assert [one["package_name"] for one in answer["packages"]] == ["Civic Family"]

    @pytest.mark.parametrize(
        "query",
        ["colour=red", "page=0", "page=1.0", "page=1e3", "fee_at_most_bp=-1", "fee_at_most_bp=10001", "kind=bank",
         "plan_year=20270", "plan_year=２０２７", "component=%07", "metal=tin"],
    )  # fmt: skip
    def test_refuse_what_they_cannot_read(self, market: Market, client: FlaskClient, query: str) -> None:
        answer = client.get(f"/api/v1/packages?{query}")

        assert (answer.status_code, answer.mimetype) == (422, "application/problem+json")

    def test_refuse_a_key_twice(self, market: Market, client: FlaskClient) -> None:
        assert client.get("/api/v1/packages?page=1&page=2").status_code == 400

    def test_one_is_asked_for_by_its_version(self, market: Market, client: FlaskClient) -> None:
        version = market.version_of(2)

        assert client.get(f"/api/v1/packages/{version.id}").get_json()["package_name"] == OFFERINGS[2].package
        assert client.get("/api/v1/packages/987654").status_code == 404
        assert client.get(f"/api/v1/packages/{2**63}").status_code == 404


class TestProviders:
    def test_are_the_qualified_ones(self, market: Market, client: FlaskClient) -> None:
        with unit_of_work():
            db.session.get_one(Provider, market.provider_of(market.packages[3])).state = ProviderState.SUSPENDED

        answer = client.get("/api/v1/providers").get_json()

        assert {one["name"] for one in answer["providers"]} == {one.provider for one in OFFERINGS[:3]}

    def test_are_asked_for_in_a_few_statements(self, market: Market, client: FlaskClient) -> None:
        with statements() as told:
            client.get("/api/v1/providers")

        assert len(told) <= 8

    def test_tell_their_reserves(self, market: Market, client: FlaskClient) -> None:
        provider_id = market.provider_of(market.packages[0])

        answer = client.get(f"/api/v1/providers/{provider_id}/reserves?since=2020-01-01")

        assert answer.get_json() == {"provider_id": provider_id, "checks": []}
        assert client.get(f"/api/v1/providers/{provider_id}/reserves?since=yesterday").status_code == 422
        assert client.get("/api/v1/providers/987654/reserves").status_code == 404


class TestDescription:
    def test_is_sound_and_names_what_needs_no_key(self, client: FlaskClient) -> None:
        described = client.get("/api/openapi.json").get_json()

        validate(described)
        for path in ("/api/v1/packages", "/api/v1/providers", "/api/v1/providers/{provider_id}/reserves"):
            assert described["paths"][path]["get"]["security"] == []
