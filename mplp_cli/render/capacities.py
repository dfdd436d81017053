"""Capacity plans and what became of their actions, as screens and as documents."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from msgspec import to_builtins

from mplp_cli.clock import rfc3339
from mplp_cli.protocols.scaling import Change, ScalingAction, Written
from mplp_cli.render.grid import grid, wrapped
from mplp_cli.render.ink import Line
from mplp_cli.render.theme import Theme
from mplp_cli.resources.adjustments import is_counted
from mplp_cli.resources.capacity import Required, said, written
from mplp_cli.resources.forecast import LEVEL, Forecast
from mplp_cli.resources.foresight import CapacityPlan
from mplp_cli.resources.scaling import Outcome, summary_of
from mplp_cli.resources.usage import HOUR, RUNS, SLOTS

_WHOLE = (RUNS, SLOTS, "memory", "storage", "network")


def capacity_document(plan: CapacityPlan, source: str) -> dict[str, Any]:
    """`{forecast, requiredCapacity, scalingPlan, recommendations}`."""
    return {
        "forecast": _forecast_object(plan, source),
        "requiredCapacity": [
            {
                "resource": one.resource,
                "unit": _unit(one.resource),
                "expected": written(one.resource, one.expected),
                "upper": _written_or_none(one.resource, one.upper),
                "current": _written_or_none(one.resource, one.current),
                "used": _written_or_none(one.resource, one.used),
                "basis": list(one.basis),
            }
            for one in plan.required
        ],
        "scalingPlan": {"actions": [action_object(one) for one in plan.actions]},
        "recommendations": list(plan.recommendations),
    }


def _written_or_none(resource: str, amount: int | None) -> Written | None:
    return None if amount is None else written(resource, amount)


def _forecast_object(plan: CapacityPlan, source: str) -> dict[str, Any]:
    usage = plan.usage
    hours = max((len(made.points) for made in plan.forecasts.values()), default=0)
    return {
        "from": rfc3339(plan.start),
        "to": rfc3339(plan.start + hours * HOUR),
        "interval": "1h",
        "level": LEVEL,
        "history": {
            "source": source,
            "runs": plan.runs,
            "from": rfc3339(usage.start),
            "to": rfc3339(plan.start),
            "hours": usage.hours,
        },
        "patterns": [
            {
                "workflowId": one.workflow,
                "runs": one.runs,
                "runsPerDay": one.runs_a_day,
                "busy": one.busy,
                "peak": one.peak,
            }
            for one in usage.patterns
        ],
        "resources": [_series_object(name, made, plan.start) for name, made in plan.forecasts.items()],
    }


def _series_object(name: str, made: Forecast, start: int) -> dict[str, Any]:
    scale = 1 if is_counted(name) or name in _WHOLE else 1_000
    tested = made.backtest
    return {
        "resource": name,
        "unit": _unit(name),
        "method": made.method,
        "season": made.season or None,
        "backtest": None if tested is None else {**to_builtins(tested), "mae": tested.mae / scale},
        "points": [
            {
                "at": rfc3339(start + n * HOUR),
                "value": one.value / scale,
                "lower": None if one.lower is None else one.lower / scale,
                "upper": None if one.upper is None else one.upper / scale,
            }
            for n, one in enumerate(made.points)
        ],
    }


def _unit(resource: str) -> str:
    units = {"memory": "bytes", "storage": "bytes", "network": "bit/s", "cpu": "cores"}
    return units.get(resource, "count")


def action_object(action: ScalingAction) -> dict[str, Any]:
    """An action as plans have it."""
    return dict(to_builtins(action))


def capacity_screen(plan: CapacityPlan, theme: Theme, width: int) -> Iterator[Line]:
    """What is required with how good the forecast is, the plan, the recommendations."""
    span = f"{_many(plan.runs, 'run')} in {_many(plan.usage.hours, 'hour')} up to {rfc3339(plan.start)[:16]}Z"
    hours = max((len(made.points) for made in plan.forecasts.values()), default=0)
    yield from wrapped(Line(f"{span}; {_many(hours, 'hour')} after that", "dim"), width)
    yield Line()
    rows = [_row(one, plan.forecasts[one.resource]) for one in plan.required]
    head = ("RESOURCE", "NOW", "EXPECTED", "AT MOST", "USED", "FROM", "METHOD", "ERROR OF THE BACK-TEST")
    yield from grid(head, rows, theme=theme, width=width, right=(1, 2, 3, 4))
    yield Line()
    for action in plan.actions:
        yield from wrapped(Line(action_text(action), "strong"), width)
    for text in plan.recommendations:
        yield from wrapped(Line(text), width)


def _many(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _row(one: Required, made: Forecast) -> tuple[Line, ...]:
    now = "" if one.current is None else said(one.resource, one.current)
    wanting = one.current is not None and one.most > one.current
    season = f" ({made.season} h)" if made.season else ""
    return (
        Line(one.resource, "strong"),
        Line(now, "dim"),
        Line(said(one.resource, one.expected)),
        Line(
            "unknown" if one.upper is None else said(one.resource, one.upper),
            "warn" if wanting or one.upper is None else "",
        ),
        Line("" if one.used is None else said(one.resource, one.used), "dim"),
        Line(" + ".join(one.basis), "dim"),
        Line(made.method + season, "warn" if made.method == "flat" else ""),
        Line(_error_text(made), "dim"),
    )


def _error_text(made: Forecast) -> str:
    """`MAPE 12%, MASE 0.40 over 24 h`."""
    tested = made.backtest
    if tested is None:
        return "unknown: too few hours"
    mape = "" if tested.mape is None else f"MAPE {tested.mape:.0%}, "
    mase = "no error" if not tested.mae else "no scale" if tested.mase is None else f"MASE {tested.mase:.2f}"
    return f"{mape}{mase} over {tested.hours} h"


def action_text(action: ScalingAction) -> str:
    """`scale-down cpu by 2: 4 -> 2`."""
    amount, start, to = (
        _written_text(action.resource, one) for one in (action.amount, action.start, action.to)
    )
    return f"{action.type} {action.resource} by {amount}" + (f": {start} -> {to}" if start and to else "")


def _written_text(resource: str, given: Written | None) -> str:
    """An amount of an action as people write it, whatever it is."""
    if resource in ("memory", "storage", "network") and isinstance(given, int) and given > 0:
        return said(resource, given)
    return "" if given is None else str(given)


# ---- what became of it -------------------------------------------------------------------------


def outcomes_document(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """`{actions, success, summary}`: each action with its status, and its result or its error."""
    return {
        "actions": [_outcome_object(one) for one in outcomes],
        "success": all(one.status == "completed" for one in outcomes),
        "summary": summary_of(outcomes),
    }


def _outcome_object(one: Outcome) -> dict[str, Any]:
    more = {"result": one.result} if one.status == "completed" else {"error": one.error}
    return {**action_object(one.action), "status": one.status, **more}


def outcomes_screen(outcomes: Sequence[Outcome], theme: Theme, width: int) -> Iterator[Line]:
    """A line for each action, and how many were done."""
    for one in outcomes:
        done = one.status == "completed"
        line = Line(f"{theme.glyph(one.status)} ", "ok" if done else "bad")
        texts = wrapped(Line(action_text(one.action) + ("" if done else f": {one.error}")), max(width - 2, 1))
        yield line.extend(texts[0])
        yield from (Line("  ").extend(text) for text in texts[1:])
    yield Line(summary_of(outcomes), "dim")


def change_object(change: Change | None) -> dict[str, Any]:
    """What was taken back; null if there was nothing."""
    if change is None:
        return {"undone": None}
    adjustments = [
        {
            "resource": one.resource,
            "from": written(one.resource, one.after),
            "to": written(one.resource, one.before),
        }
        for one in change.adjustments
    ]
    return {"undone": {"at": rfc3339(change.at), "by": change.by, "adjustments": adjustments}}


def change_text(change: Change | None) -> str:
    """The same for people."""
    if change is None:
        return "there is nothing to take back"
    listed = ", ".join(
        f"{one.resource} (had been made {said(one.resource, one.after)} from {said(one.resource, one.before)})"
        for one in change.adjustments
    )
    return f"taken back: {listed}"


def adjusted_text(resource: str, before: int, after: int) -> str:
    """An adjustment that is in force."""
    return f"{resource} is adjusted: {said(resource, after)}, not {said(resource, before)}"
