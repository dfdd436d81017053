"""What earlier runs say of a step: as facts in a line, and for machines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mplp_cli.workflow.amounts import amount_text
from mplp_cli.workflow.estimates import Estimate
from mplp_cli.workflow.resources import Demand
from mplp_cli.workflow.values import duration_text

if TYPE_CHECKING:
    from mplp_cli.observe.explanation import Explanation


def runs_text(usual: Estimate) -> str:
    """`7 runs`."""
    return f"{usual.runs} run{'' if usual.runs == 1 else 's'}"


def usual_text(usual: Estimate) -> str:
    """`1.2s (7 runs)`, `1.2s each, 40 times (7 runs)`."""
    times = "" if usual.times == 1 else f" each, {usual.times:,} times"
    return f"{duration_text(usual.duration)}{times} ({runs_text(usual)})"


def used_facts(demand: Demand | None, usual: Estimate) -> list[str]:
    """Declared against used: `declares 2GiB of memory, used at most 300MiB in the last 7 runs`."""
    facts = []
    last = "the last run" if usual.runs == 1 else f"the last {runs_text(usual)}"
    if usual.memory is not None:
        declared = _declared(demand, "memory", "of memory")
        much = "" if declared else " of memory"
        facts.append(f"{declared}used at most {amount_text('memory', usual.memory)}{much} in {last}")
    if usual.cpu is not None and usual.duration:
        declared = _declared(demand, "cpu", "cpu")
        cores = amount_text("cpu", round(usual.cpu * 1_000 / usual.duration)) or "0"
        facts.append(f"{declared}used {cores}{'' if declared else ' cpu'} in {last}")
    return facts


def _declared(demand: Demand | None, kind: str, what: str) -> str:
    amount = 0 if demand is None else demand.amount(kind)
    return f"declares {amount_text(kind, amount)} {what}, " if amount else ""


def against_usual(told: Explanation, now: int, usual: Estimate) -> list[str]:
    """`3.1s; usual 1.2s (7 runs)` of the last attempt, and what is declared against what was used."""
    said = [f"usual {usual_text(usual)}"]
    last = told.tries[-1] if told.tries else None
    if last is not None and last.started_at and last.outcome in ("completed", "running"):
        took = duration_text(max((last.ended_at or now) - last.started_at, 0))
        said = [f"{took}{' so far' if last.outcome == 'running' else ''}; {said[0]}"]
        if last.queued or usual.queued:
            said.append(f"queued {duration_text(last.queued)}; usual {duration_text(usual.queued)}")
    return [*said, *used_facts(told.step.demand, usual)]


def usual_object(usual: Estimate) -> dict[str, Any]:
    """An estimate for machines; times are in ms, memory in bytes, null if it was not measured."""
    return {
        "duration": usual.duration,
        "spread": usual.spread,
        "runs": usual.runs,
        "times": usual.times,
        "queued": usual.queued,
        "cpuMs": usual.cpu,
        "peakMemory": usual.memory,
    }
