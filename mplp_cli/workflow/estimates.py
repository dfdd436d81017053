"""What runs teach: how long the steps of a run took and what they used, and what to expect of the next. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from heapq import nlargest
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from mplp_cli.workflow.fold.growth import id_in_file
from mplp_cli.workflow.fold.statuses import COMPLETED
from mplp_cli.workflow.fold.subworkflows import KIND
from mplp_cli.workflow.graph import topological
from mplp_cli.workflow.values import RunId, StepId

if TYPE_CHECKING:
    from mplp_cli.workflow.fold.state import RunState
    from mplp_cli.workflow.plan import Plan, PlanStep

#: Steps that the profile of a run keeps: those that took longest.
MOST_STEPS: Final = 2_000
#: Runs of a workflow that are looked at, and the last of them in which a step completed that count.
LOOKED_AT: Final = 20
COUNTED: Final = 7


class Measured(Struct, frozen=True, array_like=True, gc=False):
    """A step of the file in one run. What is inside a foreach or a loop was done `times` times."""

    times: int
    #: Medians, in ms: of the attempts that succeeded, and of the time that they waited for a slot or a resource.
    duration: int
    queued: int
    #: The median of ms of processor time, and the most bytes of memory at a time; None if they were not measured.
    cpu: int | None = None
    memory: int | None = None


class Profile(Struct, frozen=True, kw_only=True):
    """What one run has shown of its steps. `at` is when it ended."""

    run: RunId
    at: int
    steps: Mapping[StepId, Measured]


class Estimate(Struct, frozen=True, kw_only=True, gc=False):
    """What to expect of one attempt of a step: medians of the last runs in which it completed, at most 7.

    Times are in ms. `spread` is the median distance from the median; `memory` is the most that any of the runs used.
    """

    duration: int
    spread: int
    runs: int
    #: How often it is done in a run: 1, unless it stands in a foreach or a loop.
    times: int = 1
    queued: int = 0
    cpu: int | None = None
    memory: int | None = None


def profile_of(state: RunState) -> Profile | None:
    """What a run that has ended has shown; None if no step of it has done any work outside.

    What a fallback made good, the cache gave or another run had done is no measure of anything.
    """
    steps, status, mended, measures = state.plan.steps, state.step_status, state.mended, state.measures
    found: dict[StepId, Measured] = {}
    many: dict[StepId, list[Measured]] = {}
    for i, begun in measures.begun.items():
        step = steps[i]
        if status[i] is not COMPLETED or i in mended or step.loop >= 0:
            continue
        if step.kind == KIND and i in state.uncounted:
            continue  # its run was taken up again: the last attempt did only the rest
        used = measures.used.get(i)
        one = Measured(
            1,
            max(state.ended_at[i] - begun, 0),
            measures.waited.get(i, 0),
            None if used is None else used.cpu_ms,
            None if used is None else used.peak_memory or None,
        )
        if step.item < 0:
            found[step.id] = one
        else:
            many.setdefault(id_in_file(step.id), []).append(one)
    for name, each in many.items():
        found[name] = _together(each)
    if len(found) > MOST_STEPS:
        found = dict(nlargest(MOST_STEPS, found.items(), key=lambda pair: pair[1].duration))
    return Profile(run=state.run_id, at=state.ended, steps=found) if found else None


def _together(each: Sequence[Measured]) -> Measured:
    """The items of a foreach, or the rounds of a loop, as one."""
    cpu = [one.cpu for one in each if one.cpu is not None]
    memory = [one.memory for one in each if one.memory is not None]
    return Measured(
        len(each),
        median([one.duration for one in each]),
        median([one.queued for one in each]),
        median(cpu) if cpu else None,
        max(memory, default=None),
    )


def median(values: Sequence[int]) -> int:
    """The middle one; of an even number the mean of the two in the middle, rounded down."""
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) // 2


def estimates(
    profiles: Iterable[Profile], wanted: Collection[StepId] | None = None
) -> dict[StepId, Estimate]:
    """What to expect of each step that has completed in one of the runs, the newest of which comes first.

    With `wanted`, no more runs are looked at once enough is known of all of these.
    """
    seen: dict[StepId, list[Measured]] = {}
    for number, profile in enumerate(profiles, 1):
        for step, one in profile.steps.items():
            known = seen.get(step)
            if known is None:
                seen[step] = [one]
            elif len(known) < COUNTED:
                known.append(one)
        enough = wanted is not None and number >= COUNTED
        if enough and all(len(seen.get(step, ())) == COUNTED for step in wanted or ()):
            break
    return {step: _estimate(runs) for step, runs in seen.items()}


def _estimate(runs: Sequence[Measured]) -> Estimate:
    durations = [one.duration for one in runs]
    duration = median(durations)
    cpu = [one.cpu for one in runs if one.cpu is not None]
    memory = [one.memory for one in runs if one.memory is not None]
    return Estimate(
        duration=duration,
        spread=median([abs(one - duration) for one in durations]),
        runs=len(runs),
        times=median([one.times for one in runs]),
        queued=median([one.queued for one in runs]),
        cpu=median(cpu) if cpu else None,
        memory=max(memory, default=None),
    )


# ---- a plan with them


class Outlook(Struct, frozen=True, kw_only=True):
    """How long a run will take if nothing has to wait for its turn. Numbers are those of steps of the plan."""

    #: What to expect of each step, containers with all that is in them; 0 if nothing is known. In ms.
    lengths: list[int]
    #: The chain of steps at the top level that takes longest, and then that of `finally`; how long, in ms.
    chain: list[int]
    duration: int
    #: How many steps do work outside, and how many of them are known.
    steps: int
    known: int


def outlook(plan: Plan, known: Mapping[StepId, Estimate]) -> Outlook:
    """Put estimates together: a container takes as long as the longest chain in it, a foreach that for each item.

    What waits for a person, a time or an event counts nothing; of two branches the longer one counts.
    """
    lengths = [0] * len(plan.steps)
    for step in reversed(plan.steps):  # containers come before what is in them
        inside = _inside(plan, step)
        if inside:
            lengths[step.number] = _repeated(plan, step, inside, lengths, known)
        elif (estimate := known.get(step.id)) is not None:
            lengths[step.number] = estimate.duration
    chain, last = (_longest(group, plan.before, lengths) for group in (plan.top, plan.final))
    working = [step for step in plan.steps if step.effect]
    return Outlook(
        lengths=lengths,
        chain=[*chain[1], *last[1]],
        duration=chain[0] + last[0],
        steps=len(working),
        known=sum(step.id in known for step in working),
    )


def _inside(plan: Plan, step: PlanStep) -> list[int]:
    members = step.repeat.members if step.repeat is not None else step.children
    return [c for c in members if plan.steps[c].branch != "fallback"]


def _repeated(
    plan: Plan,
    step: PlanStep,
    inside: Sequence[int],
    lengths: Sequence[int],
    known: Mapping[StepId, Estimate],
) -> int:
    """All that is in container `step`."""
    if step.kind == "conditional":
        branches = {plan.steps[c].branch for c in inside}
        return max(
            _longest([c for c in inside if plan.steps[c].branch == b], plan.before, lengths)[0]
            for b in branches
        )
    longest = _longest(inside, plan.before, lengths)[0]
    if step.repeat is None:
        at_least = -(-sum(lengths[c] for c in inside) // step.lanes) if step.lanes else 0
        return max(longest, at_least)
    end = step.number + 1 + step.repeat.size
    within = (plan.steps[n] for n in range(step.number + 1, end))
    times = max((known[s.id].times for s in within if s.id in known), default=1)
    return longest * (-(-times // step.lanes) if step.lanes else times if step.kind == "loop" else 1)


def _longest(
    members: Sequence[int], before: Callable[[int], Sequence[int]], lengths: Sequence[int]
) -> tuple[int, list[int]]:
    """The chain of members that takes longest, and how long it takes."""
    reach: dict[int, tuple[int, int]] = {}  # how long, and how many steps
    previous: dict[int, int] = {}
    for i in topological(members, before):
        last = max(before(i), key=lambda d: (reach[d], -d), default=-1)
        previous[i] = last
        so_far, count = reach[last] if last >= 0 else (0, 0)
        reach[i] = so_far + lengths[i], count + 1
    if not reach:
        return 0, []
    i = end = max(reach, key=lambda i: (reach[i], -i))
    chain = []
    while i >= 0:
        chain.append(i)
        i = previous[i]
    return reach[end][0], chain[::-1]
