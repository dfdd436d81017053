"""Join rules, conditions, and what a step is called that did not run, with the reason."""

from __future__ import annotations

from typing import Any

import pytest

from mplp_cli.workflow.fold import history as h
from mplp_cli.workflow.fold.joins import Tally, verdict_of
from mplp_cli.workflow.model import CountJoin
from tests.bench_of_runs import (
    begun,
    choice,
    facts,
    fallback,
    given,
    parallel,
    reason_of,
    result_of,
    run_steps,
    shell,
    statuses,
)

ENDS: dict[str, dict[str, Any]] = {
    "completed": shell("D"),
    "failed": shell("D", "fail"),
    "skipped": shell("D", when="false"),
    "mended": shell("D", "fail", fallback_actions=fallback("use-value", value=1)),
    "skipped by a fallback": shell("D", "fail", fallback_actions=fallback("skip")),
    "omitted after a failure": shell("D", dependencies=["bad"]),
    "omitted after a skip": shell("D", dependencies=["off"]),
    "skipped with a default": shell("D", when="false", default=1),
    "skipped by a fallback, with a default": shell(
        "D", "fail", fallback_actions=fallback("skip"), default=None
    ),
    "omitted after a failure, with a default": shell("D", dependencies=["bad"], default={}),
    "omitted after a skip, with a default": shell("D", dependencies=["off"], default=[1]),
    "failed, with a default": shell("D", "fail", default=1),
}
BEFORE = [shell("bad", "fail"), shell("off", when="false")]


def outcome(join: Any, *ends: str) -> tuple[str, str]:
    """Status and reason of a step with that join after dependencies that end so."""
    dependencies = [ENDS[end] | {"id": f"d{n}"} for n, end in enumerate(ends)]
    joined = shell("j", dependencies=[d["id"] for d in dependencies], join=join)
    state, _ = run_steps([*BEFORE, *dependencies, joined])
    return statuses(state)["j"], reason_of(state, "j")


RUNS, NOT = "completed", "omitted"


@pytest.mark.parametrize(
    ("end", "all_completed", "all_ended", "any_completed", "none_failed", "count"),
    [
        ("completed", RUNS, RUNS, RUNS, RUNS, RUNS),
        ("mended", RUNS, RUNS, RUNS, RUNS, RUNS),
        ("failed", NOT, RUNS, NOT, NOT, NOT),
        ("skipped", NOT, RUNS, NOT, RUNS, NOT),
        ("skipped by a fallback", NOT, RUNS, NOT, RUNS, NOT),
        ("omitted after a failure", NOT, RUNS, NOT, NOT, NOT),
        ("omitted after a skip", NOT, RUNS, NOT, RUNS, NOT),
        ("skipped with a default", RUNS, RUNS, RUNS, RUNS, RUNS),
        ("skipped by a fallback, with a default", RUNS, RUNS, RUNS, RUNS, RUNS),
        ("omitted after a failure, with a default", RUNS, RUNS, RUNS, RUNS, RUNS),
        ("omitted after a skip, with a default", RUNS, RUNS, RUNS, RUNS, RUNS),
        ("failed, with a default", NOT, RUNS, NOT, NOT, NOT),
    ],
)
def test_what_each_rule_makes_of_each_end(
    end: str, all_completed: str, all_ended: str, any_completed: str, none_failed: str, count: str
) -> None:
    assert outcome("all-completed", end)[0] == all_completed
    assert outcome("all-ended", end)[0] == all_ended
    assert outcome("any-completed", end)[0] == any_completed
    assert outcome("none-failed", end)[0] == none_failed
    assert outcome({"count": 1}, end)[0] == count


def test_the_default_is_all_completed() -> None:
    state, _ = run_steps([shell("a"), shell("b", "fail"), shell("j", dependencies=["a", "b"])])
    assert statuses(state)["j"] == "omitted"


