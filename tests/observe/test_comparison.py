"""Where two runs part."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import UNSET

from mplp_cli.errors import Failure
from mplp_cli.loading import load_workflow
from mplp_cli.observe.comparison import (
    Comparison,
    DefinitionChange,
    Difference,
    Pairing,
    compare,
    definition_changes,
    difference,
)
from mplp_cli.render.compared import compared_document, compared_screen
from mplp_cli.render.theme import PLAIN
from mplp_cli.workflow.fold import history as h
from mplp_cli.workflow.fold.state import RunState
from mplp_cli.workflow.plan import Plan

ONE, TWO = "0e0b6c5a-0000-4000-8000-000000000001", "7a1c6c5a-0000-4000-8000-000000000002"
STEPS = "[{id: a, type: shell, run: x}, {id: b, type: shell, run: y, dependencies: [a]}]"


def plan_of(steps: str = STEPS, more: str = "") -> Plan:
    text = f"workflow:\n  id: w\n  name: W\n  version: 1.0.0\n{more}  steps: {steps}\n"
    loaded = load_workflow(text.encode(), "w.yaml")
    assert loaded.plan is not None, loaded.problems
    return loaded.plan


def ran(*facts: h.Event, run: str = "r1", plan: Plan | None = None, **inputs: Any) -> RunState:
    state = RunState(plan or plan_of())
    for fact in (h.RunStarted(1_000, run, "w", inputs, {}, "/", 4), *facts):
        state.handle(fact)
    return state


def done(step: str, result: Any = None, at: int = 2_000) -> list[h.Event]:
    return [h.StepStarted(at - 100, step, 1), h.StepCompleted(at, step, 1, result)]


def screen(told: Comparison, width: int = 80, *, everything: bool = False) -> str:
    statuses = (told.runs[0].status, told.runs[1].status)
    return compared_screen(told, PLAIN, width, everything=everything, statuses=statuses).plain


def test_equal_runs_are_the_same_whatever_time_they_took() -> None:
    told = compare(ran(*done("a", 1)), ran(*done("a", 1, at=9_000), run="r2"))
    assert told.same
    assert told.first is None
    assert "The runs are the same." in screen(told)
    assert "2 steps are the same" in screen(told)
    assert "0.1s → 0.1s" in screen(told, everything=True)


def test_the_first_step_that_differs_is_the_first_in_time() -> None:
    plan = plan_of("[{id: late, type: shell, run: x}, {id: early, type: shell, run: y}]")
    bad = Failure(type="ShellExitError", message="exit code 3")
    told = compare(
        ran(*done("early", 1, at=2_000), *done("late", 1, at=3_000), plan=plan),
        ran(
            *done("late", 2),
            h.StepStarted(1_000, "early", 1),
            h.StepFailed(1_500, "early", 1, bad),
            plan=plan,
        ),
    )
    assert told.first == ("step", "early")
    early, late = told.steps
    assert early.differs == ("status", "reason", "result")
    assert late.result == Difference("result", 1, 2)
    assert "first in step `early`: its status" in screen(told)


def test_inputs_and_the_definition_come_before_the_steps() -> None:
    other = plan_of(STEPS.replace("run: y", "run: z"))
    inputs = compare(ran(*done("a", 1), n=1, same=0), ran(*done("a", 2), n=2, same=0))
    assert inputs.first == ("input", "n")
    assert inputs.inputs == [Difference("n", 1, 2)]
    definition = compare(ran(n=1), ran(n=2, plan=other))
    assert definition.first == ("definition", "b")
    assert "step `b` was changed in `run`" in screen(definition)


def test_what_a_changed_definition_means_is_told_step_by_step() -> None:
    first = plan_of(
        "[{id: p, type: parallel, steps: [{id: a, type: shell, run: x}, {id: b, type: shell, run: y}]}]"
    )
    second = plan_of(
        "[{id: p, type: parallel, fail-on: none, steps: [{id: a, type: shell, run: z, timeout: 1s},"
        " {id: c, type: shell, run: y}]}]",
        "  timeout: 5s\n",
    )
    assert definition_changes(first.workflow, second.workflow) == [
        DefinitionChange("", "changed", ("timeout",)),
        DefinitionChange("p", "changed", ("steps", "fail-on")),
        DefinitionChange("a", "changed", ("run", "timeout")),
        DefinitionChange("b", "removed"),
        DefinitionChange("c", "added"),
    ]
    assert definition_changes(first.workflow, first.workflow) == []


@pytest.mark.parametrize(
    ("first", "second", "found"),
    [
        ({"a": [1, {"b": 2}]}, {"a": [1, {"b": 3}]}, Difference("r.a[1].b", 2, 3)),
        ({"a": 1, "b": 2}, {"b": 2}, Difference("r.a", 1, UNSET)),
        ([1], [1, 2], Difference("r[1]", UNSET, 2)),
        (True, 1, Difference("r", True, 1)),
        (1, 1.0, None),
        (None, UNSET, Difference("r", None, UNSET)),
        ({"b": 1, "a": 2}, {"a": 2, "b": 1}, None),
        ({"odd key": 1}, {"odd key": 2}, Difference('r["odd key"]', 1, 2)),
    ],
)
def test_the_path_of_the_first_difference(first: Any, second: Any, found: Difference | None) -> None:
    assert difference(first, second, "r") == found


def test_values_nested_deeply_are_compared() -> None:
    first: Any = 1
    second: Any = 2
    for _ in range(5_000):
        first, second = [first], [second]
    found = difference(first, second, "r")
    assert found is not None
    assert (found.first, found.second) == (1, 2)


def test_ids_and_times_that_correspond_are_the_same() -> None:
    first = {"id": ONE, "at": "2026-01-01T00:00:00.000Z", "url": f"/x/{ONE}"}
    second = {"id": TWO, "at": "2026-02-02T10:00:00Z", "url": f"/x/{TWO}"}
    assert difference(first, second, "r", Pairing()) is None
    assert difference(first, second, "r") == Difference("r.id", ONE, TWO)
    other = {**second, "url": f"/y/{TWO}"}
    assert difference(first, other, "r", Pairing()) == Difference("r.url", f"/x/{ONE}", f"/y/{TWO}")
    assert compare(ran(*done("a", ONE)), ran(*done("a", TWO))).same
    assert not compare(ran(*done("a", ONE)), ran(*done("a", TWO)), exact=True).same


def test_one_id_does_not_stand_for_two() -> None:
    assert difference([ONE, ONE], [TWO, ONE], "r", Pairing()) == Difference("r[1]", ONE, ONE)
    assert difference([ONE, TWO], [TWO, TWO], "r", Pairing()) == Difference("r[1]", TWO, TWO)


def test_a_step_that_only_one_run_has_is_a_difference() -> None:
    shorter = plan_of("[{id: a, type: shell, run: x}]")
    told = compare(ran(*done("a")), ran(*done("a"), plan=shorter))
    pair = next(p for p in told.steps if p.step == "b")
    assert pair.statuses == ("queued", None)
    assert "not there" in screen(told)


def test_the_screen_fits_and_the_document_has_its_keys() -> None:
    told = compare(ran(*done("a", {"x": "y" * 500}), n=1), ran(*done("a", {"x": "z" * 500}), n=2))
    for width in (40, 80):
        assert max(map(len, screen(told, width).splitlines())) <= width
    document = compared_document(told, ("running", "running"))
    assert set(document) == {
        "workflowId",
        "same",
        "first",
        "runs",
        "definition",
        "inputs",
        "steps",
        "outputs",
    }
    assert document["first"] == {"kind": "input", "name": "n"}
    assert document["steps"][0]["result"]["path"] == "result.x"
    assert set(document["steps"][0]) == {
        "step", "differs", "status", "attempts", "duration", "reason", "result",
    }  # fmt: skip
