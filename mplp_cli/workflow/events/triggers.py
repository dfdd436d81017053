"""What starts runs of a workflow, as its file declares it under `triggers`. Pure."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct

from mplp_cli.workflow.events.routes import Match
from mplp_cli.workflow.values import derived_uuid

#: What a trigger does while a run that it started is still going on: start none; let it wait; end the old one; both.
Overlap = Literal["skip", "queue", "cancel", "allow"]
#: Ticks that were missed while nobody served: start a run for none, for the last, or for each.
CatchUp = Literal["none", "last", "all"]


class _Trigger(Struct, frozen=True, kw_only=True, tag_field="on"):
    id: str
    #: Templates over `event`, as written.
    inputs: dict[str, Any] = {}
    overlap: Overlap = "allow"


class EventTrigger(_Trigger, frozen=True, kw_only=True, tag="event"):
    """A run for each published event that matches."""

    where: Match


class CronTrigger(_Trigger, frozen=True, kw_only=True, tag="cron"):
    """A run at the times of a schedule (five fields, or `@daily` and the like), in a time zone by its IANA name."""

    schedule: str
    time_zone: str = "UTC"
    catch_up: CatchUp = "last"
    overlap: Overlap = "skip"


class FileTrigger(_Trigger, frozen=True, kw_only=True, tag="file"):
    """A run when files change. `paths`: absolute patterns. Changes within `settle` ms are one."""

    paths: tuple[str, ...]
    changes: tuple[Literal["added", "modified", "deleted"], ...] = ("added", "modified", "deleted")
    settle: int = 500


class WebhookTrigger(_Trigger, frozen=True, kw_only=True, tag="webhook"):
    """A run for each signed request to `/hooks/NAME`. `secret` names the secret; `tolerance`: ms that the time of a
    request may differ from ours."""

    name: str
    secret: str
    tolerance: int = 300_000


class StartupTrigger(_Trigger, frozen=True, kw_only=True, tag="startup"):
    """A run each time the server starts."""


Trigger = EventTrigger | CronTrigger | FileTrigger | WebhookTrigger | StartupTrigger


def reader_of(workflow: str, trigger: str) -> str:
    """The name under which a store keeps how far a trigger of a workflow has come."""
    return f"trigger:{workflow}/{trigger}"


def trigger_source(workflow: str, trigger: str) -> str:
    """The source of the events that are meant for one trigger: its ticks, changes of its files, its requests."""
    return f"mplp/trigger/{workflow}/{trigger}"


def fired_run(workflow: str, trigger: str, event: str) -> str:
    """The id of the run that an event starts by a trigger: the same however often it is delivered."""
    return derived_uuid(workflow, f"trigger:{trigger}", event)


def tick_id(workflow: str, trigger: str, at: int) -> str:
    """The id of the event of a schedule's tick at that time (ms since the epoch)."""
    return derived_uuid(workflow, f"tick:{trigger}", at)