@pytest.mark.parametrize(
    ("join", "ends", "expected"),
    [
        ("all-completed", ["completed", "completed"], RUNS),
        ("all-completed", ["completed", "failed"], NOT),
        ("any-completed", ["failed", "completed"], RUNS),
        ("any-completed", ["failed", "skipped"], NOT),
        ("none-failed", ["completed", "skipped"], RUNS),
        ("none-failed", ["completed", "failed"], NOT),
        ({"count": 2}, ["completed", "failed", "completed"], RUNS),
        ({"count": 2}, ["completed", "failed", "skipped"], NOT),
    ],
)
def test_rules_over_several_dependencies(join: Any, ends: list[str], expected: str) -> None:
    assert outcome(join, *ends)[0] == expected


@pytest.mark.parametrize(
    ("join", "reason"),
    [
        ("all-completed", "`d0` failed, and it needs every dependency completed"),
        ("any-completed", "`d0` failed, and its join rule `any-completed` can no longer be met"),
        ("none-failed", "`d0` failed, and its join rule `none-failed` can no longer be met"),
        ({"count": 1}, "`d0` failed, and its join rule `1 completed` can no longer be met"),
    ],
)
def test_the_reason_of_an_omission_names_the_dependency_and_the_rule(join: Any, reason: str) -> None:
    assert outcome(join, "failed") == ("omitted", reason)


def test_an_omission_names_the_step_that_decided_it_also_as_a_fact() -> None:
    state, bench = run_steps(
        [shell("a", "fail"), shell("b", dependencies=["a"]), shell("c", dependencies=["b"])]
    )
    assert [(f.step, f.because) for f in facts(bench, h.StepOmitted)] == [("b", "a"), ("c", "b")]
    assert reason_of(state, "c") == "`b` was omitted, and it needs every dependency completed"


def test_a_step_runs_as_soon_as_its_rule_is_met_and_only_once() -> None:
    steps = [shell("a"), shell("b", "sleep 5"), shell("j", dependencies=["a", "b"], join="any-completed")]
    state, bench = run_steps(steps)
    assert bench.work.executed.count("j") == 1
    assert state.ended_at[2] - state.started == 20


def test_a_step_is_omitted_as_soon_as_its_rule_cannot_be_met_any_more() -> None:
    steps = [shell("a", "fail"), shell("b", "sleep 5"), shell("j", dependencies=["a", "b"])]
    state, _ = run_steps(steps)
    assert state.ended_at[2] - state.started == 10


def test_all_ended_waits_for_the_last_one() -> None:
    steps = [shell("a", "fail"), shell("b", "sleep 5"), shell("j", dependencies=["a", "b"], join="all-ended")]
    state, _ = run_steps(steps)
    assert state.started_at[2] - state.started == 5000


def test_a_join_that_runs_after_a_failure_does_not_absolve_it() -> None:
    state, _ = run_steps([shell("a", "fail"), shell("j", dependencies=["a"], join="all-ended")])
    assert statuses(state) == {"a": "failed", "j": "completed"}
    assert state.status == "failed"


def test_a_join_sees_the_status_of_a_container_and_not_of_what_is_in_it() -> None:
    tolerant = parallel("p", shell("x", "fail"), fail_on="none")
    state, _ = run_steps([tolerant, shell("j", dependencies=["p"])])
    assert statuses(state)["j"] == "completed"
    state, _ = run_steps(
        [parallel("p", shell("x", "fail")), shell("j", dependencies=["x"], join="none-failed")]
    )
    assert (statuses(state)["j"], reason_of(state, "j")) == (
        "omitted",
        "`p` failed, and its join rule `none-failed` can no longer be met",
    )


def test_a_rule_is_decided_once() -> None:
    tally = Tally(3)
    tally.count(met=True, bad=False)
    assert verdict_of("any-completed", tally) is True
    tally.decided = True
    tally.count(met=True, bad=False)
    assert verdict_of("any-completed", tally) is None


def test_a_count_is_given_up_when_too_few_are_left() -> None:
    tally = Tally(3)
    tally.count(met=False, bad=True)
    assert verdict_of(CountJoin(count=2), tally) is None
    tally.count(met=False, bad=False)
    assert verdict_of(CountJoin(count=2), tally) is False


