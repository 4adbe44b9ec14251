"""How are the migrations run?  All that are missing in one transaction, on either engine.

A program's schema on PostgreSQL is the first one of the connection's search_path: nothing here names a schema.
"""

from alembic import context
from flask import current_app

from exchange.database import Base, writing


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
    engine = current_app.extensions["migrate"].db.engine
    with writing(), engine.begin() as connection:
        context.configure(connection=connection, **options())
        with context.begin_transaction():
            context.run_migrations()


if context.is_offline_mode():
    run_offline()
else:
    run_online()
