# ruff: noqa: E501 - a sample is easiest to judge on one line
from __future__ import annotations

import pytest

from mplp_cli.loading.spelling import SPELLINGS, canonical
from mplp_cli.workflow.model import ConditionalStep, ModuleOperationStep, SetStep
from tests.loading.samples import codes, load, marked, only, steps


def test_camel_case_and_snake_case_keys_of_the_language_are_accepted() -> None:
    for key in ("maxRetries", "max_retries", "max-retries"):
        loaded = load(steps(f"{{id: a, type: set, values: {{}}, retryPolicy: {{{key}: 2}}}}"))
        assert loaded.problems == []
        assert loaded.workflow is not None
        step = loaded.workflow.steps[0]
        assert isinstance(step, SetStep)
        assert step.retry_policy is not None
        assert step.retry_policy.max_retries == 2


@pytest.mark.parametrize(
    ("then", "other"), [("thenStep", "elseStep"), ("then-step", "else_step"), ("then", "else")]
)
def test_branches_of_a_conditional_are_known_by_their_old_names(then: str, other: str) -> None:
    loaded = load(steps(
        f"{{id: c, type: conditional, condition: 'true', {then}: {{id: a, type: set, values: {{}}}}, "
        f"{other}: [{{id: b, type: set, values: {{}}}}]}}"
    ))  # fmt: skip
    assert loaded.problems == []
    assert loaded.workflow is not None
    step = loaded.workflow.steps[0]
    assert isinstance(step, ConditionalStep)
    assert step.else_ is not None


def test_keys_of_the_users_data_are_never_touched() -> None:
    data = "{maxRetries: 1, thenStep: {step_id: 2}, max_parallel: 3}"
    loaded = load(steps(
        f"{{id: a, type: module-operation, module: x, operation: y, parameters: {data}, retryPolicy: {{maxRetries: 1}}}}",
        f"{{id: b, type: set, values: {data}}}",
    ))  # fmt: skip
    assert loaded.workflow is not None
    first, second = loaded.workflow.steps
    assert isinstance(first, ModuleOperationStep)
    assert isinstance(second, SetStep)
    assert (
        first.parameters == second.values == {"maxRetries": 1, "thenStep": {"step_id": 2}, "max_parallel": 3}
    )


def test_other_spellings_are_accepted_at_every_place_of_the_language() -> None:
    head = (
        "workflow:\n  id: d\n  name: d\n  version: 1.0.0\n  maxParallel: 3\n  failFast: true\n"
        "  errorHandling: {retryPolicy: {backoffStrategy: fixed, initialDelay: 1s, retryOn: [error]}, fallbackActions: []}\n"
        "  defaults: {retry_policy: {max_delay: 5s}}\n"
    )
    loaded = load(steps(
        "{id: a, type: set, values: {}, fallbackActions: [{condition: any, action: run-step, "
        "step: {id: b, type: set, values: {}, retryPolicy: {maxRetries: 1}}}]}",
        "{id: p, type: parallel, failOn: all, maxParallel: 2, steps: [{id: q, type: set, values: {}, retry_policy: {}}]}",
        "{id: c, type: conditional, condition: {type: step-result, stepId: a, operator: exists}, thenStep: {id: r, type: set, values: {}}}",
        head=head,
    ))  # fmt: skip
    assert loaded.problems == []


def test_one_key_in_two_spellings_is_refused() -> None:
    text = steps("{id: a, type: set, values: {}, retry-policy: {maxRetries: 1, max-retries: 2}}")
    problem = only(text)
    assert problem.code == "schema-spelled-twice"
    assert "maxRetries" in problem.message


def test_problems_point_at_the_spelling_of_the_file() -> None:
    text = steps("{id: a, type: set, values: {}, retryPolicy: {maxRetries: 500}}")
    problem = only(text)
    assert problem.path == ("workflow", "steps", 0, "retry-policy", "max-retries")
    assert marked(text, problem) == "500"


@pytest.mark.parametrize("key", ["dependsOn", "depends_on", "depends-on", "needs", "requires"])
def test_other_words_for_dependencies_are_hinted_at_not_accepted(key: str) -> None:
    problem = only(steps("{id: b, type: set, values: {}}", f"{{id: a, type: set, values: {{}}, {key}: [b]}}"))
    assert problem.code == "schema-unknown-key"
    assert "did you mean `dependencies`?" in str(problem.hint)


def test_no_spelling_is_another_key_of_the_language() -> None:
    assert all(canonical(key) == key for key in SPELLINGS.values())


def test_a_misspelt_type_and_a_respelt_key_are_both_reported() -> None:
    assert sorted(codes(steps("{id: a, type: shel, retryPolicy: 3}", "{id: b, type: set, valeus: 1}"))) == [
        "schema-unknown-key", "schema-unknown-step-type",
    ]  # fmt: skip
