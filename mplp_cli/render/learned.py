"""What earlier runs say of a step: as facts in a line, and for machines."""

from __future__ import annotations

from typing import Any

from msgspec import to_builtins

from mplp_cli.workflow.estimates import Estimate
from mplp_cli.workflow.resources import Demand, amount_text
from mplp_cli.workflow.values import duration_text


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


def usual_object(usual: Estimate) -> dict[str, Any]:
    """An estimate for machines; times are in ms, memory in bytes."""
    made: dict[str, Any] = to_builtins(usual)
    return made
