"""What the modules extension, network and core do, and what they refuse."""

from __future__ import annotations

import copy
import hashlib
import json
from typing import Any

import pytest

from mplp_cli.errors import (
    DuplicateObjectError,
    InvalidTransitionError,
    LockedObjectError,
    OperationError,
    UnknownObjectError,
)
from mplp_cli.modules.catalogue import check_operation

MISSING = "00000000-0000-4000-8000-00000000dead"
A, B, C, D = (f"{letter * 8}-{letter * 4}-4{letter * 3}-8{letter * 3}-{letter * 12}" for letter in "abcd")
#: What every operation takes that makes an object, and what the object then holds of it.
ORIGIN: dict[str, Any] = {
    "meta": {
        "createdAt": "2025-05-05T05:05:05Z",
        "createdBy": "ann",
        "tags": ["t"],
        "crossCutting": ["security"],
    },
    "governance": {"lifecyclePhase": "review", "truthDomain": "architecture", "locked": False},
    "trace": {"traceId": C, "spanId": D, "attributes": {"k": 1}},
}
HELD: dict[str, Any] = {
    "governance": ORIGIN["governance"],
    "trace": {"trace_id": C, "span_id": D, "attributes": {"k": 1}},
}


@pytest.fixture
def context(world: Any) -> str:
    identifier: str = world("context/create-context", name="Ship", type="release")["contextId"]
    return identifier


def _events(body: dict[str, Any]) -> list[str]:
    return [event["event_type"] for event in body["events"]]


def _content(body: dict[str, Any]) -> dict[str, Any]:
    """What the object says, without who made it and what happened to it."""
    meta = body["meta"]
    assert (meta["created_at"], meta["created_by"]) == ("2025-05-05T05:05:05Z", "ann")
    assert (meta["tags"][0], meta["cross_cutting"]) == ("t", ["security"])
    return {key: value for key, value in body.items() if key not in {"meta", "events"}}


# ---- import ------------------------------------------------------------------------------------


def test_an_extension_is_imported_field_for_field(world: Any, context: str) -> None:
    config = {"handler": "theirs", "nested": {"list": [1, None, {"deep": True}]}, "Odd Key": ""}
    body = world(
        "extension/register-extension", **ORIGIN, extensionId=A, contextId=context, name="Ä" * 300,
        extensionType="policy", version="1.0.0-rc.1+build.5", status="inactive", config=config,
    )["extension"]  # fmt: skip
    assert _content(body) == HELD | {
        "extension_id": A, "context_id": context, "name": "Ä" * 300, "extension_type": "policy",
        "version": "1.0.0-rc.1+build.5", "status": "inactive", "config": config,
    }  # fmt: skip


def test_a_network_is_imported_field_for_field(world: Any, context: str) -> None:
    nodes = [
        {"node_id": A, "kind": "queue", "status": "retired"},
        {"node_id": B, "name": "", "kind": "external", "role_id": "any text", "status": "unreachable"},
    ]
    body = world(
        "network/create-network", **ORIGIN, networkId=A, contextId=context, name="n", description="",
        topologyType="other", status="degraded", nodes=nodes,
    )["network"]  # fmt: skip
    assert _content(body) == HELD | {
        "network_id": A, "context_id": context, "name": "n", "description": "", "topology_type": "other",
        "status": "degraded", "nodes": nodes,
    }  # fmt: skip


def test_a_core_is_imported_field_for_field(world: Any) -> None:
    modules = [
        {"module_id": "trace", "version": "0.9", "status": "experimental", "required": False},
        {
            "module_id": "core",
            "version": "1.0.0",
            "status": "deprecated",
            "required": True,
            "description": "",
        },
    ]
    body = world(
        "core/initialize", **ORIGIN, coreId=A, protocolVersion="1.0", status="deprecated", modules=modules
    )["core"]
    assert _content(body) == HELD | {
        "core_id": A, "protocol_version": "1.0", "status": "deprecated", "modules": modules,
    }  # fmt: skip


