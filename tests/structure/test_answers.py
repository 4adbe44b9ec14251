"""Does every file and every answer to a program hold what its reader needs, and nothing besides?

What each holds is recorded in ``answers.yaml``: the keys of JSON, the headings of CSV. Whoever adds one writes it down
there, where a reviewer sees for whom it is.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from flask import Flask
from werkzeug.routing import Rule
from werkzeug.test import TestResponse

from exchange.identity.actors import Audience
from tests.support.small_town import OWNERS, Guest, ask, audience_with_key, owners_of, settle

RECORDED: Final = Path(__file__).with_name("answers.yaml")
# The program's own description of itself, which another test reads.
DESCRIPTION: Final = "/api/openapi.json"
# Tried where a number is nobody's in particular, until one of them is answered.
FIRST_NUMBERS: Final = range(1, 40)

pytestmark = [pytest.mark.slow, pytest.mark.parametrize("engine_name", ["sqlite"])]


def keys_of(value: Any, path: str = "") -> Iterator[str]:
    """Where each value of a JSON document stands: ``lines[].amount``."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from keys_of(inner, f"{path}.{key}" if path else key)
    elif isinstance(value, list) and value:
        for inner in value:
            yield from keys_of(inner, f"{path}[]")
    else:
        yield path


def held(answer: TestResponse) -> list[str] | None:
    """What an answer holds; None for a page, and for text whose form a standard gives."""
    if answer.status_code != 200:
        return None
    if answer.mimetype == "application/json":
        return sorted(set(keys_of(json.loads(answer.text))))
    if answer.mimetype == "text/csv":
        return next(csv.reader(io.StringIO(answer.text.removeprefix("\ufeff"))))
    return None


def answers(app: Flask, rule: Rule, audience: Audience, guest: Guest) -> Iterator[TestResponse]:
    """What the address answers for things of the guest's own, or for whatever there is."""
    if not rule.arguments:
        yield ask(app, guest, rule, {})
    for name in rule.arguments if len(rule.arguments) == 1 else ():
        known = OWNERS.get(audience, {})
        own = (
            [id_ for id_, owners in owners_of(audience, name).items() if guest.owner in owners] if name in known else []
        )
        yield from (ask(app, guest, rule, {name: id_}) for id_ in own or FIRST_NUMBERS)


def is_recorded(key: str, recorded: list[str]) -> bool:
    """Whether a key stands there; or keys below it, where it happens to be empty in this town."""
    return any(known == key or known.startswith((f"{key}.", f"{key}[")) for known in recorded)


class TestAnswer:
    def test_holds_what_is_recorded_and_nothing_besides(self, app: Flask, tmp_path: Path) -> None:
        recorded = yaml.safe_load(RECORDED.read_text(encoding="utf-8"))
        found: dict[str, list[str]] = {}
        with app.test_request_context():
            guests = settle(app, tmp_path)
            for rule in app.url_map.iter_rules():
                audience = audience_with_key(app, rule)
                if "GET" not in (rule.methods or ()) or rule.endpoint == "static" or rule.rule == DESCRIPTION:
                    continue
                for answer in answers(app, rule, audience, guests[audience]):
                    if (keys := held(answer)) is not None:
                        found[f"{rule.rule} ({audience})"] = keys
                        break

        besides = [
            f"{address}: {key}"
            for address, keys in found.items()
            for key in keys
            if not is_recorded(key, recorded.get(address, []))
        ]
        assert len(found) > 15
        assert besides == []

    def test_that_is_recorded_is_there(self, app: Flask) -> None:
        addresses = {f"{rule.rule} ({audience_with_key(app, rule)})" for rule in app.url_map.iter_rules()}

        assert yaml.safe_load(RECORDED.read_text(encoding="utf-8")).keys() <= addresses
