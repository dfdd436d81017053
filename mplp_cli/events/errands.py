"""Small things to do soon on the loop, each once however often it is asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Errands:
    """What is to be done, by name. Nothing is taken on before `open` and after `close`."""

    def __init__(self) -> None:
        self.is_open = False
        self._waiting: dict[str, asyncio.Handle] = {}

    def open(self) -> None:
        """Take things on."""
        self.is_open = True

    def close(self) -> None:
        """Drop what has not been done."""
        self.is_open = False
        for handle in self._waiting.values():
            handle.cancel()
        self._waiting.clear()

    def soon(self, name: str, act: Callable[[], None], seconds: float = 0) -> None:
        """Do it in the next turn, or that much later, unless something of that name waits already."""
        if name in self._waiting or not self.is_open:
            return

        def done() -> None:
            del self._waiting[name]
            act()

        loop = asyncio.get_running_loop()
        self._waiting[name] = loop.call_later(seconds, done) if seconds > 0 else loop.call_soon(done)

    def drop(self, name: str) -> None:
        """Do it not, if it waits."""
        if (handle := self._waiting.pop(name, None)) is not None:
            handle.cancel()
