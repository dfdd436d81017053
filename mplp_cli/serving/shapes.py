"""What requests bring and answers have, as types: the requests are read with them, and the OpenAPI document tells of
them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType, field

RunIdText = Annotated[
    str,
    Meta(
        pattern=r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$",
        examples=["1b4e28ba-2fa1-41d2-883f-0016d3cca427"],
    ),
]
Name = Annotated[str, Meta(pattern=r"^[A-Za-z][A-Za-z0-9_-]*$", max_length=200)]
Line = Annotated[str, Meta(pattern=r"^[^\u0000-\u001f\u007f]*$", max_length=1000)]
Wanted = Annotated[
    str,
    Meta(
        pattern=r"^[A-Za-z0-9*][A-Za-z0-9_.:/*-]*$",
        max_length=200,
        description="`*` stands for any text.",
    ),
]
#: Numbers of events and facts.
Number = Annotated[int, Meta(ge=0, le=1 << 53)]
Limit = Annotated[int, Meta(ge=1, le=1000)]
Status = Literal["pending", "running", "interrupted", "waiting", "paused", "completed", "failed", "cancelled"]


class _Given(Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    pass


class _Told(Struct, frozen=True, kw_only=True, rename="camel"):
    pass


class Nothing(_Given):
    """No parameters."""


# ---- names in the path -------------------------------------------------------------------------


class OfRun(_Given):
    """A run."""

    run_id: RunIdText


class OfWorkflow(_Given):
    """A workflow."""

    workflow_id: Name


class OfTrigger(_Given):
    """A trigger of a workflow."""

    workflow_id: Name
    trigger_id: Name


class OfApproval(_Given):
    """A question."""

    approval_id: RunIdText


class OfHook(_Given):
    """A webhook."""

    name: Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=200)]


# ---- what stands behind `?`, and in headers ----------------------------------------------------


class WhichRuns(_Given):
    """Which runs."""

    workflow: Name | UnsetType = UNSET
    status: Status | UnsetType = UNSET
    limit: Limit = 20
    #: `next` of an earlier answer.
    cursor: Annotated[str, Meta(pattern=r"^[0-9]{1,16}\.[0-9a-f-]{36}$")] | UnsetType = UNSET


class WhichFacts(_Given):
    """Which facts: those after a number."""

    after: Annotated[int, Meta(ge=-1, le=1 << 53)] = -1
    limit: Limit = 100


class WhichApprovals(_Given):
    """Which questions."""

    run: RunIdText | UnsetType = UNSET
    state: Literal["pending", "all"] = "pending"


class WhichEvents(_Given):
    """Which events: of a type, after a number; without `after`, the last ones."""

    type: Wanted | UnsetType = UNSET
    after: Number | UnsetType = UNSET
    limit: Limit = 100


class StreamedEvents(_Given):
    """Which events; after which number, else those that come from now on."""

    type: Wanted | UnsetType = UNSET
    after: Number | UnsetType = UNSET


class StreamedFacts(_Given):
    """After which fact."""

    after: Annotated[int, Meta(ge=-1, le=1 << 53)] | UnsetType = UNSET


class WhichLetters(_Given):
    """Which dead letters."""

    route: Line | UnsetType = UNSET
    after: Number = 0
    limit: Limit = 100


class Resuming(_Given):
    """Where a stream goes on."""

    last: Annotated[str, Meta(pattern=r"^[0-9]{1,16}$")] | UnsetType = field(
        name="Last-Event-ID", default=UNSET
    )


class Signed(_Given):
    """The signature of a webhook."""

    id: str | UnsetType = field(name="webhook-id", default=UNSET)
    timestamp: str | UnsetType = field(name="webhook-timestamp", default=UNSET)
    signature: str | UnsetType = field(name="webhook-signature", default=UNSET)


class Once(_Given):
    """A key under which a run is started once."""

    key: Annotated[str, Meta(pattern=r"^[!-~]{1,200}$")] | UnsetType = field(
        name="Idempotency-Key", default=UNSET
    )


# ---- bodies ------------------------------------------------------------------------------------


class Start(_Given):
    """A run to start. `workflow` is the id of one that is served."""

    workflow: Name
    inputs: dict[str, Any] = {}
    priority: Annotated[int, Meta(ge=-1000, le=1000)] = 0


class Why(_Given):
    """A reason, for the record."""

    reason: Line = ""


class Decision(_Given):
    """An answer. `by`: who gives it; `digest`: only if this is still what is asked."""

    reason: Line = ""
    by: Line = "api"
    inputs: dict[str, Any] = {}
    digest: Annotated[str, Meta(max_length=64)] = ""


class Firing(_Given):
    """What a trigger is fired with: the data of its event."""

    data: Any = None


class Letters(_Given):
    """Dead letters of a route: all, or the one of an event."""

    route: Line
    event: Number | UnsetType = UNSET


_TEXT: dict[str, Any] = {
    "type": "string",
    "minLength": 1,
    "maxLength": 2000,
    "pattern": "^[^\\u0000-\\u001f\\u007f-\\u009f\\ufffe\\uffff]+$",
}
_SOLID: dict[str, Any] = {**_TEXT, "pattern": "^[^\\u0000-\\u0020\\u007f-\\u009f\\ufffe\\uffff]+$"}
#: An event in the form of CloudEvents 1.0.
CloudEvent = Annotated[
    dict[str, Any],
    Meta(
        title="CloudEvent",
        description="An event in the form of CloudEvents 1.0.",
        extra_json_schema={
            "required": ["specversion", "id", "source", "type"],
            "properties": {
                "specversion": {"const": "1.0"},
                "id": _TEXT,
                "source": _SOLID,
                "type": {"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9_.:/-]*$", "maxLength": 200},
                "time": {
                    "type": "string",
                    "format": "date-time",
                    "pattern": "^(?:19[7-9][0-9]|[2-9][0-9]{3})-",
                },
                "datacontenttype": {"type": "string", "pattern": "^[a-z]{1,50}/[a-z0-9.+-]{1,100}$"},
                "dataschema": {"type": "string", "pattern": "^[A-Za-z][A-Za-z0-9+.-]*:[!-~]+$"},
                "subject": _TEXT,
                "data": {},
                "data_base64": {"type": "string", "pattern": "^(?:[A-Za-z0-9+/]{4})*$"},
            },
            "propertyNames": {"pattern": "^(?:[a-z0-9]{1,100}|data_base64)$"},
            "additionalProperties": {
                **_TEXT,
                "type": ["string", "boolean", "integer"],
                "minimum": -(1 << 31),
                "maximum": (1 << 31) - 1,
            },
            "not": {"required": ["data", "data_base64"]},
        },
    ),
]


# ---- answers -----------------------------------------------------------------------------------


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


class FullHealth(_Told):
    """How the server is, and its parts."""

    status: Literal["ok", "degraded", "stopping"]
    version: str
    store: dict[str, Any]
    runs: dict[str, int]
    events: dict[str, int]
    streams: int


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
    """How far a route, a rule or a trigger has come: `behind` events are before it."""

    reader: str
    number: int
    behind: int
    deliveries: dict[str, int]


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
