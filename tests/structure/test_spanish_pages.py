"""Is no sentence left in English on the pages of who reads Spanish, whoever he is?"""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
from flask import Flask

from exchange.identity.actors import Audience
from exchange.web.audiences import audience_of
from tests.structure import test_access_matrix as matrix
from tests.support import spanish
from tests.support.signing_in import make_login, sign_in

ENGLISH = re.compile(
    r"\b(?:the|of|and|is|are|with|for|you|your|by|this|that|from|which|when|not|nothing|yet)\b", re.IGNORECASE
)
SHOWN = {"alt", "aria-label", "placeholder", "title"}
CODE = {"script", "style", "code", "pre"}
ON_ITS_OWN = re.compile(r"^/(?:api|\.well-known|static|health|demo)\b|\.(?:csv|json|py|svg|txt)$")

pytestmark = pytest.mark.parametrize("engine_name", ["sqlite"])


class Words(HTMLParser):
    """What a page says: its texts, and the attributes that are read out."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []
        self._within_code = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._within_code += tag in CODE
        self.said += [value for name, value in attrs if name in SHOWN and value]

    def handle_endtag(self, tag: str) -> None:
        self._within_code -= tag in CODE

    def handle_data(self, data: str) -> None:
        if not self._within_code:
            self.said.append(" ".join(data.split()))


class TestPages:
    @pytest.mark.parametrize("audience", matrix.PRINCIPALS)
    def test_say_nothing_in_english_to_who_reads_spanish(self, app: Flask, audience: Audience) -> None:
        client = spanish.teach(app).test_client()
        if audience is not Audience.PUBLIC:
            sign_in(client, make_login(audience, name="Ana Vidal"))
        seen, left = 0, set()
        for route in matrix.routes(app):
            if route.method != "GET" or audience_of(app, route.endpoint) is not audience:
                continue
            answer = client.get(route.address, headers=spanish.ASKED)
            if (
                ON_ITS_OWN.search(route.address)
                or answer.mimetype != "text/html"
                or answer.status_code in {301, 302, 303}
            ):
                continue
            seen += 1
            words = Words()
            words.feed(answer.text)
            left |= {f"{route.address}: {one}" for one in words.said if ENGLISH.search(one)}

        assert seen > 3
        assert sorted(left) == []