def test_nothing_is_invented_that_was_not_given(world: Any, context: str) -> None:
    given = {"contextId": context, "name": "n"}
    extension = world("extension/register-extension", **given, version="1.0.0")["extension"]
    assert set(extension) == {
        "meta", "extension_id", "context_id", "name", "extension_type", "version", "status", "events",
    }  # fmt: skip
    assert (extension["extension_type"], extension["status"]) == ("other", "registered")
    network = world("network/create-network", **given, topologyType="mesh")["network"]
    assert set(network) == {
        "meta", "network_id", "context_id", "name", "topology_type", "status", "events",
    }  # fmt: skip
    assert network["status"] == "draft"
    assert world("network/create-network", **given, topologyType="mesh", nodes=[])["network"]["nodes"] == []
    core = world("core/initialize", modules=["plan"])["core"]
    assert set(core) == {"meta", "core_id", "protocol_version", "status", "modules", "events"}
    assert core["modules"] == [{"module_id": "plan", "version": "1.0.0", "status": "enabled"}]
    assert (core["protocol_version"], core["status"]) == ("1.0.0", "draft")


# ---- extension ---------------------------------------------------------------------------------


def _active(world: Any, context: str, config: dict[str, Any] | None = None) -> str:
    given = {} if config is None else {"config": config}
    made = world("extension/register-extension", contextId=context, name="x", version="1.0.0", **given)
    identifier: str = world("extension/activate-extension", extensionId=made["extensionId"])["extensionId"]
    return identifier


def _invoke(world: Any, context: str, config: dict[str, Any], given: Any) -> Any:
    extension = _active(world, context, config)
    return world("extension/invoke-extension", extensionId=extension, input=given)["output"]


@pytest.mark.parametrize("version", ["1", "1.0", "v1.0.0", "01.0.0", "1.0.0-01", "latest", ""])
def test_a_version_that_is_none_is_found_before_anything_runs(version: str) -> None:
    given = {"contextId": A, "name": "x", "version": version}
    (problem,) = check_operation("extension", "register-extension", given)
    assert (problem.code, problem.path) == ("op-wrong-type", ("parameters", "version"))
    assert problem.message == "`version` must be a SemVer version, such as 1.4.0 or 2.0.0-rc.1"


def test_an_extension_lives_and_says_so(world: Any, context: str) -> None:
    extension = _active(world, context)
    world("extension/deactivate-extension", extensionId=extension, reason="noisy")
    world("extension/update-extension-config", extensionId=extension, config={"a": 1, "b": 2})
    changed = world("extension/update-extension-config", extensionId=extension, config={"b": 2, "c": 3})
    assert changed["extension"]["config"] == {"b": 2, "c": 3}
    assert world("extension/get-extension-config", extensionId=extension)["config"] == {"b": 2, "c": 3}
    world("extension/deprecate-extension", extensionId=extension)
    body = world("extension/get-extension", extensionId=extension)["extension"]
    assert _events(body) == [
        "extension.registered", "extension.activated", "extension.deactivated", "extension.config.changed",
        "extension.config.changed", "extension.deprecated",
    ]  # fmt: skip
    assert body["events"][2]["data"] == {"reason": "noisy"}
    assert body["events"][4]["data"] == {"keys": ["a", "c"]}
    with pytest.raises(InvalidTransitionError, match="is `deprecated` and stays as it is"):
        world("extension/update-extension-config", extensionId=extension, config={})


def test_an_extension_without_a_config_has_an_empty_one(world: Any, context: str) -> None:
    assert world("extension/get-extension-config", extensionId=_active(world, context))["config"] == {}


def test_extensions_are_listed_by_what_they_are(world: Any, context: str) -> None:
    other = world("context/create-context", name="other")["contextId"]
    first = _active(world, context)
    world(
        "extension/register-extension", contextId=context, name="y", version="1.0.0", extensionType="policy"
    )
    world("extension/register-extension", contextId=other, name="x", version="1.0.0")
    count = {"total": 3} | {"status": 1, "name": 2, "extensionType": 1, "contextId": 2}
    assert world("extension/list-extensions")["total"] == count["total"]
    for key, value in (
        ("status", "active"),
        ("name", "x"),
        ("extensionType", "policy"),
        ("contextId", context),
    ):
        assert world("extension/list-extensions", **{key: value})["total"] == count[key], key
    page = world("extension/list-extensions", contextId=context, limit=1)
    assert ([e["extension_id"] for e in page["extensions"]], page["hasNext"]) == ([first], True)


