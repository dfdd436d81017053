"""foreach: items in order, a few at a time, failures that are tolerated, nested, resumed where they were."""

from __future__ import annotations

from typing import Any

import pytest

from mplp_cli.workflow.fold import history as h
from mplp_cli.workflow.fold.state import RunState
from tests.bench_of_runs import Bench, planned, problems_of, run_steps, statuses


def each(items: Any, *steps: dict[str, Any], **more: Any) -> dict[str, Any]:
    more = {key.rstrip("_").replace("_", "-"): value for key, value in more.items()}
    return {"id": "each", "type": "foreach", "items": items, "steps": list(steps), **more}


def shell(name: str, work: str = "ok", **more: Any) -> dict[str, Any]:
    return {"id": name, "type": "shell", "run": work, **more}


def note(name: str, value: Any, **more: Any) -> dict[str, Any]:
    return {"id": name, "type": "set", "values": {"v": value}, **more}


def result(state: RunState, step: str) -> Any:
    return state.results[state.plan.number[step]]


def failure(state: RunState, step: str) -> Any:
    return state.errors[state.plan.number[step]]


def test_results_come_in_the_order_of_the_items() -> None:
    names = {"id": "list", "type": "set", "values": {"of": ["c", "a", "b"]}}
    state, _ = run_steps([names, each("${list.result.of}", note("n", "${item}${index}"))])
    assert result(state, "each") == [{"v": "c0"}, {"v": "a1"}, {"v": "b2"}]
    assert statuses(state)["each[1].n"] == "completed"


def test_the_result_of_an_item_is_that_of_its_last_step() -> None:
    state, _ = run_steps([each([1, 2], note("a", "${item}"), note("b", "${a.result.v}${index}"))])
    assert result(state, "each") == [{"v": "10"}, {"v": "21"}]


def test_no_items_give_an_empty_list() -> None:
    state, _ = run_steps([each([], shell("work"))])
    assert (state.status, result(state, "each")) == ("completed", [])


def test_no_more_items_than_allowed_are_under_way_at_once() -> None:
    bench = Bench(planned([each([1, 2, 3, 4, 5], shell("work", "sleep 1"), max_parallel=2)], max_parallel=8))
    state = bench.start()
    assert state.status == "completed"
    assert bench.work.most == 2


def test_items_share_the_slots_of_the_run() -> None:
    bench = Bench(planned([each(list(range(7)), shell("work", "sleep 1"))], max_parallel=3))
    assert bench.start().status == "completed"
    assert bench.work.most == 3


@pytest.mark.parametrize(
    ("settings", "ends"),
    [
        ({}, "failed"),
        ({"tolerated-failures": 1}, "failed"),
        ({"tolerated-failures": 2}, "completed"),
        ({"tolerated-failures": "50%"}, "completed"),
        ({"tolerated-failures": "49%"}, "failed"),
        ({"fail-on": "all"}, "completed"),
        ({"fail-on": "none"}, "completed"),
    ],
)
def test_how_many_items_may_fail(settings: dict[str, Any], ends: str) -> None:
    work = {
        "id": "odd",
        "type": "conditional",
        "condition": "item % 2 == 1",
        "then": shell("bad", "fail"),
        "else": note("good", "${item}"),
    }
    state, _ = run_steps([each([1, 2, 3, 4], work, **settings)])
    assert state.status == ends
    assert result(state, "each") == [None, {"v": 2}, None, {"v": 4}]
    known = state.errors if ends == "failed" else state.mended
    found = known[state.plan.number["each"]]
    assert found.type == "ItemsFailedError"
    assert [item["index"] for item in (found.details or {})["items"]] == [0, 2]
    if ends == "completed":
        assert "2 of 4 items failed" in state.warnings[0]
        assert len(state.warnings) == 1


def test_all_items_may_not_fail_when_one_must_be_well() -> None:
    state, _ = run_steps([each([1, 2], shell("bad", "fail"), fail_on="all")])
    assert state.status == "failed"


