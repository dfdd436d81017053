"""Where the nodes and arrows of a graph stand: boxes around what is in them, from the inside out. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from msgspec import Struct

from mplp_cli.observe.graph import Graph, Node
from mplp_cli.observe.layout import Hop, arrange

#: (width, height) of a node without anything in it; of a box, what its title takes.
Measure: TypeAlias = Callable[[Node], tuple[int, int]]


class Frame(Struct, frozen=True):
    """What a box keeps free around what is in it, and what is kept between boxes and between layers."""

    left: int
    top: int
    bottom: int
    between: int
    below: int


class Placed(Struct, frozen=True):
    """A node with its place; `depth` counts the boxes around it."""

    node: Node
    x: int
    y: int
    width: int
    height: int
    depth: int


class Line(Struct, frozen=True):
    """An arrow with its place. `source` and `target` are keys of nodes."""

    source: int
    target: int
    kind: str
    hops: tuple[Hop, ...]


class Drawing(Struct, frozen=True, kw_only=True):
    """All of it; boxes stand before what is in them."""

    placed: Sequence[Placed]
    lines: Sequence[Line]
    width: int
    height: int


def place(graph: Graph, measure: Measure, frame: Frame) -> Drawing:
    """Place a graph, and what is in its boxes."""
    inner = {node.key: place(node.inside, measure, frame) for node in graph.nodes if node.inside is not None}
    sizes = {}
    for node in graph.nodes:
        width, height = measure(node)
        if (inside := inner.get(node.key)) is not None:
            width = max(width, inside.width + 2 * frame.left)
            height = inside.height + frame.top + frame.bottom
        sizes[node.key] = width, height
    arrows = [(arrow.source, arrow.target) for arrow in graph.arrows]
    kinds = {(arrow.source, arrow.target): arrow.kind for arrow in graph.arrows}
    made = arrange(sizes, arrows, between=frame.between, below=frame.below)
    placed: list[Placed] = []
    lines = [Line(one.source, one.target, kinds[one.source, one.target], one.hops) for one in made.routes]
    for node in graph.nodes:
        x, y = made.places[node.key]
        width, height = sizes[node.key]
        placed.append(Placed(node, x, y, width, height, 0))
        if (inside := inner.get(node.key)) is not None:
            dx, dy = x + (width - inside.width) // 2, y + frame.top
            placed += [
                Placed(one.node, one.x + dx, one.y + dy, one.width, one.height, one.depth + 1)
                for one in inside.placed
            ]
            lines += [
                Line(one.source, one.target, one.kind, _moved(one.hops, dx, dy)) for one in inside.lines
            ]
    return Drawing(placed=placed, lines=lines, width=made.width, height=made.height)


def _moved(hops: Sequence[Hop], dx: int, dy: int) -> tuple[Hop, ...]:
    return tuple(Hop(h.x1 + dx, h.y1 + dy, h.x2 + dx, h.y2 + dy, h.track + dy, h.clear + dy) for h in hops)
