"""Places of agents that take only so many calls at once, shared by all processes on one state directory.

A place is a file that is locked while it is taken. The system gives the lock back when its process ends, however
that ends, so no place is ever lost.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

from mplp_cli.errors import StoreError

FOLDER: Final = "leases"
#: Seconds between looks at places that are all taken.
_LOOK: Final = 0.05


class Leases:
    """The leases of a state directory; `directory` exists."""

    def __init__(self, directory: Path) -> None:
        self._folder = directory / FOLDER

    @contextlib.asynccontextmanager
    async def hold(self, name: str, places: int) -> AsyncIterator[None]:
        """Have one of the places of `name`, as soon as one is free. StoreError if there can be none."""
        while (taken := self._take(name, places)) is None:  # noqa: ASYNC110 (no event tells of another process)
            await asyncio.sleep(_LOOK)
        try:
            yield
        finally:
            os.close(taken)

    def _take(self, name: str, places: int) -> int | None:
        """An open, locked file; None if all are taken."""
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            for number in range(places):
                flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
                place = os.open(self._folder / f"{name}.{number}", flags, 0o600)
                try:
                    fcntl.flock(place, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    os.close(place)
                else:
                    return place
        except OSError as error:
            raise StoreError(
                f"a place of agent `{name}` cannot be taken: {error.strerror}",
                details={"path": str(self._folder), "cause": "io"},
            ) from error
        return None
