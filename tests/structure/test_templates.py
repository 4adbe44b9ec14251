"""Is every template shown by somebody?"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from tests.support.source import below, files, modules, read

# Flask-Security finds these by their names.
FOUND_BY_NAME = ("security",)
REFERENCE = re.compile(
    r"(?:{%-?\s*(?:extends|include|import|from)\s+|{{ frame_part\()(?P<quote>[\"'])(?P<name>.+?)(?P=quote)"
)


def templates() -> set[str]:
    """Every template's name as ``render_template`` takes it."""
    return {path.removeprefix("templates/") for path in files() if below(path, ("templates",))}


def shown() -> Iterator[re.Pattern[str]]:
    """What the code and the templates name; a part filled in at run time matches anything."""
    for module in modules():
        if below(module.path, ("tests",)):
            continue
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield re.compile(re.escape(node.value))
            elif isinstance(node, ast.JoinedStr):
                parts = [
                    re.escape(str(part.value)) if isinstance(part, ast.Constant) else "[^/]+" for part in node.values
                ]
                yield re.compile("".join(parts))
    for name in templates():
        for match in REFERENCE.finditer(read(f"templates/{name}")):
            yield re.compile(re.escape(match["name"]))


class TestTemplate:
    def test_is_shown_by_a_page_or_another_template(self) -> None:
        patterns = [pattern for pattern in shown() if pattern.pattern.endswith(("html", "txt", "xml", "svg"))]

        unused = [
            name
            for name in sorted(templates())
            if not below(name, FOUND_BY_NAME) and not any(pattern.fullmatch(name) for pattern in patterns)
        ]

        assert unused == []

    def test_trusts_no_data(self) -> None:
        """``|safe`` on what somebody typed would let him write our pages."""
        assert [name for name in sorted(templates()) if re.search(r"\|\s*safe\b", read(f"templates/{name}"))] == []

    def test_carries_no_style_and_no_script_of_its_own(self) -> None:
        """The content security policy would stop both, in the reader's browser and unseen by us."""
        inline = re.compile(
            r"<style|<script(?![^>]*\bsrc=)|\sstyle=[\"']|\son[a-z]+=[\"']|href=[\"']javascript:", re.IGNORECASE
        )

        assert [name for name in sorted(templates()) if inline.search(read(f"templates/{name}"))] == []
