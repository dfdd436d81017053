"""The start order of runs with resources: simulated as the fold decides, never worse than the plain one."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given as over
from hypothesis import strategies as st
from msgspec import structs

from mplp_cli.workflow.plan import PATIENCE, Plan
from mplp_cli.workflow.planning.ordering import behind, best_order, lower_bound
from mplp_cli.workflow.planning.rehearsal import ranked, rehearsed, reordered
from mplp_cli.workflow.planning.simulation import Columns, Tasks, simulated
from mplp_cli.workflow.resources import Demand, Kind, Pool, Unit
from tests.bench.graphs import graph
from tests.bench.makespan import plan_of, played, pool_of
from tests.bench_of_runs import Bench, begun, given, parallel, planned, shell, step

ALL, GPU = {"cpu": 4}, {"gpu": 600}


def pool(per: int = 0, **units: list[int]) -> Pool:
    """`cpu=[4, 4]` is a kind with two units."""
    return Pool(
        {
            name: Kind(
                name=name, units=tuple(Unit(f"{name}{n}", size) for n, size in enumerate(sizes)), per=per
            )
            for name, sizes in units.items()
        }
    )


def holding(plan: Plan, **demands: Mapping[str, int]) -> Plan:
    """The plan whose steps hold something: `a={"cpu": 2}`."""
    made = {name: Demand(amounts=tuple(sorted(amounts.items()))) for name, amounts in demands.items()}
    return structs.replace(plan, steps=[structs.replace(s, demand=made.get(s.id)) for s in plan.steps])


def order_of(plan: Plan) -> list[str]:
    return [s.id for s in sorted(plan.steps, key=lambda s: s.rank)]


@st.composite
def crowds(draw: st.DrawFn) -> tuple[Tasks, list[tuple[int, ...]], list[int]]:
    """Tasks of up to three columns, what they hold by column, and how urgent they are."""
    capacities = draw(st.lists(st.integers(1, 5), min_size=1, max_size=3))
    count = draw(st.integers(1, 14))
    columns = Columns(capacities)
    held = [tuple(draw(st.integers(0, most)) for most in capacities) for _ in range(count)]
    needs = [draw(st.sets(st.integers(0, i - 1), max_size=3)) if i else set() for i in range(count)]
    tasks = Tasks(
        columns=columns,
        durations=[draw(st.integers(0, 9)) for _ in range(count)],
        takes=[columns.packed(row) for row in held],
        waits=[len(needed) for needed in needs],
        dependants=[[j for j in range(count) if i in needs[j]] for i in range(count)],
    )
    return tasks, held, draw(st.lists(st.integers(0, 2), min_size=count, max_size=count))


@over(crowds(), st.sampled_from([0, 1, PATIENCE]), st.randoms(use_true_random=False))
def test_a_simulation_keeps_to_dependencies_and_never_takes_more_than_there_is(
    crowd: tuple[Tasks, list[tuple[int, ...]], list[int]], patience: int, chance: Any
) -> None:
    tasks, held, _ = crowd
    order = list(range(len(held)))
    chance.shuffle(order)
    makespan, starts = simulated(tasks, order, patience)
    ends = [start + duration for start, duration in zip(starts, tasks.durations, strict=True)]
    assert makespan == max(ends)
    assert makespan >= lower_bound(tasks)
    for i, later in enumerate(tasks.dependants):
        assert all(starts[d] >= ends[i] for d in later)
    for moment in starts:
        running = [row for row, start, end in zip(held, starts, ends, strict=True) if start <= moment < end]
        for column, capacity in enumerate(tasks.columns.capacities):
            assert sum(row[column] for row in running) <= capacity


@over(crowds())
def test_the_order_found_is_never_worse_than_the_plain_one_and_always_the_same(
    crowd: tuple[Tasks, list[tuple[int, ...]], list[int]],
) -> None:
    tasks, _, urgency = crowd
    found = best_order(tasks, urgency, search=600)
    assert found == best_order(tasks, urgency, search=600)
    assert sorted(found.order) == list(range(len(urgency)))
    assert all(urgency[a] <= urgency[b] for a, b in pairwise(found.order))
    ranks = behind(tasks, tasks.durations)
    plain = sorted(range(len(ranks)), key=lambda i: (urgency[i], -ranks[i], i))
    assert simulated(tasks, found.order, found.patience)[0] == found.makespan <= simulated(tasks, plain)[0]


@pytest.mark.parametrize("patience", [0, 4, PATIENCE])
def test_the_fold_starts_every_step_when_the_simulation_says(patience: int) -> None:
    for seed in (1, 2, 3, 5, 12, 33, 1011):
        one = graph(seed)
        # No two steps end in one moment: what is decided then depends on which is heard of first.
        durations = [duration * 10_000 + 7 * i for i, duration in enumerate(one.durations)]
        plan, expected = plan_of(one), {f"s{i}": duration for i, duration in enumerate(durations)}
        tasks = rehearsed(plan, expected, pool_of(one), len(durations))
        ranks = behind(tasks, tasks.durations)
        order = sorted(range(len(ranks)), key=lambda i: -ranks[i])
        starts = simulated(tasks, order, patience)[1]
        assert played(ranked(plan, order, patience), durations, pool_of(one)) == starts[: len(durations)]


def test_what_is_taken_of_a_rate_comes_back_in_its_time_and_not_before() -> None:
    plan = holding(planned([shell("a"), shell("b"), shell("c")]), a={"t": 3}, b={"t": 3}, c={"t": 1})
    tasks = rehearsed(plan, dict.fromkeys("abc", 10), pool(per=1_000, t=[4]), 8)
    assert simulated(tasks, range(len(tasks.waits)))[1][:3] == [0, 1_000, 0]


def test_two_that_need_more_than_half_of_a_unit_do_not_stand_on_one() -> None:
    plan = holding(planned([shell(name) for name in "abc"]), a=GPU, b=GPU, c=GPU)
    tasks = rehearsed(plan, dict.fromkeys("abc", 10), pool(gpu=[1_000, 1_000]), 8)
    assert simulated(tasks, range(len(tasks.waits)))[1][:3] == [0, 0, 10]


def test_without_demands_a_plan_stays_as_it_is_unless_slots_are_short_and_durations_known() -> None:
    plan = planned([shell("a"), shell("b"), shell("c")])
    assert reordered(plan, {}, pool(cpu=[4]), 1) is plan
    assert reordered(plan, {"b": 9_000}, pool(cpu=[4]), 3) is plan
    assert order_of(reordered(plan, {"a": 10, "b": 9_000, "c": 20}, pool(cpu=[4]), 2))[0] == "b"


def test_a_higher_priority_goes_first_whatever_takes_longest() -> None:
    plan = holding(
        planned([shell("long"), shell("short", priority=1), shell("first", priority=2)]),
        long=ALL,
        short=ALL,
        first=ALL,
    )
    durations = {"long": 60_000, "short": 10, "first": 20}
    assert order_of(reordered(plan, durations, pool(cpu=[4]), 8)) == ["first", "short", "long"]


def test_steps_that_have_ended_take_no_room_in_the_rehearsal() -> None:
    plan = holding(planned([shell("a"), shell("b", dependencies=["a"])]), a={"cpu": 4}, b={"cpu": 4})
    tasks = rehearsed(plan, {"a": 500, "b": 70}, pool(cpu=[4]), 8, ended=["a"])
    assert lower_bound(tasks) == 70


def test_containers_last_as_long_as_what_stands_in_them_and_finally_comes_last() -> None:
    plan = planned(
        [
            parallel("p", shell("x"), shell("y")),
            step("conditional", "c", condition="true", then=[shell("t1"), shell("t2")], dependencies=["p"]),
            shell("a", fallback_actions=[{"condition": "any", "action": "run-step", "step": shell("mend")}]),
        ],
        finally_=[shell("f")],
    )
    tasks = rehearsed(plan, dict.fromkeys(["x", "y", "t1", "t2", "a", "mend", "f"], 100), pool(), 8)
    makespan, starts = simulated(tasks, range(len(tasks.waits)))
    at = {s.id: starts[s.number] for s in plan.steps if s.id != "mend"}
    assert at == {"p": 0, "x": 0, "y": 0, "c": 100, "t1": 100, "t2": 200, "a": 0, "f": 300}
    assert makespan == 400


def test_a_run_that_grows_starts_its_items_in_the_order_that_was_found() -> None:
    plan = planned(
        [
            step("foreach", "each", items=[1, 2], steps=[shell("in", "sleep 1")]),
            shell("long", "sleep 5"),
            given("quick"),
        ]
    )
    plan = holding(plan, **{"in": {"cpu": 4}, "long": {"cpu": 4}})
    room = pool(cpu=[4])
    better = reordered(plan, {"in": 1_000, "long": 5_000}, room, 4)
    assert better.grows
    assert [better.steps[i].rank for i in better.by_rank.values()] == list(better.by_rank)  # type: ignore[union-attr] # it grows
    bench = Bench(better, pool=room)
    assert bench.start().status == "completed"
    assert begun(bench, "long") == [0]
    assert [begun(bench, f"each[{n}].in") for n in (0, 1)] == [[5_000], [6_000]]
