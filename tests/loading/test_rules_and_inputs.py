# ruff: noqa: E501 - a sample is easiest to judge on one line
from __future__ import annotations

from typing import Any

import pytest

from mplp_cli.errors import InputError
from mplp_cli.loading import load_workflow, parse_input, resolve_inputs
from mplp_cli.loading.given import read_inputs
from mplp_cli.loading.rules import error_types
from mplp_cli.workflow.model import Workflow
from tests.loading.samples import HEAD, codes, load, marked, only, steps


def with_inputs(inputs: str) -> str:
    return steps("{id: a, type: set, values: {}}", head=HEAD + f"  inputs: {inputs}\n")


def workflow(inputs: str) -> Workflow:
    loaded = load_workflow(with_inputs(inputs).encode(), "flow.yaml")
    assert loaded.workflow is not None, loaded.problems
    return loaded.workflow


# ---- rules


@pytest.mark.parametrize("cwd", ["..", "../..", "a/../..", "/", "/tmp", "~", "~/x", "a/../../b"])
def test_a_working_directory_outside_is_refused(cwd: str) -> None:
    text = steps(f"{{id: a, type: shell, run: x, cwd: '{cwd}'}}")
    problem = only(text)
    assert problem.code == "rule-cwd"
    assert marked(text, problem) == f"'{cwd}'"


@pytest.mark.parametrize("cwd", ["a", "a/b", "./a", "a/../b", "a//b/", ".", "..a", "${inputs.d}"])
def test_a_working_directory_inside_is_accepted(cwd: str) -> None:
    head = HEAD + "  inputs: {d: {type: string}}\n"
    assert load(steps(f"{{id: a, type: shell, run: x, cwd: '{cwd}'}}", head=head)).problems == []


def test_working_directories_of_nested_steps_are_judged_too() -> None:
    step = "{id: %s, type: shell, run: x, cwd: ..}"
    text = steps(
        f"{{id: p, type: parallel, steps: [{step % 'a'}]}}",
        f"{{id: c, type: conditional, condition: 'true', then: {step % 'b'}, else: [{step % 'd'}]}}",
        f"{{id: f, type: set, values: {{}}, fallback-actions: [{{condition: any, action: run-step, step: {step % 'e'}}}]}}",
    )
    found = load(text).problems
    assert [p.code for p in found] == ["rule-cwd"] * 4
    assert [marked(text, p) for p in found] == [".."] * 4


@pytest.mark.parametrize(
    ("inputs", "code", "mark", "said"),
    [
        ("{a: {type: strin}}", "rule-input-schema", "strin", "did you mean `string`?"),
        ("{a: {type: string, required: true}}", "rule-input-schema", "true", "not a JSON Schema"),
        ("{a: {minimum: x}}", "rule-input-schema", "x", "a number is wanted"),
        ("{a: {pattern: '('}}", "rule-input-schema", "'('", "regex"),
        (
            "{a: {type: integer, default: many}}",
            "rule-input-default",
            "many",
            "a whole number is wanted, not text",
        ),
        ("{a: {enum: [x, y], default: z}}", "rule-input-default", "z", "not one of x, y"),
        (
            "{a: {type: array, items: {type: integer}, default: [1, b]}}",
            "rule-input-default",
            "b",
            "whole number",
        ),
        ("{a: {$ref: 'http://x/y'}}", "rule-input-reference", "'http://x/y'", "http://x/y"),
        (
            "{a: {properties: {b: {$ref: 'file:///etc/passwd'}}}}",
            "rule-input-reference",
            "'file:///etc/passwd'",
            "refer",
        ),
        ("{a: {$ref: '#/nope'}}", "rule-input-schema", "{", "not a JSON Schema"),
    ],
)
def test_what_is_wrong_with_an_input_is_named_at_its_place(
    inputs: str, code: str, mark: str, said: str
) -> None:
    text = with_inputs(inputs)
    problem = only(text)
    assert problem.code == code
    assert marked(text, problem) == mark
    assert said in problem.message


def test_a_misspelt_error_type_is_a_warning() -> None:
    text = steps(
        "{id: a, type: set, values: {}, retry-policy: {retry-on: [ShellExitEror, Timeout, MyOwnFault, timeout]}}"
    )
    found = load(text).problems
    assert [(p.code, p.severity, marked(text, p)) for p in found] == [
        ("rule-error-type", "warning", "ShellExitEror"), ("rule-error-type", "warning", "Timeout"),
    ]  # fmt: skip
    assert [p.hint for p in found] == ["did you mean `ShellExitError`?", "did you mean `timeout`?"]


def test_every_error_of_a_step_is_a_known_type() -> None:
    assert {"StepTimeoutError", "ShellExitError", "ModuleNotFoundError"} <= error_types()


# ---- inputs of a run