# ---- when --------------------------------------------------------------------------------------


def test_a_false_condition_skips_the_step_and_says_which() -> None:
    state, bench = run_steps([given("a"), shell("b", when="${a.result.n} > 1"), given("c", when=False)])
    assert statuses(state) == {"a": "completed", "b": "skipped", "c": "skipped"}
    assert reason_of(state, "b") == "its condition was false: ${a.result.n} > 1"
    assert reason_of(state, "c") == "its condition was false"
    assert state.status == "completed"
    assert bench.work.executed == []


def test_the_condition_is_judged_after_the_join_and_before_the_parameters() -> None:
    broken = given("b", {"v": "${a.result.nope}"}, when="a.result.n > 1")
    omitted = shell("d", when="c.result.output == 'x'", dependencies=["c"])
    state, _ = run_steps([given("a"), broken, shell("c", "fail"), omitted])
    assert statuses(state) == {"a": "completed", "b": "skipped", "c": "failed", "d": "omitted"}


def test_a_condition_that_is_not_a_boolean_fails_the_step() -> None:
    state, bench = run_steps(
        [given("a"), shell("b", when="a.result.n")], error_handling={"retry-policy": {"max-retries": 3}}
    )
    assert statuses(state)["b"] == "failed"
    assert state.errors[1].type == "ExpressionError"
    assert bench.work.executed == []


def test_a_false_condition_on_a_container_skips_everything_inside_it() -> None:
    inside = choice("c", "true", [shell("t")])
    state, bench = run_steps(
        [parallel("p", shell("x"), inside, when="1 > 2"), shell("z", dependencies=["p"])]
    )
    assert statuses(state) == {"p": "skipped", "x": "skipped", "c": "skipped", "t": "skipped", "z": "omitted"}
    assert reason_of(state, "p") == "its condition was false: 1 > 2"
    assert reason_of(state, "t") == "`p` was skipped"
    assert bench.work.executed == []


def test_what_stands_inside_an_omitted_container_is_omitted_for_the_same_reason() -> None:
    steps = [shell("a", "fail"), parallel("p", choice("c", "true", [shell("t")]), dependencies=["a"])]
    state, bench = run_steps(steps)
    assert statuses(state) == {"a": "failed", "p": "omitted", "c": "omitted", "t": "omitted"}
    assert reason_of(state, "t") == "`p` was omitted: `a` failed, and it needs every dependency completed"
    assert {f.because for f in facts(bench, h.StepOmitted)} == {"a"}


# ---- blocks ------------------------------------------------------------------------------------


def test_a_block_stops_at_its_first_failure_and_the_rest_is_omitted() -> None:
    block = [shell("t1"), shell("t2", "fail"), shell("t3"), shell("t4", join="all-ended")]
    state, bench = run_steps([choice("c", "true", block), shell("z", dependencies=["c"])])
    assert statuses(state) == {
        "c": "failed",
        "t1": "completed",
        "t2": "failed",
        "t3": "omitted",
        "t4": "omitted",
        "z": "omitted",
    }
    assert reason_of(state, "t4") == "`t2` failed before it in the same block"
    assert state.errors[0].message == "`t2`: scripted failure"
    assert bench.work.executed == ["t1", "t2"]


def test_a_block_goes_on_after_a_step_that_was_skipped_or_mended() -> None:
    block = [
        shell("t1", when="false"),
        shell("t2", "fail", fallback_actions=fallback("skip")),
        shell("t3", "fail", fallback_actions=fallback("use-value", value=7)),
        shell("t4"),
    ]
    state, _ = run_steps([choice("c", "true", block)])
    assert statuses(state) == {
        "c": "completed",
        "t1": "skipped",
        "t2": "skipped",
        "t3": "completed",
        "t4": "completed",
    }


