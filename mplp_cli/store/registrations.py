"""The agents that commands have registered, and when each was last seen: `agents.json` of the state directory."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from mplp_cli.errors import StoreError
from mplp_cli.store.layout import NO_ROOM
from mplp_cli.store.wholefiles import alone, put
from mplp_cli.workflow.agents import KeptAgents

FILE: Final = "agents.json"
LOCK: Final = "agents.lock"


class RegistrationFile:
    """Read when it has changed; written by one process at a time, whole and durably.

    `find` gives the state directory, which it makes if it is told to; None: there is none.
    """

    def __init__(self, find: Callable[[bool], Path | None]) -> None:
        self._find = find
        self._directory: Path | None = None
        #: What was read last, and the file that it was read from: (device, inode, time of change, size).
        self._read: tuple[tuple[int, int, int, int], KeptAgents] | None = None

    def read(self) -> KeptAgents:
        """What is kept now; the same object as long as nothing has changed. StoreError if it cannot be read."""
        directory = self._directory = self._directory or self._find(False)
        return _NOTHING if directory is None else self._kept(directory / FILE)

    def change(self, act: Callable[[KeptAgents], KeptAgents]) -> KeptAgents:
        """Keep what `act` makes of what is kept; durable when it returns. Nobody else writes meanwhile."""
        directory = self._directory = self._find(True)
        assert directory is not None
        try:
            with alone(directory / LOCK):
                path = directory / FILE
                before = self._kept(path)
                after = act(before)
                if after is not before:
                    put(path, msgspec.json.format(msgspec.json.encode(after)) + b"\n")
        except OSError as error:
            full = error.errno in NO_ROOM
            raise StoreError(
                f"{directory / FILE} cannot be written: {'the disk is full' if full else error.strerror}",
                details={"path": str(directory / FILE), "cause": "full" if full else "io"},
            ) from error
        return after

    def _kept(self, path: Path) -> KeptAgents:
        try:
            if self._read is None or self._read[0] != _mark(os.stat(path)):  # noqa: PTH116 - it is asked for each call
                with path.open("rb") as file:
                    mark = _mark(os.fstat(file.fileno()))
                    self._read = mark, msgspec.json.decode(file.read(), type=KeptAgents)
        except FileNotFoundError:
            if self._read is None or self._read[0] != _NONE:
                self._read = _NONE, _NOTHING
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise StoreError(
                f"{path} cannot be read: {getattr(error, 'strerror', None) or error}",
                hint="It was changed by hand, or by a newer version; move it away and register the agents again.",
                details={"path": str(path), "cause": "unreadable"},
            ) from error
        return self._read[1]


def _mark(found: os.stat_result) -> tuple[int, int, int, int]:
    return found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size


#: No file.
_NONE = (0, 0, 0, 0)
_NOTHING = KeptAgents()
