"""Does everybody who reads Spanish find every word of the product in Spanish?"""

from __future__ import annotations

from pathlib import Path

from babel.messages.extract import DEFAULT_KEYWORDS, extract_from_dir
from babel.messages.frontend import parse_mapping_cfg
from babel.messages.pofile import read_po

ROOT = Path(__file__).parents[2]


def words() -> set[str]:
    """Every message in the code and in the templates; of two forms the first."""
    with (ROOT / "babel.cfg").open(encoding="utf-8") as file:
        methods, options = parse_mapping_cfg(file)  # type: ignore[no-untyped-call]
    found = extract_from_dir(ROOT, methods, options, keywords={**DEFAULT_KEYWORDS, "_l": None, "lazy_ngettext": (1, 2)})
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
