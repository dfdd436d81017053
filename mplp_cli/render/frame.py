"""One frame of the live view: a pure function of the run, the moment and the size of the terminal."""

from __future__ import annotations

from collections.abc import Mapping

from mplp_cli.render.ink import Line, Screen, cells
from mplp_cli.render.rows import MoreRow, Row, StepRow, choose
from mplp_cli.render.steptext import detail
from mplp_cli.render.tails import Tails
from mplp_cli.render.theme import STATUS_ORDER, STATUS_STYLE, Theme, safe, safe_output
from mplp_cli.render.tracker import Tracker
from mplp_cli.render.view import (
    ENDED,
    RunView,
    approve_command,
    asked_in,
    is_leaf,
    pause_text,
    run_took,
    short_id,
    took,
)
from mplp_cli.workflow.plan import Plan
from mplp_cli.workflow.values import duration_text

#: Room for a time.
_TIME = 8
#: Times stand here at most, not at the far edge of a wide terminal.
_WIDE = 110
#: A bar longer than this says no more.
_BAR_MOST = 40
#: And one shorter than this says too little.
_BAR_LEAST = 16
_DETAIL_STYLE = {"failed": "bad", "retrying": "warn", "waiting": "warn"}
_ID_STYLE = {"pending": "dim", "queued": "dim", "skipped": "dim", "omitted": "dim", "completed": ""}


def frame(
    tracker: Tracker, tails: Tails, now: int, width: int, height: int, theme: Theme, waits: str = ""
) -> Screen:
    """The whole view, at most `width` by `height`. `waits`: what the run waits for before it begins."""
    airy = height >= 16
    head = [_title(tracker.plan, tracker.state, now, min(width, _WIDE), theme)]
    if waits:
        head.append(Line(f"  {waits}", "warn"))
    foot = [*_progress(tracker, width, theme), *_questions(tracker, theme)]
    gap = [Line()] if airy else []
    room = height - len(head) - len(foot) - 2 * len(gap)
    body = _body(tracker, choose(tracker, tails, room), tails, now, width, theme)
    lines = [*head, *gap, *body, *gap, *foot] if room > 0 else [*head, *foot]
    return Screen([line.fit(width, theme.glyph("more")) for line in lines[: max(height, 0)]])


# ---- head and foot -----------------------------------------------------------------------------


def _title(plan: Plan, state: RunView, now: int, width: int, theme: Theme) -> Line:
    status = state.status
    glyph = theme.spinner(now) if status == "running" else theme.glyph(status)
    line = Line(f"{glyph} ", STATUS_STYLE[status]).add(plan.workflow.id, "strong")
    if status == "running" and state.pausing is not None:
        line.add(f"  pausing{pause_text(state.pausing)}", STATUS_STYLE["paused"])
    if status != "running":
        line.add(f"  {status}", STATUS_STYLE[status])
    line.add(f"  {short_id(state.run_id)}", "dim")
    return _right(line, duration_text(_settled(run_took(state, now))), "", width, theme)


def _progress(tracker: Tracker, width: int, theme: Theme) -> list[Line]:
    ended, total = tracker.ended, tracker.total
    said = f" {ended:,} of {total:,}"
    counts = _counts(tracker.leaves, theme, words=True)
    if counts.width > width:
        counts = _counts(tracker.leaves, theme, words=False)
    room = width - cells(said)
    beside = room - counts.width - 3
    size = min(_BAR_MOST, beside if beside >= _BAR_LEAST else room)
    bar = bar_line(ended / total if total else 0.0, max(size, 4), theme).add(said)
    if beside >= _BAR_LEAST:
        return [bar.add("   ").extend(counts)]
    return [bar, counts] if counts.pieces else [bar]


def bar_line(share: float, size: int, theme: Theme, style: str = "ok") -> Line:
    """A bar of `size` columns, filled to `share` (0 to 1)."""
    full = min(max(int(share * size), 1 if share > 0 else 0), size)
    return Line(theme.glyph("bar") * full, style).add(theme.glyph("track") * (size - full), "dim")


