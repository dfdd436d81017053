"""The write-ahead log of a database, as a file: the disk is asked to keep what commits did not wait for.

What a disk could not keep it forgets, and it says so once. What it should have kept is a gap then: nothing behind it
in the log would be found after a power cut, whatever later syncs say. Mostly it is still in memory; so all of the log
is written over itself, and the disk is asked once more. SQLite holds no locks on this file.
"""

from __future__ import annotations

import errno
import os
import struct
import sys
from collections.abc import Callable
from contextlib import closing
from threading import Lock
from typing import Final

import apsw

#: What a log begins with, by the order of the bytes in its sums.
_MAGIC: Final = (0x377F0682, 0x377F0683)
#: Why a file may only be read.
_READ_ONLY: Final = (errno.EACCES, errno.EPERM, errno.EROFS)
#: Bytes that are written over themselves at once.
_PIECE: Final = 1 << 20
#: What the log begins with, and what each page in it: https://sqlite.org/fileformat2.html#the_write_ahead_log
_LOG: Final = struct.Struct(">IIII8s8s")
_PAGE: Final = struct.Struct(">8s8s8s")


class LogFile:
    """Of one database, open while its connection is. Any thread may ask."""

    def __init__(self, path: str, connect: Callable[[], apsw.Connection]) -> None:
        """`path` of the database; `connect` opens another connection to it."""
        self._path, self._connect = f"{path}-wal", connect
        self._file = -1
        self._lock = Lock()
        #: One sync at a time: of those at the same time one would be told what the disk could not keep.
        self._turn = Lock()
        #: Whether something in the log may not be on the disk though a sync is over.
        self.gap = False
        self._lost = False

    def open(self) -> None:
        """To be called before anything is written: only who has it open then is told what the disk could not keep.
        OSError."""
        self.close()
        try:
            self._file = os.open(self._path, os.O_RDWR | os.O_CLOEXEC)
        except OSError as error:
            if error.errno not in _READ_ONLY:
                raise
            self._file = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)

    def close(self) -> None:
        """Close it, if it is open."""
        with self._lock:
            file, self._file = self._file, -1
        if file >= 0:
            os.close(file)

    def doubt(self) -> None:
        """Somebody else was told that the disk could not keep something of it."""
        self.gap = True

    def __del__(self) -> None:
        """Who is forgotten is closed, as its connection is."""
        self.close()

    def sync(self) -> None:
        """Have the disk keep all that was committed before. OSError or apsw.Error if that is not certain."""
        with self._turn:
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
            finally:
                os.close(file)

    def _write_anew(self, file: int) -> None:
        with closing(self._connect()) as db, closing(self._connect()) as other:
            for one in (db, other):
                # Nothing is taken over from a log that the disk may not have.
                one.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
            # Nobody else writes until it is closed.
            db.execute("BEGIN IMMEDIATE")
            pages, _ = other.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_NOOP)
            # What was told of it cannot be taken back: who starts anew reads what there is.
            self._lost = self._lost or _pages_in(file) < pages
            if self._lost:
                raise OSError(
                    errno.EIO,
                    "the system has lost what was written; stop all processes that use it, then start them again",
                )
            at = 0
            while piece := os.pread(file, _PIECE, at):
                at += os.pwrite(file, piece, at)
            _sync(file)
            self.gap = False


def _pages_in(file: int) -> int:
    """How many pages of a log fit together, from its beginning."""
    head = os.pread(file, _LOG.size, 0)
    if len(head) < _LOG.size:
        return 0
    magic, _, size, _, salt, said = _LOG.unpack(head)
    if magic not in _MAGIC:
        return 0
    words = struct.Struct(f"{'>' if magic & 1 else '<'}{2 + size // 4}I")
    known = _summed(struct.unpack(f"{'>' if magic & 1 else '<'}6I", head[:24]), (0, 0))
    pages, at = 0, _LOG.size
    while struct.pack(">2I", *known) == said:
        page = os.pread(file, _PAGE.size + size, at)
        if len(page) < _PAGE.size + size:
            return pages
        about, its_salt, said = _PAGE.unpack_from(page)
        known = _summed(words.unpack(about + page[_PAGE.size :]), known)
        if its_salt != salt:
            return pages
        pages, at = pages + 1, at + len(page)
    return max(pages - 1, 0)


def _summed(words: tuple[int, ...], begin: tuple[int, int]) -> tuple[int, int]:
    """The checksum of a log, gone on with these words."""
    one, two = begin
    for first, second in zip(words[::2], words[1::2], strict=True):
        one = (one + first + two) & 0xFFFFFFFF
        two = (two + second + one) & 0xFFFFFFFF
    return one, two


def _sync(file: int) -> None:
    if sys.platform == "darwin":
        import fcntl

        try:
            fcntl.fcntl(file, fcntl.F_FULLFSYNC)
        except OSError:  # not every file system knows it
            os.fsync(file)
    else:
        os.fdatasync(file)
