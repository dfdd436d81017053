"""Taking a run up again: after a crash, after a failure, while it waits, while it was stopping."""

from __future__ import annotations

from typing import Any

import pytest

from mplp_cli.workflow.fold import history as h
from mplp_cli.workflow.fold.state import RunState
from tests.bench_of_runs import (
    Bench,
    Died,
    ask,
    begun,
    choice,
    collapse,
    error_of,
    facts,
    fallback,
    given,
    moment,
    parallel,
    pause,
    planned,
    reason_of,
    result_of,
    retries,
    shell,
    statuses,
)
from tests.virtual import facts_of


def resumed(bench: Bench, **how: Any) -> RunState:
    """Resume, and check that the stored history says the same."""
    state = bench.resume(**how)
    assert facts_of(bench.replayed()) == facts_of(state)
    return state


def dead(steps: list[dict[str, Any]], seconds: float, **more: Any) -> Bench:
    """A run whose process dies that many seconds after its start."""
    bench = Bench(planned(steps, **more))
    with pytest.raises(Died):
        bench.start(during=[(seconds, collapse)])
    return bench


# ---- after a crash -----------------------------------------------------------------------------


def test_completed_steps_never_run_again_and_what_was_in_flight_starts_again() -> None:
    bench = dead([shell("a"), shell("b", "sleep 5", dependencies=["a"]), shell("c", dependencies=["b"])], 2)
    state = resumed(bench)
    assert state.status == "completed"
    assert bench.work.executed == ["a", "b", "b", "c"]
    assert state.attempts == [1, 2, 1]


def test_a_lost_attempt_does_not_use_up_a_retry() -> None:
    bench = dead([shell("a", "fail 2", retry_policy=retries(2, initial_delay="1s"))], 1.015)
    state = resumed(bench)
    assert state.status == "completed"
    assert len(facts(bench, h.StepRetrying)) == 2
    assert state.attempts == [4]


def test_a_retry_is_due_when_it_was_due_before_the_crash() -> None:
    bench = dead([shell("a", "fail 1", retry_policy=retries(1, initial_delay="60s"))], 20)
    bench.clock.elapsed += 10
    resumed(bench)
    assert begun(bench, "a") == [0, 60_010]


def test_a_retry_that_came_due_while_no_process_lived_starts_at_once() -> None:
    bench = dead([shell("a", "fail 1", retry_policy=retries(1, initial_delay="60s"))], 20)
    bench.clock.elapsed += 1000
    resumed(bench)
    assert begun(bench, "a") == [0, 1_020_000]


def test_a_wait_is_not_waited_anew() -> None:
    bench = dead([pause("w", "60s")], 20)
    bench.clock.elapsed += 10
    state = resumed(bench)
    assert result_of(state, "w") == {"by": "time", "waited": 60_000}


def test_a_container_that_was_open_goes_on_with_its_children() -> None:
    steps = [
        parallel("p", shell("x"), shell("y", "sleep 5"), shell("z", dependencies=["y"]), max_parallel=1),
        shell("after", dependencies=["p"]),
    ]
    bench = dead(steps, 3)
    state = resumed(bench)
    assert state.status == "completed"
    assert bench.work.executed == ["y", "y", "x", "z", "after"]
    assert len(facts(bench, h.StepStarted, "p")) == 1


def test_the_branch_that_was_taken_before_the_crash_stays_taken() -> None:
    steps = [choice("c", "true", [shell("t1"), shell("t2", "sleep 5")], [shell("e1")])]
    bench = dead(steps, 3)
    state = resumed(bench)
    assert statuses(state) == {"c": "completed", "t1": "completed", "t2": "completed", "e1": "skipped"}
    assert bench.work.executed == ["t1", "t2", "t2"]


def test_a_containers_timeout_counts_from_its_first_start() -> None:
    bench = dead([parallel("p", shell("x", "sleep 100"), timeout="50s")], 20)
    state = resumed(bench)
    assert statuses(state) == {"p": "failed", "x": "cancelled"}
    assert moment(bench, facts(bench, h.StepFailed, "p")[0]) == 50_000


