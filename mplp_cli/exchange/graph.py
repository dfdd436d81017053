"""What of an object stands in the graph of its context, and how a new version changes that.

An object is a node. So is a step of a plan, an answer to a question and a node of a network. A dependency
between two steps of a plan is an edge.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from msgspec import Struct

from mplp_cli.exchange.moments import Change

#: Kinds whose changes are updates of the graph.
GRAPHED: Final = ("context", "plan", "role", "confirm", "network")

#: What else stands in the graph: kind -> (list in the object, its id, the name of one that came or went).
_PARTS: Final = {
    "plan": ("steps", "step_id", "step"),
    "confirm": ("decisions", "decision_id", "decision"),
    "network": ("nodes", "node_id", "node"),
}

#: Events of an object after which the graph has as many nodes as before.
_SAME_SIZE: Final = {
    "context": {"state.synced": "world_state_changed", "": "context_updated"},
    "role": {
        "capability.granted": "capability_granted",
        "capability.revoked": "capability_revoked",
        "": "role_updated",
    },
}


class Update(Struct, frozen=True):
    """One update of a graph."""

    event_type: str
    kind: str
    nodes: int = 0
    edges: int = 0


def updates(change: Change) -> Iterator[Update]:
    """What a change does to the graph, largest first."""
    if change.kind not in GRAPHED:
        return
    nodes, edges = _parts(change.kind, change.before), _edges(change.before)
    new_nodes, new_edges = _parts(change.kind, change.after), _edges(change.after)
    if change.before is None:
        size, ties = 1 + len(new_nodes), len(new_edges)
        yield Update(f"{change.kind}_created", "bulk" if size > 1 or ties else "node_add", size, ties)
    elif change.after is None:
        size, ties = 1 + len(nodes), len(edges)
        kind = "bulk" if size > 1 or ties else "node_delete"
        yield Update(f"{change.kind}_deleted", kind, -size, -ties)
        return
    else:
        yield from _difference(change.kind, (nodes, edges), (new_nodes, new_edges))
    yield from _same_size(change)


def _difference(
    kind: str, old: tuple[set[str], set[tuple[str, str]]], new: tuple[set[str], set[tuple[str, str]]]
) -> Iterator[Update]:
    """Edges go before their nodes do, and come after them."""
    part = _PARTS[kind][2] if kind in _PARTS else "part"
    rows = (
        ("dag_edge_removed", "edge_delete", 0, -len(old[1] - new[1])),
        (f"{part}_removed", "node_delete", -len(old[0] - new[0]), 0),
        (f"{part}_added", "node_add", len(new[0] - old[0]), 0),
        ("dag_edge_added", "edge_add", 0, len(new[1] - old[1])),
    )
    return (Update(*row) for row in rows if row[2] or row[3])


def _same_size(change: Change) -> Iterator[Update]:
    if change.kind == "network" and change.before and _topology(change.before) != _topology(change.after):
        yield Update("topology_changed", "node_update")
    names = _SAME_SIZE.get(change.kind)
    if names is None:
        return
    for event in change.events:
        verb = str(event.get("event_type", "")).removeprefix(f"{change.kind}.")
        if verb != "created":
            yield Update(names.get(verb, names[""]), "node_update")


def _topology(body: Mapping[str, Any] | None) -> Any:
    """What a network is like besides its nodes."""
    return None if body is None else (body.get("topology_type"), body.get("status"))


def _parts(kind: str, body: Mapping[str, Any] | None) -> set[str]:
    if body is None or kind not in _PARTS:
        return set()
    listed, name, _ = _PARTS[kind]
    return {str(part.get(name)) for part in body.get(listed) or ()}


def _edges(body: Mapping[str, Any] | None) -> set[tuple[str, str]]:
    """(step, step that it depends on) of a plan."""
    if body is None or "plan_id" not in body or "steps" not in body:
        return set()
    return {
        (str(step.get("step_id")), str(d)) for step in body["steps"] for d in step.get("dependencies") or ()
    }


def graph_of(kind: str, identifier: str, body: Mapping[str, Any], homes: Mapping[str, str]) -> str:
    """The graph that an object stands in: its context's, or one of its own. `homes`: object -> its context."""
    if kind == "context":
        return identifier
    if "context_id" in body:
        return str(body["context_id"])
    tags = body.get("meta", {}).get("tags")
    for tag in tags if isinstance(tags, list) else ():
        if str(tag).startswith("context:"):
            return str(tag).removeprefix("context:")
    target = str(body.get("target_id"))
    return target if body.get("target_type") == "context" else homes.get(target, identifier)
