"""A run as one page of HTML that needs nothing else: no script, no picture, no font from elsewhere."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

from markupsafe import Markup

from mplp_cli import __version__
from mplp_cli.observe.graph import Graph
from mplp_cli.observe.picture import Mark, What
from mplp_cli.render.report.bars import HEIGHT, bars, gap_text, percent, tick_texts
from mplp_cli.render.report.charts import area, chart
from mplp_cli.render.report.diagram import picture_of
from mplp_cli.render.report.gathered import Reported
from mplp_cli.render.report.markup import joined, tag
from mplp_cli.render.report.palette import STATUS
from mplp_cli.render.report.style import ROOM, page_style, patterns
from mplp_cli.render.report.told import errors_of, head_of, tables_of
from mplp_cli.render.report.words import WHAT, counts_text, name, shown
from mplp_cli.render.theme import PLAIN
from mplp_cli.workflow.values import duration_text


def page(one: Reported, made: int) -> str:
    """The whole page; `made` is the moment at which it is made (ms since the epoch)."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    jinja = Environment(
        loader=FileSystemLoader(ROOM),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_safe,
        trim_blocks=True,
    )
    style = Markup(page_style())  # noqa: S704 - a file of this package
    tables = tables_of(one)
    charts = [(drawn, area(drawn)) for drawn in (chart(level, one.axis) for level in one.levels)]
    errors = errors_of(one)
    return jinja.get_template("page.html.j2").render(
        version=__version__,
        policy=policy(str(style)),
        style=style,
        colour=STATUS,
        glyphs={status: PLAIN.glyph(status) for status in STATUS},
        head=head_of(one, made),
        errors=errors,
        timeline=_timeline(one),
        axis=_axis(one),
        patterns=patterns(),
        graph=_graph(one.graph),
        charts=charts,
        tables=tables,
        parts=[
            *([("errors", "What failed")] if errors["count"] else []),
            ("timeline", "Timeline"),
            ("graph", "Graph"),
            *([("resources", "Resources")] if charts else []),
            *((table.id, table.title) for table in tables),
        ],
    )


def policy(style: str) -> str:
    """What the page may load: its own style, and nothing at all besides."""
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'none'"
    )


def _safe(value: Any) -> Any:
    """Every text of the page, before it is escaped."""
    return shown(value, 4_000) if isinstance(value, str) and not isinstance(value, Markup) else value


# ---- the timeline


def _timeline(one: Reported) -> dict[str, Any]:
    many = sum(row.steps for row in one.rows if row.steps > 1)
    said = f"From the start to the end, {duration_text(one.picture.ended - one.picture.begun)}."
    if one.critical:
        chain = [name(one.plan.steps[i].id) for i in one.critical]
        shortened = (
            f"{', '.join(chain[:6])} and {len(chain) - 6:,} more" if len(chain) > 7 else ", ".join(chain)
        )
        said += f" The end waited for the critical path: {shortened}."
    if many:
        said += f" {many:,} steps without anything special share rows."
    return {
        "said": said,
        "pauses": [_pause(kind, ended - begun) for kind, begun, ended in one.picture.pauses[:20]]
        + [f"At the mark: {gap_text(gap.begun, gap.ended)}." for gap in one.axis.gaps[:20]],
        "legend": _legend(one),
        "rows": [
            {
                "label": row.label,
                "status": row.status,
                "depth": row.depth,
                "critical": row.critical,
                "note": row.note,
                "took": row.took,
                "picture": joined([*_gaps(one), *bars(row.marks, one.axis, scale=percent, begin=percent)]),
            }
            for row in one.rows
        ],
    }


def _pause(kind: str, length: int) -> str:
    said = {"turn": "waited for its turn", "paused": "was paused", "nobody": "was driven by nobody"}[kind]
    return f"The run {said} for {duration_text(length)}."


def _gaps(one: Reported) -> list[Markup]:
    return [
        tag(
            "rect", class_="gap", x=percent(gap.left), y=0, width=percent(gap.right - gap.left), height=HEIGHT
        )
        for gap in one.axis.gaps
    ]


def _axis(one: Reported) -> Markup:
    parts = _gaps(one)
    for text, place in tick_texts(one.axis, 5):
        anchor = "end" if place > 0.86 else "start"
        parts.append(tag("line", class_="grid", x1=percent(place), x2=percent(place), y1=0, y2=20))
        parts.append(
            tag("text", text, x=percent(place), dx=-3 if anchor == "end" else 3, y=14, text_anchor=anchor)
        )
    return joined(parts)


def _legend(one: Reported) -> list[tuple[Markup, str]]:
    """What is there of the kinds of bars, with its words."""
    kinds: set[tuple[What, str]] = set()
    for row in one.rows:
        kinds |= {(mark.what, mark.outcome if mark.what == "attempt" else "") for mark in row.marks}
    made = []
    for what in WHAT:
        for outcome in sorted(outcome for kind, outcome in kinds if kind == what):
            text = f"an attempt, {outcome}" if outcome else WHAT[what]
            sample = Mark(what=what, begun=0, ended=1, outcome=outcome)
            whole = type(one.axis)(moments=(0, 1), places=(0.0, 1.0))
            drawn = bars(
                [sample], whole, scale=lambda place: 32 * place, begin=lambda place: 1 + place, titles=False
            )
            made.append((joined(drawn), text))
    return made


# ---- the graph


def _graph(graph: Graph) -> dict[str, Any]:
    body, width, height = picture_of(graph)
    picture = tag(
        "svg",
        tag("title", "Graph of the workflow"),
        tag(
            "desc",
            "Each step with its type and status; arrows lead to what comes after. The table below says the same.",
        ),
        body,
        width=width,
        height=height,
        viewBox=f"0 0 {width} {height}",
        role="img",
        aria_label="Graph of the workflow",
    )
    folded = sum(node.size for node in graph.every() if node.folded)
    said = "Underlined names are of the critical path. Arrows that follow from others are left out."
    if folded:
        said += f" {folded:,} steps beside or behind each other are drawn as few."
    return {"picture": picture, "said": said, "rows": list(_graph_rows(graph, ""))}


def _graph_rows(graph: Graph, within: str) -> list[dict[str, str]]:
    named = {node.key: name(node.id) for node in graph.nodes}
    before: dict[int, list[str]] = {}
    for arrow in graph.arrows:
        before.setdefault(arrow.target, []).append(named[arrow.source])
    rows = []
    for node in graph.nodes:
        after = before.get(node.key, [])
        listed = ", ".join(after[:12]) + (f" and {len(after) - 12:,} more" if len(after) > 12 else "")
        rows.append(
            {
                "id": named[node.key],
                "kind": node.kind,
                "within": within,
                "status": counts_text(node.counts),
                "after": listed,
            }
        )
        if node.inside is not None:
            rows += _graph_rows(node.inside, named[node.key])
    return rows
