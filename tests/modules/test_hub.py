"""Calls through the hub: what they see, what they leave, what is counted."""

from __future__ import annotations

import copy
import subprocess
import sys
from typing import Any

import pytest

from mplp_cli.errors import OperationError, UnknownObjectError
from mplp_cli.modules.catalogue import builtin_modules
from mplp_cli.modules.contract import Operation, Parameters, Result, make_module
from mplp_cli.modules.hub import Hub
from mplp_cli.modules.records import change_object, make_event, make_object
from mplp_cli.modules.session import Session
from mplp_cli.protocols import Caller, Operations, ProtocolObject


class Nothing(Parameters, frozen=True, kw_only=True):
    pass


class Said(Result, frozen=True, kw_only=True):
    done: bool


def test_the_store_is_read_when_an_operation_first_looks_at_an_object(world: Any) -> None:
    assert world.loads == 0
    world("context/create-context", name="a")
    assert world.loads == 0
    context = world("context/list-contexts")["contexts"][0]["context_id"]
    world("context/list-contexts")
    world("context/get-context", contextId=context)
    world("context/suspend-context", contextId=context)
    assert world.loads == 1


def test_a_call_changes_nothing_until_its_writes_are_applied(world: Any) -> None:
    context = world("context/create-context", name="a")["contextId"]
    before = copy.deepcopy(world.stored)
    outcome = world.hub.call("context", "suspend-context", {"contextId": context}, world.caller)
    assert [item.version for item in outcome.writes] == [2]
    assert world("context/get-context", contextId=context)["status"] == "active"
    assert world.stored == before
    world.hub.apply(outcome.writes)
    assert world("context/get-context", contextId=context)["status"] == "suspended"


def test_a_result_is_a_copy(world: Any) -> None:
    result = world("context/create-context", name="a", constraints={"budget": {"max": 5}})
    result["context"]["constraints"]["budget"]["max"] = 6
    read = world("context/get-context", contextId=result["contextId"])
    assert read["context"]["constraints"] == {"budget": {"max": 5}}


def test_a_refused_call_writes_nothing(world: Any) -> None:
    context = world("context/create-context", name="a")["contextId"]
    before = list(world.stored)
    with pytest.raises(OperationError):
        world("role/assign-roles", contextId=context, roles=["a", "b"], agents=["only-one"])
    assert world.stored == before
    assert world("role/list-roles")["total"] == 0


def test_versions_count_from_one_and_go_on_after_a_restart(world: Any) -> None:
    context = world("context/create-context", name="a")["contextId"]
    world("context/suspend-context", contextId=context)
    later = type(world)(world.stored)
    later.ids.last = 500
    later("context/resume-context", contextId=context)
    assert [item.version for item in later.stored] == [1, 2, 3]


def test_what_another_process_has_stored_since_is_found(world: Any) -> None:
    world("context/list-contexts")
    other = type(world)(run="run-2")
    other.ids.last = 500
    context = other("context/create-context", name="b")["contextId"]
    world.stored += other.stored
    assert world("context/get-context", contextId=context)["context"]["title"] == "b"


def test_objects_are_listed_oldest_first_in_whatever_order_they_came(world: Any) -> None:
    made = []
    for name in "abcd":
        made.append(world("context/create-context", name=name)["contextId"])
        world.clock.ms += 1
    later = type(world)(reversed(world.stored))
    later.clock.ms, later.ids.last = world.clock.ms, 500
    made.append(later("context/create-context", name="e")["contextId"])
    assert [body["context_id"] for body in later("context/list-contexts")["contexts"]] == made


