"""The most that a run of a plan can hold at once, as its steps declare it."""

from __future__ import annotations

from collections.abc import Iterator

from mplp_cli.resources.usage import SLOTS
from mplp_cli.workflow.plan import Plan
from mplp_cli.workflow.resources import Demand


def most_held(plan: Plan, slots: int) -> dict[str, int]:
    """Slots, and of each kind what the largest of its attempts declare together that fit into the slots.

    A step inside a `foreach` may stand there as often as there are slots. Nothing is said of steps that declare
    nothing.
    """
    attempts = 0
    demands: list[Demand] = []
    for demand, copies in _attempts(plan, slots):
        attempts += copies
        if demand is not None:
            demands += [demand] * copies
    held = {SLOTS: min(slots, attempts)}
    for kind in sorted({name for demand in demands for name, _ in demand.amounts}):
        largest = sorted((demand.amount(kind) for demand in demands), reverse=True)
        held[kind] = sum(largest[:slots])
    return held


def _attempts(plan: Plan, slots: int) -> Iterator[tuple[Demand | None, int]]:
    """What each step with effects declares, and how many of it can run at once."""
    for step in plan.steps:
        if not step.effect:
            continue
        copies, above = 1, step.parent
        while above >= 0:
            if plan.steps[above].kind == "foreach":
                copies = slots
            above = plan.steps[above].parent
        yield step.demand, copies
