"""What requests bring, as types: they are read with them, and the OpenAPI document tells of them."""

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
