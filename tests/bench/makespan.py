"""How long runs with resources take: random graphs on a clock of their own, decided by the fold as in any run.

Exact results (`makespans.jsonl`) were made once by `tests.bench.solve`; large graphs are compared with lower bounds.
"""

from __future__ import annotations

import json
import statistics
import time
from bisect import insort
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from heapq import heappop, heappush
from pathlib import Path
from typing import Any

from mplp_cli.workflow.fold.commands import Start
from mplp_cli.workflow.fold.history import RunStarted, StepCompleted, StepStarted
from mplp_cli.workflow.fold.room import Room
from mplp_cli.workflow.fold.state import RunState
from mplp_cli.workflow.model import Workflow
from mplp_cli.workflow.plan import Plan, PlanStep
from mplp_cli.workflow.planning.rehearsal import reordered
from mplp_cli.workflow.resources import Demand, Kind, Pool, Unit
from tests.bench.graphs import KINDS, LARGE, SMALL, Chance, Graph, graph, layers
from tests.bench.measure import Lab, Row

STORED = Path(__file__).with_name("makespans.jsonl")


@dataclass(frozen=True)
class Best:
    """What the solver found: a makespan, and that none is shorter than `bound` (ms)."""

    makespan: int
    bound: int
    status: str


def stored() -> dict[int, Best]:
    """The best known results, by the seed of the graph."""
    rows = [json.loads(line) for line in STORED.read_text("utf-8").splitlines()]
    return {seed: Best(*row) for seed, *row in rows}


# ---- our runs -----------------------------------------------------------------------------------


def plan_of(one: Graph) -> Plan:
    """The graph as the plan of a workflow of shell steps, in the order of their numbers."""
    demands: dict[tuple[int, ...], Demand | None] = {
        row: Demand(amounts=held)
        if (held := tuple((k, n) for k, n in zip(KINDS, row, strict=False) if n))
        else None
        for row in set(one.demands)
    }
    steps = [
        PlanStep(number=i, id=f"s{i}", kind="shell", effect=True, needs=needed, demand=demands[row], rank=i)
        for i, (needed, row) in enumerate(zip(one.needs, one.demands, strict=True))
    ]
    dependants: list[list[int]] = [[] for _ in steps]
    for step in steps:
        for d in step.needs:
            dependants[d].append(step.number)
    return Plan(
        workflow=Workflow(id="w", name="W", version="1.0.0", steps=[]),
        steps=steps,
        number={step.id: step.number for step in steps},
        dependants=[tuple(found) for found in dependants],
        next_in_block={},
        by_rank=list(range(len(steps))),
        top=tuple(range(len(steps))),
        final=(),
    )


def pool_of(one: Graph) -> Pool:
    """What there is, each kind on one unit."""
    named = zip(KINDS, one.capacities, strict=False)
    return Pool({name: Kind(name=name, units=(Unit(name, capacity),)) for name, capacity in named})


def ordered(one: Graph, durations: Sequence[int]) -> Plan:
    """The plan in the order in which a run would start its steps that expects these durations (ms)."""
    expected = {f"s{i}": duration for i, duration in enumerate(durations)}
    return reordered(plan_of(one), expected, pool_of(one), len(durations))


def played(plan: Plan, durations: Sequence[int], pool: Pool | None) -> list[int]:
    """When each step starts (ms after the run), decided by the fold; without a pool nothing is short."""
    now = 0
    state = RunState(plan)
    if pool is not None:
        state.room = Room(pool, lambda: now)
        state.room.patience = plan.patience
    starts = [-1] * len(durations)
    ends: list[tuple[int, int]] = []
    asked: list[Any] = state.handle(RunStarted(0, "r", "w", {}, {}, "/", len(durations)))
    while True:
        for command in asked:  # it grows
            if isinstance(command, Start):
                i = command.number
                starts[i] = now
                heappush(ends, (now + durations[i], i))
                asked += state.handle(StepStarted(now, plan.steps[i].id, 1))
        if not ends:
            return starts
        now, i = heappop(ends)
        asked = state.handle(StepCompleted(now, plan.steps[i].id, 1, None))


