"""Cancel, kill, fail-fast, abort and the run's own timeout: what stops, what it is called, what still runs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from mplp_cli.engine.drive import Drive
from mplp_cli.errors import Failure
from mplp_cli.protocols import Attempt, Control
from mplp_cli.workflow.fold import history as h
from mplp_cli.workflow.fold.state import RunState
from tests.bench_of_runs import (
    Bench,
    Intervention,
    ask,
    begun,
    choice,
    die,
    error_of,
    facts,
    fallback,
    given,
    moment,
    parallel,
    pause,
    planned,
    reason_of,
    retries,
    run_steps,
    shell,
    statuses,
)
from tests.virtual import facts_of


def cancel(drive: Drive) -> None:
    drive.cancel("ann", "wrong branch")


def kill(drive: Drive) -> None:
    drive.kill("ann")


def run_with(steps: list[dict[str, object]], *during: Intervention, **more: object) -> tuple[RunState, Bench]:
    bench = Bench(planned(steps, **more))
    state = bench.start(during=during)
    assert facts_of(bench.replayed()) == facts_of(state)
    return state, bench


# ---- cancel ------------------------------------------------------------------------------------


def test_a_cancel_ends_what_runs_waits_retries_queues_and_pends_with_its_reason() -> None:
    steps = [
        shell("runs", "sleep 100"),
        shell("retries", "fail", retry_policy=retries(3, initial_delay="50s")),
        pause("waits", "90s"),
        shell("asks", "fail", fallback_actions=ask()),
        shell("holds", "sleep 100"),
        shell("queues", "ok", priority=-1),
        shell("pends", dependencies=["runs"]),
        parallel("box", shell("inside", "sleep 100"), dependencies=["asks"], join="all-ended"),
    ]
    state, bench = run_with(steps, (5, cancel), max_parallel=2)
    assert state.status == "cancelled"
    assert set(statuses(state).values()) == {"cancelled"}
    assert {reason_of(state, s["id"]) for s in steps} == {"wrong branch"}
    assert bench.clock.elapsed == 5
    [end] = facts(bench, h.RunCancelled)
    assert (end.by, end.message) == ("ann", "wrong branch")


def test_all_that_does_not_run_is_cancelled_in_the_commit_that_records_the_cancel() -> None:
    steps = [shell("runs", "linger 100 3"), pause("waits", "90s"), shell("pends", dependencies=["waits"])]
    _, bench = run_with(steps, (5, cancel))
    [stop] = [commit for commit in bench.commits if any(isinstance(f, h.RunStopping) for f in commit)]
    assert [f.step for f in stop if isinstance(f, h.StepCancelled)] == ["waits", "pends"]
    assert [moment(bench, f) for f in facts(bench, h.StepCancelled, "runs")] == [8000]


@pytest.mark.parametrize("at", [0.01, 0.02, 0.022, 0.024, 0.03, 0.05])
@pytest.mark.parametrize("act", [cancel, kill])
def test_the_stop_is_stored_before_anything_is_stopped(at: float, act: Callable[[Drive], None]) -> None:
    """Also while a commit waits for a few more steps that follow each other."""
    known: list[bool] = []

    async def work(attempt: Attempt) -> str:
        try:
            await asyncio.sleep(100 if attempt.step == "long" else 0.01)
        except asyncio.CancelledError:
            known.append(any(isinstance(fact, h.RunStopping) for fact in bench.history()))
            raise
        return attempt.step

    quick = [shell(f"s{n}", priority=-1) for n in range(20)]
    bench = Bench(planned([shell("long"), *quick], max_parallel=2), runners={"shell": work})
    assert bench.start(during=[(at, act)]).status == "cancelled"
    assert known
    assert all(known)


def test_a_cancelled_run_shows_what_had_ended_before_as_it_ended() -> None:
    state, _ = run_with([shell("done"), shell("bad", "fail"), shell("long", "sleep 50")], (5, cancel))
    assert statuses(state) == {"done": "completed", "bad": "failed", "long": "cancelled"}
    assert state.status == "cancelled"


def test_a_cancel_while_the_attempt_fails_leaves_no_retry_behind() -> None:
    state, bench = run_with([shell("a", "fail", retry_policy=retries(3))], (0.01, cancel))
    assert state.status == "cancelled"
    assert bench.work.executed == ["a"]
    assert bench.clock.elapsed == 0.01


@pytest.mark.parametrize(
    "more",
    [
        {"retry_policy": retries(5)},
        {"fallback_actions": ask()},
        {"fallback_actions": fallback("use-value", value=1)},
        {"fallback_actions": fallback("run-step", step=shell("b"))},
        {"fallback_actions": fallback("abort")},
    ],
)
def test_an_attempt_that_is_being_stopped_starts_nothing_and_asks_nobody(more: dict[str, object]) -> None:
    """It had timed out and took its time to stop when the cancel came."""
    state, bench = run_with([shell("a", "linger 100 2", timeout="1s", **more)], (2, cancel))
    assert state.status == "cancelled"
    assert statuses(state)["a"] == "cancelled"
    assert bench.work.executed == ["a"]
    assert bench.store.approvals() == []
    assert bench.clock.elapsed == 3


def test_an_attempt_that_fails_because_it_was_stopped_is_cancelled_and_says_both() -> None:
    state, _ = run_with([shell("a", "sour 100")], (1, cancel), fail_fast=True)
    assert state.status == "cancelled"
    assert reason_of(state, "a") == "wrong branch; its attempt failed: it did not like to be stopped"


def test_an_attempt_that_cannot_be_stopped_keeps_its_result() -> None:
    state, bench = run_with([shell("a", "deaf 4"), shell("b", dependencies=["a"])], (1, cancel))
    assert statuses(state) == {"a": "completed", "b": "cancelled"}
    assert state.status == "cancelled"
    assert bench.clock.elapsed == 4


def test_an_attempt_whose_start_is_not_committed_when_the_run_stops_never_begins() -> None:
    def both(drive: Drive) -> None:
        drive.post(h.StepCompleted(drive.world.clock.now(), "first", 1, {}))
        cancel(drive)

    state, bench = run_with(
        [pause("first", "1h"), shell("next", "sleep 100", dependencies=["first"])], (1, both)
    )
    assert statuses(state) == {"first": "completed", "next": "cancelled"}
    assert bench.work.executed == []
    assert bench.clock.elapsed == 1


def test_a_second_cancel_changes_nothing() -> None:
    state, bench = run_with(
        [shell("a", "linger 100 5")], (1, cancel), (2, lambda d: d.cancel("bob", "me too"))
    )
    assert len(facts(bench, h.RunStopping)) == 1
    assert reason_of(state, "a") == "wrong branch"


def test_a_run_that_waits_for_a_person_can_be_cancelled_by_a_process_that_takes_it_up() -> None:
    bench = Bench(planned([shell("a", "fail", fallback_actions=ask()), shell("b", dependencies=["a"])]))
    assert bench.start().status == "waiting"
    state = bench.resume(before=cancel)
    assert state.status == "cancelled"
    assert statuses(state) == {"a": "cancelled", "b": "cancelled"}
    assert bench.store.approvals() == []
    assert facts_of(bench.replayed()) == facts_of(state)


def test_a_cancel_request_of_another_process_is_seen() -> None:
    bench = Bench(planned([shell("a", "sleep 100")]), poll=0.1)
    state = bench.start(
        during=[
            (
                3,
                lambda drive: bench.store.request(
                    drive.state.run_id, Control(seq=0, verb="cancel", by="bob", reason="no")
                ),
            )
        ]
    )
    assert state.status == "cancelled"
    assert 3 <= bench.clock.elapsed <= 3.2
    assert reason_of(state, "a") == "no"


def test_a_process_that_dies_while_it_stops_a_run_leaves_a_run_that_still_stops() -> None:
    bench = Bench(
        planned([shell("a", "linger 100 9"), shell("b", dependencies=["a"])], finally_=[shell("f")])
    )
    die(bench, (3, False), during=[(1, cancel)])
    state = bench.resume()
    assert state.status == "cancelled"
    assert statuses(state) == {"a": "cancelled", "b": "cancelled", "f": "completed"}
    assert reason_of(state, "a") == "wrong branch; its attempt was lost with the process"
    assert bench.work.executed == ["a", "f"]


def test_the_inside_of_a_cancelled_container_is_cancelled_too_and_the_branch_not_taken_stays_skipped() -> (
    None
):
    steps = [choice("c", "true", [shell("t1", "sleep 9"), shell("t2")], shell("e"))]
    state, _ = run_with(steps, (1, cancel))
    assert statuses(state) == {"c": "cancelled", "t1": "cancelled", "t2": "cancelled", "e": "skipped"}


# ---- finally -----------------------------------------------------------------------------------


def test_finally_runs_after_a_cancel_sees_its_status_and_the_run_stays_cancelled() -> None:
    finally_ = [given("f", {"was": "${run.status}"}), shell("g", "fail"), shell("i")]
    state, _ = run_with([shell("a", "sleep 100")], (1, cancel), finally_=finally_)
    assert statuses(state) == {"a": "cancelled", "f": "completed", "g": "failed", "i": "completed"}
    assert state.results[state.plan.number["f"]] == {"was": "cancelled"}
    assert state.status == "cancelled"


def test_finally_is_not_stopped_by_a_first_cancel() -> None:
    state, bench = run_with([shell("a")], (5, cancel), finally_=[shell("f", "sleep 100"), shell("g")])
    assert state.status == "completed"
    assert statuses(state) == {"a": "completed", "f": "completed", "g": "completed"}
    assert facts(bench, h.RunStopping) == []


def test_a_kill_stops_the_run_and_finally_does_not_run() -> None:
    state, bench = run_with([shell("a", "sleep 100")], (1, kill), finally_=[shell("f")])
    assert statuses(state) == {"a": "cancelled", "f": "cancelled"}
    assert state.status == "cancelled"
    assert bench.work.executed == ["a"]


def test_a_kill_after_a_cancel_keeps_finally_from_running() -> None:
    state, bench = run_with([shell("a", "linger 100 5")], (1, cancel), (2, kill), finally_=[shell("f")])
    assert statuses(state) == {"a": "cancelled", "f": "cancelled"}
    assert bench.work.executed == ["a"]
    assert reason_of(state, "a") == "wrong branch"


@pytest.mark.parametrize(("script", "status"), [("ok", "cancelled"), ("fail", "failed")])
def test_a_kill_stops_finally_too(script: str, status: str) -> None:
    state, bench = run_with([shell("a", script)], (5, kill), finally_=[shell("f", "sleep 100"), shell("g")])
    assert statuses(state) | {"a": ""} == {"a": "", "f": "cancelled", "g": "cancelled"}
    assert state.status == status
    assert bench.clock.elapsed == 5


def test_a_kill_is_remembered_by_the_process_that_takes_the_run_up() -> None:
    bench = Bench(planned([shell("a", "linger 100 9")], finally_=[shell("f")]))
    die(bench, (3, False), during=[(1, kill)])
    state = bench.resume()
    assert statuses(state) == {"a": "cancelled", "f": "cancelled"}
    assert state.status == "cancelled"


def test_a_kill_ends_the_processes_once_more() -> None:
    killed: list[str] = []
    bench = Bench(planned([shell("a", "sleep 100")]), kill=lambda: killed.append("all"))
    bench.start(during=[(1, cancel), (1, kill)])
    assert killed == ["all"]


# ---- fail-fast, abort, the run's timeout --------------------------------------------------------


def test_without_fail_fast_other_branches_go_on_after_a_failure() -> None:
    state, _ = run_with([shell("a", "fail"), shell("b", "sleep 5"), shell("c", dependencies=["b"])])
    assert statuses(state) == {"a": "failed", "b": "completed", "c": "completed"}
    assert state.status == "failed"


def test_fail_fast_stops_what_runs_and_starts_nothing_more() -> None:
    steps = [shell("a", "fail"), shell("b", "sleep 100"), shell("c"), shell("d", dependencies=["b"])]
    state, bench = run_with(steps, fail_fast=True, max_parallel=2)
    assert statuses(state) == {"a": "failed", "b": "cancelled", "c": "cancelled", "d": "cancelled"}
    assert state.status == "failed"
    assert state.error is not None
    assert state.error.message == "`a`: scripted failure"
    assert reason_of(state, "c") == "`a` failed and the workflow says `fail-fast`"
    assert sorted(bench.work.executed) == ["a", "b"]
    assert begun(bench, "c") == []


def test_fail_fast_waits_for_the_retries_and_respects_what_a_fallback_mends() -> None:
    steps = [
        shell("a", "fail 2", retry_policy=retries(2)),
        shell("b", "fail", fallback_actions=fallback("skip")),
        shell("c", "sleep 100"),
    ]
    state, _ = run_with(steps, fail_fast=True)
    assert statuses(state) == {"a": "completed", "b": "skipped", "c": "completed"}
    assert state.status == "completed"


def test_a_failure_that_a_parallel_tolerates_does_not_set_off_fail_fast() -> None:
    steps = [parallel("p", shell("x", "fail"), fail_on="none"), shell("b", "sleep 5")]
    state, _ = run_with(steps, fail_fast=True)
    assert state.status == "completed"


def test_a_failure_in_a_container_sets_off_fail_fast_when_the_container_fails() -> None:
    steps = [parallel("p", shell("x", "fail"), shell("y", "sleep 3")), shell("b", "sleep 100")]
    state, bench = run_with(steps, fail_fast=True)
    assert statuses(state) == {"p": "failed", "x": "failed", "y": "completed", "b": "cancelled"}
    assert bench.clock.elapsed == 3


def test_the_first_cause_of_a_stop_stands() -> None:
    """A step that fails while a cancelled run stops does not turn the cancel into a failure."""

    def both(drive: Drive) -> None:
        cancel(drive)
        drive.post(h.StepFailed(drive.world.clock.now(), "a", 1, Failure(type="OSError", message="x")))

    state, bench = run_with([shell("a", "sleep 100"), shell("b", "sleep 100")], (1, both), fail_fast=True)
    assert state.status == "cancelled"
    assert len(facts(bench, h.RunStopping)) == 1


def test_abort_ends_the_run_from_any_depth_and_names_the_step() -> None:
    inside = shell("x", "fail", fallback_actions=fallback("abort"))
    state, bench = run_with(
        [parallel("p", inside, shell("y", "sleep 100"), fail_on="none"), shell("b", "sleep 100")]
    )
    assert statuses(state) == {"p": "cancelled", "x": "failed", "y": "cancelled", "b": "cancelled"}
    assert state.status == "failed"
    assert state.error is not None
    assert (state.error.type, state.error.message) == (
        "AbortedError",
        "`x` failed and its fallback is `abort`",
    )
    assert bench.clock.elapsed == 0.01


def test_abort_is_not_lost_when_the_process_dies_right_after_the_failure() -> None:
    steps = [shell("a", "fail", fallback_actions=fallback("abort")), shell("b", "sleep 100")]
    bench = Bench(planned(steps), batch=1)
    for commit in range(1, 9):
        bench = Bench(planned(steps), batch=1)
        try:
            die(bench, (commit, True))
        except AssertionError:
            break
        if facts(bench, h.StepFailed) and not facts(bench, h.RunStopping):
            break
    assert facts(bench, h.StepFailed)
    assert not facts(bench, h.RunStopping)
    state = bench.resume()
    assert statuses(state) == {"a": "failed", "b": "cancelled"}


def test_abort_inside_finally_stops_nothing() -> None:
    finally_ = [shell("f", "fail", fallback_actions=fallback("abort")), shell("g")]
    state, _ = run_with([shell("a")], finally_=finally_)
    assert statuses(state) == {"a": "completed", "f": "failed", "g": "completed"}
    assert state.status == "failed"


def test_the_runs_timeout_stops_it_and_the_run_fails_by_name() -> None:
    steps = [shell("a", "sleep 100", retry_policy=retries(3)), shell("b", dependencies=["a"])]
    state, bench = run_with(steps, timeout="30s", finally_=[shell("f", "sleep 60")])
    assert statuses(state) == {"a": "cancelled", "b": "cancelled", "f": "completed"}
    assert state.status == "failed"
    assert state.error is not None
    assert (state.error.type, state.error.message) == (
        "RunTimeoutError",
        "the run took longer than its timeout of 30.0s",
    )
    assert bench.work.executed == ["a", "f"]
    assert bench.clock.elapsed == 90


def test_the_runs_timeout_that_comes_in_finally_changes_nothing() -> None:
    state, bench = run_with([shell("a")], timeout="30s", finally_=[shell("f", "sleep 60")])
    assert state.status == "completed"
    assert facts(bench, h.RunStopping) == []


def test_the_runs_timeout_goes_on_counting_after_a_crash() -> None:
    bench = Bench(planned([shell("a", "sleep 100")], timeout="30s"))
    die(bench, (2, False), during=[(20, cancel)])
    state = bench.resume()
    assert state.status == "failed"
    assert bench.clock.elapsed == 30


def test_the_time_in_which_only_a_person_could_go_on_does_not_count_for_the_runs_timeout() -> None:
    bench = Bench(
        planned(
            [shell("a", "fail 1", fallback_actions=ask()), shell("b", "sleep 20", dependencies=["a"])],
            timeout="30s",
        )
    )
    assert bench.start().status == "waiting"
    bench.clock.elapsed += 100_000
    assert bench.resume(before=lambda d: d.decide("a", "approve", "ann", "")).status == "completed"


def test_a_run_that_failed_by_its_timeout_has_its_time_again_when_it_is_resumed() -> None:
    bench = Bench(
        planned([shell("a", "sleep 20"), shell("b", "sleep 20", dependencies=["a"])], timeout="30s")
    )
    assert bench.start().status == "failed"
    state = bench.resume()
    assert state.status == "completed"
    assert bench.work.executed == ["a", "b", "b"]


# ---- nothing leaks ------------------------------------------------------------------------------


@pytest.mark.parametrize("at", [0, 0.005, 0.01, 0.5, 1, 1.01, 2, 30])
@pytest.mark.parametrize("act", [cancel, kill])
def test_whenever_it_is_stopped_slots_lanes_and_counters_are_all_given_back(
    at: float, act: Callable[[Drive], None]
) -> None:
    steps = [
        parallel(
            "p",
            shell("x", "sleep 1"),
            shell("y", "fail 1", retry_policy=retries(1)),
            shell("z"),
            max_parallel=1,
        ),
        choice("c", "true", [shell("t", "linger 1 2", timeout="500ms", retry_policy=retries(1)), pause("u")]),
        shell("f", "fail", fallback_actions=fallback("run-step", step=shell("i", "sleep 1"))),
        pause("w", "20s"),
    ]
    bench = Bench(planned(steps, max_parallel=2))
    state = bench.start(during=[(at, act)])
    assert (state.slots, state.left, state.moving, state.asking) == (2, 0, 0, 0)
    assert state.lanes == {0: 1}
    assert not state.holding
    assert not state.in_lane
    assert not bench.work.breaches
    assert facts_of(bench.replayed()) == facts_of(state)


def test_a_failing_step_whose_error_is_kept_while_it_is_cancelled_shows_it() -> None:
    state, _ = run_with([shell("a", "fail", retry_policy=retries(3, initial_delay="50s"))], (5, cancel))
    assert statuses(state) == {"a": "cancelled"}
    assert error_of(state, "a").message == "scripted failure"


def test_an_undisturbed_run_stops_nothing() -> None:
    state, bench = run_steps([shell("a")])
    assert state.stopping is None
    assert facts(bench, h.RunStopping) == []
