"""One step of a failed run tried again: it, what waits on it, and nothing else."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from mplp_cli.workflow.fold import history as h
from mplp_cli.workflow.fold.onward import obstacle, retried, standing, tried_again
from mplp_cli.workflow.fold.state import RunState
from tests.bench_of_runs import (
    Bench,
    Died,
    choice,
    collapse,
    fallback,
    given,
    parallel,
    planned,
    reason_of,
    shell,
    statuses,
    step,
)
from tests.virtual import facts_of


def tried(bench: Bench, name: str, dies: Callable[..., None] | None = None) -> RunState:
    """Retry a step of the run as it was stored."""
    begin = h.RunResumed(bench.clock.now(), "mplp", name)
    state = bench.resume(begin=begin, during=[(0.005, dies)] if dies else [])
    assert facts_of(bench.replayed()) == facts_of(state)
    return state


def failed(steps: list[dict[str, object]], **more: object) -> Bench:
    bench = Bench(planned(steps, **more))
    assert bench.start().status == "failed"
    bench.work.executed.clear()
    return bench


def test_only_the_step_and_what_waits_on_it_run() -> None:
    bench = failed(
        [
            shell("a", "fail 1"),
            shell("b", dependencies=["a"]),
            given("c", {"n": "${b.result.output}"}),
            shell("x", "fail 1"),
            shell("y", dependencies=["x"]),
        ],
        finally_=[shell("f")],
    )
    state = tried(bench, "a")
    assert bench.work.executed == ["a", "b", "f"]
    assert state.status == "failed"
    assert statuses(state) == {
        "a": "completed",
        "b": "completed",
        "c": "completed",
        "x": "failed",
        "y": "omitted",
        "f": "completed",
    }
    assert state.error is not None
    assert state.error.message == "`x`: scripted failure"
    assert tried(bench, "x").status == "completed"
    assert bench.work.executed == ["a", "b", "f", "x", "y", "f"]


def test_a_step_in_a_container_opens_the_container_and_its_siblings_stay_as_they_are() -> None:
    box = parallel("p", shell("x", "fail 1"), shell("y", "fail 1"), shell("z"))
    bench = failed([box, shell("after", dependencies=["p"])])
    state = tried(bench, "x")
    assert bench.work.executed == ["x"]
    assert statuses(state) == {
        "p": "failed",
        "x": "completed",
        "y": "failed",
        "z": "completed",
        "after": "omitted",
    }
    assert tried(bench, "y").status == "completed"
    assert bench.work.executed == ["x", "y", "after"]


def test_a_step_of_an_item_is_named_with_its_item() -> None:
    body = choice("c", "${item} > 1", [shell("bad", "fail 1")], [shell("good")])
    bench = failed([step("foreach", "each", items=[1, 2, 3], steps=[body])])
    state = tried(bench, "each[1].bad")
    assert bench.work.executed == ["each[1].bad"]
    assert state.status == "failed"
    assert tried(bench, "each").status == "completed"
    assert bench.work.executed == ["each[1].bad", "each[2].bad"]


def test_the_step_of_a_fallback_means_the_step_that_fell_back() -> None:
    bench = failed([shell("a", "fail 2", fallback_actions=fallback("run-step", step=shell("b", "fail 1")))])
    state = bench.replayed()
    assert retried(state, state.plan.number["b"]) == state.plan.number["a"]
    assert tried(bench, "a").status == "completed"
    assert bench.work.executed == ["a", "b"]


def test_what_was_cancelled_and_is_not_tried_again_fails_the_run() -> None:
    bench = failed([shell("a", "fail 1"), shell("b", "sleep 9")], fail_fast=True)
    state = tried(bench, "a")
    assert state.status == "failed"
    assert state.error is not None
    assert state.error.message == "`b` was cancelled and has not been tried again"
    assert tried(bench, "b").status == "completed"


def test_the_failures_that_stand_are_known_before() -> None:
    bench = failed(
        [shell("a", "fail"), shell("x", "fail"), shell("y", "fail", dependencies=["a"], join="all-ended")]
    )
    state = bench.replayed()
    assert standing(state, tried_again(state, 0)) == [1]


def test_a_step_behind_a_failure_that_stands_cannot_be_tried() -> None:
    bench = failed([shell("a", "fail"), shell("b", dependencies=["a"])])
    state = bench.replayed()
    stands = {0: state.step_status[0]}
    assert obstacle(bench.plan, 1, stands) == 0


def test_a_retry_that_is_killed_goes_on_as_the_retry_of_that_step() -> None:
    bench = failed([shell("a", "fail 1"), shell("b", dependencies=["a"]), shell("x", "fail 1")])
    with pytest.raises(Died):
        tried(bench, "a", dies=collapse)
    state = bench.resume()
    assert bench.work.executed == ["a", "a", "b"]
    assert statuses(state) == {"a": "completed", "b": "completed", "x": "failed"}
    assert reason_of(state, "x") == ""
