from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec import UNSET

from mplp_cli.bundled import bundled
from mplp_cli.errors import Failure
from mplp_cli.loading import load_workflow
from mplp_cli.workflow.cases import model
from mplp_cli.workflow.cases.coverage import together, ways_of
from mplp_cli.workflow.cases.judging import JUDGES, judge
from mplp_cli.workflow.cases.matching import MATCHERS, fits, is_literal, unusable
from mplp_cli.workflow.cases.model import Outcome, StepOutcome

CAME = Outcome(
    status="failed",
    exit=1,
    error=Failure(type="StepError", message="one step failed"),
    outputs={"n": 3, "list": [1, {"a": "x"}]},
    steps={
        "good": StepOutcome(status="completed", attempts=2, result={"items": [{"id": 7}]}),
        "bad": StepOutcome(
            status="failed",
            attempts=1,
            error=Failure(type="AgentError", message="too slow", details={"code": "agent.timeout"}),
        ),
        "each[0].inner": StepOutcome(status="completed", attempts=1, result="x"),
        "each[1].inner": StepOutcome(status="skipped", attempts=0),
    },
    called=["writer", "judge", "writer"],
    events={"step.started": 4, "order.placed": 1},
    objects={"plan": 2},
    spent={"calls": 3, "tokens": 120, "usd": 0.25},
)

#: What is met, and beside it what is not: (expectations, where the first mismatch is).
MET_AND_NOT: list[tuple[Any, Any, tuple[Any, ...]]] = [
    ({"status": "failed"}, {"status": "completed"}, ("status",)),
    ({"exit": 1}, {"exit": 0}, ("exit",)),
    ({"error": "StepError"}, {"error": "Other"}, ("error",)),
    ({"error": {"message": {"contains": "one"}}}, {"error": {"message": "two"}}, ("error", "message")),
    ({"outputs": {"n": 3}}, {"outputs": {"n": 4}}, ("outputs", "n")),
    ({"outputs": {"list": [1, {"a": "x"}]}}, {"outputs": {"list": [1, {"a": "y"}]}}, ("outputs", "list", 1, "a")),
    ({"outputs": {"n": {"type": "integer"}}}, {"outputs": {"m": {"type": "integer"}}}, ("outputs", "m")),
    ({"steps": {"good": "completed"}}, {"steps": {"good": "failed"}}, ("steps", "good")),
    ({"steps": {"bad": {"status": "failed"}}}, {"steps": {"bad": {"status": "completed"}}}, ("steps", "bad", "status")),
    ({"steps": {"good": {"attempts": 2}}}, {"steps": {"good": {"attempts": {"max": 1}}}}, ("steps", "good", "attempts")),  # noqa: E501
    (
        {"steps": {"good": {"result": {"items": [{"id": 7}]}}}},
        {"steps": {"good": {"result": {"items": []}}}},
        ("steps", "good", "result", "items"),
    ),
    (
        {"steps": {"good": {"result.items[0].id": 7, "result.items[-1].id": 7}}},
        {"steps": {"good": {"result.items[1].id": 7}}},
        ("steps", "good", "result.items[1].id"),
    ),
    ({"steps": {"bad": {"error": "agent.timeout"}}}, {"steps": {"bad": {"error": "agent.exit"}}}, ("steps", "bad", "error")),  # noqa: E501
    ({"steps": {"good": {"error": None}}}, {"steps": {"bad": {"error": None}}}, ("steps", "bad", "error")),
    ({"steps": {"each[0].inner": "completed"}}, {"steps": {"inner": "completed"}}, ("steps", "inner")),
    ({"steps": {"inner": {"attempts": {"max": 1}}}}, {"steps": {"never": "completed"}}, ("steps", "never")),
    ({"agents-called": ["judge", "writer"]}, {"agents-called": ["writer"]}, ("agents-called",)),
    ({"sequence": ["writer", "judge", "writer"]}, {"sequence": ["judge", "writer", "writer"]}, ("sequence",)),
    ({"attempts": {"writer": 2, "nobody": 0}}, {"attempts": {"writer": 3}}, ("attempts", "writer")),
    ({"budget": {"calls": 3, "tokens": {"max": 120}}}, {"budget": {"tokens": {"max": 119}}}, ("budget", "tokens")),
    ({"budget": {"usd": {"max": 0.25}}}, {"budget": {"usd": 0.2}}, ("budget", "usd")),
    ({"events": {"contains": ["order.placed"]}}, {"events": {"contains": ["order.lost"]}}, ("events", "contains", 0)),
    (
        {"events": {"contains": [{"type": "step.started", "count": 4}, {"type": "gone", "count": 0}]}},
        {"events": {"contains": [{"type": "step.started", "count": 5}]}},
        ("events", "contains", 0, "count"),
    ),
    ({"objects": {"plan": 2, "role": 0}}, {"objects": {"plan": 1}}, ("objects", "plan")),
    ({"objects": {"valid": True}}, {"objects": {"valid": False}}, ("objects", "valid")),
]  # fmt: skip


@pytest.mark.parametrize(("met", "unmet", "where"), MET_AND_NOT, ids=lambda value: str(value)[:40])
def test_every_expectation_can_be_met_and_can_fail(met: Any, unmet: Any, where: tuple[Any, ...]) -> None:
    assert judge({"exit": 1, **met}, CAME, ("e",)) == []
    found = judge({"exit": 1, **unmet}, CAME, ("e",))
    assert found[0].path == ("e", *where)


def test_every_kind_of_expectation_is_tried_above() -> None:
    tried = {key for met, unmet, _ in MET_AND_NOT for key in unmet}
    assert tried == set(JUDGES)


