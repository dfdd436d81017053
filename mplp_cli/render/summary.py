"""What a run came to: verdict, what failed and why, where the time went, what to do next."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence

from msgspec import UNSET

from mplp_cli.errors import Failure
from mplp_cli.render.frame import bar_line
from mplp_cli.render.grid import joined, wrapped
from mplp_cli.render.ink import Line, Screen, cells
from mplp_cli.render.spent import critical_path, longest
from mplp_cli.render.theme import STATUS_ORDER, STATUS_STYLE, Theme, safe, safe_output
from mplp_cli.render.view import (
    RunView,
    approve_command,
    asked_in,
    attempt_text,
    first_line,
    form_lines,
    is_leaf,
    run_took,
    short_id,
    took,
    unused,
)
from mplp_cli.workflow.plan import Plan
from mplp_cli.workflow.values import duration_text

#: How many failed steps are told in full, and lines of output of each.
_FAILED = 5
_OUTPUT = 8
_LONGEST = 5
_RESULTS = 5
_WARNINGS = 5
#: A run shorter than this (ms) is not asked where its time went.
_WORTH = 1_000


def summary(
    plan: Plan,
    state: RunView,
    tails: Callable[[str], Sequence[str]],
    *,
    theme: Theme,
    width: int,
    places: Mapping[str, str] | None = None,
    now: int = 0,
) -> Screen:
    """The screen after a run.

    `tails` gives the last lines a step wrote, by step id; `places` says where a step stands, as
    `file:line`; `now` ends the clock of a run that goes on later.
    """
    parts = [
        _verdict(plan, state, theme, width, now),
        _failures(plan, state, tails, theme, width, places or {}),
        _waits(plan, state),
        _time(plan, state, theme, width, now),
        _warnings(state),
        _results(plan, state, width, theme),
        _next(plan, state, width),
    ]
    lines: list[Line] = []
    for part in parts:
        if part:
            lines += [*([Line()] if lines else []), *part]
    return Screen(line.fit(width, theme.glyph("more")) for line in lines)


def _titled(title: str, lines: list[Line], count: int) -> list[Line]:
    if not lines:
        return []
    more = [Line(f"  and {count - len(lines):,} more", "dim")] if count > len(lines) else []
    return [Line(title, "strong"), *lines, *more]


def _verdict(plan: Plan, state: RunView, theme: Theme, width: int, now: int) -> list[Line]:
    style = {"completed": "ok-strong", "failed": "bad-strong"}.get(state.status, "warn")
    line = Line(f"{theme.glyph(state.status)} {plan.workflow.id} {state.status}", style)
    spent = duration_text(run_took(state, now))
    line.add(f" in {spent}" if state.ended else f", {spent} so far")
    counts = Counter(
        state.step_status[s.number] for s in plan.steps if is_leaf(s) and not unused(plan, state, s.number)
    )
    total = sum(counts.values())
    below = [Line(f"  {total:,} step{'' if total == 1 else 's'}: ", "dim")]
    for number, status in enumerate(s for s in STATUS_ORDER if counts[s]):
        text = f"{counts[status]:,} {status}"
        below[-1].add("," if number else "", "dim")
        if below[-1].width + 2 + len(text) > width:
            below.append(Line("   "))
        below[-1].add(" " if number else "").add(text, STATUS_STYLE[status])
    run = state.run_id if len(state.run_id) + 6 <= width else short_id(state.run_id)
    if state.spending.by_step:
        from mplp_cli.render.asked import agents_text

        said = wrapped(Line(agents_text(state.spending), "dim"), width - 2)
        below += [Line("  ").extend(part) for part in said]
    return [line, *below, Line(f"  run {run}", "dim")]


# ---- what went wrong ---------------------------------------------------------------------------


def _failures(
    plan: Plan,
    state: RunView,
    tails: Callable[[str], Sequence[str]],
    theme: Theme,
    width: int,
    places: Mapping[str, str],
) -> list[Line]:
    failed = [s.number for s in plan.steps if is_leaf(s) and state.step_status[s.number] == "failed"]
    lines: list[Line] = []
    for i in failed[:_FAILED]:
        step = plan.steps[i]
        lines.append(_failed(plan, state, i, theme))
        error = state.errors.get(i)
        lines += _message(error, "    ", width)
        if place := places.get(step.id):
            lines.append(Line("    at ", "dim").add(place))
        gutter = f"    {theme.glyph('gutter')} "
        lines += [Line(gutter, "dim").add(safe_output(t)) for t in list(tails(step.id))[-_OUTPUT:]]
    if not failed and state.error is not None:
        lines = _message(state.error, "  ", width)
    return _titled("What failed", lines, len(lines) + max(len(failed) - _FAILED, 0))


def _failed(plan: Plan, state: RunView, i: int, theme: Theme) -> Line:
    step = plan.steps[i]
    facts = [duration_text(took(state, i))] if state.started_at[i] else []
    if state.attempts[i] > 1:
        facts.append(attempt_text(step, state.attempts[i]))
    line = Line(f"  {theme.glyph('failed')} ", "bad").add(step.id, "bad-strong")
    return line.add(f"  {', '.join(facts)}" if facts else "", "dim")


def _message(error: Failure | None, indent: str, width: int) -> list[Line]:
    """A failure's type and message, wrapped."""
    if error is None:
        return []
    room = max(width - len(indent), 20)
    lines = f"{error.type}: {error.message}".splitlines()
    parts = [part for line in lines if line.strip() for part in wrapped(Line(line[:2_000], "bad"), room)]
    return [Line(indent).extend(part) for part in parts[:10]]


