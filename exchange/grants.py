"""What may the role that the program runs as do in the database?

One role owns the schema and migrates it, another one runs the program: it reads and writes, and where the journal and
its like are append-only it is granted no UPDATE, DELETE or TRUNCATE at all. Which tables those are is asked of the
database itself: each carries a trigger that refuses. PostgreSQL only. A partition is reached through its table, and
nothing is granted on it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from psycopg import sql
from sqlalchemy import Connection, text

_TABLES: Final = text(
    """
    SELECT c.relname, EXISTS (
        SELECT 1 FROM pg_trigger t WHERE t.tgrelid = c.oid AND t.tgname = c.relname || '_append_only'
    )
    FROM pg_class c
    WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
    ORDER BY c.relname
    """
)
_MIGRATED: Final = "alembic_version"


def grant(connection: Connection, role: str) -> list[str]:
    """Give ``role`` in the present schema what the program needs, and take what it has beyond that; the statements.

    Run by the owner after each migration; twice is once.
    """
    tables = {name: bool(is_append_only) for name, is_append_only in connection.execute(_TABLES)}
    schema, database = connection.execute(text("SELECT current_schema(), current_database()")).one()
    said = []
    cursor = connection.connection.cursor()
    for statement in _statements(tables, schema=schema, database=database, role=role):
        cursor.execute(statement)
        said.append(statement.as_string(None))
    return said


def _statements(tables: dict[str, bool], *, schema: str, database: str, role: str) -> Iterator[sql.Composed]:
    names = {"schema": sql.Identifier(schema), "database": sql.Identifier(database), "role": sql.Identifier(role)}
    changing = [name for name, is_append_only in tables.items() if not is_append_only and name != _MIGRATED]
    for words in (
        "REVOKE ALL ON ALL TABLES IN SCHEMA {schema} FROM {role}",
        "REVOKE CREATE ON SCHEMA {schema} FROM {role}",
        "GRANT CONNECT, TEMPORARY ON DATABASE {database} TO {role}",
        "GRANT USAGE ON SCHEMA {schema} TO {role}",
        "GRANT USAGE ON ALL SEQUENCES IN SCHEMA {schema} TO {role}",
    ):
        yield sql.SQL(words).format(**names)
    for words, among in (
        ("GRANT SELECT ON {tables} TO {role}", list(tables)),
        ("GRANT INSERT ON {tables} TO {role}", [name for name in tables if name != _MIGRATED]),
        ("GRANT UPDATE, DELETE ON {tables} TO {role}", changing),
    ):
        listed = sql.SQL(", ").join(sql.Identifier(schema, name) for name in among)
        yield sql.SQL(words).format(tables=listed, **names)
