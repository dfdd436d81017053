"""A line of JSON for each event, at the end of a file."""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import Coroutine, Sequence
from threading import Lock
from typing import Any, Final, NamedTuple

import msgspec

from mplp_cli.errors import DeliveryError, Failure
from mplp_cli.events.contract import Outcomes
from mplp_cli.workflow.events.routes import FileTarget
from mplp_cli.workflow.published import Published, cloud_event

#: Who follows a pipe or a device is asked by nobody; so these are looked at, and not waited for.
_FLAGS = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK
_encode: Final = msgspec.json.Encoder().encode


class _Open(NamedTuple):
    """A file that is open, and not on the disk yet; `new`: its name may not be, either."""

    number: int
    device: int
    inode: int
    new: bool

    def is_at(self, path: str) -> bool:
        """Whether it has not been moved away."""
        try:
            there = os.stat(path)  # noqa: PTH116 (text is wanted)
        except FileNotFoundError:
            return False
        return (there.st_dev, there.st_ino) == (self.device, self.inode)


class FileSender:
    """Appends to one file, which may be moved away and is made again.

    A batch is one write; it is there for others at once, and on the disk after a `sync`.
    """

    at_most = 500

    def __init__(self, target: FileTarget, near: int | None = None) -> None:
        """`near`: the device that the event loop waits for anyhow; a file elsewhere is written to by a thread."""
        self._path, self._near = target.path, near
        #: What is written to, and all that are not on the disk yet.
        self._file: _Open | None = None
        self._unsure: list[_Open] = []
        #: A sync that failed, and that nobody has heard of.
        self._lost: Failure | None = None
        self._changing, self._syncing = Lock(), Lock()

    def send(self, events: Sequence[tuple[int, Published]]) -> Outcomes | Coroutine[Any, Any, Outcomes]:
        """All of them, or none of which it is certain."""
        lines = b"".join([_encode(cloud_event(event)) + b"\n" for _, event in events])
        file = self._file
        if file is not None and file.device == self._near:
            return [self._append(lines)] * len(events)
        return self._far(lines, len(events))

    async def _far(self, lines: bytes, count: int) -> Outcomes:
        return [await asyncio.to_thread(self._append, lines)] * count

    def _append(self, lines: bytes) -> Failure | None:
        with self._changing:
            before, self._file = self._file, None
            try:
                file = before if before is not None and before.is_at(self._path) else _opened(self._path)
            except OSError as error:
                return self._refused(error)
            try:
                _write(file.number, lines)
            except OSError as error:
                # What there is of a line is seen when it is opened again.
                if file is not before:
                    os.close(file.number)
                return self._refused(error)
            if file is not before:
                self._unsure.append(file)
            self._file = file
        return None

    async def sync(self) -> Failure | None:
        """Have the disk keep what was written."""
        failure = await asyncio.to_thread(self._sync)
        self._lost = None
        return failure

    def _sync(self) -> Failure | None:
        with self._syncing:
            with self._changing:
                files, self._unsure, self._file = self._unsure, [], None
            for file in files:
                try:
                    try:
                        os.fsync(file.number)
                        if file.new:
                            _sync_directory(os.path.dirname(self._path) or ".")  # noqa: PTH120 (text is wanted)
                    finally:
                        os.close(file.number)
                except OSError as error:
                    self._lost = self._refused(error)
            return self._lost

    def _refused(self, error: OSError) -> Failure:
        why = error.strerror or str(error)
        parent = os.path.dirname(self._path)  # noqa: PTH120 (the same)
        if not os.path.isdir(parent):  # noqa: PTH112 (the same)
            why = f"the directory {parent} does not exist; it has to be made first"
        return DeliveryError(f"cannot write to {self._path}: {why}", details={"path": self._path}).failure()


def _opened(path: str) -> _Open:
    """A file to write at the end of. OSError.

    What a crash has left of a last line is made a line of its own, so that only that one is spoiled.
    """
    new = not os.path.exists(path)  # noqa: PTH110 (text is wanted)
    file = os.open(path, _FLAGS, 0o600)
    try:
        status = os.fstat(file)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(None, "it is not a regular file")
        if status.st_size and os.pread(file, 1, status.st_size - 1) != b"\n":
            _write(file, b"\n")
    except BaseException:
        os.close(file)
        raise
    return _Open(file, status.st_dev, status.st_ino, new)


def _write(file: int, lines: bytes) -> None:
    while lines:
        lines = lines[os.write(file, lines) :]


def _sync_directory(path: str) -> None:
    """So that the name of a new file outlasts a power cut, too."""
    directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
