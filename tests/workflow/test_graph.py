"""Orders over numbered steps: topological, in file order, levels, longest chains, start order."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given as sampled
from hypothesis import strategies as st

from mplp_cli.workflow.graph import CycleError, file_order, longest_chain, topological, waves
from tests.bench_of_runs import begun, choice, given, parallel, pause, planned, run_steps, shell

Graph = dict[int, tuple[int, ...]]


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    """An acyclic graph over shuffled numbers: member -> what it waits for."""
    numbers = draw(st.permutations(range(draw(st.integers(0, 8)))))
    return {
        i: tuple(draw(st.lists(st.sampled_from(numbers[:place]), unique=True))) if place else ()
        for place, i in enumerate(numbers)
    }


@sampled(graphs())
def test_every_order_has_each_member_once_and_after_what_it_waits_for(graph: Graph) -> None:
    for order_of in (topological, file_order):
        order = order_of(sorted(graph), graph.__getitem__)
        assert sorted(order) == sorted(graph)
        place = {i: n for n, i in enumerate(order)}
        assert all(place[d] < place[i] for i in graph for d in graph[i])


@sampled(graphs())
def test_the_file_order_takes_the_first_of_those_that_may_come_next(graph: Graph) -> None:
    done: set[int] = set()
    for i in file_order(sorted(graph), graph.__getitem__):
        ready = [m for m in graph if m not in done and done.issuperset(graph[m])]
        assert i == min(ready)
        done.add(i)


@sampled(graphs())
def test_waves_hold_each_member_at_the_earliest_level(graph: Graph) -> None:
    found = waves(sorted(graph), graph.__getitem__)
    level = {i: n for n, wave in enumerate(found) for i in wave}
    assert level.keys() == graph.keys()
    for i, needs in graph.items():
        assert level[i] == 1 + max((level[d] for d in needs), default=-1)
    assert found == [sorted(wave) for wave in found]


@sampled(graphs())
def test_the_longest_chain_is_a_chain_and_as_long_as_there_are_waves(graph: Graph) -> None:
    chain = longest_chain(sorted(graph), graph.__getitem__)
    assert len(chain) == len(waves(sorted(graph), graph.__getitem__))
    assert all(before in graph[after] for before, after in itertools.pairwise(chain))


@sampled(graphs(), st.data())
def test_a_cycle_is_found_and_shown_from_its_smallest_member_back_to_it(
    graph: Graph, data: st.DataObject
) -> None:
    length = data.draw(st.integers(1, 5))
    loop = [100 + n for n in range(length)]
    shuffled = data.draw(st.permutations(loop))
    cyclic = dict(graph)
    for n, i in enumerate(shuffled):
        cyclic[i] = (
            (shuffled[(n + 1) % length], *data.draw(st.lists(st.sampled_from(sorted(graph)), max_size=2)))
            if graph
            else (shuffled[(n + 1) % length],)
        )
    with pytest.raises(CycleError) as caught:
        topological(sorted(cyclic), cyclic.__getitem__)
    cycle = caught.value.cycle
    assert cycle[0] == cycle[-1] == min(loop)
    assert sorted(cycle[:-1]) == loop
    assert all(after in cyclic[before] for before, after in itertools.pairwise(cycle))


def test_the_earliest_of_equally_long_chains_is_the_critical_path() -> None:
    plan = planned([given("a"), given("b"), given("c", dependencies=["a"]), given("d", dependencies=["b"])])
    assert [plan.steps[i].id for i in plan.critical_path()] == ["a", "c"]


# ---- start order ---------------------------------------------------------------------------------


def start_order(steps: list[dict[str, Any]], **more: Any) -> list[str]:
    """Shell steps in the order in which they start when one at a time may run."""
    _, bench = run_steps(steps, max_parallel=1, **more)
    return bench.work.executed


def test_ready_steps_start_in_file_order() -> None:
    assert start_order([shell("a"), shell("b"), shell("c")]) == ["a", "b", "c"]


def test_a_step_with_a_longer_path_behind_it_starts_earlier() -> None:
    steps = [shell("a"), shell("b"), shell("c", dependencies=["b"]), shell("d", dependencies=["c"])]
    assert start_order(steps) == ["b", "c", "a", "d"]


def test_a_higher_priority_starts_earlier_whatever_is_behind() -> None:
    steps = [
        shell("a"),
        shell("b"),
        shell("c", dependencies=["b"]),
        shell("d", priority=5),
        shell("e", priority=-1),
    ]
    assert start_order(steps) == ["d", "b", "a", "c", "e"]


def test_a_container_is_as_long_as_the_longest_chain_inside_it() -> None:
    inside = parallel("p", shell("x"), shell("y", dependencies=["x"]), shell("z", dependencies=["y"]))
    assert start_order([shell("a"), shell("b", dependencies=["a"]), inside])[0] == "x"


def test_what_comes_after_a_container_counts_for_its_children() -> None:
    steps = [shell("a"), parallel("p", shell("x")), shell("b", dependencies=["p"])]
    assert start_order(steps) == ["x", "a", "b"]


def test_a_block_counts_as_a_chain() -> None:
    block = choice("c", "true", [shell("t1"), shell("t2"), shell("t3")])
    assert start_order([shell("a"), shell("b", dependencies=["a"]), block])[0] == "t1"


def test_a_step_that_becomes_ready_later_still_goes_first_if_it_ranks_first() -> None:
    steps = [shell("a"), shell("b"), shell("c"), shell("z", dependencies=["a"], priority=1)]
    assert start_order(steps) == ["a", "z", "b", "c"]


def test_max_parallel_of_the_run_bounds_what_runs_at_once_at_any_depth() -> None:
    steps = [
        parallel("p", *(shell(f"x{n}", "sleep 1") for n in range(4))),
        *(shell(f"s{n}", "sleep 1") for n in range(4)),
    ]
    _, bench = run_steps(steps, max_parallel=3)
    assert bench.work.most == 3
    assert bench.clock.elapsed == 3


def test_max_parallel_of_a_parallel_bounds_its_children_and_no_others() -> None:
    steps = [
        parallel("p", *(shell(f"x{n}", "sleep 1") for n in range(4)), max_parallel=1),
        *(shell(f"s{n}", "sleep 1") for n in range(3)),
    ]
    _, bench = run_steps(steps, max_parallel=4)
    assert bench.work.most == 4
    assert [begun(bench, f"x{n}") for n in range(4)] == [[0], [1000], [2000], [3000]]


def test_a_nested_container_takes_one_lane_for_as_long_as_it_is_open() -> None:
    inner = [parallel(f"q{n}", shell(f"x{n}", "sleep 1"), shell(f"y{n}", "sleep 1")) for n in range(2)]
    _, bench = run_steps([parallel("p", *inner, max_parallel=1)], max_parallel=8)
    assert begun(bench, "x0") == begun(bench, "y0") == [0]
    assert begun(bench, "x1") == begun(bench, "y1") == [1000]


def test_containers_waits_and_values_take_no_slot() -> None:
    steps = [shell("s", "sleep 5"), pause("w", "1s"), given("g"), parallel("p", given("x"), pause("y", "1s"))]
    state, bench = run_steps(steps, max_parallel=1)
    assert state.ended_at[state.plan.number["p"]] - state.started == 1000
    assert bench.clock.elapsed == 5


def test_children_run_at_the_same_time() -> None:
    _, bench = run_steps([parallel("p", shell("x", "sleep 1"), shell("y", "sleep 1"))])
    assert bench.clock.elapsed == 1


def test_a_sequential_workflow_runs_one_step_after_the_other_and_its_parallels_at_once() -> None:
    steps = [
        shell("a", "sleep 1"),
        parallel("p", shell("x", "sleep 1"), shell("y", "sleep 1")),
        shell("b", "sleep 1"),
    ]
    _, bench = run_steps(steps, execution="sequential")
    assert [begun(bench, n) for n in ("a", "x", "y", "b")] == [[0], [1000], [1000], [2000]]


def test_a_step_whose_condition_is_judged_first_does_not_lose_its_turn() -> None:
    assert start_order([shell("a"), shell("b", when="1 < 2", priority=1)]) == ["b", "a"]


def test_a_long_chain_of_values_does_not_keep_work_from_starting() -> None:
    chain = [given("g0"), *(given(f"g{n}", dependencies=[f"g{n - 1}"]) for n in range(1, 2000))]
    _, bench = run_steps([*chain, shell("s", "ok")])
    assert (
        next(
            n for n, commit in enumerate(bench.commits) if any(getattr(f, "step", "") == "s" for f in commit)
        )
        <= 1
    )
