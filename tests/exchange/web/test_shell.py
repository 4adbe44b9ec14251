"""Does the frame of a page hold what everybody needs, and nothing that is not for him?"""

from __future__ import annotations

import pytest
from flask import Flask
from flask.testing import FlaskClient
from jinja2 import UndefinedError

from exchange.web import shell
from tests.exchange.web import styleguide

WORKER = {"X-Test-Audience": "worker"}


class TestFrame:
    def test_offers_a_visitor_the_public_pages_and_to_sign_in(self, client: FlaskClient) -> None:
        text = client.get("/list").text

        assert "Packages" in text
        assert 'href="/sign-in"' in text
        assert "My benefits" not in text

    def test_offers_a_worker_his_own_pages_his_name_and_to_sign_out(self, client: FlaskClient) -> None:
        text = client.get("/worker/leave", headers=WORKER).text

        assert "My benefits" in text
        assert "Packages" in text
        assert "Rosa Delgado" in text
        assert 'action="/sign-out"' in text
        assert 'aria-current="page">Take leave' in text

    @pytest.mark.parametrize("path", ["/", "/list", "/nope", "/fail/500"])
    def test_starts_with_a_way_past_the_navigation(self, client: FlaskClient, path: str) -> None:
        text = client.get(path).text

        assert text.index('href="#main"') < text.index("<header")
        assert '<main id="main"' in text

    def test_of_a_fault_asks_for_nobody(self, client: FlaskClient) -> None:
        text = client.get("/fail/500", headers=WORKER).text

        assert "Rosa Delgado" not in text
        assert "csrf_token" not in text

    @pytest.mark.parametrize("kind", ["success", "info", "warning", "error", "message"])
    def test_shows_what_a_page_has_flashed_once(self, client: FlaskClient, kind: str) -> None:
        assert client.get(f"/flash/{kind}").text.count("Saved. Your choice stands.") == 1
        assert "Saved." not in client.get("/list").text

    def test_never_passes_for_the_government(self, client: FlaskClient) -> None:
        text = client.get("/").text.lower()

        assert "usa-banner" not in text
        assert "official website" not in text
        assert "flag" not in text


class TestTemplates:
    def test_stop_at_a_name_that_nobody_defined(self, app: Flask) -> None:
        with app.test_request_context("/"), pytest.raises(UndefinedError):
            app.jinja_env.from_string("{{ nobody_defined_this }}").render()

    def test_write_data_as_text(self, app: Flask) -> None:
        template = app.jinja_env.from_string('{% from "macros/summary.html" import facts %}{{ facts([("a", "<i>")]) }}')

        with app.test_request_context("/"):
            assert "<i>" not in template.render()


class TestAsset:
    def test_has_an_address_that_changes_with_the_file(self, app: Flask) -> None:
        with app.test_request_context("/"):
            assert shell.asset("site.css").startswith("/static/site.css?v=")
            assert shell.asset("nonesuch.css") == "/static/nonesuch.css"

    def test_is_served(self, client: FlaskClient) -> None:
        assert client.get("/static/brand/icon.svg", buffered=True).status_code == 200


class TestMacros:
    @pytest.mark.parametrize(
        ("source", "shown"),
        [
            (
                '{% from "macros/forms.html" import button_or_reason %}{{ button_or_reason("Choose", "Not yet.") }}',
                'aria-disabled="true"',
            ),
            (
                '{% from "macros/forms.html" import button_or_reason %}{{ button_or_reason("Choose", "Not yet.") }}',
                "Not yet.",
            ),
            ('{% from "macros/forms.html" import button_or_reason %}{{ button_or_reason("Choose") }}', 'type="submit"'),
            ('{% from "macros/steps.html" import progress %}{{ progress("Done", 0, 0) }}', 'max="1"'),
            ('{% from "macros/status.html" import tier %}{{ tier("run_off", "Run-off", 6900) }}', "69%"),
            ('{% from "macros/dates.html" import period %}{{ period(start, none) }}', "from <time"),
            ('{% from "macros/dates.html" import until %}{{ until(closes) }}', "November 30, 2026"),
            ('{% from "macros/money.html" import amount %}{{ amount(135, "MIN") }}', "2 h 15 min"),
        ],
    )
    def test_show_what_they_promise(self, app: Flask, source: str, shown: str) -> None:
        with app.test_request_context("/"):
            text = app.jinja_env.from_string(source).render(start=styleguide.NOON.date(), closes=styleguide.CLOSES)

        assert shown in text
