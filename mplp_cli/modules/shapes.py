"""Values that several modules take or give."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta

from mplp_cli.modules.contract import Parameters, Result
from mplp_cli.workflow.shapes.schemas import OBJECT

#: UUID version 4, lower case. The length closes the gap that `$` leaves for a line break at the end.
UUID4 = r"^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$"
ObjectId = Annotated[str, Meta(pattern=UUID4, max_length=36, description="UUID version 4, lower case")]
Text = Annotated[str, Meta(min_length=1, description="text, not empty")]
PageNumber = Annotated[int, Meta(ge=1, description="page, from 1")]
PageSize = Annotated[int, Meta(ge=1, le=10_000, description="objects a page")]


class Listed(Result, frozen=True, kw_only=True):
    """Where the page of a list lies that a result holds."""

    total: int
    page: int
    limit: int
    total_pages: int
    has_next: bool
    has_previous: bool


class Assignment(Parameters, frozen=True, kw_only=True):
    """Somebody in a role of a context: what `role/assign-roles` gives and other modules take."""

    role: Text
    role_id: ObjectId | None = None
    participant_id: Text | None = None
    kind: Literal["agent", "human", "system", "external"] = "agent"
    agent_id: Text | None = None
    context_id: ObjectId | None = None


def _body(kind: str) -> Meta:
    return Meta(
        extra={"kind": kind},
        extra_json_schema={OBJECT: kind},
        description=f"the {kind}, as the protocol lays it out",
    )


# Whole objects in a result. The checks of references know what is in them by the bundled schema of the kind.
ContextBody = Annotated[dict[str, Any], _body("context")]
PlanBody = Annotated[dict[str, Any], _body("plan")]
RoleBody = Annotated[dict[str, Any], _body("role")]
ConfirmBody = Annotated[dict[str, Any], _body("confirm")]
TraceBody = Annotated[dict[str, Any], _body("trace")]
ExtensionBody = Annotated[dict[str, Any], _body("extension")]
DialogBody = Annotated[dict[str, Any], _body("dialog")]
CollabBody = Annotated[dict[str, Any], _body("collab")]
NetworkBody = Annotated[dict[str, Any], _body("network")]
CoreBody = Annotated[dict[str, Any], _body("core")]

ModuleName = Literal[
    "context", "plan", "role", "confirm", "trace", "extension", "dialog", "collab", "network", "core"
]
KernelDuty = Literal[
    "coordination", "error-handling", "event-bus", "learning-feedback", "observability", "orchestration",
    "performance", "protocol-versioning", "security", "state-sync", "transaction",
]  # fmt: skip


class ConfirmRef(Parameters, frozen=True, kw_only=True):
    """The approval that confirmed an object's state."""

    id: ObjectId
    module: ModuleName
    description: str | None = None


class Governance(Parameters, frozen=True, kw_only=True):
    """Who may change an object. A locked one takes no change but one of its governance."""

    lifecycle_phase: str | None = None
    truth_domain: str | None = None
    locked: bool | None = None
    last_confirm_ref: ConfirmRef | None = None


class SpanPlace(Parameters, frozen=True, kw_only=True):
    """The place in a trace that an object belongs to."""

    trace_id: ObjectId
    span_id: ObjectId
    parent_span_id: ObjectId | None = None
    context_id: ObjectId | None = None
    attributes: dict[str, Any] | None = None


class GivenMeta(Parameters, frozen=True, kw_only=True):
    """What a new object's `meta` is to say beside what is noted anyway."""

    created_at: Text | None = None
    created_by: str | None = None
    tags: list[str] | None = None
    cross_cutting: list[KernelDuty] | None = None


class NewUngoverned(Parameters, frozen=True, kw_only=True):
    """What every operation takes that makes an object."""

    meta: GivenMeta | None = None
    trace: SpanPlace | None = None


class NewObject(NewUngoverned, frozen=True, kw_only=True):
    """The same for objects that carry governance: all but plans."""

    governance: Governance | None = None
