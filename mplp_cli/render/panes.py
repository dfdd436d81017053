"""Panes of the dashboard: what is seen of a moment, each in a few lines of a given width."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from msgspec import Struct

from mplp_cli.observe.seen import Seen, SeenKind
from mplp_cli.render.amounts import count_text, part_text, rate_text, seconds_text, sparkline
from mplp_cli.render.frame import bar_line
from mplp_cli.render.grid import wrapped
from mplp_cli.render.ink import Line, clip
from mplp_cli.render.tables import ago
from mplp_cli.render.theme import Theme, safe
from mplp_cli.workflow.amounts import amount_text
from mplp_cli.workflow.bottlenecks import CPU_LIMIT, LATENCY_LIMIT, MEMORY_LIMIT
from mplp_cli.workflow.values import duration_text

#: Room for the name of a row, and for its bar.
_NAME = 9
_BAR = 10
#: Room for ` max 1.23k`.
_MOST = 10
#: Columns between panes.
_GAP = 2
#: A disk that is fuller is shown as a danger.
_DISK_LIMIT = 0.95
_SEVERITY = {"critical": "bad-strong", "high": "bad", "medium": "warn", "warning": "warn", "info": ""}
_ALERT = {"firing": "bad", "pending": "warn", "resolved": "ok"}


class Pane(Struct, frozen=True):
    """Lines under a title. `said` stands beside the title."""

    title: str
    lines: Sequence[Line]
    said: str = ""


def heading(title: str, said: str, width: int, theme: Theme) -> Line:
    """`TITLE  said ------`, over the whole width."""
    line = Line(title, "strong")
    if said:
        line.add("  ").add(said, "dim")
    line = line.fit(width, theme.glyph("more"))
    rest = width - line.width - 1
    return line.add(" ").add(theme.glyph("track") * rest, "dim") if rest > 0 else line


def beside(columns: Sequence[Sequence[Pane]], width: int, theme: Theme, *, airy: bool) -> Iterator[Line]:
    """Columns of panes side by side, `width` in all. A pane stays where it is whatever becomes of the others."""
    size = (width - _GAP * (len(columns) - 1)) // len(columns)
    stacks = [list(_stacked(panes, size, theme, airy=airy)) for panes in columns]
    for n in range(max(map(len, stacks), default=0)):
        line = Line()
        for number, stack in enumerate(stacks):
            if n < len(stack) and stack[n].pieces:
                line.add(" " * (number * (size + _GAP) - line.width))
                line.extend(stack[n].fit(size, theme.glyph("more")))
        yield line


def _stacked(panes: Sequence[Pane], size: int, theme: Theme, *, airy: bool) -> Iterator[Line]:
    for number, pane in enumerate(panes):
        if number and airy:
            yield Line()
        yield heading(pane.title, pane.said, size, theme)
        yield from pane.lines


# ---- how fast, how long ------------------------------------------------------------------------


def throughput(seen: Seen, width: int, theme: Theme) -> Pane:
    """Rates, with what they were."""
    lines = []
    for name, rate in seen.rates.items():
        line = Line(name.ljust(7)).add(rate_text(rate.now, "-").rjust(7), "strong").add(" ")
        past = rate.past[-(width - line.width - _MOST) :]
        most = max((value for value in past if value is not None), default=0.0)
        line.add(sparkline(past, len(past), theme), "busy")
        lines.append(line.add(f" max {count_text(most)}" if most else "", "dim"))
    if not seen.measured:
        lines = [Line("nothing was measured here yet", "dim")]
    return Pane("THROUGHPUT", lines, f"{seen.part // 1_000} s a column" if seen.measured else "")


def latencies(seen: Seen) -> Pane:
    """How long things take, a line each; those that did not happen are left out."""
    lines = []
    for name, found in seen.latencies.items():
        if found is not None:
            line = Line(name.ljust(_NAME))
            for value, style in ((found.p50, ""), (found.p95, "strong"), (found.p99, "")):
                line.add(seconds_text(value).rjust(8), style)
            lines.append(line.add(count_text(found.count).rjust(6), "dim"))
    if lines:
        heads = "".join(name.rjust(8) for name in ("p50", "p95", "p99"))
        lines.insert(0, Line(f"{'':{_NAME}}{heads}{'n':>6}", "dim"))
    return Pane("LATENCY", lines or [Line("nothing to measure yet", "dim")])


# ---- the machine, and the pool -----------------------------------------------------------------


def machine(seen: Seen, width: int, theme: Theme) -> Pane:
    """Bars and how they were, coloured by how near the limits are."""
    lines = []
    for name, shown, limit in (
        ("cpu", "cpu", CPU_LIMIT),
        ("memory", "memory", MEMORY_LIMIT),
        ("storage", "disk", _DISK_LIMIT),
    ):
        part = getattr(seen.machine, name).utilization
        style = _level(part or 0.0, limit)
        line = Line(shown.ljust(_NAME)).extend(bar_line(part or 0.0, _BAR, theme, style))
        line.add(part_text(part, "?").rjust(6), style if style != "ok" else "").add("  ")
        lines.append(
            line.add(sparkline(seen.machine_past.get(name, ()), width - line.width, theme, 1.0), "busy")
        )
    latency = seen.machine.network.latency
    told = "?" if latency is None else seconds_text(latency / 1000)
    style = "bad" if (latency or 0.0) > LATENCY_LIMIT else ""
    lines.append(Line("network".ljust(_NAME)).add(told, style).add(" to connect", "dim"))
    said = []
    if seen.cores:
        said.append(f"{seen.cores} core{'' if seen.cores == 1 else 's'}")
    if seen.memory:
        said.append(amount_text("memory", seen.memory))
    return Pane("MACHINE", lines, f" {theme.glyph('dot')} ".join(said))


def _level(part: float, limit: float) -> str:
    return "bad" if part > limit else "warn" if part > limit * 0.85 else "ok"


def resources(seen: Seen, width: int, theme: Theme) -> Pane:
    """Kinds of the pool that somebody holds or waits for, and by whom."""
    lines: list[Line] = []
    for kind in seen.resources:
        if kind.taken or kind.waiting:
            lines += _kind(kind, width, theme)
    rest = sum(1 for kind in seen.resources if not kind.taken and not kind.waiting)
    if not lines:
        return Pane("RESOURCES", [Line("nothing of the pool is held", "dim")])
    return Pane("RESOURCES", lines, f"{rest} free" if rest else "")


def _kind(kind: SeenKind, width: int, theme: Theme) -> Iterator[Line]:
    part = kind.taken / kind.capacity if kind.capacity else 0.0
    name = clip(safe(kind.name), _NAME - 1, theme.glyph("more"))
    style = "bad" if kind.waiting else _level(part, 1.0)
    line = Line(name).pad(_NAME).extend(bar_line(min(part, 1.0), _BAR, theme, style))
    held = amount_text(kind.name, kind.taken) if kind.taken else "0"
    line.add(f" {held} of {amount_text(kind.name, kind.capacity)}")
    if kind.waiting:
        line.add(f"  {kind.waiting} wait{'s' if kind.waiting == 1 else ''}", "warn")
    yield line
    if kind.holders:
        told = ", ".join(f"{who} {amount_text(kind.name, amount)}" for who, amount in kind.holders)
        yield Line(" " * _NAME).add(clip(safe(told), width - _NAME, theme.glyph("more")), "dim")


# ---- events and agents -------------------------------------------------------------------------


def events(seen: Seen, theme: Theme) -> Pane:
    """What readers have not dealt with, what is tried again, and the dead letters."""
    lines = [
        Line(name.ljust(_NAME))
        .add(count_text(sum(counts.values())).rjust(5), style)
        .add(f"  {_most(counts)}", "dim")
        for name, counts, style in (
            ("backlog", {k: v for k, v in seen.behind.items() if v}, "warn"),
            ("retrying", seen.retrying, "warn"),
            ("dead", seen.dead, "bad"),
        )
        if counts
    ]
    return Pane("EVENTS", lines or [Line(f"{theme.glyph('completed')} ", "ok").add("nothing waits", "dim")])


def _most(counts: Mapping[str, int]) -> str:
    ordered = sorted(counts.items(), key=lambda one: (-one[1], one[0]))
    return ", ".join(f"{name} {count:,}" for name, count in ordered)


def agents(seen: Seen, width: int, theme: Theme) -> Pane:
    """Calls, tokens and cost by agent, in the window."""
    cost = sum(one.cost for one in seen.agents)
    with_cost = cost > 0 and width >= 45
    heads = f"{'calls':>6}{'failed':>7}{'in':>6}{'out':>6}" + (f"{'cost':>7}" if with_cost else "")
    lines = [Line(" " * 13).add(heads, "dim")]
    for one in seen.agents:
        line = Line(one.name[: 4 * width]).fit(12, theme.glyph("more")).pad(13)
        line.add(count_text(one.calls).rjust(6), "strong")
        line.add(count_text(one.failed).rjust(7), "bad" if one.failed else "dim")
        line.add(count_text(one.tokens_in).rjust(6)).add(count_text(one.tokens_out).rjust(6))
        lines.append(line.add(f"${count_text(one.cost)}".rjust(7), "dim") if with_cost else line)
    said = f"last {duration_text(seen.window).replace('m00s', ' min')}"
    return Pane("AGENTS", lines, f"{said}, ${cost:,.2f}" if cost else said)


# ---- what it means -----------------------------------------------------------------------------


def alerts(seen: Seen, now: int, width: int) -> Pane:
    """Alerts, those that fire first."""
    order = ("firing", "pending", "resolved")
    ranked = sorted(
        seen.alerts, key=lambda one: (order.index(one.status) if one.status in order else 9, one.name)
    )
    lines: list[Line] = []
    for one in ranked:
        quiet = " (silenced)" if one.silenced else ""
        style = "dim" if one.silenced else _ALERT.get(one.status, "")
        first = (
            Line(f"{one.status}{quiet} ", style)
            .add(one.name, "strong")
            .add(f" {ago(now - one.since)}", "dim")
        )
        lines += [first, *_folded(Line(one.message, "dim"), width, 2)]
    return Pane("ALERTS", lines)


def bottlenecks(seen: Seen, width: int, theme: Theme) -> Pane:
    """Each in a line, with what its kind asks for."""
    lines: list[Line] = []
    for one in seen.analysis.bottlenecks:
        mark = Line(f"{one.severity:<8} ", _SEVERITY[one.severity])
        lines += _hung(mark, Line(one.description), width)
    none = [Line(f"{theme.glyph('completed')} ", "ok").add("no bottlenecks", "dim")]
    return Pane("BOTTLENECKS", lines or none)


def trends(seen: Seen, width: int, theme: Theme) -> Pane:
    """What moves, a line each; what does not, together in one."""
    lines: list[Line] = []
    still = [one.metric for one in seen.analysis.trends if one.direction == "steady"]
    unknown = [one.metric for one in seen.analysis.trends if one.direction == "unknown"]
    for one in seen.analysis.trends:
        if one.direction in ("rising", "falling"):
            style = "warn" if one.reaches is not None else "busy"
            mark = Line(f"{theme.glyph(one.direction)} ", style)
            lines += _hung(mark, Line(f"{one.metric} {one.description}"), width)
    for name, which in (("steady", still), ("unknown", unknown)):
        if which:
            why = "not enough data: " if name == "unknown" else "steady: "
            mark = Line(f"{theme.glyph(name)} ", "dim")
            lines += _hung(mark, Line(f"{why}{', '.join(which)}", "dim"), width)
    return Pane("TRENDS", lines)


def recommendations(seen: Seen, width: int, theme: Theme) -> Pane:
    """What may be done."""
    mark = f"{theme.glyph('arrow')} "
    found: Iterable[str] = seen.analysis.recommendations
    return Pane(
        "WHAT TO DO", [line for text in found for line in _hung(Line(mark, "key"), Line(text), width)]
    )


def _hung(mark: Line, text: Line, width: int) -> list[Line]:
    """Text after a mark, its further lines below its first."""
    indent = mark.width
    first, *more = wrapped(text, max(width - indent, 10)) or [Line()]
    return [mark.extend(first), *(Line(" " * indent).extend(part) for part in more)]


def _folded(text: Line, width: int, indent: int) -> list[Line]:
    return (
        [Line(" " * indent).extend(part) for part in wrapped(text, max(width - indent, 10))]
        if text.pieces
        else []
    )
