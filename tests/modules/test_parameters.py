"""What is said about the parameters of a call, before it is made and when it is made."""

from __future__ import annotations

import time
from typing import Any

import msgspec
import pytest

from mplp_cli.errors import OperationError, Problem
from mplp_cli.modules.catalogue import builtin_modules, check_operation, describe_operation
from mplp_cli.modules.contract import Operation

OPERATIONS = [operation for module in builtin_modules().values() for operation in module.operations.values()]
ID = "00000000-0000-4000-8000-000000000001"
WRONG: tuple[Any, ...] = (True, -0.5, "", [[]])


def _name(operation: Operation) -> str:
    return f"{operation.module}/{operation.name}"


def _fields(operation: Operation) -> tuple[msgspec.structs.FieldInfo, ...]:
    return msgspec.structs.fields(operation.parameters)


def _wrong(field: msgspec.structs.FieldInfo) -> list[Any]:
    """A value of a type that the parameter cannot have: none if it takes everything."""
    alone = msgspec.defstruct("Alone", [("v", field.type)])
    for value in WRONG:
        try:
            msgspec.convert({"v": value}, alone)
        except msgspec.ValidationError:
            return [value]
    return []


def _refused(world: Any, operation: Operation, given: dict[str, Any]) -> list[dict[str, Any]]:
    with pytest.raises(OperationError) as caught:
        world.hub.call(operation.module, operation.name, given, world.caller)
    found: list[dict[str, Any]] = caught.value.details["problems"]
    assert [item["message"] for item in found] == caught.value.message.split("; ")
    return found


def _check(name: str, /, **given: Any) -> list[Problem]:
    module, operation = name.split("/")
    return check_operation(module, operation, given)


@pytest.mark.parametrize("operation", OPERATIONS, ids=_name)
def test_every_wrong_type_is_found_at_once(world: Any, operation: Operation) -> None:
    given = {field.encode_name: value for field in _fields(operation) for value in _wrong(field)}
    takes_anything = {f.encode_name: None for f in _fields(operation) if f.required and not _wrong(f)}
    expected = {("op-wrong-type", ("parameters", name)) for name in given}
    assert {
        (p.code, p.path) for p in check_operation(operation.module, operation.name, given | takes_anything)
    } == expected
    if given:
        refused = _refused(world, operation, given | takes_anything)
        assert {item["path"][0] for item in refused} == set(given)


@pytest.mark.parametrize("operation", OPERATIONS, ids=_name)
def test_every_missing_parameter_is_found_at_once(world: Any, operation: Operation) -> None:
    required = {field.encode_name for field in _fields(operation) if field.required}
    required |= {group[0] for group in operation.any_of}
    found = check_operation(operation.module, operation.name, {})
    assert {p.path[-1] for p in found if p.code == "op-missing-parameter"} == required
    assert len(found) == len(required)
    if required:
        assert {item["path"][0] for item in _refused(world, operation, {})} == required


@pytest.mark.parametrize("operation", OPERATIONS, ids=_name)
def test_every_parameter_may_be_written_in_snake_case_but_only_once(world: Any, operation: Operation) -> None:
    for field in _fields(operation):
        found = check_operation(operation.module, operation.name, {field.name: "${a.result.b}"})
        assert not any(p.code == "op-unknown-parameter" for p in found), field.name
        if field.name != field.encode_name:
            twice = {field.encode_name: "${a.result.b}", field.name: "${a.result.b}"}
            found = check_operation(operation.module, operation.name, twice)
            assert [(p.path[-1], p.on) for p in found if p.code == "op-repeated-parameter"] == [
                (field.name, "key")
            ]


@pytest.mark.parametrize("operation", OPERATIONS, ids=_name)
def test_an_unknown_parameter_is_refused(world: Any, operation: Operation) -> None:
    (found,) = [p for p in check_operation(operation.module, operation.name, {"zzz": 1}) if "zzz" in p.path]
    assert (found.code, found.on, found.path) == ("op-unknown-parameter", "key", ("parameters", "zzz"))
    assert ("zzz",) in [tuple(item["path"]) for item in _refused(world, operation, {"zzz": 1})]


