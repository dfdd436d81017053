"""Module `network`: nodes, the shape they form, and messages between them.

The protocol's network object has no edges, messages or services: ways follow from the topology
(`modules.topology`), a message stands in an event `network.message.*`, a service in `network.service.registered`.
"""

from __future__ import annotations

from collections import Counter
from typing import Any, Literal, get_args

from mplp_cli.errors import DuplicateObjectError, InvalidTransitionError, OperationError
from mplp_cli.modules.contract import Operation, Parameters, Result, make_module
from mplp_cli.modules.records import (
    Transitions,
    change_object,
    check_move,
    make_event,
    make_object,
    open_context,
    page_of,
)
from mplp_cli.modules.session import Session
from mplp_cli.modules.shapes import NetworkBody, NewObject, ObjectId, PageNumber, PageSize, Text
from mplp_cli.modules.topology import ONLINE, Directory, NodeName, NodeStatus, hub_of
from mplp_cli.modules.traffic import TRAFFIC

Status = Literal["draft", "provisioning", "active", "degraded", "maintenance", "retired"]
Topology = Literal["single_node", "hub_spoke", "mesh", "hierarchical", "hybrid", "other"]
NodeKind = Literal["agent", "service", "database", "queue", "external", "other"]

TRANSITIONS: Transitions = {
    "draft": ("provisioning", "retired"),
    "provisioning": ("active", "retired"),
    "active": ("degraded", "maintenance", "retired"),
    "degraded": ("active", "maintenance", "retired"),
    "maintenance": ("active", "degraded", "retired"),
    "retired": (),
}
NODE_TRANSITIONS: Transitions = {
    status: () if status == "retired" else tuple(to for to in get_args(NodeStatus) if to != status)
    for status in get_args(NodeStatus)
}
#: Nodes that a network has at most.
_MOST_NODES = 1_000


class NewNode(Parameters, frozen=True, kw_only=True):
    kind: NodeKind = "agent"
    status: NodeStatus = "active"
    name: str | None = None
    role_id: str | None = None
    node_id: ObjectId | None = None


class CreateNetwork(NewObject, frozen=True, kw_only=True):
    context_id: ObjectId
    name: Text
    topology_type: Topology
    description: str | None = None
    status: Status = "draft"
    nodes: list[NewNode] | None = None
    network_id: ObjectId | None = None


class OneNetwork(Parameters, frozen=True, kw_only=True):
    network_id: ObjectId


class MoveNetwork(Parameters, frozen=True, kw_only=True):
    network_id: ObjectId
    reason: str | None = None


class ListNetworks(Parameters, frozen=True, kw_only=True):
    context_id: ObjectId | None = None
    status: Status | None = None
    topology_type: Topology | None = None
    page: PageNumber = 1
    limit: PageSize = 100


class AddNode(Parameters, frozen=True, kw_only=True):
    network_id: ObjectId
    node: NewNode


class RemoveNode(Parameters, frozen=True, kw_only=True):
    network_id: ObjectId
    node_id: NodeName
    reason: str | None = None


class UpdateNodeStatus(Parameters, frozen=True, kw_only=True):
    network_id: ObjectId
    node_id: NodeName
    status: NodeStatus
    reason: str | None = None


class NetworkNow(Result, frozen=True, kw_only=True):
    network_id: ObjectId
    status: Status
    network: NetworkBody


class NodeNow(Result, frozen=True, kw_only=True):
    network_id: ObjectId
    node_id: ObjectId
    node: dict[str, Any]
    network: NetworkBody


class Networks(Result, frozen=True, kw_only=True):
    networks: list[NetworkBody]
    total: int
    page: int
    limit: int
    total_pages: int
    has_next: bool
    has_previous: bool


class NetworkHealth(Result, frozen=True, kw_only=True):
    """`health` is `online / total`, 0 for a network without nodes."""

    network_id: ObjectId
    status: Status
    health: float
    online: int
    total: int
    statuses: dict[str, int]


class Shape(Result, frozen=True, kw_only=True):
    network_id: ObjectId
    topology_type: Topology
    hub: ObjectId | None
    nodes: list[dict[str, Any]]


