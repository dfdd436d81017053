"""Module `trace`: the record of work being carried out."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from msgspec import Meta
from msgspec.structs import replace

from mplp_cli.errors import InvalidTransitionError, OperationError, UnknownObjectError
from mplp_cli.modules.contract import Operation, Parameters, Result, make_module
from mplp_cli.modules.records import (
    Transitions,
    change_object,
    check_move,
    make_event,
    make_object,
    open_context,
    page_of,
)
from mplp_cli.modules.session import Session
from mplp_cli.modules.shapes import (
    GivenMeta,
    Governance,
    Listed,
    NewObject,
    ObjectId,
    PageNumber,
    PageSize,
    Text,
    TraceBody,
)
from mplp_cli.modules.timing import Analysis, analyse, has_errors, ms_of
from mplp_cli.workflow.values import moment_ms

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
_WATCHED = ("context", "plan", "role", "confirm", "extension", "dialog", "collab", "network")


class StartMonitoring(Parameters, frozen=True, kw_only=True):
    plan_id: ObjectId | None = None
    context_id: Annotated[ObjectId | None, Meta(description="the plan's unless given")] = None
    label: Text | None = None
    level: Annotated[Text | None, Meta(description="how closely, such as `standard` or `detailed`")] = None
    attributes: Annotated[dict[str, Any] | None, Meta(description="of the root span")] = None
    trace_id: ObjectId | None = None
    span_id: Annotated[ObjectId | None, Meta(description="of the root span")] = None
    parent_span_id: ObjectId | None = None
    started_at: Annotated[Text | None, Meta(description="now unless given")] = None
    meta: GivenMeta | None = None
    governance: Governance | None = None


class StopMonitoring(Parameters, frozen=True, kw_only=True):
    trace_id: ObjectId
    status: Literal["completed", "failed", "cancelled"] = "completed"


class OneTrace(Parameters, frozen=True, kw_only=True):
    trace_id: ObjectId


class ListTraces(Parameters, frozen=True, kw_only=True):
    context_id: ObjectId | None = None
    plan_id: ObjectId | None = None
    status: Status | None = None
    has_errors: Annotated[bool | None, Meta(description="whether it or a segment of it failed")] = None
    created_after: Annotated[Text | None, Meta(description="a time with its offset, itself not in")] = None
    created_before: Annotated[Text | None, Meta(description="a time with its offset, itself not in")] = None
    page: PageNumber = 1
    limit: PageSize = 100


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
    trace: TraceBody


class Traces(Listed, frozen=True, kw_only=True):
    traces: list[TraceBody]


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
    said = {"label": given.label, "level": given.level}
    attributes = {key: value for key, value in said.items() if value is not None} | (given.attributes or {})
    span = {
        "trace_id": identifier,
        "span_id": given.span_id or session.uuid(),
        "parent_span_id": given.parent_span_id,
        "context_id": context_id,
        "attributes": attributes or given.attributes,
    }
    body = make_object(
        session,
        "trace",
        identifier,
        [make_event(session, "trace", "started", trace_id=identifier)],
        given=NewObject(meta=given.meta, governance=given.governance),
        context_id=context_id,
        plan_id=given.plan_id,
        root_span={key: value for key, value in span.items() if value is not None},
        status="running",
        started_at=given.started_at or session.now(),
    )
    return _now(session.put("trace", body))


def stop_monitoring(given: StopMonitoring, session: Session) -> TraceNow:
    """Ends a trace. It takes in every event of its context's objects since it was started."""
    body = session.get("trace", given.trace_id)
    check_move("trace", given.trace_id, TRANSITIONS, body["status"], given.status)
    own = body["events"]
    since = own[0]["timestamp"]
    watched = [
        event
        for kind in _WATCHED
        for item in session.find(kind, context=body["context_id"])
        for event in item.get("events", ())
        if event["timestamp"] >= since
    ]
    events = sorted([*own, *watched], key=lambda event: str(event["timestamp"]))
    events.append(make_event(session, "trace", given.status, trace_id=given.trace_id))
    changed = change_object(session, body, status=given.status, finished_at=session.now(), events=events)
    return _now(session.put("trace", changed))