@pytest.mark.parametrize("operation", OPERATIONS, ids=_name)
def test_every_operation_describes_itself_as_json_schema(operation: Operation) -> None:
    described = describe_operation(operation)
    assert msgspec.json.decode(msgspec.json.encode(described)) == described
    assert described["summary"]
    names = {field.encode_name for field in _fields(operation)}
    (definition,) = [
        d for d in described["parameters"]["$defs"].values() if d["title"] == operation.parameters.__name__
    ]
    assert set(definition["properties"]) == names


def test_the_operations_of_the_seeds_example_are_right() -> None:
    assert not _check("context/create-context", name="collaboration-session", type="multi-agent")
    context = "${context-setup.result.contextId}"
    assert not _check("role/assign-roles", contextId=context, roles=["coordinator", "executor", "reviewer"])
    assigned = "${role-assignment.result.assignments}"
    assert not _check("plan/create-plan", contextId=context, assignedRoles=assigned)
    assert not _check("trace/start-monitoring", planId="${plan-creation.result.planId}")
    assert not _check("dialog/facilitate-communication", participants=assigned)


@pytest.mark.parametrize(
    ("module", "operation", "code", "message", "hint"),
    [
        ("contxt", "x", "op-unknown-module", "there is no module `contxt`", "did you mean `context`?"),
        ("quux", "x", "op-unknown-module", "there is no module `quux`", "there are: context, plan"),
        ("context", "create_context", "op-unknown-operation", "no operation `create_context`", "`create-context`?"),
        ("context", "create-plan", "op-unknown-operation", "no operation `create-plan`", "module `plan` has it"),
        ("role", "zzzzz", "op-unknown-operation", "no operation `zzzzz`", "it has: assign-roles"),
    ],
)  # fmt: skip
def test_a_name_that_is_not_known_is_explained(
    world: Any, module: str, operation: str, code: str, message: str, hint: str
) -> None:
    (found,) = check_operation(module, operation, {})
    assert found.code == code
    assert found.path == (("module",) if code == "op-unknown-module" else ("operation",))
    assert message in found.message
    assert found.hint is not None
    assert hint in found.hint
    with pytest.raises(OperationError) as caught:
        world.hub.call(module, operation, {}, world.caller)
    assert caught.value.message == found.message
    assert caught.value.type_name == ("ModuleNotFoundError" if "module" in code else "OperationNotFoundError")


@pytest.mark.parametrize(
    ("name", "given", "path", "message", "hint"),
    [
        ("context/create-context", {"name": 5}, ("name",),
         "`name` must be text, not a whole number", "put it in quotes"),
        ("context/create-context", {"name": ""}, ("name",), "`name` must not be empty", None),
        ("role/create-role", {"name": None}, ("name",), "`name` must be text, not null", None),
        ("context/create-context", {"name": "a", "tags": ["b", []]}, ("tags", 1),
         "`tags[1]` must be text, not a list", None),
        ("context/create-context", {"name": "a", "status": "actve"}, ("status",),
         "`status` cannot be `actve`; it is one of draft, active, suspended, archived, closed",
         "did you mean `active`?"),
        ("role/assign-roles", {"contextId": ID, "roles": ["a"], "select": "frist"}, ("select",),
         "`select` must be `first`, `least-loaded`, `round-robin` or `agent:ID`", None),
        ("context/create-context", {"name": "a", "constraints": []}, ("constraints",),
         "`constraints` must be a map, not a list", None),
        ("context/get-context", {"contextId": ID.replace("-4", "-1")}, ("contextId",),
         "`contextId` must be a UUID of version 4 in lower case", None),
        ("context/get-context", {"contextId": ID + "\n"}, ("contextId",),
         "`contextId` must be a UUID of version 4 in lower case", None),
        ("context/list-contexts", {"page": 0}, ("page",), "`page` must be at least 1", None),
        ("role/assign-roles", {"contextId": ID, "roles": []}, ("roles",), "`roles` must not be empty", None),
        ("role/assign-roles", {"contextId": ID, "roles": "a"}, ("roles",), "`roles` must be a list, not text", None),
        ("role/assign-roles", {"contextId": ID, "roles": ["a"], "agents": {"a": 1}}, ("agents",),
         "`agents` must be text, not a whole number", "put it in quotes"),
        ("plan/create-plan", {"contextId": ID, "steps": [{"description": "a"}, {}]}, ("steps", 1),
         "`steps[1]` has no `description`", None),
        ("plan/create-plan", {"contextId": ID, "steps": [{"description": "a", "agnt": 1}]}, ("steps", 0),
         "`steps[0]` takes no `agnt`", None),
        ("dialog/send-message", {"dialogId": ID, "content": "a", "role": "boss"}, ("role",),
         "`role` cannot be `boss`; it is one of user, assistant, system, agent", None),
    ],
)  # fmt: skip
def test_a_wrong_value_is_explained_in_plain_words(
    name: str, given: dict[str, Any], path: tuple[str | int, ...], message: str, hint: str | None
) -> None:
    (found,) = _check(name, **given)
    assert (found.code, found.path, found.message, found.hint) == (
        "op-wrong-type",
        ("parameters", *path),
        message,
        hint,
    )


