"""The signals that end a run which this command drives."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from time import monotonic
from typing import Final

#: What they are called in the history of the run.
_NAMES: Final[dict[int, str]] = {signal.SIGINT: "Ctrl-C", signal.SIGTERM: "SIGTERM", signal.SIGHUP: "SIGHUP"}
#: Seconds within which the same signal is one: `timeout` sends it to the process, and once more to its whole group.
_ECHO: Final = 0.1


class Stops:
    """The first one cancels the run, any further one kills it, also those that come before anything can be ended."""

    def __init__(self) -> None:
        #: Names of those that have come and are not obeyed.
        self._came: list[str] = []
        #: When each of them counted last.
        self._counted: dict[str, float] = {}
        self._obey: Callable[[], object] = lambda: None

    @contextmanager
    def heard(self) -> Iterator[None]:
        """Hear them until the end of the context. In the main thread only."""
        handlers = {number: signal.getsignal(number) for number in _NAMES}
        try:
            for number in _NAMES:
                signal.signal(number, lambda got, _: self.come(_NAMES[got], monotonic()))
                signal.siginterrupt(number, False)
            yield
        finally:
            for number, handler in handlers.items():
                signal.signal(number, signal.SIG_DFL if handler is None else handler)

    def come(self, name: str, at: float) -> None:
        """One has come, at that time in seconds. Between any two instructions of the main thread."""
        before = self._counted.get(name)
        if before is None or at - before > _ECHO:
            self._counted[name] = at
            self._came.append(name)
            self._obey()

    def obey(self, cancel: Callable[[str], None], kill: Callable[[str], None]) -> None:
        """From now on end what the running event loop drives."""
        loop, verbs = asyncio.get_running_loop(), iter([cancel])

        def act() -> None:
            while self._came:
                next(verbs, kill)(self._came.pop(0))

        def soon() -> None:
            with suppress(RuntimeError):  # the loop is closed: the run is over
                loop.call_soon_threadsafe(act)

        self._obey = soon
        act()
