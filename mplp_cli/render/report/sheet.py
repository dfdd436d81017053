"""A run, or a graph alone, as one picture in SVG that needs nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from markupsafe import Markup

from mplp_cli.observe.graph import Graph
from mplp_cli.render.report.bars import bars, tick_texts
from mplp_cli.render.report.charts import HEIGHT as AREA
from mplp_cli.render.report.charts import chart
from mplp_cli.render.report.diagram import picture_of
from mplp_cli.render.report.gathered import Reported
from mplp_cli.render.report.markup import joined, tag
from mplp_cli.render.report.style import colours, patterns
from mplp_cli.render.report.told import facts_of, head_of
from mplp_cli.render.report.words import shown
from mplp_cli.render.theme import PLAIN

#: Pixels: margin, column of names, column of bars, height of a row.
_MARGIN: Final = 24
_NAMES: Final = 320
_BARS: Final = 700
_ROW: Final = 22
_WIDTH: Final = _MARGIN * 2 + _NAMES + _BARS + 90
_STYLE: Final = (
    ".paper{fill:var(--paper)}text{font:13px system-ui,sans-serif;fill:var(--ink)}.h1{font-size:22px;font-weight:700}"
    ".h2{font-size:16px;font-weight:600}.small{font-size:11px;fill:var(--soft)}.area{fill:var(--busy)}.card{fill:var(--card)}\n"
)


def graph_sheet(graph: Graph, title: str) -> str:
    """The graph of a workflow alone."""
    body, width, height = picture_of(graph)
    return _sheet(
        [body],
        width,
        height,
        shown(title, 200),
        "Each step with its type and status, and what comes after what.",
    )


def run_sheet(one: Reported, made: int) -> str:
    """A run: its head, what failed, the timeline, what was held, and the graph."""
    head = head_of(one, made)
    parts: list[Markup] = []
    y = _MARGIN + 22
    parts.append(_text(f"{head['title']}: {PLAIN.glyph(one.status)} {head['status']}", y, "h1"))
    y += 22
    for line in (head["sentence"], *(f"{key}: {value}" for key, value in facts_of(one))):
        parts.append(_text(shown(str(line), 150), y))
        y += 18
    for draw in (_timeline, _areas, _graph):
        drawn, y = draw(one, y + 18)
        parts += drawn
    _, width, _ = picture_of(one.graph)
    said = f"Run {one.state.run_id}: {head['sentence']}"
    return _sheet([patterns(), *parts], max(_WIDTH, width + 2 * _MARGIN), y + _MARGIN, head["title"], said)


def _sheet(parts: Sequence[Markup], width: int, height: int, title: str, said: str) -> str:
    style = Markup(colours() + _STYLE)  # noqa: S704 - of this package
    drawn = tag(
        "svg",
        tag("title", title, id="title"),
        tag("desc", said, id="desc"),
        tag("style", style),
        tag("rect", class_="paper", width=width, height=height),
        *parts,
        xmlns="http://www.w3.org/2000/svg",
        lang="en",
        width=width,
        height=height,
        viewBox=f"0 0 {width} {height}",
        role="img",
        aria_labelledby="title desc",
    )
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{drawn}\n'


def _text(said: str, y: int, kind: str | None = None, x: float = _MARGIN) -> Markup:
    return tag("text", said, x=x, y=y, class_=kind)


def _timeline(one: Reported, y: int) -> tuple[list[Markup], int]:
    left = _MARGIN + _NAMES
    parts = [_text("Timeline", y + 4, "h2")]
    bottom = y + 14 + _ROW * (len(one.rows) + 1)
    for gap in one.axis.gaps:
        wide = (gap.right - gap.left) * _BARS
        parts.append(
            tag("rect", class_="gap", x=left + gap.left * _BARS, y=y + 14, width=wide, height=bottom - y - 14)
        )
    for said, place in tick_texts(one.axis, 7):
        x = left + place * _BARS
        parts.append(tag("line", class_="grid", x1=x, x2=x, y1=y + 12, y2=bottom))
        parts.append(tag("text", said, class_="small", x=x + 3, y=y + 26))
    y += 14 + _ROW
    for row in one.rows:
        sign = f"{PLAIN.glyph(row.status)} " if row.status else ""
        label = f"{sign}{row.label}{' (critical)' if row.critical else ''}"
        parts.append(_text(shown(label, 44 - 2 * row.depth), y + 15, x=_MARGIN + 12 * row.depth))
        parts += bars(
            row.marks,
            one.axis,
            scale=lambda place: place * _BARS,
            begin=lambda place: left + place * _BARS,
            top=y + 2,
        )
        parts.append(_text(row.took, y + 15, "small", left + _BARS + 8))
        y += _ROW
    return parts, y


def _areas(one: Reported, y: int) -> tuple[list[Markup], int]:
    if not one.levels:
        return [], y
    parts = [_text("Resources over time", y + 4, "h2")]
    y += 18
    left = _MARGIN + _NAMES
    for drawn in (chart(level, one.axis) for level in one.levels):
        there = f" of {drawn.capacity}" if drawn.capacity else ""
        parts.append(_text(shown(drawn.title, 40), y + 18))
        parts.append(_text(f"at most {drawn.peak}{there}, {drawn.mean} on average", y + 34, "small"))
        parts.append(tag("rect", class_="card", x=left, y=y, width=_BARS, height=AREA))
        parts.append(
            tag(
                "path",
                class_="area",
                d=drawn.path,
                transform=f"translate({left},{y}) scale({_BARS / 1000},1)",
            )
        )
        y += AREA + 12
    return parts, y


def _graph(one: Reported, y: int) -> tuple[list[Markup], int]:
    body, _, height = picture_of(one.graph)
    parts = [
        _text("Graph of the workflow", y + 4, "h2"),
        tag("g", body, transform=f"translate({_MARGIN},{y + 16})"),
    ]
    return parts, y + 16 + height


__all__ = ["graph_sheet", "joined", "run_sheet"]