def test_a_checksum_is_that_of_the_input_as_json_with_sorted_keys(world: Any, context: str) -> None:
    given = {"b": [1, None, "ü"], "a": {"y": 1.5, "x": True}}
    text = json.dumps(given, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    expected = {"algorithm": "sha256", "digest": hashlib.sha256(text.encode()).hexdigest()}
    assert _invoke(world, context, {"handler": "checksum"}, given) == expected


def test_a_schema_judges_the_input_and_refuses_nothing(world: Any, context: str) -> None:
    schema = {
        "type": "object",
        "required": ["when"],
        "properties": {"when": {"type": "string", "format": "date"}, "n": {"maximum": 3}},
    }
    config = {"handler": "json-schema", "schema": schema}
    assert _invoke(world, context, config, {"when": "2026-01-01", "n": 3}) == {"valid": True, "errors": []}
    judged = _invoke(world, context, config, {"when": "soon", "n": 4})
    assert judged["valid"] is False
    assert {error["path"] for error in judged["errors"]} == {"n", "when"}
    assert _invoke(world, context, config | {"schema": False}, 1)["valid"] is False
    deep: Any = 1
    for _ in range(600):
        deep = {"a": deep}
    with pytest.raises(OperationError, match="cannot be judged"):
        _invoke(world, context, config | {"schema": {"type": "string"}}, deep)


def test_a_transform_picks_renames_and_fills_in(world: Any, context: str) -> None:
    config = {
        "handler": "transform", "pick": ["a", "b", "absent"], "rename": {"a": "b", "b": "a", "z": "y"},
        "defaults": {"a": 0, "c": [1]},
    }  # fmt: skip
    given = {"a": 1, "b": None, "dropped": 2}
    before = copy.deepcopy(given)
    assert _invoke(world, context, config, given) == {"b": 1, "a": None, "c": [1]}
    assert given == before
    assert _invoke(world, context, {"handler": "transform"}, given) == given


@pytest.mark.parametrize(
    ("config", "given", "message", "hint"),
    [
        ({}, 1, "`config.handler` names none, and only built-in handlers run: json-schema, transform, checksum",
         "give `config.handler` one of these names"),
        ({"handler": "checksums"}, 1, "there is no handler `checksums`, and only built-in handlers run: json-schema",
         "did you mean `checksum`?"),
        ({"handler": 5}, 1, "`config.handler` must be text, not a whole number", None),
        ({"handler": "checksum", "permissions": "all"}, 1, "`config.permissions` must be a list, not text", None),
        ({"handler": "json-schema"}, 1, "`config` has no `schema`", None),
        ({"handler": "json-schema", "schema": 5}, 1, "`config.schema` must be true or false or a map", None),
        ({"handler": "json-schema", "schema": {"type": "thing"}}, 1, "`config.schema` is not a JSON Schema", None),
        ({"handler": "json-schema", "schema": {"$ref": "https://x.example/y"}}, 1, "is not a JSON Schema", None),
        ({"handler": "json-schema", "schema": {"$ref": "#/$defs/no"}}, 1, "is not a JSON Schema", None),
        ({"handler": "transform", "pick": {}}, {}, "`config.pick` must be a list, not a map", None),
        ({"handler": "transform"}, [1], "takes a map as its `input`", None),
        ({"handler": "transform", "rename": {"a": "b"}}, {"a": 1, "b": 2}, "makes two keys `b`", "`config.pick`"),
    ],
)  # fmt: skip
def test_what_cannot_be_invoked_is_refused_and_leaves_nothing(
    world: Any, context: str, config: dict[str, Any], given: Any, message: str, hint: str | None
) -> None:
    extension = _active(world, context, config)
    before = list(world.stored)
    with pytest.raises(OperationError) as caught:
        world("extension/invoke-extension", extensionId=extension, input=given)
    assert message in caught.value.message
    assert (caught.value.hint or "").startswith(hint or "")
    assert world.stored == before
    verdict = world("extension/validate-extension", extensionId=extension)
    if given == 1:  # what is wrong is in the config
        assert any(message in error for error in verdict["errors"])
    assert verdict["valid"] == (verdict["errors"] == []) == (given != 1 and config.get("pick") is None)


@pytest.mark.parametrize("config", [{"handler": "checksum"}, {"handler": "json-schema", "schema": True}])
def test_what_is_not_json_is_refused(world: Any, context: str, config: dict[str, Any]) -> None:
    with pytest.raises(OperationError, match="not JSON"):
        _invoke(world, context, config, "\ud800")


def test_everything_that_is_wrong_with_an_extension_is_said_at_once(world: Any, context: str) -> None:
    config = {"handler": "transform", "rename": [], "permissions": [""]}
    made = world(
        "extension/register-extension", contextId=context, name="x" * 101, version="1.0.0", config=config
    )
    assert world("extension/validate-extension", extensionId=made["extensionId"]) == {
        "extensionId": made["extensionId"],
        "valid": False,
        "errors": [
            "`config.permissions[0]` must not be empty",
            "`name` has 101 characters, at most 100 are usual",
        ],
    }


@pytest.mark.parametrize("status", ["registered", "inactive", "deprecated"])
def test_only_an_active_extension_is_invoked(world: Any, context: str, status: str) -> None:
    made = world(
        "extension/register-extension", contextId=context, name="x", version="1.0.0", status=status,
        config={"handler": "checksum"},
    )  # fmt: skip
    with pytest.raises(InvalidTransitionError, match=f"is `{status}`; only an active one") as caught:
        world("extension/invoke-extension", extensionId=made["extensionId"], input=1)
    assert (caught.value.hint is None) == (status == "deprecated")


def test_an_invocation_is_noted_unless_the_extension_is_locked(world: Any, context: str) -> None:
    extension = _active(world, context, {"handler": "checksum"})
    world("extension/invoke-extension", extensionId=extension, input=1)
    body = world("extension/get-extension", extensionId=extension)["extension"]
    assert body["events"][-1]["event_type"] == "extension.invoked"
    assert body["events"][-1]["data"] == {"handler": "checksum"}
    world("extension/set-governance", objectId=extension, locked=True)
    with pytest.raises(LockedObjectError):
        world("extension/invoke-extension", extensionId=extension, input=1)


def test_permissions_are_those_that_the_config_lists(world: Any, context: str) -> None:
    extension = _active(world, context, {"permissions": ["file.read", "net"]})
    asked = world("extension/check-permissions", extensionId=extension, permissions=["net", "exec", "exec"])
    assert (asked["allowed"], asked["missing"]) == (False, ["exec"])
    assert asked["permissions"] == ["file.read", "net"]
    assert world("extension/check-permissions", extensionId=extension, permissions=["net"])["allowed"] is True
    assert world("extension/check-permissions", extensionId=_active(world, context))["permissions"] == []


# ---- network -----------------------------------------------------------------------------------

#: Three nodes; the second one is a service.
NODES = [
    {"nodeId": A, "name": "ann"},
    {"nodeId": B, "name": "bus", "kind": "service"},
    {"nodeId": C, "name": "cat", "kind": "database"},
]


def _network(world: Any, context: str, topology: str = "mesh", **more: Any) -> str:
    given = {"name": "n", "topologyType": topology, "status": "active", "nodes": NODES} | more
    identifier: str = world("network/create-network", contextId=context, **given)["networkId"]
    return identifier


def _set(world: Any, network: str, node: str, status: str) -> None:
    world("network/update-node-status", networkId=network, nodeId=node, status=status)


@pytest.mark.parametrize(("add", "remove"), [("add-node", "remove-node"), ("join-network", "leave-network")])
def test_nodes_come_and_go_but_the_last_one_stays(world: Any, context: str, add: str, remove: str) -> None:
    network = _network(world, context, nodes=[])
    given = {"networkId": network}
    first = world(f"network/{add}", **given, node={"name": "ann", "roleId": "lead"})
    assert first["network"]["nodes"] == [first["node"]]
    assert first["node"] == {
        "node_id": first["nodeId"], "name": "ann", "kind": "agent", "role_id": "lead", "status": "active",
    }  # fmt: skip
    with pytest.raises(OperationError, match="is the last node") as caught:
        world(f"network/{remove}", **given, nodeId="ann")
    assert caught.value.hint == "`network/retire-network` ends the network"
    world(f"network/{add}", **given, node={"nodeId": B})
    with pytest.raises(DuplicateObjectError, match="has a node"):
        world(f"network/{add}", **given, node={"nodeId": B})
    left = world(f"network/{remove}", **given, nodeId=first["nodeId"], reason="moved")
    assert [node["node_id"] for node in left["network"]["nodes"]] == [B]
    assert left["network"]["events"][-1]["data"] == {"nodeId": first["nodeId"], "reason": "moved"}
    assert _events(left["network"]) == [
        "network.created", "network.node.added", "network.node.added", "network.node.removed",
    ]  # fmt: skip


def test_a_network_has_a_thousand_nodes_and_no_more(world: Any, context: str) -> None:
    network = _network(world, context, nodes=[{}] * 1_000)
    with pytest.raises(OperationError, match="at most 1,000 nodes"):
        world("network/add-node", networkId=network, node={})
    with pytest.raises(OperationError, match="at most 1,000 nodes"):
        _network(world, context, nodes=[{}] * 1_001)
    with pytest.raises(DuplicateObjectError):
        _network(world, context, nodes=[{"nodeId": A}, {"nodeId": A}])


def test_a_network_starts_with_a_node_and_a_retired_one_stays_as_it_is(world: Any, context: str) -> None:
    network = _network(world, context, status="provisioning", nodes=[])
    with pytest.raises(OperationError, match="has no node yet"):
        world("network/activate-network", networkId=network)
    world("network/add-node", networkId=network, node={"name": "ann"})
    assert world("network/activate-network", networkId=network)["status"] == "active"
    world("network/retire-network", networkId=network, reason="done")
    for operation, given in (
        ("add-node", {"node": {}}),
        ("remove-node", {"nodeId": "ann"}),
        ("update-node-status", {"nodeId": "ann", "status": "inactive"}),
        ("register-service", {"service": {"name": "s", "nodeId": "ann"}}),
    ):
        with pytest.raises(InvalidTransitionError, match="is `retired` and stays as it is"):
            world(f"network/{operation}", networkId=network, **given)


@pytest.mark.parametrize(
    ("topology", "ways"),
    [
        ("single_node", [[A, C], [C, A], [A, B], [A]]),
        ("mesh", [[A, C], [C, A], [A, B], [A]]),
        ("other", [[A, C], [C, A], [A, B], [A]]),
        ("hub_spoke", [[A, B, C], [C, B, A], [A, B], [A]]),
        ("hybrid", [[A, B, C], [C, B, A], [A, B], [A]]),
        ("hierarchical", [[A, C], [C, A], [A, B], [A]]),
    ],
)
def test_the_topology_says_which_way_a_message_takes(
    world: Any, context: str, topology: str, ways: list[list[str]]
) -> None:
    network = _network(world, context, topology)
    for path in ways:
        routed = world(
            "network/route-message", networkId=network, **{"from": path[0]}, to=path[-1], payload={"n": 1}
        )
        assert (routed["path"], routed["delivered"]) == (path, True)
        event = world("network/get-network", networkId=network)["network"]["events"][-1]
        assert (event["event_type"], event["event_id"]) == ("network.message.routed", routed["messageId"])
        assert event["data"] == {"from": path[0], "to": path[-1], "path": path, "payload": {"n": 1}}


def test_the_root_of_a_hierarchy_is_its_first_node(world: Any, context: str) -> None:
    network = _network(world, context, "hierarchical")
    routed = world("network/route-message", networkId=network, **{"from": "bus"}, to="cat")
    assert routed["path"] == [B, A, C]


def test_without_an_active_service_the_hub_is_the_first_node_and_a_hybrid_has_none(
    world: Any, context: str
) -> None:
    for topology, hub, path in (("hub_spoke", A, [C, A, B]), ("hybrid", None, [C, B])):
        network = _network(world, context, topology)
        assert world("network/get-topology", networkId=network)["hub"] == B
        _set(world, network, "bus", "degraded")
        assert world("network/get-topology", networkId=network)["hub"] == hub
        routed = world("network/route-message", networkId=network, **{"from": "cat"}, to="bus")
        assert routed["path"] == path


def test_the_topology_of_a_network_without_nodes_has_no_hub(world: Any, context: str) -> None:
    for topology in ("hub_spoke", "hierarchical", "hybrid", "mesh"):
        shape = world("network/get-topology", networkId=_network(world, context, topology, nodes=[]))
        assert (shape["topologyType"], shape["hub"], shape["nodes"]) == (topology, None, [])


@pytest.mark.parametrize("status", ["inactive", "unreachable", "retired"])
@pytest.mark.parametrize("node", ["ann", "cat", "bus"])
def test_a_message_does_not_pass_a_node_that_is_not_online(
    world: Any, context: str, node: str, status: str
) -> None:
    # The hub is the first node, `hub`: no service is active.
    nodes = [{"name": "bus"}, {"name": "ann"}, {"name": "cat"}]
    network = _network(world, context, "hub_spoke", nodes=nodes)
    _set(world, network, node, status)
    before = list(world.stored)
    with pytest.raises(OperationError) as caught:
        world("network/route-message", networkId=network, **{"from": "ann"}, to="cat")
    assert caught.value.message == f"the message does not arrive: the node `{node}` is `{status}`"
    assert len(caught.value.details["path"]) == 3
    assert world.stored == before


def test_a_broadcast_reaches_everybody_else_who_is_online(world: Any, context: str) -> None:
    network = _network(world, context)
    _set(world, network, "cat", "unreachable")
    sent = world("network/broadcast-message", networkId=network, **{"from": "ann"}, payload="hello")
    assert sent["deliveries"] == [
        {"nodeId": B, "delivered": True, "path": [A, B], "reason": None},
        {"nodeId": C, "delivered": False, "path": [A, C], "reason": "the node `cat` is `unreachable`"},
    ]
    assert (sent["delivered"], sent["failed"]) == (1, 1)
    event = world("network/get-network", networkId=network)["network"]["events"][-1]
    assert event["event_type"] == "network.message.broadcast"
    assert event["data"] == {"from": A, "payload": "hello", "deliveries": sent["deliveries"]}
    with pytest.raises(OperationError, match="is not sent: the node `cat` is `unreachable`"):
        world("network/broadcast-message", networkId=network, **{"from": "cat"})


def test_a_multicast_reaches_those_that_are_named_once(world: Any, context: str) -> None:
    network = _network(world, context, "hub_spoke")
    sent = world("network/multicast", networkId=network, **{"from": C}, to=["ann", A, "bus"])
    assert [item["path"] for item in sent["deliveries"]] == [[C, B, A], [C, B]]
    _set(world, network, "ann", "retired")
    _set(world, network, "bus", "inactive")
    # The hub is now the first node, which is retired.
    missed = world("network/multicast", networkId=network, **{"from": "cat"}, to=["bus"])["deliveries"]
    assert [item["reason"] for item in missed] == ["the node `ann` is `retired`"]
    with pytest.raises(UnknownObjectError, match="has no node `an`") as caught:
        world("network/multicast", networkId=network, **{"from": "cat"}, to=["bus", "an"])
    assert caught.value.hint == "did you mean `ann`?"


def test_a_name_that_two_nodes_have_names_none(world: Any, context: str) -> None:
    network = _network(world, context, nodes=[{"name": "x"}, {"name": "x"}, {"nodeId": A}])
    with pytest.raises(OperationError, match=r"2 nodes of the network .* are called `x`") as caught:
        world("network/route-message", networkId=network, **{"from": A}, to="x")
    assert caught.value.hint == "name the node by its id"


@pytest.mark.parametrize("status", ["draft", "provisioning", "maintenance", "retired"])
def test_only_a_network_in_use_carries_messages(world: Any, context: str, status: str) -> None:
    network = _network(world, context, status=status)
    for operation, given in (
        ("route-message", {"to": A}),
        ("broadcast-message", {}),
        ("multicast", {"to": [A]}),
    ):
        with pytest.raises(InvalidTransitionError, match=f"is `{status}`; it carries no messages"):
            world(f"network/{operation}", networkId=network, **{"from": "ann"}, **given)


def test_services_are_found_by_what_they_are_while_their_node_is_online(world: Any, context: str) -> None:
    network = _network(world, context)
    offer = {"name": "search", "nodeId": "bus", "type": "http", "version": "2", "address": "bus:80",
             "capabilities": ["find", "index"], "serviceId": D}  # fmt: skip
    registered = world("network/register-service", networkId=network, service=offer)
    assert registered["service"] == offer | {"nodeId": B, "nodeStatus": "active"}
    other = world("network/register-service", networkId=network, service={"name": "search", "nodeId": "cat"})

    def found(**query: Any) -> list[str]:
        services = world("network/discover-services", networkId=network, **query)["services"]
        return [service["serviceId"] for service in services]

    assert found() == found(name="search") == [D, other["serviceId"]]
    assert found(capability="index") == found(type="http") == [D]
    assert found(name="none") == []
    _set(world, network, "bus", "unreachable")
    assert found() == [other["serviceId"]]
    assert found(online=False) == [D, other["serviceId"]]
    world("network/remove-node", networkId=network, nodeId="bus")
    assert found(online=False) == [other["serviceId"]]
    event = world("network/get-network", networkId=network)["network"]["events"][1]
    assert (event["event_type"], event["data"]) == ("network.service.registered", offer | {"nodeId": B})


def test_a_service_is_registered_once(world: Any, context: str) -> None:
    network = _network(world, context)
    world(
        "network/register-service", networkId=network, service={"name": "s", "nodeId": "bus", "serviceId": D}
    )
    for again in ({"name": "s", "nodeId": B}, {"name": "t", "nodeId": "cat", "serviceId": D}):
        with pytest.raises(DuplicateObjectError, match="has the service `s`"):
            world("network/register-service", networkId=network, service=again)


def test_the_health_of_a_network_is_the_share_of_nodes_online(world: Any, context: str) -> None:
    network = _network(world, context, nodes=[{"name": name} for name in "abcd"])
    _set(world, network, "a", "degraded")
    _set(world, network, "b", "inactive")
    assert world("network/get-network-status", networkId=network) == {
        "networkId": network, "status": "active", "health": 0.75, "online": 3, "total": 4,
        "statuses": {"degraded": 1, "inactive": 1, "active": 2},
    }  # fmt: skip
    empty = world("network/get-network-status", networkId=_network(world, context, nodes=[]))
    assert (empty["health"], empty["total"], empty["statuses"]) == (0.0, 0, {})


def test_networks_are_listed_by_what_they_are(world: Any, context: str) -> None:
    other = world("context/create-context", name="other")["contextId"]
    first = _network(world, context)
    _network(world, context, "hybrid", status="draft")
    _network(world, other)
    for query, total in (
        ({}, 3),
        ({"status": "draft"}, 1),
        ({"topologyType": "mesh"}, 2),
        ({"contextId": other}, 1),
    ):
        assert world("network/list-networks", **query)["total"] == total
    page = world("network/list-networks", contextId=context, limit=1)
    assert ([n["network_id"] for n in page["networks"]], page["totalPages"]) == ([first], 2)


@pytest.mark.parametrize(
    ("operation", "given"),
    [
        ("extension/register-extension", {"name": "x", "version": "1.0.0"}),
        ("network/create-network", {"name": "x", "topologyType": "mesh"}),
    ],
)
def test_nothing_is_added_to_a_context_that_is_missing_or_closed(
    world: Any, context: str, operation: str, given: dict[str, Any]
) -> None:
    with pytest.raises(UnknownObjectError):
        world(operation, contextId=MISSING, **given)
    world("context/close-context", contextId=context)
    with pytest.raises(InvalidTransitionError, match="nothing can be added"):
        world(operation, contextId=context, **given)


# ---- core --------------------------------------------------------------------------------------


@pytest.mark.parametrize("operation", ["core/initialize", "core/init-core"])
def test_a_core_lists_the_ten_modules_unless_told_otherwise(world: Any, operation: str) -> None:
    body = world(operation)["core"]
    assert [item["module_id"] for item in body["modules"]] == [
        "context", "plan", "role", "confirm", "trace", "extension", "dialog", "collab", "network", "core",
    ]  # fmt: skip
    assert {item["status"] for item in body["modules"]} == {"enabled"}
    assert _events(body) == ["core.initialized"]


def test_a_core_names_each_module_once_and_at_least_one(world: Any) -> None:
    with pytest.raises(OperationError, match="the module `plan` is named twice"):
        world("core/initialize", modules=["plan", {"moduleId": "plan"}])
    with pytest.raises(OperationError, match="at least one module"):
        world("core/initialize", modules=[])
    assert world.stored == []


def test_modules_are_disabled_enabled_and_added(world: Any) -> None:
    required = {"moduleId": "context", "required": True}
    core = world("core/initialize", modules=[required, {"moduleId": "plan", "version": "0.9"}])["coreId"]
    disabled = world("core/disable-module", moduleId="plan", reason="quiet")["core"]
    assert disabled["modules"][1] == {"module_id": "plan", "version": "0.9", "status": "disabled"}
    assert disabled["events"][-1]["data"] == {"moduleId": "plan", "reason": "quiet"}
    with pytest.raises(InvalidTransitionError, match="cannot become `disabled`"):
        world("core/disable-module", moduleId="plan")
    with pytest.raises(OperationError, match="requires the module `context`"):
        world("core/disable-module", moduleId="context")
    with pytest.raises(UnknownObjectError, match="has no module `trace`") as caught:
        world("core/disable-module", moduleId="trace")
    assert caught.value.hint == "it has: context, plan"
    enabled = world("core/enable-module", coreId=core, moduleId="plan", version="1.0.0")["core"]
    assert enabled["modules"][1] == {"module_id": "plan", "version": "1.0.0", "status": "enabled"}
    added = world("core/enable-module", moduleId="trace")["core"]
    assert added["modules"][2] == {"module_id": "trace", "version": "1.0.0", "status": "enabled"}
    assert _events(added) == [
        "core.initialized", "core.module.disabled", "core.module.enabled", "core.module.enabled",
    ]  # fmt: skip


@pytest.mark.parametrize("operation", ["get-status", "health-check"])
@pytest.mark.parametrize(
    ("disabled", "of", "overall"),
    [(0, 10, "healthy"), (3, 10, "warning"), (4, 10, "degraded"), (1, 3, "degraded"), (1, 4, "warning")],
)
def test_a_disabled_module_is_not_healthy(
    world: Any, operation: str, disabled: int, of: int, overall: str
) -> None:
    names = [
        "context",
        "plan",
        "role",
        "confirm",
        "trace",
        "extension",
        "dialog",
        "collab",
        "network",
        "core",
    ]
    modules = [
        {"moduleId": name, "status": "disabled" if number < disabled else "enabled"}
        for number, name in enumerate(names[:of])
    ]
    core = world("core/initialize", modules=modules)["coreId"]
    health = world(f"core/{operation}")
    components = health.pop("components")
    assert health == {
        "coreId": core, "status": "draft", "overall": overall, "timestamp": "2026-01-01T00:00:00.000Z",
    }  # fmt: skip
    assert [item["status"] for item in components] == ["unhealthy"] * disabled + ["healthy"] * (of - disabled)
    assert components[-1] == {
        "component": names[of - 1], "status": "healthy", "timestamp": "2026-01-01T00:00:00.000Z",
        "details": {"status": "enabled", "version": "1.0.0"},
    }  # fmt: skip


def test_a_required_module_that_is_disabled_is_an_error(world: Any) -> None:
    world(
        "core/initialize", modules=["plan", {"moduleId": "context", "required": True, "status": "disabled"}]
    )
    health = world("core/health-check")
    assert health["overall"] == "critical"
    assert health["components"][1]["error"] == "it is required, and disabled"


def test_an_event_is_noted_for_everybody(world: Any) -> None:
    world("core/initialize")
    told = world("core/broadcast-event", event={"type": "Release Day!", "data": {"n": 1}})
    event = told["core"]["events"][-1]
    assert (event["event_type"], event["event_id"]) == ("core.event.broadcast", told["eventId"])
    assert event["data"] == {"type": "Release Day!", "data": {"n": 1}}
    bare = world("core/broadcast-event", event={"type": "x"})
    assert bare["core"]["events"][-1]["data"] == {"type": "x"}


def test_an_archived_core_stays_as_it_is(world: Any) -> None:
    world("core/initialize", status="deprecated")
    assert world("core/archive-core", reason="gone")["status"] == "archived"
    for operation, given in (
        ("enable-module", {"moduleId": "plan"}),
        ("disable-module", {"moduleId": "plan"}),
        ("broadcast-event", {"event": {"type": "x"}}),
    ):
        with pytest.raises(InvalidTransitionError, match="is `archived` and stays as it is"):
            world(f"core/{operation}", **given)
    assert world("core/get-core")["status"] == "archived"


def test_the_core_that_is_meant_is_the_runs_else_the_only_one(world: Any, new_world: Any) -> None:
    with pytest.raises(OperationError, match="there is no core yet"):
        world("core/get-core")
    first = world("core/initialize")["coreId"]
    later = new_world(world.stored, run="run-2")
    later.ids.last = 500
    assert later("core/get-core")["coreId"] == first
    second = later("core/initialize")["coreId"]
    assert later("core/get-core")["coreId"] == second
    third = new_world(later.stored, run="run-3")
    with pytest.raises(OperationError, match="there are 2 cores") as caught:
        third("core/get-core")
    assert caught.value.hint == "give `coreId`"
    assert third("core/get-core", coreId=first)["coreId"] == first
