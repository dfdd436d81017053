"""One frame of the dashboard: a pure function of what is seen, the moment and the size of the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, islice, zip_longest
from typing import Final

from msgspec import Struct

from mplp_cli.observe.seen import Seen, SeenRun
from mplp_cli.render import panes
from mplp_cli.render.frame import bar_line
from mplp_cli.render.ink import Line, Screen, cells
from mplp_cli.render.panes import Pane, beside, heading
from mplp_cli.render.tables import ago
from mplp_cli.render.theme import STATUS_STYLE, Theme
from mplp_cli.render.view import short_id
from mplp_cli.workflow.values import duration_text, rfc3339

#: From so many columns on, another pane fits beside.
_PANE: Final = 40
_MOST_PANES: Final = 3
#: Bars of runs.
_BAR: Final = 12


class _Room(Struct, frozen=True):
    """How much is shown: empty lines between parts, runs, lines of a pane and of what may be done; with `few` no panes
    but those that are always there."""

    airy: bool
    runs: int
    lines: int
    advice: int = 99
    few: bool = False


#: From generous to sparse; the first that fits is taken.
_ROOMS: Final = (
    _Room(airy=True, runs=16, lines=12),
    _Room(airy=True, runs=10, lines=8),
    _Room(airy=True, runs=6, lines=7),
    _Room(airy=False, runs=6, lines=7, advice=4),
    _Room(airy=False, runs=4, lines=6, advice=4),
    _Room(airy=False, runs=5, lines=6, advice=4, few=True),
    _Room(airy=False, runs=5, lines=5, advice=2, few=True),
    _Room(airy=False, runs=4, lines=5, advice=0, few=True),
    _Room(airy=False, runs=3, lines=5, advice=0, few=True),
    _Room(airy=False, runs=3, lines=3, advice=0, few=True),
    _Room(airy=False, runs=3, lines=2, advice=0, few=True),
)


def dashboard(seen: Seen, now: int, width: int, height: int | None, theme: Theme) -> Screen:
    """Everything, at most `width` by `height`; of what has no room there is less. None: as high as it needs."""
    lines: list[Line] = []
    for room in _ROOMS:
        lines = list(_frame(seen, now, width, room, theme))
        if height is None or len(lines) <= height:
            break
    return Screen([line.fit(width, theme.glyph("more")) for line in lines[:height]])


def _frame(seen: Seen, now: int, width: int, room: _Room, theme: Theme) -> Iterator[Line]:
    gap = [Line()] if room.airy else []
    yield _head(seen, now, width, theme)
    yield from gap
    yield from _runs(seen, now, width, room, theme)
    yield from gap
    yield from beside(_upper(seen, width, room, theme), width, theme, airy=room.airy)
    yield from gap
    yield from beside(_lower(seen, now, width, room, theme), width, theme, airy=room.airy)


def _upper(seen: Seen, width: int, room: _Room, theme: Theme) -> list[list[Pane]]:
    """What is measured, by columns; each pane has its place."""
    count = min(max((width + 2) // _PANE, 1), _MOST_PANES)
    size = (width - 2 * (count - 1)) // count
    fast = [panes.throughput(seen, size, theme)]
    slow = [panes.latencies(seen)]
    there = [panes.machine(seen, size, theme)]
    held = [panes.resources(seen, size, theme)]
    told = [panes.events(seen, theme)] if seen.stored and not room.few else []
    asked = [panes.agents(seen, size, theme)] if seen.agents and not room.few else []
    columns = {
        1: [[*fast, *slow, *there, *held, *told, *asked]],
        2: [[*fast, *there, *told], [*slow, *held, *asked]],
        3: [[*fast, *held], [*slow, *asked], [*there, *told]],
    }
    return [_cut(column, room.lines, theme) for column in columns[count]]


def _lower(seen: Seen, now: int, width: int, room: _Room, theme: Theme) -> list[list[Pane]]:
    """What it means."""
    wide = (width + 2) // _PANE >= _MOST_PANES
    size = (width - 2) // 2 if wide else width
    found = [panes.alerts(seen, now, size), panes.bottlenecks(seen, size, theme)]
    todo = _cut([panes.recommendations(seen, size, theme)] if room.advice else [], room.advice, theme)
    moves = [] if room.few else [panes.trends(seen, size, theme)]
    columns = [[*found, *moves], todo] if wide else [[*found, *todo, *moves]]
    return [_cut([pane for pane in column if pane.lines], room.lines, theme) for column in columns]


def _cut(shown: Sequence[Pane], most: int, theme: Theme) -> list[Pane]:
    """Panes of at most so many lines; the last says how many are not shown."""
    return [
        pane
        if len(pane.lines) <= most
        else Pane(pane.title, [*pane.lines[: most - 1], _more(len(pane.lines) - most + 1, theme)], pane.said)
        for pane in shown
    ]


def _more(count: int, theme: Theme) -> Line:
    return Line(f"{theme.glyph('more')} {count} more", "dim")


# ---- the head ----------------------------------------------------------------------------------


def _head(seen: Seen, now: int, width: int, theme: Theme) -> Line:
    overall = seen.analysis.overall
    style = "ok" if overall > 75 else "warn" if overall > 35 else "bad"
    line = Line("mplp monitor", "strong").add("  ")
    line.add(f"{overall} of 100 ", style).extend(bar_line(overall / 100, _BAR, theme, style))
    firing = sum(one.status == "firing" and not one.silenced for one in seen.alerts)
    if firing:
        line.add(f"  {firing} alert{'' if firing == 1 else 's'} firing", "bad-strong")
    if number := len(seen.analysis.bottlenecks):
        line.add(f"  {number} bottleneck{'' if number == 1 else 's'}", "warn")
    clock = f"{rfc3339(now)[11:19]} UTC"
    if line.width + cells(clock) + 2 > width:
        return line
    return line.pad(width - cells(clock)).add(clock, "dim")


# ---- runs --------------------------------------------------------------------------------------


def _runs(seen: Seen, now: int, width: int, room: _Room, theme: Theme) -> Iterator[Line]:
    yield heading("RUNS", _counted(seen, theme), width, theme)
    shown = _chosen(seen.runs, room.runs)
    if not shown:
        said = "nothing runs" if seen.stored else "nothing has run here yet; `mplp run` starts a workflow"
        yield Line(said, "dim")
        return
    name = min(max(cells(run.workflow[:60]) for run in shown), max(width // 4, 10))
    for run in shown:
        yield _run(run, now, width, name, theme)
    if len(seen.runs) > len(shown):
        yield _more(len(seen.runs) - len(shown), theme)


def _chosen(runs: Sequence[SeenRun], most: int) -> list[SeenRun]:
    """As many as fit, of each status in turn, so that none of them hides the others."""
    groups: dict[str, list[SeenRun]] = {}
    for run in runs:
        groups.setdefault(run.status, []).append(run)
    turns = chain.from_iterable(zip_longest(*groups.values()))
    kept = {run.id for run in islice((run for run in turns if run is not None), most)}
    return [run for run in runs if run.id in kept]


def _counted(seen: Seen, theme: Theme) -> str:
    going = [
        f"{seen.counts[status]:,} {status}"
        for status in ("running", "waiting", "paused", "queued", "interrupted")
        if seen.counts.get(status)
    ]
    ended = [
        f"{seen.counts[status]:,} {status}"
        for status in ("completed", "failed", "cancelled")
        if seen.counts.get(status)
    ]
    if ended:
        hours = duration_text(seen.lately).replace("1h00m", "hour")
        going.append(f"last {hours}: {', '.join(ended)}")
    return f" {theme.glyph('dot')} ".join(going)


def _run(run: SeenRun, now: int, width: int, name: int, theme: Theme) -> Line:
    style = STATUS_STYLE.get(run.status, "")
    glyph = theme.spinner(now) if run.status == "running" else theme.glyph(run.status)
    more = theme.glyph("more")
    line = Line(f"{glyph} ", style).extend(Line(run.workflow[: 4 * width], "strong").fit(name, more))
    line.pad(name + 3).add(short_id(run.id), "dim").add("  ")
    doing = run.doing
    if doing.total and width >= 72 and run.status != "failed":
        of_all = f"{doing.ended:,}/{doing.total:,}"
        line.extend(bar_line(doing.ended / doing.total, _BAR, theme)).add(f" {of_all:<7} ")
    time = ago(now - run.ended) if run.ended else duration_text(max(now - run.since, 0) // 1000 * 1000)
    time = time.replace(".0s", "s")
    room = width - cells(time) - 1
    text, tone = _said(run)
    line.add(text[: 4 * width], tone)
    return line.fit(room, more).pad(width - cells(time)).add(time, "dim")


def _said(run: SeenRun) -> tuple[str, str]:
    """What matters most of a run, and in which style."""
    if run.ask:
        return run.ask, "key"
    if run.status == "failed":
        times = f"{run.times} times, last: " if run.times > 1 else ""
        return times + (run.doing.said or f"mplp explain {short_id(run.id)}"), "bad"
    if run.status == "interrupted":
        return f"nobody drives it: mplp resume {short_id(run.id)}", "warn"
    if run.place and not run.doing.working:
        return run.place, "warn"
    if run.doing.said:
        return run.doing.said, "warn"
    working = run.doing.working
    if not working:
        return ("" if run.status == "running" else run.status), "dim"
    rest = f" and {len(working) - 2:,} more" if len(working) > 2 else ""
    queued = f", {run.doing.queued:,} queued" if run.doing.queued else ""
    return f"{', '.join(working[:2])}{rest}{queued}", "dim"
