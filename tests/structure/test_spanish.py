"""Does everybody who reads Spanish find every word of the product in Spanish?"""

from __future__ import annotations

import ast
import re
from pathlib import Path

from babel.messages.extract import DEFAULT_KEYWORDS, extract_from_dir
from babel.messages.frontend import parse_mapping_cfg
from babel.messages.pofile import read_po

from tests.support.source import source_modules

ROOT = Path(__file__).parents[2]
KEYWORDS = {**DEFAULT_KEYWORDS, "_l": None, "lazy_ngettext": (1, 2), "said": None, "number_of": (1, 2)}
PLACE = re.compile(r"%\((\w+)\)")


def words() -> set[str]:
    """Every message in the code and in the templates; of two forms the first."""
    with (ROOT / "babel.cfg").open(encoding="utf-8") as file:
        methods, options = parse_mapping_cfg(file)  # type: ignore[no-untyped-call]
    found = extract_from_dir(ROOT, methods, options, keywords=KEYWORDS)
    return {forms(message)[0] for _, _, message, _, _ in found} - {""}


def forms(text: object) -> tuple[str, ...]:
    """One, or two where there is a plural."""
    return (text,) if isinstance(text, str) else tuple(text)  # type: ignore[arg-type]


class TestSpanish:
    def test_has_every_word_of_the_product_and_no_other(self) -> None:
        with (ROOT / "translations/es/LC_MESSAGES/messages.po").open("rb") as file:
            catalogue = read_po(file, locale="es")
        there = {forms(message.id)[0] for message in catalogue if message.id and all(forms(message.string))}

        said = words()

        assert sorted(said - there) == [], "docs/pages.md tells how to add them"
        assert sorted(there - said) == []

    def test_has_the_same_places_for_figures(self) -> None:
        with (ROOT / "translations/es/LC_MESSAGES/messages.po").open("rb") as file:
            catalogue = read_po(file, locale="es")

        others = [
            message.id
            for message in catalogue
            if message.id and places(*forms(message.id)) != places(*forms(message.string))
        ]

        assert others == []


class TestTelling:
    def test_of_a_job_has_a_figure_for_each_of_its_places(self) -> None:
        """A place without one would be shown as it is written."""
        tellings, unlike = 0, []
        for source in source_modules():
            for name, call in source.calls():
                if name not in {"said", "number_of"}:
                    continue
                tellings += 1
                texts = call.args[: 1 if name == "said" else 2]
                given = {keyword.arg for keyword in call.keywords} | ({"num"} if name == "number_of" else set())
                if places(*(ast.literal_eval(text) for text in texts)) != given:
                    unlike.append(source.where(call))

        assert tellings > 30
        assert unlike == []


def places(*texts: str) -> set[str]:
    """The names of what is put into a message, in any of its forms."""
    return {name for text in texts for name in PLACE.findall(text)}
