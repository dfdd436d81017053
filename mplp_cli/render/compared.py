"""`mplp diff`: two runs beside each other as a screen and as a document."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from msgspec import UNSET

from mplp_cli.clock import rfc3339
from mplp_cli.observe.comparison import Comparison, DefinitionChange, Difference, StepPair
from mplp_cli.render.explained import value_text
from mplp_cli.render.grid import grid, wrapped
from mplp_cli.render.ink import Line, Screen
from mplp_cli.render.theme import STATUS_STYLE, Theme
from mplp_cli.render.view import first_line, rerun_text, run_took, short_id
from mplp_cli.workflow.fold.state import RunState
from mplp_cli.workflow.values import Json, duration_text

_SHORT = 60


def compared_screen(
    told: Comparison, theme: Theme, width: int, *, everything: bool = False, statuses: tuple[str, str]
) -> Screen:
    """The verdict, both runs, and what differs; with `everything` also the steps that are the same."""
    lines = [*wrapped(_verdict(told), width)]
    if linked := _linked(told):
        lines += wrapped(Line(linked), width)
    lines.append(Line())
    lines += _runs(told, theme, width, statuses)
    if told.definition:
        lines += _title("Definition")
        for change in told.definition:
            lines += [Line("  ").extend(part) for part in wrapped(Line(definition_text(change)), width - 2)]
    if told.inputs:
        rows = [(Line(f"  {d.path}", "strong"), _value(d.first), _value(d.second)) for d in told.inputs]
        lines += [Line(), *grid(("  INPUT", "FIRST", "SECOND"), rows, theme=theme, width=width)]
    shown = [pair for pair in told.steps if everything or pair.differs]
    if shown:
        lines += [Line(), *_steps(shown, theme, width)]
    if told.outputs is not None:
        rows = [
            (
                Line(f"  {told.outputs.path}", "strong"),
                _value(told.outputs.first),
                _value(told.outputs.second),
            )
        ]
        lines += [Line(), *grid(("  OUTPUT", "FIRST", "SECOND"), rows, theme=theme, width=width)]
    equal = sum(not pair.differs for pair in told.steps)
    if equal and not everything:
        word = "step is" if equal == 1 else "steps are"
        said = Line(f"{equal:,} {word} the same; --all lists them with their times", "dim")
        lines += [Line(), *wrapped(said, width)]
    return Screen(lines)


def _title(text: str) -> list[Line]:
    return [Line(), Line(text, "strong")]


def _verdict(told: Comparison) -> Line:
    if told.first is None:
        return Line("The runs are the same.", "ok")
    return Line(f"The runs differ, first in {first_text(told)}.", "bad")


def _linked(told: Comparison) -> str:
    """Whether one of the runs is a rerun of the other; empty if not."""
    for name, other, run, old in (("second", "first", 1, 0), ("first", "second", 0, 1)):
        rerun = told.runs[run].rerun
        if rerun is not None and rerun.of == told.runs[old].run_id:
            how = rerun_text(rerun).partition(",")[2]
            return f"The {name} run is a rerun of the {other}{f',{how}' if how else ''}."
    return ""


def first_text(told: Comparison) -> str:
    """Where they part, in words."""
    assert told.first is not None
    what, name = told.first
    match what:
        case "definition":
            return f"the definition of step `{name}`" if name else "the definition of the workflow"
        case "input":
            return f"the input `{name}`"
        case "step":
            pair = next(p for p in told.steps if p.step == name)
            return f"step `{name}`: its {pair.differs[0]}"
        case "outputs":
            return f"`{name}`"
        case _:
            return "how they ended"


def definition_text(change: DefinitionChange) -> str:
    """`step build: changed run, timeout`."""
    name = f"step `{change.step}`" if change.step else "the workflow"
    keys = f" in {', '.join(f'`{key}`' for key in change.keys)}" if change.keys else ""
    return f"{name} was {change.change}{keys}"


def _runs(told: Comparison, theme: Theme, width: int, statuses: tuple[str, str]) -> Iterator[Line]:
    rows = []
    for name, state, status in zip(("first", "second"), told.runs, statuses, strict=True):
        rows.append(
            (
                Line(f"  {name}"),
                Line(short_id(state.run_id), "strong"),
                Line(f"{theme.glyph(status)} {status}", STATUS_STYLE[status]),
                Line(duration_text(run_took(state)) if state.ended else "", "dim"),
                Line(rfc3339(state.started), "dim"),
            )
        )
    yield from grid(("", "RUN", "STATUS", "TOOK", "STARTED"), rows, theme=theme, width=width, right=(3,))


def _steps(pairs: list[StepPair], theme: Theme, width: int) -> Screen:
    arrow = f" {theme.glyph('arrow')} "
    rows = []
    for pair in pairs:
        tries = dict.fromkeys(map(str, pair.attempts))
        rows.append(
            (
                Line(f"  {pair.step}", "strong"),
                _statuses(pair, theme, arrow),
                Line(arrow.join(tries), "warn" if len(tries) > 1 else "dim"),
                Line(arrow.join(map(_spent, pair.durations)), "dim"),
                Line(_said(pair, arrow)),
            )
        )
    return grid(("  STEP", "STATUS", "TRIES", "TOOK", "DIFFERENCE"), rows, theme=theme, width=width)


def _statuses(pair: StepPair, theme: Theme, arrow: str) -> Line:
    line = Line()
    for number, status in enumerate(dict.fromkeys(pair.statuses)):
        line.add(arrow if number else "", "dim")
        if status is None:
            line.add("not there", "warn")
        else:
            line.add(f"{theme.glyph(status)} {status}", STATUS_STYLE[status])
    return line


def _spent(ms: int | None) -> str:
    return "-" if ms is None else duration_text(ms)


def _said(pair: StepPair, arrow: str) -> str:
    if "reason" in pair.differs:
        return arrow.join(first_line(reason) or "no failure" for reason in pair.reasons)
    if pair.result is not None:
        return f"{pair.result.path}: {short_value(pair.result.first)}{arrow}{short_value(pair.result.second)}"
    return ""


def short_value(value: Json) -> str:
    """A value in a few characters."""
    if value is UNSET:
        return "nothing"
    text = value_text(value)
    return text if len(text) <= _SHORT else f"{text[:_SHORT]}..."


def _value(value: Json) -> Line:
    return Line("nothing", "warn") if value is UNSET else Line(short_value(value))


# ---- the document ------------------------------------------------------------------------------


def compared_document(told: Comparison, statuses: tuple[str, str]) -> dict[str, Any]:
    """The same for machines; the shape is in `mplp help output`."""
    return {
        "workflowId": told.runs[0].plan.workflow.id,
        "same": told.same,
        "first": None if told.first is None else {"kind": told.first[0], "name": told.first[1] or None},
        "runs": [_run(state, status) for state, status in zip(told.runs, statuses, strict=True)],
        "definition": [
            {"step": change.step or None, "change": change.change, "keys": list(change.keys)}
            for change in told.definition
        ],
        "inputs": [_difference(one) for one in told.inputs],
        "steps": [_step(pair) for pair in told.steps],
        "outputs": None if told.outputs is None else _difference(told.outputs),
    }


def _run(state: RunState, status: str) -> dict[str, Any]:
    return {
        "runId": state.run_id,
        "status": status,
        "startedAt": rfc3339(state.started) if state.started else None,
        "duration": run_took(state) if state.ended else None,
        "rerunOf": state.rerun.of if state.rerun is not None else None,
    }


def _difference(one: Difference) -> dict[str, Any]:
    """A side that has nothing there has no key."""
    sides = {"first": one.first, "second": one.second}
    return {"path": one.path, **{key: value for key, value in sides.items() if value is not UNSET}}


def _step(pair: StepPair) -> dict[str, Any]:
    return {
        "step": pair.step,
        "differs": list(pair.differs),
        "status": list(pair.statuses),
        "attempts": list(pair.attempts),
        "duration": list(pair.durations),
        "reason": [reason or None for reason in pair.reasons],
        "result": None if pair.result is None else _difference(pair.result),
    }
