"""Does every regular expression take a time that grows with its text, not with the square of it?"""

from __future__ import annotations

import importlib
import re
import time
from collections.abc import Iterator
from itertools import product

from tests.support.source import source_modules

LETTERS = 20_000
WORDS = (
    "a", "A", "0", "1", " ", "\n", "\t", "-", ".", ",", "/", "%", "$", '"', "'", "\\", "{", "}", "[", "(", "<", "@", ":",
    "=", "_", "é", "０", "\u00a0", "1,", "1,000", "a@", "a.", "../", "%2", '"\\', "{a", "a-", "- ", " \n", "1.0", "0:", "/a",
)  # fmt: skip
ENDS = ("", "!", "\0", "1")
# A square of so many letters takes seconds, a straight line milliseconds.
SECONDS = 0.4


def patterns() -> Iterator[tuple[str, re.Pattern[str]]]:
    """Every expression that a module keeps, by where it stands."""
    for source in source_modules():
        name = source.path.removesuffix(".py").replace("/", ".").removesuffix(".__init__")
        for known_as, value in vars(importlib.import_module(name)).items():
            if isinstance(value, re.Pattern) and isinstance(value.pattern, str):
                yield f"{name}.{known_as}", value


def test_no_text_keeps_an_expression_busy() -> None:
    found = list(patterns())
    slow = []
    for place, pattern in found:
        for word, end in product(WORDS, ENDS):
            text = word * (LETTERS // len(word)) + end
            began = time.process_time()
            pattern.search(text)
            if time.process_time() - began > SECONDS:
                slow.append(f"{place}: {word!r} many times, then {end!r}")
                break

    assert len(found) > 20
    assert slow == []
