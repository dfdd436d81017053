"""The database of a state directory, for the commands that look after it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mplp_cli.runtime import Runtime
    from mplp_cli.store.database import Database


@contextmanager
def opened(runtime: Runtime) -> Iterator[tuple[Path, Database] | None]:
    """State directory and database; None if nothing was ever stored here: looking makes nothing."""
    from mplp_cli.store.database import Database
    from mplp_cli.store.layout import database_path

    place = runtime.existing_state_dir()
    if place is None or not stored_in(place):
        yield None
        return
    database = Database(database_path(place))
    try:
        yield place, database
    finally:
        database.close()


def stored_in(place: Path) -> bool:
    """Whether a store is there, or traces of one."""
    from mplp_cli.store.layout import database_path

    path = database_path(place)
    return path.exists() or Path(f"{path}-wal").exists() or any((place / "runs").glob("*.lock"))


def size_text(size: float) -> str:
    """Bytes for people: `512 B`, `4.0 KiB`, `1.5 MiB`."""
    for unit in ("B", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.0f} B" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} GiB"
