"""Is a question that takes one short trip answered like any other?"""

from __future__ import annotations

import threading
from datetime import date

import psycopg
import pytest
from flask import Flask
from sqlalchemy import bindparam, func, select
from sqlalchemy.exc import OperationalError
from sqlalchemy.types import Text

from exchange import short_trip
from exchange.database import db, to_microseconds, unit_of_work
from exchange.glance import Glance
from exchange.identity.actors import Audience
from exchange.identity.people import Login, seen
from tests.support.counting import statements
from tests.support.signing_in import AT, make_login

ADA: dict[str, str | int | None] = {"name": "Ada Flores", "no": None}
BY_NAME = Glance(
    lambda: select(Login.id, Login.audience, Login.created_at).where(
        Login.name == bindparam("name", type_=Text), Login.audience == Audience.WORKER
    )
)


def limit(setting: str) -> None:
    """Let the connection that is asked next be patient for a moment only; a new one would be as patient as ever."""
    db.session.remove()
    connection = db.engine.raw_connection()
    connection.driver_connection.execute(f"SET {setting} = '20ms'")  # type: ignore[union-attr]
    connection.commit()
    connection.close()


class TestGlance:
    def test_tells_what_the_database_holds(self, app: Flask) -> None:
        login_id = make_login(Audience.WORKER, "Ada Flores")
        make_login(Audience.REGULATOR, "Ada Flores")

        assert BY_NAME.rows(name="Ada Flores") == [(login_id, "worker", to_microseconds(AT))]
        assert BY_NAME.row(name="Bo Chen") is None

    def test_is_one_statement_outside_of_the_session(self, app: Flask) -> None:
        with statements() as told:
            BY_NAME.row(name="Ada Flores")

        assert len(told) == 1
        assert not db.session.registry().in_transaction()

    def test_sees_only_what_is_committed(self, app: Flask) -> None:
        login_id = make_login(Audience.WORKER, "Ada Flores")

        with unit_of_work():
            db.session.get_one(Login, login_id).name = "Ada Fields"
            db.session.flush()
            assert BY_NAME.row(name="Ada Fields") is None
        assert BY_NAME.row(name="Ada Fields") is not None

    @pytest.mark.parametrize("engine_name", ["postgresql"])
    def test_outlives_a_connection_that_broke(self, app: Flask) -> None:
        make_login(Audience.WORKER, "Ada Flores")
        connection = db.engine.raw_connection()
        driver = connection.driver_connection
        assert driver is not None
        connection.close()
        driver.close()

        assert BY_NAME.row(name="Ada Flores") is not None

    @pytest.mark.parametrize("engine_name", ["postgresql"])
    def test_that_took_too_long_is_not_asked_once_more(self, app: Flask) -> None:
        limit("statement_timeout")

        with pytest.raises(OperationalError, match="statement timeout"):
            Glance(lambda: select(func.pg_sleep(0.2))).row()

    @pytest.mark.parametrize("engine_name", ["postgresql"])
    def test_that_waited_for_a_lock_does_not_wait_once_more(self, app: Flask) -> None:
        make_login(Audience.WORKER, "Ada Flores")
        limit("lock_timeout")

        with psycopg.connect(db.engine.url.set(drivername="postgresql").render_as_string(False)) as other:
            other.execute("LOCK TABLE login IN ACCESS EXCLUSIVE MODE")
            set_free = threading.Timer(0.5, other.rollback)  # whoever asks once more is answered then
            set_free.start()
            with pytest.raises(OperationalError, match="lock timeout"):
                BY_NAME.row(name="Ada Flores")
            set_free.join()

    @pytest.mark.parametrize("engine_name", ["postgresql"])
    def test_says_in_the_usual_way_that_there_is_no_database(self, app: Flask) -> None:
        nowhere = Flask("nowhere")
        nowhere.config["SQLALCHEMY_DATABASE_URI"] = "postgresql+psycopg://nobody@127.0.0.1:1/nothing"
        db.init_app(nowhere)

        with nowhere.app_context(), pytest.raises(OperationalError):
            BY_NAME.row(name="Ada Flores")


class TestSeen:
    def test_is_the_person_as_pages_show_him(self, app: Flask) -> None:
        login_id = make_login(Audience.WORKER, "Ada Flores")
        stored = db.session.get_one(Login, login_id)

        found = seen(stored.fs_uniquifier)

        assert found is not None
        assert found.as_actor() == stored.as_actor()
        assert (found.is_active, found.has_second_factor, found.get_id()) == (True, False, stored.get_id())

    def test_is_nobody_when_the_session_was_ended(self, app: Flask) -> None:
        make_login(Audience.WORKER, "Ada Flores")

        assert seen("ended long ago") is None


@pytest.mark.parametrize("engine_name", ["postgresql"])
class TestShortTrip:
    def test_is_taken_again_when_the_server_has_forgotten_the_question(self, app: Flask) -> None:
        login_id = make_login(Audience.WORKER, "Ada Flores")
        for _ in range(2):
            assert [row[0] for row in BY_NAME.rows(name="Ada Flores")] == [login_id]
            connection = db.engine.raw_connection()
            connection.driver_connection.pgconn.exec_(b"DEALLOCATE ALL")  # type: ignore[union-attr]
            connection.close()

    def test_needs_nothing_prepared_behind_a_pooler(self, app: Flask) -> None:
        login_id = make_login(Audience.WORKER, "Ada Flores")
        connection = db.engine.raw_connection()
        driver = connection.driver_connection
        assert isinstance(driver, psycopg.Connection)
        driver.prepare_threshold = None
        memory: dict[object, object] = {}

        found = short_trip.rows(driver, memory, "SELECT id, %(no)s, '%%' FROM login WHERE name = %(name)s", ADA)

        assert found == [(login_id, None, "%")]
        assert driver.execute("SELECT count(*) FROM pg_prepared_statements WHERE name LIKE 'trip%'").fetchone() == (0,)
        connection.invalidate()

    def test_reads_values_as_the_driver_does(self, app: Flask) -> None:
        connection = db.engine.raw_connection()
        driver = connection.driver_connection
        assert isinstance(driver, psycopg.Connection)

        (row,) = short_trip.rows(driver, {}, "SELECT %(big)s + 1, true, NULL, date '2026-11-22', 'ñ'", {"big": 2**62})

        assert row == (2**62 + 1, True, None, date(2026, 11, 22), "ñ")
        connection.invalidate()

    def test_raises_what_the_driver_would(self, app: Flask) -> None:
        connection = db.engine.raw_connection()
        driver = connection.driver_connection
        assert isinstance(driver, psycopg.Connection)

        with pytest.raises(psycopg.errors.UndefinedColumn):
            short_trip.rows(driver, {}, "SELECT nothing", {})

        driver.execute("SELECT 1")
        connection.invalidate()