@pytest.mark.parametrize("commit", range(1, 7))
@pytest.mark.parametrize("after", [True, False])
def test_a_crash_while_a_containers_timeout_stops_its_children_leaves_nothing_open(
    commit: int, after: bool
) -> None:
    steps = [
        parallel("p", shell("x", "linger 100 5"), timeout="1s"),
        shell("z", dependencies=["p"], join="all-ended"),
    ]
    bench = Bench(planned(steps), batch=1)
    try:
        bench.start(dies=(commit, after))
    except Died:
        state = resumed(bench)
        assert statuses(state) == {"p": "failed", "x": "cancelled", "z": "completed"}


def test_a_step_that_fell_back_goes_on_with_its_fallback_and_not_with_itself() -> None:
    steps = [shell("a", "fail", fallback_actions=fallback("run-step", step=shell("b", "sleep 5")))]
    bench = dead(steps, 3)
    state = resumed(bench)
    assert statuses(state) == {"a": "completed", "b": "completed"}
    assert bench.work.executed == ["a", "b", "b"]


def test_in_an_interrupted_run_a_failure_stands() -> None:
    bench = dead([shell("a", "fail"), shell("b", "sleep 5"), shell("c", dependencies=["a"])], 3)
    state = resumed(bench)
    assert state.status == "failed"
    assert bench.work.executed == ["a", "b", "b"]


def test_a_condition_that_was_judged_before_the_crash_is_not_judged_again() -> None:
    bench = dead([shell("a", "sleep 5", when="1 < 2")], 3)
    resumed(bench)
    assert len(facts(bench, h.StepQueued, "a")) == 1


def test_finally_goes_on_where_it_was_and_what_it_completed_does_not_run_again() -> None:
    bench = dead([shell("a")], 3, finally_=[shell("f"), shell("g", "sleep 5")])
    state = resumed(bench)
    assert state.status == "completed"
    assert bench.work.executed == ["a", "f", "g", "g"]
    assert len(facts(bench, h.RunFinalizing)) == 1


def test_a_resume_is_recorded_with_who_did_it() -> None:
    bench = dead([shell("a", "sleep 5")], 3)
    resumed(bench)
    assert [f.by for f in facts(bench, h.RunResumed)] == ["mplp"]


# ---- after a failure ---------------------------------------------------------------------------


def test_a_failed_run_starts_what_failed_and_what_was_omitted_once_more() -> None:
    bench = Bench(
        planned([shell("a"), shell("b", "fail 1", dependencies=["a"]), shell("c", dependencies=["b"])])
    )
    assert bench.start().status == "failed"
    state = resumed(bench)
    assert state.status == "completed"
    assert bench.work.executed == ["a", "b", "b", "c"]
    assert error_of(state, "b") is None


def test_after_a_failure_all_attempts_are_there_again() -> None:
    bench = Bench(planned([shell("a", "fail 5", retry_policy=retries(2))]))
    assert bench.start().status == "failed"
    state = resumed(bench)
    assert state.status == "completed"
    assert state.attempts == [6]


def test_a_failed_parallel_keeps_its_completed_children() -> None:
    bench = Bench(planned([parallel("p", shell("x"), shell("y", "fail 1"), shell("z", dependencies=["y"]))]))
    assert bench.start().status == "failed"
    state = resumed(bench)
    assert state.status == "completed"
    assert sorted(bench.work.executed) == ["x", "y", "y", "z"]
    assert [r["status"] for r in result_of(state, "p")["results"]] == ["fulfilled"] * 3


