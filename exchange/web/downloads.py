"""How does a browser get a file to save?"""

from __future__ import annotations

from flask import Response


def csv_answer(text: str, name: str) -> Response:
    """A CSV file (see ``exchange.exports``) under the name."""
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(text, mimetype="text/csv", headers=headers)


def json_answer(content: bytes, name: str) -> Response:
    """A JSON file, byte for byte as it is signed, under the name."""
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(content, mimetype="application/json", headers=headers)
