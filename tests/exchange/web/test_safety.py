"""Is every request held to the limits, and does every answer protect its reader?"""

from __future__ import annotations

from typing import ClassVar

import pytest
from flask import Flask, request
from flask.testing import FlaskClient

from exchange.web import safety
from tests.exchange.web import styleguide

WORKER = {"X-Test-Audience": "worker"}


class TestHeaders:
    @pytest.mark.parametrize("path", ["/", "/worker/leave", "/nope", "/fail/500", "/static/site.css", "/api/v1/nope"])
    def test_are_on_every_answer(self, client: FlaskClient, path: str) -> None:
        answer = client.get(path, headers=WORKER, buffered=True)

        assert {name: answer.headers[name] for name in safety.HEADERS} == safety.HEADERS
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
        assert "unsafe" not in answer.headers["Content-Security-Policy"]

    def test_ask_for_https_only_where_it_is_spoken(self, client: FlaskClient) -> None:
        plain = client.get("/")
        safe = client.get("/", base_url="https://localhost")

        assert "Strict-Transport-Security" not in plain.headers
        assert safe.headers["Strict-Transport-Security"] == "max-age=63072000; includeSubDomains"

    def test_name_each_request_anew(self, client: FlaskClient) -> None:
        ids = {client.get("/").headers["X-Request-ID"] for _ in range(3)}

        assert len(ids) == 3

    def test_take_no_request_id_from_outside(self, client: FlaskClient) -> None:
        assert client.get("/", headers={"X-Request-ID": "mine"}).headers["X-Request-ID"] != "mine"


class TestKeeping:
    @pytest.mark.parametrize(
        ("path", "headers", "kept"),
        [
            ("/list", {}, "no-cache"),
            ("/list", WORKER, "no-store"),  # the frame of a signed-in person holds a token: a session
            ("/worker/leave", WORKER, "no-store"),
            ("/worker/leave", {}, "no-store"),
            ("/nope", {}, "no-store"),
        ],
    )
    def test_is_forbidden_for_whatever_is_personal(
        self, client: FlaskClient, path: str, headers: dict[str, str], kept: str
    ) -> None:
        answer = client.get(path, headers=headers)

        assert answer.headers["Cache-Control"] == kept
        assert {"Cookie", "Accept-Language"} <= set(answer.vary)

    def test_is_for_good_for_a_file_whose_address_changes_with_it(self, client: FlaskClient) -> None:
        versioned = client.get("/static/site.css?v=1", buffered=True)
        plain = client.get("/static/site.css", buffered=True)

        assert versioned.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert "immutable" not in plain.headers["Cache-Control"]

    def test_of_a_public_page_needs_no_cookie(self, client: FlaskClient) -> None:
        assert "Set-Cookie" not in client.get("/list").headers


class TestLimits:
    def test_refuse_a_query_key_given_twice(self, client: FlaskClient) -> None:
        assert client.get("/list?page=1&page=2").status_code == 400

    def test_let_a_view_take_several_values_of_the_key_it_names(self, client: FlaskClient) -> None:
        assert client.get("/compare?package=1&package=2").text == "1,2"
        assert client.get("/compare?other=1&other=2").status_code == 400

    @pytest.mark.parametrize("address", ["/list?q=%00", "/list?%00=q", "/worker/contributions/%00"])
    def test_refuse_a_nul_character_in_an_address(self, client: FlaskClient, address: str) -> None:
        assert client.get(address, headers=WORKER).status_code in {400, 404}
        assert client.get("/list?q=%00").status_code == 400

    def test_refuse_a_nul_character_in_a_form(self, app: Flask, client: FlaskClient) -> None:
        app.config["WTF_CSRF_ENABLED"] = False

        assert client.post("/worker/leave", headers=WORKER, data={"name": "Ro\0sa"}).status_code == 400

    def test_refuse_marks_piled_up_in_an_address_or_a_form(self, app: Flask, client: FlaskClient) -> None:
        """Whoever normalizes such a text is busy for as long as the square of it."""
        app.config["WTF_CSRF_ENABLED"] = False
        for count, taken in ((30, True), (31, False)):
            name = "a" + "\u0316" * count
            form = client.post("/worker/leave", headers=WORKER, data={"name": name})
            address = client.get("/list", query_string={"q": name})
            assert (form.status_code != 400, address.status_code != 400) == (taken, taken)

    @pytest.mark.parametrize(("number", "status"), [(2**63 - 1, 200), (2**63, 404), (10**30, 404)])
    def test_know_no_number_that_the_database_cannot_count(self, client: FlaskClient, number: int, status: int) -> None:
        assert client.get(f"/worker/contributions/{number}", headers=WORKER).status_code == status

    @pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "127.0.0.1.nip.io", "localhost@evil"])
    def test_refuse_a_host_that_is_not_ours(self, client: FlaskClient, host: str) -> None:
        answer = client.get("/", headers={"Host": host})

        assert answer.status_code == 400
        assert host not in answer.text

    def test_refuse_a_body_above_ten_megabytes(self, app: Flask, client: FlaskClient) -> None:
        app.config["WTF_CSRF_ENABLED"] = False

        body = b"--b" + b"x" * (10 * 1024 * 1024)

        answer = client.post("/worker/leave", headers=WORKER, data=body, content_type="multipart/form-data; boundary=b")

        assert answer.status_code == 413
        assert "10 megabytes" in answer.text

    def test_refuse_a_form_that_would_fill_the_memory(self, app: Flask, client: FlaskClient) -> None:
        app.config["WTF_CSRF_ENABLED"] = False

        answer = client.post("/worker/leave", headers=WORKER, data={"name": "x" * 600_000})

        assert answer.status_code == 413


class TestForwarded:
    """Who sends these headers himself would choose whose attempts are counted, and whether cookies are safe."""

    HEADERS: ClassVar = {
        "X-Forwarded-For": "192.0.2.66, 203.0.113.9",
        "X-Forwarded-Host": "evil.example",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Prefix": "/evil",
        "Forwarded": "for=192.0.2.66;host=evil.example;proto=https",
    }

    @pytest.mark.parametrize(
        ("proxies", "address", "is_secure"),
        [(0, "127.0.0.1", False), (1, "203.0.113.9", True), (2, "192.0.2.66", False)],
    )
    def test_headers_are_believed_from_as_many_proxies_as_there_are(
        self, proxies: int, address: str, is_secure: bool
    ) -> None:
        app = styleguide.create_app({"PROXIES": proxies})

        with app.test_client() as client:
            answer = client.get("/list", headers=self.HEADERS)

            assert (answer.status_code, request.remote_addr, request.is_secure) == (200, address, is_secure)
            assert (request.host, request.script_root) == ("localhost", "")


class TestCookies:
    def test_of_a_site_on_https_are_bound_to_the_host(self) -> None:
        app = styleguide.create_app({"PREFERRED_URL_SCHEME": "https"})

        answer = app.test_client().get("/worker/leave", headers=WORKER, base_url="https://localhost")

        cookie = answer.headers["Set-Cookie"]
        assert cookie.startswith("__Host-session=")
        assert {"Secure", "HttpOnly", "Path=/", "SameSite=Lax"} <= set(cookie.split("; "))


class TestForm:
    def test_without_a_token_changes_nothing_and_says_why(self, client: FlaskClient) -> None:
        answer = client.post("/worker/leave", headers=WORKER, data={"name": "Rosa"})

        assert answer.status_code == 400
        assert "This page was open too long" in answer.text
