"""Messages through a network, and the services that its nodes offer.

A message is delivered in the network's record: the event `network.message.*` holds who said what to whom, and the
way it took. An offered service stands in an event `network.service.registered`.
"""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta, field, to_builtins

from mplp_cli.errors import DuplicateObjectError, InvalidTransitionError, OperationError
from mplp_cli.modules.contract import Operation, Parameters, Result
from mplp_cli.modules.records import change_object, make_event
from mplp_cli.modules.session import Session
from mplp_cli.modules.shapes import ObjectId, Text
from mplp_cli.modules.topology import (
    ONLINE,
    Directory,
    Node,
    NodeName,
    NodeStatus,
    find_way,
    hub_of,
    why_offline,
)

_REGISTERED = "network.service.registered"

Payload = Annotated[Any, Meta(description="what is said; any JSON")]


class RouteMessage(Parameters, frozen=True, kw_only=True):
    network_id: ObjectId
    sender: NodeName = field(name="from")
    to: NodeName
    payload: Payload = None


class BroadcastMessage(Parameters, frozen=True, kw_only=True):
    network_id: ObjectId
    sender: NodeName = field(name="from")
    payload: Payload = None


class Multicast(Parameters, frozen=True, kw_only=True):
    network_id: ObjectId
    sender: NodeName = field(name="from")
    to: Annotated[list[NodeName], Meta(min_length=1)]
    payload: Payload = None


class Offer(Parameters, frozen=True, kw_only=True):
    """A service that a node offers."""

    name: Text
    node_id: NodeName
    type: Text | None = None
    version: Text | None = None
    address: Text | None = None
    capabilities: list[Text] = field(default_factory=list)
    service_id: ObjectId | None = None


class NewOffer(Parameters, frozen=True, kw_only=True):
    network_id: ObjectId
    service: Offer


class DiscoverServices(Parameters, frozen=True, kw_only=True):
    network_id: ObjectId
    name: Text | None = None
    type: Text | None = None
    capability: Text | None = None
    online: Annotated[bool, Meta(description="only services of nodes that are online")] = True


class Routed(Result, frozen=True, kw_only=True):
    network_id: ObjectId
    message_id: ObjectId
    path: list[ObjectId]
    delivered: bool


class Delivery(Result, frozen=True, kw_only=True):
    node_id: ObjectId
    delivered: bool
    path: list[ObjectId]
    reason: str | None


class Deliveries(Result, frozen=True, kw_only=True):
    network_id: ObjectId
    message_id: ObjectId
    deliveries: list[Delivery]
    delivered: int
    failed: int


class Offered(Result, frozen=True, kw_only=True):
    service_id: ObjectId
    name: str
    node_id: ObjectId
    type: str | None
    version: str | None
    address: str | None
    capabilities: list[str]
    node_status: NodeStatus


class RegisteredOffer(Result, frozen=True, kw_only=True):
    network_id: ObjectId
    service_id: ObjectId
    service: Offered


class Offers(Result, frozen=True, kw_only=True):
    network_id: ObjectId
    services: list[Offered]


def route_message(given: RouteMessage, session: Session) -> Routed:
    """Delivers one message. OperationError if a node on its way is not online."""
    body = _carrying(session, given.network_id)
    nodes = body.get("nodes", [])
    directory = Directory(given.network_id, nodes)
    sender, receiver = directory.find(given.sender), directory.find(given.to)
    way = find_way(hub_of(body["topology_type"], nodes), sender, receiver)
    if way.reason is not None:
        raise OperationError(
            f"the message does not arrive: {way.reason}",
            hint="`network/update-node-status` notes that a node is back",
            details={"networkId": given.network_id, "path": way.path, "reason": way.reason},
        )
    data = {"from": sender["node_id"], "to": receiver["node_id"], "path": way.path, "payload": given.payload}
    message_id = _note(session, body, "routed", data)
    return Routed(network_id=given.network_id, message_id=message_id, path=way.path, delivered=True)


def broadcast_message(given: BroadcastMessage, session: Session) -> Deliveries:
    """Delivers a message to all other nodes; those that it does not reach are listed with the reason."""
    body = _carrying(session, given.network_id)
    sender = Directory(given.network_id, body.get("nodes", [])).find(given.sender)
    receivers = [node for node in body["nodes"] if node is not sender]
    return _deliver(session, body, "broadcast", sender, receivers, given.payload)


def multicast(given: Multicast, session: Session) -> Deliveries:
    """Delivers a message to some nodes, each once; those that it does not reach are listed with the reason."""
    body = _carrying(session, given.network_id)
    directory = Directory(given.network_id, body.get("nodes", []))
    receivers = {node["node_id"]: node for node in map(directory.find, given.to)}
    return _deliver(
        session, body, "multicast", directory.find(given.sender), list(receivers.values()), given.payload
    )


