"""Which state may become which?  Draws docs/states/*.md from the tables in the code.

A table is a module's ``MAY_BECOME`` (or ``STEPS``): state → the states it may become. It is named after
its enum: ``ProviderState`` → ``docs/states/provider_state.md``.
"""

from __future__ import annotations

import ast
import importlib
import re
import sys
from collections.abc import Collection, Iterator, Mapping
from enum import StrEnum
from pathlib import Path

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "docs" / "states"
PACKAGES = ("exchange", "providers", "enrollment")
NAMES = frozenset({"MAY_BECOME", "STEPS"})

Table = Mapping[StrEnum, Collection[StrEnum]]


def main() -> None:
    """Write every diagram, and remove those whose table is gone."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    wanted = dict(diagrams())
    for path in set(FOLDER.glob("*.md")) - wanted.keys():
        path.unlink()
    for path, text in wanted.items():
        path.write_text(text, encoding="utf-8")
        print(path.relative_to(ROOT))


def diagrams() -> Iterator[tuple[Path, str]]:
    """Where each diagram stands, and what it says."""
    for module, table in tables():
        states = type(next(iter(table)))
        name = re.sub(r"(?<!^)(?=[A-Z])", "_", states.__name__).lower()
        yield FOLDER / f"{name}.md", drawn(states, table, module)


def tables() -> Iterator[tuple[str, Table]]:
    """Each table with the module it stands in."""
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            for name in sorted(NAMES & set(_assigned(path))):
                yield module, getattr(importlib.import_module(module), name)


def drawn(states: type[StrEnum], table: Table, module: str) -> str:
    """The diagram as Mermaid in Markdown, in the order in which the enum names its states."""
    words = (states.__doc__ or "").strip().splitlines()[0]
    order = list(states)
    reached = {after for becomes in table.values() for after in becomes}
    lines = [f"    [*] --> {state}" for state in order if state not in reached]
    for state in order:
        becomes = sorted(table[state], key=order.index)
        lines += [f"    {state} --> {after}" for after in becomes] or [f"    {state} --> [*]"]
    head = (
        f"# {states.__name__}\n\n{words}\n\nDrawn from `{module}` by `make diagrams`; a test holds the two together.\n"
    )
    return "\n".join([head, "```mermaid", "stateDiagram-v2", *lines, "```", ""])


def _assigned(path: Path) -> Iterator[str]:
    """The names that a module gives values to at its top."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            yield from (target.id for target in targets if isinstance(target, ast.Name))


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    main()
