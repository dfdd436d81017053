"""What a trigger means, and what a run that it starts is given. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, assert_never, cast

from msgspec import Struct

from mplp_cli.workflow.events.judging import Judge, event_template, event_value, filled, judge
from mplp_cli.workflow.events.triggers import (
    CronTrigger,
    EventTrigger,
    FileTrigger,
    StartupTrigger,
    Trigger,
    WebhookTrigger,
    trigger_source,
)
from mplp_cli.workflow.published import Published
from mplp_cli.workflow.values import rfc3339

TICK = "schedule.tick"
CHANGED = "file.changed"
RECEIVED = "webhook.received"
STARTED = "server.started"
#: The source of the event that a server publishes when it starts.
SERVER = "mplp/serve"


class Aim(Struct, frozen=True):
    """A trigger, ready to be asked. `means`: whether an event starts a run (EventError if that cannot be said);
    `inputs`: the inputs of that run (EventError if they cannot be made)."""

    means: Judge
    inputs: Callable[[Published], dict[str, Any]]


def aim(workflow: str, trigger: Trigger) -> Aim:
    """Make a trigger of a workflow ready."""
    of, template = f"trigger {trigger.id}", event_template(trigger.inputs)

    def inputs(event: Published) -> dict[str, Any]:
        return cast("dict[str, Any]", filled(template, {"event": event_value(event)}, of))

    return Aim(_judge(workflow, trigger, of), inputs)


def source_of(workflow: str, trigger: Trigger) -> tuple[str, str]:
    """The type and the source of the events that are meant for that trigger alone; of an event trigger, of those that a
    person publishes to try it."""
    own = trigger_source(workflow, trigger.id)
    match trigger:
        case EventTrigger(where=where):
            return where.type, where.source
        case CronTrigger():
            return TICK, own
        case FileTrigger():
            return CHANGED, own
        case WebhookTrigger(name=name):
            return RECEIVED, f"mplp/hooks/{name}"
        case StartupTrigger():
            return STARTED, SERVER
        case _:
            assert_never(trigger)


def usual_data(workflow: str, trigger: Trigger, now: int) -> dict[str, Any] | None:
    """What an event for that trigger carries when there is nothing special about it; None if nobody knows."""
    named = {"workflow": workflow, "trigger": trigger.id}
    match trigger:
        case CronTrigger():
            return {**named, "scheduled": rfc3339(now), "late": 0}
        case FileTrigger():
            return {**named, "changes": []}
        case WebhookTrigger(name=name):
            return {"webhook": name, "body": None}
        case StartupTrigger():
            return {"workflows": [workflow]}
        case EventTrigger():
            return None
        case _:
            assert_never(trigger)


def _judge(workflow: str, trigger: Trigger, of: str) -> Judge:
    if isinstance(trigger, EventTrigger):
        own, wanted = trigger_source(workflow, trigger.id), judge(trigger.where, of)
        # What it tells of itself does not start it.
        return lambda event: event.source != own and wanted(event)
    type_, source = source_of(workflow, trigger)
    return lambda event: event.type == type_ and event.source == source
