"""Does every page stand under an audience, whose guard it inherits?"""

from __future__ import annotations

import pytest
from flask import Flask

from exchange.web import audiences

# What is no page: files, the API (its own keys), and its description.
OWN_GUARD = ("static", "api", "security")

pytestmark = pytest.mark.parametrize("engine_name", ["sqlite"])


class TestPage:
    def test_stands_under_an_audience(self, app: Flask) -> None:
        outside = [
            f"{rule.rule} ({rule.endpoint})"
            for rule in app.url_map.iter_rules()
            if not rule.endpoint.startswith(OWN_GUARD) and audiences.audience_of(app, rule.endpoint) is None
        ]

        assert outside == []