def test_a_failed_block_goes_on_at_the_step_that_failed() -> None:
    bench = Bench(
        planned([choice("c", "true", [shell("t1"), shell("t2", "fail 1"), shell("t3")], shell("e"))])
    )
    assert bench.start().status == "failed"
    state = resumed(bench)
    assert statuses(state) == {
        "c": "completed",
        "t1": "completed",
        "t2": "completed",
        "t3": "completed",
        "e": "skipped",
    }
    assert bench.work.executed == ["t1", "t2", "t2", "t3"]


def test_a_conditional_whose_condition_failed_is_judged_again() -> None:
    condition = {"type": "step-result", "step-id": "a", "path": "nope", "operator": "equals", "value": 1}
    bench = Bench(planned([shell("a"), choice("c", condition, [shell("t")])]))
    assert bench.start().status == "failed"
    state = resumed(bench)
    assert statuses(state) == {"a": "completed", "c": "failed", "t": "cancelled"}


def test_a_failure_that_a_container_tolerated_is_not_tried_again() -> None:
    steps = [
        parallel("p", shell("x", "fail"), shell("o", dependencies=["x"]), fail_on="none"),
        shell("z", "fail 1"),
    ]
    bench = Bench(planned(steps))
    assert bench.start().status == "failed"
    state = resumed(bench)
    assert state.status == "completed"
    assert statuses(state) == {"p": "completed", "x": "failed", "o": "omitted", "z": "completed"}
    assert bench.work.executed.count("x") == 1
    assert state.warnings == ["`x` failed and was tolerated: scripted failure"]


def test_skipped_steps_stay_skipped_and_what_depends_on_them_is_omitted_again() -> None:
    steps = [shell("s", when="false"), shell("o", dependencies=["s"]), shell("z", "fail 1")]
    bench = Bench(planned(steps))
    bench.start()
    state = resumed(bench)
    assert statuses(state) == {"s": "skipped", "o": "omitted", "z": "completed"}
    assert [f.because for f in facts(bench, h.StepOmitted)] == ["s", "s"]


def test_a_join_is_counted_once_for_each_dependency_after_a_resume() -> None:
    """`b` is omitted a second time while the counters are filled; `c` still waits for `x`."""
    steps = [
        shell("a", when="false"),
        shell("b", dependencies=["a"]),
        shell("z", "fail 1"),
        shell("x", "sleep 5", dependencies=["z"]),
        shell("c", dependencies=["b", "x"], join="none-failed"),
    ]
    bench = Bench(planned(steps))
    assert statuses(bench.start())["c"] == "omitted"
    resumed(bench)
    assert bench.work.executed == ["z", "z", "x", "c"]


def test_a_container_counts_its_children_once_after_a_resume() -> None:
    inside = [
        shell("a", when="false"),
        shell("b", dependencies=["a"]),
        shell("y", "fail 1"),
        shell("z", "sleep 9"),
    ]
    bench = Bench(planned([parallel("p", *inside), shell("q", dependencies=["p"])]))
    bench.start()
    state = resumed(bench)
    assert state.status == "completed"
    assert [r["stepId"] for r in result_of(state, "p")["results"]] == ["a", "b", "y", "z"]


def test_a_step_whose_fallback_failed_runs_itself_first_again() -> None:
    steps = [shell("a", "fail 1", fallback_actions=fallback("run-step", step=shell("b", "fail")))]
    bench = Bench(planned(steps))
    assert bench.start().status == "failed"
    state = resumed(bench)
    assert state.status == "completed"
    assert bench.work.executed == ["a", "b", "a"]


def test_a_fallback_that_had_completed_is_not_run_again() -> None:
    """Its owner was stopped before it could take the result over."""
    steps = [
        shell("a", "fail", fallback_actions=fallback("run-step", step=shell("b"))),
        shell("z", "sleep 0.02"),
    ]
    bench = Bench(planned(steps, timeout="20ms"))
    assert bench.start().status == "failed"
    state = resumed(bench)
    assert bench.work.executed.count("b") <= 2
    assert set(statuses(state).values()) <= {"completed", "failed", "cancelled"}