def _counts(counts: Mapping[str, int], theme: Theme, *, words: bool) -> Line:
    line = Line()
    for status in STATUS_ORDER:
        if counts.get(status) and status != "pending":
            line.add("  " if line.pieces else "")
            line.add(f"{theme.glyph(status)} {counts[status]:,}", STATUS_STYLE[status])
            line.add(f" {status}" if words else "", "dim")
    return line


def _questions(tracker: Tracker, theme: Theme) -> list[Line]:
    """How to answer what the run waits for, one line each for the first two."""
    state = tracker.state
    asked = [i for i in state.approvals if state.step_status[i] == "waiting"][:2]
    mark = f"{theme.glyph('waiting')} "
    places = [(i, *asked_in(tracker.plan, state, i)) for i in asked]
    return [
        Line(mark, "warn").add(approve_command(short_id(run), step, state.approvals[i]), "key")
        for i, run, step in places
        if step
    ]


def _right(line: Line, text: str, style: str, width: int, theme: Theme) -> Line:
    """`line`, cut where `text` begins at the right edge."""
    return line.fit(width - cells(text) - 1, theme.glyph("more")).pad(width - cells(text)).add(text, style)


def _settled(ms: int) -> int:
    """Time that runs, in steps of a tenth of a second, so that it does not flicker through `7ms`."""
    return ms // 100 * 100


# ---- the steps ---------------------------------------------------------------------------------


def _body(tracker: Tracker, rows: list[Row], tails: Tails, now: int, width: int, theme: Theme) -> list[Line]:
    steps = tracker.plan.steps
    column = _detail_column(tracker, rows, min(width, _WIDE))
    lines: list[Line] = []
    for row in rows:
        if isinstance(row, MoreRow):
            indent = "  " * _depth(row.depth, width)
            lines.append(Line(f"{indent}{theme.glyph('more')} {row.text}", "dim"))
            continue
        lines.append(_step(tracker, row, now, min(width, _WIDE), column, theme))
        indent = "  " * (_depth(row.depth, width) + 1)
        gutter = f"{indent}{theme.glyph('gutter')} "
        wrote = tails.last(steps[row.number].id, row.tail)
        lines.extend(Line(gutter, "dim").add(safe_output(text[: 4 * width]), "dim") for text in wrote)
    return lines


def _depth(depth: int, width: int) -> int:
    return min(depth, width // 10)


def _detail_column(tracker: Tracker, rows: list[Row], width: int) -> int:
    """Where the middle column begins: after the longest id, within reason."""
    steps = tracker.plan.steps
    ends = [
        2 * _depth(row.depth, width) + 2 + cells(safe(steps[row.number].id[:width]))
        for row in rows
        if isinstance(row, StepRow)
    ]
    return min(max(ends, default=0) + 2, max(width * 2 // 5, 12))


def _step(tracker: Tracker, row: StepRow, now: int, width: int, column: int, theme: Theme) -> Line:
    state, i = tracker.state, row.number
    step, status = tracker.plan.steps[i], state.step_status[i]
    glyph = theme.spinner(now) if status == "running" else theme.glyph(status)
    more = theme.glyph("more")
    line = Line("  " * _depth(row.depth, width)).add(f"{glyph} ", STATUS_STYLE[status])
    line.add(step.id[: 4 * width], _ID_STYLE.get(status, "strong"))
    spent = took(state, i, now)
    time = duration_text(spent if status in ENDED else _settled(spent)) if spent else ""
    said = detail(tracker.plan, state, i, now, {} if is_leaf(step) else tracker.children.get(i, {}))
    if said:
        line = line.fit(column - 2, more).pad(column).add(said[: 4 * width], _DETAIL_STYLE.get(status, "dim"))
    if not time:
        return line
    return _right(line, time.rjust(_TIME), "dim" if status in ENDED else "", width, theme)