def test_a_run_must_complete_unless_it_is_said_how_it_ends() -> None:
    assert [one.path for one in judge({}, CAME, ("e",))] == [("e",)]
    assert judge({"exit": 1}, CAME, ("e",)) == []


def test_invalid_objects_are_told() -> None:
    came = msgspec.structs.replace(CAME, invalid=["the plan would not be valid"])
    [found] = judge({"exit": 1, "objects": {"valid": True}}, came, ())
    assert found.actual == ["the plan would not be valid"]


@pytest.mark.parametrize(
    ("wanted", "fitting", "others"),
    [
        ({"matches": "^v[0-9]"}, ["v1", "v2x"], ["xv1", 1, None]),
        ({"contains": "b"}, ["abc", ["a", "b"], {"b": 1}], ["ac", ["abc"], {}, 3]),
        ({"contains": {"a": {"min": 1}}}, [{"a": 1, "b": 2}, [{"a": 3}, 4]], [{"a": 0}, {}, "a"]),
        ({"min": 1, "max": 3}, [1, 2.5, 3], [0.9, 3.1, True, "2"]),
        ({"type": "integer"}, [1, 2.0], [1.5, True, "1"]),
        ({"type": "null"}, [None], [0, ""]),
        ({"uuid": 4}, ["00000000-0000-4000-8000-000000000000"], ["00000000-0000-1000-8000-000000000000", "x", 4]),
        ({"uuid": True}, ["00000000-0000-1000-8000-000000000000"], ["00000000-0000-1000-0000-000000000000"]),
        ({"length": {"max": 1}}, ["", [1]], ["ab", 1]),
        ({"equals": {"min": 1}}, [{"min": 1}], [1, {"min": 2}]),
        ({"equals": [1]}, [[1]], [[1, 2], 1]),
        ({"type": "text", "length": 2}, ["ab"], ["a", [1, 2]]),
        (1, [1, 1.0], [True, "1", 2]),
        (0.3, [0.1 + 0.2], [0.31]),
        ({"a": 1}, [{"a": 1}], [{"a": 1, "b": 2}, {}, UNSET]),
        ([1, {"min": 2}], [[1, 5]], [[1], [1, 1], [1, 2, 3]]),
    ],
)  # fmt: skip
def test_matchers_fit_what_they_say_and_nothing_else(
    wanted: Any, fitting: list[Any], others: list[Any]
) -> None:
    assert [value for value in fitting if not fits(wanted, value)] == []
    assert [value for value in others if fits(wanted, value)] == []


def test_only_plain_values_could_be_rewritten() -> None:
    assert is_literal({"a": [1, "x"]})
    assert not is_literal({"a": [{"min": 1}]})
    [found] = judge({"exit": 1, "outputs": {"n": {"max": 1}}}, CAME, ())
    assert not found.literal


@pytest.mark.parametrize(
    "wrong", [{"matches": "("}, {"matches": 3}, {"type": "txt"}, {"uuid": 9}, {"min": "1"}]
)
def test_a_matcher_that_says_nothing_is_found(wrong: Any) -> None:
    [(path, _, hint)] = unusable({"x": [wrong, {"contains": "("}]}, ())
    assert path[:2] == ("x", 0)
    assert hint


# ---- the schema ----------------------------------------------------------------------------------

DEFS = json.loads((bundled("schemas") / "test.schema.json").read_text("utf-8"))


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("test-case", model.Case), ("test-mocks", model.Mocks), ("test-agent-turn", model.AgentTurn),
        ("test-step-turn", model.StepTurn), ("test-fault", model.Fault), ("test-answer", model.Decision),
    ],
)  # fmt: skip
def test_the_schema_has_exactly_the_keys_of_the_model(name: str, kind: type[msgspec.Struct]) -> None:
    keys = {field.encode_name for field in msgspec.structs.fields(kind)}
    assert set(DEFS["$defs"][name]["properties"]) == keys
    assert DEFS["$defs"][name]["additionalProperties"] is False


def test_the_schema_has_exactly_the_expectations_that_are_judged() -> None:
    assert set(DEFS["$defs"]["test-expectations"]["properties"]) == set(JUDGES)
    assert set(DEFS["properties"]) == {field.encode_name for field in msgspec.structs.fields(model.CaseFile)}


def test_every_matcher_is_in_the_help() -> None:
    page = (Path(model.__file__).parents[2] / "help" / "testing.md").read_text("utf-8")
    assert [word for word in MATCHERS if f"`{{{word}: " not in page and f", {word}: " not in page] == []


# ---- coverage ------------------------------------------------------------------------------------


def test_ways_are_steps_and_both_sides_of_conditions_and_joins() -> None:
    text = """
workflow:
  id: ways
  name: Ways
  version: 1.0.0
  inputs: {x: {type: boolean}}
  steps:
    - {id: a, type: set, values: {}}
    - {id: b, type: set, when: inputs.x, values: {}}
    - {id: c, type: conditional, condition: inputs.x, then: {id: d, type: set, values: {}}}
    - {id: e, type: set, dependencies: [a, b], join: all-ended, values: {}}
"""
    plan = load_workflow(text.encode(), "ways.yaml").plan
    assert plan is not None
    ways = ways_of(plan)
    assert [way for way in ways if way[0] == "step"] == [("step", name, "") for name in "abde"]
    assert {way[1:] for way in ways if way[0] == "branch"} == {
        ("b", "when true"), ("b", "when false"), ("c", "then"), ("c", "else"),
    }  # fmt: skip
    covered = together(plan, [frozenset({("step", "a", "")}), frozenset({("join", "e", "all completed")})])
    assert (covered.counts("step"), covered.counts("branch"), covered.counts("join")) == (
        (1, 4),
        (0, 4),
        (1, 2),
    )
    assert ("step", "b", "") in covered.missing
