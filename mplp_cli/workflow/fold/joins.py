"""Join rules: which ends of the direct dependencies let a step run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import UNSET

from mplp_cli.workflow.fold.statuses import CANCELLED, COMPLETED, FAILED, OMITTED, SKIPPED
from mplp_cli.workflow.model import CountJoin, Join

if TYPE_CHECKING:
    from mplp_cli.workflow.fold.state import RunState
    from mplp_cli.workflow.plan import PlanStep


class Tally:
    """How the dependencies of one step have ended so far (`all-completed` only needs it in a block)."""

    __slots__ = ("bad", "decided", "left", "met", "others")

    def __init__(self, dependencies: int) -> None:
        self.left = dependencies
        #: Ended, and not completed.
        self.others = 0
        self.met = 0
        self.bad = 0
        self.decided = False

    def count(self, met: bool, bad: bool) -> None:
        """One more dependency has ended."""
        self.left -= 1
        self.met += met
        self.others += not met
        self.bad += bad


def verdict_of(join: Join, tally: Tally) -> bool | None:
    """True: the step may run. False: it never can. None: not decided yet, or decided before."""
    if tally.decided:
        return None
    match join:
        case "all-completed":
            return False if tally.others else (None if tally.left else True)
        case "any-completed":
            return True if tally.met else (None if tally.left else False)
        case "none-failed":
            return False if tally.bad else (None if tally.left else True)
        case CountJoin(count=count):
            return True if tally.met >= count else (None if tally.met + tally.left >= count else False)
        case _:  # all-ended
            return None if tally.left else True


def gates(step: PlanStep) -> int:
    """What a step waits for before it is ready: dependencies, the step before it, its container."""
    held = (step.after >= 0) + (step.parent >= 0 or step.branch == "finally")
    each = step.join == "all-completed" and step.after < 0
    return held + (len(step.needs) if each else bool(step.needs))


def good_end(state: RunState, i: int) -> bool:
    """Whether step `i`, which has ended, counts as completed: it is, or its `default` stands in for its result."""
    status = state.step_status[i]
    return status is COMPLETED or (status in (SKIPPED, OMITTED) and state.results[i] is not UNSET)


def bad_end(state: RunState, i: int) -> bool:
    """Whether step `i` ended badly: failed, cancelled, or omitted because of such an end further up.

    A step for which its `default` stands in never did; the failure that omitted it stays one.
    """
    status = state.step_status[i]
    if status is OMITTED:
        return i in state.tainted and state.results[i] is UNSET
    return status is FAILED or status is CANCELLED


def omission(state: RunState, d: int, because: int) -> str:
    """Why step `d` is omitted, for people."""
    steps = state.plan.steps
    how = {
        "failed": "failed",
        "cancelled": "was cancelled",
        "skipped": "was skipped",
        "omitted": "was omitted",
    }
    other = f"`{steps[because].id}` {how.get(state.step_status[because], 'ended')}"
    if because not in steps[d].needs:
        return f"{other} before it in the same block"
    join = steps[d].join
    if join == "all-completed":
        return f"{other}, and it needs every dependency completed"
    rule = f"{join.count} completed" if isinstance(join, CountJoin) else str(join)
    return f"{other}, and its join rule `{rule}` can no longer be met"