def test_what_failed_can_be_referred_to() -> None:
    steps = [
        each([1, 2], shell("bad", "fail"), fail_on="none"),
        {"id": "after", "type": "set", "values": {"at": "${each.error.items[1].index}"}},
    ]
    assert result(run_steps(steps)[0], "after") == {"at": 1}


def test_a_step_that_fails_omits_the_rest_of_its_item_only() -> None:
    first = shell("first", "fail 1", when="item == 1")
    state, _ = run_steps([each([1, 2], first, note("then", "x"), fail_on="none")])
    told = statuses(state)
    assert told["each[0].then"] == "omitted"
    assert told["each[1].first"] == "skipped"
    assert told["each[1].then"] == "completed"


def test_steps_of_an_item_have_their_own_retries_and_fallbacks() -> None:
    again = {"retry-policy": {"max-retries": 1, "initial-delay": "10ms"}}
    saved = {
        "fallback-actions": [{"condition": "any", "action": "run-step", "step": note("saved", "${item}")}]
    }
    steps = [
        each([1, 2], shell("flaky", "fail 1", **again)),
    ]
    assert run_steps(steps)[0].status == "completed"
    state, _ = run_steps([each([7, 8], shell("bad", "fail", **saved))])
    assert result(state, "each") == [{"v": 7}, {"v": 8}]
    assert statuses(state)["each[1].saved"] == "completed"


def test_nested_items_are_kept_apart_by_their_names() -> None:
    inner = {
        "id": "cells",
        "type": "foreach",
        "items": "${row.cells}",
        "as": "cell",
        "steps": [note("cell-note", "${row.name}${cell}${index}"), note("last", "${cell-note.result.v}!")],
    }
    rows = [{"name": "a", "cells": [1, 2]}, {"name": "b", "cells": [3]}]
    state, _ = run_steps([each(rows, note("head", "${index}"), inner, as_="row")])
    assert result(state, "each") == [[{"v": "a10!"}, {"v": "a21!"}], [{"v": "b30!"}]]
    assert statuses(state)["each[0].cells[1].last"] == "completed"


def test_an_inner_foreach_without_a_name_of_its_own_hides_the_outer_item() -> None:
    inner = {"id": "in", "type": "foreach", "items": "${item}", "steps": [note("n", "${item}")]}
    state, _ = run_steps([each([[1], [2, 3]], inner)])
    assert result(state, "each") == [[{"v": 1}], [{"v": 2}, {"v": 3}]]


def test_items_may_hold_any_container() -> None:
    both = {
        "id": "both",
        "type": "parallel",
        "steps": [note("l", "${item}"), note("r", "${l.result.v}", dependencies=["l"])],
    }
    state, _ = run_steps([each([5], both, note("end", "${r.result.v}"))])
    assert result(state, "each") == [{"v": 5}]


@pytest.mark.parametrize("items", ["${list.result.v}", "${list.result.v | string}", "${list.result}"])
def test_items_that_are_no_list_fail_the_step(items: str) -> None:
    state, _ = run_steps([note("list", 3), each(items, note("n", 1))])
    assert state.status == "failed"
    assert "not a list" in failure(state, "each").message


def test_a_false_condition_skips_the_whole() -> None:
    state, _ = run_steps([each([1], note("n", 1), when="false")])
    assert statuses(state) == {"each": "skipped"}


def test_a_timeout_ends_everything_inside() -> None:
    state, bench = run_steps([each([1, 2], shell("slow", "sleep 9"), timeout="1s")])
    told = statuses(state)
    assert (told["each"], told["each[0].slow"]) == ("failed", "cancelled")
    assert not bench.work.running


def test_a_cancel_ends_what_runs_and_what_waits() -> None:
    bench = Bench(planned([each([1, 2, 3], shell("slow", "sleep 9"), max_parallel=1)]))
    state = bench.start(during=[(1, lambda drive: drive.cancel("ann"))])
    assert state.status == "cancelled"
    assert set(statuses(state).values()) == {"cancelled"}


