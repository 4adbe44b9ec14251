"""Which words of a policy file do people read?  Babel asks, by ``babel.cfg``, to put them into the catalogues.

Names of places stay as they are, and so does the jurisdiction's.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import IO, Any

import yaml


def extract(
    file: IO[bytes], keywords: Collection[str], comment_tags: Collection[str], options: Mapping[str, Any]
) -> Iterator[tuple[int, str, str, list[str]]]:
    """Line, function, message and comments of each name, as Babel wants them."""
    del keywords, comment_tags, options  # Babel gives them by these names
    root = yaml.compose(file.read(), Loader=yaml.SafeLoader)
    assert isinstance(root, yaml.MappingNode)
    for key, value in root.value:
        if key.value == "versions":
            yield from _names(value)


def _names(node: yaml.Node) -> Iterator[tuple[int, str, str, list[str]]]:
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _names(item)
    elif isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == "name" and isinstance(value, yaml.ScalarNode):
                yield _message(value)
            elif key.value == "sectors" and isinstance(value, yaml.MappingNode):
                yield from (_message(name) for _, name in value.value)
            else:
                yield from _names(value)


def _message(name: yaml.ScalarNode) -> tuple[int, str, str, list[str]]:
    # A per cent sign begins a placeholder, for Babel's checks: it stands doubled.
    return name.start_mark.line + 1, "", name.value.replace("%", "%%"), []
