"""Module `trace`: the record of work being carried out."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from msgspec import Meta

from mplp_cli.errors import InvalidTransitionError, OperationError, UnknownObjectError
from mplp_cli.modules.contract import Operation, Parameters, Result, make_module
from mplp_cli.modules.records import (
    Transitions,
    change_object,
    check_move,
    make_event,
    make_object,
    open_context,
)
from mplp_cli.modules.session import Session
from mplp_cli.modules.shapes import ObjectId, Text

Status = Literal["pending", "running", "completed", "failed", "cancelled"]
SegmentStatus = Literal["pending", "running", "completed", "failed", "cancelled", "skipped"]

TRANSITIONS: Transitions = {
    "pending": ("running", "cancelled"),
    "running": ("completed", "failed", "cancelled"),
    "completed": (),
    "failed": (),
    "cancelled": (),
}
SEGMENT_TRANSITIONS: Transitions = {
    "pending": ("running", "cancelled", "skipped"),
    "running": ("completed", "failed", "cancelled"),
    "completed": (),
    "failed": (),
    "cancelled": (),
    "skipped": (),
}
_EVENT_TYPE = re.compile(r"[a-z][a-z0-9]*(?:\.[a-z][a-z0-9]*)*")
#: Kinds whose events belong to what happened in a context.
_WATCHED = ("context", "role", "plan", "confirm", "dialog")


class StartMonitoring(Parameters, frozen=True, kw_only=True):
    plan_id: ObjectId | None = None
    context_id: Annotated[ObjectId | None, Meta(description="the plan's unless given")] = None
    label: Text | None = None
    trace_id: ObjectId | None = None


class StopMonitoring(Parameters, frozen=True, kw_only=True):
    trace_id: ObjectId
    status: Literal["completed", "failed", "cancelled"] = "completed"


class OneTrace(Parameters, frozen=True, kw_only=True):
    trace_id: ObjectId


class AddSegment(Parameters, frozen=True, kw_only=True):
    trace_id: ObjectId
    label: Text
    parent_segment_id: ObjectId | None = None
    attributes: dict[str, Any] | None = None
    status: Literal["pending", "running"] = "running"
    segment_id: ObjectId | None = None


class UpdateSegment(Parameters, frozen=True, kw_only=True):
    trace_id: ObjectId
    segment_id: ObjectId
    status: SegmentStatus = "completed"


class RecordEvent(Parameters, frozen=True, kw_only=True):
    trace_id: ObjectId
    event_type: Annotated[Text, Meta(description="words joined by dots; hyphens and underscores become dots")]
    source: Annotated[Text | None, Meta(description="the calling step unless given")] = None
    data: dict[str, Any] | None = None


class TraceNow(Result, frozen=True, kw_only=True):
    trace_id: ObjectId
    span_id: ObjectId
    context_id: ObjectId
    plan_id: ObjectId | None
    status: Status
    trace: dict[str, Any]


class Segment(Result, frozen=True, kw_only=True):
    trace_id: ObjectId
    segment_id: ObjectId
    status: SegmentStatus
    segment: dict[str, Any]


class RecordedEvent(Result, frozen=True, kw_only=True):
    trace_id: ObjectId
    event_id: ObjectId
    event_type: str


def start_monitoring(given: StartMonitoring, session: Session) -> TraceNow:
    """The context is the plan's; a context alone will do."""
    context_id = _context_of(given, session)
    open_context(session, context_id)
    identifier = session.new_id("trace", given.trace_id)
    caller = session.caller
    attributes = {"run": caller.run, "workflow": caller.workflow, "step": caller.step, "label": given.label}
    body = make_object(
        session,
        "trace",
        identifier,
        [make_event(session, "trace", "started", trace_id=identifier)],
        context_id=context_id,
        plan_id=given.plan_id,
        root_span={
            "trace_id": identifier,
            "span_id": session.uuid(),
            "context_id": context_id,
            "attributes": {key: value for key, value in attributes.items() if value is not None},
        },
        status="running",
        started_at=session.now(),
        segments=[],
    )
    return _now(session.put("trace", body))


def stop_monitoring(given: StopMonitoring, session: Session) -> TraceNow:
    """Ends a trace. It takes in every event of its context's objects since it was started."""
    body = session.get("trace", given.trace_id)
    check_move("trace", given.trace_id, TRANSITIONS, body["status"], given.status)
    own = body["events"]
    watched = [
        event
        for kind in _WATCHED
        for item in session.find(kind, context=body["context_id"])
        for event in item.get("events", ())
        if event["timestamp"] >= body["started_at"]
    ]
    events = sorted([*own, *watched], key=lambda event: str(event["timestamp"]))
    events.append(make_event(session, "trace", given.status, trace_id=given.trace_id))
    changed = change_object(session, body, status=given.status, finished_at=session.now(), events=events)
    return _now(session.put("trace", changed))


def get_trace(given: OneTrace, session: Session) -> TraceNow:
    """Gives the trace."""
    return _now(session.get("trace", given.trace_id))


