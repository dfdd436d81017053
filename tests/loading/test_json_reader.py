# ruff: noqa: E501 - a sample is easiest to judge on one line
from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mplp_cli.loading.json_reader import read_json
from tests.loading.samples import ROOT, codes, errors, load, marked, only

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cc", "Cs", "Cn"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abcdef", max_size=3), inner, max_size=4),
    max_leaves=20,
)  # fmt: skip


@given(JSON, st.sampled_from([None, 1]), st.booleans())
def test_any_json_document_is_read_as_the_standard_library_reads_it(
    value: Any, indent: int | None, ascii_only: bool
) -> None:
    reading = read_json(json.dumps(value, indent=indent, ensure_ascii=ascii_only))
    assert reading.problems == []
    assert reading.value == value
    assert json.dumps(reading.value) == json.dumps(value)


@given(JSON, st.integers(0, 200))
def test_any_json_document_cut_anywhere_is_answered(value: Any, end: int) -> None:
    text = json.dumps(value)[:end]
    reading = read_json(text) if text else None
    assert reading is None or reading.problems or reading.value == json.loads(text)


BROKEN = [
    ('{"a": 1,}', 1, 8, "trailing", "json-syntax"),
    ("{'a': 1}", 1, 2, "double quotes", "json-syntax"),
    ('{"a" 1}', 1, 6, "`:`", "json-syntax"),
    ('{"a": 1 "b": 2}', 1, 9, "`,`", "json-syntax"),
    ('{"a": tru}', 1, 7, "tru", "json-syntax"),
    ('{"a": True}', 1, 7, "True", "json-syntax"),
    ('{"a": NaN}', 1, 7, "NaN", "json-syntax"),
    ('{"a": -Infinity}', 1, 7, "Infinity", "json-syntax"),
    ('{"a": 01}', 1, 7, "01", "json-syntax"),
    ('{"a": 1e999}', 1, 7, "1e999", "file-number"),
    ('{"a": "x\n"}', 1, 9, "line break", "json-syntax"),
    ('{"a": "\\q"}', 1, 8, "escape", "json-syntax"),
    ('{"a": "b}', 1, 7, "never closed", "json-syntax"),
    ('{"a":\n  [1, 2', 2, 8, "ends", "json-syntax"),
    ('{"a": 1} {', 1, 10, "follows", "json-syntax"),
    ('{"a": 1 // no\n}', 1, 9, "comments", "json-syntax"),
    ("[" * 100, 1, 65, "nested", "file-depth"),
    ('{"a": "\\ud800"}', 1, 7, "surrogate", "file-control-character"),
    ('{"a": "\\u0000"}', 1, 7, "NUL", "file-control-character"),
]


@pytest.mark.parametrize(("text", "line", "column", "said", "code"), BROKEN)
def test_broken_json_is_explained_at_its_place(
    text: str, line: int, column: int, said: str, code: str
) -> None:
    problem = read_json(text).problems[0]
    assert problem.code == code
    assert (problem.line, problem.column) == (line, column)
    assert said in problem.message + str(problem.hint)


def test_a_key_written_twice_names_both_places() -> None:
    text = '{"workflow": {"id": "a",\n "name": "b", "version": "1.0.0",\n "id": "c", "steps": [{"id": "a", "type": "set", "values": {}}]}}'
    problem = only(text, "flow.json")
    assert problem.code == "json-duplicate-key"
    assert (problem.line, problem.column, problem.related_line, problem.related_column) == (3, 2, 1, 15)
    assert "line 1" in problem.message


def test_two_hundred_kilobytes_of_brackets_are_no_trouble() -> None:
    assert only("[" * 200_000, "flow.json").code == "file-depth"
    assert only('{"a":' * 50_000, "flow.json").code == "file-depth"


def test_an_empty_json_file_is_called_empty() -> None:
    assert codes("", "flow.json") == ["file-empty"]
    assert codes(" \n", "flow.json") == ["file-empty"]


def test_json_from_standard_input_is_read_as_json_and_yaml_as_yaml() -> None:
    text = '{"workflow": {"id": "a", "name": "b", "version": "1.0.0", "steps": [{"id": "a", "type": "set", "values": {}}]}}'
    assert load(text, "-").problems == []
    assert (
        load(
            "{workflow: {id: a, name: b, version: 1.0.0, steps: [{id: a, type: set, values: {}}]}}", "-"
        ).problems
        == []
    )
    assert codes('{"a": 1, "a": 2}', "-")[0] != "yaml-duplicate-key"


def test_the_twins_in_json_and_yaml_are_one_workflow() -> None:
    as_json = load((ROOT / "workflows/multi-agent-collaboration.json").read_bytes(), "a.json").workflow
    as_yaml = load((ROOT / "workflows/multi-agent-collaboration.yaml").read_bytes(), "a.yaml").workflow
    assert as_json is not None
    assert as_yaml is not None
    assert [s.id for s in as_json.steps] == [s.id for s in as_yaml.steps]


def test_problems_in_json_have_exact_places() -> None:
    text = '{"workflow": {"id": "a", "name": 3, "version": "1.0.0",\n "steps": [{"id": "a", "type": "set", "valeus": {}}]}}'
    found = errors(text, "flow.json")
    assert [marked(text, p) for p in found] == ["3", '"valeus"']
