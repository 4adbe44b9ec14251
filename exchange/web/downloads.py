"""How does a browser get a file to save?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain

from flask import Response, stream_with_context

from exchange.web import watched


def csv_answer(text: str | Iterator[str], name: str, *, rows: int, about_workers: bool = False) -> Response:
    """A CSV file (see ``exchange.exports``) under the name; in pieces, as they are written, when it comes so.

    That it is taken, with so many ``rows``, stands in the audit log before it leaves; where they are ``about_workers``
    that are not the taker himself they count against his organization's quota.
    """
    # The first piece is written before the answer begins: what goes wrong until then is told as on any page.
    first = None if isinstance(text, str) else next(text, "")
    watched.note_file(rows, about_workers=about_workers)
    body = text if first is None else _streamed(first, text)
    return Response(body, mimetype="text/csv", headers={"Content-Disposition": f'attachment; filename="{name}"'})


def _streamed(first: str, rest: Iterable[str]) -> Iterable[str]:
    return stream_with_context(chain((first,), rest))


def json_answer(content: bytes, name: str) -> Response:
    """A JSON file, byte for byte as it is signed, under the name."""
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(content, mimetype="application/json", headers=headers)