def add_segment(given: AddSegment, session: Session) -> Segment:
    """Adds a stretch of work to a running trace."""
    body = _running(session, given.trace_id)
    known = {segment["segment_id"] for segment in body["segments"]}
    identifier = given.segment_id or session.uuid()
    if identifier in known:
        raise OperationError(
            f"the trace {given.trace_id} has a segment {identifier} already",
            details={"segmentId": identifier},
        )
    if given.parent_segment_id is not None and given.parent_segment_id not in known:
        raise _no_segment(given.trace_id, given.parent_segment_id)
    fields = {
        "segment_id": identifier,
        "parent_segment_id": given.parent_segment_id,
        "label": given.label,
        "status": given.status,
        "started_at": session.now() if given.status == "running" else None,
        "attributes": given.attributes,
    }
    segment = {key: value for key, value in fields.items() if value is not None}
    session.put("trace", change_object(session, body, segments=[*body["segments"], segment]))
    return Segment(trace_id=given.trace_id, segment_id=identifier, status=given.status, segment=segment)


def update_segment(given: UpdateSegment, session: Session) -> Segment:
    """Moves a segment of a running trace on; a final status ends it."""
    body = _running(session, given.trace_id)
    old = next((s for s in body["segments"] if s["segment_id"] == given.segment_id), None)
    if old is None:
        raise _no_segment(given.trace_id, given.segment_id)
    check_move("trace segment", given.segment_id, SEGMENT_TRANSITIONS, old["status"], given.status)
    stamp = "started_at" if given.status == "running" else "finished_at"
    segment = {**old, "status": given.status, stamp: session.now()}
    segments = [segment if s is old else s for s in body["segments"]]
    session.put("trace", change_object(session, body, segments=segments))
    return Segment(trace_id=given.trace_id, segment_id=given.segment_id, status=given.status, segment=segment)


def record_event(given: RecordEvent, session: Session) -> RecordedEvent:
    """Notes in a running trace that something happened."""
    body = _running(session, given.trace_id)
    event_type = given.event_type.lower().replace("-", ".").replace("_", ".")
    if not _EVENT_TYPE.fullmatch(event_type):
        raise OperationError(
            f"`{given.event_type}` is no type of event: words of letters and digits, joined by dots",
            hint="such as `build.started`",
            details={"eventType": given.event_type},
        )
    event = {
        **make_event(session, "trace", "event", given.data, trace_id=given.trace_id),
        "event_type": event_type,
        "source": given.source or session.caller.step,
    }
    session.put("trace", change_object(session, body, event))
    return RecordedEvent(trace_id=given.trace_id, event_id=event["event_id"], event_type=event_type)


def _context_of(given: StartMonitoring, session: Session) -> str:
    if given.plan_id is None:
        if given.context_id is None:
            raise OperationError("a trace needs a plan or a context", hint="give `planId` or `contextId`")
        return given.context_id
    context_id: str = session.get("plan", given.plan_id)["context_id"]
    if given.context_id not in {None, context_id}:
        raise OperationError(
            f"the plan {given.plan_id} belongs to the context {context_id}, not to {given.context_id}",
            hint="leave `contextId` out",
            details={"planId": given.plan_id, "contextId": given.context_id},
        )
    return context_id


def _running(session: Session, identifier: str) -> dict[str, Any]:
    body = session.get("trace", identifier)
    if body["status"] == "running":
        return body
    raise InvalidTransitionError(
        f"the trace {identifier} is `{body['status']}`; nothing can be added to it",
        details={"kind": "trace", "id": identifier, "status": body["status"]},
    )


def _no_segment(trace_id: str, segment_id: str) -> UnknownObjectError:
    return UnknownObjectError(
        f"the trace {trace_id} has no segment {segment_id}",
        details={"kind": "trace segment", "id": segment_id},
    )


def _now(body: dict[str, Any]) -> TraceNow:
    return TraceNow(
        trace_id=body["trace_id"],
        span_id=body["root_span"]["span_id"],
        context_id=body["context_id"],
        plan_id=body.get("plan_id"),
        status=body["status"],
        trace=body,
    )


MODULE = make_module(
    "trace",
    "The record of work being carried out",
    Operation(
        name="start-monitoring",
        summary="Start a trace of a plan or a context",
        parameters=StartMonitoring,
        result=TraceNow,
        handler=start_monitoring,
        any_of=(("planId", "contextId"),),
    ),
    Operation(
        name="stop-monitoring",
        summary="End a trace and take in what happened in its context",
        parameters=StopMonitoring,
        result=TraceNow,
        handler=stop_monitoring,
    ),
    Operation(
        name="get-trace", summary="Read a trace", parameters=OneTrace, result=TraceNow, handler=get_trace
    ),
    Operation(
        name="add-segment",
        summary="Add a stretch of work to a running trace",
        parameters=AddSegment,
        result=Segment,
        handler=add_segment,
    ),
    Operation(
        name="update-segment",
        summary="Start or end a stretch of work",
        parameters=UpdateSegment,
        result=Segment,
        handler=update_segment,
    ),
    Operation(
        name="record-event",
        summary="Note an event in a running trace",
        parameters=RecordEvent,
        result=RecordedEvent,
        handler=record_event,
    ),
    transitions=TRANSITIONS,
)
