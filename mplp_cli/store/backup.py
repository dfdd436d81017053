"""A consistent copy of a store, made while runs go on: one moment of it, whole, compact and verified."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apsw

from mplp_cli.errors import StoreError, UsageError
from mplp_cli.store.database import Database, corrupt, translated
from mplp_cli.store.layout import sync_directory
from mplp_cli.store.schema import APPLICATION_ID, COUNTED, COUNTS, VERSION


def back_up(database: Database, target: Path, *, force: bool = False) -> dict[str, Any]:
    """Write the store as it is now to `target`, for its user only: `{size, runs, facts, ...}`.

    UsageError if something is there (with `force`: if that is a store in use); StoreError if the copy cannot
    be written or is not whole. A copy that failed leaves what was there as it was.
    """
    _check(database, target, force=force)
    draft = target.with_name(f".{target.name}.{os.getpid()}.new")
    with translated(target), _removed(draft):
        # SQLite takes an empty file for a new one; this is how it gets its rights before its content.
        os.close(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
        _copy(database, draft)
        counts = verified(draft)
        descriptor = os.open(draft, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if force:
            draft.replace(target)
        else:
            _place(draft, target)
        sync_directory(target.parent)
        return {"size": target.stat().st_size, **counts}


def _copy(database: Database, draft: Path) -> None:
    """All pages that hold something, as of one moment; writers are not held up."""
    try:
        database.rows("VACUUM INTO ?", (str(draft),))
    except StoreError as error:
        raise StoreError(
            f"the copy cannot be written: {error.message}",
            hint="Look at the disk that the copy goes to; `mplp doctor` checks the store.",
            details=error.details,
        ) from error


def _place(draft: Path, target: Path) -> None:
    """Give the copy its name, unless somebody else has taken it since."""
    try:
        os.link(draft, target)
    except FileExistsError:
        raise _exists(target) from None
    except OSError:  # a file system without hard links
        if os.path.lexists(target):
            raise _exists(target) from None
        draft.replace(target)


def verified(copy: Path) -> dict[str, int]:
    """How much the copy holds. StoreError if it is not a whole store."""
    db = apsw.Connection(str(copy), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        if db.pragma("application_id") != APPLICATION_ID or db.pragma("user_version") != VERSION:
            raise corrupt(copy, "the copy is not a store")
        findings = [str(row[0]) for row in db.execute("PRAGMA integrity_check(5)")]
        if findings != ["ok"]:
            raise corrupt(copy, "; ".join(findings))
        row: Any = db.execute(COUNTS).get
        return dict(zip(COUNTED, row, strict=True))
    finally:
        db.close(True)


def _check(database: Database, target: Path, *, force: bool) -> None:
    if not target.parent.is_dir():
        raise UsageError(f"there is no directory {target.parent}", hint="make it first")
    if not os.path.lexists(target):
        return
    if not force:
        raise _exists(target)
    if not target.is_file() or target.samefile(database.path) or Path(f"{target}-wal").exists():
        raise UsageError(
            f"{target} is not overwritten: it is a store in use, or no file", hint="name another file"
        )


def _exists(target: Path) -> UsageError:
    return UsageError(f"{target} exists already", hint="name another file, or overwrite it with --force")


@contextlib.contextmanager
def _removed(draft: Path) -> Iterator[None]:
    try:
        yield
    finally:
        for name in (str(draft), f"{draft}-journal"):
            Path(name).unlink(missing_ok=True)
