"""What do those who are signed in see while the database is away, and who loses a page by it?"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg
import pytest
from flask import Flask, template_rendered
from flask.testing import FlaskClient
from sqlalchemy import event, func, select, text
from sqlalchemy.exc import DBAPIError

from exchange.database import db, driver, in_unit_of_work, told_by_sqlalchemy, unit_of_work
from exchange.identity.actors import Audience
from tests.support.postgres import free_port
from tests.support.signing_in import make_login, post, sign_in

pytestmark = pytest.mark.parametrize("engine_name", ["postgresql"])


@contextmanager
def away() -> Iterator[None]:
    """Let nobody reach the server: its port is one at which nobody listens."""
    port = free_port()

    def reroute(_dialect: object, _record: object, _args: object, parameters: dict[str, object]) -> None:
        parameters.update(port=port)

    db.session.remove()
    db.engine.dispose()
    event.listen(db.engine, "do_connect", reroute)
    try:
        yield
    finally:
        event.remove(db.engine, "do_connect", reroute)


def cut_off(*, fails_first: bool = False) -> None:
    """End the session of the present transaction, as a server does that is restarted; after a failure in it, or not."""
    present = db.session.execute(select(func.pg_backend_pid())).scalar_one()
    if fails_first:
        with pytest.raises(DBAPIError):
            db.session.execute(select(func.no_such_function()))
    address = db.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(address) as another:
        another.execute("SELECT pg_terminate_backend(%s, 5000)", [present])


_END_OURSELVES = "SELECT pg_terminate_backend(pg_backend_pid())"


def _by_the_session() -> object:
    return db.session.execute(text(_END_OURSELVES)).all()


def _by_the_driver() -> object:
    present = driver()
    with told_by_sqlalchemy(present.connection):
        return present.cursor.execute(_END_OURSELVES).fetchall()


@pytest.fixture
def signed_in(client: FlaskClient) -> FlaskClient:
    sign_in(client, make_login(Audience.OPERATOR))
    return client


class TestAway:
    @pytest.mark.parametrize("address", ["/operator/", "/operator/cutover/2027", "/no-such-page", "/worker/"])
    def test_asks_whoever_is_signed_in_to_come_again(self, signed_in: FlaskClient, address: str) -> None:
        with away():
            answer = signed_in.get(address)

        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
        assert "nothing was changed" in answer.text
        assert signed_in.get("/operator/").status_code == 200

    def test_asks_whoever_sends_a_form_to_send_it_again(self, signed_in: FlaskClient) -> None:
        with away():
            answers = [post(signed_in, "/operator/jobs/check-reserves/run"), signed_in.post("/operator/jobs/x/run")]

        assert [answer.status_code for answer in answers] == [503, 503]


class TestCommand:
    @pytest.mark.parametrize(
        "words",
        [("ready",), ("job", "list"), ("cutover", "help-out", "2027"), ("cutover", "pause", "2027", "--reason=x")],
    )
    def test_says_so_in_a_sentence(self, app: Flask, words: tuple[str, ...]) -> None:
        with away():
            answer = app.test_cli_runner().invoke(args=words)

        assert answer.exit_code == 1
        assert answer.output.startswith("Error: The database does not answer: connection failed")
        assert "Traceback" not in answer.output


class TestCutOff:
    @pytest.mark.parametrize("fails_first", [False, True])
    def test_once_it_is_written_a_page_is_still_answered(
        self, app: Flask, signed_in: FlaskClient, *, fails_first: bool
    ) -> None:
        def break_off(_sender: object, **_: object) -> None:
            cut_off(fails_first=fails_first)

        with template_rendered.connected_to(break_off, app):
            answer = signed_in.get("/operator/")

        assert answer.status_code == 200
        assert answer.text.rstrip().endswith("</html>")
        assert [signed_in.get("/operator/").status_code for _ in range(5)] == [200] * 5

    def test_in_a_unit_of_work_is_no_success(self, app: Flask) -> None:
        def go_on() -> None:
            cut_off()
            db.session.execute(select(1))

        with pytest.raises(DBAPIError), unit_of_work():
            go_on()

        assert db.session.execute(select(1)).scalar_one() == 1

    def test_leaves_no_value_in_the_words_of_an_error(self, app: Flask) -> None:
        cut_off()

        with pytest.raises(DBAPIError) as failed:
            db.session.execute(select(1).where(func.length("ada@example.org") > 0))

        assert "ada@example.org" not in str(failed.value)


class TestFarewell:
    """With 57P01 in place of a line that is dead, which is a matter of luck otherwise."""

    @pytest.mark.parametrize("ask", [_by_the_session, _by_the_driver])
    def test_has_the_whole_unit_of_work_done_again(self, app: Flask, ask: Callable[[], object]) -> None:
        told: list[str] = []

        def work() -> str:
            if not told:
                try:
                    ask()
                except DBAPIError as error:
                    told.append(getattr(error.orig, "sqlstate", ""))
                    raise
            return "done"

        with app.app_context():
            assert in_unit_of_work(work) == "done"
            assert told == ["57P01"]
