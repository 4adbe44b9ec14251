"""How does an operation say no?

A ``Refusal`` is an expected no: it has a stable code, a sentence that the person who asked can
read, and it changes nothing. A broken assumption is not a refusal but an assertion.
"""

from __future__ import annotations

from typing import Any

from flask_babel import LazyString


class Refusal(Exception):
    """An expected no. Subclasses stand beside the operation that raises them.

    ``code`` is stable and machine-readable (``window_closed``); ``sentence`` is for the reader and
    may be a lazily translated string; ``status`` is the HTTP status that a page or the API answers.
    ``details`` are plain values for the API (never personal data of somebody else). ``retry_after``: in how many
    seconds it may go otherwise, where that is known.
    """

    code = "refused"
    status = 422
    retry_after: int | None = None

    def __init__(self, sentence: str | LazyString, **details: Any) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.details = details

    def __str__(self) -> str:
        return str(self.sentence)


class NotFound(Refusal):
    """There is no such thing, or it is not the asker's to see: the two read the same."""

    code = "not_found"
    status = 404


class NotAllowed(Refusal):
    """The asker is known and may not do this."""

    code = "not_allowed"
    status = 403
