"""How a run ends: its status and error, outputs, warnings, and `finally`."""

from __future__ import annotations

import pytest

from mplp_cli.workflow.fold import history as h
from tests.bench_of_runs import (
    Bench,
    choice,
    error_of,
    facts,
    fallback,
    given,
    moment,
    parallel,
    planned,
    result_of,
    run_steps,
    shell,
    statuses,
)

# ---- the verdict -------------------------------------------------------------------------------


def test_a_run_whose_steps_are_completed_skipped_or_omitted_after_a_skip_is_completed() -> None:
    state, _ = run_steps([shell("a"), shell("b", when="false"), shell("c", dependencies=["b"])])
    assert statuses(state) == {"a": "completed", "b": "skipped", "c": "omitted"}
    assert state.status == "completed"
    assert state.error is None


def test_a_run_ends_failed_after_what_can_run_has_run_and_names_the_first_failure() -> None:
    state, bench = run_steps(
        [shell("late", "sleep 5"), shell("b", "fail", dependencies=["late"]), shell("a", "fail")]
    )
    assert state.status == "failed"
    assert state.error is not None
    assert state.error.message == "`a`: scripted failure (and 1 more)"
    assert state.error.details == {"step": "a"}
    assert facts(bench, h.RunFailed)[0].error == state.error


def test_the_error_of_a_failed_container_names_what_failed_in_it() -> None:
    state, _ = run_steps([choice("c", "true", [parallel("p", shell("x", "fail"))])])
    assert state.error is not None
    assert state.error.message == "`c`: `p`: 1 of the parallel steps failed: `x`"
    assert state.error.type == "ParallelExecutionError"


def test_results_of_what_had_ended_before_a_failure_are_kept() -> None:
    state, _ = run_steps([given("a", {"n": 1}), shell("b", "fail", dependencies=["a"])])
    assert result_of(state, "a") == {"n": 1}


def test_the_end_is_the_last_fact_and_ends_when_the_last_step_ends() -> None:
    _, bench = run_steps([shell("a", "sleep 5")])
    assert isinstance(bench.history()[-1], h.RunCompleted)
    assert moment(bench, bench.history()[-1]) == 5000


def test_a_run_of_nothing_but_values_is_one_commit() -> None:
    _, bench = run_steps([given("a"), given("b", {"v": "${a.result.n}"})], outputs={"v": "${b.result.v}"})
    assert [len(commit) for commit in bench.commits] == [1, 3]


# ---- outputs -----------------------------------------------------------------------------------


def test_outputs_keep_their_types_and_constants_stay() -> None:
    outputs = {
        "n": "${a.result.n}",
        "text": "n=${a.result.n}",
        "fixed": [1, 2],
        "deep": {"l": ["${a.result.n}"]},
    }
    state, _ = run_steps([given("a", {"n": 3})], outputs=outputs)
    assert state.outputs == {"n": 3, "text": "n=3", "fixed": [1, 2], "deep": {"l": [3]}}


def test_a_workflow_without_outputs_has_none() -> None:
    assert run_steps([given("a")])[0].outputs is None


def test_an_output_that_cannot_be_resolved_fails_a_completed_run_by_name() -> None:
    state, _ = run_steps([given("a")], outputs={"x": "${a.result.nope}", "y": 1, "z": "${a.result.no}"})
    assert statuses(state) == {"a": "completed"}
    assert state.status == "failed"
    assert state.error is not None
    assert state.error.type == "UnresolvedReferenceError"
    assert state.error.message == "output `x`: `result` has no `nope`; it has n"
    assert state.outputs == {"x": None, "y": 1, "z": None}
    assert state.warnings == [
        "an output could not be resolved: output `z`: `result` has no `no`; did you mean `n`?"
    ]


@pytest.mark.parametrize("final", [[], [given("f")]], ids=["without finally", "with finally"])
def test_an_output_that_cannot_be_resolved_is_null_with_a_warning_in_a_failed_run(
    final: list[dict[str, object]],
) -> None:
    state, _ = run_steps([shell("a", "fail")], outputs={"x": "${a.result.output}"}, finally_=final)
    assert state.error is not None
    assert state.error.message == "`a`: scripted failure"
    assert state.outputs == {"x": None}
    assert state.warnings == [
        "an output could not be resolved: output `x`: `a` has no result: it is failed (scripted failure)"
    ]


def test_outputs_are_settled_before_finally() -> None:
    _, bench = run_steps(
        [given("a", {"n": 3})], outputs={"n": "${a.result.n}"}, finally_=[shell("f", "fail")]
    )
    assert facts(bench, h.RunFinalizing)[0].outputs == {"n": 3}
    assert facts(bench, h.RunFailed)[0].outputs == {"n": 3}


