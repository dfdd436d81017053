"""One connection to `state.db`: opening it with care, writing in transactions, and what failures mean.

The file is never opened here by other means than SQLite: closing any descriptor of it would drop the
locks that SQLite holds for the whole process.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import apsw
import msgspec

from mplp_cli.errors import MplpError, StoreError
from mplp_cli.store.creation import create
from mplp_cli.store.layout import NO_ROOM
from mplp_cli.store.logfile import LogFile
from mplp_cli.store.schema import APPLICATION_ID, UPGRADES, VERSION
from mplp_cli.store.writeback import Writeback

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

Connect = Callable[[str], apsw.Connection]

#: Milliseconds that a writer waits for another one.
BUSY_TIMEOUT: Final = 5_000
#: Since then no write-ahead log is damaged by a reset that races with a reader.
SAFE_SQLITE: Final = (3, 51, 3)

#: Primary result code -> cause (for machines), what happened, what to do.
_CAUSES: Final[dict[int, tuple[str, str, str]]] = {
    apsw.SQLITE_FULL: ("full", "the disk is full", "Free some space, then resume the run."),
    apsw.SQLITE_READONLY: (
        "read-only",
        "it may only be read",
        "Give yourself the right to write to it, or name another state directory with --state-dir.",
    ),
    apsw.SQLITE_PERM: ("read-only", "access is denied", "Look at the rights of the file and its directory."),
    apsw.SQLITE_CANTOPEN: ("cannot-open", "it cannot be opened", "Look at the rights of its directory."),
    apsw.SQLITE_CORRUPT: (
        "corrupt",
        "it is damaged",
        "Move the state directory away and keep it; restore a copy of it, or start with a new one.",
    ),
    apsw.SQLITE_NOTADB: ("foreign", "it is not a database", "Name another state directory."),
    apsw.SQLITE_NOMEM: ("memory", "there is no memory left", "Free some memory, then resume the run."),
}
_OTHER: Final = ("io", "reading or writing failed", "Look at the disk and the system's log, then try again.")
_ELSEWHERE: Final = "Name another state directory with --state-dir."
#: Causes of which the message says everything.
_PLAIN: Final = frozenset({"busy", "closed", "memory", "old-sqlite"})
#: Failures that a disk without room can be behind, whatever SQLite calls them.
_NEED_ROOM: Final = frozenset(
    {
        apsw.SQLITE_CANTOPEN,
        apsw.SQLITE_IOERR_WRITE,
        apsw.SQLITE_IOERR_FSYNC,
        apsw.SQLITE_IOERR_DIR_FSYNC,
        apsw.SQLITE_IOERR_TRUNCATE,
        apsw.SQLITE_IOERR_SHMOPEN,
        apsw.SQLITE_IOERR_SHMSIZE,
    }
)
_BUSY: Final = frozenset({apsw.SQLITE_BUSY, apsw.SQLITE_LOCKED, apsw.SQLITE_PROTOCOL})


#: What decoding says of a row that is not what was written. Text where bytes were is a TypeError.
UNREADABLE: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, TypeError)


def sqlite_version() -> tuple[int, ...]:
    """The version of the SQLite that is linked in, which need not be the one apsw was compiled for."""
    return tuple(int(part) for part in apsw.sqlite_lib_version().split("."))


def connect(path: str) -> apsw.Connection:
    """A plain connection to a file that exists."""
    return apsw.Connection(path, flags=apsw.SQLITE_OPEN_READWRITE)


class Database:
    """The one connection of a store. After a failure it is dropped, and opened anew at the next use."""

    def __init__(self, path: Path, connect: Connect = connect) -> None:
        """Open the database at `path`, made if neither it nor a trace of it is there. StoreError."""
        self.path = path
        self._connect = connect
        self._db: apsw.Connection | None = None
        self._writeback: Writeback
        self._closed = False
        #: Whether a commit waits for the disk.
        self._waits = True
        self._opened = 0
        self._log = LogFile(str(path), partial(_beside, connect, str(path)))
        #: Waits for the disk.
        self._thread: ThreadPoolExecutor | None = None
        #: How often this store itself has left a request; SQLite reports the writes of others only.
        self.requests = 0
        if sqlite_version() < SAFE_SQLITE:
            raise _refusal(
                path,
                "old-sqlite",
                f"needs SQLite 3.51.3 or newer, not {apsw.sqlite_lib_version()}",
                "Install the apsw package anew.",
            )
        if not os.path.lexists(path):
            with translated(path):
                create(path, connect)
        self.connection()

    # ---- the connection ----

    def connection(self) -> apsw.Connection:
        """The open connection; what is begun with it is durable. StoreError if there can be none."""
        db = self._connection()
        if not self._waits and not db.in_transaction:
            with translated(self.path):
                self._wait(db, for_disk=True)
        return db

    def _connection(self) -> apsw.Connection:
        if self._db is None:
            if self._closed:
                raise _refusal(self.path, "closed", "was closed by this process", None)
            with translated(self.path):
                self._db = self._open()
            self._waits = True
            self._opened += 1
        return self._db

    def _wait(self, db: apsw.Connection, *, for_disk: bool) -> None:
        """Whether the next commits wait for the disk."""
        if self._waits is not for_disk:
            db.pragma("synchronous", "FULL" if for_disk else "NORMAL")
            self._waits = self._writeback.waits = for_disk

    def _open(self) -> apsw.Connection:
        if self.path.stat().st_size == 0:
            raise _refusal(
                self.path,
                "empty",
                "is empty, so what it held is lost",
                "Restore a copy of it, or move the state directory away to start with a new one.",
            )
        db = self._connect(str(self.path))
        try:
            db.set_busy_timeout(BUSY_TIMEOUT)
            self._inspect(db)
            _configure(db)
            _upgrade(db)
            self._log.open()
        except BaseException:
            self._log.close()
            db.close(True)
            raise
        # Without a way back to this object: it is closed with the last reference to it.
        self._writeback = Writeback(partial(_beside, self._connect, str(self.path)), self._log.doubt)
        db.set_wal_hook(self._writeback.committed)
        return db

    def _inspect(self, db: apsw.Connection) -> None:
        """StoreError unless the file is ours and of a version that this program knows."""
        if db.pragma("application_id") != APPLICATION_ID:
            raise _refusal(self.path, "foreign", "belongs to another program", _ELSEWHERE)
        version = db.pragma("user_version")
        if version > VERSION:
            raise _refusal(
                self.path,
                "newer",
                f"was written by a newer mplp (format {version}; this one knows {VERSION})",
                "Upgrade mplp, or name another state directory with --state-dir.",
            )
        if version < 1:
            raise _refusal(self.path, "corrupt", "has no format number", "Restore a copy of it.")

    def drop(self) -> None:
        """Close the connection; what was not committed is gone. The next use opens a new one."""
        db, self._db = self._db, None
        if db is not None:
            try:
                self._writeback.close()
            finally:
                # Its file stays open: who has asked for a sync is still answered.
                if self._log.gap:
                    # Nothing is taken over from a log that the disk may not have.
                    db.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
                # Forced: a connection that is given up must not refuse to go.
                db.close(True)

    def close(self) -> None:
        """Close for good."""
        self._closed = True
        with translated(self.path):
            self.drop()
        if self._thread is not None:
            self._thread.shutdown()
        self._log.close()

    # ---- reading and writing ----

    def rows(self, statement: str, bindings: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """All rows of a query. Nothing stays open afterwards, so that no write is held up."""
        with translated(self.path):
            return self.connection().execute(statement, tuple(bindings)).fetchall()

    def writing(self) -> AbstractContextManager[apsw.Connection]:
        """One write transaction, durable at the end of the block.

        An error of ours leaves nothing behind. After any other exception the outcome is unknown:
        the connection is dropped, and the exception (of SQLite: as StoreError) goes on.
        """
        return self._transaction(for_disk=True)

    def passing(self) -> AbstractContextManager[apsw.Connection]:
        """As `writing`, of what need not outlast a power cut, or not yet: nothing waits for the disk."""
        return self._transaction(for_disk=False)

    @contextmanager
    def _transaction(self, *, for_disk: bool) -> Iterator[apsw.Connection]:
        with translated(self.path):
            db = self._connection()
            if self._log.gap:
                self._log.sync()
            try:
                self._wait(db, for_disk=for_disk)
                db.execute("BEGIN IMMEDIATE")
                try:
                    yield db
                except MplpError:
                    db.execute("ROLLBACK")
                    raise
                db.execute("COMMIT")
            except MplpError:
                raise
            except BaseException as error:
                self._log.gap |= isinstance(error, apsw.IOError)
                self.drop()
                raise

    async def sync(self) -> None:
        """Have the disk keep what was written `passing`, while others go on. StoreError if that is not certain."""
        from asyncio import get_running_loop
        from concurrent.futures import ThreadPoolExecutor

        self._connection()
        if self._thread is None:
            # Its own: a slow target must not keep publishers waiting.
            self._thread = ThreadPoolExecutor(1, "mplp sync")
        with translated(self.path):
            await get_running_loop().run_in_executor(self._thread, self._log.sync)

    def sync_now(self) -> None:
        """The same, and nobody goes on meanwhile."""
        self._connection()
        with translated(self.path):
            self._log.sync()

    def change(self) -> tuple[int, int, int]:
        """A value that differs from an earlier one if somebody else has written in between. Microseconds."""
        try:
            version = self.connection().execute("PRAGMA data_version").get
        except apsw.Error as error:
            raise store_error(error, self.path) from error
        return self._opened, self.requests, version


def _beside(connect: Connect, path: str) -> apsw.Connection:
    """Another connection to the same file."""
    db = connect(path)
    db.set_busy_timeout(BUSY_TIMEOUT)
    _configure(db)
    return db


def _configure(db: apsw.Connection) -> None:
    if db.pragma("journal_mode") != "wal":
        # Only a copy made by other tools has another mode; setting it takes a lock.
        db.pragma("journal_mode", "wal")
    db.pragma("synchronous", "FULL")
    db.pragma("trusted_schema", False)
    db.pragma("cell_size_check", True)
    if sys.platform == "darwin":
        db.pragma("fullfsync", True)
        db.pragma("checkpoint_fullfsync", True)


def _upgrade(db: apsw.Connection) -> None:
    """Give a store of an older format what it lacks, once, whoever comes first."""
    if db.pragma("user_version") == VERSION:
        return
    db.execute("BEGIN IMMEDIATE")
    for version in range(db.pragma("user_version"), VERSION):
        db.execute(UPGRADES[version])
    db.pragma("user_version", VERSION)
    db.execute("COMMIT")


# ---- what failures mean ----


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Errors of SQLite and the system in the block become StoreErrors about the file at `path`."""
    try:
        yield
    except apsw.Error as error:
        raise store_error(error, path) from error
    except OSError as error:
        cause, what, hint = _CAUSES[apsw.SQLITE_FULL] if error.errno in NO_ROOM else _OTHER
        what = what if error.strerror is None or cause == "full" else error.strerror
        raise _refusal(path, cause, f"cannot be used: {what}", hint) from error


