"""The health of its state, as a server tells it: looked at in a thread, if asked, and at most every few seconds."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future
from typing import Any, Final

from mplp_cli.checks.table import checks_inside
from mplp_cli.observe.health import Checkup
from mplp_cli.runtime import Runtime

#: Seconds that a check may take. Nobody waits for it but who asks for all of them.
_DEADLINE: Final = 5.0
#: Seconds for which a report is not made again, and for which it is told at all.
FRESH: Final = 5.0
_OLD: Final = 60.0
#: Seconds until a look that nobody asks for.
_PAUSE: Final = 30.0


class Vitals:
    """The last report of all checks."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._checkup: Checkup | None = None
        self._last: dict[str, Any] | None = None
        self._at = 0.0
        #: Whether the last look could not be made.
        self.broken = False
        #: The look that goes on.
        self._work: Future[None] | None = None

    def last(self) -> dict[str, Any] | None:
        """The last report, None if there is none that still means something. It has a new one made if it is time."""
        age = float("inf") if self._last is None else self._runtime.clock.monotonic() - self._at
        if age >= FRESH and (self._work is None or self._work.done()):
            self._work = Future()
            threading.Thread(target=self._look, args=(self._work,), daemon=True).start()
        return self._last if age < _OLD else None

    async def work(self) -> None:
        """Look again and again, so that there is always a report. It never ends."""
        while True:
            await asyncio.sleep(_PAUSE)
            self.last()

    async def report(self) -> dict[str, Any]:
        """As `last`, and waits for it if there is none."""
        while (found := self.last()) is None:
            assert self._work is not None  # it has just been begun, or goes on
            await asyncio.shield(asyncio.wrap_future(self._work))
        return found

    def _look(self, work: Future[None]) -> None:
        try:
            if self._checkup is None:
                checks = checks_inside(self._runtime, _DEADLINE)
                self._checkup = Checkup(checks, self._runtime.clock, _DEADLINE)
            self._last, self._at = self._checkup.look(), self._runtime.clock.monotonic()
        except Exception as error:  # noqa: BLE001 - whoever waits is told
            self.broken = True
            work.set_exception(error)
        else:
            self.broken = False
            work.set_result(None)
