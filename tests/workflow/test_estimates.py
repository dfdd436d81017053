"""What runs teach: robust estimates, and how long a plan will take by them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from mplp_cli.workflow.estimates import (
    MOST_STEPS,
    Estimate,
    Measured,
    Profile,
    estimates,
    outlook,
    profile_of,
)
from mplp_cli.workflow.fold.state import RunState
from mplp_cli.workflow.fold.statuses import COMPLETED
from tests.bench_of_runs import choice, fallback, given, parallel, planned, shell, step


def shown(*durations: int, name: str = "a", **more: Any) -> list[Profile]:
    """One profile for each duration, the newest first."""
    return [
        Profile(run=f"r{n}", at=-n, steps={name: Measured(1, duration, 0, **more)})
        for n, duration in enumerate(durations)
    ]


def test_one_run_that_took_for_ever_does_not_move_an_estimate() -> None:
    found = estimates(shown(100, 110, 90_000, 105, 95, 100, 102))
    assert found == {"a": Estimate(duration=102, spread=3, runs=7)}


def test_only_the_last_seven_runs_in_which_a_step_completed_count() -> None:
    profiles = shown(*[10] * 7, *[900] * 13)
    assert estimates(profiles)["a"].duration == 10
    absent = [Profile(run=f"x{n}", at=n, steps={}) for n in range(10)]
    late = estimates([*absent, *profiles])["a"]
    assert (late.duration, late.runs) == (10, 7)


def test_what_was_never_seen_has_no_estimate() -> None:
    assert estimates([]) == {}
    assert "b" not in estimates(shown(1))


def test_memory_is_the_most_that_was_used_and_what_was_not_measured_does_not_count() -> None:
    profiles = [*shown(100, cpu=40, memory=300), *shown(100), *shown(100, cpu=60, memory=900)]
    found = estimates(profiles)["a"]
    assert (found.runs, found.cpu, found.memory) == (3, 50, 900)
    unmeasured = estimates(shown(1))["a"]
    assert (unmeasured.cpu, unmeasured.memory) == (None, None)


def test_no_more_runs_are_looked_at_than_the_wanted_steps_need() -> None:
    looked = []

    def profiles() -> Iterator[Profile]:
        for profile in shown(*range(20)):
            looked.append(profile.run)
            yield profile

    assert estimates(profiles(), ["a"])["a"].duration == 3
    assert len(looked) == 7
    looked.clear()
    estimates(profiles(), ["a", "new"])
    assert len(looked) == 20


def test_a_profile_keeps_the_steps_that_took_longest() -> None:
    count = MOST_STEPS + 50
    state = RunState(planned([shell(f"s{n}") for n in range(count)]))
    state.step_status = [COMPLETED] * count
    state.measures.begun = dict.fromkeys(range(count), 1)
    state.ended_at = [1 + (n * 7) % count for n in range(count)]
    profile = profile_of(state)
    assert profile is not None
    assert len(profile.steps) == MOST_STEPS
    assert min(one.duration for one in profile.steps.values()) == 50


# ---- a plan with them


def known(**durations: int | tuple[int, int]) -> dict[str, Estimate]:
    """`a=100`, or `a=(100, 12)` for what is done twelve times."""
    made = {}
    for name, said in durations.items():
        duration, times = said if isinstance(said, tuple) else (said, 1)
        made[name] = Estimate(duration=duration, spread=0, runs=3, times=times)
    return made


def each(name: str, *steps: dict[str, Any], **keys: Any) -> dict[str, Any]:
    return step("foreach", name, items=[1], steps=list(steps), **keys)


@pytest.mark.parametrize(
    ("steps", "learned", "takes", "chain"),
    [
        ([shell("a"), shell("b"), shell("c", dependencies=["a", "b"])], {"a": 5, "b": 7, "c": 1}, 8, "bc"),
        ([shell("a"), shell("b"), given("c", dependencies=["a"])], {"a": 5}, 5, "ac"),
        ([parallel("a", shell("x"), shell("y"), shell("z"))], {"x": 5, "y": 3, "z": 4}, 5, "a"),
        ([parallel("a", shell("x"), shell("y"), max_parallel=1)], {"x": 5, "y": 3}, 8, "a"),
        (
            [choice("a", "${1 == 1}", [shell("x")], [shell("y"), shell("z")])],
            {"x": 5, "y": 3, "z": 4},
            7,
            "a",
        ),
        ([each("a", shell("x"), max_parallel=2)], {"x": (5, 7)}, 20, "a"),
        ([each("a", shell("x"))], {"x": (5, 7)}, 5, "a"),
        (
            [step("loop", "a", steps=[shell("x")], while_="${1 == 1}", max_iterations=9)],
            {"x": (5, 4)},
            20,
            "a",
        ),
        (
            [shell("a", fallback_actions=fallback("run-step", step=shell("y")))],
            {"a": 5, "y": 1_000},
            5,
            "a",
        ),
    ],
    ids=["chain", "unknown", "parallel", "lanes", "branches", "foreach", "all at once", "loop", "fallback"],
)
def test_a_plan_takes_as_long_as_its_longest_chain(
    steps: list[dict[str, Any]], learned: dict[str, Any], takes: int, chain: str
) -> None:
    plan = planned(steps)
    ahead = outlook(plan, known(**learned))
    assert ahead.duration == takes
    assert [plan.steps[i].id for i in ahead.chain] == list(chain)


def test_how_much_of_a_plan_is_known_is_told() -> None:
    plan = planned([shell("a"), shell("b"), given("c")], finally_=[shell("bye")])
    ahead = outlook(plan, known(a=10, bye=3, gone=99))
    assert (ahead.steps, ahead.known, ahead.duration) == (3, 2, 13)
