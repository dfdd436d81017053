"""How `state.db` comes to be: complete, or not at all.

It is built under another name and renamed, by one process at a time, so that a crash leaves no
half-made store. Where runs are known but their store is gone, none is made.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import apsw

from mplp_cli.errors import StoreError
from mplp_cli.store.layout import sync_directory
from mplp_cli.store.schema import SCHEMA

_PATIENCE: Final = 5.0
_PAUSE: Final = 0.01


def create(path: Path, connect: Callable[[str], apsw.Connection]) -> None:
    """Make the database at `path` unless another process just did. StoreError, apsw.Error or OSError."""
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        _lock(directory, path)
        if os.path.lexists(path):
            return
        _refuse_if_lost(path)
        draft = path.with_name(f"{path.name}.new")
        for leftover in (draft, *(Path(f"{draft}-{end}") for end in ("wal", "shm", "journal"))):
            leftover.unlink(missing_ok=True)
        os.close(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
        _fill(connect(str(draft)))
        draft.rename(path)
        # Without this a power cut could take the whole file away after its first commit.
        sync_directory(path.parent)
    finally:
        os.close(directory)


def _fill(db: apsw.Connection) -> None:
    try:
        db.pragma("synchronous", "FULL")
        db.execute("BEGIN IMMEDIATE")
        db.execute(SCHEMA)
        db.execute("COMMIT")
        db.pragma("journal_mode", "wal")
    finally:
        db.close(True)


def _lock(directory: int, path: Path) -> None:
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            fcntl.flock(directory, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise StoreError(
                    f"another process is creating the state store {path}, for more than {_PATIENCE:.0f} s",
                    hint="See whether that process is stopped, then try again.",
                    details={"path": str(path), "cause": "busy"},
                ) from None
            time.sleep(_PAUSE)
        else:
            return


def _refuse_if_lost(path: Path) -> None:
    """StoreError if there was a store here: a new one would hide that its runs are lost."""
    traces = [Path(f"{path}-wal"), *path.parent.glob("runs/*.lock")]
    if any(trace.exists() for trace in traces):
        raise StoreError(
            f"the state store {path} is gone, but {path.parent} still has traces of its runs",
            hint="Restore a copy of it, or move the state directory away to start with a new one."
            " `mplp doctor` explains more.",
            details={"path": str(path), "cause": "missing"},
        )
