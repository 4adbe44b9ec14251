"""Where in a policy file does a value stand, and what is wrong with it there?

PyYAML only cuts the text into mappings, lists and words: every scalar stays the text that was
written, so ``no``, ``1.10`` and ``2026-01-01`` mean what the rule for their place says and nothing
else. Keys given twice, unknown keys, anchors, aliases and tags are refused. Reading goes on after a
problem, so that one run tells all of them, each with its line, its path and the rule it breaks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar, cast

import yaml
from flask_babel import LazyString, lazy_ngettext
from flask_babel import lazy_gettext as _l

from exchange.errors import Refusal

MAX_CHARACTERS = 1_000_000
MAX_DEPTH = 20

T = TypeVar("T")
D = TypeVar("D")
Reader = Callable[["At"], T]


@dataclass(frozen=True, slots=True)
class Problem:
    """A rule that a policy file breaks: in which file and line, at which path, and which rule."""

    source: str
    line: int
    path: str
    rule: str

    def __str__(self) -> str:
        path = f"{self.path}: " if self.path else ""
        return f"{self.source}:{self.line}: {path}{self.rule}"


class BadPolicy(Refusal):
    """A policy that cannot be read or contradicts itself. ``problems`` holds every one of them, by line."""

    code = "bad_policy"

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        listed = "\n".join(str(problem) for problem in problems)
        sentence = lazy_ngettext(
            "This policy breaks %(count)d rule:\n%(listed)s",
            "This policy breaks %(count)d rules:\n%(listed)s",
            len(problems),
            count=len(problems),
            listed=listed,
        )
        super().__init__(sentence, problems=[str(problem) for problem in problems])
        self.problems = problems


class Broken(Exception):
    """Reading cannot go on here; the problem has been written down already."""


@dataclass(slots=True)
class Findings:
    """The problems found so far in one text."""

    source: str
    problems: dict[tuple[int, str], Problem] = field(default_factory=dict)

    def add(self, line: int, path: str, rule: str | LazyString) -> None:
        """Write a problem down; the same rule broken on the same line counts once.

        (A section that a later version takes over from an earlier one is read with both.)
        """
        self.problems.setdefault((line, str(rule)), Problem(self.source, line, path, str(rule)))

    def refuse_if_any(self) -> None:
        """Raise ``BadPolicy`` with all that was found."""
        if self.problems:
            raise BadPolicy(tuple(sorted(self.problems.values(), key=lambda problem: (problem.line, problem.path))))


@dataclass(frozen=True, slots=True)
class At:
    """A value of the file, with the way that leads to it and the line (from 1) on which a reader finds it."""

    node: yaml.Node
    path: str
    line: int
    findings: Findings

    def fault(self, rule: str | LazyString) -> Broken:
        """Write down that ``rule`` is broken here; raise what comes back where reading cannot go on."""
        self.findings.add(self.line, self.path, rule)
        return Broken()

    @property
    def is_group(self) -> bool:
        """Whether keys with values stand here."""
        return isinstance(self.node, yaml.MappingNode)

    def text(self) -> str:
        """The scalar as it was written, without blanks around it."""
        if not isinstance(self.node, yaml.ScalarNode):
            raise self.fault(_l("a single value must stand here, not a list or a group of keys"))
        text = str(self.node.value).strip()
        if not text:
            raise self.fault(_l("a value is missing"))
        return text

    def items(self) -> list[At]:
        """The values of a list."""
        if not isinstance(self.node, yaml.SequenceNode):
            raise self.fault(_l("a list must stand here"))
        return [
            At(node, f"{self.path}[{index}]", _line(node), self.findings) for index, node in enumerate(self.node.value)
        ]

    def entries(self) -> dict[str, At]:
        """The values of a group of keys. A key given twice is a problem; the first one counts."""
        if not isinstance(self.node, yaml.MappingNode):
            raise self.fault(_l("a group of keys with values must stand here"))
        found: dict[str, At] = {}
        for key_node, value in self.node.value:
            key = str(key_node.value) if isinstance(key_node, yaml.ScalarNode) else "?"
            path = f"{self.path}.{key}" if self.path else key
            if key in found:
                At(key_node, path, _line(key_node), self.findings).fault(_l("this key is given twice"))
            else:
                # A group or list often begins on the line after its key: the key is where one looks.
                found[key] = At(value, path, _line(key_node), self.findings)
        return found

    def section(self) -> Section:
        """The same as ``entries``, to be taken key by key."""
        return Section(self)


class Section:
    """A group of known keys, taken one by one. ``close`` before using what was taken.

    ``take`` of a missing or wrong value writes the problem down and returns a stand-in, so that the
    other keys are looked at too; ``close`` then raises ``Broken`` and the stand-in is never seen.
    """

    def __init__(self, at: At) -> None:
        self.whole = at
        self._entries = at.entries()
        self._known: list[str] = []
        self._broken = False

    def take(self, key: str, read: Reader[T]) -> T:
        """The value of a key that must be there."""
        if key not in self._entries:
            self._known.append(key)
            self.fault(_l("the key “%(key)s” is missing", key=key))
            return cast("T", None)
        return self.take_or(key, read, cast("T", None))

    def take_or(self, key: str, read: Reader[T], default: D) -> T | D:
        """The value of a key that may be left out."""
        self._known.append(key)
        if key not in self._entries:
            return default
        try:
            return read(self._entries[key])
        except Broken:
            self._broken = True
            return default

    def has(self, key: str) -> bool:
        """Whether the key is written."""
        return key in self._entries

    def fault(self, rule: str | LazyString, key: str | None = None) -> None:
        """Write down that the section (or the value of ``key``) breaks ``rule``."""
        self._broken = True
        self._entries.get(key or "", self.whole).fault(rule)

    def close(self) -> None:
        """Refuse unknown keys; raise ``Broken`` if anything in the section was wrong."""
        for key in self._entries.keys() - set(self._known):
            known = ", ".join(sorted(set(self._known)))
            self.fault(_l("the key “%(key)s” is not known here; known are: %(known)s", key=key, known=known), key)
        if self._broken:
            raise Broken


def compose(text: str, source: str) -> At:
    """Cut the text into nodes. Refuses ``BadPolicy`` for what is no plain YAML of one document."""
    findings = Findings(source)
    if len(text) > MAX_CHARACTERS:
        findings.add(1, "", _l("a policy has at most %(most)d characters", most=MAX_CHARACTERS))
        findings.refuse_if_any()
    try:
        _refuse_cleverness(text, findings)
        findings.refuse_if_any()
        root = yaml.compose(text, Loader=yaml.BaseLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        findings.add(line, "", _l("this is no YAML: %(why)s", why=error.problem or error.context))
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        number = f"U+{ord(text[error.position]):04X}"
        findings.add(line, "", _l("this character may not stand in a policy: %(number)s", number=number))
    findings.refuse_if_any()
    if root is None:
        findings.add(1, "", _l("the file is empty"))
        findings.refuse_if_any()
    whole = cast("yaml.Node", root)
    return At(whole, "", _line(whole), findings)


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def _refuse_cleverness(text: str, findings: Findings) -> None:
    """What lets one piece of YAML mean another: anchors, aliases, tags, and nesting without end."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.BaseLoader):
        line = event.start_mark.line + 1 if event.start_mark else 1
        if isinstance(event, yaml.AliasEvent):
            findings.add(line, "", _l("aliases (*name) are not allowed: write the value out"))
        elif getattr(event, "anchor", None) is not None:
            findings.add(line, "", _l("anchors (&name) are not allowed: write the value out"))
        if getattr(event, "tag", None) is not None:
            findings.add(line, "", _l("tags (!name) are not allowed"))
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            findings.add(line, "", _l("values are nested more than %(most)d deep", most=MAX_DEPTH))
            return
