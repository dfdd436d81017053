"""Objects that come from elsewhere, taken in by a workflow: what is exported is what was given."""

from __future__ import annotations

import json
import re
from typing import Any

from tests.cli.conftest import Terminal

CONTEXT, PLAN, FIRST, SECOND, COLLAB, ONE, TWO, CONFIRM, DECISION = (
    f"550e8400-e29b-41d4-a716-44665544000{number}" for number in range(9)
)
GIVEN: dict[str, dict[str, Any]] = {
    "context": {
        "context_id": CONTEXT,
        "root": {"domain": "commerce", "environment": "staging", "region": "eu"},
        "title": "Storefront",
        "status": "active",
        "summary": "A shop",
        "tags": ["shop"],
        "constraints": {"budget": {"max": 5}},
    },
    "plan": {
        "plan_id": PLAN,
        "context_id": CONTEXT,
        "title": "Checkout",
        "objective": "Let people pay",
        "status": "proposed",
        "steps": [
            {"step_id": FIRST, "description": "Design", "status": "completed", "agent_role": "planner"},
            {
                "step_id": SECOND,
                "description": "Build",
                "status": "pending",
                "dependencies": [FIRST],
                "order_index": 7,
            },
        ],
    },
    "collab": {
        "collab_id": COLLAB,
        "context_id": CONTEXT,
        "title": "Review",
        "purpose": "See whether it is good",
        "mode": "round_robin",
        "status": "active",
        "participants": [
            {"participant_id": "ann", "role_id": ONE, "kind": "human", "display_name": "Ann"},
            {"participant_id": "bot", "role_id": TWO, "kind": "agent"},
        ],
        "created_at": "2026-01-02T03:04:05Z",
    },
    "confirm": {
        "confirm_id": CONFIRM,
        "target_type": "plan",
        "target_id": PLAN,
        "status": "approved",
        "requested_by_role": "planner",
        "requested_at": "2026-01-02T03:04:05Z",
        "reason": "Is it good?",
        "decisions": [
            {
                "decision_id": DECISION,
                "status": "approved",
                "decided_by_role": "owner",
                "decided_at": "2026-01-02T04:04:05Z",
                "reason": "It is",
            }
        ],
    },
}
OPERATIONS = {
    "context": "create-context", "plan": "create-plan", "collab": "create-collab", "confirm": "request-approval",
}  # fmt: skip


def camel(value: Any) -> Any:
    """Parameters of an object's fields; what is in the open map `root` keeps its names."""
    if isinstance(value, list):
        return [camel(item) for item in value]
    if isinstance(value, dict):
        return {
            re.sub(r"_(\w)", lambda found: found[1].upper(), key): camel(item) for key, item in value.items()
        }
    return value


def imported(terminal: Terminal) -> dict[str, dict[str, Any]]:
    """The objects of an export, by kind."""
    before: list[str] = []
    steps = []
    for kind, body in GIVEN.items():
        step = {"type": "module-operation", "module": kind, "operation": OPERATIONS[kind]}
        steps.append({"id": kind, **step, "parameters": camel(body), "dependencies": before})
        before = [kind]
    workflow = {"id": "import", "name": "Import", "version": "1.0.0", "steps": steps}
    terminal.write("import.json", json.dumps({"workflow": workflow}))
    assert terminal("run", "import.json").code == 0
    assert terminal("export", "import", "--out", "out").code == 0
    assert terminal("verify", "out").code == 0
    folder = terminal.directory / "out"
    manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
    return {
        file["kind"]: json.loads((folder / file["path"]).read_text("utf-8"))
        for file in manifest["files"]
        if file["kind"] != "events"
    }


def test_every_field_that_was_given_is_exported_and_none_is_made_up(terminal: Terminal) -> None:
    found = imported(terminal)
    assert found.keys() == GIVEN.keys()
    for kind, body in found.items():
        content = {name: value for name, value in body.items() if name not in ("meta", "events")}
        assert content == GIVEN[kind]


def test_the_same_ids_a_second_time_are_refused_and_nothing_is_changed(terminal: Terminal) -> None:
    imported(terminal)
    again = terminal("run", "import.json", "--output", "json")
    assert again.code == 1
    assert again.document["error"]["type"] == "DuplicateObjectError"
    listed = terminal("objects", "list", "--output", "json").document["objects"]
    assert len(listed) == len(GIVEN)
    assert {item["version"] for item in listed} == {1}
