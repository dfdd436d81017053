"""Pausing a run from outside, and taking the pause back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from mplp_cli.cli.options import TextOrJson

if TYPE_CHECKING:
    from mplp_cli.protocols import RunRecord
    from mplp_cli.runtime import Runtime


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


def pause_run(
    run: str,
    *,
    reason: str,
    until: Literal["asked", "heard", "rests"],
    output: TextOrJson,
    state_dir: str | None,
) -> int:
    """Pause the run and say how it stands; the exit code."""
    from mplp_cli.cli.answering import user_name
    from mplp_cli.cli.showing import note, tell_status
    from mplp_cli.cli.stopping import refuse_ended, request
    from mplp_cli.render.view import short_id
    from mplp_cli.runtime import Runtime

    runtime = Runtime(state_dir=state_dir)
    record = runtime.find_run(
        run, fits=lambda found: found.status not in ("completed", "failed", "cancelled")
    )
    refuse_ended(record)
    flag = Flag(runtime, record.id)
    was = "paused" if record.status == "paused" else "pausing" if record.owned and flag.is_up() else ""
    if until == "asked" and not was and record.owned:
        request(runtime, record, "pause", user_name(), reason)
        status = "pausing"
    else:
        status = _pause(runtime, record, flag, user_name(), reason, rests=until == "rests")
    tell_status(record, status, output, " already" if status == was else "")
    if output is TextOrJson.text and status in ("paused", "pausing"):
        first = "" if status == "paused" else "what runs finishes first; "
        what = "goes on" if status == "paused" else "takes it back"
        note(f"{first}`mplp resume {short_id(record.id)}` {what}")
    return 0 if status in ("paused", "pausing") else 1


def _pause(runtime: Runtime, record: RunRecord, flag: Flag, by: str, reason: str, *, rests: bool) -> str:
    """Pause the run; the status that came of it. With `rests`, only when nothing runs any more."""
    from mplp_cli.cli.stopping import ENDED, PATIENCE, again, request
    from mplp_cli.errors import RunBusyError
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
    from mplp_cli.cli.answering import user_name
    from mplp_cli.cli.stopping import PATIENCE, again, request

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
    """The record of a run, once the process that has just recorded that it waits or rests has left it."""
    from mplp_cli.cli.stopping import PATIENCE, again

    deadline = runtime.clock.monotonic() + PATIENCE
    while record.owned and record.status in ("paused", "waiting"):
        record = again(runtime, record, deadline, "being left")
    return record
