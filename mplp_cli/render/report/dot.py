"""The graph of a workflow in the language of Graphviz."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from mplp_cli.observe.graph import Graph, Node
from mplp_cli.render.report.diagram import glyph, title_of, under
from mplp_cli.render.report.palette import COLOURS, STATUS

_KINDS: Final = {
    "needs": "",
    "fallback": ' style=dashed label="if it fails"',
    "finally": " style=dashed",
}


def dot(graph: Graph, title: str) -> str:
    """The whole text. Boxes are clusters; an arrow from or to one is tied to a node in it."""
    inner = {node.key: _first(node) for node in graph.every()}
    boxes = {node.key for node in graph.every() if node.inside is not None}
    head = [
        f"digraph {_quoted(title)} {{",
        "  compound=true;",
        '  node [shape=box style=rounded fontname="sans-serif"];',
        '  graph [fontname="sans-serif"];',
    ]
    return "\n".join([*head, *_inside(graph, 1, inner, boxes), "}"]) + "\n"


def _first(node: Node) -> int:
    """A node in a box that an arrow can be tied to."""
    while node.inside is not None and node.inside.nodes:
        node = node.inside.nodes[0]
    return node.key


def _inside(graph: Graph, depth: int, inner: dict[int, int], boxes: set[int]) -> Iterator[str]:
    indent = "  " * depth
    for node in graph.nodes:
        label = "label=" + _quoted(*filter(None, (f"{glyph(node)} {title_of(node)}".strip(), under(node))))
        if node.inside is None:
            yield f"{indent}n{node.key} [{label}{_colour(node)}];"
        else:
            yield f"{indent}subgraph cluster_{node.key} {{"
            yield f"{indent}  graph [{label} style=rounded{_colour(node)}];"
            yield from _inside(node.inside, depth + 1, inner, boxes)
            yield f"{indent}}}"
    for arrow in graph.arrows:
        ends = [
            f" {end}=cluster_{key}"
            for end, key in (("ltail", arrow.source), ("lhead", arrow.target))
            if key in boxes
        ]
        more = (_KINDS[arrow.kind] + "".join(ends)).strip()
        tail = f" [{more}]" if more else ""
        yield f"{indent}n{inner[arrow.source]} -> n{inner[arrow.target]}{tail};"


def _colour(node: Node) -> str:
    if not node.status:
        return ""
    colour = COLOURS[STATUS[node.status]][0]
    return f' color="{colour}" fontcolor="{colour}" penwidth=2'


def _quoted(*lines: str) -> str:
    r"""Text in quotes. Backslashes are doubled: `\N` and the like would be replaced; entities are not read."""
    escaped = (line.replace("\\", "\\\\").replace('"', '\\"').replace("&", "&amp;") for line in lines)
    return '"' + "\\n".join(escaped) + '"'
