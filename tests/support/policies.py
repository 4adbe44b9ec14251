"""Which policies do tests stand on, and how is one changed?"""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parents[2] / "policies"
WASHINGTON = FOLDER / "washington_demo.yaml"
NEW_YORK = FOLDER / "new_york_demo.yaml"


def changed(path: Path, old: str, new: str) -> tuple[str, int]:
    """The policy with the first ``old`` written otherwise, and the line on which the change begins."""
    text = path.read_text(encoding="utf-8")
    assert old in text, f"{old!r} stands in {path.name} no longer"
    return text.replace(old, new, 1), text[: text.index(old)].count("\n") + 1
