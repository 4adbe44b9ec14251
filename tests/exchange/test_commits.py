"""Is everything done once, when the connection to the database is lost at its commit?"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from flask import Flask
from sqlalchemy import Connection, ExceptionContext, event, func, select, text
from sqlalchemy.exc import DBAPIError

from exchange import audit, clock, commits
from exchange.audit import AuditEvent
from exchange.commits import Mark, OutcomeUnknown
from exchange.database import EPOCH, RETRIES, db, in_unit_of_work
from tests.support.cutting import (
    ADMIN_SHUTDOWN,
    CRASH_SHUTDOWN,
    LOSE_REPLY,
    LOSE_REQUEST,
    Proxy,
    proxy_before,
    with_farewell,
)
from tests.support.ledger_makers import BY

SERIALIZATION, DEADLOCK, UNIQUE = "40001", "40P01", "23505"

pytestmark = pytest.mark.parametrize("engine_name", ["postgresql"])


@pytest.fixture
def proxy(app: Flask) -> Iterator[Proxy]:
    """Between this test's application and its database."""
    with proxy_before(app) as one:
        yield one


def note(subject: str, *, asks_the_clock: bool = True) -> str:
    """A unit of work that no key of its own would keep from being done twice."""
    ran = []

    def work() -> str:
        ran.append(subject)
        at = clock.now() if asks_the_clock else EPOCH
        audit.record("test.noted", subject, by=BY, at=at)
        return f"tried {len(ran)} times"

    return in_unit_of_work(work)


def noted(subject: str) -> int:
    counted = select(func.count()).where(AuditEvent.subject == subject)
    found: int = db.session.execute(counted).scalar_one()
    db.session.rollback()
    return found


@contextmanager
def told_at_the_end() -> Iterator[list[str | None]]:
    """The states of the errors that come meanwhile."""
    told: list[str | None] = []

    def note_state(context: ExceptionContext) -> None:
        told.append(getattr(context.original_exception, "sqlstate", None))

    event.listen(db.engine, "handle_error", note_state)
    try:
        yield told
    finally:
        event.remove(db.engine, "handle_error", note_state)


class TestLostAtCommit:
    @pytest.mark.parametrize("asks_the_clock", [True, False])
    @pytest.mark.parametrize(("fault", "tries"), [(LOSE_REPLY, 1), (LOSE_REQUEST, 2)])
    def test_is_done_once(self, proxy: Proxy, fault: str, tries: int, asks_the_clock: bool) -> None:
        for number in range(2):
            proxy.faults.append(fault)

            assert note(f"deed:{number}", asks_the_clock=asks_the_clock) == f"tried {tries} times"
            assert noted(f"deed:{number}") == 1
        assert proxy.happened == 2

    def test_is_looked_for_until_somebody_can_tell(self, proxy: Proxy) -> None:
        proxy.faults.extend([LOSE_REQUEST, LOSE_REQUEST, LOSE_REPLY])

        assert note("deed:1") == "tried 3 times"
        assert noted("deed:1") == 1

    def test_is_not_repeated_where_another_server_answers(self, proxy: Proxy) -> None:
        number = in_unit_of_work(lambda: db.session.execute(text(commits.NUMBER)).scalar_one() or "1")

        with pytest.raises(OutcomeUnknown):
            commits.was_committed(db.engine, Mark(number, "0000FFFF"))


class TestFarewellAtCommit:
    @pytest.mark.parametrize("sqlstate", [ADMIN_SHUTDOWN, CRASH_SHUTDOWN])
    @pytest.mark.parametrize(("loss", "tries"), [(LOSE_REPLY, 1), (LOSE_REQUEST, 2)])
    def test_is_no_answer_and_it_is_done_once(self, proxy: Proxy, loss: str, tries: int, sqlstate: str) -> None:
        with told_at_the_end() as told:
            proxy.faults.append(with_farewell(loss, sqlstate))

            assert note("deed:1") == f"tried {tries} times"

        assert noted("deed:1") == 1
        assert told == [sqlstate]

    @pytest.mark.parametrize("asks_the_clock", [True, False])
    def test_of_the_server_itself_has_it_done_again(self, app: Flask, asks_the_clock: bool) -> None:
        address = db.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
        ended: list[int] = []

        def end(connection: Connection) -> None:
            if not ended:
                driver: Any = connection.connection.driver_connection
                ended.append(driver.info.backend_pid)
                with psycopg.connect(address) as other:
                    other.execute("SELECT pg_terminate_backend(%s, 5000)", ended)

        db.session.rollback()
        with told_at_the_end() as told:
            event.listen(db.engine, "commit", end)
            try:
                assert note("deed:1", asks_the_clock=asks_the_clock) == "tried 2 times"
            finally:
                event.remove(db.engine, "commit", end)

        assert noted("deed:1") == 1
        assert told in (["57P01"], [None])


class TestRefusedAtCommit:
    @pytest.mark.parametrize("sqlstate", [SERIALIZATION, DEADLOCK, UNIQUE])
    def test_is_repeated_as_a_whole(self, proxy: Proxy, sqlstate: str) -> None:
        proxy.faults.extend([sqlstate] * RETRIES)

        assert note("deed:1") == f"tried {RETRIES + 1} times"
        assert noted("deed:1") == 1

    def test_is_given_up_after_five_repetitions(self, proxy: Proxy) -> None:
        proxy.faults.extend([SERIALIZATION] * (RETRIES + 1))

        with pytest.raises(DBAPIError):
            note("deed:1")
        assert noted("deed:1") == 0

    def test_is_not_repeated_for_a_fault_that_no_repetition_mends(self, proxy: Proxy) -> None:
        proxy.faults.append("23514")

        with pytest.raises(DBAPIError):
            note("deed:1")
        assert noted("deed:1") == 0
        assert proxy.happened == 1


class TestConnection:
    def test_that_the_server_closed_is_not_used(self, app: Flask) -> None:
        mine = db.session.execute(select(func.pg_backend_pid())).scalar_one()
        db.session.remove()

        with psycopg.connect(db.engine.url.set(drivername="postgresql").render_as_string(False)) as other:
            other.execute("SELECT pg_terminate_backend(%s, 1000)", (mine,))

        assert db.session.execute(select(func.pg_backend_pid())).scalar_one() != mine
