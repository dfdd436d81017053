"""Triggers on the screen: when they fire next, how they stand, and what an event would start."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from mplp_cli.protocols import RunRecord
from mplp_cli.render.grid import grid
from mplp_cli.render.ink import Line, Screen
from mplp_cli.render.tables import ago
from mplp_cli.render.theme import Theme
from mplp_cli.render.view import short_id, short_json
from mplp_cli.workflow.events.triggers import (
    CronTrigger,
    EventTrigger,
    FileTrigger,
    StartupTrigger,
    Trigger,
    WebhookTrigger,
)
from mplp_cli.workflow.values import Json, rfc3339


class Listed(Struct, frozen=True, kw_only=True):
    """A trigger as it stands. `next`: its next times (ms since the epoch); `waits`: how many events wait for it, None
    if nobody has ever served it; `last`: the run that it started last."""

    workflow: str
    file: str
    trigger: Trigger
    next: Sequence[int] = ()
    waits: int | None = None
    last: RunRecord | None = None


class Tried(Struct, frozen=True, kw_only=True):
    """What an event would do to a trigger: start a run with these inputs, or nothing, and why."""

    workflow: str
    trigger: Trigger
    starts: bool
    inputs: dict[str, Json] = {}
    why: str = ""


def triggers_table(listed: Sequence[Listed], now: int, theme: Theme, width: int) -> Screen:
    """`mplp triggers list`."""
    rows = [
        (
            Line(f"{one.workflow}/{one.trigger.id}", "strong"),
            Line(kind_of(one.trigger)),
            Line(what_of(one.trigger)),
            Line(_in(one.next[0] - now) if one.next else ""),
            Line(_stands(one.waits), "dim" if not one.waits else "warn"),
            Line("" if one.last is None else f"{ago(now - one.last.created_at)} {one.last.status}", "dim"),
        )
        for one in listed
    ]
    return grid(("TRIGGER", "ON", "WHAT", "NEXT", "STATE", "LAST RUN"), rows, theme=theme, width=width)


def tried_table(tried: Sequence[Tried], theme: Theme, width: int) -> Screen:
    """`mplp triggers test`."""
    rows = [
        (
            Line(f"{one.workflow}/{one.trigger.id}", "strong"),
            Line("starts a run", "ok") if one.starts else Line("starts nothing", "warn"),
            Line(short_json(one.inputs, 400) if one.starts else one.why, "" if one.starts else "dim"),
        )
        for one in tried
    ]
    return grid(("TRIGGER", "", "INPUTS"), rows, theme=theme, width=width)


def listed_object(one: Listed) -> dict[str, Json]:
    """A trigger for machines."""
    last = one.last
    return {
        "workflowId": one.workflow,
        "trigger": one.trigger.id,
        "on": kind_of(one.trigger),
        "what": what_of(one.trigger),
        "overlap": one.trigger.overlap,
        "file": one.file,
        "next": [rfc3339(at) for at in one.next],
        "waiting": one.waits,
        "lastRun": None
        if last is None
        else {"runId": last.id, "status": last.status, "createdAt": rfc3339(last.created_at)},
    }


def tried_object(one: Tried) -> dict[str, Json]:
    """What would start, for machines."""
    made: dict[str, Json] = {"workflowId": one.workflow, "trigger": one.trigger.id, "starts": one.starts}
    return {**made, "inputs": one.inputs} if one.starts else {**made, "why": one.why}


def started_text(event: str, run: RunRecord | None) -> str:
    """What became of an event that was published by hand."""
    return f"published {event}" if run is None else f"published {event}; it started run {short_id(run.id)}"


def kind_of(trigger: Trigger) -> str:
    """What it says after `on:`."""
    return str(trigger.__struct_config__.tag)


def what_of(trigger: Trigger) -> str:
    """What it waits for, in a few words."""
    match trigger:
        case CronTrigger(schedule=schedule, time_zone=zone):
            return f"{schedule} {zone}"
        case EventTrigger(where=where):
            parts = [where.type, f"from {where.source}" if where.source != "*" else "", where.where]
            return " ".join(part for part in parts if part)
        case FileTrigger(paths=paths):
            return ", ".join(paths)
        case WebhookTrigger(name=name):
            return f"POST /hooks/{name}"
        case StartupTrigger():
            return "the server starts"


def _in(ms: int) -> str:
    for unit, size in (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000)):
        if ms >= size:
            return f"in {ms // size}{unit}"
    return f"in {max(ms, 0) // 1000}s"


def _stands(waits: int | None) -> str:
    if waits is None:
        return "never served"
    return f"{waits} wait" if waits else "up to date"
