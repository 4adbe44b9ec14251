"""Do the migrations make exactly what the models say, in one line, and the same on every machine?"""

from __future__ import annotations

import re
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from flask import Flask
from sqlalchemy import CheckConstraint, Dialect, inspect
from sqlalchemy.types import TypeEngine

from exchange.database import Base, db
from tests.support.source import PACKAGES, ROOT, below, modules

VERSIONS = [module for module in modules() if below(module.path, ("migrations/versions",))]


class TestMigrations:
    def test_have_one_head_and_the_file_head_names_it(self) -> None:
        heads = ScriptDirectory(str(ROOT / "migrations")).get_heads()

        assert heads == [(ROOT / "migrations" / "HEAD").read_text(encoding="utf-8").strip()]

    def test_are_named_by_their_number_and_what_they_do(self) -> None:
        for module in VERSIONS:
            assert re.fullmatch(r"migrations/versions/[0-9]{4}_[a-z0-9_]+\.py", module.path)

    def test_import_nothing_that_may_change_under_them(self) -> None:
        found = [
            f"{module.where(node)}: {imported}"
            for module in VERSIONS
            for imported, node in module.imports()
            if imported.split(".")[0] in {*PACKAGES, "app", "demo", "random", "uuid", "secrets"}
        ]

        assert found == []

    def test_read_no_clock(self) -> None:
        found = [
            module.where(call)
            for module in VERSIONS
            for name, call in module.calls()
            if name.endswith((".now", ".utcnow", ".today", "time.time"))
        ]

        assert found == []

    def test_make_the_tables_columns_and_indexes_of_the_models(self, app: Flask) -> None:
        with db.engine.connect() as connection:
            engine = connection.dialect.name

            def is_of_it(constraint: Any, _name: str | None, _kind: str, _reflected: bool, _other: object) -> bool:
                return bool(getattr(constraint, "info", {}).get("only_on", engine) == engine)

            context = MigrationContext.configure(connection, opts={"compare_type": False, "include_object": is_of_it})

            assert compare_metadata(context, Base.metadata) == []

    def test_make_columns_of_the_models_types(self, app: Flask) -> None:
        """Compared as the engine spells them: Alembic's own comparison does not know our types on SQLite."""
        found = inspect(db.engine)
        dialect = db.engine.dialect

        for table in Base.metadata.sorted_tables:
            wanted = {column.name: spelled(column.type, dialect) for column in table.columns}
            made = {column["name"]: spelled(column["type"], dialect) for column in found.get_columns(table.name)}
            assert made == wanted, table.name

    def test_make_the_checks_of_the_models(self, app: Flask) -> None:
        found = inspect(db.engine)

        for table in Base.metadata.sorted_tables:
            wanted = {str(check.name) for check in table.constraints if isinstance(check, CheckConstraint)}
            assert {str(check["name"]) for check in found.get_check_constraints(table.name)} == wanted, table.name

    def test_make_strict_tables_on_the_embedded_engine(self, app: Flask, engine_name: str) -> None:
        if engine_name != "sqlite":
            pytest.skip("PostgreSQL's tables are always strict")
        with db.engine.connect() as connection:
            tables = connection.exec_driver_sql("PRAGMA table_list").mappings().all()

        loose = [row["name"] for row in tables if row["type"] == "table" and not row["strict"]]
        assert [name for name in loose if not name.startswith(("sqlite_", "alembic_"))] == []


def spelled(column_type: TypeEngine[Any], dialect: Dialect) -> str:
    """The type as the engine writes it; PostgreSQL's VARCHAR without a length is its TEXT."""
    words = column_type.compile(dialect)
    return "TEXT" if words == "VARCHAR" else words
