"""What a run leaves of its steps when it ends, however it ends."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from mplp_cli.protocols import Attempt
from mplp_cli.workflow.estimates import Measured
from mplp_cli.workflow.fold.history import RunStarted, StepKept
from mplp_cli.workflow.resources import Usage
from tests.bench_of_runs import (
    Bench,
    die,
    fallback,
    given,
    planned,
    retries,
    shell,
    step,
)


def shown(bench: Bench) -> dict[str, Measured] | None:
    """The profile of the run; None if it has left none."""
    found = [profile for profile in bench.store.profiles("w", 20) if profile.run == bench.run]
    return dict(found[0].steps) if found else None


def ran(*steps: dict[str, Any], **more: Any) -> Bench:
    bench = Bench(planned(list(steps), **more))
    bench.start()
    return bench


def test_a_run_shows_how_long_its_steps_took_and_how_long_they_had_waited_for_a_slot() -> None:
    bench = ran(shell("a", "sleep 2"), shell("b", "sleep 1"), given("c"), max_parallel=1)
    assert shown(bench) == {"a": Measured(1, 2000, 0), "b": Measured(1, 1000, 2000)}


def test_a_run_of_steps_without_effects_shows_nothing() -> None:
    assert shown(ran(given("a"), given("b"))) is None


def test_only_the_attempt_that_succeeded_counts() -> None:
    bench = ran(shell("a", "fail 2", retry_policy=retries(3, initial_delay="1m")))
    assert shown(bench) == {"a": Measured(1, 10, 0)}


def test_what_the_attempt_has_used_that_succeeded_is_shown() -> None:
    async def work(attempt: Attempt) -> Any:
        attempt.measured(Usage(cpu_ms=700 // attempt.number, peak_memory=900 // attempt.number))
        if attempt.number == 1:
            raise OSError("again")

    plan = planned([shell("a", retry_policy=retries(1, initial_delay="1s"))])
    bench = Bench(plan, runners={"shell": work})
    bench.start()
    found = shown(bench)
    assert found is not None
    assert found["a"] == Measured(1, 0, 0, 350, 450)


def test_what_a_fallback_made_good_does_not_count() -> None:
    bench = ran(
        shell("a", "fail", fallback_actions=fallback("run-step", step=shell("b", "sleep 1"))), shell("c")
    )
    assert shown(bench) == {"b": Measured(1, 1000, 0), "c": Measured(1, 10, 0)}


def test_items_are_summed_up_under_the_step_of_the_file() -> None:
    takes = {"each[0].x": 1, "each[1].x": 9, "each[2].x": 2}

    async def work(attempt: Attempt) -> Any:
        await asyncio.sleep(takes[attempt.step])

    bench = Bench(
        planned([step("foreach", "each", items=[1, 2, 3], steps=[shell("x")])]), runners={"shell": work}
    )
    bench.start()
    assert shown(bench) == {"x": Measured(3, 2000, 0)}


def test_the_time_in_which_a_lane_was_not_free_is_time_in_the_queue() -> None:
    each = step("foreach", "each", items=[1, 1, 1], steps=[shell("x", "sleep 1")], max_parallel=1)
    found = shown(ran(each))
    assert found is not None
    assert found["x"].times == 3
    together = step("parallel", "p", steps=[shell("x", "sleep 3"), shell("y", "sleep 1")], max_parallel=1)
    found = shown(ran(together))
    assert found is not None
    assert found["y"] == Measured(1, 1000, 3000)


def test_a_failed_run_shows_what_completed_and_the_whole_once_it_is_resumed() -> None:
    bench = ran(shell("a", "sleep 1"), shell("b", "fail 1", dependencies=["a"]))
    assert shown(bench) == {"a": Measured(1, 1000, 0)}
    assert bench.resume().status == "completed"
    assert shown(bench) == {"a": Measured(1, 1000, 0), "b": Measured(1, 10, 0)}


def test_a_cancelled_run_shows_what_completed() -> None:
    bench = Bench(planned([shell("a", "sleep 1"), shell("b", "sleep 9", dependencies=["a"])]))
    assert bench.start(during=[(5, lambda drive: drive.cancel("ann"))]).status == "cancelled"
    assert shown(bench) == {"a": Measured(1, 1000, 0)}


@pytest.mark.parametrize("commit", [2, 3, 4])
@pytest.mark.parametrize("after", [False, True])
def test_a_run_whose_process_died_shows_the_same_as_one_that_was_left_alone(commit: int, after: bool) -> None:
    bench = Bench(planned([shell("a", "sleep 1"), shell("b", "sleep 2", dependencies=["a"]), shell("c")]))
    assert bench.whole_in_spite_of((commit, after)).status == "completed"
    found = shown(bench)
    assert found is not None
    assert {name: one.duration for name, one in found.items()} == {"a": 1000, "b": 2000, "c": 10}


def test_a_result_of_the_cache_is_no_measure() -> None:
    plan = planned([shell("a", "sleep 1", cache={"key": "k"}), shell("b")])
    first = Bench(plan)
    first.start()
    second = Bench(plan, after=first)
    second.start()
    assert shown(first) == {"a": Measured(1, 1000, 0), "b": Measured(1, 10, 0)}
    assert shown(second) == {"b": Measured(1, 10, 0)}


def test_what_a_rerun_keeps_is_no_measure() -> None:
    bench = Bench(planned([shell("a"), shell("b", "sleep 1", dependencies=["a"])]))
    die(bench, (1, False))
    state = bench.replayed()
    assert isinstance(bench.history()[0], RunStarted)
    journal = bench.store.own_run(bench.run, "test")
    journal.append([StepKept(state.started, "a", "completed", "another", 1, {"output": "a"})])
    journal.close()
    bench.resume()
    assert shown(bench) == {"b": Measured(1, 1000, 0)}


def test_an_operation_and_a_wait_are_no_work() -> None:
    created = {
        "id": "ctx",
        "type": "module-operation",
        "module": "context",
        "operation": "create-context",
        "parameters": {"name": "n"},
    }
    assert shown(ran(created, step("wait", "later", for_="1h"))) is None


def test_the_time_of_a_pause_is_not_time_at_work() -> None:
    bench = Bench(planned([shell("a", "sleep 1"), shell("b", "sleep 2", dependencies=["a"])]))
    bench.start(during=[(0.5, _pause)])
    bench.clock.elapsed += 3600
    assert bench.resume().status == "completed"
    assert shown(bench) == {"a": Measured(1, 1000, 0), "b": Measured(1, 2000, 0)}


def _pause(drive: Any) -> None:
    from mplp_cli.workflow.fold.history import RunPausing

    drive.post(RunPausing(drive.world.clock.now(), "ann"))