def create_network(given: CreateNetwork, session: Session) -> NetworkNow:
    """OperationError if two nodes have the same id, or there are too many."""
    open_context(session, given.context_id)
    identifier = session.new_id("network", given.network_id)
    nodes: list[dict[str, Any]] = []
    for node in given.nodes or ():
        nodes.append(_new_node(session, identifier, node, nodes))
    body = make_object(
        session,
        "network",
        identifier,
        [make_event(session, "network", "created")],
        given=given,
        context_id=given.context_id,
        name=given.name,
        description=given.description,
        topology_type=given.topology_type,
        status=given.status,
        nodes=None if given.nodes is None else nodes,
    )
    return _now(session.put("network", body))


def get_network(given: OneNetwork, session: Session) -> NetworkNow:
    """Gives the network."""
    return _now(session.get("network", given.network_id))


def list_networks(given: ListNetworks, session: Session) -> Networks:
    """Gives a page of networks, oldest first."""
    found = session.find(
        "network", context=given.context_id, status=given.status, topology_type=given.topology_type
    )
    page = page_of(found, given.page, given.limit)
    return Networks(networks=page.items, **page.position)


def add_node(given: AddNode, session: Session) -> NodeNow:
    """OperationError if the network has a node of that id, or too many."""
    body = _changeable(session, given.network_id)
    nodes = body.get("nodes", [])
    node = _new_node(session, given.network_id, given.node, nodes)
    event = make_event(session, "network", "node.added", {"nodeId": node["node_id"]})
    return _changed(session, body, node, [*nodes, node], event)


def remove_node(given: RemoveNode, session: Session) -> NodeNow:
    """The last node stays: `retire-network` ends a network."""
    body = _changeable(session, given.network_id)
    nodes = body.get("nodes", [])
    node = Directory(given.network_id, nodes).find(given.node_id)
    if len(nodes) == 1:
        raise OperationError(
            f"{node['node_id']} is the last node of the network {given.network_id}",
            hint="`network/retire-network` ends the network",
            details={"networkId": given.network_id, "nodeId": node["node_id"]},
        )
    event = make_event(session, "network", "node.removed", _about(node, reason=given.reason))
    return _changed(session, body, node, [item for item in nodes if item is not node], event)


def update_node_status(given: UpdateNodeStatus, session: Session) -> NodeNow:
    """A node may go from any status to any other, but `retired` is final; the same again changes nothing."""
    body = _changeable(session, given.network_id)
    nodes = body.get("nodes", [])
    old = Directory(given.network_id, nodes).find(given.node_id)
    if old["status"] == given.status:
        return NodeNow(network_id=given.network_id, node_id=old["node_id"], node=old, network=body)
    check_move("network node", old["node_id"], NODE_TRANSITIONS, old["status"], given.status)
    node = {**old, "status": given.status}
    data = _about(node, before=old["status"], status=given.status, reason=given.reason)
    event = make_event(session, "network", "node.changed", data)
    return _changed(session, body, node, [node if item is old else item for item in nodes], event)


def get_network_status(given: OneNetwork, session: Session) -> NetworkHealth:
    """Counts the nodes by their status."""
    body = session.get("network", given.network_id)
    statuses = Counter(node["status"] for node in body.get("nodes", ()))
    online, total = sum(statuses[status] for status in ONLINE), statuses.total()
    return NetworkHealth(
        network_id=given.network_id,
        status=body["status"],
        health=online / total if total else 0.0,
        online=online,
        total=total,
        statuses=dict(statuses),
    )


def get_topology(given: OneNetwork, session: Session) -> Shape:
    """Gives the nodes, and which of them joins the others."""
    body = session.get("network", given.network_id)
    nodes = body.get("nodes", [])
    hub = hub_of(body["topology_type"], nodes)
    return Shape(
        network_id=given.network_id,
        topology_type=body["topology_type"],
        hub=None if hub is None else hub["node_id"],
        nodes=nodes,
    )


def _changeable(session: Session, network_id: str) -> dict[str, Any]:
    body = session.get("network", network_id)
    if body["status"] != "retired":
        return body
    raise InvalidTransitionError(
        f"the network {network_id} is `retired` and stays as it is",
        details={"kind": "network", "id": network_id, "status": "retired"},
    )


