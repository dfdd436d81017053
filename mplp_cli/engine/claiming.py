"""Which queued steps to claim ahead of their start."""

from __future__ import annotations

from heapq import nsmallest

from mplp_cli.workflow.fold.history import StepsClaimed
from mplp_cli.workflow.fold.state import RunState
from mplp_cli.workflow.fold.statuses import QUEUED, RUNNING

#: Steps that are claimed ahead.
CLAIMS = 64
#: Steps of a queue that is too long to be looked through each time.
LONG = 2_048


def likely_next(state: RunState, claimed: set[int]) -> list[int]:
    """The steps that are likely to get the next slots, if few are claimed yet.

    In a long queue the head of the heap is near enough: a step that is not claimed starts after its own
    commit.
    """
    if len(claimed) > CLAIMS // 2 or not state.ready or state.status is not RUNNING or state.pausing:
        return []
    claimed.difference_update([i for i in claimed if state.step_status[i] is not QUEUED])
    ready = state.ready
    ranks = nsmallest(CLAIMS, ready) if len(ready) <= LONG else ready[:CLAIMS]
    near = [state.plan.by_rank[rank] for rank in ranks]
    steps = state.plan.steps
    # Of a step that runs once it must be certain whether it began.
    return [i for i in near if state.step_status[i] is QUEUED and i not in claimed and not steps[i].once]


def patience(linger: float, took: float) -> float:
    """Seconds that a commit may wait for facts, if the last one took so long: commits are to take a twentieth of the
    time at most (nothing else is done meanwhile), but nothing waits longer than ten times `linger`."""
    return max(linger, min(19 * took, 10 * linger))


def claim(state: RunState, steps: list[int], at: int) -> StepsClaimed:
    """The fact that lets them begin before the commit of their start."""
    return StepsClaimed(at, [state.plan.steps[i].id for i in steps])
