"""The last lines that each running step wrote."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Sequence
from typing import Final

from mplp_cli.workflow.fold.history import Event, StepStarted

#: What ends a line: also the lone carriage return of a progress bar, unless a line feed may follow it yet.
BREAK: Final = re.compile(r"\r\n|\n|\r(?!\Z)")
_STREAMS = ("stdout", "stderr")
#: Longer pieces are looked at from their end only.
_LOOK = 65_536
#: A line without an end is cut here.
LONGEST: Final = 16_384


class Tails:
    """Lines by step id: the newest `kept` of at most `steps` steps. Bounded, whatever comes."""

    def __init__(self, kept: int = 20, steps: int = 256) -> None:
        self._kept = kept
        self._steps = steps
        self._lines: dict[str, deque[str]] = {}
        #: (step, stream) -> text after the last line end.
        self._partial: dict[tuple[str, str], str] = {}

    def add(self, step: str, stream: str, text: str) -> None:
        """Take what a step wrote; lines may come in pieces."""
        lines = self._lines.get(step)
        if lines is None:
            while len(self._lines) >= self._steps:
                self.forget(next(iter(self._lines)))
            lines = self._lines[step] = deque(maxlen=self._kept)
        *whole, rest = BREAK.split(self._partial.pop((step, stream), "") + text[-_LOOK:])
        lines.extend(line for line in whole if line.strip())
        if rest:
            self._partial[step, stream] = rest[-LONGEST:]

    def __call__(self, events: Sequence[Event]) -> None:
        """Take committed facts: a further attempt of a step begins with nothing written."""
        for event in events:
            if isinstance(event, StepStarted) and event.attempt > 1:
                self.forget(event.step)

    def last(self, step: str, count: int) -> list[str]:
        """The newest `count` lines, a line still being written included."""
        lines = list(self._lines.get(step, ()))
        partial = (self._partial.get((step, stream), "") for stream in _STREAMS)
        lines += [rest.rstrip("\r") for rest in partial if rest.strip()]
        return lines[-count:] if count > 0 else []

    def writing(self, step: str) -> bool:
        """Whether there is anything to show of it."""
        return step in self._lines

    def forget(self, step: str) -> None:
        """Drop what a step wrote."""
        self._lines.pop(step, None)
        for stream in _STREAMS:
            self._partial.pop((step, stream), None)
