"""What `mplp optimize` has found and done, as a screen and as a document."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from msgspec import to_builtins

from mplp_cli.render.grid import grid, wrapped
from mplp_cli.render.ink import Line
from mplp_cli.render.theme import Theme
from mplp_cli.resources.advice import Moved, Safe, improvement_of
from mplp_cli.resources.measuring import Measured
from mplp_cli.workflow.bottlenecks import CPU_LIMIT, HINTS, LATENCY_LIMIT, MEMORY_LIMIT, Bottleneck

_STYLE = {"critical": "bad-strong", "high": "bad", "medium": "warn"}


def advised_document(
    measured: Measured,
    bottlenecks: Sequence[Bottleneck],
    safe: Sequence[Safe],
    moved: Sequence[Moved],
    *,
    dry_run: bool,
) -> dict[str, Any]:
    """`{appliedOptimizations, manualRecommendations, performanceImprovement}`."""
    improvement = improvement_of([] if dry_run else safe, moved)
    return {
        "appliedOptimizations": [] if dry_run else [_safe_object(one) for one in safe],
        "manualRecommendations": [
            *({**to_builtins(one), "hint": HINTS[one.type]} for one in bottlenecks),
            *([_proposed(one) for one in safe] if dry_run else []),
        ],
        "performanceImprovement": {**improvement, "metrics": to_builtins(measured.metrics), **_how(measured)},
    }


def _safe_object(one: Safe) -> dict[str, Any]:
    made: dict[str, Any] = {
        "type": one.action,
        "description": one.description,
        "bottleneck": one.bottleneck,
        "undoable": one.undoable,
    }
    if (how := one.adjustment) is not None:
        made["adjustment"] = {"resource": how.resource, "from": how.before, "to": how.after}
    return made


def _proposed(one: Safe) -> dict[str, Any]:
    """Something that would be done, in the shape of what a person may do."""
    said = one.description
    return {
        "type": one.bottleneck or "storage",
        "severity": "low",
        "description": said,
        "recommendations": ["mplp optimize"],
        "hint": "this is safe: `mplp optimize` without --dry-run does it",
    }


def _how(measured: Measured) -> dict[str, Any]:
    if not measured.window:
        return {"source": "given"}
    return {
        "source": "measured",
        "window": measured.window,
        "probes": list(measured.probes),
        "unreachable": measured.unreachable,
    }


def advised_screen(
    measured: Measured,
    bottlenecks: Sequence[Bottleneck],
    safe: Sequence[Safe],
    moved: Sequence[Moved],
    theme: Theme,
    width: int,
    *,
    dry_run: bool,
) -> Iterator[Line]:
    """The metrics, each bottleneck with its advice, what was done, and what it has brought."""
    yield from grid(
        ("METRIC", "NOW", "LIMIT", ""), list(_metrics(measured)), theme=theme, width=width, right=(1, 2)
    )
    for probe, why in measured.unreachable.items():
        yield Line(f"{probe} was not reached: {why}", "warn")
    yield Line()
    for one in bottlenecks:
        yield Line(f"{one.type}: {one.description}", _STYLE[one.severity]).add(f" ({one.severity})", "dim")
        for text in one.recommendations:
            yield from (Line("  ").extend(part) for part in wrapped(Line(text), width - 2))
        yield from (Line("  ").extend(part) for part in wrapped(Line(HINTS[one.type], "dim"), width - 2))
    if not bottlenecks:
        yield Line("no bottlenecks", "ok")
    for item in safe:
        verb = "would be done: " if dry_run else "done: "
        again = " (--undo takes it back)" if item.undoable and not dry_run else ""
        yield from wrapped(Line(f"{verb}{item.description}{again}"), width)
    if not dry_run:
        found = improvement_of(safe, moved)
        yield from wrapped(Line(f"improvement: {found['status']}, {found['reason']}", "dim"), width)
    for change in moved:
        yield Line(f"  {change.metric}: {change.before:,} -> {change.after:,} {change.unit}")


def _metrics(measured: Measured) -> Iterator[tuple[Line, ...]]:
    found = measured.metrics
    how = f"over {measured.window:g} s" if measured.window else "given"
    reached = f"to {', '.join(measured.probes)}" if measured.window else "given"
    for name, value, limit, said in (
        ("cpu", _part(found.cpu.utilization), _part(CPU_LIMIT), how),
        ("memory", _part(found.memory.utilization), _part(MEMORY_LIMIT), ""),
        ("storage", _part(found.storage.utilization), "", "the disk of the state"),
        ("network", _latency(found.network.latency), _latency(LATENCY_LIMIT), reached),
    ):
        yield Line(name, "strong"), Line(value), Line(limit, "dim"), Line(said, "dim")


def _part(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.1%}"


def _latency(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.2f} ms".replace(".00", "")
