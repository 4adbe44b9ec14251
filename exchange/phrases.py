"""How are the same few sentences said a hundred thousand times, each with other figures?

A ``Phrase`` is a template, and what stands in it: nothing is looked up before it is read. A ``Speaker``
looks up each template once in the language of the moment, instead of once for each sentence.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from flask_babel import LazyString, force_locale


class Phrase(NamedTuple):
    """``template`` is a constant made by ``lazy_gettext`` without values; ``given`` are the values, phrases among them.

    What the template's text has besides its values, a per cent sign for one, stands there doubled.
    """

    template: LazyString
    given: Mapping[str, str | int | Phrase]

    def __str__(self) -> str:
        return Speaker().say(self)


class Speaker:
    """Says phrases in the language that is in force when it first meets a template. For one piece of work; not kept.

    ``language`` names another one: what is written down for readers of any language is written down in English.
    """

    def __init__(self, language: str | None = None) -> None:
        self._texts: dict[int, str] = {}
        self._language = language

    def say(self, phrase: Phrase) -> str:
        """The phrase in words."""
        template, given = phrase
        # By identity: templates are constants of modules, and to compare them would be to look them up.
        text = self._texts.get(id(template))
        if text is None:
            text = self._texts[id(template)] = self._look_up(template)
        if Phrase in map(type, given.values()):
            given = {name: self.say(value) if type(value) is Phrase else value for name, value in given.items()}
        return text % given

    def _look_up(self, template: LazyString) -> str:
        if self._language is None:
            return str(template)
        with force_locale(self._language):
            return str(template)
