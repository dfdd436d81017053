"""Runs with resources end almost as early as an exact solver can make them, on graphs whose best is stored."""

from __future__ import annotations

import statistics

from tests.bench.graphs import SHAPES, SMALL, Graph, graph
from tests.bench.makespan import fcfs, heft, makespan, ordered, played, pool_of, stored

REPLAYED = SMALL[4::10]
CHECKED = (3, 8, 13)


def most_held(one: Graph, starts: list[int], kind: int) -> int:
    """The most that is held of a kind at any moment."""
    ends = [start + duration for start, duration in zip(starts, one.durations, strict=True)]
    rows = list(zip(starts, ends, one.demands, strict=True))
    return max(sum(row[kind] for start, end, row in rows if start <= now < end) for now in starts)


def test_twenty_graphs_end_on_average_within_four_hundredths_of_the_best_known() -> None:
    best = stored()
    assert len(best) == len(SMALL)
    gaps = []
    for seed in REPLAYED:
        one = graph(seed)
        found = makespan(one, ordered(one, one.durations))
        assert found >= best[seed].bound
        assert found <= heft(one)
        assert found <= fcfs(one, fill=False)
        gaps.append(found / best[seed].makespan - 1)
    assert len(gaps) == 20
    assert statistics.mean(gaps) <= 0.04


def test_no_kind_is_ever_oversubscribed_and_no_step_starts_before_what_it_needs_has_ended() -> None:
    assert {graph(seed).shape for seed in CHECKED} == set(SHAPES)
    for seed in CHECKED:
        one = graph(seed)
        starts = played(ordered(one, one.durations), one.durations, pool_of(one))
        for i, needed in enumerate(one.needs):
            assert all(starts[i] >= starts[d] + one.durations[d] for d in needed)
        for kind, capacity in enumerate(one.capacities):
            assert most_held(one, starts, kind) <= capacity
