"""What does one version of the policy change in the one before: which rules, and which lines of the text?"""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum, StrEnum
from typing import Any

from exchange.policy.document import MonthDay, Policy

NOTHING = "–"
CONTEXT = 3
"""Lines shown around a change."""
_TOP = frozenset({"effective_on"})


class Mark(StrEnum):
    """What happened to a line."""

    SAME = "same"
    ADDED = "added"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True)
class Line:
    """A line of either text, with its number there (from 1)."""

    mark: Mark
    before: int | None
    after: int | None
    text: str


@dataclass(frozen=True, slots=True)
class Change:
    """One rule that says something else: its path, what it said and says. None: it was not there, or is no more."""

    path: str
    before: str | None
    after: str | None


def of_texts(before: str, after: str) -> list[list[Line]]:
    """The changed places of the text, each with a few lines around it."""
    old, new = before.splitlines(), after.splitlines()
    matcher = difflib.SequenceMatcher(a=old, b=new, autojunk=False)
    return [
        [line for code in group for line in _lines(code, old, new)] for group in matcher.get_grouped_opcodes(CONTEXT)
    ]


def _lines(code: tuple[str, int, int, int, int], old: list[str], new: list[str]) -> Iterator[Line]:
    tag, old_from, old_to, new_from, new_to = code
    if tag == "equal":
        for offset in range(old_to - old_from):
            yield Line(Mark.SAME, old_from + offset + 1, new_from + offset + 1, old[old_from + offset])
        return
    for number in range(old_from, old_to):
        yield Line(Mark.REMOVED, number + 1, None, old[number])
    for number in range(new_from, new_to):
        yield Line(Mark.ADDED, None, number + 1, new[number])


def of_rules(before: Policy, after: Policy) -> list[Change]:
    """Every rule that differs, however the two texts are written, in the order of the policy.

    What is new or gone as a whole (a component, a contribution rule) is one change.
    """
    old, new = dict(_leaves(before)), dict(_leaves(after))
    differing = [path for path in (*new, *old) if old.get(path) != new.get(path)]
    return [
        Change(path, _under(path, old), _under(path, new))
        for path in dict.fromkeys(_whole_of(path, old, new) for path in differing)
    ]


def _whole_of(path: str, old: dict[str, str], new: dict[str, str]) -> str:
    """The path, or the first one above it that only one of the two knows anything about."""
    if path in old and path in new:
        return path
    without = old if path in new else new
    parts = path.split(".")
    above = (".".join(parts[:count]) for count in range(1, len(parts)))
    return next((one for one in above if not any(_is_under(other, one) for other in without)), path)


def _is_under(path: str, above: str) -> bool:
    return path == above or path.startswith(f"{above}.")


def _under(path: str, leaves: dict[str, str]) -> str | None:
    """What a policy says at the path, or in all below it; None: nothing."""
    if path in leaves:
        return leaves[path]
    below = [
        f"{name[len(path) + 1 :]}: {said}"
        for name, said in leaves.items()
        if name.startswith(f"{path}.") and said != NOTHING
    ]
    return "; ".join(below) or None


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    if is_dataclass(value) and not isinstance(value, type):
        for part in fields(value):
            if path or part.name not in _TOP:
                yield from _leaves(getattr(value, part.name), f"{path}.{_in_file(part.name)}".lstrip("."))
    elif hasattr(value, "_asdict") and not isinstance(value, MonthDay):
        for name, part in value._asdict().items():
            yield from _leaves(part, f"{path}.{_in_file(name)}")
    elif not _is_plain(value) and not all(_is_plain(part) for part in value):
        for number, part in enumerate(value, start=1):
            yield from _leaves(part, f"{path}.{getattr(part, 'code', number)}")
    else:
        yield path, _written(value)


def _in_file(name: str) -> str:
    """What the file calls the field."""
    return "name" if name == "written" else name


def _is_plain(value: Any) -> bool:
    return isinstance(value, MonthDay) or not (is_dataclass(value) or isinstance(value, (tuple, list)))


def _written(value: Any) -> str:
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, MonthDay):
        return f"{value.month:02d}-{value.day:02d}"
    if isinstance(value, (frozenset, set)):
        return ", ".join(sorted(_written(part) for part in value)) or NOTHING
    if isinstance(value, (tuple, list)):
        return ", ".join(_written(part) for part in value) or NOTHING
    if hasattr(value, "items"):
        return ", ".join(f"{_written(key)}: {_written(part)}" for key, part in value.items())
    return NOTHING if value is None or value == "" else str(value)