def _waits(plan: Plan, state: RunView) -> list[Line]:
    lines: list[Line] = []
    for i, approval in list(state.approvals.items())[:_FAILED]:
        step = plan.steps[i].id
        lines.append(Line("  ").add(step, "strong").add(f"  {approval.message}"))
        if approval.approvers:
            lines.append(Line(f"    asks {', '.join(approval.approvers)}", "dim"))
        run, step = asked_in(plan, state, i)
        if step:
            lines += [Line(f"    takes {text}", "dim") for text in form_lines(approval.form)]
            lines.append(Line("    ").add(approve_command(short_id(run), step, approval), "key"))
            lines.append(Line("    ").add(f"mplp reject {short_id(run)} {step} --reason TEXT", "key"))
    return _titled("Waits for an answer", lines, len(lines))


def _warnings(state: RunView) -> list[Line]:
    shown = [Line(f"  {first_line(warning)}", "warn") for warning in state.warnings[:_WARNINGS]]
    return _titled("Warnings", shown, len(state.warnings))


# ---- where the time went -----------------------------------------------------------------------


def _time(plan: Plan, state: RunView, theme: Theme, width: int, now: int) -> list[Line]:
    whole = run_took(state, now)
    slow = longest(plan, state, _LONGEST)
    if whole < _WORTH or len(slow) < 2:
        return []
    names = max(cells(safe(plan.steps[i].id)) for i in slow)
    column = min(names, width // 3) + 4
    size = min(max(width - column - 18, 8), 40)
    lines = []
    for i in slow:
        spent = took(state, i)
        line = Line("  ").add(plan.steps[i].id).fit(column - 2, theme.glyph("more")).pad(column)
        style = "bad" if state.step_status[i] == "failed" else "busy"
        line.extend(bar_line(spent / whole, size, theme, style))
        lines.append(line.add(f" {duration_text(spent):>7}").add(f" {spent * 100 // whole:>3}%", "dim"))
    lines += _critical(plan, state, theme, width)
    return _titled("Where the time went", lines, len(lines))


def _critical(plan: Plan, state: RunView, theme: Theme, width: int) -> list[Line]:
    """The chain of steps that the end of the run waited for, each with what it waited for."""
    chain = critical_path(plan, state)
    if len(chain) < 2:
        return []
    spent = sum(took(state, i) for i in chain)
    shown = chain if len(chain) <= 12 else [*chain[:5], -1, *chain[-6:]]
    names = [plan.steps[i].id if i >= 0 else theme.glyph("more") for i in shown]
    head = f"  Critical path {duration_text(spent)}: "
    return joined(names, f" {theme.glyph('arrow')} ", width, first=head, rest="    ")


# ---- results and what is next ------------------------------------------------------------------


def _results(plan: Plan, state: RunView, width: int, theme: Theme) -> list[Line]:
    """In short, what the last steps came to, unless the workflow says itself what its outputs are."""
    if state.outputs or state.status != "completed":
        return []
    last = [
        i
        for i in plan.top
        if not plan.dependants[i]
        and i not in plan.next_in_block
        and state.step_status[i] == "completed"
        and plan.steps[i].kind not in ("wait", "emit")
        and state.results[i] is not UNSET
        and state.results[i] not in (None, {}, [], "")
    ]
    lines = []
    for i in last[:_RESULTS]:
        line = Line("  ").add(plan.steps[i].id).add("  ")
        room = max(width - line.width, 20)
        lines.append(line.add(brief(state.results[i], room, theme.glyph("more")), "dim"))
    return _titled("Results", lines, len(last))


def brief(value: object, room: int, more: str = "…") -> str:
    """A value as JSON on one line of about `room` characters. A shell step's result is what it wrote."""
    if isinstance(value, dict) and "exitCode" in value and "output" in value:
        value = value["output"]
    if isinstance(value, str):
        lines = value.strip().splitlines()
        text = (lines[-1] if lines else "")[: room + 1]
    else:
        text = "".join(_encoded(value, room + 1))
    return text if len(text) <= room else text[: room - len(more)] + more


def _encoded(value: object, most: int) -> Iterator[str]:
    """Pieces of a value's JSON until there are enough of them."""
    for piece in json.JSONEncoder(ensure_ascii=False).iterencode(value):
        yield piece[:most]
        most -= len(piece)
        if most <= 0:
            return


def _next(plan: Plan, state: RunView, width: int) -> list[Line]:
    run = short_id(state.run_id)
    failed = [s.id for s in plan.steps if is_leaf(s) and state.step_status[s.number] == "failed"]
    todo: list[tuple[str, str]] = []
    if failed:
        todo.append((f"mplp logs {run} {failed[0]}", "everything it wrote"))
    if state.status in {"failed", "paused", "interrupted", "running"}:
        todo.append((f"mplp resume {run}", "go on; completed steps do not run again"))
    if state.status == "waiting":
        todo.append((f"mplp resume {run}", "go on after the answer"))
    if not todo:
        return []
    column = max(len(command) for command, _ in todo) + 4
    lines = [Line("What next", "strong")]
    for command, why in todo:
        lines.append(Line("  ").add(command, "key"))
        if column + 1 + len(why) > width:
            lines.append(Line("    "))
        else:
            lines[-1].pad(column).add(" ")
        lines[-1].add(why, "dim")
    return lines
