"""A whole flow as documents: every object, event and sample that the invariants are about, all of it right."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

TIME = "2026-01-31T12:00:00.000Z"
META = {"protocol_version": "1.0.0", "schema_version": "1.0.0", "created_at": TIME}


def uuid(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012x}"


CONTEXT, PLAN, CONFIRM, TRACE, COLLAB, STEP, ROLE = (uuid(n) for n in range(1, 8))

OBJECTS: dict[str, dict[str, Any]] = {
    "context": {
        "meta": dict(META),
        "context_id": CONTEXT,
        "root": {"domain": "writing", "environment": "test"},
        "title": "A letter",
        "status": "active",
    },
    "plan": {
        "meta": dict(META),
        "plan_id": PLAN,
        "context_id": CONTEXT,
        "title": "Write it",
        "objective": "A letter",
        "status": "completed",
        "steps": [{"step_id": STEP, "description": "write", "status": "completed", "agent_role": "author"}],
    },
    "confirm": {
        "meta": dict(META),
        "confirm_id": CONFIRM,
        "target_type": "plan",
        "target_id": PLAN,
        "status": "rejected",
        "reason": "too long",
        "requested_by_role": "author",
        "requested_at": TIME,
    },
    "trace": {
        "meta": dict(META),
        "trace_id": TRACE,
        "context_id": CONTEXT,
        "plan_id": PLAN,
        "root_span": {"trace_id": TRACE, "span_id": uuid(20), "context_id": CONTEXT},
        "status": "completed",
        "events": [
            {"event_id": uuid(21), "event_type": "trace.started", "source": "trace", "timestamp": TIME}
        ],
    },
    "collab": {
        "meta": dict(META),
        "collab_id": COLLAB,
        "context_id": CONTEXT,
        "title": "Together",
        "purpose": "A letter",
        "mode": "pair",
        "status": "completed",
        "participants": [{"participant_id": "ann", "role_id": ROLE, "kind": "agent"}],
        "created_at": TIME,
    },
}


def _event(number: int, family: str, named: str, **more: Any) -> dict[str, Any]:
    return {
        "event_id": uuid(number),
        "event_type": named,
        "event_family": family,
        "timestamp": TIME,
        **more,
    }


def _session(number: int, named: str, **payload: Any) -> dict[str, Any]:
    return {
        "event_id": uuid(number),
        "event_type": named,
        "timestamp": TIME,
        "session_id": COLLAB,
        "payload": payload,
    }


TOOL = {
    "tool_id": "ruff",
    "tool_kind": "linter",
    "invocation_id": uuid(30),
    "status": "succeeded",
    "started_at": TIME,
}
FILE = {"file_path": "a.py", "change_type": "modified", "timestamp": TIME}
GIT = {
    "repo_url": "https://example.org/r.git",
    "commit_id": "abc",
    "ref_name": "main",
    "event_kind": "commit",
    "timestamp": TIME,
}
CI = {
    "ci_provider": "here",
    "pipeline_id": "build",
    "run_id": "7",
    "status": "succeeded",
    "started_at": TIME,
    "completed_at": TIME,
}

#: The lines of `events.ndjson`, by a name for the tests.
EVENTS: dict[str, dict[str, Any]] = {
    "intent": _event(40, "intent", "user_message_received"),
    "stage": _event(
        41, "pipeline_stage", "step_started", pipeline_id=PLAN, stage_id=STEP, stage_status="running"
    ),
    "graph": _event(
        42,
        "graph_update",
        "plan_created",
        graph_id=CONTEXT,
        update_kind="bulk",
        node_delta=2,
        edge_delta=0,
    ),
    "execution": _event(
        43,
        "runtime_execution",
        "turn_completed",
        execution_id=uuid(44),
        executor_kind="agent",
        status="completed",
    ),
    "sa": {"event_id": uuid(45), "event_type": "SAInitialized", "timestamp": TIME, "sa_id": uuid(46)},
    "dispatched": _session(47, "MAPTurnDispatched", role_id=ROLE, turn_number=1),
    "done": _session(48, "MAPTurnCompleted", role_id=ROLE, turn_number=1),
    "sent": _session(49, "MAPBroadcastSent", broadcaster_role_id=ROLE, target_count=1),
    "received": _session(50, "MAPBroadcastReceived", receiver_role_id=ROLE),
    "tool": _event(51, "external_integration", "tool_execution", payload=TOOL),
    "file": _event(52, "external_integration", "file_update", payload=FILE),
    "git": _event(53, "external_integration", "git_operation", payload=GIT),
    "ci": _event(54, "external_integration", "ci_pipeline", payload=CI),
}

_META = {"human_feedback_label": "approved", "source_flow_id": "flow"}


def _sample(number: int, family: str, **more: Any) -> dict[str, Any]:
    parts = {"input": {}, "output": {}, "meta": dict(_META)} | more
    return {"sample_id": uuid(number), "sample_family": family, "created_at": TIME, **parts}


SAMPLES: dict[str, dict[str, Any]] = {
    "sample": _sample(60, "pipeline_outcome"),
    "intent-sample": _sample(
        61,
        "intent_resolution",
        input={"intent_id": "i", "raw_request_summary": "a letter"},
        output={"final_intent_summary": "a letter", "resolution_quality_label": "good"},
    ),
    "delta-sample": _sample(
        62,
        "delta_impact",
        input={"delta_id": "d", "intent_id": "i", "change_summary": "shorter"},
        state={"risk_level": "low"},
        output={"actual_impact_summary": "one page", "impact_scope": "local"},
    ),
}


class Flow:
    """Documents to be changed and written."""

    def __init__(self) -> None:
        self.objects = copy.deepcopy(OBJECTS)
        self.events = copy.deepcopy(EVENTS)
        self.samples = copy.deepcopy(SAMPLES)

    def named(self, name: str) -> dict[str, Any]:
        """The document of that name, whatever it is."""
        return next(group[name] for group in (self.objects, self.events, self.samples) if name in group)

    def write(self, directory: Path) -> Path:
        directory.mkdir(exist_ok=True)
        for name, body in (self.objects | self.samples).items():
            (directory / f"{name}.json").write_text(json.dumps(body, indent=2), "utf-8")
        lines = "".join(f"{json.dumps(event)}\n" for event in self.events.values())
        (directory / "events.ndjson").write_text(lines, "utf-8")
        return directory


#: No value: the key is taken away.
GONE = object()


def change(document: dict[str, Any], path: str, value: Any) -> None:
    """Put `value` at a place such as `steps.0.step_id`."""
    *outer, last = path.split(".")
    inside: Any = document
    for key in outer:
        inside = inside[int(key)] if isinstance(inside, list) else inside[key]
    if value is GONE:
        del inside[last]
    else:
        inside[int(last) if isinstance(inside, list) else last] = value
