"""The graph of a workflow in characters: boxes, and arrows between them."""

from __future__ import annotations

from functools import reduce
from operator import or_
from typing import Final

from mplp_cli.observe.graph import Graph, Node
from mplp_cli.observe.placing import Frame, Line, Placed, place
from mplp_cli.render.ink import cells
from mplp_cli.render.report.words import counts_text, name
from mplp_cli.render.theme import Theme

_FRAME: Final = Frame(left=2, top=2, bottom=1, between=3, below=1)
#: Which sides of a cell a line leaves it by: up, right, down, left -> what is drawn.
_UP, _RIGHT, _DOWN, _LEFT = 1, 2, 4, 8
_UNICODE: Final = " │─└││┌├─┘─┴┐┤┬┼"
_ASCII: Final = " |-+||++-+-+++++"


class _Sheet:
    """Cells with characters, and lines that run through them."""

    def __init__(self, theme: Theme) -> None:
        self.theme = theme
        self.text: dict[tuple[int, int], str] = {}
        #: Of each cell, by which sides the arrows of a source leave it.
        self.sides: dict[tuple[int, int], dict[int, int]] = {}

    def write(self, x: int, y: int, text: str) -> None:
        at = x
        for char in text:
            self.text[at, y] = char
            wide = cells(char)
            for more in range(1, wide):
                self.text[at + more, y] = ""
            at += wide

    def go(self, source: int, x1: int, y1: int, x2: int, y2: int) -> None:
        """A straight line through cells, both ends included."""
        if x1 == x2:
            for y in range(min(y1, y2), max(y1, y2)):
                self._leave(source, (x1, y), _DOWN)
                self._leave(source, (x1, y + 1), _UP)
        else:
            for x in range(min(x1, x2), max(x1, x2)):
                self._leave(source, (x, y1), _RIGHT)
                self._leave(source, (x + 1, y1), _LEFT)

    def _leave(self, source: int, cell: tuple[int, int], side: int) -> None:
        known = self.sides.setdefault(cell, {})
        known[source] = known.get(source, 0) | side

    def _sign(self, cell: tuple[int, int]) -> str:
        signs = _UNICODE if self.theme.unicode else _ASCII
        ways = set(self.sides[cell].values())
        if ways == {_UP | _DOWN, _LEFT | _RIGHT}:
            return signs[_UP | _DOWN]  # one passes under the other
        return signs[reduce(or_, ways)]

    def lines(self) -> list[str]:
        """The rows."""
        drawn = {cell: self._sign(cell) for cell in self.sides} | self.text
        height = max((y for _, y in drawn), default=-1) + 1
        rows: list[list[str]] = [[] for _ in range(height)]
        for (x, y), char in sorted(drawn.items(), key=lambda one: (one[0][1], one[0][0])):
            row = rows[y]
            row.extend(" " * (x - len(row)))
            row.append(char)
        return ["".join(row).rstrip() for row in rows]


def boxes_of(graph: Graph, theme: Theme) -> list[str]:
    """The drawing, line by line, as wide as it is."""

    def size(node: Node) -> tuple[int, int]:
        return cells(_label(node, theme)) + (4 if node.inside is None else 6), 3

    drawing = place(graph, size, _FRAME)
    sheet = _Sheet(theme)
    for line in drawing.lines:
        _run(sheet, line)
    for one in drawing.placed:
        _frame(sheet, one, theme)
    for line in drawing.lines:
        tip = line.hops[-1]
        sheet.write(tip.x2, tip.y2 - 1, "▼" if theme.unicode else "v")
    return sheet.lines()


def _label(node: Node, theme: Theme) -> str:
    sign = f"{theme.glyph(node.status)} " if node.status else ""
    text = name(node.id)
    if not theme.unicode:
        text = text.encode("ascii", "backslashreplace").decode()
    how = counts_text(node.counts)
    return f"{sign}{text}" + (f" ({how})" if how and (how != "completed" or node.folded) else "")


def _run(sheet: _Sheet, line: Line) -> None:
    for n, hop in enumerate(line.hops):
        if n:
            sheet.go(line.source, line.hops[n - 1].x2, hop.y1, hop.x1, hop.y1)
        if hop.x1 == hop.x2:
            sheet.go(line.source, hop.x1, hop.y1, hop.x2, hop.y2 - (n == len(line.hops) - 1))
        else:
            sheet.go(line.source, hop.x1, hop.y1, hop.x1, hop.track)
            sheet.go(line.source, hop.x1, hop.track, hop.x2, hop.track)
            sheet.go(line.source, hop.x2, hop.track, hop.x2, hop.y2 - (n == len(line.hops) - 1))


def _frame(sheet: _Sheet, one: Placed, theme: Theme) -> None:
    flat, side = ("─", "│") if theme.unicode else ("-", "|")
    corners = "╭╮╰╯" if theme.unicode else "++++"
    if one.node.inside is not None:
        corners = "┌┐└┘" if theme.unicode else "++++"
    right, bottom = one.x + one.width - 1, one.y + one.height - 1
    for x in range(one.x + 1, right):
        sheet.text[x, one.y] = sheet.text[x, bottom] = flat
    for y in range(one.y + 1, bottom):
        sheet.text[one.x, y] = sheet.text[right, y] = side
    for (x, y), corner in zip(
        ((one.x, one.y), (right, one.y), (one.x, bottom), (right, bottom)), corners, strict=True
    ):
        sheet.text[x, y] = corner
    label = _label(one.node, theme)
    if one.node.inside is not None:
        sheet.write(one.x + 2, one.y, f" {label} "[: one.width - 3])
    else:
        sheet.write(one.x + 2, one.y + 1, label)