def test_finally_sees_that_an_output_failed_the_run() -> None:
    state, _ = run_steps(
        [given("a")], outputs={"x": "${a.result.nope}"}, finally_=[given("f", {"s": "${run.status}"})]
    )
    assert result_of(state, "f") == {"s": "failed"}
    assert state.status == "failed"


def test_a_cancelled_run_has_the_outputs_that_there_are() -> None:
    bench = Bench(
        planned(
            [given("a", {"n": 3}), shell("b", "sleep 60")],
            outputs={"n": "${a.result.n}", "b": "${b.result.output}"},
        )
    )
    state = bench.start(during=[(5, lambda d: d.cancel("ann"))])
    assert state.outputs == {"n": 3, "b": None}


# ---- warnings ----------------------------------------------------------------------------------


def test_an_undisturbed_run_has_no_warnings() -> None:
    assert run_steps([shell("a"), shell("b", "fail 1", retry_policy={"max-retries": 1})])[0].warnings == []


def test_tolerated_and_mended_failures_are_warnings_of_a_completed_run() -> None:
    steps = [
        parallel("p", shell("x", "fail"), shell("y"), fail_on="all"),
        shell("a", "fail", fallback_actions=fallback("skip")),
    ]
    state, bench = run_steps(steps)
    assert state.status == "completed"
    assert sorted(state.warnings) == [
        "`a` failed (scripted failure) and a fallback mended it",
        "`x` failed and was tolerated: scripted failure",
    ]
    assert sorted(facts(bench, h.RunCompleted)[0].warnings) == sorted(state.warnings)


def test_a_failed_run_tells_its_warnings_too() -> None:
    steps = [shell("a", "fail", fallback_actions=fallback("skip")), shell("b", "fail")]
    assert run_steps(steps)[0].warnings == ["`a` failed (scripted failure) and a fallback mended it"]


# ---- finally -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("script", "status"), [("ok", "completed"), ("fail", "failed")])
def test_finally_runs_whatever_happened_and_sees_the_final_status(script: str, status: str) -> None:
    final = [given("f", {"run": "${run.status}", "a": "${a.status}"})]
    state, _ = run_steps([shell("a", script)], finally_=final)
    assert result_of(state, "f") == {"run": status, "a": status}
    assert state.status == status


def test_all_steps_of_finally_run_one_after_the_other_also_after_a_failure() -> None:
    final = [
        shell("f", "fail"),
        shell("g", "sleep 1"),
        parallel("p", shell("x"), shell("y")),
        shell("i", when="false"),
        shell("j"),
    ]
    state, bench = run_steps([shell("a")], finally_=final)
    assert bench.work.executed == ["a", "f", "g", "x", "y", "j"]
    assert statuses(state) == {
        "a": "completed",
        "f": "failed",
        "g": "completed",
        "p": "completed",
        "x": "completed",
        "y": "completed",
        "i": "skipped",
        "j": "completed",
    }


def test_a_failure_in_finally_fails_a_completed_run_and_is_its_error() -> None:
    state, _ = run_steps([shell("a")], finally_=[shell("f", "fail")])
    assert state.status == "failed"
    assert state.error is not None
    assert state.error.message == "`f`: scripted failure"


def test_a_failure_in_finally_does_not_hide_the_failure_of_the_run() -> None:
    state, _ = run_steps([shell("a", "fail")], finally_=[shell("f", "fail")])
    assert state.error is not None
    assert state.error.message == "`a`: scripted failure"
    assert error_of(state, "f").message == "scripted failure"


def test_a_failure_in_finally_that_is_mended_or_tolerated_fails_nothing() -> None:
    final = [
        shell("f", "fail", fallback_actions=fallback("skip")),
        parallel("p", shell("x", "fail"), fail_on="none"),
    ]
    state, _ = run_steps([shell("a")], finally_=final)
    assert state.status == "completed"
    assert len(state.warnings) == 2


def test_finally_begins_when_all_other_steps_have_ended() -> None:
    _, bench = run_steps([shell("a", "sleep 5"), shell("b")], finally_=[shell("f")])
    assert bench.work.executed == ["a", "b", "f"]
    assert moment(bench, facts(bench, h.RunFinalizing)[0]) == 5000


def test_finally_can_use_results_and_says_why_one_is_missing() -> None:
    final = [given("f", {"v": "${a.result.n}"}), given("g", {"v": "${b.result.output}"})]
    state, _ = run_steps([given("a"), shell("b", when="false")], finally_=final)
    assert result_of(state, "f") == {"v": 1}
    assert error_of(state, "g").message == "`b` has no result: it is skipped (its condition was false: false)"
