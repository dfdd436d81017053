"""The write-ahead log of a database, as a file: the disk is asked to keep what commits did not wait for.

What a disk could not keep it forgets, and it says so once. What it should have kept is a gap then: nothing behind it
in the log would be found after a power cut, whatever later syncs say. It is still in memory; so all of the log is
written over itself, and the disk is asked once more.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import closing
from threading import Lock
from typing import Final

import apsw

#: Bytes that are written over themselves at once.
_PIECE: Final = 1 << 20


class LogFile:
    """Of one database, open while its connection is. Any thread may ask."""

    def __init__(self, path: str, connect: Callable[[], apsw.Connection]) -> None:
        """`path` of the database; `connect` opens another connection to it."""
        self._path, self._connect = f"{path}-wal", connect
        self._file = -1
        self._lock = Lock()
        #: Whether something in the log may not be on the disk though a sync is over.
        self.gap = False

    def open(self) -> None:
        """To be called before anything is written: only who has it open then is told what the disk could not keep.
        OSError."""
        self._file = os.open(self._path, os.O_RDWR | os.O_CLOEXEC)

    def close(self) -> None:
        """Close it, if it is open."""
        with self._lock:
            file, self._file = self._file, -1
        if file >= 0:
            os.close(file)

    def sync(self) -> None:
        """Have the disk keep all that was committed before. OSError or apsw.Error if that is not certain."""
        with self._lock:
            file = os.dup(self._file)
        try:
            if not self.gap:
                try:
                    _sync(file)
                except OSError:
                    self.gap = True
            if self.gap:
                self._write_anew(file)
                self.gap = False
        finally:
            os.close(file)

    def _write_anew(self, file: int) -> None:
        with closing(self._connect()) as db:
            # Nobody else writes until it is closed.
            db.execute("BEGIN IMMEDIATE")
            at = 0
            while piece := os.pread(file, _PIECE, at):
                at += os.pwrite(file, piece, at)
            _sync(file)


def _sync(file: int) -> None:
    if sys.platform == "darwin":
        import fcntl

        try:
            fcntl.fcntl(file, fcntl.F_FULLFSYNC)
        except OSError:  # not every file system knows it
            os.fsync(file)
    else:
        os.fdatasync(file)