def test_an_older_version_never_replaces_a_newer_one(world: Any) -> None:
    context = world("context/create-context", name="a")["contextId"]
    first = world.stored[0]
    world("context/suspend-context", contextId=context)
    world.hub.apply([first])
    assert world("context/get-context", contextId=context)["status"] == "suspended"


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("title", ""),
        ("status", "done"),
        ("context_id", "x"),
        ("created_at", "2025-02-30T00:00:00Z"),
        ("more", 1),
    ],
)
def test_an_operation_that_would_write_an_invalid_object_is_refused(
    world: Any, field: str, wrong: Any
) -> None:
    def careless(given: Nothing, session: Session) -> Said:
        event = make_event(session, "context", "created")
        body = make_object(session, "context", session.new_id("context"), [event], title="a", status="active")
        session.put("context", {**body, "root": {"domain": "d", "environment": "e"}, field: wrong})
        return Said(done=True)

    operation = Operation(name="go", summary="", parameters=Nothing, result=Said, handler=careless)
    hub = Hub({"context": make_module("context", "", operation)}, world.load, world.clock, world.ids)
    with pytest.raises(OperationError, match="the context would not be valid"):
        hub.call("context", "go", {}, world.caller)


def test_an_operation_sees_what_it_has_put_itself(world: Any) -> None:
    def twice(given: Nothing, session: Session) -> Said:
        for title in ("first", "second"):
            body = session.find("context", run=world.caller.run)[0]
            session.put("context", change_object(session, body, title=title))
        identifier = session.find("context")[0]["context_id"]
        return Said(done=session.get("context", identifier)["title"] == "second")

    world("context/create-context", name="a")
    operation = Operation(name="go", summary="", parameters=Nothing, result=Said, handler=twice)
    hub = Hub({"context": make_module("context", "", operation)}, world.load, world.clock, world.ids)
    outcome = hub.call("context", "go", {}, world.caller)
    assert outcome.result == {"done": True}
    assert [(item.version, item.body["title"]) for item in outcome.writes] == [(2, "second")]


def test_the_hub_is_what_the_engine_asks_for(world: Any) -> None:
    hub = Hub(builtin_modules(), world.load, world.clock, world.ids)
    operations: Operations = hub
    assert operations.call("context", "list-contexts", {}, world.caller).writes == []


def test_an_id_that_is_not_there_is_explained(world: Any) -> None:
    missing = "00000000-0000-4000-8000-00000000dead"
    with pytest.raises(UnknownObjectError, match="there is no plan") as caught:
        world("plan/get-plan", planId=missing)
    assert caught.value.hint == "this run has made no plan yet"
    assert caught.value.type_name == "ObjectNotFoundError"
    context = world("context/create-context", name="a")["contextId"]
    with pytest.raises(UnknownObjectError) as caught:
        world("plan/get-plan", planId=context)
    assert caught.value.hint == "that is the id of a context"
    with pytest.raises(UnknownObjectError) as caught:
        world("context/get-context", contextId=missing)
    assert caught.value.hint == f"did you mean {context}, the context of this run?"


@pytest.mark.parametrize(
    ("operation", "given", "key"),
    [
        ("context/create-context", {"name": "b"}, "contextId"),
        ("role/create-role", {"name": "b"}, "roleId"),
        ("plan/create-plan", {"assignedRoles": ["a"], "contextId": "$"}, "planId"),
        ("trace/start-monitoring", {"contextId": "$"}, "traceId"),
        ("dialog/facilitate-communication", {"participants": ["a"], "contextId": "$"}, "dialogId"),
        ("confirm/request-approval", {"targetId": "$"}, "confirmId"),
        ("extension/register-extension", {"contextId": "$", "name": "b", "version": "1.0.0"}, "extensionId"),
        ("network/create-network", {"contextId": "$", "name": "b", "topologyType": "mesh"}, "networkId"),
        ("core/initialize", {}, "coreId"),
    ],
)
def test_an_id_may_be_given_and_is_taken_once(
    world: Any, operation: str, given: dict[str, Any], key: str
) -> None:
    context = world("context/create-context", name="a")["contextId"]
    wanted = "aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa"
    given = {name: context if value == "$" else value for name, value in given.items()} | {key: wanted}
    assert world(operation, **given)[key] == wanted
    with pytest.raises(OperationError, match=r"already|cannot become"):
        world(operation, **given)


