"""Do two programs share a database without seeing each other, and can the program's own role change the journal?"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest
from flask import Flask
from flask_migrate import upgrade
from psycopg import sql
from sqlalchemy import event, select, text
from sqlalchemy.engine import make_url

from exchange import grants, health
from exchange.database import db
from exchange.identity.organizations import Organization
from exchange.ledger import invariants
from exchange.scheduler import lease
from exchange.settings import ROOT
from tests.support.databases import CONFIG, AppFactory
from tests.support.ledger_makers import Books, balance, entry, post
from tests.support.signing_in import post as send
from tests.support.signing_in import sign_in
from tests.support.worker_makers import Market, login_of

pytestmark = pytest.mark.parametrize("engine_name", ["postgresql"])


def program(app: Flask, create_app: AppFactory, schema: str) -> Flask:
    """Another program in this test's database, migrated."""
    address = app.config["SQLALCHEMY_DATABASE_URI"]
    made = create_app({**CONFIG, "SQLALCHEMY_DATABASE_URI": address, "PROGRAM_SCHEMA": schema})
    made.test_client_class = app.test_client_class
    with made.app_context():
        upgrade(directory=str(ROOT / "migrations"))
        db.engine.dispose()
    return made


@contextmanager
def within(app: Flask) -> Iterator[None]:
    with app.app_context():
        yield
        db.session.remove()
        db.engine.dispose()


class TestTwoPrograms:
    def test_in_one_database_do_not_see_each_other(self, app: Flask, create_app: AppFactory) -> None:
        ohio, iowa = (program(app, create_app, schema) for schema in ("ohio", "iowa"))
        with within(ohio):
            books = Books()
            post(entry("a", (books.money, books.pool, 700)))
            pool = books.pool
            leading = lease.lease_for("ohio")
            token = leading.acquire()
        with within(iowa):
            theirs = Books()
            post(entry("a", (theirs.money, theirs.pool, 5)))

            assert (pool, balance(theirs.pool)) == (theirs.pool, 5)
            assert invariants.broken() == []
            mine = lease.lease_for("iowa")
            assert (token, mine.acquire()) == (1, 1)
            mine.release()
        leading.release()

        assert db.session.execute(select(Organization.id)).all() == []
        versioned = text("SELECT schemaname FROM pg_tables WHERE tablename = 'alembic_version' ORDER BY schemaname")
        assert db.session.execute(versioned).scalars().all() == ["iowa", "ohio", "public"]

    def test_are_made_once_by_two_hosts_that_upgrade_at_once(self, app: Flask, create_app: AppFactory) -> None:
        again = [program(app, create_app, "ohio") for _ in range(2)]

        with within(again[1]):
            assert db.session.execute(text("SELECT current_schema()")).scalar_one() == "ohio"


class TestUnprepared:
    """Whoever follows the handbook and forgets a step is told which."""

    def test_schema_that_is_not_made_is_to_be_migrated(self, app: Flask, create_app: AppFactory) -> None:
        address = app.config["SQLALCHEMY_DATABASE_URI"]
        made = create_app({**CONFIG, "SQLALCHEMY_DATABASE_URI": address, "PROGRAM_SCHEMA": "ohio"})
        with within(made):
            ready = made.test_cli_runner().invoke(args=["ready"])
            asked = made.test_cli_runner().invoke(args=["job", "list"])

        assert (ready.exit_code, "not migrated" in ready.output, "flask db upgrade" in ready.output) == (1, True, True)
        assert (asked.exit_code, "not migrated" in asked.output, "Traceback" in asked.output) == (1, True, False)

    @pytest.mark.parametrize(
        ("taken", "serves"),
        [("USAGE ON SCHEMA ohio", False), ("SELECT ON ohio.alembic_version", False), ("SELECT ON ohio.notice", True)],
    )
    def test_role_that_may_too_little_is_to_be_granted_more(
        self, app: Flask, create_app: AppFactory, taken: str, serves: bool
    ) -> None:
        made, name = program(app, create_app, "ohio"), f"program_{secrets.token_hex(4)}"
        with within(made):
            with db.engine.begin() as connection:
                connection.execute(text(f"CREATE ROLE {name} LOGIN"))
                grants.grant(connection, name)
                connection.execute(text(f"REVOKE {taken} FROM {name}"))
            become = text(f"SET ROLE {name}")
            event.listen(db.engine, "begin", lambda connection: connection.execute(become))
            is_ready = health.readiness().is_ready
            told = made.test_cli_runner().invoke(args=["ready"])
            become = text("RESET ROLE")
            with db.engine.begin() as connection:
                connection.execute(text(f"DROP OWNED BY {name}"))
                connection.execute(text(f"DROP ROLE {name}"))

        assert is_ready is serves
        assert (told.exit_code, "flask grants" in told.output) == (1, True)


