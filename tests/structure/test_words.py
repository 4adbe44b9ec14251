"""Can a reader tell from a file's name and first sentence what it is for?"""

from __future__ import annotations

import ast
import re
from pathlib import PurePosixPath

from tests.support.source import below, files, modules

WITHOUT_SUBJECT = frozenset({"utils", "util", "helpers", "helper", "common", "misc", "core", "shared", "stuff", "base"})


class TestModule:
    def test_opens_with_the_question_that_it_answers(self) -> None:
        silent = []
        for module in modules():
            is_told_by_its_classes = PurePosixPath(module.path).name.startswith("test_")
            if below(module.path, ("migrations",)) or is_told_by_its_classes or not module.text.strip():
                continue
            words = ast.get_docstring(module.tree) or ""
            first_sentence = re.split(r"(?<=[.!?])(?:\s|$)", " ".join(words.split()), maxsplit=1)[0]
            if not first_sentence.endswith("?"):
                silent.append(f"{module.path}: {first_sentence[:80]}")

        assert silent == []

    def test_has_a_subject(self) -> None:
        vague = [path for path in files() if path.endswith(".py") and PurePosixPath(path).stem in WITHOUT_SUBJECT]

        assert vague == []

    def test_shares_its_name_with_its_tests(self) -> None:
        """A feature is found in three steps: its module, its test of the same name, its templates."""
        homes = {PurePosixPath(path).with_suffix("") for path in files() if path.endswith(".py")}
        lost = [
            path
            for path in files()
            if below(path, ("tests/exchange", "tests/providers", "tests/enrollment"))
            and PurePosixPath(path).name.startswith("test_")
            and not _has_home(PurePosixPath(path), homes)
        ]

        assert lost == []


def _has_home(test: PurePosixPath, homes: set[PurePosixPath]) -> bool:
    if test.stem == "test_in_browser":  # a whole package, looked at
        return True
    folder = PurePosixPath(*test.parts[1:-1])
    words = test.stem.removeprefix("test_").split("_")
    # test_switching_when_killed.py belongs to switching.py, identity/test_sign_in.py to identity/login/sign_in.py,
    # exchange/test_ledger_journal.py to exchange/ledger/.
    names = {"_".join(words[:count]) for count in range(1, len(words) + 1)}
    return any(folder in home.parents and (home.name in names or home.parent.name in names) for home in homes)
