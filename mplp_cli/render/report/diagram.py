"""The graph of a workflow as SVG."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from markupsafe import Markup

from mplp_cli.observe.graph import Graph, Node, reduced
from mplp_cli.observe.layout import Hop
from mplp_cli.observe.placing import Frame, Line, Placed, place
from mplp_cli.render.ink import cells
from mplp_cli.render.report.markup import joined, tag
from mplp_cli.render.report.palette import STATUS
from mplp_cli.render.report.words import counts_text, name
from mplp_cli.render.theme import PLAIN

#: Pixels.
_LETTER: Final = 8.3
_SMALL: Final = 6.4
_FRAME: Final = Frame(left=14, top=32, bottom=14, between=22, below=9)
_MARGIN: Final = 8
_HEIGHT: Final = 46


def picture_of(graph: Graph) -> tuple[Markup, int, int]:
    """The drawing as elements, with its width and height."""
    drawing = place(_thinned(graph), _size, _FRAME)
    parts = [_line(one) for one in drawing.lines]
    boxes = [_box(one) for one in drawing.placed if one.node.inside is not None]
    leaves = [_leaf(one) for one in drawing.placed if one.node.inside is None]
    body = tag("g", joined([*boxes, *parts, *leaves]), transform=f"translate({_MARGIN},{_MARGIN})")
    return body, drawing.width + 2 * _MARGIN, drawing.height + 2 * _MARGIN


def _thinned(graph: Graph) -> Graph:
    from msgspec.structs import replace

    nodes = tuple(
        node if node.inside is None else replace(node, inside=_thinned(node.inside)) for node in graph.nodes
    )
    return reduced(replace(graph, nodes=nodes))


def title_of(node: Node) -> str:
    """What a node is called."""
    return name(node.id)


def under(node: Node) -> str:
    """The second line: its type and how it stands."""
    return ", ".join(part for part in (node.kind, counts_text(node.counts)) if part)


def glyph(node: Node) -> str:
    """The shape of its status."""
    return PLAIN.glyph(node.status) if node.status else ""


def _head(node: Node) -> str:
    return f"{glyph(node)} {title_of(node)}".strip()


def _size(node: Node) -> tuple[int, int]:
    wide = max(cells(_head(node)) * _LETTER, cells(under(node)) * _SMALL)
    if node.inside is not None:
        wide = cells(_head(node)) * _LETTER + (cells(under(node)) + 2) * _SMALL
    return int(wide) + 24, _HEIGHT


def _kind(node: Node) -> str:
    status = f" s-{STATUS[node.status]}" if node.status else ""
    return f"{status} critical" if node.critical else status


def _leaf(one: Placed) -> Markup:
    node = one.node
    shape = tag("rect", x=one.x, y=one.y, width=one.width, height=one.height, rx=3 if node.folded else 7)
    more = []
    if node.folded:
        more = [
            tag("rect", class_="behind", x=one.x + 4, y=one.y - 4, width=one.width, height=one.height, rx=3)
        ]
    middle = one.x + one.width // 2
    words = [
        tag("text", _head(node), class_="t", x=middle, y=one.y + 19, text_anchor="middle"),
        tag("text", under(node), class_="u", x=middle, y=one.y + 36, text_anchor="middle"),
    ]
    told = tag("title", f"{title_of(node)}: {under(node)}")
    return tag("g", told, *more, shape, *words, class_=f"node{_kind(node)}")


def _box(one: Placed) -> Markup:
    node = one.node
    head = _head(node)
    return tag(
        "g",
        tag("title", f"{title_of(node)}: {under(node)}"),
        tag("rect", x=one.x, y=one.y, width=one.width, height=one.height, rx=10),
        tag("text", head, class_="t", x=one.x + 12, y=one.y + 20),
        tag("text", under(node), class_="u", x=one.x + 18 + int(cells(head) * _LETTER), y=one.y + 20),
        class_=f"box{_kind(node)}",
    )


def _line(line: Line) -> Markup:
    last = line.hops[-1]
    tip = f"M{last.x2 - 4},{last.y2 - 7}L{last.x2},{last.y2}L{last.x2 + 4},{last.y2 - 7}Z"
    return tag(
        "g",
        tag("path", class_="way", d=_way(line.hops)),
        tag("path", class_="tip", d=tip),
        class_=f"arrow {line.kind}",
    )


def _way(hops: Sequence[Hop]) -> str:
    made = f"M{hops[0].x1},{hops[0].y1}"
    for n, hop in enumerate(hops):
        if n:
            made += f"L{hop.x1},{hop.y1}"
        middle = (hop.clear + hop.y2) // 2
        made += f"V{hop.clear}C{hop.x1},{middle} {hop.x2},{middle} {hop.x2},{hop.y2}"
    return made


__all__ = ["glyph", "picture_of", "title_of", "under"]
