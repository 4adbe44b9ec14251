"""Is this one of the passwords that are tried first?

Whoever sprays passwords tries a few words at many accounts, with a year, a capital or a sign put to them. A list of all
that ever leaked is not here: see docs/security.md.
"""

from __future__ import annotations

from typing import Final

_WRITTEN: Final = """
    abc abcd access account admin administrator adobe aloha amazon andrea angel angels apple asdf asdfg asdfgh asdfghj
    asdfghjkl ashley august austin autumn bailey banana baseball basketball batman benefit benefits biteme blink buster
    butterfly change changeme charlie cheese chelsea chocolate company computer cookie corvette cowboys dallas daniel
    december default demo donald dragon eagles employer exchange fall february flower football freedom friday friends
    fuckyou george ginger google guest hannah harley hello hockey hunter iloveu iloveyou internet january jasmine
    jennifer jessica jesus jordan july june justin killer letmein liverpool login love lovely maggie march marina master
    matrix matthew mercedes merlin michael michelle monday monkey mustang naruto newyork nicole november october
    operator orange pass passcode passw passwd password passwords pepper pokemon porsche portable portablebenefits
    princess provider purple qazwsx qazwsxedc qwer qwert qwerty qwertyui qwertyuiop ranger regulator robert root samsung
    samantha secret september server shadow silver soccer spring starwars steelers summer sunday sunshine superman
    support system temp temporary test testing thomas thursday tigger trustno tuesday user walmart washington
    wednesday welcome whatever winter worker yankees zaq zaqwsx zxcvb zxcvbn zxcvbnm
"""
_WORDS: Final = frozenset(_WRITTEN.split())
_ROWS: Final = frozenset({"1q2w3e4r", "1q2w3e4r5t", "q1w2e3r4", "1qaz2wsx", "1qaz2wsx3edc", "zaq12wsx", "a1b2c3d4"})
_AS_LETTERS: Final = str.maketrans("013457@$!", "oieastasi")
_ADDED: Final = 6
"""So many characters put to a common word make it no better: ``2026!``."""


def is_common(password: str) -> bool:
    """Whether it is a common word or row of keys, as it is, written over and over, or with a little put to it."""
    lowered = password.casefold()
    unit = lowered[: (lowered * 2).find(lowered, 1)]
    return any(_is_one(text) for text in (lowered, unit))


def _is_one(text: str) -> bool:
    plain = "".join(letter for letter in text if letter.isalnum())
    if plain in _ROWS or plain.rstrip("0123456789") in _ROWS:
        return True
    bare = text.strip("0123456789!?.,;:-_+*#$%&@= ")
    return any(
        core.translate(_AS_LETTERS) in _WORDS and len(text) - len(core) <= _ADDED
        for core in (bare, text.rstrip("0123456789 !?.#"), text)
    )
