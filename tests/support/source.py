"""What stands in the tree? The files that git knows or would take, and Python files as syntax trees."""

from __future__ import annotations

import ast
import functools
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("exchange", "providers", "enrollment")
SOURCE = (*PACKAGES, "verifier", "town", "app.py", "demo.py")


@functools.cache
def files() -> tuple[str, ...]:
    """Paths from the root of every file that is committed or would be, in order."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return tuple(sorted(path for path in set(listed.split("\0")) if path and (ROOT / path).is_file()))


def read(path: str) -> str:
    """The file's text."""
    return (ROOT / path).read_text(encoding="utf-8")


def below(path: str, places: tuple[str, ...]) -> bool:
    """Whether ``path`` is one of ``places`` or stands in one of them."""
    return any(path == place or path.startswith(f"{place}/") for place in places)


@dataclass(frozen=True)
class Module:
    """One Python file."""

    path: str
    text: str
    tree: ast.Module

    def where(self, node: ast.AST) -> str:
        """``path:line`` of a node."""
        return f"{self.path}:{getattr(node, 'lineno', 1)}"

    def calls(self) -> Iterator[tuple[str, ast.Call]]:
        """Every call with the dotted name of what is called, as it is written."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Call):
                yield ast.unparse(node.func), node

    def imports(self) -> Iterator[tuple[str, ast.AST]]:
        """Every imported module's dotted name; for ``from a import b`` both ``a`` and ``a.b``."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    yield alias.name, node
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                yield node.module, node
                for alias in node.names:
                    yield f"{node.module}.{alias.name}", node


@functools.cache
def modules() -> tuple[Module, ...]:
    """Every Python file of the tree."""
    texts = {path: read(path) for path in files() if path.endswith(".py")}
    return tuple(Module(path, text, ast.parse(text, path)) for path, text in texts.items())


def source_modules() -> list[Module]:
    """The program itself: no tests, tools, benchmarks or migrations."""
    return [module for module in modules() if below(module.path, SOURCE)]
