"""What is written down about the running of the program, and what never is?

One line for each event on standard error. A request leaves its id, its endpoint (never its address, which may hold an
account number or a key), status, duration and for whom its page is. An error leaves its class and the place where
it happened, never its words: a database's error quotes the row. Nobody's name, address or number stands in a log.
"""

from __future__ import annotations

import logging
import sys
import time
import traceback
from collections.abc import MutableMapping
from contextlib import suppress
from typing import Any, TextIO

import structlog
from flask import Flask, Response, current_app, g, has_request_context, request

from exchange.web import requests_seen
from exchange.web.audiences import audience_of

_UNKNOWN = "none"  # the endpoint of an address that leads nowhere
_AFTER_LEVEL = 2  # those of the processors below that a library's line goes through: time, line breaks, style
_log = structlog.get_logger(__name__)


def init_app(app: Flask) -> None:
    """Note each request: before all other guards, after all other additions to the answer."""
    if not app.config["TESTING"]:
        begin(str(app.config["LOG_FORMAT"]))
    app.logger.addFilter(_without_addresses)
    app.before_request_funcs.setdefault(None, []).insert(0, _start)
    app.after_request_funcs.setdefault(None, []).insert(0, _note)  # these run from last to first


def begin(style: str, *, stream: TextIO | None = None) -> None:
    """Let every line of this process be JSON (``json``) or text for people, on standard error."""
    out: Any = _Spared(stream or sys.stderr)
    is_json = style == "json"
    shown: Any = (
        structlog.processors.JSONRenderer(sort_keys=False) if is_json else structlog.dev.ConsoleRenderer(colors=False)
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _one_line,
            shown,
        ],
        logger_factory=structlog.WriteLoggerFactory(out),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(out)
    handler.setFormatter(_Plain())
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)


class _Spared:
    """A stream whose disk may be full and whose reader may be gone: the line is lost, the work it tells of is not."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> None:
        """Write, or do without."""
        with suppress(OSError):
            self._stream.write(text)

    def flush(self) -> None:
        """Let it be seen, or do without."""
        with suppress(OSError):
            self._stream.flush()


class _Plain(logging.Formatter):
    """What libraries say, as the program's own lines look."""

    def format(self, record: logging.LogRecord) -> str:
        """One line. A library's words are kept, an error's are not."""
        event: Any = {
            "logger": record.name,
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            **structlog.contextvars.get_contextvars(),
        }
        if record.exc_info and record.exc_info[1] is not None:
            event.update(told(record.exc_info[1]))
        for processor in structlog.get_config()["processors"][_AFTER_LEVEL:]:
            event = processor(None, "", event)
        return str(event)


def told(error: BaseException) -> dict[str, str]:
    """What may be said of an error: its class, and where it happened."""
    return {"error": type(error).__name__, "trace": "".join(traceback.format_tb(error.__traceback__))}


def _one_line(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Nobody writes a line of his own by a line break in what he sends."""
    name = event.get("event")
    if isinstance(name, str) and not name.isprintable():
        event["event"] = "".join(letter if letter.isprintable() else " " for letter in name)
    return event


def _without_addresses(record: logging.LogRecord) -> bool:
    """Flask names the address at which an error happened: the endpoint is enough."""
    if has_request_context() and record.exc_info:
        record.msg, record.args = f"error at {request.endpoint or _UNKNOWN}", ()
    return True


def _start() -> None:
    g.began = time.perf_counter()


def _note(response: Response) -> Response:
    if request.endpoint == "static":
        return response
    seconds = time.perf_counter() - g.get("began", time.perf_counter())
    endpoint = request.endpoint or _UNKNOWN
    requests_seen.count(endpoint, request.method, response.status_code, seconds)
    if structlog.is_configured():
        _log.info(
            "request",
            endpoint=endpoint,
            method=request.method,
            status=response.status_code,
            ms=round(seconds * 1000, 1),
            audience=audience_of(current_app, request.endpoint) or _UNKNOWN,
        )
    return response
