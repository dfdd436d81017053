"""The guardian: ends what a run has started when the process that drives the run is lost, by kill -9 too.

A tiny shell waits at the end of a pipe that only the driver holds. A word through it means a clean end;
its end without a word means that the driver is gone, and everything that carries the driver's mark is
killed until nothing is left. It costs one `sh` a run, begun with the first process. Linux only: without
/proc there is nothing to find marks in.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from mplp_cli.engine import survivors

#: Signals of a terminal or a service manager are meant for the driver; it tells us how they ended.
_WAIT = 'trap "" HUP INT TERM QUIT; read -r word && exit 0; exec "$0" -S -E "$1" "$2"'


class Guardian:
    """Guards the processes that carry `mark`. `watch` before each start, `close` at a clean end."""

    def __init__(self, mark: str) -> None:
        self._mark = mark
        self._shell: subprocess.Popen[bytes] | None = None

    def watch(self) -> None:
        """Begin, if it has not begun. A machine that cannot start it has no guardian, and says so by its docs."""
        if self._shell is None and Path("/proc/self/environ").exists():
            self._shell = subprocess.Popen(
                ["/bin/sh", "-c", _WAIT, sys.executable, survivors.__file__, self._mark],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
                env={name: value for name, value in os.environ.items() if name != survivors.MARK},
            )

    def close(self) -> None:
        """The run has ended, and with it everything that it had started."""
        if self._shell is not None and self._shell.stdin is not None:
            try:
                self._shell.stdin.write(b"over\n")
                self._shell.stdin.close()
            except BrokenPipeError:
                pass  # somebody has killed it; there is nothing left to guard
            self._shell.wait()
            self._shell = None
