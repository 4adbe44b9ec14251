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
