"""Who owns a run: a lock that the kernel holds for the owner's life, and frees at its death.

No heartbeat, no clock and no process number decides; what the file says is for messages only. A lock
file is removed only by its holder and only with its run: else a lock on a removed file would guard nothing.
"""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

import msgspec

from mplp_cli.clock import rfc3339
from mplp_cli.errors import RunBusyError
from mplp_cli.workflow.values import RunId

#: A reader that asks whether a run is owned holds the lock for some microseconds; an owner outwaits that.
_PATIENCE = 0.05
_PAUSE = 0.001


class Holder(msgspec.Struct, frozen=True):
    """Who took a lock: process, host, milliseconds since the epoch, and as whom."""

    pid: int
    host: str
    since: int
    by: str


class RunLock:
    """A lock held by this process until `release`. Child processes do not inherit it."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    @property
    def released(self) -> bool:
        """Whether `release` was called."""
        return self._fd < 0

    def release(self) -> None:
        """Let another process take the run. Once is enough, twice does no harm."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def process_name() -> str:
    """This process, for people: `4242@host`."""
    return f"{os.getpid()}@{os.uname().nodename}"


def this_process(by: str, since: int) -> Holder:
    """This process as a holder."""
    return Holder(os.getpid(), os.uname().nodename, since, by)


def take(path: Path, run: RunId, by: str, since: int) -> RunLock:
    """The lock at `path`. RunBusyError if a process holds it. OSError if there can be no such file."""
    fd = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        _lock(fd, path, run)
        os.ftruncate(fd, 0)
        os.pwrite(fd, msgspec.json.encode(this_process(by, since)) + b"\n", 0)
    except BaseException:
        os.close(fd)
        raise
    return RunLock(fd)


def _lock(fd: int, path: Path, run: RunId) -> None:
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise busy(run, holder_of(path)) from None
            time.sleep(_PAUSE)
        else:
            return


def is_held(path: Path) -> bool:
    """Whether some process owns the run. Leaves no trace."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


def holder_of(path: Path) -> Holder | None:
    """What the last owner wrote into the lock file; None if that cannot be read."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Holder)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return None


def busy(run: RunId, holder: Holder | None) -> RunBusyError:
    """The refusal that names the present owner."""
    hint = "Wait for that process, or use `mplp cancel`; the lock goes when the process does."
    if holder is None:
        return RunBusyError(f"another process holds run {run}", hint=hint, details={"runId": run})
    return RunBusyError(
        f"process {holder.pid} on {holder.host} holds run {run} since {rfc3339(holder.since)}",
        hint=hint,
        details={"runId": run, **msgspec.structs.asdict(holder)},
    )
