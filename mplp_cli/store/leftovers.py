"""Files of runs that no store knows."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from mplp_cli.errors import MplpError
from mplp_cli.store.database import Database, translated
from mplp_cli.store.layout import lock_path
from mplp_cli.store.locks import is_held
from mplp_cli.workflow.values import RunId

#: Milliseconds after which a lock file of a run that nobody knows is no run about to begin.
OLD: Final = 60_000


def leftover_runs(database: Database, state_dir: Path, now: int) -> list[RunId]:
    """Ids that have a lock file or output, are in no list, are held by nobody and are no run about to begin."""
    folder = state_dir / "runs"
    with translated(folder):
        if not folder.is_dir():
            return []
        names = {p.name.removesuffix(".lock"): p for p in sorted(folder.iterdir()) if not p.is_symlink()}
        young = {name for name, p in names.items() if p.stat().st_mtime * 1000 > now - OLD}
    known = {name for (name,) in database.rows("SELECT id FROM run")}
    return [name for name in names if name not in known | young and _is_free(state_dir, name)]


def _is_free(state_dir: Path, name: str) -> bool:
    try:
        return not is_held(lock_path(state_dir, name))
    except (MplpError, OSError):  # a name that is no id: not ours
        return False
