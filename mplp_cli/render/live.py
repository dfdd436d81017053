"""The live view: frames on a terminal while a run goes on. It draws only when told to; it has no thread."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Self

from mplp_cli.protocols import Standing
from mplp_cli.render.frame import frame
from mplp_cli.render.ink import Screen
from mplp_cli.render.queued import queue_text
from mplp_cli.render.tails import Tails
from mplp_cli.render.theme import PLAIN, Theme
from mplp_cli.render.tracker import Tracker
from mplp_cli.render.view import RunView
from mplp_cli.workflow.fold.history import Event, StepCompleted
from mplp_cli.workflow.plan import Plan

if TYPE_CHECKING:
    from rich.console import Console
    from rich.live import Live

#: Milliseconds between frames.
INTERVAL = 100


class LiveView:
    """A context manager around a run. Hand it the facts (call it), the output of steps and the time."""

    def __init__(self, plan: Plan, state: RunView, console: Console, *, theme: Theme = PLAIN) -> None:
        self.tails = Tails()
        self._console = console
        self._theme = theme
        self._tracker = Tracker(plan, state)
        self._live: Live | None = None
        self._drawn: Screen | None = None
        self._standing: Standing | None = None
        self._next = 0

    def __enter__(self) -> Self:
        from rich.live import Live

        # What others write to stderr meanwhile is put above the view; stdout carries results only, later.
        self._live = Live(
            console=self._console,
            auto_refresh=False,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=True,
            vertical_overflow="crop",
        )
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take the view away; the summary comes in its place."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def __call__(self, events: Sequence[Event]) -> None:
        """Take committed facts."""
        self._tracker(events)
        self.tails(events)
        for event in events:
            if isinstance(event, StepCompleted):
                self.tails.forget(event.step)

    def waits(self, standing: Standing, _now: int) -> None:
        """Take where the run stands in the queue for its turn."""
        self._standing = standing if standing.position else None

    def output(self, step: str, stream: str, text: str) -> None:
        """Take what a step wrote."""
        self.tails.add(step, stream, text)

    def tick(self, now: int) -> None:
        """Draw, if a frame is due at `now` (ms since the epoch) and would look different."""
        if self._live is None or now < self._next:
            return
        self._next = now + INTERVAL
        self._tracker.look()
        size = self._console.size
        # One line is left free: a frame as high as the terminal makes it scroll.
        waits = queue_text(self._standing, now) if self._standing else ""
        screen = frame(self._tracker, self.tails, now, size.width, size.height - 1, self._theme, waits)
        if screen != self._drawn:
            self._drawn = screen
            self._live.update(screen, refresh=True)
