"""Frames over the whole terminal; what was on it before comes back."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Self

from mplp_cli.render.ink import Screen

if TYPE_CHECKING:
    from rich.console import Console
    from rich.live import Live


class FullScreen:
    """A context manager: `show` draws what differs from the frame before, and anything if the size has changed."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live: Live | None = None
        self._drawn: tuple[tuple[int, int], Screen] | None = None

    def __enter__(self) -> Self:
        from rich.live import Live

        self._live = Live(
            console=self._console,
            screen=True,
            auto_refresh=False,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the terminal back as it was."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def show(self, draw: Callable[[int, int], Screen]) -> None:
        """Draw what `draw` makes of the width and the height."""
        size = self._console.size
        now = ((size.width, size.height), draw(size.width, size.height))
        if self._live is not None and now != self._drawn:
            self._drawn = now
            self._live.update(now[1], refresh=True)
