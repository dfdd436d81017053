"""Small files of the state directory that are written whole, by one process at a time."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mplp_cli.store.layout import sync_directory


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Alone with the lock file at `path`; whoever else wants to be waits."""
    fd = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def put(path: Path, text: bytes) -> None:
    """Put a file in the place of that one: readers see the old one or the new one, also after a power cut."""
    draft = path.with_name(f"{path.name}.new")
    fd = os.open(draft, os.O_CREAT | os.O_TRUNC | os.O_WRONLY | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "wb") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    sync_directory(path.parent)
