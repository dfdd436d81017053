"""What is asked of a run from outside: left for the process that drives it, and waited for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from mplp_cli.errors import RunBusyError, RunStateError, UnknownRunError
from mplp_cli.protocols import Control

if TYPE_CHECKING:
    from mplp_cli.protocols import RunRecord
    from mplp_cli.runtime import Runtime

#: A run with one of these has ended: nothing is left to stop.
ENDED: Final = ("completed", "failed", "cancelled")
#: Seconds between looks at a run that another process drives.
_PAUSE: Final = 0.05
#: Seconds in which a run should have done what was asked, besides the grace time where it is stopped.
PATIENCE: Final = 20.0
#: How long a pause is waited for: until it is asked for, until it is stored, or until nothing runs any more.
Until: TypeAlias = Literal["asked", "heard", "rests"]


def user_name() -> str:
    """Who asks, for the record: the user of this process."""
    import os
    from getpass import getuser

    try:
        return getuser()
    except (OSError, KeyError):  # a container may know its users by number only
        return f"uid {os.getuid()}"


def refuse_ended(record: RunRecord) -> None:
    """RunStateError for a run that has ended."""
    if record.status in ENDED:
        raise RunStateError(
            f"run {record.id[:8]} is {record.status} already",
            hint="`mplp runs` lists those that go on",
            details={"runId": record.id, "status": record.status},
        )


def request(runtime: Runtime, record: RunRecord, verb: str, by: str, reason: str = "") -> None:
    """Leave a request for the process that drives the run."""
    runtime.store.request(record.id, Control(seq=0, verb=verb, by=by, reason=reason))


def again(runtime: Runtime, record: RunRecord, deadline: float, doing: str) -> RunRecord:
    """The record a moment later. RunBusyError after the deadline."""
    from time import sleep

    if runtime.clock.monotonic() > deadline:
        raise RunBusyError(
            f"run {record.id} is still {doing}",
            hint="`mplp status` shows what it waits for",
            details={"runId": record.id},
        )
    sleep(_PAUSE)
    return _now(runtime, record)


def _now(runtime: Runtime, record: RunRecord) -> RunRecord:
    found = runtime.store.find_runs(record.id)
    if not found:
        raise UnknownRunError(f"run {record.id} has been removed meanwhile")
    return found[0]


# ---- pausing -----------------------------------------------------------------------------------


class Flag:
    """Whether a run pauses, as its history tells. It reads what is new only."""

    def __init__(self, runtime: Runtime, run_id: str) -> None:
        self._store = runtime.store
        self._run = run_id
        self._seq = -1
        self._up = False

    def is_up(self) -> bool:
        """Look again."""
        from mplp_cli.workflow.fold import history as h

        for seq, fact in self._store.history(self._run, self._seq):
            self._seq = seq
            if isinstance(fact, h.RunPausing):
                self._up = True
            elif isinstance(fact, h.RunContinued | h.RunResumed) or (
                isinstance(fact, h.RunStopping) and fact.cause in ("cancel", "kill")
            ):
                self._up = False
        return self._up


def pause(runtime: Runtime, record: RunRecord, reason: str, until: Until) -> tuple[str, bool]:
    """Pause a run: the status that came of it, and whether it was so already.

    The status is `paused` or `pausing`; another one if the run ended, or went on, before that. RunStateError if it
    has ended already, RunBusyError if the process that drives it does not answer.
    """
    refuse_ended(record)
    flag = Flag(runtime, record.id)
    was = "paused" if record.status == "paused" else "pausing" if record.owned and flag.is_up() else ""
    if until == "asked" and not was and record.owned:
        request(runtime, record, "pause", user_name(), reason)
        status = "pausing"
    else:
        status = _paused(runtime, record, flag, user_name(), reason, rests=until == "rests")
    return status, status == was


def _paused(runtime: Runtime, record: RunRecord, flag: Flag, by: str, reason: str, *, rests: bool) -> str:
    """Pause the run; the status that came of it. With `rests`, only when nothing runs any more."""
    from mplp_cli.runtime import pause_undriven

    asked, seen = -1, False
    deadline = runtime.clock.monotonic() + PATIENCE
    while record.status not in (*ENDED, "paused"):
        if not record.owned:
            # Nobody would see a request: this process stores the pause itself.
            try:
                return pause_undriven(runtime, record.id, by, reason)
            except RunBusyError:
                pass  # somebody takes it up just now
        elif flag.is_up():
            seen, deadline = True, float("inf")
            if not rests:
                return "pausing"
        elif seen:
            return "running"  # somebody took the pause back
        elif asked != record.epoch:  # a process that takes the run up does not hear what was asked before
            request(runtime, record, "pause", by, reason)
            asked = record.epoch
        record = again(runtime, record, deadline, "running, and does not pause")
    return record.status


def take_back(runtime: Runtime, record: RunRecord) -> bool:
    """Take back the pause of a run that has not come to its rest; False if there is none, or it came to its rest."""
    flag, deadline = Flag(runtime, record.id), runtime.clock.monotonic() + PATIENCE
    if record.status != "running" or not record.owned or not flag.is_up():
        return False
    request(runtime, record, "resume", user_name())
    while flag.is_up():
        record = again(runtime, record, deadline, "pausing")
        if record.status != "running" or not record.owned:
            return False
    return True


def until_left(runtime: Runtime, record: RunRecord) -> RunRecord:
    """The record of a run as it is now; once the process that has just recorded that it waits or rests has left it."""
    record = _now(runtime, record)
    deadline = runtime.clock.monotonic() + PATIENCE
    while record.owned and record.status in ("paused", "waiting"):
        record = again(runtime, record, deadline, "being left")
    return record
