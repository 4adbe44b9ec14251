"""Can this process do its work now?

It lives (nothing is asked); and it is ready: the database answers, is migrated as far as the code needs, and the clocks
agree so far that anything is written. Whether a scheduler leads is told beside: pages are served without one.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Final

from flask import current_app
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from exchange import clock, settings
from exchange.database import db, is_sqlite
from exchange.scheduler import lease

_VERSION: Final = text("SELECT version_num FROM alembic_version")
_SCHEMA: Final = text("SELECT current_schema()")
_IS_MADE: Final = text("SELECT count(*) FROM pg_namespace WHERE nspname = :schema")
_UNGRANTED: Final = text(
    """
    SELECT EXISTS (
        SELECT 1 FROM pg_class
        WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition
            AND NOT has_table_privilege(oid, 'SELECT')
    )
    """
)
# What a table, a column or a schema that is not there is called by PostgreSQL; SQLite has words alone.
_MISSING: Final = frozenset({"42P01", "42703", "3F000"})
_FORBIDDEN: Final = "42501"


@dataclass(frozen=True, slots=True)
class Readiness:
    """What is wrong, in words for the operator (empty is good), and whether a scheduler leads (None: nobody knows)."""

    troubles: tuple[str, ...]
    scheduler_leads: bool | None = None

    @property
    def is_ready(self) -> bool:
        """Whether requests may be sent here."""
        return not self.troubles


def readiness() -> Readiness:
    """Ask the database. Nothing is written, and no error is raised."""
    try:
        if elsewhere := _elsewhere():
            return Readiness(elsewhere)
        version = db.session.execute(_VERSION).scalar_one_or_none() or ""
        troubles = [*_behind(version), *_apart(clock.seconds_that_forbid_writing())]
        return Readiness(tuple(troubles), lease.is_held())
    except (DBAPIError, PoolTimeout) as error:
        why = unprepared(error) or f"the database does not answer as it should: {type(error).__name__}"
        return Readiness((why,))
    finally:
        db.session.rollback()


def lacks_grants() -> str | None:
    """What to type where the program's role may not read each table, as after an upgrade without ``flask grants``.

    Not asked for readiness: between the two the code before the upgrade goes on serving.
    """
    return _not_granted() if not is_sqlite() and db.session.execute(_UNGRANTED).scalar_one() else None


def unprepared(error: Exception) -> str | None:
    """What the operator has forgotten, where that is why the database refuses; None where it is something else."""
    told = getattr(error, "orig", None)
    state = getattr(told, "sqlstate", None)
    if state in _MISSING or str(told).startswith(("no such table", "no such column")):
        return _not_migrated()
    return _not_granted() if state == _FORBIDDEN else None


def _not_migrated() -> str:
    then = "" if is_sqlite() else ", then flask grants with the name of the program's role"
    return f"the database is not migrated for this program; as its owner, type flask db upgrade{then}"


def _not_granted() -> str:
    deed = "its owner types flask db upgrade, then flask grants with the name of the program's role"
    return f"the role that DATABASE_URL names may not do in the database what it must: {deed}"


def _elsewhere() -> tuple[str, ...]:
    # Behind a pooler the role says which schema it is, and the role may have been made for another program.
    wanted = current_app.config["PROGRAM_SCHEMA"]
    if not wanted or is_sqlite() or (present := db.session.execute(_SCHEMA).scalar_one()) == wanted:
        return ()
    if present is None:
        is_made = db.session.execute(_IS_MADE, {"schema": wanted}).scalar_one()
        return (_not_granted() if is_made else _not_migrated(),)
    return (f"the first schema on the search path is {present}, PROGRAM_SCHEMA says {wanted}",)


def _behind(version: str) -> list[str]:
    # One that is ahead serves: each migration works with the code before it.
    if version >= _head():
        return []
    return [f"the database is migrated to {version or 'nothing'}, the program needs {_head()}"]


def _apart(seconds: float) -> list[str]:
    if seconds <= clock.AGREE_WITHIN_SECONDS:
        return []
    return [f"the clocks of database and machine are {seconds:.0f} s apart: nothing is written"]


@cache
def _head() -> str:
    return settings.ROOT.joinpath("migrations", "HEAD").read_text(encoding="utf-8").strip()
