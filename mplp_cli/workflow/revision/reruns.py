"""What a rerun runs again and what it keeps of the run that it repeats. Pure.

Steps are matched by id, so that the definition may have changed in between: a step that has changed has no
result to keep. A container that had failed, or had not ended, opens again with what was completed in it.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from msgspec import UNSET, Struct, structs

from mplp_cli.errors import RunStateError
from mplp_cli.workflow.fold.growth import add_items, id_in_file
from mplp_cli.workflow.fold.history import Rerun, StepKept
from mplp_cli.workflow.fold.onward import around, following, inside, obstacle
from mplp_cli.workflow.fold.state import RunState
from mplp_cli.workflow.fold.statuses import COMPLETED, ENDED, OMITTED, RUNNING, SKIPPED
from mplp_cli.workflow.plan import CONTAINERS, Plan
from mplp_cli.workflow.values import Json


class Repeated(Struct, frozen=True):
    """What a rerun repeats: how, in which directory, and what it keeps of the other run."""

    rerun: Rerun
    cwd: str
    kept: list[StepKept]


_RUN, _OPEN = "run", "open"
_SHORT: Final = 8


def whole(plan: Plan, i: int) -> int:
    """The step that runs again when step `i` is named: the outermost that it stands in, else itself."""
    return [i, *around(plan, i)][-1]


def kept(plan: Plan, old: RunState, rerun: Rerun, at: int, changed: Collection[str] = ()) -> list[StepKept]:
    """What the new run keeps, in the order of its steps.

    `old` is the run that is repeated, `changed` names the steps whose definition is another now.
    RunStateError if what has to be kept is not there, or if nothing is left to run.
    """
    if rerun.mode == "all":
        return []
    choice = _Choice(plan, old, rerun, changed)
    facts = [fact for i in range(len(choice.plan.steps)) if (fact := choice.fact(i, at)) is not None]
    if rerun.mode == "failed" and old.status == COMPLETED and not choice.runs_anything():
        raise RunStateError(
            f"no step of run {old.run_id[:_SHORT]} failed: nothing is left to run",
            hint="without --failed every step runs again; --from STEP runs some again",
            details={"runId": old.run_id},
        )
    return facts


class _Choice:
    """The fate of every step."""

    def __init__(self, plan: Plan, old: RunState, rerun: Rerun, changed: Collection[str]) -> None:
        #: What the new run is going to be, so that the items of a foreach that opens again are there.
        self._new = RunState(plan)
        self.plan = self._new.plan
        self.old = old
        self.rerun = rerun
        self.changed = changed
        #: What is not here is kept.
        self.fate: dict[int, str] = {}
        self._due: list[int] = []
        named = plan.number.get(rerun.step, -1)
        if rerun.mode == "only":
            for i in inside(plan, whole(plan, named)):
                self.fate[i] = _RUN
            self._check_only(whole(plan, named))
            return
        self._look((*plan.top, *plan.final))
        if named >= 0:
            self._run(whole(plan, named))
        if named < 0 or not plan.steps[named].final:
            for i in plan.final:
                self._run(i)
        self._spread()

    def runs_anything(self) -> bool:
        """Whether a step outside `finally` runs."""
        return any(not self.plan.steps[i].final for i in self.fate)

    def was(self, i: int) -> int:
        """The number that the step had in the old run; -1 if there was none."""
        return self.old.plan.number.get(self.plan.steps[i].id, -1)

    def status(self, i: int) -> str:
        """How the step stood in the old run."""
        n = self.was(i)
        return self.old.step_status[n] if n >= 0 else ""

    def _same(self, i: int) -> bool:
        """Whether the step means what it meant."""
        return id_in_file(self.plan.steps[i].id) not in self.changed

    def _look(self, members: tuple[int, ...]) -> None:
        """What ended well is kept; of a container that was open, what ended well in it."""
        waiting = list(members)
        while waiting:
            i = waiting.pop()
            if self._same(i) and self._ended_well(i):
                continue
            if self._same(i) and self._opens(i):
                self.fate[i] = _OPEN
                self._due.append(i)
                if self.plan.steps[i].kind == "foreach":
                    add_items(self._new, i, self._items(i))
                waiting += self.plan.steps[i].children
            else:
                self._run(i)

    def _ended_well(self, i: int) -> bool:
        """Whether it completed, or was left out without a failure."""
        status = self.status(i)
        return status in (COMPLETED, SKIPPED) or (status is OMITTED and self.was(i) not in self.old.tainted)

    def _opens(self, i: int) -> bool:
        """Whether it is a container that can go on with what was completed in it; a loop begins anew."""
        kind = self.plan.steps[i].kind
        return kind in CONTAINERS and kind != "loop" and self.was(i) in self.old.branches

    def _items(self, i: int) -> list[Json]:
        """The items of foreach `i` in the old run."""
        return [self.old.items[c].value for c in self.old.plan.steps[self.was(i)].children]

    def _run(self, i: int) -> None:
        for member in inside(self.plan, i):
            if self.fate.get(member) is not _RUN:
                self.fate[member] = _RUN
                self._due.append(member)

    def _spread(self) -> None:
        """What waits for a step that runs, or for a container that opens, runs too."""
        while self._due:
            for d in following(self.plan, self._due.pop()):
                self._run(d)

    def _check_only(self, named: int) -> None:
        """RunStateError if the step cannot run with what there is."""
        run, steps = self.old.run_id[:_SHORT], self.plan.steps
        needs = {d: self.status(d) for d in steps[named].needs}
        for d, status in needs.items():
            if status == COMPLETED and steps[d].id in self.changed:
                raise RunStateError(
                    f"`{steps[d].id}` has changed: its result of run {run} cannot be kept",
                    hint=f"run both again: --from {steps[d].id}",
                )
        stands = {d: COMPLETED if status == COMPLETED else SKIPPED for d, status in needs.items()}
        missing = obstacle(self.plan, named, stands)
        if missing >= 0:
            was = f"it {_how(self.status(missing))}" if self.status(missing) else "it was not there"
            raise RunStateError(
                f"`{steps[named].id}` needs `{steps[missing].id}`, which has no result in run {run}: {was}",
                hint=f"run both: --from {steps[missing].id}",
                details={"runId": self.old.run_id, "step": steps[missing].id},
            )

    # ---- what is recorded

    def fact(self, i: int, at: int) -> StepKept | None:
        """What the new run records of the step; None if it runs."""
        fate, step, n = self.fate.get(i), self.plan.steps[i].id, self.was(i)
        if fate is _RUN or self.plan.steps[i].loop >= 0:
            return None
        old = self.old
        origin = old.kept.get(n, old.run_id)
        if fate is _OPEN:
            items = self._items(i) if self.plan.steps[i].kind == "foreach" else None
            return StepKept(at, step, RUNNING, origin, old.attempts[n], branch=old.branches[n], items=items)
        status = self.status(i)
        if self.rerun.mode == "only" and (n < 0 or not self._stays(i)):
            reason = f"only `{self.rerun.step}` was to run"
            if n >= 0:
                reason += f"; it {_how(status)} in run {old.run_id[:_SHORT]}"
            return StepKept(at, step, SKIPPED, old.run_id, reason=reason)
        result = old.results[n]
        made = StepKept(
            at,
            step,
            status,
            origin,
            old.attempts[n],
            reason=old.reasons.get(n, ""),
            because=old.because.get(n, ""),
            error=old.errors.get(n),
            mended=old.mended.get(n),
            branch=old.branches.get(n, ""),
        )
        return made if result is UNSET else structs.replace(made, result=result)

    def _stays(self, i: int) -> bool:
        """Whether a step that is not to run stays as it was: it ended well, was omitted, or ended in one that did."""
        kept_so = self.status(i) in (COMPLETED, SKIPPED, OMITTED)
        well = any(self.status(outer) in (COMPLETED, SKIPPED) for outer in around(self.plan, i))
        return kept_so or (well and self.status(i) in ENDED)


def _how(status: str) -> str:
    """`failed`, `was cancelled`, `did not end`."""
    if status in ("failed", "completed"):
        return status
    return f"was {status}" if status in ENDED else "did not end"
