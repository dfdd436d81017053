"""Ways through a network: which nodes a message passes, or why it does not arrive.

The protocol's network has nodes but no edges, so its topology says who is joined to whom:

single_node, mesh, other   every node with every other
hub_spoke                  every node with the hub: the first active service, else the first node
hierarchical               every node with the root: the first node
hybrid                     every node with the first active service, if there is one; else as in a mesh
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from mplp_cli.errors import OperationError, UnknownObjectError
from mplp_cli.modules.shapes import Text
from mplp_cli.workflow.suggest import did_you_mean

NodeStatus = Literal["active", "inactive", "degraded", "unreachable", "retired"]
NodeName = Annotated[Text, Meta(description="id or name of a node")]
Node = dict[str, Any]

#: Statuses of a node that passes messages on.
ONLINE = frozenset({"active", "degraded"})


class Way(Struct, frozen=True):
    """The ids of the nodes that a message passes, ends included; `reason` tells why it does not arrive."""

    path: list[str]
    reason: str | None = None


def hub_of(topology: str, nodes: Sequence[Node]) -> Node | None:
    """The node that joins the others, if the topology has one."""
    if topology == "hierarchical":
        return nodes[0] if nodes else None
    if topology not in {"hub_spoke", "hybrid"}:
        return None
    service = next((node for node in nodes if node["kind"] == "service" and node["status"] == "active"), None)
    return nodes[0] if service is None and nodes and topology == "hub_spoke" else service


def find_way(hub: Node | None, sender: Node, receiver: Node) -> Way:
    """The way from one node to another, through the hub if there is one."""
    if receiver is sender:
        stops = [sender]
    elif hub is None or hub is sender or hub is receiver:
        stops = [sender, receiver]
    else:
        stops = [sender, hub, receiver]
    reason = next((why for why in map(why_offline, stops) if why), None)
    return Way([node["node_id"] for node in stops], reason)


def why_offline(node: Node) -> str | None:
    """Why nothing passes this node, or None if it is online."""
    return None if node["status"] in ONLINE else f"the node {name_of(node)} is `{node['status']}`"


def name_of(node: Node) -> str:
    """The node for people."""
    return f"`{node['name']}`" if node.get("name") else str(node["node_id"])


class Directory:
    """The nodes of a network by id, and by name where only one has it."""

    def __init__(self, network_id: str, nodes: Sequence[Node]) -> None:
        self._network_id = network_id
        self._by_id = {node["node_id"]: node for node in nodes}
        self._by_name: dict[str, list[Node]] = {}
        for node in nodes:
            self._by_name.setdefault(node.get("name", ""), []).append(node)

    def find(self, wanted: str) -> Node:
        """The node of that id or name. UnknownObjectError if there is none, OperationError if there are two."""
        node = self._by_id.get(wanted)
        if node is not None:
            return node
        named = self._by_name.get(wanted, [])
        if len(named) == 1:
            return named[0]
        details = {"kind": "network node", "id": wanted, "networkId": self._network_id}
        if named:
            raise OperationError(
                f"{len(named)} nodes of the network {self._network_id} are called `{wanted}`",
                hint="name the node by its id",
                details=details,
            )
        names = [name for name in self._by_name if name]
        raise UnknownObjectError(
            f"the network {self._network_id} has no node `{wanted}`",
            hint=did_you_mean(wanted, names) or (f"there are: {', '.join(names[:10])}" if names else None),
            details=details,
        )
