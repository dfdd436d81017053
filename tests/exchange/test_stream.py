"""The event stream follows from the history and the objects, says what happened, and nothing else."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from mplp_cli.errors import Failure
from mplp_cli.exchange.documents import event_kind, schema_of
from mplp_cli.exchange.moments import Recorded, StepShape
from mplp_cli.exchange.stream import Stream, protocol_stream
from mplp_cli.protocols import ProtocolObject
from mplp_cli.workflow.fold import history as h
from mplp_cli.workflow.values import derived_uuid, rfc3339
from tests.exchange.flow import CONTEXT, PLAN, ROLE, STEP, TRACE, uuid
from tests.modules.conftest import World

RUN = uuid(1000)
BROKEN = Failure(type="ShellExitError", message="exit code 1")
START = 1_767_225_600_000
ids = itertools.count(5000)


def begun(at: int = START) -> h.RunStarted:
    return h.RunStarted(at, RUN, "release", {}, {}, "/", 2)


def recorded(
    facts: Sequence[h.Event],
    versions: Sequence[ProtocolObject] = (),
    status: str = "completed",
    others: Sequence[ProtocolObject] = (),
    **kinds: str,
) -> Recorded:
    steps = {name: StepShape(number, kind) for number, (name, kind) in enumerate(kinds.items())}
    ordered = sorted(versions, key=lambda item: (item.kind, item.id, item.version))
    return Recorded(
        run=RUN, workflow="release", status=status, facts=facts, versions=ordered, steps=steps, others=others
    )


def of(stream: Stream, family: str, *keys: str) -> list[Any]:
    """Those keys of the events of a family (one key: its value alone)."""
    found = [event for event in stream.events if event.get("event_family") == family]
    return [event[keys[0]] if len(keys) == 1 else tuple(event[k] for k in keys) for event in found]


def profile(stream: Stream, prefix: str) -> list[str]:
    return [e["event_type"] for e in stream.events if e["event_type"].startswith(prefix)]


def version(kind: str, number: int, at: int, body: dict[str, Any], *verbs: Any) -> ProtocolObject:
    """A version with the events so far; a verb is a name or (name, data)."""
    pairs = [verb if isinstance(verb, tuple) else (verb, None) for verb in verbs]
    events = [
        {
            "event_id": uuid(next(ids)) if data is None else derived_uuid(name, str(data)),
            "event_type": f"{kind}.{name}",
            "source": kind,
            "timestamp": rfc3339(at),
        }
        | ({} if data is None else {"data": data})
        for name, data in pairs
    ]
    meta = {"created_at": rfc3339(START), "updated_at": rfc3339(at), "tags": [f"run:{RUN}"]}
    whole = {"meta": meta, f"{kind}_id": body.pop("id"), **body, "events": events}
    return ProtocolObject(kind, str(whole[f"{kind}_id"]), number, whole)


def valid(stream: Stream) -> Stream:
    """The stream, each event of which is valid."""
    for event in stream.events:
        schema = schema_of(event_kind(event) or "")
        assert schema is not None, event
        assert schema.is_valid(event), event
    times = [event["timestamp"] for event in stream.events]
    assert times == sorted(times)
    assert len({event["event_id"] for event in stream.events}) == len(stream.events)
    return stream


# ---- steps -------------------------------------------------------------------------------------


def test_a_step_is_pending_then_running_then_at_its_end() -> None:
    facts: list[h.Event] = [
        begun(),
        h.StepStarted(START + 1, "build", 1),
        h.StepCompleted(START + 2, "build", 1, {}),
        h.StepSkipped(START + 2, "test", "not asked for"),
        h.StepOmitted(START + 2, "ship", "needs test", "test"),
        h.RunCompleted(START + 3),
    ]
    stream = valid(protocol_stream(recorded(facts, build="set", test="set", ship="set")))
    assert of(stream, "pipeline_stage", "stage_id", "stage_status", "stage_order") == [
        ("build", "pending", 0),
        ("test", "pending", 1),
        ("ship", "pending", 2),
        ("build", "running", 0),
        ("build", "completed", 0),
        ("test", "skipped", 1),
        ("ship", "skipped", 2),
    ]
    assert set(of(stream, "pipeline_stage", "pipeline_id")) == {RUN}
    assert of(stream, "runtime_execution", "status") == []


def test_what_was_stopped_failed_if_it_had_begun() -> None:
    facts: list[h.Event] = [
        begun(),
        h.StepStarted(START, "build", 1),
        h.RunStopping(START + 1, "cancel"),
        h.StepCancelled(START + 1, "build", 1, "the run was cancelled"),
        h.StepCancelled(START + 1, "ship", 0, "the run was cancelled"),
        h.RunCancelled(START + 2),
    ]
    stream = valid(protocol_stream(recorded(facts, status="cancelled", build="shell", ship="shell")))
    stages = of(stream, "pipeline_stage", "stage_id", "stage_status")
    assert stages[-2:] == [("build", "failed"), ("ship", "skipped")]
    assert of(stream, "runtime_execution", "status") == ["running", "cancelled"]


def test_each_attempt_is_an_execution_of_its_own() -> None:
    facts: list[h.Event] = [
        begun(),
        h.StepStarted(START + 1, "call", 1),
        h.StepRetrying(START + 2, "call", 1, BROKEN, 10, START + 12),
        h.StepRetryDue(START + 12, "call"),
        h.StepStarted(START + 12, "call", 2),
        h.RunResumed(START + 20, "ann"),
        h.StepStarted(START + 20, "call", 2),
        h.StepCompleted(START + 21, "call", 2, {}),
        h.StepStarted(START + 21, "count", 1),
        h.StepFailed(START + 22, "count", 1, BROKEN),
        h.RunFailed(START + 23, BROKEN),
    ]
    stream = valid(protocol_stream(recorded(facts, status="failed", call="http", count="python")))
    rows = of(stream, "runtime_execution", "execution_id", "executor_kind", "status")
    names = {name: number for number, name in enumerate(dict.fromkeys(row[0] for row in rows))}
    assert [(names[name], kind, status) for name, kind, status in rows] == [
        (0, "external", "running"),
        (0, "external", "failed"),
        (1, "external", "running"),
        (1, "external", "failed"),
        (1, "external", "running"),
        (1, "external", "completed"),
        (2, "tool", "running"),
        (2, "tool", "failed"),
    ]
    assert of(stream, "pipeline_stage", "stage_id", "stage_status") == [
        ("call", "pending"),
        ("count", "pending"),
        ("call", "running"),
        ("call", "pending"),
        ("call", "running"),
        ("call", "completed"),
        ("count", "running"),
        ("count", "failed"),
    ]


def test_a_result_of_the_cache_is_no_execution() -> None:
    facts: list[h.Event] = [begun(), h.StepCompleted(START + 1, "build", 0, {}, hit=h.Hit("x", START))]
    stream = valid(protocol_stream(recorded(facts, status="running", build="shell")))
    assert of(stream, "runtime_execution", "status") == []
    assert of(stream, "pipeline_stage", "stage_status") == ["pending", "completed"]


# ---- the graph ---------------------------------------------------------------------------------


def made(world: World) -> Iterator[h.Event]:
    """Facts around what a world has made."""
    yield begun(world.clock.ms)
    yield h.StepStarted(world.clock.ms, "step-1", 1)
    yield h.StepCompleted(world.clock.ms, "step-1", 1, {})
    yield h.RunCompleted(world.clock.ms)


def everything(world: World) -> None:
    context = world("context/create-context", name="a")["contextId"]
    world("context/update-context", contextId=context, title="b")
    first = uuid(3000)
    steps = [
        {"description": "a", "stepId": first, "agentRole": "lead"},
        {"description": "b", "dependencies": [first], "stepId": uuid(3001)},
    ]
    world("role/assign-roles", contextId=context, roles=["lead"])
    plan = world("plan/create-plan", contextId=context, steps=steps, planId=PLAN)["planId"]
    trace = world("trace/start-monitoring", planId=plan)["traceId"]
    confirm = world("confirm/request-approval", planId=plan)["confirmId"]
    world("confirm/approve", confirmId=confirm, decidedByRole="lead")
    for move in ("propose-plan", "approve-plan", "start-plan"):
        world(f"plan/{move}", planId=plan)
    for step in (first, uuid(3001)):
        for status in ("in_progress", "completed"):
            world("plan/update-step-status", planId=plan, stepId=step, status=status)
    world("plan/complete-plan", planId=plan)
    world("trace/stop-monitoring", traceId=trace)


@pytest.fixture
def full() -> Stream:
    world = World(run=RUN)
    everything(world)
    return valid(protocol_stream(recorded(list(made(world)), world.stored)))


def test_the_graph_grows_by_what_is_made(full: Stream) -> None:
    rows = of(full, "graph_update", "event_type", "update_kind", "node_delta", "edge_delta")
    assert rows == [
        ("context_created", "node_add", 1, 0),
        ("context_updated", "node_update", 0, 0),
        ("role_created", "node_add", 1, 0),
        ("role_updated", "node_update", 0, 0),
        ("plan_created", "bulk", 3, 1),
        ("confirm_created", "node_add", 1, 0),
        ("decision_added", "node_add", 1, 0),
    ]
    [graph] = set(of(full, "graph_update", "graph_id"))
    assert graph


def test_plans_and_confirms_are_pipelines_of_their_own(full: Stream) -> None:
    rows = of(full, "pipeline_stage", "pipeline_id", "event_type", "stage_status")
    plan = [(named, status) for pipeline, named, status in rows if pipeline == PLAN]
    assert plan == [
        ("plan_status_changed", "pending"),
        ("plan_status_changed", "pending"),
        ("plan_status_changed", "pending"),
        ("plan_status_changed", "running"),
        ("step_started", "running"),
        ("step_completed", "completed"),
        ("step_started", "running"),
        ("step_completed", "completed"),
        ("plan_status_changed", "completed"),
    ]
    confirm = [named for pipeline, named, _ in rows if pipeline not in (PLAN, RUN)]
    assert confirm == ["confirm_created", "confirm_pending", "confirm_resolved"]


def test_the_updates_of_a_graph_add_up_to_the_objects() -> None:
    def plan(number: int, *steps: tuple[str, list[str]]) -> ProtocolObject:
        listed = [{"step_id": name, "description": "d", "dependencies": before} for name, before in steps]
        return version("plan", number, START + number, {"id": PLAN, "context_id": CONTEXT, "steps": listed})

    network = {"id": uuid(9), "context_id": CONTEXT, "topology_type": "mesh", "status": "draft"}
    nodes = [{"node_id": uuid(n), "kind": "agent", "status": "active"} for n in (11, 12)]
    versions = [
        plan(1, ("a", []), ("b", ["a"])),
        plan(2, ("a", []), ("b", []), ("c", ["a", "b"])),
        plan(3, ("c", [])),
        version("network", 1, START + 1, {**network, "nodes": nodes}, "created"),
        version("network", 2, START + 2, {**network, "nodes": nodes[:1]}, "created"),
        version("network", 3, START + 3, {**network, "status": "active", "nodes": nodes[:1]}, "created"),
        version("context", 1, START, {"id": CONTEXT}, "created"),
        version("context", 2, START + 5, {"id": CONTEXT}, "state.synced"),
    ]
    stream = valid(protocol_stream(recorded([begun(), h.RunCompleted(START + 9)], versions)))
    rows = of(stream, "graph_update", "event_type", "update_kind", "node_delta", "edge_delta")
    assert rows == [
        ("context_created", "node_add", 1, 0),
        ("plan_created", "bulk", 3, 1),
        ("network_created", "bulk", 3, 0),
        ("dag_edge_removed", "edge_delete", 0, -1),
        ("step_added", "node_add", 1, 0),
        ("dag_edge_added", "edge_add", 0, 2),
        ("node_removed", "node_delete", -1, 0),
        ("dag_edge_removed", "edge_delete", 0, -2),
        ("step_removed", "node_delete", -2, 0),
        ("topology_changed", "node_update", 0, 0),
        ("world_state_changed", "node_update", 0, 0),
    ]
    assert sum(row[2] for row in rows) == 1 + (1 + 1) + (1 + 1)
    assert sum(row[3] for row in rows) == 0
    versions.append(ProtocolObject("plan", PLAN, 4, {}))
    gone = h.StepCompleted(START + 7, "drop", 1, {"planId": PLAN, "deleted": True})
    stream = valid(protocol_stream(recorded([begun(), gone, h.RunCompleted(START + 9)], versions)))
    last = [event for event in stream.events if event["event_type"] == "plan_deleted"]
    assert [(e["node_delta"], e["timestamp"]) for e in last] == [(-2, rfc3339(START + 7))]


# ---- profiles ----------------------------------------------------------------------------------


def test_a_life_of_one_agent_is_told_phase_by_phase(full: Stream) -> None:
    assert profile(full, "SA") == [
        "SAInitialized",
        "SAContextLoaded",
        "SAPlanEvaluated",
        "SAStepStarted",
        "SAStepCompleted",
        "SAStepStarted",
        "SAStepCompleted",
        "SATraceEmitted",
        "SACompleted",
    ]
    assert (full.profiles["sa"].status, full.profiles["sa"].missing) == ("complete", [])
    assert (full.profiles["map"].status, full.profiles["map"].missing) == ("absent", ["collab"])
    events = [event for event in full.events if event["event_type"].startswith("SA")]
    assert len({event["sa_id"] for event in events}) == 1
    assert [e["payload"]["step_id"] for e in events[3:7]] == [uuid(3000), uuid(3000), uuid(3001), uuid(3001)]


def test_what_did_not_happen_is_missing_and_not_made_up() -> None:
    world = World(run=RUN)
    context = world("context/create-context", name="a")["contextId"]
    plan = world("plan/create-plan", contextId=context, assignedRoles=["lead"])["planId"]
    facts = list(made(world))
    none = protocol_stream(recorded(facts, world.stored))
    assert (none.profiles["sa"].status, none.profiles["sa"].missing) == ("absent", ["trace"])
    assert profile(none, "SA") == []
    world("trace/start-monitoring", planId=plan)
    some = valid(protocol_stream(recorded(facts[:-1], world.stored, status="running")))
    assert profile(some, "SA") == ["SAInitialized", "SAContextLoaded", "SAPlanEvaluated"]
    missing = ["SAStepStarted", "SAStepCompleted", "SATraceEmitted", "SACompleted"]
    assert (some.profiles["sa"].status, some.profiles["sa"].missing) == ("incomplete", missing)


def test_phases_keep_their_order_when_the_causes_did_not() -> None:
    steps = [{"step_id": STEP, "description": "d", "status": "completed"}]
    plan = {"id": PLAN, "context_id": CONTEXT, "steps": steps}
    trace = {"id": TRACE, "context_id": CONTEXT, "plan_id": PLAN}
    versions = [
        version("context", 1, START, {"id": CONTEXT}, "created"),
        version("plan", 1, START + 1, {**plan}, "created"),
        version("trace", 1, START + 2, {**trace, "status": "running"}, "started"),
        version("trace", 2, START + 3, {**trace, "status": "completed"}, "completed"),
        version("plan", 2, START + 5, {**plan}, ("step.started", {"stepId": STEP})),
    ]
    stream = valid(protocol_stream(recorded([begun(), h.RunCompleted(START + 9)], versions)))
    assert profile(stream, "SA")[-3:] == ["SAStepStarted", "SATraceEmitted", "SACompleted"]


def session(*versions: tuple[int, str, Sequence[Any]]) -> Stream:
    """The stream of a run with one collab in these versions: (at, status, all its events)."""
    participants = [
        {"participant_id": "ann", "role_id": ROLE, "kind": "human"},
        {"participant_id": "bot", "role_id": uuid(8), "kind": "agent"},
    ]
    body = {"context_id": CONTEXT, "title": "t", "mode": "pair", "participants": participants}
    bodies = [
        version("collab", n, START + at, {"id": uuid(5), **body, "status": status}, *verbs)
        for n, (at, status, verbs) in enumerate(versions, 1)
    ]
    return valid(protocol_stream(recorded([begun(), h.RunCompleted(START + 99)], bodies)))


def test_a_session_is_told_phase_by_phase() -> None:
    turn = {"roleId": ROLE, "turnNumber": 1}
    verbs: list[Any] = [("created", {}), ("roles.assigned", {"n": 1})]
    at_work = [
        *verbs,
        ("started", {}),
        ("turn.dispatched", turn),
        ("turn.completed", {**turn, "result": {"said": "hi"}}),
        ("broadcast.sent", {"broadcasterRoleId": ROLE, "message": "all", "targetCount": 1}),
        ("broadcast.received", {"participantId": "bot"}),
        ("conflict.detected", {"conflictId": "x"}),
        ("conflict.resolved", {"conflictId": "x"}),
    ]
    stream = session(
        (1, "draft", verbs),
        (2, "active", at_work),
        (3, "completed", [*at_work, ("completed", {"z": 1}), ("gossip.heard", {"z": 2})]),
    )
    assert profile(stream, "MAP") == [
        "MAPSessionStarted",
        "MAPRolesAssigned",
        "MAPTurnDispatched",
        "MAPTurnCompleted",
        "MAPBroadcastSent",
        "MAPBroadcastReceived",
        "MAPConflictDetected",
        "MAPConflictResolved",
        "MAPSessionCompleted",
    ]
    assert (stream.profiles["map"].status, stream.profiles["map"].missing) == ("complete", [])
    payloads = {e["event_type"]: e.get("payload") for e in stream.events if "session_id" in e}
    assert payloads["MAPTurnDispatched"] == {"role_id": ROLE, "turn_number": 1}
    assert payloads["MAPTurnCompleted"] == {"role_id": ROLE, "turn_number": 1, "result": {"said": "hi"}}
    assert payloads["MAPBroadcastSent"] == {
        "broadcaster_role_id": ROLE,
        "target_count": 1,
        "message": {"text": "all"},
    }
    assert payloads["MAPBroadcastReceived"] == {"receiver_role_id": uuid(8)}
    rows = of(stream, "runtime_execution", "event_type", "executor_kind", "status")
    assert rows[:2] == [
        ("turn_dispatched", "external", "running"),
        ("turn_completed", "external", "completed"),
    ]
    sessions = of(stream, "pipeline_stage", "event_type", "stage_status")
    assert sessions == [("session_started", "running"), ("session_completed", "completed")]


def test_a_session_that_was_over_when_it_came_is_told_too() -> None:
    stream = session((1, "completed", [("roles.assigned", {"n": 1}), ("started", {}), ("completed", {})]))
    assert profile(stream, "MAP") == ["MAPSessionStarted", "MAPRolesAssigned", "MAPSessionCompleted"]
    assert stream.profiles["map"].missing == ["MAPTurnDispatched", "MAPTurnCompleted"]


def test_a_session_that_never_began_has_no_events() -> None:
    stream = session((1, "draft", [("created", {})]))
    assert profile(stream, "MAP") == []
    assert stream.profiles["map"].status == "incomplete"
    assert len(stream.profiles["map"].missing) == 5


# ---- other objects -----------------------------------------------------------------------------


def test_a_message_of_a_user_is_an_intent() -> None:
    def dialog(number: int, *roles: str) -> ProtocolObject:
        messages = [{"role": role, "content": "c"} for role in roles]
        return version("dialog", number, START + number, {"id": uuid(4), "messages": messages}, "started")

    versions = [
        dialog(1, "system"),
        dialog(2, "system", "user", "agent"),
        dialog(3, "system", "user", "agent"),
    ]
    stream = valid(protocol_stream(recorded([begun()], versions)))
    assert of(stream, "intent", "event_type", "payload") == [
        ("user_message_received", {"dialog_id": uuid(4), "message_index": 1})
    ]


def test_extensions_cores_and_nodes_are_told() -> None:
    node = {"node_id": uuid(11), "kind": "service", "status": "active"}
    network = {"id": uuid(9), "context_id": CONTEXT, "status": "active"}
    module = {"module_id": "plan", "version": "1.0.0", "status": "enabled"}
    versions = [
        version("extension", 1, START + 1, {"id": uuid(2)}, "registered"),
        version("extension", 2, START + 2, {"id": uuid(2)}, ("activated", {"a": 1}), ("invoked", {"a": 2})),
        version("core", 1, START + 1, {"id": uuid(3), "modules": [module]}, "initialized"),
        version("core", 2, START + 2, {"id": uuid(3), "modules": [module | {"status": "disabled"}]}, "x"),
        version("network", 1, START + 1, {**network, "nodes": [node]}, "created"),
        version("network", 2, START + 2, {**network, "nodes": [node | {"status": "unreachable"}]}, "x"),
    ]
    stream = valid(protocol_stream(recorded([begun()], versions)))
    assert of(stream, "pipeline_stage", "event_type", "stage_status") == [
        ("protocol_initialized", "completed"),
        ("module_disabled", "skipped"),
    ]
    assert of(stream, "runtime_execution", "event_type", "status") == [
        ("extension_activated", "completed"),
        ("tool_execution_completed", "completed"),
        ("node_status_changed", "failed"),
    ]


def test_what_is_not_known_does_no_harm() -> None:
    strange = ProtocolObject("mood", "m", 1, {"meta": {"updated_at": "never", "tags": 7}, "events": [{}]})
    events = [{"event_type": "plan.step.started"}, {"event_type": 7, "data": {"stepId": [1]}}]
    plan = ProtocolObject("plan", PLAN, 1, {"meta": {}, "plan_id": PLAN, "events": events})
    assert protocol_stream(recorded([begun()], [strange, plan])).events


def test_the_stream_is_the_same_every_time(full: Stream) -> None:
    world = World(run=RUN)
    everything(world)
    again = protocol_stream(recorded(list(made(world)), world.stored))
    assert again.events == full.events


def test_a_budget_that_is_nearly_used_up_or_used_up_is_told_once() -> None:
    used, share = h.Used(calls=1), h.Share("b", "max-calls", 80, 5)
    over = Failure(
        type="AgentError",
        message="x",
        details={"code": "budget.exceeded", "budget": "b", "limit": "max-calls", "allowed": 5},
    )
    stream = protocol_stream(
        recorded(
            [
                begun(),
                h.AgentAsked(START, "ask", 1, "a", used, warned=[share]),
                h.AgentAsked(START, "ask", 1, "a", used, warned=[h.Share("b", "max-calls", 100, 5)]),
                h.StepFailed(START, "ask", 2, over),
            ],
            ask="agent",
        )
    )
    assert of(stream, "cost_budget", "event_type") == ["budget_warning", "budget_exceeded"]
    payload = {"workflow": "release", "step": "ask", "budget": "b", "limit": "max-calls", "allowed": 5}
    assert of(stream, "cost_budget", "payload") == [payload, payload]
