"""Counts of a run's steps by status, kept up to date from committed facts.

The statuses themselves are RunState's. A look at all steps happens once, and when a fact ends many of
them at once; what no fact tells (a step that queues) is found by looking at a slice of the steps a frame.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Sequence

from mplp_cli.render.view import ACTIVE, ENDED, RunView, is_leaf, unused
from mplp_cli.workflow.fold.history import RUN_ENDS, Event, RunFinalizing, RunResumed, RunStopping
from mplp_cli.workflow.plan import Plan

_ALL = (*RUN_ENDS, RunStopping, RunResumed, RunFinalizing)


class Tracker:
    """What a frame asks about many steps, without looking at them all."""

    def __init__(self, plan: Plan, state: RunView) -> None:
        self.plan = plan
        self.state = state
        #: Leaf steps by status.
        self.leaves: defaultdict[str, int] = defaultdict(int)
        #: Direct children of each container (-1: the top) by status.
        self.children: defaultdict[int, defaultdict[str, int]] = defaultdict(lambda: defaultdict(int))
        #: Steps that run, retry or wait, in the order in which they began.
        self.active: dict[int, None] = {}
        self.failed: dict[int, None] = {}
        #: The steps that ended last.
        self.recent: deque[int] = deque(maxlen=64)
        self._seen: list[str] = [""] * len(plan.steps)
        self._cursor = 0
        self._all = False
        self.look(len(plan.steps))

    def __call__(self, events: Sequence[Event]) -> None:
        """Take committed facts."""
        number = self.plan.number
        if (more := len(self.state.step_status) - len(self._seen)) > 0:  # items, iterations
            fresh = range(len(self._seen), len(self._seen) + more)
            self._seen += [""] * more
            for i in fresh:
                self._refresh(i)
        for event in events:
            if isinstance(event, _ALL):
                self._all = True
                continue
            i = number.get(getattr(event, "step", ""), -1)
            while i >= 0:
                self._refresh(i)
                i = self.plan.steps[i].parent

    def look(self, most: int = 2_000) -> None:
        """Look at the next `most` steps, or at all of them if many have changed."""
        count = len(self._seen)
        if self._all:
            most, self._all = count, False
        for _ in range(min(most, count)):
            self._refresh(self._cursor)
            self._cursor = (self._cursor + 1) % count

    @property
    def ended(self) -> int:
        """Leaf steps that have ended."""
        return sum(count for status, count in self.leaves.items() if status in ENDED)

    @property
    def total(self) -> int:
        """Leaf steps in all, those of fallback actions only once they have begun."""
        return sum(self.leaves.values())

    def _refresh(self, i: int) -> None:
        before, status = self._seen[i], self.state.step_status[i]
        if before == status:
            return
        step = self.plan.steps[i]
        if (step.parent >= 0 or step.loop >= 0) and unused(self.plan, self.state, i):
            return
        self._seen[i] = status
        for name, change in ((before, -1), (status, 1)):
            if name:
                self.children[step.parent][name] += change
                if is_leaf(step):
                    self.leaves[name] += change
        if status in ACTIVE:
            self.active[i] = None
        else:
            self.active.pop(i, None)
        if status == "failed":
            self.failed[i] = None
        else:
            self.failed.pop(i, None)
        if before and status in {"completed", "cancelled"}:
            self.recent.append(i)