def makespan(one: Graph, plan: Plan) -> int:
    """How long the run takes (ms)."""
    starts = played(plan, one.durations, pool_of(one))
    return max(start + duration for start, duration in zip(starts, one.durations, strict=True))


# ---- what others do -----------------------------------------------------------------------------


def listed(one: Graph, key: Callable[[int, int], tuple[int, int]], *, fill: bool) -> int:
    """List scheduling: ready steps by `key` (of when it became ready, and its number). Unless it may `fill` gaps,
    nobody passes the first of them."""
    waits = [len(needed) for needed in one.needs]
    dependants: list[list[int]] = [[] for _ in waits]
    for i, needed in enumerate(one.needs):
        for d in needed:
            dependants[d].append(i)
    free = list(one.capacities)
    ready = sorted((key(0, i), i) for i, n in enumerate(waits) if not n)
    ends: list[tuple[int, int]] = []
    now = 0
    while ready or ends:
        waiting = []
        for place, (order, i) in enumerate(ready):
            if all(n <= left for n, left in zip(one.demands[i], free, strict=True)):
                free = [left - n for n, left in zip(one.demands[i], free, strict=True)]
                heappush(ends, (now + one.durations[i], i))
                continue
            waiting.append((order, i))
            if not fill:
                waiting += ready[place + 1 :]
                break
        ready = waiting
        now, i = heappop(ends)
        free = [left + n for n, left in zip(one.demands[i], free, strict=True)]
        for d in dependants[i]:
            waits[d] -= 1
            if not waits[d]:
                insort(ready, (key(now, d), d))
    return now


def heft(one: Graph) -> int:
    """By upward rank, without back-filling."""
    behind = list(one.durations)
    for i in reversed(range(len(behind))):
        for d in one.needs[i]:
            behind[d] = max(behind[d], one.durations[d] + behind[i])
    return listed(one, lambda _, i: (-behind[i], i), fill=False)


def fcfs(one: Graph, *, fill: bool) -> int:
    """First come, first served."""
    return listed(one, lambda now, i: (now, i), fill=fill)


# ---- the table ----------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """Makespans of one graph (ms), and what the best is at least."""

    graph: Graph
    ours: int
    inexact: int
    heft: int
    fcfs: int
    filling: int
    best: float

    def gap(self, of: str = "ours") -> float:
        """Hundredths over the best."""
        return (float(getattr(self, of)) / self.best - 1) * 100

    def by_the_best_known(self) -> Outcome:
        """The same beside the shortest schedule that is known, be it the solver's or one of these."""
        return replace(self, best=min(self.best, self.ours, self.inexact, self.heft, self.fcfs, self.filling))


