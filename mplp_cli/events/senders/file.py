"""A line of JSON for each event, at the end of a file."""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import Sequence

import msgspec

from mplp_cli.errors import DeliveryError, Failure
from mplp_cli.workflow.events.routes import FileTarget
from mplp_cli.workflow.published import Published, cloud_event

#: Who follows a pipe or a device is asked by nobody; so these are looked at, and not waited for.
_FLAGS = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK


class FileSender:
    """Appends to one file, which is opened for each batch: it may be moved away and is made again.

    A batch is one write, and on the disk when it counts as delivered.
    """

    at_most = 500

    def __init__(self, target: FileTarget) -> None:
        self._path = target.path

    async def send(self, events: Sequence[tuple[int, Published]]) -> Sequence[Failure | None]:
        """All of them, or none of which it is certain."""
        lines = b"".join(msgspec.json.encode(cloud_event(event)) + b"\n" for _, event in events)
        failure = await asyncio.to_thread(self._append, lines)
        return [failure] * len(events)

    def _append(self, lines: bytes) -> Failure | None:
        try:
            append(self._path, lines)
        except OSError as error:
            why = error.strerror or str(error)
            parent = os.path.dirname(self._path)  # noqa: PTH120 (text is wanted)
            if not os.path.isdir(parent):  # noqa: PTH112 (the same)
                why = f"the directory {parent} does not exist; it has to be made first"
            return DeliveryError(
                f"cannot write to {self._path}: {why}", details={"path": self._path}
            ).failure()
        return None


def append(path: str, lines: bytes) -> None:
    """Write lines at the end of a file, durably. OSError.

    What a crash has left of a last line is made a line of its own first, so that only that one is spoiled.
    """
    there = os.path.exists(path)  # noqa: PTH110 (once a batch)
    file = os.open(path, _FLAGS, 0o600)
    try:
        status = os.fstat(file)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(None, "it is not a regular file")
        if status.st_size and os.pread(file, 1, status.st_size - 1) != b"\n":
            lines = b"\n" + lines
        while lines:
            lines = lines[os.write(file, lines) :]
        os.fsync(file)
    finally:
        os.close(file)
    if not there:
        _sync_directory(os.path.dirname(path) or ".")  # noqa: PTH120 (the same)


def _sync_directory(path: str) -> None:
    """So that the name of a new file outlasts a power cut, too."""
    directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
