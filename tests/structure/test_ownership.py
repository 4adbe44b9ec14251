"""Is what belongs to one worker, employer or provider nobody else's, at every address that names it?

The matrix is made from the routes themselves and from a small town of people who have something. An address that takes a
number which nobody has thought of fails. Somebody else's is answered like what does not exist, word for word: who
tries numbers does not even learn which there are.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from urllib.parse import quote

import pytest
from flask import Flask
from werkzeug.routing import Rule
from werkzeug.test import TestResponse

from exchange.identity.actors import Audience
from tests.structure.test_access_matrix import NOTES, statements
from tests.support.small_town import OWNERS, Guest, ask, audience_with_key, owners_of, settle

NOBODYS: Final = 987_654
# How many of somebody else's things are tried at each address.
EACH: Final = 5
WRITING_WORDS: Final = ("INSERT", "UPDATE", "DELETE")
# Numbers that are no secret: everybody may see an offer, and what the law asks.
EVERYBODYS: Final = {("worker_choice.confirm", "version_id"), ("provider_qualification.evidence", "code")}

pytestmark = [pytest.mark.slow, pytest.mark.parametrize("engine_name", ["sqlite"])]


@pytest.fixture
def guests(app: Flask, tmp_path: Path) -> Iterator[dict[Audience, Guest]]:
    """One person of each kind in the town."""
    with app.test_request_context():
        yield settle(app, tmp_path)


@pytest.fixture
def told(guests: dict[Audience, Guest]) -> Iterator[list[str]]:
    """What the database is told from now on."""
    with statements() as told:
        yield told


def rules_with_numbers(app: Flask) -> Iterator[tuple[Audience, Rule, str]]:
    """Every address of a worker, an employer or a provider with what it takes; but for what is everybody's."""
    for rule in app.url_map.iter_rules():
        audience = audience_with_key(app, rule)
        for name in sorted(rule.arguments) if audience in OWNERS else ():
            if (rule.endpoint, name) not in EVERYBODYS:
                yield audience, rule, name


def words(answer: TestResponse) -> str:
    """What an answer says, without its own address and what is drawn anew for each."""
    text = answer.text.replace(answer.request.path, "").replace(quote(answer.request.path, safe=""), "")
    return re.sub(r"[0-9a-f]{16,}|[\w.-]{60,}", "", text)


class TestAddress:
    def test_takes_no_number_that_nobody_thought_of(self, app: Flask) -> None:
        unknown = [
            f"{rule.rule}: {name}" for audience, rule, name in rules_with_numbers(app) if name not in OWNERS[audience]
        ]

        assert unknown == []

    def test_shows_its_owner_what_is_his(self, app: Flask, guests: dict[Audience, Guest]) -> None:
        refused = []
        for audience, rule, name in rules_with_numbers(app):
            own = [id_ for id_, owners in owners_of(audience, name).items() if guests[audience].owner in owners]
            assert own, f"{audience} has no {name}"
            if "GET" in (rule.methods or ()):
                answers = {id_: ask(app, guests[audience], rule, {name: id_}).status_code for id_ in own[:EACH]}
                refused += [
                    f"{rule.rule} {id_}: {status}"
                    for id_, status in answers.items()
                    if status not in {200, 302, 303, 409}
                ]

        assert refused == []

    def test_answers_everybody_else_as_if_there_were_no_such_thing(
        self, app: Flask, guests: dict[Audience, Guest], told: list[str]
    ) -> None:
        wrong = []
        tried = 0
        for audience, rule, name in rules_with_numbers(app):
            guest = guests[audience]
            foreign = [id_ for id_, owners in owners_of(audience, name).items() if guest.owner not in owners]
            assert foreign, f"nobody else has a {name}"
            for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
                nobodys = ask(app, guest, rule, {name: NOBODYS}, method=method)
                for id_ in foreign[:EACH]:
                    told.clear()
                    answer = ask(app, guest, rule, {name: id_}, method=method)
                    tried += 1
                    written = [one for one in told if one.startswith(WRITING_WORDS) and not one.startswith(NOTES)]
                    same = words(answer) == words(nobodys)
                    if answer.status_code != 404 or nobodys.status_code != 404 or not same or written:
                        wrong.append(
                            f"{method} {rule.rule} {id_}: {answer.status_code}, {nobodys.status_code}, {same}, {written}"
                        )

        assert tried > 100
        assert wrong == []
