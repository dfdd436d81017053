"""The graph of a workflow as a flowchart of Mermaid."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from mplp_cli.observe.graph import Graph, Node
from mplp_cli.render.report.diagram import glyph, title_of, under
from mplp_cli.render.report.palette import COLOURS, STATUS

#: Characters that stand for themselves in a label; all others but letters and digits become entities.
_PLAIN: Final = frozenset(" .,:-_()/+")
_ARROWS: Final = {"needs": "-->", "fallback": "-. if it fails .->", "finally": "-.->"}


def mermaid(graph: Graph) -> str:
    """The whole text. Ids are made up; names stand in labels, where everything but letters and digits is escaped."""
    statuses = sorted({node.status for node in graph.every() if node.status})
    return "\n".join(["flowchart TD", *_inside(graph, 1), *map(_class, statuses)]) + "\n"


def _inside(graph: Graph, depth: int) -> Iterator[str]:
    indent = "  " * depth
    for node in graph.nodes:
        named = f":::{node.status}" if node.status else ""
        if node.inside is None:
            yield f'{indent}n{node.key}["{_label(node)}"]{named}'
        else:
            yield f'{indent}subgraph n{node.key}["{_label(node)}"]'
            yield from _inside(node.inside, depth + 1)
            yield f"{indent}end"
            if node.status:
                yield f"{indent}class n{node.key} {node.status}"
    for arrow in graph.arrows:
        yield f"{indent}n{arrow.source} {_ARROWS[arrow.kind]} n{arrow.target}"


def _label(node: Node) -> str:
    head = _escaped(f"{glyph(node)} {title_of(node)}".strip())
    return f"{head}<br/>{_escaped(below)}" if (below := under(node)) else head


def _escaped(text: str) -> str:
    return "".join(char if char.isalnum() or char in _PLAIN else f"#{ord(char)};" for char in text)


def _class(status: str) -> str:
    colour, paper = COLOURS[STATUS[status]][0], COLOURS["paper"][0]
    dashed = ",stroke-dasharray:4 3" if STATUS[status] == "off" else ""
    ink = COLOURS["ink"][0]
    return f"  classDef {status} fill:{paper},color:{ink},stroke:{colour},stroke-width:2px{dashed}"