def test_the_branch_not_taken_is_skipped_at_every_depth_and_says_which_was() -> None:
    steps = [choice("c", "1 > 2", [parallel("p", shell("x"))], shell("e"))]
    state, bench = run_steps(steps)
    assert statuses(state) == {"c": "completed", "p": "skipped", "x": "skipped", "e": "completed"}
    assert reason_of(state, "x") == "the condition of `c` chose `else`"
    assert bench.work.executed == ["e"]
    assert [f.branch for f in facts(bench, h.StepStarted, "c")] == ["else"]


@pytest.mark.parametrize(
    ("condition", "steps", "expected"),
    [
        ("true", shell("t"), {"output": "t", "attempt": 1}),
        ("true", [shell("t1"), given("t2", {"v": 2})], {"v": 2}),
        ("true", [shell("t1"), shell("t2", when="false")], None),
        ("false", shell("t"), None),
    ],
)
def test_the_result_of_a_conditional_is_that_of_the_last_step_of_its_branch(
    condition: str, steps: Any, expected: Any
) -> None:
    state, _ = run_steps([choice("c", condition, steps)])
    assert statuses(state)["c"] == "completed"
    assert result_of(state, "c") == expected


def test_sequential_execution_stops_at_the_first_failure_and_runs_finally() -> None:
    state, bench = run_steps(
        [shell("a"), shell("b", "fail"), shell("c")], execution="sequential", finally_=[shell("f")]
    )
    assert statuses(state) == {"a": "completed", "b": "failed", "c": "omitted", "f": "completed"}
    assert reason_of(state, "c") == "`b` failed before it in the same block"
    assert bench.work.executed == ["a", "b", "f"]


@pytest.mark.parametrize("join", ["all-completed", "any-completed"])
def test_in_sequential_execution_a_step_that_will_be_omitted_has_its_turn_too(join: str) -> None:
    """What comes after it must not start before what comes before it has ended."""
    steps = [
        shell("off", when="false"),
        shell("slow", "sleep 5"),
        shell("never", dependencies=["off"], join=join),
        shell("bad", "fail"),
        shell("late", dependencies=["never"], join="all-ended"),
    ]
    state, bench = run_steps(steps, execution="sequential")
    assert statuses(state) == {
        "off": "skipped",
        "slow": "completed",
        "never": "omitted",
        "bad": "failed",
        "late": "omitted",
    }
    assert reason_of(state, "never").startswith("`off` was skipped, and ")
    assert reason_of(state, "late") == "`bad` failed before it in the same block"
    assert bench.work.executed == ["slow", "bad"]
    assert begun(bench, "bad") == [5000]
    assert [f.step for f in facts(bench, h.StepOmitted)] == ["never", "late"]


# ---- parallel ----------------------------------------------------------------------------------


def test_the_settled_list_is_in_file_order_and_has_exactly_the_specified_shape() -> None:
    children = [
        shell("slow", "sleep 5"),
        shell("bad", "fail"),
        shell("late", dependencies=["bad"]),
        shell("off", when="false"),
    ]
    state, _ = run_steps([parallel("p", *children, fail_on="none")])
    assert result_of(state, "p") == {
        "status": "completed",
        "results": [
            {
                "stepId": "slow",
                "status": "fulfilled",
                "value": {"output": "slow", "attempt": 1},
                "error": None,
            },
            {
                "stepId": "bad",
                "status": "rejected",
                "value": None,
                "error": {"type": "OSError", "message": "scripted failure"},
            },
            {
                "stepId": "late",
                "status": "rejected",
                "value": None,
                "error": {
                    "type": "omitted",
                    "message": "`bad` failed, and it needs every dependency completed",
                },
            },
            {"stepId": "off", "status": "fulfilled", "value": None, "error": None},
        ],
    }
    assert result_of(state, "slow") == {"output": "slow", "attempt": 1}


def test_a_failing_child_never_stops_a_sibling() -> None:
    state, bench = run_steps([parallel("p", shell("x", "fail"), shell("y", "sleep 5"))])
    assert statuses(state) == {"p": "failed", "x": "failed", "y": "completed"}
    assert bench.clock.elapsed == 5


