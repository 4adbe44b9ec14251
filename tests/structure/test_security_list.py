"""Does each point of the list of security name who holds it: a test that is there, the operator, or nobody yet?"""

from __future__ import annotations

import re

from tests.support.source import ROOT

POINTS = 65
ROWS = re.findall(
    r"^\| (\d+)(?:–(\d+))? \|(.*)\|(.*)\|$",
    ROOT.joinpath("docs", "security.md").read_text(encoding="utf-8"),
    re.MULTILINE,
)


class TestPoint:
    def test_is_there_each_once(self) -> None:
        numbers = [number for first, last, *_ in ROWS for number in range(int(first), int(last or first) + 1)]

        assert numbers == list(range(1, POINTS + 1))

    def test_names_files_that_are_there(self) -> None:
        named = {path for *_, held_by in ROWS for path in re.findall(r"`((?:tests|docs|deploy)/[^`*]+)`", held_by)}

        assert len(named) > 30
        assert sorted(path for path in named if not ROOT.joinpath(path).is_file()) == []
