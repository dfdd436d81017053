"""Reading the logs of a run's steps while they grow."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from mplp_cli.workflow.history import Event, StepStarted

if TYPE_CHECKING:
    from mplp_cli.render.ink import Line
    from mplp_cli.render.theme import Theme

#: Bytes that are read, and lines that are printed, at once.
_CHUNK = 1 << 20
_LINES = 1_000


class Told(Protocol):
    """Prints what follows from new facts of a run; whether that was anything. After `last` nothing follows."""

    def __call__(self, facts: Sequence[tuple[int, Event]], *, last: bool) -> bool: ...


class History:
    """Prints the facts (of one step) as JSON lines."""

    def __init__(self, run_id: str, step: str | None) -> None:
        self._run_id = run_id
        self._step = step

    def __call__(self, facts: Sequence[tuple[int, Event]], *, last: bool) -> bool:  # noqa: ARG002 - all told at once
        from mplp_cli.render.machine import event_line

        step = self._step
        chosen = [pair for pair in facts if step is None or getattr(pair[1], "step", None) == step]
        sys.stdout.write("".join(event_line(seq, self._run_id, fact) for seq, fact in chosen))
        sys.stdout.flush()
        return bool(chosen)


class Tail:
    """The log of one attempt, read from where the last reading ended."""

    def __init__(self, path: Path, step: str, attempt: int) -> None:
        self.step = step
        self.attempt = attempt
        self._path = path
        self._offset = 0
        #: Stream -> the pieces of a line that has not ended.
        self._open: dict[str, str] = {}

    def read(self, *, last: bool) -> Iterator[tuple[str, str]]:
        """(stream, line) pairs that are new; with `last`, also lines without an end."""
        from mplp_cli.engine.capture import log_line

        for row in self._rows():
            told = log_line(row)
            if told is None:
                continue
            stream, text = told
            text = self._open.pop(stream, "") + text
            if text.endswith("\n"):
                yield stream, text.removesuffix("\n")
            else:
                self._open[stream] = text
        if last:
            yield from self._open.items()
            self._open.clear()

    def _rows(self) -> Iterator[bytes]:
        """The whole lines of the file behind the offset, which they move on."""
        try:
            file = self._path.open("rb")
        except FileNotFoundError:  # it is made with the first output
            return
        with file:
            file.seek(self._offset)
            rest = b""
            while chunk := file.read(_CHUNK):
                *rows, rest = (rest + chunk).split(b"\n")
                for row in rows:
                    self._offset += len(row) + 1
                    yield row + b"\n"


class Output:
    """Prints what attempts have written. Lines of several steps begin with the step.

    `theme` None: as they were written.
    """

    def __init__(self, log_dir: Path, step: str | None, attempt: int | None, theme: Theme | None) -> None:
        self._log_dir = log_dir
        self._step = step
        self._attempt = attempt
        self._theme = theme
        #: Step -> its present attempt, in the order in which they started.
        self._tails: dict[str, Tail] = {}

    def __call__(self, facts: Sequence[tuple[int, Event]], *, last: bool) -> bool:
        from mplp_cli.engine.capture import log_path

        printed = False
        for _, fact in facts:
            step = getattr(fact, "step", "")
            # Whatever else is told of a step, the attempt that it was at is over.
            if step in self._tails:
                printed = self._print(self._tails.pop(step), last=True) or printed
            if isinstance(fact, StepStarted) and self._is_chosen(fact):
                self._tails[step] = Tail(log_path(self._log_dir, step, fact.attempt), step, fact.attempt)
        for tail in self._tails.values():
            printed = self._print(tail, last=last) or printed
        return printed

    def _is_chosen(self, fact: StepStarted) -> bool:
        return self._step in (None, fact.step) and self._attempt in (None, fact.attempt)

    def _print(self, tail: Tail, *, last: bool) -> bool:
        from mplp_cli.render.ink import write

        lines = tail.read(last=last)
        printed = False
        while some := list(islice(lines, _LINES)):
            if self._theme is None:
                sys.stdout.write("".join(f"{text}\n" for _, text in some))
                sys.stdout.flush()
            else:
                write(sys.stdout, self._drawn(tail, some, self._theme), self._theme)
            printed = True
        return printed

    def _drawn(self, tail: Tail, lines: Iterable[tuple[str, str]], theme: Theme) -> Iterator[Line]:
        from mplp_cli.render.ink import Line
        from mplp_cli.render.theme import safe_output

        again = f" ({tail.attempt})" if tail.attempt > 1 else ""
        head = f"{tail.step}{again} {theme.glyph('gutter')} " if self._step is None else ""
        for stream, text in lines:
            yield Line(head, "dim").add(safe_output(text), "warn" if stream == "note" else "")