def test_a_fallback_not_needed_before_can_be_needed_after_a_resume() -> None:
    first = {"condition": "timeout", "action": "run-step", "step": shell("b1", "fail")}
    second = {"condition": "error", "action": "run-step", "step": shell("b2")}
    steps = [shell("a", "fail", fallback_actions=[first, second]), shell("z", "fail 1")]
    bench = Bench(planned(steps, fail_fast=False))
    assert statuses(bench.start()) == {"a": "completed", "b1": "skipped", "b2": "completed", "z": "failed"}
    assert resumed(bench).status == "completed"


def test_finally_runs_again_at_the_next_ending_with_nothing_left_of_the_last() -> None:
    finally_ = [given("f", {"was": "${run.status}"}), shell("g", "fail", fallback_actions=fallback("skip"))]
    bench = Bench(planned([shell("a", "fail 1")], finally_=finally_))
    first = bench.start()
    assert result_of(first, "f") == {"was": "failed"}
    state = resumed(bench)
    assert state.status == "completed"
    assert result_of(state, "f") == {"was": "completed"}
    assert len(facts(bench, h.RunFinalizing)) == 2
    assert len(state.warnings) == 1


def test_a_run_that_failed_only_in_finally_runs_only_finally_again() -> None:
    bench = Bench(planned([shell("a")], finally_=[shell("f", "fail 1")]))
    assert bench.start().status == "failed"
    state = resumed(bench)
    assert state.status == "completed"
    assert bench.work.executed == ["a", "f", "f"]


def test_a_run_that_failed_by_an_output_fails_again_until_it_can_be_resolved() -> None:
    bench = Bench(planned([shell("a")], outputs={"x": "${a.result.nope}"}))
    assert bench.start().status == "failed"
    assert resumed(bench).status == "failed"
    assert bench.work.executed == ["a"]


def test_a_container_whose_timeout_failed_the_run_has_its_time_again() -> None:
    steps = [parallel("p", shell("x", "sleep 3"), shell("y", "sleep 3", dependencies=["x"]), timeout="5s")]
    bench = Bench(planned(steps))
    assert bench.start().status == "failed"
    state = resumed(bench)
    assert state.status == "completed"
    assert bench.work.executed == ["x", "y", "y"]


def test_a_wait_that_was_cancelled_waits_its_whole_time_again() -> None:
    bench = Bench(
        planned(
            [pause("w", "60s"), shell("a", "sleep 30", dependencies=["z"]), shell("z", "fail 1")],
            fail_fast=True,
        )
    )
    assert bench.start().status == "failed"
    bench.clock.elapsed += 100
    state = resumed(bench)
    assert result_of(state, "w") == {"by": "time", "waited": 60_000}


def test_a_run_can_fail_and_be_resumed_again_and_again() -> None:
    bench = Bench(planned([shell("a", "fail 4"), shell("b", dependencies=["a"])], finally_=[shell("f")]))
    bench.start()
    for _ in range(3):
        assert resumed(bench).status == "failed"
    assert resumed(bench).status == "completed"
    assert bench.work.executed == ["a", "f"] * 4 + ["a", "b", "f"]


@pytest.mark.parametrize("seconds", [0.005, 0.012, 2])
def test_a_process_that_dies_after_it_reopened_a_run_leaves_it_reopened(seconds: float) -> None:
    steps = [parallel("p", shell("x", "fail 1"), shell("y")), shell("z", "sleep 5", dependencies=["p"])]
    bench = Bench(planned(steps))
    assert bench.start().status == "failed"

    with pytest.raises(Died):
        bench.resume(during=[(seconds, collapse)])
    state = resumed(bench)
    assert state.status == "completed"
    assert bench.work.executed.count("y") == 1


# ---- while it waits ----------------------------------------------------------------------------


def test_a_waiting_run_that_nobody_answered_waits_on() -> None:
    bench = Bench(planned([shell("a", "fail", fallback_actions=ask())]))
    assert bench.start().status == "waiting"
    assert resumed(bench).status == "waiting"
    assert len(bench.store.approvals()) == 1


