"""What new facts mean for the list of runs, the open questions and the requests: pure, for every store.

Most facts mean nothing to these lists, so a batch is first looked at as a whole. A run that has
ended takes no more facts, except that a failed one may be resumed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from msgspec import Struct

from mplp_cli.errors import RunStateError
from mplp_cli.workflow.fold.history import (
    Approval,
    Event,
    RunAdmitted,
    RunCancelled,
    RunCompleted,
    RunFailed,
    RunPaused,
    RunRedefined,
    RunResumed,
    RunStarted,
    RunStopping,
    RunWaiting,
    StepCancelled,
    StepCompleted,
    StepDecided,
    StepEmitted,
    StepFailed,
    StepSkipped,
    StepWaiting,
)
from mplp_cli.workflow.published import Published
from mplp_cli.workflow.values import StepId

#: A run with one of these takes no more requests.
ENDED: Final = frozenset({"completed", "failed", "cancelled"})
#: A run with one of these is driven by nobody.
UNDRIVEN: Final = ENDED | {"waiting", "paused"}


class Asked(Struct, frozen=True):
    """A person is asked. `seq` is the number of the fact that asks."""

    seq: int
    step: StepId
    attempt: int
    approval: Approval
    at: int


class Settled(Struct, frozen=True):
    """Pending questions of `step` (None: of the whole run) are over. An earlier answer stays."""

    step: StepId | None
    state: str
    at: int
    by: str = ""
    reason: str = ""
    inputs: dict[str, Any] = {}


class Taken(Struct, frozen=True):
    """Requests have been acted upon: the answers for `step`, or (None) every request to the run.

    Without `kills`, those to kill it stay: a run that stops can still be killed.
    """

    step: StepId | None
    kills: bool = True


class Entered(Struct, frozen=True):
    """The run has another status, and ended at `ended_at`, if it has."""

    status: str
    ended_at: int | None = None


class Told(Struct, frozen=True):
    """An event is published."""

    event: Published


class Kept(Struct, frozen=True):
    """The cache keeps a result under `key`; an earlier one under the same key goes."""

    key: str
    step: StepId
    at: int
    until: int
    result: Any


Change = Asked | Settled | Taken | Entered | Kept | Told


class Projection(Struct):
    """What a batch of facts changes beside the history, in order; `status` holds after it."""

    status: str
    changes: list[Change] = []


def project(run: str, status: str, seq: int, events: Sequence[Event]) -> Projection | None:
    """What `events` change, the first of them being number `seq`; None if nothing.

    `status` is the run's status before. RunStateError for a fact after the end of the run.
    """
    if status not in ENDED and _WATCHED.isdisjoint(map(type, events)) and not any(map(_is_kept, events)):
        return None
    after = Projection(status)
    for number, event in enumerate(events, seq):
        kind = type(event)
        if after.status in ENDED and not (kind in _GO_ON and after.status == "failed"):
            raise RunStateError(f"run {run} is {after.status}; nothing more can be recorded")
        if kind in _WATCHED:
            _MEANING[kind](after, number, event)
        elif isinstance(event, StepCompleted) and event.keep is not None:
            after.changes.append(Kept(event.keep.key, event.step, event.at, event.keep.until, event.result))
    return after


def _is_kept(event: Event) -> bool:
    return type(event) is StepCompleted and event.keep is not None


def _enter(after: Projection, status: str, ended_at: int | None = None) -> None:
    after.status = status
    after.changes.append(Entered(status, ended_at))


def _starts(after: Projection, _seq: int, event: RunStarted) -> None:
    if event.turn is None:  # else it is pending until its turn comes
        _enter(after, "running")


def _begins(after: Projection, _seq: int, _event: RunAdmitted) -> None:
    _enter(after, "running")


def _goes_on(after: Projection, _seq: int, _event: RunResumed) -> None:
    if after.status != "pending":
        _enter(after, "running")


def _waits(after: Projection, _seq: int, _event: RunWaiting) -> None:
    _enter(after, "waiting")


def _redefined(after: Projection, _seq: int, event: RunRedefined) -> None:
    """A step that is there no longer asks nothing."""
    for step in event.removed:
        after.changes += Settled(step, "withdrawn", event.at), Taken(step)


def _rests(after: Projection, _seq: int, _event: RunPaused) -> None:
    _enter(after, "paused")


def _stops(after: Projection, _seq: int, event: RunStopping) -> None:
    after.changes += Settled(None, "withdrawn", event.at), Taken(None, event.cause == "kill")


def _ends(after: Projection, _seq: int, event: RunCompleted | RunFailed | RunCancelled) -> None:
    _enter(after, _END[type(event)], event.at)
    after.changes += Settled(None, "withdrawn", event.at), Taken(None)


def _step_waits(after: Projection, seq: int, event: StepWaiting) -> None:
    if event.approval is not None and not event.approval.run:  # else a sub-workflow asks, and lists it
        after.changes += (
            Settled(event.step, "withdrawn", event.at),
            Asked(seq, event.step, event.attempt, event.approval, event.at),
        )


def _step_decided(after: Projection, _seq: int, event: StepDecided) -> None:
    state = "withdrawn" if event.decision == "expired" else event.decision
    answer = Settled(event.step, state, event.at, event.by, event.reason, event.inputs)
    after.changes += answer, Taken(event.step)


def _step_emitted(after: Projection, _seq: int, event: StepEmitted) -> None:
    after.changes.append(Told(event.event))


def _step_over(after: Projection, _seq: int, event: StepCancelled | StepFailed | StepSkipped) -> None:
    after.changes.append(Settled(event.step, "withdrawn", event.at))


_END: dict[type, str] = {RunCompleted: "completed", RunFailed: "failed", RunCancelled: "cancelled"}
_MEANING: dict[type, Callable[[Projection, int, Any], None]] = {
    RunStarted: _starts,
    RunAdmitted: _begins,
    RunResumed: _goes_on,
    RunRedefined: _redefined,
    RunWaiting: _waits,
    RunPaused: _rests,
    RunStopping: _stops,
    RunCompleted: _ends,
    RunFailed: _ends,
    RunCancelled: _ends,
    StepWaiting: _step_waits,
    StepDecided: _step_decided,
    StepEmitted: _step_emitted,
    StepCancelled: _step_over,
    StepFailed: _step_over,
    StepSkipped: _step_over,
}
#: What may follow the end of a failed run.
_GO_ON: Final = frozenset({RunResumed, RunRedefined})
_WATCHED: Final = frozenset(_MEANING)