def wrong(one: Graph) -> list[int]:
    """The durations, each wrong by up to half of it."""
    chance = Chance(-one.seed)
    return [duration * chance.between(50, 150) // 100 for duration in one.durations]


def outcome(one: Graph, best: float) -> Outcome:
    """Run it in every way."""
    return Outcome(
        graph=one,
        ours=makespan(one, ordered(one, one.durations)),
        inexact=makespan(one, ordered(one, wrong(one))),
        heft=heft(one),
        fcfs=fcfs(one, fill=False),
        filling=fcfs(one, fill=True),
        best=best,
    )


def rows(lab: Lab) -> Iterator[Row]:
    """Small graphs against the solver, large ones against bounds, and what deciding costs."""
    best = stored()
    solved = [outcome(graph(seed), best[seed].makespan) for seed in SMALL[:: lab.sizes.graphs]]
    small = [found.by_the_best_known() for found in solved]
    title = f"{len(small)} graphs of 20-60"
    shorter = sum(found.best < solver.best for found, solver in zip(small, solved, strict=True))
    note = f"best known: the shortest of CP-SAT (10 s) and all runs here, {shorter} of which are shorter than its"
    yield gap(f"{title}, over the best known", small, 4.0, note)
    proven = [found for found in small if best[found.graph.seed].status == "optimal"]
    yield gap(f"{len(proven)} proven optimal", proven, 4.0, "")
    yield from others(title, small)
    large = [outcome(one, one.bound) for one in map(graph, LARGE[:: lab.sizes.graphs])]
    title = f"{len(large)} graphs of 500-5,000"
    yield gap(f"{title}, over max(path, area)", large, 8.0, "")
    longer = [found for found in large if found.graph.area > found.graph.critical_path]
    forced = statistics.mean(max(found.graph.sections / found.best - 1, 0) * 100 for found in longer)
    yield gap(f"{len(longer)} with area > path", longer, 5.0, f"{forced:.2f} % are forced by joins of all")
    idle = statistics.mean(100 - found.graph.area / found.ours * 100 for found in longer)
    yield Row(name="  idle of the tight kind", value=idle, unit="%", limit=5.0)
    dominated = [found for found in longer if found.graph.sections <= found.graph.area * 1.005]
    note = "no other bound is larger, joins of all included"
    yield gap(f"{len(dominated)} where area dominates", dominated, 5.0, note)
    yield from others(title, large)
    yield cost(lab)


def gap(name: str, found: Sequence[Outcome], limit: float | None, note: str) -> Row:
    """The mean over the best."""
    gaps = [one.gap() for one in found]
    return Row(
        name=name,
        value=statistics.mean(gaps),
        unit="%",
        limit=limit,
        note=f"worst {max(gaps):.0f} %" + (f"; {note}" if note else ""),
    )


def others(title: str, found: Sequence[Outcome]) -> Iterator[Row]:
    """Ours beside what others do, and beside ours with durations that are wrong."""
    ours = statistics.mean(one.gap() for one in found)
    named = {
        "heft": "by upward rank, no back-filling",
        "fcfs": "first come, first served",
        "filling": "first come, with back-filling",
    }
    for of, name in named.items():
        theirs = statistics.mean(one.gap(of) for one in found)
        ratio = statistics.mean(one.ours / getattr(one, of) for one in found)
        yield Row(
            name=f"  {name}",
            value=ours,
            unit="%",
            reference=theirs,
            ratio=ratio,
            limit=1.0,
            of_ratio=True,
            note=title,
        )
    ratio = statistics.mean(one.inexact / one.ours for one in found)
    value = statistics.mean(one.gap("inexact") for one in found)
    yield Row(
        name="  durations wrong by up to 50 %",
        value=value,
        unit="%",
        reference=ours,
        ratio=ratio,
        limit=1.05,
        of_ratio=True,
        note=title,
    )


def crowd(steps: int) -> Graph:
    """Layers of a hundred on average, and what a machine of sixteen cores may have to offer."""
    chance = Chance(steps)
    kinds = [(chance.between(1, 4), chance.between(0, 6), chance.below(2)) for _ in range(12)]
    return Graph(
        seed=steps,
        shape="layered",
        needs=layers(chance, steps, 100),
        durations=tuple(chance.log_between(100, 10_000) for _ in range(steps)),
        capacities=(16, 32, 4),
        demands=tuple(kinds[chance.below(len(kinds))] for _ in range(steps)),
    )


def cost(lab: Lab) -> Row:
    """Microseconds a step that the order and the room take, of this process: with them and without, by turns."""
    one = crowd(lab.sizes.steps)
    pool = pool_of(one)
    with_, without, sought = [], [], []
    for _ in range(3):
        plan = plan_of(one)
        began = time.process_time()
        better = reordered(plan, {f"s{i}": t for i, t in enumerate(one.durations)}, pool, len(plan.steps))
        sought.append(time.process_time() - began)
        played(better, one.durations, pool)
        with_.append(time.process_time() - began)
        began = time.process_time()
        played(plan, one.durations, None)
        without.append(time.process_time() - began)
    scale = 1e6 / len(one.needs)
    more = (statistics.median(with_) - statistics.median(without)) * scale
    note = f"{statistics.median(sought) * scale:.0f} us of them for the order"
    return Row(
        name=f"{lab.sizes.steps:,} steps with 3 kinds, on top",
        value=more,
        unit="us/step",
        limit=60.0,
        note=note,
    )
