"""The bundled schemas of objects say what the protocol's own schemas say."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mplp_cli.bundled import bundled
from mplp_cli.errors import OperationError
from mplp_cli.modules.catalogue import builtin_modules
from mplp_cli.modules.schemas import check_object, validator

KINDS = tuple(builtin_modules())
Judge = Callable[[str, dict[str, Any]], list[str]]


def _examples(shared: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    for path in sorted((shared / "mplp-v1" / "examples").glob("*.json")):
        kind = path.name.split(".")[0]
        if kind in KINDS:
            body = json.loads(path.read_text())
            body.pop("$comment", None)  # which the schemas themselves do not allow
            yield kind, body


def _nodes(value: Any) -> Iterator[Any]:
    yield value
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _nodes(item)


def _wrong_text(key: str, text: str) -> Iterator[str]:
    if key.endswith("_id"):
        yield from (text.upper().replace("0", "A"), text[:14] + "1" + text[15:], text[:-1], text + "\n", "x")
    elif key in {"created_at", "timestamp", "requested_at"}:
        yield from (
            "yesterday",
            "2025-13-01T00:00:00Z",
            "2025-02-30T00:00:00Z",
            "2025-01-01",
            "2025-01-01T00:00:00",
        )
    elif key in {"status", "target_type", "extension_type", "topology_type", "kind", "module_id"}:
        yield from ("done", text.upper(), "")
    elif key == "protocol_version":
        yield from ("1.0", "v1.0.0")
    elif key == "version":
        yield from (
            "1",
            "1.0",
            "01.0.0",
            "v1.0.0",
            "1.0.0-",
            "1.0.0-01",
            "1.0.0-a..b",
            "1.0.0+",
            "1.0.0-rc.1+b",
            "",
        )
    elif key == "event_type":
        yield from ("step_started", "step-started", "Step.started", "step..started", ".step")
    elif key in {"title", "objective", "description", "name"}:
        yield ""


def _mutations(body: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Copies of an object with one thing wrong in each."""
    count = sum(isinstance(node, dict) for node in _nodes(body))
    for index in range(count):

        def same(mutant: dict[str, Any], index: int = index) -> dict[str, Any]:
            found: dict[str, Any] = [node for node in _nodes(mutant) if isinstance(node, dict)][index]
            return found

        node = same(body)
        for key, value in node.items():
            if isinstance(value, list):
                for wrong in ([], [*value, *value], [*value, 5], [*value, None]):
                    mutant = copy.deepcopy(body)
                    same(mutant)[key] = copy.deepcopy(wrong)
                    yield f"{key} is {len(wrong)} long", mutant
            mutant = copy.deepcopy(body)
            same(mutant)[key] = 5
            yield f"{key} is a number", mutant
            if isinstance(value, str):
                for text in _wrong_text(key, value):
                    mutant = copy.deepcopy(body)
                    same(mutant)[key] = text
                    yield f"{key} is {text!r}", mutant
        mutant = copy.deepcopy(body)
        same(mutant)["surprise"] = 1
        yield f"unknown key beside {sorted(node)}", mutant
        for key in node:
            mutant = copy.deepcopy(body)
            del same(mutant)[key]
            yield f"without {key}", mutant


def test_the_protocols_examples_are_valid(shared: Path, protocol_problems: Judge) -> None:
    seen = set()
    for kind, body in _examples(shared):
        assert protocol_problems(kind, body) == []
        check_object(kind, "x", body)
        seen.add(kind)
    assert seen == set(KINDS)


