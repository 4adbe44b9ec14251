"""Is any module, function or template too long to be understood at once, or called with too much?

A gate may be passed by what stands in ``EXCEPTIONS``, at the size written there. The list may only
shrink: an entry that is no longer needed, or is larger than it need be, fails too.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from tests.support.source import below, files, modules, read

MODULE, TEST_MODULE, FUNCTION, TEST_FUNCTION, TEMPLATE, ARGUMENTS = 450, 600, 50, 60, 150, 7

EXCEPTIONS: dict[str, int] = {
    "verifier/verify.py": 599,  # one file that a stranger reads from top to bottom and runs by itself
}

Function = ast.FunctionDef | ast.AsyncFunctionDef


def module_sizes() -> Iterator[tuple[str, int, int]]:
    """Each Python file with its lines and its gate. Migrations are frozen when they have run."""
    for module in modules():
        if not below(module.path, ("migrations",)):
            gate = TEST_MODULE if below(module.path, ("tests",)) else MODULE
            yield module.path, len(module.text.splitlines()), gate


def functions() -> Iterator[tuple[str, Function]]:
    """Each function outside migrations, as ``path:Class.name``."""
    for module in modules():
        if below(module.path, ("migrations",)):
            continue
        stack: list[tuple[str, ast.AST]] = [("", module.tree)]
        while stack:
            prefix, node = stack.pop()
            for child in ast.iter_child_nodes(node):
                name = f"{prefix}{child.name}." if isinstance(child, (ast.ClassDef, *_FUNCTIONS)) else prefix
                if isinstance(child, _FUNCTIONS):
                    yield f"{module.path}:{name.rstrip('.')}", child
                stack.append((name, child))


_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def function_sizes() -> Iterator[tuple[str, int, int]]:
    """Each function with its lines, from ``def`` to its end without the docstring, and its gate."""
    for name, function in functions():
        first = function.body[0]
        has_docstring = ast.get_docstring(function, clean=False) is not None
        words = (first.end_lineno or first.lineno) - first.lineno + 1 if has_docstring else 0
        lines = (function.end_lineno or function.lineno) - function.lineno + 1 - words
        yield name, lines, TEST_FUNCTION if name.startswith("tests/") else FUNCTION


def argument_counts() -> Iterator[tuple[str, int, int]]:
    """Each function outside tests with the number of its arguments (``self`` and ``cls`` apart) and its gate."""
    for name, function in functions():
        if not name.startswith("tests/"):
            given = function.args
            names = [argument.arg for argument in (*given.posonlyargs, *given.args, *given.kwonlyargs)]
            yield f"{name}()", len([one for one in names if one not in {"self", "cls"}]), ARGUMENTS


def template_sizes() -> Iterator[tuple[str, int, int]]:
    """Each template with its lines and its gate."""
    for path in files():
        if below(path, ("templates",)) and not path.startswith("templates/macros/"):
            yield path, len(read(path).splitlines()), TEMPLATE


class TestSizes:
    def test_of_modules_stay_below_their_gate(self) -> None:
        assert too_large(module_sizes()) == []

    def test_of_functions_stay_below_their_gate(self) -> None:
        assert too_large(function_sizes()) == []

    def test_of_templates_stay_below_their_gate(self) -> None:
        assert too_large(template_sizes()) == []

    def test_of_argument_lists_stay_below_their_gate(self) -> None:
        assert too_large(argument_counts()) == []

    def test_have_no_exception_that_is_not_needed(self) -> None:
        sizes = {
            name: (size, gate)
            for measured in (module_sizes(), function_sizes(), template_sizes(), argument_counts())
            for name, size, gate in measured
        }

        for name, allowed in EXCEPTIONS.items():
            size, gate = sizes.get(name, (0, 0))
            assert size == allowed, f"{name} has {size}: write that, or take it off when it is {gate} or less"
            assert size > gate, f"{name} is within the gate of {gate}: take it off"


def too_large(measured: Iterator[tuple[str, int, int]]) -> list[str]:
    """What passes its gate without an exception."""
    return [f"{name}: {size} > {gate}" for name, size, gate in measured if size > max(gate, EXCEPTIONS.get(name, 0))]
