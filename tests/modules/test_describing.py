"""What is said of operations is true: every example is valid, every type has its words."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
import pytest
from msgspec import Meta

from mplp_cli.loading import load_workflow
from mplp_cli.modules.catalogue import builtin_modules, check_operation, describe_operation
from mplp_cli.modules.contract import Operation, Parameters
from mplp_cli.modules.describing import (
    Field,
    describe_module,
    example_step,
    fields_of,
    spellings,
    type_words,
)
from mplp_cli.modules.parameters import convert_parameters
from mplp_cli.modules.shapes import ObjectId, Text
from mplp_cli.render.described import module_screen, operation_screen
from mplp_cli.render.theme import PLAIN
from mplp_cli.render.values import value_lines
from tests.plugin_example.mplp_glossary import MODULE as GLOSSARY

MODULES = [*builtin_modules().values(), GLOSSARY]
OPERATIONS = [operation for module in builtin_modules().values() for operation in module.operations.values()]


def called(operation: Operation) -> str:
    return f"{operation.module}.{operation.name}"


@pytest.mark.parametrize("operation", OPERATIONS, ids=called)
def test_the_example_of_every_operation_is_valid_as_it_is_shown(operation: Operation) -> None:
    screen = operation_screen(
        {**describe_operation(operation), "example": example_step(operation)}, PLAIN, 100
    ).plain
    step = screen.partition("\nExample\n")[2]
    text = "workflow:\n  id: w\n  name: W\n  version: 1.0.0\n  steps:\n" + "".join(
        f"  {line}\n" for line in step.splitlines()
    )
    loaded = load_workflow(text.encode(), "w.yaml", check_operation=check_operation)
    assert loaded.problems == []
    assert loaded.plan is not None


@pytest.mark.parametrize("operation", OPERATIONS, ids=called)
def test_everything_that_an_operation_takes_and_gives_is_described(operation: Operation) -> None:
    told = describe_operation(operation)
    fields = fields_of(told["parameters"])
    known = {field.encode_name: field.required for field in msgspec.structs.fields(operation.parameters)}
    assert {field.name: field.required for field in fields} == known
    assert all(field.type for field in (*fields, *fields_of(told["result"])))
    screen = operation_screen({**told, "example": example_step(operation)}, PLAIN, 80).plain
    assert all(name in screen for name in known)
    assert {*known} <= {*spellings(operation)}


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.name)
def test_a_module_lists_its_operations_its_configuration_and_its_statuses(module: Any) -> None:
    told = describe_module(module, "pack 1")
    screen = module_screen(told, PLAIN, 80).plain
    assert all(name in screen for name in module.operations)
    assert "autostart" in screen
    assert "from the package pack 1" in screen
    assert all(status in screen for status in module.transitions)
    for after in module.transitions.values():
        assert set(after) <= set(module.transitions)


class Inner(Parameters, frozen=True, kw_only=True):
    label: Text
    note: str | None = None


class Odd(Parameters, frozen=True, kw_only=True):
    who: ObjectId
    names: Annotated[list[Text], Meta(min_length=2)]
    share: Annotated[float, Meta(gt=0, lt=1)]
    count: Annotated[int, Meta(ge=3, le=9)]
    even: Annotated[int, Meta(ge=3, multiple_of=2)]
    version: Annotated[str, Meta(pattern=r"^\d+\.\d+\.\d+$", description="of the package")]
    code: Annotated[str, Meta(pattern=r"^[A-Z]{3}$", examples=["ABC"])]
    long: Annotated[str, Meta(min_length=20, max_length=30)]
    mode: Literal["fast", "slow"]
    inner: Inner
    either: Inner | Text
    several: list[Inner]
    table: dict[str, int]
    anything: Any
    sure: bool
    nothing: None
    maybe: int | None = None


ODD = Operation(
    name="odd", summary="", module="m", parameters=Odd, result=dict[str, int], handler=lambda *_: 1
)


def test_an_example_fits_whatever_is_asked_for() -> None:
    given = example_step(ODD)["parameters"]
    assert isinstance(convert_parameters(ODD, given), Odd)
    assert "maybe" not in given
    assert given["names"] == ["the name", "the name"]
    assert given["version"] == "1.0.0"
    assert given["code"] == "ABC"
    assert given["even"] == 4
    assert given["either"] == "the either"


def test_types_are_told_in_words() -> None:
    said = {field.name: field.type for field in fields_of(describe_operation(ODD)["parameters"])}
    assert said == {
        "who": "UUID",
        "names": "list of text, not empty, at least 2 items",
        "share": "number, more than 0, less than 1",
        "count": "whole number, at least 3, at most 9",
        "even": "whole number, at least 3",
        "version": r"text, like ^\d+\.\d+\.\d+$",
        "code": "text, like ^[A-Z]{3}$",
        "long": "text, at least 20 characters, at most 30 characters",
        "mode": "fast or slow",
        "inner": "map of label, note?",
        "either": "text, not empty or map of label, note?",
        "several": "list of map of label, note?",
        "table": "map of whole number",
        "anything": "anything",
        "sure": "true or false",
        "nothing": "null",
        "maybe": "whole number",
    }
    assert type_words(describe_operation(ODD)["result"], {}) == "map of whole number"


def test_a_description_that_only_repeats_the_type_is_left_out() -> None:
    fields = {field.name: field for field in fields_of(describe_operation(ODD)["parameters"])}
    assert fields["who"] == Field(name="who", type="UUID", required=True)
    assert fields["version"].description == "of the package"


@pytest.mark.parametrize(
    "value",
    [
        {},
        [],
        "text",
        {"a": {}, "b": [], "c": [{}], "d": [[1, 2], []], "e": {"f": {"g": None}}},
        [{"a": 1, "b": [{"c": "d"}]}, "x", ["y"]],
        ["a " * 40, "b"],
        {"a": "yes", "b": "1.0", "c": " x", "d": "a: b", "e": "a #b", "f": "-", "g": "", "h": "two\nlines"},
        {"true": True, "1": 1, "a b": 1.5, "ü": "ä", "x: y": "'quoted'", "z": '"'},
        {"id": "00000000-0000-4000-8000-000000000001", "at": "2026-01-01T00:00:00Z", "n": "0x1", "e": "1e3"},
    ],
)
def test_a_value_is_shown_as_yaml_that_says_the_same(value: Any) -> None:
    from ruamel.yaml import YAML

    text = "".join(f"{line.plain}\n" for line in value_lines(value))
    assert YAML(typ="safe").load(text) == value
