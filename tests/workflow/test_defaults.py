"""A step's `default`: what stands in for its result when it was skipped or omitted."""

from __future__ import annotations

from typing import Any

import pytest

from mplp_cli.observe.explanation import explain
from mplp_cli.observe.reasons import came_to_start, why_so
from mplp_cli.workflow.fold.state import RunState
from mplp_cli.workflow.plan import Plan
from tests.bench_of_runs import (
    Bench,
    choice,
    fallback,
    given,
    parallel,
    planned,
    result_of,
    run_steps,
    shell,
    statuses,
    step,
)


@pytest.mark.parametrize("default", [None, 0, False, "", [], {}, {"n": [1, None]}, "costs $5", "a $${x} b"])
def test_the_default_is_the_result_of_a_step_that_was_skipped(default: Any) -> None:
    state, bench = run_steps(
        [given("a", when=False, default=default), given("b", {"x": "${a.result}", "was": "${a.status}"})]
    )
    meant = "a ${x} b" if default == "a $${x} b" else default
    assert statuses(state) == {"a": "skipped", "b": "completed"}
    assert result_of(state, "a") == meant
    assert result_of(state, "b") == {"x": meant, "was": "skipped"}
    assert bench.replayed().results == state.results


def test_a_step_that_ran_has_its_own_result_and_one_that_failed_has_none() -> None:
    state, _ = run_steps(
        [
            shell("a", default=1),
            shell("b", "fail", default=1),
            given("c", {"x": "${b.result}"}, join="all-ended"),
        ]
    )
    assert result_of(state, "a") == {"output": "a", "attempt": 1}
    assert statuses(state) == {"a": "completed", "b": "failed", "c": "failed"}


def test_what_a_failure_omits_may_have_a_default_and_the_run_still_fails() -> None:
    state, _ = run_steps(
        [
            shell("a", "fail"),
            shell("b", dependencies=["a"], default={"rows": 0}),
            given("c", {"rows": "${b.result.rows}"}),
        ],
        outputs={"rows": "${c.result.rows}"},
    )
    assert statuses(state) == {"a": "failed", "b": "omitted", "c": "completed"}
    assert (state.status, state.outputs) == ("failed", {"rows": 0})


def test_the_default_of_a_step_comes_before_the_default_of_an_expression() -> None:
    state, _ = run_steps([given("a", when=False, default=1), given("b", {"x": "${a.result | default(2)}"})])
    assert result_of(state, "b") == {"x": 1}


def test_a_container_that_was_skipped_may_have_a_default() -> None:
    state, _ = run_steps(
        [parallel("p", given("x"), when=False, default=[]), given("b", {"x": "${p.result}"})]
    )
    assert statuses(state) == {"p": "skipped", "x": "skipped", "b": "completed"}
    assert result_of(state, "b") == {"x": []}


def test_a_branch_may_end_in_a_default() -> None:
    state, _ = run_steps([choice("k", "true", [given("x"), given("y", when=False, default="y")])])
    assert result_of(state, "k") == "y"


def test_a_failure_in_a_branch_is_not_hidden_by_the_default_of_what_it_omits() -> None:
    state, _ = run_steps([choice("k", "true", [shell("x", "fail"), given("y", default=1)])])
    assert statuses(state) == {"k": "failed", "x": "failed", "y": "omitted"}


def test_a_child_with_a_default_is_settled_with_it_and_its_failed_sibling_still_counts() -> None:
    children = (shell("x", "fail"), shell("y", dependencies=["x"], default=7))
    state, _ = run_steps([parallel("p", *children, fail_on="none")])
    x, y = result_of(state, "p")["results"]
    assert (x["status"], y["status"], y["value"]) == ("rejected", "fulfilled", 7)
    assert statuses(run_steps([parallel("p", *children)])[0])["p"] == "failed"


def test_a_cancelled_step_has_no_default() -> None:
    bench = Bench(planned([shell("a", "sleep 9"), shell("b", dependencies=["a"], default=1)]))
    state = bench.start(during=[(1, lambda drive: drive.cancel("ann"))])
    assert statuses(state) == {"a": "cancelled", "b": "cancelled"}
    assert state.results == RunState(bench.plan).results


def test_a_step_that_starts_once_more_after_a_failure_forgets_its_default() -> None:
    bench = Bench(
        planned(
            [shell("a", "fail 1"), shell("b", dependencies=["a"], default=1), shell("c", dependencies=["b"])]
        )
    )
    assert bench.start().status == "failed"
    state = bench.resume()
    assert statuses(state) == dict.fromkeys("abc", "completed")
    assert result_of(state, "b")["output"] == "b"
    assert bench.work.executed == ["a", "c", "a", "b"], "a completed step never runs again"


def test_explain_says_that_a_default_stands_in() -> None:
    bench = Bench(planned([shell("a", "x", when=False, default=1), given("b", {"x": "${a.result}"})]))
    bench.start()

    def told(plan: Plan, step: str) -> Any:
        return explain(plan, bench.history(), step)

    assert why_so(told(bench.plan, "a")) == (
        "It was skipped: its condition was false. Its `default` stands in for its result."
    )
    assert "The `default` of `a` stands in, which counts as completed." in came_to_start(
        told(bench.plan, "b")
    )


def test_a_default_serves_a_step_that_its_fallback_skips() -> None:
    state, _ = run_steps(
        [shell("a", "fail", fallback_actions=fallback("skip"), default=5), given("b", {"x": "${a.result}"})]
    )
    assert statuses(state) == {"a": "skipped", "b": "completed"}
    assert state.status == "completed"
    assert state.warnings == ["`a` failed (scripted failure) and a fallback mended it"]


def test_an_item_may_end_in_a_default() -> None:
    inner = given("a", {"n": "${item}"}, when="item > 1", default={"n": 0})
    state, _ = run_steps([step("foreach", "f", items=[1, 2], steps=[inner])])
    assert result_of(state, "f") == [{"n": 0}, {"n": 2}]
    assert statuses(state)["f[0].a"] == "skipped"