def test_a_failed_parallel_reports_its_children_after_all_have_settled_and_keeps_the_list() -> None:
    state, bench = run_steps([parallel("p", shell("x", "fail"), shell("y", "sleep 5"), shell("z", "fail"))])
    error = state.errors[0]
    assert (error.type, error.details) == ("ParallelExecutionError", {"steps": ["x", "z"]})
    assert error.message == "2 of the parallel steps failed: `x`, `z`"
    assert [r["status"] for r in result_of(state, "p")["results"]] == ["rejected", "fulfilled", "rejected"]
    assert [r["status"] for r in facts(bench, h.StepFailed, "p")[0].result["results"]] == [
        "rejected",
        "fulfilled",
        "rejected",
    ]


def test_of_many_failed_children_the_message_names_the_first_and_the_details_all() -> None:
    state, _ = run_steps([parallel("p", *(shell(f"x{n}", "fail") for n in range(10)))])
    assert state.errors[0].message == (
        "10 of the parallel steps failed: `x0`, `x1`, `x2`, `x3`, `x4`, `x5`, `x6`, `x7` and 2 more"
    )
    assert state.errors[0].details == {"steps": [f"x{n}" for n in range(10)]}


def test_a_child_that_takes_too_long_is_rejected_by_name_and_its_late_result_changes_nothing() -> None:
    state, _ = run_steps(
        [parallel("p", shell("x", "deaf 9", timeout="1s"), shell("y", "sleep 5"), fail_on="none")]
    )
    first, second = result_of(state, "p")["results"]
    assert (first["status"], first["value"], first["error"]["type"]) == ("rejected", None, "StepTimeoutError")
    assert second["status"] == "fulfilled"
    assert statuses(state)["x"] == "failed"


@pytest.mark.parametrize(
    ("fail_on", "scripts", "status"),
    [
        ("any", ["ok", "ok"], "completed"),
        ("any", ["ok", "fail"], "failed"),
        ("all", ["ok", "fail"], "completed"),
        ("all", ["fail", "fail"], "failed"),
        ("none", ["fail", "fail"], "completed"),
    ],
)
def test_fail_on_decides_what_failed_children_mean(fail_on: str, scripts: list[str], status: str) -> None:
    children = [shell(f"x{n}", script) for n, script in enumerate(scripts)]
    state, _ = run_steps([parallel("p", *children, fail_on=fail_on)])
    assert statuses(state)["p"] == status
    assert state.status == status
    failed = [n for n, script in enumerate(scripts) if script == "fail"]
    expected = [f"`x{n}` failed and was tolerated: scripted failure" for n in failed]
    assert state.warnings == (expected if status == "completed" else [])


def test_the_default_is_to_fail_on_any() -> None:
    state, _ = run_steps([parallel("p", shell("x", "fail"), shell("y"))])
    assert state.status == "failed"


def test_a_failure_inside_a_nested_container_that_failed_is_tolerated_by_the_outer_one() -> None:
    inner = parallel("q", shell("x", "fail"))
    state, _ = run_steps([parallel("p", inner, fail_on="none")])
    assert statuses(state) == {"p": "completed", "q": "failed", "x": "failed"}
    assert state.status == "completed"
    assert len(state.warnings) == 2


def test_conditionals_and_parallels_nest_in_any_order() -> None:
    made = choice(
        "c",
        "true",
        [parallel("p", choice("d", "false", shell("n"), [shell("y"), parallel("q", shell("z"))]))],
    )
    state, bench = run_steps([made])
    assert state.status == "completed"
    assert bench.work.executed == ["y", "z"]
    assert result_of(state, "c")["results"][0]["stepId"] == "d"


def test_an_empty_else_gives_null_and_the_run_goes_on() -> None:
    state, _ = run_steps([choice("c", "false", shell("t")), given("z", {"v": "${c.result}"})])
    assert result_of(state, "z") == {"v": None}
