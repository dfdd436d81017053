"""Where the state of a project lives: `.mplp/`, found as git finds `.git`.

- `.gitignore`: everything in here is left out of version control
- `state.db`: runs, histories, objects, questions, requests
- `events.lock`: held by the process that delivers published events
- `alerts.lock`: held by the process that watches over alerts
- `runs/RUN.lock`: held by the process that drives the run
- `runs/RUN/logs/`: output of its steps
- `runs/RUN/artifacts/STEP/`: files that its steps have left
- `runs/RUN/driver.log`: what a process wrote that drives it without a terminal
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from mplp_cli.errors import StoreError, UnknownRunError
from mplp_cli.settings import Settings, load_settings, nearest
from mplp_cli.workflow.values import RunId

STATE_DIR = ".mplp"
VARIABLE = "MPLP_STATE_DIR"
#: What the system says when there is no room left, on the disk or for this user.
NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT})

_RUN_ID = re.compile(r"[0-9A-Za-z][0-9A-Za-z-]{0,63}")


def find_state_dir(
    start: Path,
    explicit: str | None,
    environ: Mapping[str, str],
    *,
    create: bool,
    settings: Settings | None = None,
) -> Path | None:
    """The state directory for a command started in `start`; None if there is none and `create` is false.

    `explicit` (from the command line) goes before the environment, that before `settings` (default:
    read from the nearest `mplp.yaml`), that before the nearest ancestor with a `.mplp` directory.
    StoreError if it is not a directory or cannot be written to.
    """
    start = Path(os.path.abspath(start))  # noqa: PTH100 - keeps `..` out without following links
    named = explicit or environ.get(VARIABLE)
    if named:
        chosen = start / os.path.expanduser(named)  # noqa: PTH111 - a home that is not known stays as written
    else:
        settings = load_settings(start) if settings is None else settings
        chosen = settings.state_dir or nearest(start, STATE_DIR) or start / STATE_DIR
    if not os.path.lexists(chosen):
        if not create:
            return None
        _make(chosen)
    _check(chosen)
    return chosen


def database_path(state_dir: Path) -> Path:
    """Where the store is."""
    return state_dir / "state.db"


def lock_path(state_dir: Path, run_id: RunId) -> Path:
    """The file whose lock says that the run is owned."""
    return state_dir / "runs" / f"{_safe(run_id)}.lock"


def server_path(state_dir: Path) -> Path:
    """The lock of the one server of this state."""
    return state_dir / "serve.lock"


def deliverer_path(state_dir: Path) -> Path:
    """The file whose lock is the right to deliver published events."""
    return state_dir / "events.lock"


def watcher_path(state_dir: Path) -> Path:
    """The file whose lock is the right to watch over alerts."""
    return state_dir / "alerts.lock"


def log_dir(state_dir: Path, run_id: RunId) -> Path:
    """Where the output of the run's steps is kept. Not created here."""
    return state_dir / "runs" / _safe(run_id) / "logs"


def artifact_dir(state_dir: Path, run_id: RunId) -> Path:
    """Where the files are that the run's steps have left, a directory for each step. Not created here."""
    return state_dir / "runs" / _safe(run_id) / "artifacts"


def driver_log(state_dir: Path, run_id: RunId) -> Path:
    """Where a process writes that drives the run without a terminal. Not created here."""
    return log_dir(state_dir, run_id).with_name("driver.log")


def _safe(run_id: RunId) -> str:
    """`run_id`, which is about to become a part of a path. UnknownRunError if it is not an id."""
    if not _RUN_ID.fullmatch(run_id):
        raise UnknownRunError(f"{run_id!r} is not the id of a run")
    return run_id


def _make(path: Path) -> None:
    """Create the directory, for its user only, so that it survives a power cut."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        ignore = path / ".gitignore"
        if not ignore.exists():
            ignore.write_text("*\n", "utf-8")
        sync_directory(path)
        sync_directory(path.parent)
    except OSError as error:
        full = error.errno in NO_ROOM
        raise StoreError(
            f"the state directory {path} cannot be created: {'the disk is full' if full else error.strerror}",
            hint=f"{'Free some space, or name' if full else 'Name'} another one with --state-dir or MPLP_STATE_DIR.",
            details={"path": str(path), "cause": "full" if full else "io"},
        ) from error


def _check(path: Path) -> None:
    if not path.is_dir():
        problem, cause = "is not a directory", "not-a-directory"
    elif not os.access(path, os.W_OK | os.X_OK):
        problem, cause = "cannot be written to", "read-only"
    else:
        return
    raise StoreError(
        f"the state directory {path} {problem}",
        hint="Name another one with --state-dir or MPLP_STATE_DIR.",
        details={"path": str(path), "cause": cause},
    )


def sync_directory(path: Path) -> None:
    """Make the names in a directory durable."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def size_of(path: Path) -> int:
    """Bytes of a file; 0 if there is none."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