def test_an_answer_given_while_no_process_lived_is_taken_up() -> None:
    bench = Bench(planned([shell("a", "fail 1", fallback_actions=ask()), shell("b", dependencies=["a"])]))
    state = bench.start()
    bench.store.decide(state.run_id, "a", "approved", "ann", "", bench.clock.now())
    state = resumed(bench)
    assert state.status == "completed"
    assert bench.work.executed == ["a", "a", "b"]
    assert bench.store.approvals() == []


def test_an_answer_given_in_time_counts_even_if_the_run_is_taken_up_after_the_deadline() -> None:
    bench = Bench(planned([shell("a", "fail 1", fallback_actions=ask(timeout="1h"))]))
    state = bench.start()
    bench.store.decide(state.run_id, "a", "approved", "ann", "", bench.clock.now())
    bench.clock.elapsed += 10_000
    assert resumed(bench).status == "completed"


def test_a_question_whose_time_is_over_when_the_run_is_taken_up_fails_its_step() -> None:
    bench = Bench(planned([shell("a", "fail 1", fallback_actions=ask(timeout="1h"))]))
    bench.start()
    bench.clock.elapsed += 10_000
    state = resumed(bench)
    assert state.status == "failed"
    assert error_of(state, "a").message == "scripted failure; nobody answered within 1h00m"


def test_a_step_with_nothing_to_start_it_never_hangs_a_resumed_run() -> None:
    """The reason of every step is kept or made anew; none is left pending."""
    bench = Bench(
        planned([shell("a", "fail"), shell("b", dependencies=["a"]), shell("c", dependencies=["b"])])
    )
    bench.start()
    state = resumed(bench)
    assert reason_of(state, "c") == "`b` was omitted, and it needs every dependency completed"
    assert statuses(state) == {"a": "failed", "b": "omitted", "c": "omitted"}


def test_a_reopened_step_is_judged_again_because_what_it_asks_about_may_have_changed() -> None:
    judged = shell("b", "fail 1", when="a.attempts < 2", dependencies=["a"], join="all-ended")
    bench = Bench(planned([shell("a", "fail 1"), judged]))
    assert statuses(bench.start()) == {"a": "failed", "b": "failed"}
    state = resumed(bench)
    assert statuses(state) == {"a": "completed", "b": "skipped"}


# ---- a container that a step fell back to -------------------------------------------------------


def fell_back(first: str, *instead: dict[str, Any]) -> Bench:
    """A run that failed although its step fell back to a parallel step."""
    box = parallel("box", *instead)
    bench = Bench(planned([shell("a", first, fallback_actions=fallback("run-step", step=box))]))
    assert bench.start().status == "failed"
    return bench


def test_a_container_that_was_fallen_back_to_goes_on_where_it_was_when_it_is_needed_again() -> None:
    bench = fell_back(
        "fail", shell("x", "fail 1"), shell("y", "sleep 1"), shell("z", dependencies=["x", "y"])
    )
    state = bench.resume()
    assert state.status == "completed"
    assert bench.work.executed == ["a", "x", "y", "a", "x", "z"]
    assert facts_of(bench.replayed()) == facts_of(state)


def test_a_container_that_was_fallen_back_to_and_is_not_needed_any_more_is_skipped() -> None:
    bench = fell_back("fail 1", shell("x", "fail"))
    state = bench.resume()
    assert statuses(state) == {"a": "completed", "box": "skipped", "x": "skipped"}
    assert facts_of(bench.replayed()) == facts_of(state)


def test_a_resumed_run_can_be_stopped_before_such_a_container_goes_on() -> None:
    bench = fell_back("fail", shell("x", "fail"))
    state = bench.resume(before=lambda drive: drive.kill("ann"))
    assert state.status == "cancelled"
    assert set(statuses(state).values()) == {"cancelled"}