def test_calls_and_failures_are_counted_for_each_module(world: Any) -> None:
    world("context/create-context", name="a")
    with pytest.raises(OperationError):
        world("context/create-context", name=5)
    health = {name: world.hub.health(name) for name in builtin_modules()}
    details = health["context"].details
    assert (details["calls"], details["failures"]) == (2, 1)
    assert details["lastError"] == "create-context: `name` must be text, not a whole number"
    assert health["plan"].details["calls"] == 0
    assert {item.status for item in health.values()} == {"healthy"}


def test_a_module_whose_schema_is_missing_is_not_healthy(world: Any) -> None:
    from msgspec.structs import replace

    broken = replace(builtin_modules()["context"], kind="no-such-kind")
    health = Hub({"context": broken}, world.load, world.clock, world.ids).health("context")
    assert health.status == "error"
    assert "no-such-kind" in health.details["error"]


def test_thousands_of_objects_do_not_slow_a_call_in_another_context(world: Any) -> None:
    seen = 0

    class Counted(dict[str, Any]):
        def get(self, *args: Any) -> Any:
            nonlocal seen
            seen += 1
            return super().get(*args)

    for number in range(2_000):
        body = Counted(name="a", role_id=str(number), meta={"tags": [f"context:{number}"]}, events=[])
        world.stored.append(ProtocolObject("role", str(number), 1, body))
    context = world("context/create-context", name="a")["contextId"]
    world("role/list-roles", contextId=context)
    seen = 0
    world("role/assign-roles", contextId=context, roles=["a", "b"])
    assert seen < 10


def test_the_author_of_an_object_is_the_step(world: Any) -> None:
    world.hub.call("context", "create-context", {"name": "a"}, Caller(run="r", workflow="w", step="s"))
    body = world("context/create-context", name="a")["context"]
    assert body["meta"]["created_by"] == "release/step-1"
    assert body["meta"]["created_at"] == "2026-01-01T00:00:00.000Z"


def test_checking_a_file_loads_no_heavy_library() -> None:
    code = (
        "import sys; from mplp_cli.modules.catalogue import check_operation; import mplp_cli.modules.hub;"
        "assert not check_operation('context', 'create-context', {'name': 'a'});"
        "heavy = {'jsonschema', 'jsonschema_rs', 'asyncio', 'jinja2', 'networkx', 'apsw', 'rich'} & set(sys.modules);"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_write_rests_on_the_version_that_was_read(world: Any) -> None:
    """So the store notices who has written in between, even if the hub has seen it by then."""
    context = world("context/create-context", name="a")["contextId"]

    def lag(given: Nothing, session: Session) -> Said:
        body = session.get("context", context)
        theirs = ProtocolObject("context", context, 2, {**body, "title": "theirs"})
        hub.apply([theirs])  # as a look into the store does
        session.put(
            "context", change_object(session, body, make_event(session, "context", "context.updated"))
        )
        return Said(done=True)

    operation = Operation(name="lag", summary="", parameters=Nothing, result=Said, handler=lag)
    hub = Hub({"context": make_module("context", "", operation)}, world.load, world.clock, world.ids)
    [write] = hub.call("context", "lag", {}, world.caller).writes
    assert write.version == 2


def test_what_another_process_has_made_of_an_object_is_seen(world: Any) -> None:
    context = world("context/create-context", name="a")["contextId"]
    [first] = world.stored
    theirs = ProtocolObject("context", context, 2, {**first.body, "title": "theirs"})
    hub = Hub(
        builtin_modules(),
        world.load,
        world.clock,
        world.ids,
        newer=lambda _kind, _id, version: theirs if version < 2 else None,
    )
    outcome = hub.call("context", "suspend-context", {"contextId": context}, world.caller)
    assert [(item.version, item.body["title"]) for item in outcome.writes] == [(3, "theirs")]
