"""Is what is left out at each request really the same for all of them?"""

from __future__ import annotations

from datetime import timedelta

import pytest
from flask import Flask, request, session, url_for
from flask_babel import force_locale, gettext
from jinja2 import pass_context, pass_eval_context
from jinja2.nodes import EvalContext
from jinja2.runtime import Context

from exchange.web.sparing import SparingFlask, SparingRequest, address_of


class TestQuery:
    def test_is_what_flask_makes_of_it(self) -> None:
        for query in ("", "a=1&b=&c", "package=1&package=2", "q=%C3%A9+x&q=%ff%00", "a=1;b=2", "x=" + "y" * 3_000):
            environ = {"QUERY_STRING": query, "REQUEST_METHOD": "GET", "wsgi.url_scheme": "http", "SERVER_NAME": "x"}
            plain = Flask.request_class({**environ, "SERVER_PORT": "80"}).args

            for _ in range(2):
                mine = SparingRequest({**environ, "SERVER_PORT": "80"}).args
                assert mine == plain
                assert list(mine.lists()) == list(plain.lists())

    def test_cannot_be_changed_for_the_next_who_asks(self) -> None:
        app = SparingFlask("app")

        with app.test_request_context("/?a=1"), pytest.raises(TypeError, match="immutable"):
            request.args["a"] = "2"


def _remembering() -> SparingFlask:
    app = SparingFlask("app")
    app.secret_key = "the first"
    app.add_url_rule("/in", "in", lambda: session.setdefault("who", "Ada"))
    app.add_url_rule("/who", "who", lambda: session.get("who", "nobody"))
    return app


class TestSession:
    def test_of_another_secret_is_nobodys(self) -> None:
        app = _remembering()
        client = app.test_client()
        client.get("/in")
        assert client.get("/who").text == "Ada"

        app.secret_key = "the second"
        assert client.get("/who").text == "nobody"

        app.config["SECRET_KEY_FALLBACKS"] = ["the first"]
        assert client.get("/who").text == "Ada"

    def test_that_was_changed_is_nobodys(self) -> None:
        client = _remembering().test_client()
        client.get("/in")
        cookie = client.get_cookie("session")
        assert cookie is not None
        client.set_cookie("session", ("f" if cookie.value[0] == "e" else "e") + cookie.value[1:])

        assert client.get("/who").text == "nobody"

    def test_ends_with_its_time_also_where_its_cookie_was_seen_before(self) -> None:
        app = _remembering()
        client = app.test_client()
        client.get("/in")
        assert [client.get("/who").text for _ in range(2)] == ["Ada", "Ada"]

        app.permanent_session_lifetime = timedelta(seconds=-1)
        assert client.get("/who").text == "nobody"

    def test_that_one_request_changes_is_for_the_next_as_its_cookie_says(self) -> None:
        app = _remembering()
        app.add_url_rule("/out", "out", lambda: session.pop("who"))
        client, thief = app.test_client(), app.test_client()
        client.get("/in")
        cookie = client.get_cookie("session")
        assert cookie is not None
        thief.set_cookie("session", cookie.value)

        assert client.get("/who").text == "Ada"
        assert client.get("/out").text == "Ada"
        assert client.get("/who").text == "nobody"
        assert thief.get("/who").text == "Ada"

    def test_is_signed_as_flask_signs_it_whatever_was_signed_before(self) -> None:
        for secret in ("the first", "the second", "the first"):
            mine, plain = _remembering(), Flask("plain")
            mine.secret_key = plain.secret_key = secret
            serializers = [app.session_interface.get_signing_serializer(app) for app in (mine, plain)]  # type: ignore[attr-defined]

            assert serializers[0].loads(serializers[1].dumps({"who": "Ada"})) == {"who": "Ada"}
            assert serializers[1].loads(serializers[0].dumps({"who": "Ada"})) == {"who": "Ada"}


class TestWords:
    def test_are_those_of_the_language_that_is_spoken_now(self, app: Flask) -> None:
        with app.test_request_context(headers={"Accept-Language": "en"}):
            told = [gettext("Sign in")]
            with force_locale("es"):
                told.append(gettext("Sign in"))
            told.append(gettext("Sign in"))

        assert told[0] == told[2] == "Sign in" != told[1]


class TestAddress:
    def test_is_what_flask_makes_of_it_wherever_the_program_stands(self) -> None:
        app = SparingFlask("app")
        app.add_url_rule("/in", "in", lambda: "")
        app.add_url_rule("/in/<int:number>", "one", lambda number: f"{number}")

        for root in ("", "/below", ""):
            with app.test_request_context("/in", base_url=f"http://localhost{root}/"):
                assert [address_of("in"), address_of("in")] == [url_for("in")] * 2 == [f"{root}/in"] * 2
                assert address_of("one", number=7) == f"{root}/in/7"
                for nothing in (0, None, "", 0):
                    assert address_of("in", number=nothing) == url_for("in", number=nothing)


class TestCallInTemplate:
    @pytest.mark.parametrize(
        ("source", "shown"),
        [
            ("{{ plain(2) }}", "2"),
            ("{{ method('x', 'X') }}", "X"),
            ("{% for one in [7] %}{% set here = one %}{{ whole() }}{% endfor %}", "7"),
            ("{{ escapes() }}", "True"),
            ("{% autoescape false %}{{ escapes() }}{% endautoescape %}", "False"),
            ("{% macro name(a, b='&') %}{{ a }}{{ b }}{{ caller() }}{% endmacro %}{% call name('<') %}c{% endcall %}",
             "&lt;&amp;c"),
            ("{% block one %}{% set x = plain('<') %}{{ x }}{% endblock %}", "&lt;"),
            ("{{ kind(3) }}", "3"),
        ],
    )  # fmt: skip
    def test_gives_what_the_called_wants(self, source: str, shown: str) -> None:
        env = SparingFlask("app").jinja_env
        env.autoescape = True
        given = {"plain": lambda one: one, "method": "x".replace, "kind": str}

        @pass_context
        def whole(context: Context) -> object:
            return context["here"]

        @pass_eval_context
        def escapes(context: EvalContext) -> bool:
            return bool(context.autoescape)

        text = env.from_string(source).render(given, whole=whole, escapes=escapes)

        assert text == shown

    def test_says_sentences_with_values_that_are_escaped(self, app: Flask) -> None:
        sources = ["{{ _('Sign in') }}", "{{ _('100%% of %(what)s', what='<b>') }}", "{{ _('100%%') }}"]

        with app.test_request_context("/"):
            told = [app.jinja_env.from_string(source).render() for source in sources]
            plain = "{% autoescape false %}{{ _('%(what)s', what='<b>') }}{% endautoescape %}"
            told.append(app.jinja_env.from_string(plain).render())

        assert told == ["Sign in", "100% of &lt;b&gt;", "100%", "<b>"]
