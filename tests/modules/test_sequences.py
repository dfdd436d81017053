"""Whatever is called in whatever order, only valid objects come out of it."""

from __future__ import annotations

import copy
import typing
from collections.abc import Callable
from typing import Any, Literal

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from mplp_cli.errors import OperationError
from mplp_cli.modules.catalogue import builtin_modules, check_operation
from mplp_cli.modules.contract import Operation, Parameters
from mplp_cli.modules.schemas import validator
from mplp_cli.modules.shapes import UUID4
from mplp_cli.modules.voting import Weight

OPERATIONS = [operation for module in builtin_modules().values() for operation in module.operations.values()]
WORDS = st.sampled_from(["a", "b", "lead", "step_started", "\x1b[31m", "\u0000", "ß ü", " "]) | st.text(
    min_size=1, max_size=5
)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=3,
)
VALUES: dict[Any, Any] = {Weight: st.sampled_from([0.0, 0.5, 1.0]), int | float: st.sampled_from([1, 0.5])}
#: Parameters that name a node.
NODES = {"nodeId", "from", "to"}
STRAY = "99999999-9999-4999-8999-999999999999"


def _value(data: st.DataObject, kind: Any, name: str, ids: dict[str, list[str]]) -> Any:
    """A value that fits the type; ids mostly of objects that are there."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Annotated:
        metas = [item for item in arguments[1:] if isinstance(item, msgspec.Meta)]
        if arguments[0] is int:
            return data.draw(st.integers(1, 5), label=name)
        if arguments[0] is str and (name in NODES or any(meta.pattern for meta in metas)):
            return data.draw(st.sampled_from([*_known(name, metas, ids) * 3, STRAY]), label=name)
        filled = any(meta.min_length for meta in metas)
        value = _value(data, arguments[0], name, ids)
        return value or "x" if filled and isinstance(value, str) else value or ["x"] if filled else value
    if origin is Literal:
        return data.draw(st.sampled_from(arguments), label=name)
    if origin is list:
        return [_value(data, arguments[0], name, ids) for _ in range(data.draw(st.integers(0, 2)))]
    if origin is dict:
        return data.draw(
            st.dictionaries(
                WORDS, JSON if arguments[1] is Any else VALUES.get(arguments[1], WORDS), max_size=2
            ),
            label=name,
        )
    if arguments:  # a union
        return _value(data, data.draw(st.sampled_from(arguments)), name, ids)
    if kind is type(None):
        return None
    if kind is bool:
        return data.draw(st.booleans(), label=name)
    if kind is int:
        return data.draw(st.integers(0, 5), label=name)
    if kind is float:
        return data.draw(st.sampled_from([0.0, 0.5, 1.0]), label=name)
    if kind is Any:
        return data.draw(JSON, label=name)
    if isinstance(kind, type) and issubclass(kind, Parameters):
        return _parameters(data, kind, ids)
    assert kind is str, kind
    return data.draw(WORDS, label=name)


def _known(name: str, metas: list[msgspec.Meta], ids: dict[str, list[str]]) -> list[str]:
    """Texts of the right form: ids that are there, or versions."""
    if any(meta.pattern not in {None, UUID4} for meta in metas):
        return ["1.0.0", "2.1.0-rc.1+b"]
    kind = "step" if name == "dependencies" else "node" if name in NODES else name.removesuffix("Id")
    return ids.get(kind, [])


def _parameters(
    data: st.DataObject,
    kind: type[Parameters],
    ids: dict[str, list[str]],
    always: frozenset[str] = frozenset(),
) -> dict[str, Any]:
    return {
        field.encode_name: _value(data, field.type, field.encode_name, ids)
        for field in msgspec.structs.fields(kind)
        if field.required
        or field.encode_name in always
        or data.draw(st.integers(0, 3), label=f"give {field.encode_name}") == 3
    }


def _ids(world: Any) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for kind, identifier in world.newest():
        found.setdefault(kind, []).append(identifier)
    targets = [identifier for known in found.values() for identifier in known]
    steps = [
        step["step_id"] for item in world.stored if item.kind == "plan" for step in item.body.get("steps", ())
    ]
    segments = [
        s["segment_id"]
        for item in world.stored
        if item.kind == "trace"
        for s in item.body.get("segments", ())
    ]
    noted = [
        event["data"] for item in world.stored for event in item.body.get("events", ()) if event.get("data")
    ]
    things = {
        name: [data[f"{name}Id"] for data in noted if f"{name}Id" in data]
        for name in ("decision", "conflict", "task")
    }
    nodes = [
        n["node_id"] for item in world.stored if item.kind == "network" for n in item.body.get("nodes", ())
    ]
    return {
        **found,
        **things,
        "target": targets,
        "step": steps,
        "segment": segments,
        "object": targets,
        "node": nodes,
    }


def _run(data: st.DataObject, world: Any, judge: Callable[[str, dict[str, Any]], bool]) -> None:
    """Calls operations in a random order."""
    contexts = [world("context/create-context", name="a")["contextId"] for _ in range(3)]
    plan, *_ = [world("plan/create-plan", contextId=c, assignedRoles=["a"])["planId"] for c in contexts]
    context = contexts[0]
    world("plan/approve-plan", planId=plan)
    world("plan/start-plan", planId=plan)
    world("dialog/facilitate-communication", contextId=context, participants=["a"])
    world("confirm/request-approval", planId=plan)
    people = world("role/assign-roles", contextId=context, roles=["a", "b", "lead"])["assignments"]
    collab = world(
        "collab/create-collab",
        contextId=context,
        title="t",
        mode="swarm",
        participants=people,
        status="active",
    )["collabId"]
    world("collab/propose-decision", collabId=collab, question="q", options=["a", "b"])
    world("trace/start-monitoring", contextId=context)
    extension = world(
        "extension/register-extension",
        contextId=context,
        name="a",
        version="1.0.0",
        config={"handler": "checksum"},
    )
    world("extension/activate-extension", extensionId=extension["extensionId"])
    world(
        "network/create-network", contextId=context, name="a", topologyType="hub_spoke", status="active",
        nodes=[{"name": "a"}, {"name": "b"}],
    )  # fmt: skip
    world("core/initialize")
    for _ in range(data.draw(st.integers(1, 25), label="calls")):
        operation: Operation = data.draw(st.sampled_from(OPERATIONS), label="operation")
        always = frozenset(data.draw(st.sampled_from(group)) for group in operation.any_of)
        given = _parameters(data, operation.parameters, _ids(world), always)
        given_before, stored_before = copy.deepcopy(given), copy.deepcopy(world.stored)
        world.clock.ms += data.draw(st.integers(0, 5))
        try:
            outcome = world.hub.call(operation.module, operation.name, given, world.caller)
        except OperationError:
            assert world.stored == stored_before
            continue
        assert given == given_before
        assert world.stored == stored_before, "nothing changes in place"
        assert check_operation(operation.module, operation.name, given) == []
        assert msgspec.json.decode(msgspec.json.encode(outcome.result)) == outcome.result
        for item in outcome.writes:
            before = world.newest().get((item.kind, item.id))
            assert item.version == (before.version + 1 if before else 1)
            assert not item.body or judge(item.kind, item.body)
        world.stored += outcome.writes
        world.hub.apply(outcome.writes)


@settings(max_examples=80)
@given(data=st.data())
def test_no_order_of_calls_makes_an_invalid_object(new_world: Any, data: st.DataObject) -> None:
    _run(data, new_world(), lambda kind, body: validator(kind).is_valid(body))


@settings(max_examples=40)
@given(data=st.data())
def test_no_order_of_calls_makes_an_object_that_the_protocol_refuses(
    new_world: Any, protocol_problems: Any, data: st.DataObject
) -> None:
    _run(data, new_world(), lambda kind, body: not protocol_problems(kind, body))
