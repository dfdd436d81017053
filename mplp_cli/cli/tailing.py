"""Reading the logs of a run's steps while they grow."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from mplp_cli.workflow.fold.history import Event, StepStarted

if TYPE_CHECKING:
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
    """The log of one attempt, read from where the last reading ended.

    `behind`: so many of the bytes that it has by now are read, and not all of them. `live`: pieces of a line are given
    as they come, not when it has ended.
    """

    def __init__(
        self, path: Path, step: str, attempt: int, *, behind: int | None = None, live: bool = False
    ) -> None:
        self.step = step
        self.attempt = attempt
        self._path = path
        self._live = live
        self._offset = 0 if behind is None else _whole_line(path, behind)
        #: Stream -> the pieces of a line that has not ended.
        self._open: dict[str, str] = {}

    def read(self, *, last: bool) -> Iterator[tuple[str, str]]:
        """(stream, text) pairs that are new, lines with their ends; `last` gives one to those that have none."""
        from mplp_cli.engine.capture import log_line

        for row in self._rows():
            told = log_line(row)
            if told is None:
                continue
            stream, text = told
            if stream == "note":  # a remark is behind all that was written before
                yield from self._ended()
            text = self._open.pop(stream, "") + text
            if self._live or text.endswith("\n"):
                yield stream, text
            else:
                self._open[stream] = text
        if last:
            yield from self._ended()

    def _ended(self) -> Iterator[tuple[str, str]]:
        yield from ((stream, f"{text}\n") for stream, text in self._open.items())
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


def _whole_line(path: Path, behind: int) -> int:
    """Where the first whole line begins in the last `behind` bytes of a file; 0 if it is not longer."""
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return 0
    with file:
        start = file.seek(0, 2) - behind
        if start <= 0:
            return 0
        file.seek(start)
        return start + len(file.readline())


class Logs:
    """The logs of attempts that are at work. `tell` gets what `Tail.read` gives of one."""

    def __init__(
        self, log_dir: Path, tell: Callable[[Tail, Iterator[tuple[str, str]]], None], *, live: bool
    ) -> None:
        self._log_dir = log_dir
        self._tell = tell
        self._live = live
        #: Step -> its present attempt, in the order in which they started.
        self._tails: dict[str, Tail] = {}

    def begin(self, step: str, attempt: int, *, behind: int | None = None) -> None:
        """An attempt has begun to write; see `Tail` for `behind`."""
        from mplp_cli.engine.capture import log_path

        path = log_path(self._log_dir, step, attempt)
        self._tails[step] = Tail(path, step, attempt, behind=behind, live=self._live)

    def end(self, step: str) -> None:
        """The present attempt of a step, if it has one, writes nothing more."""
        if step in self._tails:
            tail = self._tails.pop(step)
            self._tell(tail, tail.read(last=True))

    def read(self, *, last: bool = False) -> None:
        """Tell what is new."""
        for tail in self._tails.values():
            self._tell(tail, tail.read(last=last))


class Output:
    """Prints what attempts have written. Lines of several steps begin with the step.

    `theme` None: as they were written. `live`: a line that has not ended is printed as far as it goes, and goes on in
    its place unless another has begun.
    """

    def __init__(
        self, log_dir: Path, step: str | None, attempt: int | None, theme: Theme | None, *, live: bool
    ) -> None:
        self._step = step
        self._attempt = attempt
        self._theme = theme
        self._logs = Logs(log_dir, self._print, live=live)
        self._printed = False
        #: The attempt and the stream whose line has not ended yet.
        self._unended: tuple[Tail, str] | None = None

    def __call__(self, facts: Sequence[tuple[int, Event]], *, last: bool) -> bool:
        self._printed = False
        for _, fact in facts:
            # Whatever else is told of a step, the attempt that it was at is over.
            self._logs.end(getattr(fact, "step", ""))
            if isinstance(fact, StepStarted) and self._is_chosen(fact):
                self._logs.begin(fact.step, fact.attempt)
        self._logs.read(last=last)
        if last and self._unended is not None:
            sys.stdout.write("\n")
        return self._printed

    def _is_chosen(self, fact: StepStarted) -> bool:
        return self._step in (None, fact.step) and self._attempt in (None, fact.attempt)

    def _print(self, tail: Tail, told: Iterator[tuple[str, str]]) -> None:
        from mplp_cli.render.ink import put

        while some := list(islice(told, _LINES)):
            put(sys.stdout, "".join(self._drawn(tail, stream, text) for stream, text in some))
            self._printed = True

    def _drawn(self, tail: Tail, stream: str, text: str) -> str:
        """A line, or a piece of one, behind what was printed before."""
        line, end = text.removesuffix("\n"), "\n" if text.endswith("\n") else ""
        before, self._unended = self._unended, None if end else (tail, stream)
        goes_on = before == (tail, stream)
        broken = "\n" if before is not None and not goes_on else ""
        theme = self._theme
        if theme is None:
            return f"{broken}{line}{end}"
        from mplp_cli.render.ink import Line
        from mplp_cli.render.theme import safe_output

        again = f" ({tail.attempt})" if tail.attempt > 1 else ""
        head = f"{tail.step}{again} {theme.glyph('gutter')} " if self._step is None and not goes_on else ""
        ink = Line(head, "dim").add(safe_output(line), "warn" if stream == "note" else "")
        drawn = ink.ansi() if theme.color else ink.plain
        return f"{broken}{drawn.rstrip() if end else drawn}{end}"
