"""How does a browser get a file to save?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain

from flask import Response, stream_with_context


def csv_answer(text: str | Iterator[str], name: str) -> Response:
    """A CSV file (see ``exchange.exports``) under the name; in pieces, as they are written, when it comes so."""
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(text if isinstance(text, str) else _streamed(text), mimetype="text/csv", headers=headers)


def _streamed(pieces: Iterator[str]) -> Iterable[str]:
    """The first piece is written before the answer begins: what goes wrong until then is told as on any page."""
    first = next(pieces, "")
    return stream_with_context(chain((first,), pieces))


def json_answer(content: bytes, name: str) -> Response:
    """A JSON file, byte for byte as it is signed, under the name."""
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(content, mimetype="application/json", headers=headers)
