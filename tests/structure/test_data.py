"""Is every column of every table classed, with who sees it and how long it is kept?"""

from __future__ import annotations

import re

import pytest
from flask import Flask

from exchange.database import Base
from exchange.identity.actors import Audience
from tests.support import log_watch
from tests.support.source import ROOT

CLASSES = {"public", "business", "personal", "sensitive", "secret"}
READERS = {*Audience, "everybody", "nobody"} - {Audience.PUBLIC, Audience.SYSTEM}
ROWS = re.findall(
    r"^\| `(\w+)` \| (\w+) \| (.*?) \| (.*?) \| (.*?) \|$",
    ROOT.joinpath("docs", "data.md").read_text(encoding="utf-8"),
    re.MULTILINE,
)


def listed() -> list[tuple[str, str, str]]:
    """Each column that the page lists: table, name, class."""
    return [
        (table, column, class_) for table, class_, columns, *_ in ROWS for column in re.findall(r"`(\w+)`", columns)
    ]


@pytest.mark.parametrize("engine_name", ["sqlite"])
class TestColumn:
    def test_is_listed_once_and_there(self, app: Flask) -> None:
        there = [(table.name, column.name) for table in Base.metadata.tables.values() for column in table.columns]

        assert len(there) > 500
        assert sorted((table, column) for table, column, _ in listed()) == sorted(there)

    def test_that_names_somebody_is_classed_so(self, app: Flask) -> None:
        classes = {(table, column): class_ for table, column, class_ in listed()}
        named = [(table, column) for table, columns in log_watch.PERSONAL.items() for column in columns]

        assert len(named) > 10
        assert [one for one in named if classes[one] not in {"personal", "sensitive", "secret"}] == []

    def test_of_everybody_is_public_and_a_secret_nobodys(self, app: Flask) -> None:
        wrong = []
        for table, class_, _, who, how_long in ROWS:
            readers = set(who.split(", "))
            fits = class_ != "secret" or readers == {"nobody"}
            fits &= class_ not in {"personal", "sensitive"} or "everybody" not in readers
            fits &= class_ != "public" or readers == {"everybody"}
            if class_ not in CLASSES or not readers <= READERS or not how_long or not fits:
                wrong.append((table, class_, who))

        assert wrong == []
