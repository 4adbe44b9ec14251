"""Whom did the log of this test name, and which secret did it tell?

Every test of the application is watched: what its process logs meanwhile is searched for the people whom its
database holds, and for the passwords, codes and keys that its requests brought.
"""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import structlog
from flask import Flask, request, request_finished
from sqlalchemy import select

from exchange.database import Base, db
from exchange.web import log

# Of a town the first will do: a log that names one of its people names them all.
_MOST: Final = 200
PERSONAL: Final = {
    "worker": ("legal_name", "email", "phone"),
    "benefit_account": ("number",),
    "login": ("name", "email", "password", "fs_uniquifier", "tf_totp_secret"),
    "outgoing_mail": ("recipient", "body"),
}
_SECRET: Final = ("password", "token", "code", "secret")
# Shorter words stand in a log by chance.
_SHORTEST: Final = 6


class Watch:
    """What was logged, and which secrets came in, since it began."""

    def __init__(self) -> None:
        self._stream = io.StringIO()
        self._secrets: set[str] = set()

    def begin(self) -> None:
        """Read all that this process logs from now on, as the operator would."""
        log.begin("json", stream=self._stream)

    def note_secrets(self, *_: object, **__: object) -> None:
        """Remember what the present request holds that nobody else may know; what it did not read is left alone."""
        if "form" in vars(request):
            self._secrets |= {
                value
                for name in request.form
                for value in request.form.getlist(name)
                if any(word in name for word in _SECRET)
            }
        self._secrets |= {request.headers.get("Authorization", "").removeprefix("Bearer ")}

    def told(self) -> list[str]:
        """The lines that name somebody, or tell a secret."""
        lines = self._stream.getvalue().splitlines()
        if not lines:
            return []
        known = {word for word in self._secrets | set(_people()) if len(word) >= _SHORTEST}
        return [line for line in lines if any(word in _said(line) for word in known)]


@contextmanager
def watching(app: Flask) -> Iterator[Watch]:
    """Watch the application for the length of one test."""
    watch, root = Watch(), logging.getLogger()
    handlers, level = root.handlers, root.level
    watch.begin()
    try:
        with request_finished.connected_to(watch.note_secrets, app):
            yield watch
    finally:
        root.handlers, root.level = handlers, level
        structlog.reset_defaults()


def _people() -> Iterator[str]:
    for table, columns in PERSONAL.items():
        for column in (Base.metadata.tables[table].c[name] for name in columns):
            yield from db.session.execute(select(column).where(column.is_not(None)).limit(_MOST)).scalars()


def _said(line: str) -> str:
    event: dict[str, Any] = json.loads(line)
    event.pop("request_id", None)  # drawn by lot
    return json.dumps(event, ensure_ascii=False)
