"""What is a thing of the law called in the reader's language?

A policy file names things in English, and that is what is kept, compared and signed. Where a catalogue has
the name, whoever reads another language sees it there; ``tools/policy_words.py`` puts the names into it.
"""

from __future__ import annotations

from functools import lru_cache

from flask_babel import get_locale, gettext


class Named:
    """Something that a policy file names. ``written`` is the name as the file has it."""

    __slots__ = ()
    written: str

    @property
    def name(self) -> str:
        """The name in the language of the moment."""
        return in_words(self.written)


def in_words(written: str) -> str:
    """What the policy file writes, in the language of the moment. Per cent signs are doubled in catalogues."""
    locale = get_locale()
    return written if locale is None else _in_words(written, locale.language)


@lru_cache(maxsize=4_096)
def _in_words(written: str, _language: str) -> str:
    """A page writes a hundred of them; each is looked for once."""
    return str(gettext(written.replace("%", "%%"))).replace("%%", "%")
