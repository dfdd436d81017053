"""What everybody is told of a run: its facts, and what its modules say to each other, as published events."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cache
from typing import Any, Final

import msgspec

from mplp_cli.protocols import Communication
from mplp_cli.workflow.fold.history import (
    AgentAsked,
    Event,
    RunCancelled,
    RunCompleted,
    RunFailed,
    RunPaused,
    RunResumed,
    RunStarted,
    RunWaiting,
    StepCancelled,
    StepCompleted,
    StepDecided,
    StepFailed,
    StepOmitted,
    StepQueued,
    StepRetrying,
    StepSkipped,
    StepStarted,
    StepWaiting,
)
from mplp_cli.workflow.published import Published, matches
from mplp_cli.workflow.values import Json, derived_uuid

#: What every run tells, whoever listens: one or two events a run, and those that somebody has to know of.
ALWAYS: Final = frozenset(
    {
        "run.started",
        "run.waiting",
        "run.paused",
        "run.completed",
        "run.failed",
        "run.cancelled",
        "step.failed",
    }
)
#: Facts that are told. The others are steps on the way of the engine, not of the workflow.
_TOLD: Final = frozenset(
    {
        RunStarted, RunResumed, RunWaiting, RunPaused, RunCompleted, RunFailed, RunCancelled,
        StepQueued, StepStarted, StepCompleted, StepFailed, StepRetrying, StepSkipped, StepOmitted, StepCancelled,
        StepWaiting, StepDecided, AgentAsked,
    }
)  # fmt: skip
#: Nobody's business: where a run works, with which environment; what the engine keeps for itself.
_KEPT: Final = (
    "type",
    "at",
    "env",
    "cwd",
    "slots",
    "turn",
    "items",
    "hit",
    "keep",
    "missed",
    "run",
    "workflow",
    "trace",
    "call",
)
#: A result or outputs of more bytes than this (as JSON) are left out.
LARGEST: Final = 16 << 10


def listened(globs: Iterable[str]) -> Callable[[str], bool]:
    """Which types of events of runs are published: those that are always, and those that one of `globs` may mean."""
    declared = tuple(globs)

    @cache
    def wanted(kind: str) -> bool:
        return kind in ALWAYS or any(matches(glob, kind) for glob in declared)

    return wanted


def announced(
    run: str, workflow: str, began: int | None, facts: Sequence[Event], listened: Callable[[str], bool]
) -> Iterable[Published]:
    """Events for facts of one commit, in their order, those somebody listens for. `began` is when the run did (ms since
    the epoch), None if these facts begin it."""
    for position, fact in enumerate(facts):
        kind: str = fact.__struct_config__.tag  # type: ignore[assignment] # every fact has a text for a tag
        if type(fact) in _TOLD and listened(kind):
            step, attempt = getattr(fact, "step", ""), getattr(fact, "attempt", 0)
            data = {"runId": run, "workflowId": workflow, **_told(fact)}
            if attempt:
                data["attempts"] = attempt
            if began is not None and isinstance(fact, RunCompleted | RunFailed | RunCancelled):
                data["duration"] = fact.at - began
            yield Published(
                id=_told_id(run, fact, position),
                type=kind,
                source=f"mplp/{workflow}/{run}",
                at=fact.at,
                data=data,
                more={"subject": step} if step else {},
            )


def first_told(run: str, begun: Event) -> str:
    """The id of the first event of a run, whose first fact is `begun`."""
    return _told_id(run, begun, 0)


def _told_id(run: str, fact: Event, position: int) -> str:
    kind, step, attempt = fact.__struct_config__.tag, getattr(fact, "step", ""), getattr(fact, "attempt", 0)
    return derived_uuid(run, str(kind), step, attempt, fact.at, position)


def overheard(
    run: str, workflow: str, said: Sequence[Communication], listened: Callable[[str], bool]
) -> Iterable[Published]:
    """Events for what went through the hub: `module.call`, `module.message`, `module.notice`."""
    for position, line in enumerate(said):
        kind = f"module.{line.kind}"
        if listened(kind):
            data = {"runId": run, "workflowId": workflow, **msgspec.to_builtins(line)}
            for key in ("kind", "timestamp", "run"):
                data.pop(key, None)
            yield Published(
                id=derived_uuid(run, kind, line.correlation_id, line.target, position),
                type=kind,
                source=f"mplp/{workflow}/{run}",
                at=line.timestamp,
                data=data,
                more={"subject": line.target},
            )


def _told(fact: Event) -> dict[str, Json]:
    told: dict[str, Any] = msgspec.to_builtins(fact)
    for key in _KEPT:
        told.pop(key, None)
    for key in ("result", "outputs", "output"):
        if key in told and len(msgspec.json.encode(told[key])) > LARGEST:
            told[key] = None
            told[f"{key}Omitted"] = True
    if isinstance(fact, StepWaiting) and fact.approval is not None:
        told["approval"] = {"id": fact.approval.id, "message": fact.approval.message}
    return told
