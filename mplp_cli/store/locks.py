"""Who owns a run: a lock that the kernel holds for the owner's life, and frees at its death.

No heartbeat, no clock and no process number decides; what the file says is for messages only. Only the lock on
the file that has the name counts: one that was removed (with its run) or replaced (by a take-over) guards nothing.
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

    def __init__(self, fd: int, path: Path) -> None:
        self._fd = fd
        self.path = path

    @property
    def released(self) -> bool:
        """Whether `release` was called."""
        return self._fd < 0

    def is_current(self) -> bool:
        """Whether it is the lock that counts: nobody has taken the run over, or removed it."""
        return self._fd >= 0 and _is_at(self._fd, self.path)

    def release(self) -> None:
        """Let another process take the run. Once is enough, twice does no harm."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def process_name(pid: int | None = None) -> str:
    """This process, or another one of this machine, for people: `4242@host`."""
    return f"{os.getpid() if pid is None else pid}@{os.uname().nodename}"


def this_process(by: str, since: int) -> Holder:
    """This process as a holder."""
    return Holder(os.getpid(), os.uname().nodename, since, by)


def try_to_take(path: Path, by: str, since: int) -> RunLock | None:
    """The lock at `path`, which nobody replaces; None if a process holds it. OSError if there can be no such file."""
    fd = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        if _lock(fd):
            _sign(fd, by, since)
            return RunLock(fd, path)
    except BaseException:
        os.close(fd)
        raise
    os.close(fd)
    return None


def take(path: Path, run: RunId, by: str, since: int) -> RunLock:
    """The lock at `path`. RunBusyError if a process holds it. OSError if there can be no such file."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        fd = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            if _lock(fd) and _is_at(fd, path):
                _sign(fd, by, since)
                return RunLock(fd, path)
        except BaseException:
            os.close(fd)
            raise
        os.close(fd)
        if time.monotonic() >= deadline:
            raise busy(run, _present_holder(path))
        time.sleep(_PAUSE)


def seize(path: Path, by: str, since: int) -> RunLock:
    """A lock at `path` in the place of the one that is there, whoever holds that. For one process at a time.

    The earlier holder keeps its lock, on a file without a name. That it writes nothing more is the epoch's work.
    """
    draft = path.with_name(f"{path.name}.new")
    draft.unlink(missing_ok=True)
    fd = os.open(draft, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _sign(fd, by, since)
        draft.rename(path)
    except BaseException:
        os.close(fd)
        draft.unlink(missing_ok=True)
        raise
    return RunLock(fd, path)


def _sign(fd: int, by: str, since: int) -> None:
    os.ftruncate(fd, 0)
    os.pwrite(fd, msgspec.json.encode(this_process(by, since)) + b"\n", 0)


def _lock(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_at(fd: int, path: Path) -> bool:
    """Whether the open file is the one at `path`."""
    try:
        return os.path.samestat(os.fstat(fd), path.stat())
    except FileNotFoundError:
        return False


def is_held(path: Path) -> bool:
    """Whether some process owns the run. Leaves no trace."""
    while True:
        try:
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
            if _is_at(fd, path):
                return False
        except BlockingIOError:
            return True
        finally:
            os.close(fd)


def holder_of(path: Path) -> Holder | None:
    """What the last owner wrote into the lock file; None if that cannot be read."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Holder)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return None


def _present_holder(path: Path) -> Holder | None:
    """Who holds the lock, for people: a new owner signs a moment after it has it, over the name of a dead one."""
    holder = None
    for _ in range(50):
        holder = holder_of(path)
        if holder is not None and (holder.host != os.uname().nodename or _lives(holder.pid)):
            break
        time.sleep(_PAUSE)
    return holder


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def busy(run: RunId, holder: Holder | None) -> RunBusyError:
    """The refusal that names the present owner."""
    hint = (
        f"`mplp attach {run[:8]}` follows it, `mplp cancel` ends it;"
        " if that process hangs, `mplp resume --take-over` goes on without it."
    )
    if holder is None:
        return RunBusyError(f"another process holds run {run}", hint=hint, details={"runId": run})
    return RunBusyError(
        f"process {holder.pid} on {holder.host} holds run {run} since {rfc3339(holder.since)}",
        hint=hint,
        details={"runId": run, **msgspec.structs.asdict(holder)},
    )