def store_error(error: apsw.Error, path: Path) -> StoreError:
    """What an error of SQLite means for the user."""
    code = getattr(error, "result", apsw.SQLITE_ERROR)
    if code in _BUSY:
        pid = writer_of(path)
        who = "another process" if pid is None else f"process {pid}"
        return _refusal(
            path,
            "busy",
            f"is being written to by {who}, for more than {BUSY_TIMEOUT // 1000} s",
            "See whether that process is stopped or the disk is very slow, then try again.",
            pid=pid,
        )
    if getattr(error, "extendedresult", code) in _NEED_ROOM and not _has_room(path.parent):
        code = apsw.SQLITE_FULL
    cause, what, hint = _CAUSES.get(code, _OTHER)
    return _refusal(path, cause, f"cannot be used: {what} ({error})", hint)


def _has_room(directory: Path) -> bool:
    """Whether a file there could grow by as much as the shared index does; True if that cannot be told."""
    from tempfile import TemporaryFile

    try:
        with TemporaryFile(dir=directory, buffering=0) as file:
            file.write(bytes(65_536))
    except OSError as error:
        return error.errno not in NO_ROOM
    return True


def _refusal(path: Path, cause: str, what: str, hint: str | None, **details: Any) -> StoreError:
    if hint is not None and cause not in _PLAIN:
        hint += " `mplp doctor` explains more."
    return StoreError(
        f"the state store {path} {what}", hint=hint, details={"path": str(path), "cause": cause, **details}
    )


def corrupt(path: Path, what: str) -> StoreError:
    """A finding of our own: SQLite is content, the content is not what was written."""
    cause, damaged, hint = _CAUSES[apsw.SQLITE_CORRUPT]
    return _refusal(path, cause, f"cannot be used: {damaged} ({what})", hint)


def writer_of(path: Path) -> int | None:
    """The process that is writing to the database, where the system tells (Linux).

    The writer holds byte 120 of the shared index. The list of locks is read, not the lock: opening
    and closing that file would drop this process's own locks on it.
    """
    try:
        inode = Path(f"{path}-shm").stat().st_ino
        locks = Path("/proc/locks").read_text("ascii")
    except OSError:
        return None
    for line in locks.splitlines():
        match line.split():
            case [_, "POSIX", _, "WRITE", pid, file, "120", _] if file.rpartition(":")[2] == str(inode):
                return int(pid)
    return None
