"""How far is it?  For everything on the command line that takes longer than two seconds.

On a terminal one line that rewrites itself; elsewhere (a log, a pipe) a plain line now and then. Both
on the error stream, so that results can be piped. Nothing is shown of what is over sooner.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self, TextIO

_SILENT_SECONDS: Final = 1.0
_TERMINAL_SECONDS: Final = 0.2
_PLAIN_SECONDS: Final = 5.0


class Progress:
    """``with Progress("rows", total=27_396) as tell: tell(done)`` — ``done`` counts from the beginning.

    ``total`` may be left out when nobody knows it. An instance serves as the ``progress`` of an importer.
    """

    def __init__(
        self,
        what: str,
        *,
        total: int | None = None,
        stream: TextIO | None = None,
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        self._what, self._total = what, total
        self._stream = stream or sys.stderr
        self._seconds = seconds
        self._is_terminal = self._stream.isatty()
        self._began = self._told = seconds()
        self._done = 0
        self._said: str | None = None
        self._shown = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._shown:
            self._show(end="\n")

    def __call__(self, done: int) -> None:
        """Tell that so many are done by now."""
        self._done, self._said = done, None
        self._tell()

    def say(self, words: str) -> None:
        """Tell in words of the work's own how far it is."""
        self._said = words
        self._tell()

    def _tell(self) -> None:
        now = self._seconds()
        pause = _TERMINAL_SECONDS if self._is_terminal else _PLAIN_SECONDS
        if now - self._began >= _SILENT_SECONDS and (not self._shown or now - self._told >= pause):
            self._told = now
            self._show(end="" if self._is_terminal else "\n")

    def words(self) -> str:
        """``12,000 of 27,396 rows (43%), 4,100 a second``, or what was said."""
        if self._said is not None:
            return self._said
        rate = round(self._done / max(self._seconds() - self._began, 0.001))
        share = f" of {self._total:,}" if self._total else ""
        percent = f" ({self._done * 100 // self._total}%)" if self._total else ""
        return f"{self._done:,}{share} {self._what}{percent}, {rate:,} a second"

    def _show(self, end: str) -> None:
        # The blanks and the carriage return wipe what stood on a terminal's line before.
        line = f"\r{self.words():<79}" if self._is_terminal else self.words()
        self._stream.write(line + end)
        self._stream.flush()
        self._shown = True