def _new_node(
    session: Session, network_id: str, given: NewNode, nodes: list[dict[str, Any]]
) -> dict[str, Any]:
    identifier = given.node_id or session.uuid()
    if any(node["node_id"] == identifier for node in nodes):
        raise DuplicateObjectError(
            f"the network {network_id} has a node {identifier} already",
            hint="leave the id out and one is made",
            details={"kind": "network node", "id": identifier},
        )
    if len(nodes) >= _MOST_NODES:
        raise OperationError(
            f"a network has at most {_MOST_NODES:,} nodes", details={"networkId": network_id}
        )
    fields = {
        "node_id": identifier,
        "name": given.name,
        "kind": given.kind,
        "role_id": given.role_id,
        "status": given.status,
    }
    return {key: value for key, value in fields.items() if value is not None}


def _changed(
    session: Session,
    body: dict[str, Any],
    node: dict[str, Any],
    nodes: list[dict[str, Any]],
    event: dict[str, Any],
) -> NodeNow:
    changed = session.put("network", change_object(session, body, event, nodes=nodes))
    return NodeNow(network_id=body["network_id"], node_id=node["node_id"], node=node, network=changed)


def _about(node: dict[str, Any], **more: str | None) -> dict[str, Any]:
    given = {"nodeId": node["node_id"], **more}
    return {key: value for key, value in given.items() if value is not None}


def _now(body: dict[str, Any]) -> NetworkNow:
    return NetworkNow(network_id=body["network_id"], status=body["status"], network=body)


def _move(name: str, summary: str, to: Status, verb: str) -> Operation:
    def move(given: MoveNetwork, session: Session) -> NetworkNow:
        body = session.get("network", given.network_id)
        check_move("network", given.network_id, TRANSITIONS, body["status"], to)
        if to == "active" and not body.get("nodes"):
            raise OperationError(
                f"the network {given.network_id} has no node yet",
                hint="`network/add-node` gives it one",
                details={"networkId": given.network_id},
            )
        data = None if given.reason is None else {"reason": given.reason}
        event = make_event(session, "network", verb, data)
        return _now(session.put("network", change_object(session, body, event, status=to)))

    return Operation(name=name, summary=summary, parameters=MoveNetwork, result=NetworkNow, handler=move)


def _node_operation(name: str, summary: str, parameters: type[Parameters], handler: Any) -> Operation:
    return Operation(name=name, summary=summary, parameters=parameters, result=NodeNow, handler=handler)


MODULE = make_module(
    "network",
    "Nodes, the shape they form, and messages between them",
    Operation(
        name="create-network",
        summary="Make a network in a context",
        parameters=CreateNetwork,
        result=NetworkNow,
        handler=create_network,
    ),
    Operation(
        name="get-network",
        summary="Read a network",
        parameters=OneNetwork,
        result=NetworkNow,
        handler=get_network,
    ),
    Operation(
        name="list-networks",
        summary="List networks, oldest first",
        parameters=ListNetworks,
        result=Networks,
        handler=list_networks,
    ),
    _move("provision-network", "Begin to set a network up", "provisioning", "provisioning"),
    _move("activate-network", "Put a network of at least one node to use", "active", "activated"),
    _move("degrade-network", "Note that a network works with limits", "degraded", "degraded"),
    _move("maintain-network", "Take a network out of use for maintenance", "maintenance", "maintenance"),
    _move("retire-network", "Take a network out of use for good", "retired", "retired"),
    _node_operation("add-node", "Add a node to a network", AddNode, add_node),
    _node_operation("join-network", "Add a node to a network", AddNode, add_node),
    _node_operation("remove-node", "Remove a node; the last one stays", RemoveNode, remove_node),
    _node_operation("leave-network", "Remove a node; the last one stays", RemoveNode, remove_node),
    _node_operation("update-node-status", "Note how a node is", UpdateNodeStatus, update_node_status),
    *TRAFFIC,
    Operation(
        name="get-network-status",
        summary="Count the nodes that are online",
        parameters=OneNetwork,
        result=NetworkHealth,
        handler=get_network_status,
    ),
    Operation(
        name="get-topology",
        summary="Read the nodes of a network and which one joins them",
        parameters=OneNetwork,
        result=Shape,
        handler=get_topology,
    ),
    needs=("context",),
)
