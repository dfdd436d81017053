from __future__ import annotations

import json
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mplp_cli.workflow.shapes.algebra import (
    INT,
    LIST,
    MAP,
    NULL,
    TEXT,
    UNKNOWN,
    Case,
    ListOf,
    MapOf,
    Shape,
    cases,
    described,
    narrowed,
    one_of,
    record,
    written_out,
)
from mplp_cli.workflow.shapes.reaching import fits, select, wanted_at
from mplp_cli.workflow.shapes.schemas import from_schema

KEYS = st.sampled_from(["a", "b", "c"])
SCALARS = st.none() | st.booleans() | st.integers(-2, 2) | st.sampled_from([0.5, "", "x", "a"])
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)
TYPES = st.sampled_from(["null", "boolean", "integer", "number", "string", "array", "object"])
SCHEMAS: st.SearchStrategy[Any] = st.recursive(
    st.booleans() | st.fixed_dictionaries({}, optional={
        "type": TYPES | st.lists(TYPES, min_size=1, max_size=3, unique=True),
        "enum": st.lists(SCALARS, min_size=1, max_size=3),
    }),
    lambda inner: st.fixed_dictionaries({}, optional={
        "type": TYPES | st.lists(TYPES, min_size=1, max_size=3, unique=True),
        "properties": st.dictionaries(KEYS, inner, max_size=3),
        "required": st.lists(KEYS, max_size=2, unique=True),
        "additionalProperties": inner,
        "items": inner,
        "prefixItems": st.lists(inner, min_size=1, max_size=2),
        "anyOf": st.lists(inner, min_size=1, max_size=3),
        "oneOf": st.lists(inner, min_size=1, max_size=2),
        "allOf": st.lists(inner, min_size=1, max_size=2),
        "not": inner,
        "$ref": st.sampled_from(["#/$defs/a", "#/$defs/b"]),
    }),
    max_leaves=6,
)  # fmt: skip
OFTEN = settings(max_examples=500, deadline=None)


def paths(value: Any) -> list[tuple[str | int, ...]]:
    """Every path into a value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [(), *((key, *rest) for key, item in inner for rest in paths(item))]


def at(value: Any, path: tuple[str | int, ...]) -> Any:
    for key in path:
        value = value[key]
    return value


@OFTEN
@given(SCHEMAS, SCHEMAS, SCHEMAS, VALUES)
def test_what_a_schema_takes_its_shape_takes_too(schema: Any, a: Any, b: Any, value: Any) -> None:
    if not isinstance(schema, dict):
        return
    whole = {**schema, "$defs": {"a": a, "b": b}}
    try:
        valid = jsonschema_rs.Draft202012Validator(whole).is_valid(value)
    except (jsonschema_rs.ValidationError, ValueError):
        return  # it goes round in a circle
    shape = from_schema(whole)
    if valid:
        assert fits(written_out(value), shape) is None
        for path in paths(value):
            inner, gap = select(shape, path)
            assert gap is None
            assert fits(written_out(at(value, path)), inner) is None


@OFTEN
@given(VALUES, VALUES)
def test_a_value_that_is_known_fits_itself_and_each_of_several(value: Any, other: Any) -> None:
    shape = written_out(value)
    assert fits(shape, shape) is None
    assert fits(shape, one_of([written_out(other), shape])) is None
    misfit = fits(cases([Case(shape, "this"), Case(written_out(other), "that")]), shape)
    # Python takes `false` and `0` for the same; JSON does not.
    assert misfit is None or json.dumps(value, sort_keys=True) != json.dumps(other, sort_keys=True)
    for path in paths(value):
        inner, gap = select(shape, path)
        assert gap is None
        assert fits(written_out(at(value, path)), inner) is None


@pytest.mark.parametrize(
    ("given_", "wanted", "fine"),
    [
        (INT, TEXT, False), (INT, from_schema({"type": "number"}), True), (from_schema({"type": "number"}), INT, True),
        (NULL, TEXT, False), (NULL, one_of([TEXT, NULL]), True), (UNKNOWN, TEXT, True), (TEXT, UNKNOWN, True),
        (LIST, MAP, False), (ListOf(INT), ListOf(TEXT), False), (LIST, ListOf(TEXT), True),
        (record(a=INT), record(a=TEXT), False), (record(a=INT), record(b=INT), False), (MAP, record(b=INT), True),
        (record(a=INT), MapOf({"a": INT, "b": INT}, frozenset({"a"})), True),
        (written_out("x"), from_schema({"enum": ["y", "z"]}), False),
        (written_out("y"), from_schema({"enum": ["y"]}), True),
        (one_of([INT, TEXT]), TEXT, True), (one_of([INT, NULL]), TEXT, False),
    ],
)  # fmt: skip
def test_only_what_is_certain_does_not_fit(given_: Shape, wanted: Shape, fine: bool) -> None:
    assert (fits(given_, wanted) is None) is fine


def test_a_case_that_lacks_a_field_is_named() -> None:
    shape = cases([Case(record(a=INT), "it runs", 1), Case(NULL, "it does not", 2)])
    inner, gap = select(shape, ("a",))
    assert described(inner) == "a whole number"
    assert gap is not None
    assert gap.case is not None
    assert (gap.case.when, gap.case.step) == ("it does not", 2)
    assert select(shape, ("b",))[1] is not None


def test_a_stated_schema_says_more_about_what_is_open() -> None:
    own = MapOf({"output": UNKNOWN, "code": INT}, frozenset({"output", "code"}))
    stated = from_schema({"type": "object", "properties": {"output": {"type": "string"}}})
    made = narrowed(own, stated)
    assert described(select(made, ("output",))[0]) == "text"
    assert select(made, ("code",))[1] is None
    assert select(made, ("other",))[1] is not None


def test_values_inside_each_other_without_end_are_unknown() -> None:
    schema = {"$ref": "#/$defs/node", "$defs": {"node": {
        "type": "object", "properties": {"next": {"$ref": "#/$defs/node"}, "name": {"type": "string"}},
        "additionalProperties": False,
    }}}  # fmt: skip
    shape = from_schema(schema)
    assert select(shape, ("next", "next", "next", "anything"))[1] is None
    assert select(shape, ("nam",))[1] is not None
    chain = {f"d{n}": {"$ref": f"#/$defs/d{n + 1}"} for n in range(5_000)}
    assert from_schema({"$ref": "#/$defs/d0", "$defs": chain}) == UNKNOWN


def test_large_values_are_not_looked_through() -> None:
    assert fits(written_out([1] * 1_000), ListOf(TEXT)) is None
    assert select(written_out({str(n): n for n in range(5_000)}), ("x",))[1] is None
    deep: Any = 1
    for _ in range(100):
        deep = {"a": deep}
    assert select(written_out(deep), ("a",) * 90)[1] is None


def test_what_is_wanted_is_found_by_either_spelling() -> None:
    shape = record(planId=TEXT, steps=ListOf(record(stepId=INT)))
    assert wanted_at(shape, ("plan_id",)) == TEXT
    assert wanted_at(shape, ("steps", 3, "step_id")) == INT
    assert wanted_at(one_of([ListOf(INT), TEXT]), (0,)) == INT
    assert wanted_at(shape, ("other", "x")) == UNKNOWN
