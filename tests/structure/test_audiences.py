"""Does every page stand under an audience, whose guard it inherits?"""

from __future__ import annotations

import pytest
from flask import Blueprint, Flask
from werkzeug.routing import Rule

from exchange.identity.login.sessions import SignedInBlueprint
from exchange.web.audiences import AudienceBlueprint

# Whose pages answer to another guard than an audience's, and to which.
OTHER_GUARDS = {
    "": "static files are for anybody",
    "language": "a cookie, for anybody",
    "health": "says nothing about anybody; the figures ask for a token: exchange/pages/health.py",
    "violations": "browsers report by themselves; bounded, and changes nothing: exchange/web/violations.py",
    "security": "signing in: Flask-Security's own guards",
    "api_v1": "each request names its token: enrollment/api.py asks before every operation",
    "market_api": "what everybody may see, read-only: providers/api.py",
    "api-docs": "the description of the API is for anybody",
}


@pytest.mark.parametrize("engine_name", ["sqlite"])
class TestPage:
    def test_stands_under_an_audience(self, app: Flask) -> None:
        outside = [
            f"{rule.rule} ({rule.endpoint})"
            for rule in app.url_map.iter_rules()
            if not isinstance(blueprint_of(app, rule), AudienceBlueprint | SignedInBlueprint)
            and rule.endpoint.rpartition(".")[0] not in OTHER_GUARDS
        ]

        assert outside == []


def blueprint_of(app: Flask, rule: Rule) -> Blueprint | None:
    """Where the page behind ``rule`` is registered."""
    found = app.blueprints.get(rule.endpoint.rpartition(".")[0])
    return found if isinstance(found, Blueprint) else None