class TestPooler:
    """What the program says at connect does not reach the server: the role says it, or forgets to."""

    @pytest.fixture
    def behind_it(self, app: Flask, create_app: AppFactory) -> Flask:
        address = app.config["SQLALCHEMY_DATABASE_URI"]
        wanted = {"SQLALCHEMY_DATABASE_URI": address, "PROGRAM_SCHEMA": "ohio", "SQLALCHEMY_ENGINE_OPTIONS": {}}
        made = create_app({**CONFIG, **wanted})
        made.config["DATABASE_POOLER"] = True
        return made

    def test_does_not_lead_a_migration_astray(self, behind_it: Flask) -> None:
        with within(behind_it):
            upgrade(directory=str(ROOT / "migrations"))

            kept = text("SELECT count(*) FROM pg_tables WHERE schemaname = 'ohio' AND tablename = 'ledger_entry'")
            assert db.session.execute(kept).scalar_one() == 1

    def test_to_another_program_makes_nobody_ready(self, behind_it: Flask) -> None:
        with within(behind_it):
            assert health.readiness().troubles == (
                "the first schema on the search path is public, PROGRAM_SCHEMA says ohio",
            )

    def test_is_nothing_a_scheduler_leads_through(self, behind_it: Flask) -> None:
        with within(behind_it):
            answer = behind_it.test_cli_runner().invoke(args=["scheduler"])

        assert answer.exit_code == 1
        assert "past the pooler" in answer.output


class TestProgramsRole:
    @pytest.fixture
    def role(self, app: Flask) -> Iterator[str]:
        """A role that may do what the command grants, and as which the application connects."""
        name, owner = f"program_{secrets.token_hex(4)}", db.engine.url
        with db.engine.begin() as connection:
            cursor = connection.connection.cursor()
            cursor.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(name)))
            cursor.execute("REVOKE ALL ON SCHEMA public FROM PUBLIC")
            assert grants.grant(connection, name) == grants.grant(connection, name)

        def as_program(_dialect: object, _record: object, _args: object, parameters: dict[str, object]) -> None:
            parameters["user"] = name

        db.session.remove()
        db.engine.dispose()
        event.listen(db.engine, "do_connect", as_program)
        yield name
        event.remove(db.engine, "do_connect", as_program)
        db.session.remove()
        db.engine.dispose()
        address = owner.set(drivername="postgresql").render_as_string(hide_password=False)
        with psycopg.connect(address, autocommit=True) as superuser:
            for words in ("DROP OWNED BY {}", "DROP ROLE {}"):
                superuser.execute(sql.SQL(words).format(sql.Identifier(name)))

    def test_does_all_that_the_program_does(self, app: Flask, role: str) -> None:
        assert db.session.execute(text("SELECT current_user")).scalar_one() == role
        market = Market()
        account = market.worker("Ada Flores")
        market.contribute(account, months=1)
        market.switch(account, 1)
        client = app.test_client()
        sign_in(client, login_of("ada.flores@example.org").id)

        assert client.get("/worker/").status_code == 200
        assert send(client, "/worker/lock", {"lock": "on"}).status_code == 303
        assert client.get("/readyz").status_code == 200
        assert invariants.broken() == []

    def test_cannot_change_the_journal(self, app: Flask, role: str) -> None:
        columns = {"ledger_entry": "id", "ledger_transfer": "seq", "audit_event": "id", "journal_seal": "position"}
        address = make_url(app.config["SQLALCHEMY_DATABASE_URI"]).set(drivername="postgresql", username=role)
        with psycopg.connect(address.render_as_string(hide_password=False), autocommit=True) as connection:
            for table, column in columns.items():
                for words in ("UPDATE {0} SET {1} = 1", "DELETE FROM {0}", "TRUNCATE {0}", "DROP TABLE {0}"):
                    with pytest.raises(psycopg.errors.InsufficientPrivilege):
                        connection.execute(sql.SQL(words).format(sql.Identifier(table), sql.Identifier(column)))
