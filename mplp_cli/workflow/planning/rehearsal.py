"""The start order of a run, from a rehearsal: the plan as tasks with durations and resources, tried in many orders."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from math import gcd
from statistics import median_low

from msgspec import structs

from mplp_cli.workflow.plan import CONTAINERS, SPREAD, Plan, PlanStep
from mplp_cli.workflow.planning.ordering import SEARCH, best_order
from mplp_cli.workflow.planning.simulation import Columns, Tasks
from mplp_cli.workflow.resources import Demand, Kind, Pool

#: How long a step takes that nothing is known of, if nothing is known of any other (ms).
UNKNOWN = 1_000


def reordered(
    plan: Plan,
    durations: Mapping[str, int],
    pool: Pool,
    slots: int,
    *,
    ended: Collection[str] = (),
    search: int = SEARCH,
) -> Plan:
    """The plan with the ranks of the best start order that a search finds, and the patience that goes with it.

    `durations` are what steps are expected to take (ms), by id; a step that is not among them takes as long as most
    others. `slots` are the attempts with effects that may go on at once, `ended` the ids of steps that have ended.
    Steps of a higher priority go first in any order. The plan comes back as it is if no step asks for resources and
    no duration is known, or if there is a slot for each.
    """
    acting = [step for step in plan.steps if step.effect]
    demanding = any(step.demand is not None for step in acting)
    if not demanding and (not durations or (len(acting) <= slots and not plan.grows)):
        return plan
    tasks = rehearsed(plan, durations, pool, slots, ended)
    urgency: list[int] = []
    if any(step.priority for step in plan.steps):
        urgency = [-step.priority for step in plan.steps] + [0] * (len(tasks.durations) - len(plan.steps))
    found = best_order(tasks, urgency, search)
    return ranked(plan, found.order, found.patience)


def ranked(plan: Plan, order: Sequence[int], patience: int) -> Plan:
    """The plan whose steps start in this order; numbers that are no steps are left out."""
    known, apart = len(plan.steps), SPREAD if plan.grows else 1
    by_rank = [i for i in order if i < known]
    ranks = [0] * known
    for place, i in enumerate(by_rank):
        ranks[i] = place * apart
    return structs.replace(
        plan,
        steps=[structs.replace(step, rank=rank) for step, rank in zip(plan.steps, ranks, strict=True)],
        by_rank={rank: i for i, rank in enumerate(ranks)} if plan.grows else by_rank,
        patience=patience,
    )


def rehearsed(
    plan: Plan, durations: Mapping[str, int], pool: Pool, slots: int, ended: Collection[str] = ()
) -> Tasks:
    """The plan as tasks: one for each step, one for the end of each container, one before `finally`.

    Both branches of a conditional are run and what is repeated is run once; a fallback takes no time. The lanes of
    a parallel step are not reckoned with, nor is what other runs hold.
    """
    steps = plan.steps
    idle = _idle(steps)
    before, count = _before(plan, idle)
    known = [durations[step.id] for step in steps if step.effect and step.id in durations]
    usual = median_low(known) if known else UNKNOWN
    lengths = [0] * count
    for i, step in enumerate(steps):
        if i not in idle and step.kind not in CONTAINERS and step.id not in ended:
            lengths[i] = durations.get(step.id, usual if step.effect else 0)
    takes = _Takes(pool, [step.demand for step in steps if step.demand is not None], slots)
    packed, rates = [0] * count, {}
    for i, step in enumerate(steps):
        if step.effect and lengths[i]:
            packed[i], spent = takes.of(step.demand)
            if spent:
                rates[i] = spent
    dependants: list[list[int]] = [[] for _ in before]
    for i, others in enumerate(before):
        for d in others:
            dependants[d].append(i)
    return Tasks(
        columns=takes.columns,
        durations=lengths,
        takes=packed,
        waits=[len(others) for others in before],
        dependants=dependants,
        slot=takes.slot,
        rates=rates,
    )


def _idle(steps: Sequence[PlanStep]) -> set[int]:
    """Steps that run only if something fails: fallbacks, and what stands in them."""
    idle: set[int] = set()
    for i, step in enumerate(steps):  # containers come before what stands in them
        if step.branch == "fallback" or step.parent in idle:
            idle.add(i)
    return idle


def _before(plan: Plan, idle: Collection[int]) -> tuple[list[list[int]], int]:
    """For each task those it waits for, and how many there are. A container is two: it opens, and it ends."""
    steps = plan.steps
    end = list(range(len(steps)))
    count = len(steps)
    for i, step in enumerate(steps):
        if step.kind in CONTAINERS:
            end[i] = count
            count += 1
    before: list[list[int]] = [[] for _ in range(count + 1)]
    for i, step in enumerate(steps):
        before[i] = [end[d] for d in plan.before(i)]
        if end[i] != i:
            before[end[i]].append(i)
        if step.parent >= 0 and i not in idle:
            before[i].append(step.parent)
            before[end[step.parent]].append(end[i])
    if plan.final:
        before[count] = [end[i] for i in plan.top]
        for i in plan.final:
            before[i].append(count)
    return before, count + 1


class _Takes:
    """What demands take of the slots, and of the kinds that anybody asks for: in amounts that all are made of."""

    def __init__(self, pool: Pool, demands: Sequence[Demand], slots: int) -> None:
        distinct = list(dict.fromkeys({id(demand): demand for demand in demands}.values()))
        names = sorted({name for demand in distinct for name, _ in demand.amounts if name in pool.kinds})
        asked = {
            name: [_alone(pool.kinds[name], demand.amount(name)) for demand in distinct] for name in names
        }
        names.sort(key=lambda name: sum(asked[name]) / (pool.kinds[name].capacity or 1))  # the scarcest last
        self._kinds = [pool.kinds[name] for name in names]
        self._scales = [gcd(*asked[name]) or 1 for name in names]
        sizes = [kind.capacity // scale for kind, scale in zip(self._kinds, self._scales, strict=True)]
        self.columns = Columns([max(slots, 1), *sizes])
        self._made: dict[int, tuple[int, list[tuple[int, int]]]] = {}
        self.slot = self.columns.packed([1, *[0] * len(sizes)])

    def of(self, demand: Demand | None) -> tuple[int, list[tuple[int, int]]]:
        """What it takes with its slot; of rates how much comes back when (`per`, amount)."""
        if demand is None:
            return self.slot, []
        if id(demand) not in self._made:
            rows = list(zip(self._kinds, self._scales, strict=True))
            amounts = [_alone(kind, demand.amount(kind.name)) // scale for kind, scale in rows]
            spent = []
            for column, (kind, _) in enumerate(rows):
                if kind.per and amounts[column]:
                    one = [0] * (len(rows) + 1)
                    one[column + 1] = amounts[column]
                    spent.append((kind.per, self.columns.packed(one)))
            self._made[id(demand)] = self.columns.packed([1, *amounts]), spent
        return self._made[id(demand)]


def _alone(kind: Kind, amount: int) -> int:
    """How much of a kind an amount takes from others: with several units, what it leaves of one serves few."""
    if len(kind.units) == 1 or not amount:
        return min(amount, kind.capacity)
    fitting = sum(unit.capacity // amount for unit in kind.units)
    return kind.capacity // fitting if fitting else min(amount, kind.capacity)
