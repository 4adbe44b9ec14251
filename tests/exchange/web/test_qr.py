"""Does a QR code say what it should, to scanners and to screen readers?"""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

import segno

from exchange.web.qr import QUIET_ZONE, qr_svg

SVG = "{http://www.w3.org/2000/svg}"


def drawn(svg: str) -> list[list[int]]:
    """The dark modules that the picture's path fills, as a square of 0 and 1."""
    root = ET.fromstring(svg)  # noqa: S314 - our own text
    side = int(root.attrib["viewBox"].split()[-1])
    square = [[0] * side for _ in range(side)]
    path = root.findall(f"{SVG}path")[1].attrib["d"]
    for x, y, width in re.findall(r"M(\d+) (\d+)h(\d+)v1h-\d+z", path):
        for at in range(int(x), int(x) + int(width)):
            square[int(y)][at] = 1
    return square


class TestQrSvg:
    def test_draws_every_module_and_the_quiet_zone(self) -> None:
        text = "PB-7K2M-9QXA-0"

        square = drawn(qr_svg(text, title="Account number"))

        code = segno.make_qr(text, error="m")
        assert square == [list(row) for row in code.matrix_iter(border=QUIET_ZONE)]
        assert not any(square[0]) and any(square[QUIET_ZONE])

    def test_has_a_name_for_those_who_cannot_see_it(self) -> None:
        root = ET.fromstring(qr_svg("x", title='Number of "A" & <B>'))  # noqa: S314 - our own text

        assert root.attrib["role"] == "img"
        assert root.attrib["aria-label"] == root.find(f"{SVG}title").text == 'Number of "A" & <B>'  # type: ignore[union-attr]

    def test_asks_nothing_that_a_content_security_policy_forbids(self) -> None:
        svg = qr_svg("https://example.org/a", title="x")

        assert not re.search(r"style|script|href|url\(|\bon\w+=", svg)
