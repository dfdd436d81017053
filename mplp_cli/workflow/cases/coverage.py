"""What the cases of a workflow have covered: its steps, the ways of its conditions, the ways into its joins."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from msgspec import Struct

from mplp_cli.workflow.fold.growth import id_in_file
from mplp_cli.workflow.fold.statuses import COMPLETED, ENDED, SKIPPED
from mplp_cli.workflow.plan import CONTAINERS, Plan, PlanStep

if TYPE_CHECKING:
    from mplp_cli.workflow.fold.state import RunState

#: (what: `step`, `branch` or `join`; the step's id; the way, empty for a step).
Way = tuple[str, str, str]
#: The ways into a join: everything that it waits for is completed, or something is not.
WHOLE, BROKEN = "all completed", "not all completed"


class Coverage(Struct, frozen=True):
    """The ways that there are in a workflow, and those that were taken."""

    ways: list[Way]
    taken: frozenset[Way] = frozenset()

    def counts(self, what: str) -> tuple[int, int]:
        """How many ways of that kind were taken, of how many."""
        those = [way for way in self.ways if way[0] == what]
        return sum(way in self.taken for way in those), len(those)

    @property
    def missing(self) -> list[Way]:
        """The ways that nothing has taken, in the order of the file."""
        return [way for way in self.ways if way not in self.taken]


def ways_of(plan: Plan) -> list[Way]:
    """Every way through a workflow that cases can cover; those of its sub-workflows are theirs."""
    return [way for step in plan.steps for way in _ways(step)]


def _ways(step: PlanStep) -> Iterator[Way]:
    if step.kind not in CONTAINERS:
        yield "step", step.id, ""
    if step.kind == "conditional":
        yield "branch", step.id, "then"
        yield "branch", step.id, "else"
    if step.when is not None and not isinstance(step.when, bool):
        yield "branch", step.id, "when true"
        yield "branch", step.id, "when false"
    if len(step.needs) > 1:
        yield "join", step.id, WHOLE
        yield "join", step.id, BROKEN


def taken_in(state: RunState) -> frozenset[Way]:
    """The ways that one run has taken."""
    return frozenset(
        way
        for step in state.plan.steps
        if step.loop < 0 and step.kind != "item"
        for way in _taken(step, state)
    )


def _taken(step: PlanStep, state: RunState) -> Iterator[Way]:
    i, name = step.number, id_in_file(step.id)
    status, began = state.step_status[i], state.attempts[i] > 0
    if began:
        yield "step", name, ""
        yield "branch", name, "when true"
    elif status is SKIPPED and step.when is not None and state.reasons.get(i, "").startswith("its condition"):
        yield "branch", name, "when false"
    if step.kind == "conditional" and i in state.branches:
        yield "branch", name, state.branches[i]
    ended: Sequence[str] = [state.step_status[d] for d in step.needs]
    if len(ended) > 1 and status in ENDED:
        if all(one is COMPLETED for one in ended):
            yield "join", name, WHOLE
        elif any(one in ENDED and one is not COMPLETED for one in ended):
            yield "join", name, BROKEN


def together(plan: Plan, runs: Sequence[frozenset[Way]]) -> Coverage:
    """What several runs of a workflow have covered."""
    return Coverage(ways_of(plan), frozenset(way for taken in runs for way in taken))
