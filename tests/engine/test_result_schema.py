"""A step's `result-schema`: what does not fit it never becomes a result."""

from __future__ import annotations

from typing import Any

import pytest

from mplp_cli.workflow.fold import history as h
from tests.bench_of_runs import (
    Bench,
    choice,
    error_of,
    facts,
    fallback,
    given,
    parallel,
    pause,
    planned,
    problems_of,
    result_of,
    retries,
    run_steps,
    shell,
    statuses,
    step,
)

NAMED = {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}}
#: What the scripted work gives, and what it does not.
FITS = {"type": "object", "required": ["output"]}
NEVER = {"type": "object", "required": ["name", "size"]}


@pytest.mark.parametrize(
    ("leaf", "fits"),
    [
        (given("a", {"name": "x"}), True),
        (given("a", {"name": 5}), False),
        (shell("a", result_schema=FITS), True),
        (shell("a", result_schema=NEVER), False),
        (pause("a", result_schema={"required": ["by", "waited"]}), True),
        (pause("a", result_schema={"required": ["event"]}), False),
        (
            step(
                "module-operation",
                "a",
                module="context",
                operation="create-context",
                parameters={"name": "n"},
                result_schema={"required": ["contextId"]},
            ),
            True,
        ),
        (parallel("a", given("b"), result_schema={"required": ["results"]}), True),
        (parallel("a", given("b"), result_schema=NEVER), False),
        (choice("a", "true", given("b", {"name": "x"})), True),
        (choice("a", "true", given("b", {"name": 1})), False),
    ],
)
def test_a_result_that_does_not_fit_fails_the_step(leaf: dict[str, Any], fits: bool) -> None:
    state, bench = run_steps([{"result-schema": NAMED, **leaf}])
    assert statuses(state)["a"] == ("completed" if fits else "failed")
    assert state.status == ("completed" if fits else "failed")
    assert bool(facts(bench, h.StepCompleted, "a")) is fits
    if not fits:
        assert error_of(state, "a").type == "ResultSchemaError"


def test_the_error_says_where_and_what() -> None:
    schema = {"properties": {"rows": {"items": NAMED}}}
    state, _ = run_steps([given("a", {"rows": [{"name": "x"}, {"name": 7}, {}]}, result_schema=schema)])
    error = error_of(state, "a")
    assert error.message == (
        "the result does not fit `result-schema`: `result.rows[1].name`: text is wanted, not the number 7 "
        "(and 1 more)"
    )
    assert error.details == {
        "problems": [
            {"path": ["rows", 1, "name"], "message": "text is wanted, not the number 7"},
            {"path": ["rows", 2], "message": "the key `name` is missing"},
        ]
    }


def test_such_a_failure_is_not_retried() -> None:
    _, bench = run_steps([shell("a", result_schema=NEVER, retry_policy=retries(3))])
    assert bench.work.executed == ["a"]


def test_a_fallback_may_name_the_error_and_its_value_is_judged_too() -> None:
    mends = fallback("use-value", "ResultSchemaError", value={"name": "x", "size": 1})
    state, _ = run_steps([shell("a", result_schema=NEVER, fallback_actions=mends)])
    assert statuses(state) == {"a": "completed"}
    assert result_of(state, "a") == {"name": "x", "size": 1}
    wrong = fallback("use-value", value={"name": "x"})
    state, _ = run_steps([shell("a", "fail", result_schema=NEVER, fallback_actions=wrong)])
    assert error_of(state, "a").message == (
        "scripted failure; its fallback value failed too: "
        "the result does not fit `result-schema`: `result`: the key `size` is missing"
    )


@pytest.mark.parametrize("values", [{"name": "x", "size": 1}, {"name": "x"}])
def test_the_result_of_a_fallback_step_is_judged_by_the_schema_of_the_step_that_failed(values: Any) -> None:
    other = fallback("run-step", step=given("b", values))
    state, _ = run_steps([shell("a", "fail", result_schema=NEVER, fallback_actions=other)])
    if "size" in values:
        assert statuses(state) == {"a": "completed", "b": "completed"}
    else:
        assert statuses(state) == {"a": "failed", "b": "completed"}
        assert error_of(state, "a").type == "OSError"
        assert "its fallback `b` does not mend it" in error_of(state, "a").message


def test_a_refused_operation_leaves_no_object_behind() -> None:
    wrong = step("module-operation", "a", module="context", operation="create-context",
                 parameters={"name": "n"}, result_schema={"required": ["nope"]})  # fmt: skip
    after = step("module-operation", "b", module="context", operation="list-contexts", parameters={},
                 dependencies=["a"], join="all-ended")  # fmt: skip
    bench = Bench(planned([wrong, after]))
    state = bench.start()
    assert statuses(state) == {"a": "failed", "b": "completed"}
    assert list(bench.store.objects("context")) == []
    assert result_of(state, "b")["contexts"] == []


# ---- what the plan makes of it ------------------------------------------------------------------

CLOSED = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "rows": {"type": "array", "items": {"type": "object", "properties": {"id": {"type": "integer"}}}},
        "title": {"type": "string"},
    },
}


@pytest.mark.parametrize(
    ("path", "code", "said", "hint"),
    [
        ("rows[0].id", "", "", ""),
        ("title", "", "", ""),
        ("rows[0].other", "", "", ""),
        ("titel", "ref-unknown-field", "`a.result` has no `titel`", "did you mean `title`?"),
        ("nothing", "ref-unknown-field", "`a.result` has no `nothing`", "it has `rows`, `title`"),
        ("title.length", "ref-wrong-type", "`a.result.title` is text, which has no `length`", None),
        ("rows.id", "ref-wrong-type", "`a.result.rows` is a list of maps, which has no `id`",
         "an element is reached by its number: [0]"),
        ("rows[0].id.x", "ref-wrong-type", "`a.result.rows[0].id` is a whole number, which has no `x`", None),
    ],
)  # fmt: skip
def test_a_reference_to_what_the_schema_rules_out_is_a_problem(
    path: str, code: str, said: str, hint: str | None
) -> None:
    found = problems_of(
        [
            given("a", {"rows": [], "title": ""}, result_schema=CLOSED),
            given("b", {"x": f"${{a.result.{path}}}"}),
        ]
    )
    assert [(p.code, p.message, p.hint) for p in found] == ([(code, said, hint)] if code else [])


@pytest.mark.parametrize(("size", "fits"), [(2, True), (3, False)])
def test_the_results_of_a_foreach_and_of_a_loop_are_judged(size: int, fits: bool) -> None:
    each = step("foreach", "a", items=list(range(size)), steps=[given("b")], result_schema={"maxItems": 2})
    state, _ = run_steps([each])
    assert statuses(state)["a"] == ("completed" if fits else "failed")
    again = step(
        "loop",
        "a",
        max_iterations=size,
        steps=[given("b")],
        result_schema={"properties": {"iterations": {"maximum": 2}}},
    )
    state, _ = run_steps([again])
    assert statuses(state)["a"] == ("completed" if fits else "failed")
    assert error_of(state, "a") is None or error_of(state, "a").type == "ResultSchemaError"