def register_service(given: NewOffer, session: Session) -> RegisteredOffer:
    """DuplicateObjectError if the node offers a service of that name, or the id is taken."""
    body = session.get("network", given.network_id)
    if body["status"] == "retired":
        raise InvalidTransitionError(
            f"the network {given.network_id} is `retired` and stays as it is",
            details={"kind": "network", "id": given.network_id, "status": "retired"},
        )
    node = Directory(given.network_id, body.get("nodes", [])).find(given.service.node_id)
    identifier = given.service.service_id or session.uuid()
    for other in _offers(body):
        if other.service_id == identifier or (other.name, other.node_id) == (
            given.service.name,
            node["node_id"],
        ):
            raise DuplicateObjectError(
                f"the network {given.network_id} has the service `{other.name}` ({other.service_id}) already",
                details={"kind": "network service", "id": other.service_id, "nodeId": other.node_id},
            )
    service = given.service
    offer = {
        "serviceId": identifier,
        "name": service.name,
        "nodeId": node["node_id"],
        "type": service.type,
        "version": service.version,
        "address": service.address,
        "capabilities": service.capabilities,
    }
    event = make_event(session, "network", "service.registered", _without_none(offer))
    session.put("network", change_object(session, body, event))
    return RegisteredOffer(
        network_id=given.network_id, service_id=identifier, service=_offered(offer, node["status"])
    )


def discover_services(given: DiscoverServices, session: Session) -> Offers:
    """Gives the services of the nodes that are still there, first registered first."""
    body = session.get("network", given.network_id)
    found = [
        offer
        for offer in _offers(body)
        if (given.name is None or offer.name == given.name)
        and (given.type is None or offer.type == given.type)
        and (given.capability is None or given.capability in offer.capabilities)
        and (not given.online or offer.node_status in ONLINE)
    ]
    return Offers(network_id=given.network_id, services=found)


def _carrying(session: Session, network_id: str) -> dict[str, Any]:
    body = session.get("network", network_id)
    if body["status"] in {"active", "degraded"}:
        return body
    raise InvalidTransitionError(
        f"the network {network_id} is `{body['status']}`; it carries no messages",
        hint=None if body["status"] == "retired" else "`network/activate-network` puts it to use",
        details={"kind": "network", "id": network_id, "status": body["status"]},
    )


def _deliver(
    session: Session, body: dict[str, Any], verb: str, sender: Node, receivers: list[Node], payload: Any
) -> Deliveries:
    network_id: str = body["network_id"]
    offline = why_offline(sender)
    if offline is not None:
        raise OperationError(
            f"the message is not sent: {offline}", details={"networkId": network_id, "reason": offline}
        )
    hub = hub_of(body["topology_type"], body["nodes"])
    deliveries = []
    for receiver in receivers:
        way = find_way(hub, sender, receiver)
        deliveries.append(
            Delivery(
                node_id=receiver["node_id"], delivered=way.reason is None, path=way.path, reason=way.reason
            )
        )
    data = {"from": sender["node_id"], "deliveries": to_builtins(deliveries), "payload": payload}
    message_id = _note(session, body, verb, data)
    reached = sum(delivery.delivered for delivery in deliveries)
    return Deliveries(
        network_id=network_id,
        message_id=message_id,
        deliveries=deliveries,
        delivered=reached,
        failed=len(deliveries) - reached,
    )


def _note(session: Session, body: dict[str, Any], verb: str, data: dict[str, Any]) -> str:
    """Notes a message in the network; the id of its event is the message's."""
    event = make_event(session, "network", f"message.{verb}", _without_none(data))
    session.put("network", change_object(session, body, event))
    message_id: str = event["event_id"]
    return message_id


def _offers(body: dict[str, Any]) -> list[Offered]:
    statuses = {node["node_id"]: node["status"] for node in body.get("nodes", ())}
    offers = [event["data"] for event in body.get("events", ()) if event["event_type"] == _REGISTERED]
    return [_offered(offer, statuses[offer["nodeId"]]) for offer in offers if offer["nodeId"] in statuses]


def _offered(offer: dict[str, Any], status: NodeStatus) -> Offered:
    return Offered(
        service_id=offer["serviceId"],
        name=offer["name"],
        node_id=offer["nodeId"],
        type=offer.get("type"),
        version=offer.get("version"),
        address=offer.get("address"),
        capabilities=offer["capabilities"],
        node_status=status,
    )


def _without_none(mapping: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in mapping.items() if value is not None}


#: The operations of messages and services.
TRAFFIC = (
    Operation(
        name="route-message",
        summary="Deliver a message from one node to another, and say by which way",
        parameters=RouteMessage,
        result=Routed,
        handler=route_message,
    ),
    Operation(
        name="broadcast-message",
        summary="Deliver a message to all other nodes",
        parameters=BroadcastMessage,
        result=Deliveries,
        handler=broadcast_message,
    ),
    Operation(
        name="multicast",
        summary="Deliver a message to some nodes",
        parameters=Multicast,
        result=Deliveries,
        handler=multicast,
    ),
    Operation(
        name="register-service",
        summary="Note a service that a node offers",
        parameters=NewOffer,
        result=RegisteredOffer,
        handler=register_service,
    ),
    Operation(
        name="discover-services",
        summary="Find services by name, type or capability",
        parameters=DiscoverServices,
        result=Offers,
        handler=discover_services,
    ),
)
