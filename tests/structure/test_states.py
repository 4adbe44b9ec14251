"""Do the diagrams of docs/states show the tables that the code goes by?"""

from __future__ import annotations

import pytest

from tools import state_diagrams


class TestDiagram:
    def test_is_drawn_from_its_table(self) -> None:
        wanted = dict(state_diagrams.diagrams())

        stale = [
            path.name
            for path in wanted.keys() | set(state_diagrams.FOLDER.glob("*.md"))
            if not path.exists() or wanted.get(path) != path.read_text(encoding="utf-8")
        ]

        assert stale == [], "run: make diagrams"


class TestTable:
    @pytest.mark.parametrize(("module", "table"), list(state_diagrams.tables()))
    def test_names_every_state(self, module: str, table: state_diagrams.Table) -> None:
        assert set(table) == set(type(next(iter(table)))), module
