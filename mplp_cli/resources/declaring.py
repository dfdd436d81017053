"""Steps that declare far more than they use, or less: what they should declare instead. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import ceil
from typing import Final, Literal

from msgspec import Struct

from mplp_cli.workflow.estimates import Estimate
from mplp_cli.workflow.plan import Plan
from mplp_cli.workflow.values import StepId

#: What is recommended is so many times what was used, rounded up to an amount that people write.
ROOM: Final = 1.25
#: A recommendation that is less than this part of what is declared is worth telling.
FAR: Final = 0.5
#: Nothing is said of fewer runs, nor of processor time of attempts that are shorter (ms).
ENOUGH_RUNS: Final = 3
LONG_ENOUGH: Final = 500
#: Memory from this part of what is declared on is close to it; more processor time than declared by this much.
CLOSE: Final = 0.9
OVER: Final = 1.1
#: A step that declares no cores is named from half of one on.
WORTH_DECLARING: Final = 500
#: Nothing smaller is recommended: 16 MiB, an eighth of a core.
_LEAST_MEMORY: Final = 16 << 20
_LEAST_CPU: Final = 125


class Declaration(Struct, frozen=True, kw_only=True):
    """What a step declares of a kind (0: nothing), what it used in its last runs, and what would do."""

    workflow: str
    source: str
    step: StepId
    kind: Literal["cpu", "memory"]
    finding: Literal["too-much", "too-little"]
    declared: int
    used: int
    runs: int
    wanted: int


def misdeclared(plan: Plan, source: str, known: Mapping[StepId, Estimate]) -> Iterator[Declaration]:
    """In the order of the file. `source` is what the file was called."""
    # Where no step declares processor time, nobody has asked for it to be shared out.
    shares_cpu = any(step.demand is not None and step.demand.amount("cpu") for step in plan.steps)
    for step in plan.steps:
        estimate = known.get(step.id)
        if not step.effect or estimate is None or estimate.runs < ENOUGH_RUNS:
            continue
        demand = step.demand
        memory = 0 if demand is None or demand.enforce == "rlimit" else demand.amount("memory")
        if memory and estimate.memory:
            yield from _told(plan, source, step.id, estimate, "memory", memory, estimate.memory)
        if shares_cpu and estimate.cpu is not None and estimate.duration >= LONG_ENOUGH:
            cpu = 0 if demand is None else demand.amount("cpu")
            used = round(estimate.cpu * 1_000 / estimate.duration)
            yield from _told(plan, source, step.id, estimate, "cpu", cpu, used)


def _told(
    plan: Plan,
    source: str,
    step: StepId,
    estimate: Estimate,
    kind: Literal["cpu", "memory"],
    declared: int,
    used: int,
) -> Iterator[Declaration]:
    wanted = memory_for(used) if kind == "memory" else cpu_for(used)
    most = declared * (CLOSE if kind == "memory" else OVER)
    finding: Literal["too-much", "too-little"]
    if declared and wanted <= declared * FAR:
        finding = "too-much"
    elif used > most and used >= (0 if declared else WORTH_DECLARING) and wanted > declared:
        finding = "too-little"
    else:
        return
    yield Declaration(
        workflow=plan.workflow.id,
        source=source,
        step=step,
        kind=kind,
        finding=finding,
        declared=declared,
        used=used,
        runs=estimate.runs,
        wanted=wanted,
    )


def memory_for(used: int) -> int:
    """A power of two, or one and a half of it, with room above what was used."""
    wanted, amount = max(round(used * ROOM), _LEAST_MEMORY), _LEAST_MEMORY
    while amount < wanted:
        amount = amount * 3 // 2 if amount & (amount - 1) == 0 else amount * 4 // 3
    return amount


def cpu_for(used: int) -> int:
    """An eighth, a quarter, a half of a core, then halves up to two, then whole ones, in thousandths."""
    wanted = round(used * ROOM)
    for amount in (_LEAST_CPU, 250, 500):
        if wanted <= amount:
            return amount
    step = 500 if wanted <= 2_000 else 1_000
    return ceil(wanted / step) * step