def _rich_objects(world: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Objects of every kind in which most fields are filled."""
    made = world(
        "context/create-context", name="a", summary="s", tags=["t"], language="en", constraints={"k": 1}
    )
    context = {"contextId": made["contextId"]}
    world("role/assign-roles", **context, roles=["lead"])
    step = "aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa"
    steps = [
        {"description": "a", "stepId": step, "agentRole": "lead"},
        {"description": "b", "dependencies": [step]},
    ]
    plan = world("plan/create-plan", **context, steps=steps)
    confirm = world("confirm/request-approval", planId=plan["planId"], reason="r")
    world("confirm/reject", confirmId=confirm["confirmId"], decidedByRole="lead", reason="r")
    trace = world("trace/start-monitoring", planId=plan["planId"], label="l")
    outer = world("trace/add-segment", traceId=trace["traceId"], label="l", attributes={"k": 1})
    world("trace/add-segment", traceId=trace["traceId"], label="m", parentSegmentId=outer["segmentId"])
    world("trace/update-segment", traceId=trace["traceId"], segmentId=outer["segmentId"])
    world("trace/stop-monitoring", traceId=trace["traceId"])
    dialog = world("dialog/facilitate-communication", **context, participants=["a"])
    world("dialog/send-message", dialogId=dialog["dialogId"], content="c", senderId="a")
    world("dialog/end-dialog", dialogId=dialog["dialogId"])
    ann = {"participantId": "ann", "role": "lead", "kind": "human", "displayName": "Ann"}
    collab = {"title": "t", "purpose": "p", "mode": "pair", "participants": [ann, "lead"], "status": "active"}
    made = world("collab/create-collab", **context, **collab, updatedAt="2026-01-01T00:00:00Z")
    world("collab/broadcast", collabId=made["collabId"], message="m")
    extension = world(
        "extension/register-extension",
        **context,
        name="n",
        version="1.2.3-rc.1+b7",
        config={"handler": "checksum"},
    )
    world("extension/activate-extension", extensionId=extension["extensionId"])
    world("extension/invoke-extension", extensionId=extension["extensionId"], input=[1])
    nodes = [{"nodeId": step, "name": "a", "kind": "service", "roleId": "r"}]
    network = world(
        "network/create-network", **context, name="n", description="d", topologyType="mesh", nodes=nodes
    )
    world("network/register-service", networkId=network["networkId"], service={"name": "s", "nodeId": step})
    modules = [{"moduleId": "plan", "required": True, "description": "d"}, "trace"]
    core = world("core/initialize", modules=modules)
    world("core/disable-module", coreId=core["coreId"], moduleId="trace", reason="r")
    for (kind, _), item in world.newest().items():
        governance = {"locked": True, "lastConfirmRef": {"id": confirm["confirmId"], "module": "confirm"}}
        trace_base = {"trace_id": trace["traceId"], "span_id": trace["spanId"]}
        more = {"governance": governance} if kind != "plan" else {}
        more |= {"trace": trace_base} if kind != "trace" else {}
        yield kind, item.body | more


def test_what_is_wrong_for_the_protocol_is_wrong_for_us_and_the_other_way_round(
    world: Any, shared: Path, protocol_problems: Judge
) -> None:
    refused = 0
    bodies = [*_examples(shared), *_rich_objects(world)]
    for kind, body in bodies:
        assert protocol_problems(kind, body) == []
        assert validator(kind).is_valid(body)
        for what, mutant in _mutations(body):
            theirs = bool(protocol_problems(kind, mutant))
            ours = not validator(kind).is_valid(mutant)
            # Python's `$` lets a line break at the end pass; no identifier ends with one.
            assert ours == theirs or (ours and "\\n" in what), (kind, what)
            refused += ours
    assert refused > 1_000


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("key", "wrong"),
    [
        ("{kind}_id", "550E8400-E29B-41D4-A716-446655440000"),
        ("{kind}_id", "550e8400-e29b-11d4-a716-446655440000"),
        ("{kind}_id", "550e8400-e29b-41d4-a716-446655440000\n"),
        (
            "meta",
            {"protocol_version": "1.0.0", "schema_version": "1.0.0", "created_at": "2025-02-30T00:00:00Z"},
        ),
        ("surprise", 1),
    ],
)
def test_an_object_with_something_wrong_is_refused_and_the_place_named(
    kind: str, key: str, wrong: Any
) -> None:
    key = key.format(kind=kind)
    with pytest.raises(OperationError, match=f"the {kind} would not be valid") as caught:
        check_object(kind, "x", {key: wrong})
    places = {problem["path"].split("/")[0] for problem in caught.value.details["problems"]}
    assert key in places or key == "surprise"
    assert caught.value.details["kind"] == kind


@pytest.mark.parametrize("value", ["\ud800", object()])
def test_what_is_not_json_is_refused(value: Any) -> None:
    with pytest.raises(OperationError, match="not JSON"):
        check_object("context", "x", {"root": {"value": value}})


def test_what_the_schemas_have_in_common_is_the_same_in_each() -> None:
    documents = [json.loads((bundled("schemas") / "objects" / f"{k}.schema.json").read_text()) for k in KINDS]
    for name in ("id", "time", "meta", "event", "span", "governance"):
        versions = [document["$defs"][name] for document in documents if name in document["$defs"]]
        assert len(versions) >= 5
        assert all(version == versions[0] for version in versions), name
