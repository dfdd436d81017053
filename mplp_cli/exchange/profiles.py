"""The events of the protocol's profiles: for one agent that carries a plan out, and for a session of several.

Each event has a cause in the run. An event whose cause did not happen is not there, and is named as missing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Literal

from msgspec import Struct

from mplp_cli.exchange.families import Draft, begins_session, pick, role_of
from mplp_cli.exchange.moments import Change, Moment, Recorded
from mplp_cli.workflow.fold import history as h
from mplp_cli.workflow.values import derived_uuid

SA_MANDATORY: Final = (
    "SAInitialized",
    "SAContextLoaded",
    "SAPlanEvaluated",
    "SAStepStarted",
    "SAStepCompleted",
    "SATraceEmitted",
    "SACompleted",
)
MAP_MANDATORY: Final = (
    "MAPSessionStarted",
    "MAPRolesAssigned",
    "MAPTurnDispatched",
    "MAPTurnCompleted",
    "MAPSessionCompleted",
)
_TRACE_ENDS: Final = ("completed", "failed", "cancelled")
_STEP_EVENTS: Final = {
    "plan.step.started": "SAStepStarted",
    "plan.step.completed": "SAStepCompleted",
    "plan.step.failed": "SAStepFailed",
}
_MAP_EVENTS: Final = {
    "collab.turn.dispatched": "MAPTurnDispatched",
    "collab.turn.completed": "MAPTurnCompleted",
    "collab.broadcast.sent": "MAPBroadcastSent",
    "collab.broadcast.received": "MAPBroadcastReceived",
    "collab.conflict.detected": "MAPConflictDetected",
    "collab.conflict.resolved": "MAPConflictResolved",
}


class Profile(Struct, frozen=True, kw_only=True):
    """How far a run followed a profile. `absent`: it made no objects that the profile is about.

    `missing` are the kinds of these, or the mandatory events that the run did not come to.
    """

    status: Literal["complete", "incomplete", "absent"]
    missing: list[str]


#: Where an event comes in: after the moment with that index.
Placed = tuple[int, Draft]


class Course:
    """The moments of a run by what they are about, with their indexes."""

    def __init__(self, happened: Sequence[Moment]) -> None:
        self.begun = 0
        #: Where the run ended for good; None if it goes on.
        self.end: int | None = None
        self._changes: dict[tuple[str, str], list[tuple[int, Change]]] = {}
        for index, moment in enumerate(happened):
            if isinstance(moment, Change):
                self._changes.setdefault((moment.kind, moment.id), []).append((index, moment))
            elif isinstance(moment, h.RunStarted):
                self.begun = index
            elif isinstance(moment, h.RUN_ENDS):
                self.end = index
            elif isinstance(moment, h.RunResumed):
                self.end = None

    def of(self, kind: str, identifier: str) -> list[tuple[int, Change]]:
        """The changes of an object."""
        return self._changes.get((kind, identifier), [])

    def first(self, kind: str, identifier: str) -> int:
        """Where an object was made; one that the run found was there from the beginning."""
        changes = self.of(kind, identifier)
        return changes[0][0] if changes else self.begun


class _Phases:
    """Events that come in the order of their phases, whatever the order of their causes."""

    def __init__(self, **always: str) -> None:
        self.found: list[Placed] = []
        self._at = 0
        self._always = always

    def say(self, index: int, event_type: str, payload: Mapping[str, Any], **ids: str) -> None:
        self._at = max(self._at, index)
        draft: Draft = {"event_type": event_type, **self._always, **ids}
        self.found.append((self._at, draft | ({"payload": dict(payload)} if payload else {})))


def newest(run: Recorded) -> dict[tuple[str, str], dict[str, Any]]:
    """The objects of a run that are there, and those that they refer to, by kind and id."""
    found = {(item.kind, item.id): item.body for item in (*run.others, *run.versions)}
    return {key: body for key, body in found.items() if body}


def _judged(drafts: Sequence[Iterable[Placed]], mandatory: Sequence[str]) -> Profile:
    """A profile is complete if each of its lives is."""
    missing: list[str] = []
    for found in drafts:
        types = {draft["event_type"] for _, draft in found}
        missing += [name for name in mandatory if name not in types and name not in missing]
    return Profile(status="incomplete" if missing else "complete", missing=missing)


# ---- one agent ---------------------------------------------------------------------------------


def single_agent(run: Recorded, happened: Sequence[Moment]) -> tuple[list[Placed], Profile]:
    """One life for each plan that has a context and a trace."""
    objects = newest(run)
    course = Course(happened)
    lives: dict[str, list[Placed]] = {}
    for (kind, trace_id), body in objects.items():
        plan_id, context_id = str(body.get("plan_id")), str(body.get("context_id"))
        ties = ("context", context_id) in objects and ("plan", plan_id) in objects
        if kind == "trace" and ties and course.of(kind, trace_id) and plan_id not in lives:
            lives[plan_id] = _life(run, course, context_id, plan_id, trace_id)
    if not lives:
        kinds = {kind for kind, _ in objects}
        lacking = [kind for kind in ("context", "plan", "trace") if kind not in kinds]
        return [], Profile(status="absent", missing=lacking or ["trace of a plan"])
    return [placed for found in lives.values() for placed in found], _judged(
        list(lives.values()), SA_MANDATORY
    )


def _life(run: Recorded, course: Course, context_id: str, plan_id: str, trace_id: str) -> list[Placed]:
    phases = _Phases(sa_id=derived_uuid(run.run, "sa", plan_id), trace_id=trace_id)
    phases.say(course.begun, "SAInitialized", {"run": run.run, "workflow": run.workflow})
    context = {"context_id": context_id}
    phases.say(course.first("context", context_id), "SAContextLoaded", {}, **context)
    ids = {**context, "plan_id": plan_id}
    phases.say(course.first("plan", plan_id), "SAPlanEvaluated", {}, **ids)
    for index, change in course.of("plan", plan_id):
        _say_steps(phases, index, change, ids)
    for index, change in course.of("trace", trace_id):
        if change.moved_to in _TRACE_ENDS:
            payload = {"status": change.moved_to, "events": len(change.body.get("events") or ())}
            phases.say(index, "SATraceEmitted", payload, **ids)
    if course.end is not None:
        phases.say(course.end, "SACompleted", {"status": run.status}, **ids)
    return phases.found


def _say_steps(phases: _Phases, index: int, change: Change, ids: Mapping[str, str]) -> None:
    steps = {step.get("step_id"): step for step in change.body.get("steps") or ()}
    for event in change.events:
        named = _STEP_EVENTS.get(str(event.get("event_type")))
        step = steps.get(pick(event, "stepId"))
        if named is None or step is None:
            continue
        payload = {"step_id": step["step_id"]}
        if named == "SAStepStarted":
            keys = ("agent_role", "description")
            payload |= {key: step[key] for key in keys if key in step}
        else:
            payload["status"] = "completed" if named == "SAStepCompleted" else "failed"
        phases.say(index, named, payload, **ids)


# ---- several agents ----------------------------------------------------------------------------


def multi_agent(run: Recorded, happened: Sequence[Moment]) -> tuple[list[Placed], Profile]:
    """One session for each collab that the run made."""
    made = dict.fromkeys(item.id for item in run.versions if item.kind == "collab")
    if not made:
        return [], Profile(status="absent", missing=["collab"])
    course = Course(happened)
    drafts = [_session(collab_id, course.of("collab", collab_id)) for collab_id in made]
    return [placed for found in drafts for placed in found], _judged(drafts, MAP_MANDATORY)


def _session(collab_id: str, changes: Sequence[tuple[int, Change]]) -> list[Placed]:
    phases = _Phases(session_id=collab_id)
    for index, change in changes:
        if begins_session(change):
            payload = {str(key): change.body[key] for key in ("mode", "title") if key in change.body}
            phases.say(index, "MAPSessionStarted", payload)
    for index, change in changes:
        for _ in change.said("roles.assigned"):
            phases.say(index, "MAPRolesAssigned", {"roles": _roles(change)})
    for index, change in changes:
        for event in change.events:
            named = _MAP_EVENTS.get(str(event.get("event_type")))
            if named is not None:
                phases.say(index, named, _MAP_PAYLOADS.get(named, _as_said)(change, event))
    for index, change in changes:
        if change.moved_to in ("completed", "cancelled"):
            phases.say(index, "MAPSessionCompleted", {"status": change.moved_to})
    return phases.found


def _roles(change: Change) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = change.body.get("participants") or []
    return [{key: one[key] for key in ("participant_id", "role_id") if key in one} for one in listed]


def _turn(change: Change, event: Mapping[str, Any]) -> dict[str, Any]:
    made = {"role_id": role_of(change, event), "turn_number": pick(event, "turnNumber")}
    return _with(made, "result", pick(event, "result"))


def _sent(change: Change, event: Mapping[str, Any]) -> dict[str, Any]:
    made = {"broadcaster_role_id": role_of(change, event), "target_count": pick(event, "targetCount")}
    return _with(made, "message", pick(event, "message"))


def _received(change: Change, event: Mapping[str, Any]) -> dict[str, Any]:
    return _with({"receiver_role_id": role_of(change, event)}, "response", pick(event, "response"))


def _with(made: dict[str, Any], key: str, value: Any) -> dict[str, Any]:
    """What is known, with `value` as the object that the protocol wants there."""
    whole = value if value is None or isinstance(value, dict) else {"text": value}
    return {name: one for name, one in (made | {key: whole}).items() if one is not None}


def _as_said(_change: Change, event: Mapping[str, Any]) -> dict[str, Any]:
    return dict(event.get("data") or {})


_MAP_PAYLOADS: Final = {
    "MAPTurnDispatched": _turn,
    "MAPTurnCompleted": _turn,
    "MAPBroadcastSent": _sent,
    "MAPBroadcastReceived": _received,
}
