"""A screen of its own on a terminal, drawn over and over in place: nothing scrolls, nothing blinks."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import IO, Final, Self

from mplp_cli.render.ink import Line, put, write
from mplp_cli.render.theme import Theme

#: The other screen of the terminal, without a cursor; and back.
_ENTER: Final = "\x1b[?1049h\x1b[?25l"
_LEAVE: Final = "\x1b[?25h\x1b[?1049l"


class Steady:
    """A context manager around frames. What was drawn last is printed where the command stood when it is left."""

    def __init__(self, stream: IO[str], theme: Theme) -> None:
        self._stream = stream
        self._theme = theme
        self._drawn: Sequence[Line] = ()

    def __enter__(self) -> Self:
        put(self._stream, _ENTER)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the terminal back."""
        put(self._stream, _LEAVE)
        write(self._stream, self._drawn, self._theme)

    def draw(self, lines: Sequence[Line]) -> None:
        """Put these lines in the place of the last ones; no more than the terminal has."""
        self._drawn = lines
        # Each line is written over the old one and the rest of it cleared: at no moment is the screen empty.
        texts = [(line.ansi() if self._theme.color else line.plain) + "\x1b[K" for line in lines]
        put(self._stream, "\x1b[H" + "\n".join(texts) + "\x1b[J")
