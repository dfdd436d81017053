"""Writing the log of a database back into it, by a thread: who commits does not wait for that."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Final

import apsw

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

#: Pages of the log from which on it is written back; as many as SQLite itself takes.
PAGES: Final = 1_000
#: Pages of the log that may be left to it while no commit waits for the disk: beginning anew does.
LONG: Final = 4 * PAGES
#: Pages that are few enough to be written by who commits, and how often the thread tries to leave no more.
_FEW: Final = 50
_ROUNDS: Final = 4


class Writeback:
    """Of one connection, whose `set_wal_hook` gets `committed`.

    The log begins anew only when a commit finds all of it written back. Commits go on beside the thread, so the last
    few pages are written by one of them.
    """

    def __init__(self, connect: Callable[[], apsw.Connection], doubt: Callable[[], None]) -> None:
        """`connect` opens another connection to the same file, and is called in the thread. `doubt` is called if the
        connection was told that the disk could not keep something: it is told only once."""
        self._connect, self._doubt = connect, doubt
        self._thread: ThreadPoolExecutor | None = None
        self._work: Future[None] | None = None
        #: Whether who commits waits for the disk.
        self.waits = True
        #: Pages in the log, and with how many it is looked after next.
        self._pages = 0
        self._next = PAGES

    def committed(self, db: apsw.Connection, _name: str, pages: int) -> int:
        """The log has so many pages now."""
        if pages < self._pages:
            self._next = PAGES
        self._pages = pages
        if pages < self._next or (self._work is not None and not self._work.done()):
            return apsw.SQLITE_OK
        if self._work is None:
            # Without a thread it is all written below.
            with suppress(RuntimeError):
                self._work = self._begun()
                return apsw.SQLITE_OK
        self._work = None
        # If somebody still reads what is in it, it gets longer until the next time.
        self._next = pages + PAGES
        if self.waits or pages >= LONG:
            try:
                db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
            except apsw.IOError:
                self._doubt()
            except apsw.Error:
                pass  # it is tried again later
        return apsw.SQLITE_OK

    def _begun(self) -> Future[None]:
        if self._thread is None:
            from concurrent.futures import ThreadPoolExecutor

            self._thread = ThreadPoolExecutor(1, "mplp writeback")
        return self._thread.submit(self._write)

    def _write(self) -> None:
        # What cannot be written now stays in the log.
        with suppress(apsw.Error, OSError), closing(self._connect()) as db:
            for _ in range(_ROUNDS):
                _, written = db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
                if self._pages - written < _FEW:
                    return

    def close(self) -> None:
        """Wait until the thread has ended."""
        if self._thread is not None:
            self._thread.shutdown()