INPUTS = "{tag: {type: string}, limit: {type: integer, default: 20, minimum: 1}, on: {type: boolean, default: true}, any: {default: 1}, list: {type: array, items: {type: integer}, default: []}}"


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("tag", "007", "007"), ("tag", "true", "true"), ("tag", "", ""), ("tag", "[1", "[1"), ("tag", "a: b: c", "a: b: c"),
        ("limit", "7", 7), ("limit", "0x10", 16), ("limit", "seven", "seven"), ("on", "false", False), ("on", "no", "no"),
        ("any", "5", 5), ("any", "text", "text"), ("any", "{a: [1, null]}", {"a": [1, None]}), ("any", "", None),
        ("any", "[1", "[1"), ("list", "[1, 2]", [1, 2]), ("nope", "1", "1"),
    ],
)  # fmt: skip
def test_text_of_a_command_line_becomes_a_value(name: str, text: str, value: Any) -> None:
    made = parse_input(workflow(INPUTS), name, text)
    assert made == value
    assert type(made) is type(value)


@pytest.mark.parametrize("text", ["[1", "{a: 1", "*x", "!!set {a}", "!x 5", ".nan"])
def test_text_that_is_no_value_is_refused(text: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_input(workflow(INPUTS), "list", text)
    assert caught.value.details["inputs"][0]["name"] == "list"
    assert "`list`" in caught.value.message


def test_bytes_of_a_command_line_that_are_no_text_are_refused() -> None:
    with pytest.raises(InputError, match="UTF-8"):
        parse_input(workflow(INPUTS), "tag", "a\udcff")


def test_text_with_a_choice_of_texts_is_not_read_as_yaml() -> None:
    assert parse_input(workflow("{a: {enum: ['1', 'no']}}"), "a", "1") == "1"
    assert parse_input(workflow("{a: {type: [string, integer]}}"), "a", "1") == 1
    assert parse_input(workflow("{a: {type: [string, 'null']}}"), "a", "1") == "1"


def test_defaults_are_applied_in_the_order_of_the_file() -> None:
    resolved = resolve_inputs(workflow(INPUTS), {"limit": 3, "tag": "x"})
    assert list(resolved.items()) == [("tag", "x"), ("limit", 3), ("on", True), ("any", 1), ("list", [])]


def test_all_that_is_wrong_with_inputs_is_told_at_once() -> None:
    with pytest.raises(InputError) as caught:
        resolve_inputs(workflow(INPUTS), {"tga": "x", "limit": "x", "list": [1, "b", 2.5]})
    told = {tuple(entry["path"]): entry["message"] for entry in caught.value.details["inputs"]}
    assert set(told) == {("tga",), ("tag",), ("limit",), ("list", 1), ("list", 2)}
    assert "did you mean `tag`?" in told["tga",]
    assert "missing" in told["tag",]
    assert "a whole number is wanted, not text" in told["limit",]
    assert "`list[1]`" in told["list", 1]
    assert caught.value.exit_code == 2


def test_a_value_outside_its_bounds_is_refused() -> None:
    with pytest.raises(InputError, match="0 is less than 1"):
        resolve_inputs(workflow(INPUTS), {"tag": "x", "limit": 0})


def test_true_is_no_number() -> None:
    with pytest.raises(InputError, match="a whole number is wanted, not true"):
        resolve_inputs(workflow(INPUTS), {"tag": "x", "limit": True})


def test_a_workflow_without_inputs_takes_none() -> None:
    with pytest.raises(InputError, match="declares none"):
        resolve_inputs(workflow("{}"), {"x": 1})
    assert resolve_inputs(workflow("{}"), {}) == {}


def test_a_runaway_pattern_ends() -> None:
    flow = workflow("{a: {type: string, pattern: '^(a+)+$'}}")
    with pytest.raises(InputError, match="does not have the form"):
        resolve_inputs(flow, {"a": "a" * 40 + "!"})


def test_names_of_inputs_may_hold_hyphens_and_nothing_odd() -> None:
    assert codes(with_inputs("{dry-run: {type: boolean, default: false}}")) == []
    assert codes(with_inputs("{'a b': {}}")) == ["schema-form"]


# ---- a file of inputs


def test_a_file_of_inputs_is_read_as_yaml_or_json() -> None:
    assert read_inputs(b"a: 1\nb: [x]\n", "in.yaml") == {"a": 1, "b": ["x"]}
    assert read_inputs(b'{"a": 1}', "in.json") == {"a": 1}
    assert read_inputs(b"# none\n", "in.yaml") == {}
    assert read_inputs(b"", "in.json") == {}


@pytest.mark.parametrize("source", [b"[1]", b"a: [", b"a: 1\na: 2\n", b"\xff", b"a: !!binary x"])
def test_a_file_that_holds_no_inputs_is_refused_by_name(source: bytes) -> None:
    with pytest.raises(InputError, match=r"in\.yaml"):
        read_inputs(source, "in.yaml")
