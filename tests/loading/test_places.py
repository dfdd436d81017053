from __future__ import annotations

import pytest

from mplp_cli.loading.where import step_places
from tests.loading.samples import errors, load, marked, only, steps


def test_keys_and_values_of_block_style_are_marked_exactly() -> None:
    text = """\
workflow:
  id: demo
  name: Demo
  version: 1.0.0
  steps:
    - id: a
      type: shell
      run: |
        echo ${nope.result}
      "timeout": 0
      env:
        OK: 1
        1X: 2
    - id: b
      type: set
      values:
        k: '${a.result.x'
"""
    found = errors(text)
    assert [(p.line, marked(text, p)) for p in found] == [
        (8, "|"),
        (10, "0"),
        (13, "1X"),
        (17, "'${a.result.x'"),
    ]


def test_columns_count_characters_not_bytes() -> None:
    text = steps('{name: "żółć 🙂", id: a, type: set, valeus: {}}')
    assert marked(text, only(text)) == "valeus"


def test_a_missing_key_is_shown_where_its_mapping_begins() -> None:
    text = "workflow:\n  id: a\n  name: b\n  version: 1.0.0\n  steps:\n    - type: set\n      id: x\n"
    assert (only(text).line, only(text).column) == (6, 7)


def test_a_key_inside_a_merge_is_shown_at_the_mapping_that_merges() -> None:
    text = steps(
        "{id: a, type: set, values: {x: &v {max-retries: 200}}}",
        "{id: b, type: set, values: {}, retry-policy: {<<: *v}}",
    )
    problem = only(text)
    assert problem.line == 7
    assert marked(text, problem) == "{"


def test_lines_end_as_the_file_ends_them() -> None:
    for newline in ("\n", "\r\n"):
        text = steps("{id: a, type: set, valeus: {}}").replace("\n", newline)
        assert (only(text).line, only(text).column) == (6, 26)


def test_the_second_use_of_a_step_id_also_names_the_first() -> None:
    problem = only(
        steps(
            "{id: a, type: set, values: {}}",
            "{id: b, type: set, values: {}}",
            "{id: a, type: set, values: {}}",
        )
    )
    assert (problem.line, problem.related_line) == (8, 6)


def test_problems_come_in_the_order_of_the_file_and_carry_its_name() -> None:
    text = steps(
        "{id: a, type: set, valeus: 1, zzz: 2}", "{id: b, type: shel}", "{id: 1, type: set, values: {}}"
    )
    found = load(text, "my/flow.yaml").problems
    assert [(p.line, p.column) for p in found] == sorted((p.line, p.column) for p in found)
    assert {p.file for p in found} == {"my/flow.yaml"}


@pytest.mark.parametrize("name", ["flow.yaml", "flow.yml", "-", "flow"])
def test_yaml_is_the_form_of_any_name_but_json(name: str) -> None:
    assert load(steps("{id: a, type: set, values: {}}"), name).problems == []


def test_steps_of_a_workflow_are_found_at_any_depth() -> None:
    text = steps(
        "{id: a, type: set, values: {}}", "{id: p, type: parallel, steps: [{id: b, type: set, values: {}}]}"
    )
    loaded = load(text)
    assert loaded.workflow is not None
    found = step_places(text.encode(), "flow.yaml", loaded.workflow, ["a", "b", "nope"])
    assert found == {"a": "flow.yaml:6", "b": "flow.yaml:7"}
