"""loop: until, while, a number of times; what an iteration leaves for the next; races."""

from __future__ import annotations

from typing import Any

import pytest

from mplp_cli.workflow.fold import history as h
from mplp_cli.workflow.fold.state import RunState
from tests.bench_of_runs import Bench, planned, problems_of, run_steps, statuses


def loop(*steps: dict[str, Any], **more: Any) -> dict[str, Any]:
    more = {key.rstrip("_").replace("_", "-"): value for key, value in more.items()}
    return {"id": "again", "type": "loop", "steps": list(steps), "max-iterations": 5, **more}


def note(name: str, value: Any, **more: Any) -> dict[str, Any]:
    return {"id": name, "type": "set", "values": {"v": value}, **more}


def shell(name: str, work: str = "ok", **more: Any) -> dict[str, Any]:
    return {"id": name, "type": "shell", "run": work, **more}


def result(state: RunState, step: str = "again") -> Any:
    return state.results[state.plan.number[step]]


COUNT = note("n", "${(again.result.last.v | default(0)) + 1}")


def test_until_is_judged_after_each_iteration() -> None:
    state, _ = run_steps([loop(COUNT, until="n.result.v >= 3")])
    assert result(state) == {"iterations": 3, "last": {"v": 3}}
    state, _ = run_steps([loop(COUNT, until="true")])
    assert result(state)["iterations"] == 1


def test_while_is_judged_before_each_iteration() -> None:
    state, _ = run_steps([loop(COUNT, while_="n.result.v | default(0) < 2")])
    assert result(state) == {"iterations": 2, "last": {"v": 2}}
    state, _ = run_steps([loop(COUNT, while_="false")])
    assert result(state) == {"iterations": 0, "last": None}


def test_without_a_condition_there_are_exactly_so_many() -> None:
    state, _ = run_steps([loop(note("i", "${index}"))])
    assert result(state) == {"iterations": 5, "last": {"v": 4}}


@pytest.mark.parametrize("condition", [{"until": "false"}, {"while_": "true"}])
def test_a_loop_that_should_go_on_and_may_not_fails(condition: dict[str, str]) -> None:
    state, _ = run_steps([loop(COUNT, **condition)])
    assert state.status == "failed"
    assert state.errors[state.plan.number["again"]].type == "LoopExhaustedError"


def test_an_iteration_that_fails_ends_the_loop() -> None:
    state, _ = run_steps([loop(shell("bad", "fail"), until="false")])
    assert statuses(state) == {"again": "failed", "again[0]": "failed", "again[0].bad": "failed"}


def test_a_condition_that_cannot_be_judged_fails_the_loop() -> None:
    state, _ = run_steps([loop(COUNT, until="n.result.v")])
    assert "a condition is true or false" in state.errors[state.plan.number["again"]].message


def test_the_pause_stands_between_iterations_only() -> None:
    bench = Bench(planned([loop(COUNT, until="n.result.v >= 3", delay="10s")]))
    state = bench.start()
    assert state.ended - state.started == 20_000


@pytest.mark.parametrize("commit", range(1, 12))
def test_a_run_that_dies_goes_on_with_the_iteration_it_was_in(commit: int) -> None:
    bench = Bench(
        planned(
            [loop(COUNT, shell("work"), note("v", "${n.result.v}"), until="v.result.v >= 3", delay="1s")]
        ),
        batch=1,
    )
    state = bench.whole_in_spite_of((commit, True))
    assert result(state) == {"iterations": 3, "last": {"v": 3}}
    done = [fact.step for fact in bench.history() if isinstance(fact, h.StepCompleted)]
    assert len(done) == len(set(done))


def test_loops_and_items_stand_in_each_other() -> None:
    inner = {"id": "each", "type": "foreach", "items": [1, 2], "steps": [note("x", "${item}${index}")]}
    state, _ = run_steps([loop(inner, max_iterations=2)])
    assert result(state) == {"iterations": 2, "last": [{"v": "10"}, {"v": "21"}]}
    assert statuses(state)["again[1].each[0].x"] == "completed"
    outer = {
        "id": "rows",
        "type": "foreach",
        "items": [1, 2],
        "steps": [loop(COUNT, until="n.result.v >= item")],
    }
    state, _ = run_steps([outer])
    assert [row["iterations"] for row in result(state, "rows")] == [1, 2]


def test_only_the_result_so_far_can_be_seen_from_inside() -> None:
    assert [p.code for p in problems_of([loop(note("n", "${again.status}"))])] == ["ref-container"]
    assert [p.code for p in problems_of([note("x", "${n.result.v}"), loop(COUNT)])] == ["ref-inside-branch"]


# ---- races -------------------------------------------------------------------------------------


def race(*steps: dict[str, Any], **more: Any) -> dict[str, Any]:
    more = {key.replace("_", "-"): value for key, value in more.items()}
    return {"id": "race", "type": "parallel", "race": True, "steps": list(steps), **more}


def test_the_first_child_to_complete_decides_and_the_others_are_stopped() -> None:
    state, bench = run_steps([race(shell("slow", "sleep 9"), shell("fast", "sleep 1"), shell("bad", "fail"))])
    assert state.status == "completed"
    assert statuses(state) == {"race": "completed", "slow": "cancelled", "fast": "completed", "bad": "failed"}
    assert result(state, "race")["winner"] == "fast"
    assert result(state, "race")["value"] == result(state, "fast")
    assert state.ended - state.started < 2_000
    assert not bench.work.running


def test_children_that_wait_are_stopped_at_once() -> None:
    again = {"retry-policy": {"max-retries": 3, "initial-delay": "1m"}}
    later = shell("later", dependencies=["fast"])
    steps = [
        race(
            shell("fast", "sleep 1"),
            shell("tries", "fail", **again),
            later,
            {"id": "w", "type": "wait", "for": "1h"},
        )
    ]
    state, _ = run_steps(steps)
    told = statuses(state)
    assert (told["tries"], told["later"], told["w"]) == ("cancelled", "cancelled", "cancelled")
    assert state.reasons[state.plan.number["w"]] == "`fast` was first"


def test_a_race_that_nobody_wins_fails_as_fail_on_says() -> None:
    assert run_steps([race(shell("a", "fail"), shell("b", "fail"))])[0].status == "failed"
    state, _ = run_steps([race(shell("a", "fail"), fail_on="none")])
    assert (state.status, result(state, "race")["winner"]) == ("completed", None)


def test_a_container_may_race_too() -> None:
    box = {"id": "box", "type": "parallel", "steps": [shell("in", "sleep 9"), note("quick", 1)]}
    state, _ = run_steps([race(box, shell("fast", "sleep 1"))])
    assert statuses(state)["in"] == "cancelled"
    assert result(state, "race")["winner"] == "fast"


@pytest.mark.parametrize("commit", range(1, 8))
def test_a_winner_stays_the_winner_after_a_death(commit: int) -> None:
    bench = Bench(
        planned(
            [race(shell("slow", "sleep 9"), shell("fast", "sleep 1")), note("after", "${race.result.winner}")]
        ),
        batch=1,
    )
    state = bench.whole_in_spite_of((commit, True))
    assert result(state, "after") == {"v": "fast"}
