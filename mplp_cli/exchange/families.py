"""The events of the protocol's families: what a moment of a run means to the pipeline, the graph and the runtime."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from mplp_cli.exchange.costs import Costs
from mplp_cli.exchange.graph import graph_of, updates
from mplp_cli.exchange.moments import Change, Moment, Recorded, StepShape
from mplp_cli.workflow.fold import history as h
from mplp_cli.workflow.values import derived_uuid

#: An event of the stream without its id and time.
Draft = dict[str, Any]

#: How a step of a workflow stands after a fact: the five words of the protocol.
_STAGE: Final = {
    "completed": "completed",
    "failed": "failed",
    "skipped": "skipped",
    "omitted": "skipped",
    "running": "running",
    "waiting": "running",
    "retrying": "pending",
    "pending": "pending",
}
#: What executes the attempts of a step; attempts of other steps have no effect outside the run.
_EXECUTORS: Final = {"shell": "tool", "python": "tool", "http": "external", "agent": "agent"}
_PARTICIPANTS: Final = {"agent": "agent", "system": "worker"}
_PLAN: Final = {
    "draft": "pending",
    "proposed": "pending",
    "approved": "pending",
    "in_progress": "running",
    "completed": "completed",
    "failed": "failed",
    "cancelled": "skipped",
}
_PLAN_STEP: Final = {
    "step.started": ("step_started", "running"),
    "step.completed": ("step_completed", "completed"),
    "step.failed": ("step_failed", "failed"),
    "step.skipped": ("step_skipped", "skipped"),
    "step.reset": ("step_reset", "pending"),
}
_CONFIRM: Final = {
    "pending": "pending",
    "approved": "completed",
    "rejected": "failed",
    "cancelled": "skipped",
}


class Families:
    """Reads the moments of a run in order and remembers how its steps and their attempts stand."""

    def __init__(self, run: Recorded) -> None:
        self._run = run
        #: The last status that was told of each step.
        self._stages: dict[str, str] = {}
        #: Attempts at work: step -> number.
        self._open: dict[str, int] = {}
        self._costs = Costs(run.workflow)
        self._homes = {
            item.id: str(item.body["context_id"])
            for item in (*run.others, *run.versions)
            if "context_id" in item.body
        }

    def of(self, moment: Moment) -> Iterator[Draft]:
        """The events that a moment gives."""
        if isinstance(moment, Change):
            yield from _graph_updates(moment, self._homes)
            if (stages := _STAGES_OF.get(moment.kind)) is not None:
                yield from stages(moment)
            if (executions := _EXECUTIONS_OF.get(moment.kind)) is not None:
                yield from executions(moment)
            return
        if isinstance(moment, h.RunStarted):
            for step, shape in self._run.steps.items():
                # Steps of items come to be later: a name with an index in it is not planned.
                if not shape.blueprint and "[" not in step:
                    yield from self._stage(step, "pending")
        yield from self._executions(moment)
        yield from self._costs.of(moment)
        yield from self._steps(moment)

    # ---- steps of the workflow

    def _steps(self, fact: h.Event) -> Iterator[Draft]:
        step = getattr(fact, "step", "")
        match fact:
            case h.StepKept():
                yield from self._stage(step, fact.status, {"keptFrom": fact.origin})
            case h.StepStarted() | h.StepWaiting() | h.StepFellBack():
                yield from self._stage(step, "running", {"attempt": fact.attempt})
            case h.StepCompleted() | h.StepEmitted():
                yield from self._stage(step, "completed", {"attempt": fact.attempt})
            case h.StepFailed():
                yield from self._stage(step, "failed", {"attempt": fact.attempt, **_said(fact.error)})
            case h.StepRetrying():
                yield from self._stage(step, "retrying", {"attempt": fact.attempt, **_said(fact.error)})
            case h.StepSkipped():
                yield from self._stage(step, "skipped", {"reason": fact.reason})
            case h.StepOmitted():
                yield from self._stage(step, "omitted", {"reason": fact.reason, "because": fact.because})
            case h.StepCancelled():
                yield from self._stage(step, "cancelled", {"reason": fact.reason})
            case _:
                pass

    def _stage(self, step: str, status: str, more: Mapping[str, Any] | None = None) -> Iterator[Draft]:
        known = self._stages.get(step)
        # The protocol has no word for what was stopped: it failed if it had begun, else it was left out.
        stage = _STAGE.get(status) or ("failed" if known == "running" else "skipped")
        if stage == known:
            return
        self._stages[step] = stage
        shape = self._run.steps.get(step)
        draft = _pipeline(self._run.run, step, stage, f"stage_{stage}")
        if shape is not None:
            draft |= {"stage_order": shape.number} | ({"stage_name": shape.name} if shape.name else {})
        kind = {} if shape is None else {"type": shape.kind}
        yield draft | {"payload": {"workflow": self._run.workflow, **kind, "status": status, **(more or {})}}

    # ---- attempts

    def _executions(self, fact: h.Event) -> Iterator[Draft]:
        step = getattr(fact, "step", "")
        match fact:
            case h.StepStarted() if _executor(self._run.steps.get(step)):
                self._open[step] = fact.attempt
                yield self._execution(step, fact.attempt, "running")
            case h.StepCompleted():
                yield from self._close(step, "completed")
            case h.StepFailed() | h.StepRetrying() | h.StepFellBack():
                yield from self._close(step, "failed", _said(fact.error))
            case h.StepWaiting() | h.StepSkipped():
                yield from self._close(step, "failed", {} if fact.error is None else _said(fact.error))
            case h.StepCancelled():
                yield from self._close(step, "cancelled", {"reason": fact.reason})
            case h.RunResumed():
                for lost in list(self._open):
                    yield from self._close(lost, "failed", {"reason": "its outcome was lost"})
            case _:
                pass

    def _close(self, step: str, status: str, more: Mapping[str, Any] | None = None) -> Iterator[Draft]:
        attempt = self._open.pop(step, None)
        if attempt is not None:
            yield self._execution(step, attempt, status, more)

    def _execution(
        self, step: str, attempt: int, status: str, more: Mapping[str, Any] | None = None
    ) -> Draft:
        shape = self._run.steps.get(step)
        kind = {} if shape is None else {"type": shape.kind}
        payload = {"workflow": self._run.workflow, "step": step, **kind, "attempt": attempt, **(more or {})}
        identifier = derived_uuid(self._run.run, "attempt", step, attempt)
        return _runtime(identifier, _executor(shape), status, f"execution_{status}", payload)


def _executor(shape: StepShape | None) -> str:
    """What executes a step; empty if nothing does."""
    return "" if shape is None else _EXECUTORS.get(shape.kind, "")


def _said(error: Any) -> dict[str, Any]:
    return {"error": {"type": error.type, "message": error.message}}


def _pipeline(pipeline: str, stage: str, status: str, event_type: str) -> Draft:
    return {
        "event_type": event_type,
        "event_family": "pipeline_stage",
        "pipeline_id": pipeline,
        "stage_id": stage,
        "stage_status": status,
    }


def _runtime(
    identifier: str, executor: str, status: str, event_type: str, payload: Mapping[str, Any]
) -> Draft:
    return {
        "event_type": event_type,
        "event_family": "runtime_execution",
        "execution_id": identifier,
        "executor_kind": executor,
        "status": status,
        "payload": dict(payload),
    }


# ---- changes of objects


def _graph_updates(change: Change, homes: Mapping[str, str]) -> Iterator[Draft]:
    for update in updates(change):
        yield {
            "event_type": update.event_type,
            "event_family": "graph_update",
            "graph_id": graph_of(change.kind, change.id, change.body, homes),
            "update_kind": update.kind,
            "node_delta": update.nodes,
            "edge_delta": update.edges,
            "source_module": change.kind,
            "payload": {f"{change.kind}_id": change.id},
        }


def _plan_stages(change: Change) -> Iterator[Draft]:
    if (status := change.moved_to) is not None:
        yield _pipeline(change.id, "plan", _PLAN.get(status, "pending"), "plan_status_changed") | {
            "payload": {"plan_id": change.id, "status": status}
        }
    steps = {step.get("step_id"): step for step in change.body.get("steps") or ()}
    for event in change.events:
        verb = str(event.get("event_type", "")).removeprefix("plan.")
        step_id = pick(event, "stepId")
        if verb not in _PLAN_STEP or not isinstance(step_id, str):
            continue
        named, status = _PLAN_STEP[verb]
        draft = _pipeline(change.id, step_id, status, named)
        order = steps.get(step_id, {}).get("order_index")
        yield draft | ({} if order is None else {"stage_order": order}) | {"payload": {"plan_id": change.id}}


def _confirm_stages(change: Change) -> Iterator[Draft]:
    status = change.moved_to
    if status is None:
        return
    draft = {"payload": {"confirm_id": change.id, "status": status}}
    if change.before is None:
        yield _pipeline(change.id, "confirm", "pending", "confirm_created") | draft
    if status == "pending":
        yield _pipeline(change.id, "confirm", "pending", "confirm_pending") | draft
    else:
        yield _pipeline(change.id, "confirm", _CONFIRM.get(status, "completed"), "confirm_resolved") | draft


def _collab_stages(change: Change) -> Iterator[Draft]:
    payload = {"payload": {"collab_id": change.id, "status": change.body.get("status")}}
    if begins_session(change):
        yield _pipeline(change.id, "session", "running", "session_started") | payload
    if change.moved_to == "completed":
        yield _pipeline(change.id, "session", "completed", "session_completed") | payload
    elif change.moved_to == "cancelled":
        yield _pipeline(change.id, "session", "skipped", "session_cancelled") | payload


def _core_stages(change: Change) -> Iterator[Draft]:
    if change.before is None:
        yield _pipeline(change.id, "protocol", "completed", "protocol_initialized")
    if change.before is None or change.after is None:
        return
    before = {one.get("module_id"): one.get("status") for one in change.before.get("modules") or ()}
    for number, one in enumerate(change.after.get("modules") or ()):
        name, status = one.get("module_id"), one.get("status")
        if status != before.get(name) and status in ("enabled", "disabled"):
            stage = "completed" if status == "enabled" else "skipped"
            yield _pipeline(change.id, str(name), stage, f"module_{status}") | {"stage_order": number}


def _collab_executions(change: Change) -> Iterator[Draft]:
    for event in change.said("turn.dispatched", "turn.completed"):
        role, turn = role_of(change, event), pick(event, "turnNumber")
        done = str(event["event_type"]).endswith("completed")
        payload = {"collab_id": change.id, "role_id": role, "turn_number": turn}
        identifier = derived_uuid(change.id, "turn", str(role), str(turn))
        named, status = ("turn_completed", "completed") if done else ("turn_dispatched", "running")
        executor = _PARTICIPANTS.get(_participant(change, role).get("kind", "agent"), "external")
        yield _runtime(identifier, executor, status, named, payload)
    for event in change.said("broadcast.sent", "broadcast.received"):
        named = "broadcast_sent" if str(event["event_type"]).endswith("sent") else "broadcast_received"
        payload = {"collab_id": change.id, "role_id": role_of(change, event)}
        yield _runtime(
            derived_uuid(change.id, str(event.get("event_id"))), "agent", "completed", named, payload
        )


def _extension_executions(change: Change) -> Iterator[Draft]:
    names = {"activated": "extension_activated", "invoked": "tool_execution_completed"}
    for verb, named in names.items():
        for event in change.said(verb):
            failed = pick(event, "status") == "failed"
            identifier = derived_uuid(change.id, str(event.get("event_id")))
            payload = {"extension_id": change.id}
            yield _runtime(identifier, "tool", "failed" if failed else "completed", named, payload)


def _network_executions(change: Change) -> Iterator[Draft]:
    if change.before is None or change.after is None:
        return
    before = {node.get("node_id"): node.get("status") for node in change.before.get("nodes") or ()}
    for node in change.after.get("nodes") or ():
        name, status = node.get("node_id"), node.get("status")
        if name in before and before[name] != status:
            executor = "agent" if node.get("kind") == "agent" else "external"
            payload = {"network_id": change.id, "node_id": name, "status": status}
            word = "running" if status == "active" else "pending" if status == "inactive" else "failed"
            identifier = derived_uuid(change.id, "node", str(name))
            yield _runtime(identifier, executor, word, "node_status_changed", payload)


def _dialog_intents(change: Change) -> Iterator[Draft]:
    if change.after is None:
        return
    known = len((change.before or {}).get("messages") or ())
    for number, message in enumerate(change.after.get("messages") or ()):
        if number >= known and message.get("role") == "user":
            yield {
                "event_type": "user_message_received",
                "event_family": "intent",
                "payload": {"dialog_id": change.id, "message_index": number},
            }


_STAGES_OF: Final = {
    "plan": _plan_stages,
    "confirm": _confirm_stages,
    "collab": _collab_stages,
    "core": _core_stages,
}
_EXECUTIONS_OF: Final = {
    "collab": _collab_executions,
    "extension": _extension_executions,
    "network": _network_executions,
    "dialog": _dialog_intents,
}


def pick(event: Mapping[str, Any], *names: str) -> Any:
    """What the data of an object's event has under the first of these names that is there."""
    data = event.get("data") or {}
    return next((data[name] for name in names if data.get(name) is not None), None)


def _participant(change: Change, role: Any) -> Mapping[str, Any]:
    listed: list[dict[str, Any]] = change.body.get("participants") or []
    return next((one for one in listed if role is not None and one.get("role_id") == role), {})


def role_of(change: Change, event: Mapping[str, Any]) -> str | None:
    """The role that an event of a collab is about: named in it, or that of the participant it names."""
    role = pick(event, "roleId", "broadcasterRoleId", "receiverRoleId")
    if role is not None:
        return str(role)
    who = pick(event, "participantId")
    listed: list[dict[str, Any]] = change.body.get("participants") or []
    found = next((one.get("role_id") for one in listed if one.get("participant_id") == who), None)
    return None if found is None else str(found)


def begins_session(change: Change) -> bool:
    """Whether a collab began with this version."""
    draft = (change.before or {}).get("status", "draft") == "draft"
    return draft and (change.moved_to == "active" or bool(change.said("started")))