@pytest.mark.parametrize(
    ("name", "given", "path"),
    [
        ("context/create-context", {"name": ["${a.result.b}"]}, ("name",)),
        ("context/create-context", {"name": {"a": "${a.result.b}"}}, ("name",)),
        ("context/create-context", {"name": "a", "tags": "x-${a.result.b}"}, ("tags",)),
        ("context/create-context", {"name": "a", "tags": "$${a}"}, ("tags",)),
        ("context/create-context", {"name": "a", "tags": ["${a.result.b}", 5]}, ("tags", 1)),
        (
            "plan/create-plan",
            {"contextId": "${a.result.b}", "steps": [{"agentRole": "${a.result.b}"}]},
            ("steps", 0),
        ),
    ],
)
def test_what_no_reference_can_put_right_is_found(
    name: str, given: dict[str, Any], path: tuple[str | int, ...]
) -> None:
    (found,) = _check(name, **given)
    assert found.path == ("parameters", *path)


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("context/create-context", {"name": "${a.result.b}", "tags": "${a.result.c}"}),
        ("context/create-context", {"name": "$<a.result.b>", "status": "$<inputs.status>"}),
        ("context/create-context", {"name": "run ${run.id}", "tags": ["${a.result.b}"]}),
        (
            "context/create-context",
            {"name": "a", "status": "x${a.result.b}", "constraints": {"n": "${a.result.n}"}},
        ),
        ("context/get-context", {"contextId": "0${a.result.rest}"}),
        ("role/assign-roles", {"contextId": "${a.result.b}", "roles": ["${a.result.b}"]}),
        (
            "plan/create-plan",
            {"contextId": "${a.result.b}", "steps": [{"description": "x", "stepId": "${a.result.i}"}]},
        ),
        (
            "plan/create-plan",
            {"context_id": "${a.result.b}", "steps": [{"description": "x", "agent_role": "y"}]},
        ),
        ("confirm/request-approval", {"targetId": "${a.result.b}"}),
    ],
)
def test_what_a_reference_may_put_right_is_left_alone(name: str, given: dict[str, Any]) -> None:
    assert _check(name, **given) == []


def test_a_call_is_refused_with_everything_that_is_wrong(world: Any) -> None:
    with pytest.raises(OperationError) as caught:
        world("role/assign-roles", contxtId=ID, roles="x")
    assert caught.value.message == (
        "`role/assign-roles` has no parameter `contxtId`; `role/assign-roles` needs `contextId`; "
        "`roles` must be a list, not text"
    )
    assert caught.value.hint == "did you mean `contextId`?"
    assert caught.value.failure().retryable is False


@pytest.mark.timing
def test_ten_thousand_checks_take_well_under_a_tenth_of_a_second() -> None:
    given = {"contextId": "${a.result.contextId}", "roles": ["a", "b"]}
    check_operation("role", "assign-roles", given)
    best = min(_seconds(given) for _ in range(3))
    assert best < 0.1


def _seconds(given: dict[str, Any]) -> float:
    start = time.perf_counter()
    for _ in range(10_000):
        check_operation("role", "assign-roles", given)
    return time.perf_counter() - start