def get_trace(given: OneTrace, session: Session) -> TraceNow:
    """Gives the trace."""
    return _now(session.get("trace", given.trace_id))


def list_traces(given: ListTraces, session: Session) -> Traces:
    """Gives a page of traces, oldest first."""
    after, before = _ms("createdAfter", given.created_after), _ms("createdBefore", given.created_before)
    found = [
        body
        for body in session.find(
            "trace", context=given.context_id, plan_id=given.plan_id, status=given.status
        )
        if given.has_errors in {None, has_errors(body)} and _lies(body, after, before)
    ]
    page = page_of(found, given.page, given.limit)
    return Traces(traces=page.items, **page.position)


def analyze_trace(given: OneTrace, session: Session) -> Analysis:
    """Adds up what a trace holds; what still runs is counted until now."""
    return analyse(session.get("trace", given.trace_id), session.now())


def add_segment(given: AddSegment, session: Session) -> Segment:
    """Adds a stretch of work to a running trace."""
    body = _running(session, given.trace_id)
    segments = body.get("segments", [])
    known = {segment["segment_id"] for segment in segments}
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
    session.put("trace", change_object(session, body, segments=[*segments, segment]))
    return Segment(trace_id=given.trace_id, segment_id=identifier, status=given.status, segment=segment)


def update_segment(given: UpdateSegment, session: Session) -> Segment:
    """Moves a segment of a running trace on; a final status ends it."""
    body = _running(session, given.trace_id)
    segments = body.get("segments", [])
    old = next((s for s in segments if s["segment_id"] == given.segment_id), None)
    if old is None:
        raise _no_segment(given.trace_id, given.segment_id)
    check_move("trace segment", given.segment_id, SEGMENT_TRANSITIONS, old["status"], given.status)
    stamp = "started_at" if given.status == "running" else "finished_at"
    segment = {**old, "status": given.status, stamp: session.now()}
    changed = [segment if s is old else s for s in segments]
    session.put("trace", change_object(session, body, segments=changed))
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


def _ms(name: str, text: str | None) -> int | None:
    if text is None:
        return None
    try:
        return moment_ms(text)
    except ValueError as error:
        raise OperationError(f"`{name}`: {error}") from error


def _lies(body: dict[str, Any], after: int | None, before: int | None) -> bool:
    """Whether a trace was made after and before these."""
    made = ms_of(body["meta"]["created_at"]) or 0
    return (after is None or made > after) and (before is None or made < before)


def _now(body: dict[str, Any]) -> TraceNow:
    return TraceNow(
        trace_id=body["trace_id"],
        span_id=body["root_span"]["span_id"],
        context_id=body["context_id"],
        plan_id=body.get("plan_id"),
        status=body["status"],
        trace=body,
    )


_START = Operation(
    name="start-monitoring",
    summary="Start a trace of a plan or a context",
    parameters=StartMonitoring,
    result=TraceNow,
    handler=start_monitoring,
    any_of=(("planId", "contextId"),),
)
_STOP = Operation(
    name="stop-monitoring",
    summary="End a trace and take in what happened in its context",
    parameters=StopMonitoring,
    result=TraceNow,
    handler=stop_monitoring,
)
_LIST = Operation(
    name="list-traces",
    summary="List traces, oldest first",
    parameters=ListTraces,
    result=Traces,
    handler=list_traces,
)

MODULE = make_module(
    "trace",
    "The record of work being carried out",
    _START,
    replace(_START, name="start-trace", summary="The same as start-monitoring"),
    _STOP,
    replace(_STOP, name="end-trace", summary="The same as stop-monitoring"),
    Operation(
        name="get-trace", summary="Read a trace", parameters=OneTrace, result=TraceNow, handler=get_trace
    ),
    _LIST,
    replace(_LIST, name="query-traces", summary="The same as list-traces"),
    Operation(
        name="analyze-trace",
        summary="Add up what a trace holds: durations, failures, events",
        parameters=OneTrace,
        result=Analysis,
        handler=analyze_trace,
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
    needs=("context",),
)
