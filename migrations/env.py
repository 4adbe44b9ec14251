"""How are the migrations run?  All that are missing in one transaction, on either engine.

A program's schema on PostgreSQL is the first one of the connection's search_path: nothing here names a schema,
but PROGRAM_SCHEMA is made when it is not there. While the program serves, a migration must not queue in front of
everybody: it waits a moment for a lock, gives up, and tries again as a whole.
"""

import random
import time

from alembic import context
from flask import current_app
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.schema import CreateSchema

from exchange.database import Base, writing

TRIES = 20
LOCK_NOT_AVAILABLE = "55P03"
LIMITS = (
    text("SET LOCAL lock_timeout = '2s'"),
    text("SET LOCAL statement_timeout = 0"),
    text("SET LOCAL idle_in_transaction_session_timeout = 0"),
)
# Two hosts that are upgraded at once take turns; each program of a database has a turn of its own.
TURN = text("SELECT pg_advisory_xact_lock(hashtextextended(coalesce(current_schema(), ''), 3181))")


def options():
    return {
        "target_metadata": Base.metadata,
        "transactional_ddl": True,
        # Types are compared by the tests, which know what SQLite calls them.
        **current_app.extensions["migrate"].configure_args,
    }


def run_offline():
    url = current_app.config["SQLALCHEMY_DATABASE_URI"]
    context.configure(url=url, literal_binds=True, **options())
    with context.begin_transaction():
        context.run_migrations()


def run_online():
    for left in reversed(range(TRIES)):
        try:
            run_once()
        except DBAPIError as error:
            if left == 0 or getattr(error.orig, "sqlstate", None) != LOCK_NOT_AVAILABLE:
                raise
            time.sleep(random.uniform(0.5, 2))  # noqa: S311 - jitter, not a secret
        else:
            return


def run_once():
    engine = current_app.extensions["migrate"].db.engine
    with writing(), engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            prepare(connection)
        context.configure(connection=connection, **options())
        with context.begin_transaction():
            context.run_migrations()


def prepare(connection):
    for limit in LIMITS:
        connection.execute(limit)
    connection.execute(TURN)
    schema = current_app.config.get("PROGRAM_SCHEMA")
    if schema:
        # Where it is there already nobody needs the right to make one.
        if not connection.dialect.has_schema(connection, schema):
            connection.execute(CreateSchema(schema, if_not_exists=True))
        # Behind a pooler nothing was said at connect: the tables must not come to stand elsewhere.
        connection.execute(text("SELECT set_config('search_path', :schema, true)"), {"schema": schema})


if context.is_offline_mode():
    run_offline()
else:
    run_online()
