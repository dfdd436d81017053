"""What answers have, as types: the OpenAPI document tells of them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from mplp_cli.serving.shapes import RunIdText, Status


class _Told(Struct, frozen=True, kw_only=True, rename="camel"):
    pass


class Wrong(_Told):
    """An error."""

    type: str
    code: int
    message: str
    details: dict[str, Any]


class Failed(_Told):
    """An answer that says what went wrong."""

    error: Wrong


class Health(_Told):
    """How the server is."""

    status: Literal["ok", "degraded", "stopping"]


class ComponentTold(_Told):
    """What was found of a component: facts, or why nothing was found."""

    component: str
    status: Literal["healthy", "unhealthy", "error"]
    timestamp: str
    details: dict[str, Any] | UnsetType = UNSET
    error: str | UnsetType = UNSET


class FullHealth(_Told):
    """How the server is, its parts, and what `mplp health` would say of its state some seconds ago."""

    status: Literal["ok", "degraded", "stopping"]
    version: str
    store: dict[str, Any]
    runs: dict[str, int]
    events: dict[str, int]
    streams: int
    overall: Literal["healthy", "warning", "degraded", "critical"]
    components: list[ComponentTold]
    timestamp: str


class TriggerTold(_Told):
    """A trigger of a workflow; `on` says what it waits for."""

    workflow: str
    id: str
    on: Literal["event", "cron", "file", "webhook", "startup"]
    declared: dict[str, Any]


class Triggers(_Told):
    """Triggers."""

    triggers: list[TriggerTold]


class WorkflowTold(_Told):
    """A workflow that is served. `broken`: why its file as it is now is not, empty if it is."""

    id: str
    name: str
    version: str
    file: str
    broken: str


class Workflows(_Told):
    """Workflows."""

    workflows: list[WorkflowTold]


class WorkflowInFull(WorkflowTold):
    """A workflow, the JSON Schema of its inputs, and its triggers."""

    inputs: dict[str, Any]
    triggers: list[TriggerTold]


class Started(_Told):
    """A run that was accepted; `existed`: by an earlier request with the same key."""

    run_id: RunIdText
    workflow_id: str
    existed: bool


class RunTold(_Told):
    """One run of the list."""

    run_id: str
    workflow_id: str
    name: str
    status: Status
    created_at: str
    ended_at: str | None


class Runs(_Told):
    """Runs, newest first; `next` is the cursor of what follows."""

    runs: list[RunTold]
    next: str | None


class RunInFull(_Told):
    """A run, as `mplp status --output json` prints it."""

    run_id: str
    workflow_id: str
    status: Status
    duration: int | None
    steps: dict[str, dict[str, Any]]


class Facts(_Told):
    """Facts of a run, as `--output jsonl` prints them; `next` is the `after` of what follows."""

    facts: list[dict[str, Any]]
    next: int | None


class RunAsked(_Told):
    """A run that something was asked of, and how it stood then."""

    run_id: str
    workflow_id: str
    status: str


class ApprovalTold(_Told):
    """A question, and its answer if it has one."""

    id: str
    run_id: str
    workflow_id: str
    step: str
    message: str
    digest: str
    state: Literal["pending", "approved", "rejected", "withdrawn"]


class Approvals(_Told):
    """Questions."""

    approvals: list[ApprovalTold]


class Event(_Told):
    """An event in the form of CloudEvents 1.0; attributes of one's own beside these."""

    specversion: Literal["1.0"]
    id: Annotated[str, Meta(min_length=1)]
    source: Annotated[str, Meta(min_length=1)]
    type: Annotated[str, Meta(min_length=1)]


class NumberedEvent(_Told):
    """An event with its number."""

    number: int
    event: Event


class Events(_Told):
    """Events in their order; `next` is the `after` of what follows."""

    events: list[NumberedEvent]
    next: int


class Taken(_Told):
    """An event that was accepted, with its number: the earlier one if it was published before."""

    number: int
    source: str
    id: str


class Fired(Taken):
    """The event that was published for a trigger, and the run that it starts."""

    run_id: RunIdText


class TakenEvents(_Told):
    """Events that were accepted."""

    accepted: list[Taken]


class RouteTold(_Told):
    """How far a route, a rule or a trigger has come: `behind` events are before it. What became of events: `deliveries`
    of a route by state; `events` of a rule by `counted`, `late`, `dropped` and `refused`, up to the last sample."""

    reader: str
    number: int
    behind: int
    deliveries: dict[str, int]
    events: dict[str, int]


class Routes(_Told):
    """Who reads events."""

    last: int
    routes: list[RouteTold]


class Letter(_Told):
    """An event that a route could not deliver."""

    route: str
    event: int
    tries: int
    at: str
    error: str


class DeadLetters(_Told):
    """Dead letters; `next` is the `after` of what follows."""

    letters: list[Letter]
    next: int | None


class Changed(_Told):
    """How many dead letters it was."""

    changed: int


class Received(_Told):
    """A webhook that was accepted, or was before."""

    id: str
    number: int
    duplicate: bool


class Sent(_Told):
    """One event of a stream: its number as `id`, and a document as `data`."""

    event: Literal["event", "fact", "end", "stop"]
    data: str
    id: str | UnsetType = UNSET
