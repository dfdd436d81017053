"""Retries and fallbacks: how often, after which delays, of what, and what comes when they are used up."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given as sampled
from hypothesis import strategies as st

from mplp_cli.errors import Failure
from mplp_cli.workflow.fold import history as h
from mplp_cli.workflow.model import RetryPolicy
from mplp_cli.workflow.retry import Retry, effective, fallback_for, longest_ms, matches
from tests.bench_of_runs import (
    Bench,
    begun,
    choice,
    error_of,
    facts,
    fallback,
    given,
    parallel,
    pause,
    planned,
    reason_of,
    result_of,
    retries,
    run_steps,
    shell,
    statuses,
)


def failure(kind: str = "OSError", *, retryable: bool = True) -> Failure:
    return Failure(type=kind, message="x", retryable=retryable)


# ---- arithmetic --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("strategy", "delays"),
    [
        ("fixed", [1000, 1000, 1000, 1000]),
        ("linear", [1000, 2000, 3000, 4000]),
        ("exponential", [1000, 2000, 4000, 8000]),
    ],
)
def test_delays_are_exact_for_each_strategy(strategy: str, delays: list[int]) -> None:
    assert [Retry(strategy=strategy).delay(k) for k in range(4)] == delays


def test_the_defaults_are_those_of_the_format() -> None:
    assert effective(RetryPolicy()) == Retry(0, "exponential", 1000, 60_000, "none", None)
    assert effective() == Retry()


def test_a_delay_is_capped_and_then_jittered() -> None:
    retry = Retry(initial_delay=1000, max_delay=5000, jitter="full")
    assert [retry.delay(k, 1.0) for k in range(5)] == [1000, 2000, 4000, 5000, 5000]
    assert [retry.delay(k, 0.5) for k in range(5)] == [500, 1000, 2000, 2500, 2500]
    assert retry.delay(3, 0.0) == 0


@sampled(
    st.integers(0, 10_000),
    st.sampled_from(["fixed", "linear", "exponential"]),
    st.integers(0, 10**7),
    st.integers(0, 10**9),
)
def test_no_delay_is_ever_longer_than_the_cap(k: int, strategy: str, initial: int, cap: int) -> None:
    assert 0 <= Retry(strategy=strategy, initial_delay=initial, max_delay=cap).delay(k) <= cap


@pytest.mark.parametrize(
    ("asked", "waited"),
    [(None, 2000), (0, 2000), (1999, 2000), (90_000, 90_000), (10**12, 3_600_000), ("soon", 2000)],
)
def test_what_a_server_asks_for_is_waited_for_within_an_hour(asked: Any, waited: int) -> None:
    told = Failure(type="HttpStatusError", message="x", details={"retryAfter": asked})
    assert Retry(max_delay=5000).wait(told, 1) == waited
    assert Retry(max_delay=5000).wait(failure(), 1) == 2000


def test_three_retries_are_four_attempts_and_the_longest_time_counts_them_all() -> None:
    retry = Retry(max_retries=3)
    assert longest_ms(retry, 10_000) == 4 * 10_000 + 1000 + 2000 + 4000
    assert longest_ms(retry, 0) is None


@pytest.mark.parametrize(("counted", "allowed"), [(1, True), (3, True), (4, False)])
def test_retries_are_counted_in_failed_attempts(counted: int, *, allowed: bool) -> None:
    assert Retry(max_retries=3).may_retry(failure(), counted) is allowed


@pytest.mark.parametrize(
    ("condition", "kinds"),
    [
        ("any", {"OSError", "StepTimeoutError", "OutputLimitError", "ShellExitError"}),
        ("timeout", {"StepTimeoutError"}),
        ("resource", {"OutputLimitError"}),
        ("error", {"OSError", "ShellExitError"}),
        ("ShellExitError", {"ShellExitError"}),
    ],
)
def test_conditions_tell_kinds_of_failures(condition: str, kinds: set[str]) -> None:
    every = {"OSError", "StepTimeoutError", "OutputLimitError", "ShellExitError"}
    assert {kind for kind in every if matches(condition, failure(kind))} == kinds


def test_retry_on_narrows_what_is_retried() -> None:
    retry = Retry(max_retries=3, retry_on=("timeout", "ShellExitError"))
    assert retry.may_retry(failure("StepTimeoutError"), 1)
    assert retry.may_retry(failure("ShellExitError"), 1)
    assert not retry.may_retry(failure("OSError"), 1)
    assert not retry.may_retry(failure("ShellExitError", retryable=False), 1)


# ---- retries in a run --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("strategy", "waits"),
    [("fixed", [1000, 1000, 1000]), ("linear", [1000, 2000, 3000]), ("exponential", [1000, 2000, 4000])],
)
def test_attempts_begin_exactly_when_the_delay_is_over(strategy: str, waits: list[int]) -> None:
    state, bench = run_steps([shell("a", "fail 3", retry_policy=retries(3, backoff_strategy=strategy))])
    assert state.status == "completed"
    assert state.attempts == [4]
    starts = begun(bench, "a")
    assert [after - before - 10 for before, after in itertools.pairwise(starts)] == waits
    assert [f.delay for f in facts(bench, h.StepRetrying, "a")] == waits
    assert [f.attempt for f in facts(bench, h.StepRetrying, "a")] == [1, 2, 3]


def test_full_jitter_takes_its_part_of_the_delay_from_chance() -> None:
    _, bench = run_steps([shell("a", "fail 2", retry_policy=retries(2, jitter="full"))])
    assert [f.delay for f in facts(bench, h.StepRetrying)] == [500, 1000]


def test_a_step_fails_when_its_retries_are_used_up() -> None:
    state, bench = run_steps([shell("a", "fail", retry_policy=retries(3)), shell("b", dependencies=["a"])])
    assert statuses(state) == {"a": "failed", "b": "omitted"}
    assert bench.work.executed == ["a"] * 4
    assert error_of(state, "a").message == "scripted failure"


def test_without_a_policy_nothing_is_retried() -> None:
    assert run_steps([shell("a", "fail 1")])[1].work.executed == ["a"]


def test_a_step_that_waits_to_retry_holds_no_slot_and_no_lane() -> None:
    slow = shell("a", "fail 1", retry_policy=retries(1, initial_delay="50s"))
    _, bench = run_steps([parallel("p", slow, shell("b", "sleep 5"), max_parallel=1)], max_parallel=1)
    assert begun(bench, "b") == [10]
    assert begun(bench, "a") == [0, 50_010]


def test_a_retry_waits_for_a_slot_like_any_other_start() -> None:
    steps = [shell("a", "fail 1", retry_policy=retries(1), priority=1), shell("b", "sleep 20")]
    _, bench = run_steps(steps, max_parallel=1)
    assert begun(bench, "a") == [0, 20_010]


def test_a_timeout_of_the_work_is_retried_with_its_whole_time() -> None:
    state, bench = run_steps([shell("a", "sleep 60", timeout="10s", retry_policy=retries(1))])
    assert begun(bench, "a") == [0, 11_000]
    assert bench.clock.elapsed == 21
    assert error_of(state, "a").type == "StepTimeoutError"
    assert error_of(state, "a").details == {"stepId": "a", "timeout": 10_000}
    assert error_of(state, "a").message == "`a` took longer than its timeout of 10000 ms"


def test_unresolved_references_and_wrong_conditions_are_not_retried() -> None:
    policy = retries(5)
    steps = [
        given("a"),
        shell("b", "echo ${a.result.nope}", retry_policy=policy),
        given("c", {"v": "${a.result.nope}"}, retry_policy=policy),
        shell("d", when="a.result.n", retry_policy=policy),
    ]
    state, bench = run_steps(steps)
    assert statuses(state) == {"a": "completed", "b": "failed", "c": "failed", "d": "failed"}
    assert facts(bench, h.StepRetrying) == []
    assert bench.work.executed == []


def test_a_step_type_that_nothing_runs_is_not_retried() -> None:
    bench = Bench(planned([shell("a", retry_policy=retries(3))]))
    bench.world["runners"] = {}
    state = bench.start()
    assert error_of(state, "a").type == "UnsupportedStepTypeError"
    assert facts(bench, h.StepRetrying) == []


def test_a_duration_that_is_none_fails_a_wait_and_says_so() -> None:
    state, _ = run_steps([given("a", {"d": "soon"}), pause("w", "${a.result.d}")])
    assert error_of(state, "w").message == "'soon' is not a duration; write 500ms, 30s, 5m, 1h30m or none"


def test_retry_on_in_a_run() -> None:
    _, bench = run_steps([shell("a", "fail", retry_policy=retries(3, retry_on=["timeout"]))])
    assert bench.work.executed == ["a"]


def test_the_children_of_a_container_are_retried_and_the_container_is_not() -> None:
    handling = {"retry-policy": {"max-retries": 1, "initial-delay": "1ms"}}
    state, bench = run_steps([parallel("p", shell("x", "fail"))], error_handling=handling)
    assert bench.work.executed == ["x", "x"]
    assert len(facts(bench, h.StepStarted, "p")) == 1
    assert state.status == "failed"


# ---- timeouts ----------------------------------------------------------------------------------


def test_the_late_result_of_a_timed_out_attempt_is_thrown_away() -> None:
    state, bench = run_steps([shell("a", "deaf 5", timeout="1s")])
    assert statuses(state) == {"a": "failed"}
    assert error_of(state, "a").type == "StepTimeoutError"
    assert facts(bench, h.StepCompleted) == []


def test_an_attempt_that_fails_while_it_is_stopped_has_timed_out() -> None:
    state, _ = run_steps([shell("a", "sour 5", timeout="1s")])
    assert error_of(state, "a").type == "StepTimeoutError"


def test_the_slot_of_a_timed_out_attempt_is_free_when_it_has_stopped() -> None:
    _, bench = run_steps([shell("a", "linger 60 5", timeout="1s"), shell("b")], max_parallel=1)
    assert begun(bench, "b") == [6000]


def test_a_container_that_takes_too_long_fails_and_stops_what_is_in_it() -> None:
    inside = [shell("x"), shell("y", "sleep 60"), shell("z", dependencies=["y"])]
    state, bench = run_steps(
        [parallel("p", *inside, timeout="5s", fail_on="none"), shell("b", dependencies=["p"])]
    )
    assert statuses(state) == {
        "p": "failed",
        "x": "completed",
        "y": "cancelled",
        "z": "cancelled",
        "b": "omitted",
    }
    assert error_of(state, "p").type == "StepTimeoutError"
    assert reason_of(state, "z") == "`p` failed"
    assert reason_of(state, "y") == "`p` ended before it"
    assert bench.clock.elapsed == 5


def test_a_container_without_a_timeout_has_none() -> None:
    state, _ = run_steps([parallel("p", shell("x", "sleep 599"), pause("w", "50h"))])
    assert state.status == "completed"


def test_a_conditional_has_its_time_too() -> None:
    state, _ = run_steps(
        [choice("c", "true", [shell("t1", "sleep 3"), shell("t2", "sleep 3")], timeout="5s")]
    )
    assert statuses(state) == {"c": "failed", "t1": "completed", "t2": "cancelled"}


@pytest.mark.parametrize("batch", [1, 2, 256])
def test_a_container_whose_time_is_over_as_its_last_child_ends_ends_once(batch: int) -> None:
    steps = [
        parallel("p", shell("x"), shell("y"), timeout=10),
        shell("b", dependencies=["p"], join="all-ended"),
    ]
    bench = Bench(planned(steps), batch=batch)
    state = bench.start()
    assert statuses(state)["p"] in ("completed", "failed")
    assert statuses(state)["b"] == "completed"
    ends = [f for f in bench.history() if isinstance(f, h.StepCompleted | h.StepFailed) and f.step == "p"]
    assert len(ends) == 1


def test_a_child_of_a_container_that_is_being_stopped_is_not_retried_there() -> None:
    inside = shell(
        "x", "sour 60", retry_policy=retries(5), fallback_actions=fallback("run-step", step=shell("i"))
    )
    state, bench = run_steps([parallel("p", inside, timeout="5s")])
    assert statuses(state) == {"p": "failed", "x": "cancelled", "i": "cancelled"}
    assert bench.work.executed == ["x"]


def test_a_wait_longer_than_its_own_timeout_fails_when_that_is_over() -> None:
    state, bench = run_steps([pause("w", "1h", timeout="10s", retry_policy=retries(1, initial_delay="5s"))])
    assert error_of(state, "w").type == "StepTimeoutError"
    assert bench.clock.elapsed == 25


def test_a_wait_as_long_as_its_timeout_is_well() -> None:
    state, _ = run_steps([pause("w", "10s", timeout="10s")])
    assert result_of(state, "w") == {"by": "time", "waited": 10_000}


# ---- fallbacks ---------------------------------------------------------------------------------


def test_a_fallback_comes_after_the_retries() -> None:
    policy: dict[str, Any] = {"retry_policy": retries(2), "fallback_actions": fallback("use-value", value=1)}
    state, bench = run_steps([shell("a", "fail", **policy)])
    assert bench.work.executed == ["a"] * 3
    assert result_of(state, "a") == 1


def test_the_first_that_matches_in_file_order_is_taken() -> None:
    actions = [
        {"condition": "timeout", "action": "use-value", "value": "late"},
        {"condition": "OSError", "action": "use-value", "value": "system"},
        {"condition": "any", "action": "abort"},
    ]
    state, _ = run_steps(
        [
            shell("a", "fail", fallback_actions=actions),
            shell("b", "sleep 9", timeout=10, fallback_actions=actions),
        ]
    )
    assert result_of(state, "a") == "system"
    assert result_of(state, "b") == "late"


def test_no_match_means_that_the_step_fails() -> None:
    state, _ = run_steps([shell("a", "fail", fallback_actions=fallback("use-value", "timeout", value=1))])
    assert statuses(state) == {"a": "failed"}


def test_fallbacks_also_catch_what_is_not_retried() -> None:
    steps = [
        given("a"),
        given(
            "b",
            {"v": "${a.result.nope}"},
            retry_policy=retries(3),
            fallback_actions=fallback("use-value", "UnresolvedReferenceError", value=1),
        ),
    ]
    state, _ = run_steps(steps)
    assert result_of(state, "b") == 1


def test_use_value_completes_the_step_with_a_warning_and_its_dependents_run() -> None:
    steps = [
        shell("a", "fail", fallback_actions=fallback("use-value", value={"n": 2})),
        given("b", {"v": "${a.result.n}"}),
    ]
    state, bench = run_steps(steps)
    assert state.status == "completed"
    assert result_of(state, "b") == {"v": 2}
    assert state.warnings == ["`a` failed (scripted failure) and a fallback mended it"]
    assert facts(bench, h.StepCompleted, "a")[0].mended.message == "scripted failure"


def test_a_value_that_cannot_be_filled_in_fails_the_step_with_both_reasons() -> None:
    steps = [given("z"), shell("a", "fail", fallback_actions=fallback("use-value", value="${z.result.nope}"))]
    state, _ = run_steps(steps)
    assert error_of(state, "a").message == (
        "scripted failure; its fallback value failed too: `result` has no `nope`; it has n"
    )
    assert error_of(state, "a").type == "OSError"


def test_skip_skips_the_step_with_its_failure_as_the_reason() -> None:
    state, _ = run_steps(
        [shell("a", "fail", fallback_actions=fallback("skip")), shell("b", dependencies=["a"])]
    )
    assert statuses(state) == {"a": "skipped", "b": "omitted"}
    assert reason_of(state, "a") == "its fallback skips it: scripted failure"
    assert state.status == "completed"
    assert state.warnings == ["`a` failed (scripted failure) and a fallback mended it"]


def test_run_step_replaces_the_result_and_keeps_the_failure() -> None:
    inner = given("i", {"n": 5})
    state, bench = run_steps(
        [
            shell("a", "fail", fallback_actions=fallback("run-step", step=inner)),
            given("b", {"v": "${a.result.n}"}),
        ]
    )
    assert statuses(state) == {"a": "completed", "i": "completed", "b": "completed"}
    assert result_of(state, "b") == {"v": 5}
    assert [f.instead for f in facts(bench, h.StepFellBack, "a")] == ["i"]
    assert state.warnings == ["`a` failed (scripted failure) and a fallback mended it"]


def test_a_fallback_that_fails_fails_its_owner_with_both_reasons() -> None:
    state, _ = run_steps([shell("a", "fail", fallback_actions=fallback("run-step", step=shell("i", "fail")))])
    assert statuses(state) == {"a": "failed", "i": "failed"}
    assert error_of(state, "a").message == "scripted failure; its fallback `i` failed too: scripted failure"


def test_a_fallback_has_retries_and_fallbacks_of_its_own() -> None:
    last = shell("k", "ok")
    inner = shell("i", "fail", retry_policy=retries(1), fallback_actions=fallback("run-step", step=last))
    state, bench = run_steps([shell("a", "fail", fallback_actions=fallback("run-step", step=inner))])
    assert statuses(state) == {"a": "completed", "i": "completed", "k": "completed"}
    assert bench.work.executed == ["a", "i", "i", "k"]
    assert result_of(state, "a") == {"output": "k", "attempt": 1}
    assert len(state.warnings) == 2


def test_a_fallback_that_is_skipped_gives_null() -> None:
    inner = shell("i", when="false")
    state, _ = run_steps([shell("a", "fail", fallback_actions=fallback("run-step", step=inner))])
    assert statuses(state) == {"a": "completed", "i": "skipped"}
    assert result_of(state, "a") is None


def test_a_fallback_that_is_a_container_runs_its_children_or_skips_them_all() -> None:
    inner = parallel("p", shell("x"), choice("c", "true", [shell("t")]))
    state, _ = run_steps([shell("a", "fail", fallback_actions=fallback("run-step", step=inner))])
    assert set(statuses(state).values()) == {"completed"}
    state, _ = run_steps([shell("a", "ok", fallback_actions=fallback("run-step", step=inner))])
    assert statuses(state) == {
        "a": "completed",
        "p": "skipped",
        "x": "skipped",
        "c": "skipped",
        "t": "skipped",
    }
    assert {reason_of(state, n) for n in "pxct"} == {"`a` did not fall back to it"}


@pytest.mark.parametrize("script", ["ok", "fail"])
def test_a_fallback_that_was_not_taken_is_skipped_however_its_owner_ended(script: str) -> None:
    actions = fallback("run-step", "timeout", step=shell("i"))
    state, _ = run_steps([shell("a", script, fallback_actions=actions)])
    assert statuses(state)["i"] == "skipped"
    assert reason_of(state, "i") == "`a` did not fall back to it"


def test_a_fallback_keeps_the_lane_of_its_owner_and_takes_a_slot_for_itself() -> None:
    owner = shell("a", "fail", fallback_actions=fallback("run-step", step=shell("i", "sleep 5")))
    _, bench = run_steps([parallel("p", owner, shell("b"), max_parallel=1)], max_parallel=2)
    assert begun(bench, "i") == [10]
    assert begun(bench, "b") == [5010]


@pytest.mark.parametrize(
    "wrap",
    [
        lambda s: parallel("w", s),
        lambda s: choice("w", "true", [s]),
        lambda s: choice("w", "false", shell("n"), [s]),
        lambda s: parallel("w", choice("v", "true", s)),
    ],
    ids=["parallel", "then", "else", "nested"],
)
@pytest.mark.parametrize(
    ("action", "status"),
    [
        (fallback("skip"), "skipped"),
        (fallback("use-value", value=1), "completed"),
        (fallback("run-step", step=shell("i")), "completed"),
    ],
    ids=["skip", "use-value", "run-step"],
)
def test_fallbacks_work_inside_containers(wrap: Any, action: Any, status: str) -> None:
    state, _ = run_steps([wrap(shell("a", "fail", fallback_actions=action))])
    assert statuses(state)["a"] == status
    assert statuses(state)["w"] == "completed"
    assert state.status == "completed"
    assert len(state.warnings) == 1


def test_the_workflows_fallbacks_are_for_every_step_of_it_also_in_finally() -> None:
    handling = {"fallback-actions": fallback("use-value", value=0)}
    state, _ = run_steps(
        [parallel("p", shell("x", "fail"))], error_handling=handling, finally_=[shell("f", "fail")]
    )
    assert statuses(state) == {"p": "completed", "x": "completed", "f": "completed"}


def test_fallback_for_takes_the_first_that_fits() -> None:
    plan = planned([shell("a", fallback_actions=[*fallback("abort", "timeout"), *fallback("skip")])])
    found = fallback_for(plan.steps[0].fallbacks, failure())
    assert found is not None
    assert found.action == "skip"
    assert fallback_for((), failure()) is None