@pytest.mark.parametrize("commit", range(1, 9))
def test_finished_items_never_run_again_after_a_death(commit: int) -> None:
    steps = [each(list(range(5)), shell("work"), note("n", "${item}"), max_parallel=2)]
    bench = Bench(planned(steps), batch=1)
    state = bench.whole_in_spite_of((commit, True))
    assert result(state, "each") == [{"v": n} for n in range(5)]
    done = [fact.step for fact in bench.history() if isinstance(fact, h.StepCompleted)]
    assert len(done) == len(set(done))


def test_a_failed_run_goes_on_with_the_items_that_failed_a_few_at_a_time() -> None:
    steps = [each([1, 2, 3, 4], note("n", "${item}"), shell("work", "fail 1"), max_parallel=2)]
    bench = Bench(planned(steps))
    assert bench.start().status == "failed"
    state = bench.resume()
    assert state.status == "completed"
    assert bench.work.most <= 2
    notes = [f.step for f in bench.history() if isinstance(f, h.StepCompleted) and f.step.endswith(".n")]
    assert len(notes) == 4


def test_finally_may_repeat_too_and_does_so_for_each_ending() -> None:
    last = [each([1, 2], shell("tidy"))]
    bench = Bench(planned([shell("work", "fail 1")], finally_=last))
    assert bench.start().status == "failed"
    state = bench.resume()
    assert state.status == "completed"
    assert statuses(state)["each[1].tidy"] == "completed"
    assert sum(isinstance(f, h.StepCompleted) and f.step == "each[1].tidy" for f in bench.history()) == 2


@pytest.mark.parametrize(
    ("steps", "code"),
    [
        ([note("n", "${item}")], "ref-no-loop"),
        ([note("n", "${index}")], "ref-no-loop"),
        ([each([1], note("n", "${row}"))], "ref-syntax"),
        ([each([1], note("n", "${item}"), as_="row")], "ref-no-loop"),
        ([each([1], note("n", 1)), note("after", "${n.result.v}")], "ref-inside-branch"),
        ([each([1], note("a", "${b.result.v}"), note("b", 1))], "ref-later"),
        ([each([1], note("n", "${each.result}"))], "ref-container"),
        ([each("text", note("n", 1))], "plan-items"),
        ([each([1], note("n", 1), as_="inputs")], "plan-item-name"),
        ([each([1], note("n", 1), as_="n")], "plan-item-name"),
        ([each([1], note("n", 1)), note("n", 2)], "plan-duplicate-id"),
    ],
)
def test_what_cannot_be_planned_says_so(steps: list[dict[str, Any]], code: str) -> None:
    found = problems_of(steps)
    assert code in [p.code for p in found] or (code == "ref-syntax" and found)


def test_shell_scripts_get_the_item_as_a_variable() -> None:
    plan = planned([each(["a b"], shell("work", 'echo "${item}" "${index}" "${HOME}"'))])
    body = plan.steps[plan.number["work"]].body
    assert "${item}" not in body.fixed["script"]
    assert "${HOME}" in body.fixed["script"]


def test_a_container_that_waits_for_a_lane_after_a_failure_does_not_time_out_meanwhile() -> None:
    """Both items failed by a timeout inside; when the run is resumed, one of them has to wait for the other."""
    slow = {"id": "c", "type": "conditional", "condition": "true", "timeout": "1s"}
    steps = [each([1, 2], slow | {"then": [shell("x", "sleep 2")]}, max_parallel=1)]
    bench = Bench(planned(steps, max_parallel=1))
    assert bench.start().status == "failed"
    state = bench.resume()
    assert state.status == "failed"
    assert state.moving == 0
    assert set(statuses(state).values()) == {"failed", "cancelled"}
