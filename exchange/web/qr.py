"""What does a text look like as a QR code on a page or a printed card?

An inline SVG of one path: no request, no script, no style attribute, so the strictest content
security policy lets it through, and it prints sharp at any size.
"""

from __future__ import annotations

import segno
from markupsafe import Markup, escape

QUIET_ZONE = 4  # modules of white around the code, without which scanners fail (ISO/IEC 18004)


def qr_svg(text: str, *, title: str) -> Markup:
    """The code for ``text``; ``title`` is what a screen reader says instead.

    The size is the page's to set (class ``qr-code``). White is drawn too, so it works on dark pages.
    """
    code = segno.make_qr(text, error="m")
    rows = [list(row) for row in code.matrix_iter(border=QUIET_ZONE)]
    side = len(rows)
    name = escape(title)
    return Markup(  # noqa: S704 - the title is escaped, the rest is whole numbers
        f'<svg class="qr-code" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {side} {side}" role="img"'
        f' aria-label="{name}" shape-rendering="crispEdges"><title>{name}</title>'
        f'<path fill="#fff" d="M0 0h{side}v{side}H0z"/><path fill="#000" d="{_path(rows)}"/></svg>'
    )


def _path(rows: list[list[int]]) -> str:
    """One rectangle for each run of dark modules."""
    pieces: list[str] = []
    for y, row in enumerate(rows):
        x = 0
        while x < len(row):
            if not row[x]:
                x += 1
                continue
            start = x
            while x < len(row) and row[x]:
                x += 1
            pieces.append(f"M{start} {y}h{x - start}v1h-{x - start}z")
    return "".join(pieces)
