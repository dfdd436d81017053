"""Recommended declarations, as text and for machines."""

from __future__ import annotations

from typing import Any

from mplp_cli.resources.declaring import Declaration
from mplp_cli.resources.utilization import number_of
from mplp_cli.workflow.amounts import amount_text


def declaration_text(one: Declaration) -> str:
    """`build (build.yaml), step compile: declares 2GiB of memory, used at most 300MiB in the last 7 runs: 384MiB
    would do`."""
    of = " of memory" if one.kind == "memory" else " cpu"
    declares = f"declares {amount_text(one.kind, one.declared)}{of}" if one.declared else "declares no cpu"
    used = amount_text(one.kind, one.used) if one.used else "0"
    how = f"used at most {used}" if one.kind == "memory" else f"used {used} on average"
    wanted = amount_text(one.kind, one.wanted)
    advice = f"{wanted} would do" if one.finding == "too-much" else f"{wanted} would be right"
    return f"{one.workflow} ({one.source}), step {one.step}: {declares}, {how} in the last {one.runs} runs: {advice}"


def declaration_object(one: Declaration) -> dict[str, Any]:
    """For machines: cores, and bytes."""
    return {
        "workflowId": one.workflow,
        "source": one.source,
        "step": one.step,
        "kind": one.kind,
        "finding": one.finding,
        "declared": number_of(one.kind, one.declared),
        "used": number_of(one.kind, one.used),
        "runs": one.runs,
        "recommended": number_of(one.kind, one.wanted),
        "description": declaration_text(one),
    }
