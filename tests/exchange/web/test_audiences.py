"""Does every page keep to its audience, and does the navigation say where one is?"""

from __future__ import annotations

import pytest
from flask import Flask
from flask.testing import FlaskClient

from exchange.identity.actors import Audience
from exchange.web.audiences import audience_blueprint, audience_of, decision, navigation

WORKER = {"X-Test-Audience": "worker"}
REGULATOR = {"X-Test-Audience": "regulator"}


class TestGuard:
    @pytest.mark.parametrize(
        ("headers", "status"),
        [({}, 302), (WORKER, 200), (REGULATOR, 403), ({"X-Test-Audience": "operator"}, 403)],
    )
    def test_lets_only_its_own_audience_to_a_page(
        self, client: FlaskClient, headers: dict[str, str], status: int
    ) -> None:
        assert client.get("/worker/leave", headers=headers).status_code == status

    @pytest.mark.parametrize("headers", [{}, WORKER, REGULATOR])
    def test_lets_everybody_to_a_public_page(self, client: FlaskClient, headers: dict[str, str]) -> None:
        assert client.get("/", headers=headers).status_code == 200


class TestRegulatorsPage:
    def test_that_writes_unmarked_stops_the_program_at_its_start(self) -> None:
        pages = audience_blueprint("r", __name__, Audience.REGULATOR)

        with pytest.raises(AssertionError, match="only read"):
            pages.add_url_rule("/qualify", view_func=lambda: "", methods=["POST"])

    def test_that_is_a_decision_may_write(self) -> None:
        pages = audience_blueprint("r", __name__, Audience.REGULATOR)

        @pages.post("/qualify")
        @decision
        def qualify() -> str:
            return ""

        assert len(pages.deferred_functions) == 1

    def test_that_only_reads_refuses_a_post(self, app: Flask, client: FlaskClient) -> None:
        app.config["WTF_CSRF_ENABLED"] = False

        assert client.post("/regulator/", headers=REGULATOR).status_code == 405


class TestAudienceOf:
    @pytest.mark.parametrize(
        ("endpoint", "audience"),
        [("worker.form", Audience.WORKER), ("public.home", Audience.PUBLIC), ("static", None), (None, None)],
    )
    def test_names_the_audience_of_pages_and_of_nothing_else(
        self, app: Flask, endpoint: str | None, audience: Audience | None
    ) -> None:
        assert audience_of(app, endpoint) is audience


class TestNavigation:
    def test_stands_in_the_order_given_not_that_of_registration(self, app: Flask) -> None:
        with app.test_request_context("/"):
            labels = [link.label for link in navigation(Audience.WORKER)]

        assert labels == ["My benefits", "Take leave", "Contributions"]

    @pytest.mark.parametrize(
        ("path", "current"),
        [
            ("/worker/home", ["page", None, None]),
            ("/worker/leave", [None, "page", None]),
            ("/worker/contributions/", [None, None, "page"]),
            ("/worker/contributions/7", [None, None, "page"]),
            ("/worker/contributions/none/such", [None, None, "true"]),
            ("/elsewhere", [None, None, None]),
        ],
    )
    def test_marks_the_page_or_the_section_it_stands_in(self, app: Flask, path: str, current: list[str | None]) -> None:
        with app.test_request_context(path):
            assert [link.current for link in navigation(Audience.WORKER)] == current

    def test_of_an_audience_without_pages_is_empty(self, app: Flask) -> None:
        with app.test_request_context("/"):
            assert navigation(Audience.OPERATOR) == []
