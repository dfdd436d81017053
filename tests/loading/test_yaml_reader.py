# ruff: noqa: E501 - a sample is easiest to judge on one line
from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mplp_cli.loading.yaml_reader import read_yaml
from tests.loading.samples import codes, load, marked, only, steps

SCALARS: list[tuple[str, Any]] = [
    ("yes", "yes"), ("no", "no"), ("on", "on"), ("Off", "Off"), ("y", "y"),
    ("true", True), ("True", True), ("FALSE", False), ("null", None), ("~", None), ("", None), ("Null", None),
    ("1", 1), ("-17", -17), ("+3", 3), ("010", 10), ("08", 8), ("0o17", 15), ("0x1F", 31), ("0b11", "0b11"),
    ("1.5", 1.5), (".5", 0.5), ("1.", 1.0), ("-2e3", -2000.0), ("1e3", 1000.0), ("6.02E+23", 6.02e23),
    ("1_000", "1_000"), ("12:30:00", "12:30:00"), ("2024-01-01", "2024-01-01"), ("1.0.0", "1.0.0"), ("-", "-"),
    ("1.10", 1.1), ("0x", "0x"), ("0o8", "0o8"), ("e3", "e3"), (".", "."), ("tRue", "tRue"), ("18446744073709551615", 2**64 - 1),
    ('"5"', "5"), ("'true'", "true"), ("!!str 5", "5"), ("! 5", "5"), ('!!int "5"', 5), ('!!float "5"', 5), ("!!null x", "x"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "value"), SCALARS)
def test_scalars_mean_what_yaml_1_2_says(text: str, value: Any) -> None:
    if text == "-":
        text = '"-"'
    read = read_yaml(f"k: {text}\n").value["k"]
    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize(
    "text",
    ["yes", "No", "ON", "off", "010", "-07", "0b11", "1_000", "0x_ff", "12:30:00", "190:20:30.15", "2024-01-01",
     "2024-01-01T10:00:00Z", "0o17", "1e3"],
)  # fmt: skip
def test_a_scalar_that_yaml_1_1_reads_otherwise_is_warned_about_with_the_fix(text: str) -> None:
    problem = only(steps(f"{{id: a, type: set, values: {{x: {text}}}}}"))
    assert problem.code == "yaml-ambiguous-scalar"
    assert problem.severity == "warning"
    assert f'"{text}"' in str(problem.hint)
    assert load(steps(f'{{id: a, type: set, values: {{x: "{text}"}}}}')).problems == []


def test_every_ambiguous_scalar_is_named() -> None:
    text = steps("{id: no, type: set, values: {x: 010, y: [010, yes]}}")
    assert codes(text) == ["yaml-ambiguous-scalar"] * 4
    assert [marked(text, p) for p in load(text).problems] == ["no", "010", "010", "yes"]


@given(st.one_of(st.integers(-(2**63), 2**64 - 1), st.floats(allow_nan=False, allow_infinity=False)))
def test_every_number_survives(number: float) -> None:
    assert read_yaml(f"k: {number!r}").value == {"k": number}


@given(st.text("0123456789.+-eExXoOabn_:~#tTfF", max_size=12))
def test_any_plain_scalar_is_text_or_a_json_number(text: str) -> None:
    reading = read_yaml(f"- {text}")
    for value in reading.value if isinstance(reading.value, list) else []:
        assert value is None or isinstance(value, str | int | float | list | dict)
        assert value not in (float("inf"), float("-inf"))


def test_keys_are_text_as_written() -> None:
    assert read_yaml("on: 1\n1: 2\nnull: 3\ntrue: 4\n1.0: 5\n").value == {
        "on": 1, "1": 2, "null": 3, "true": 4, "1.0": 5,
    }  # fmt: skip


def test_plain_text_in_brackets_may_hold_colons_and_question_marks() -> None:
    text = "{at: 12:30, url: http://x/y?z=1, q: ready?, list: [a:b, c::d], 'k':1, s: \"a:b?\"}"
    assert read_yaml(text).value == {
        "at": "12:30", "url": "http://x/y?z=1", "q": "ready?", "list": ["a:b", "c::d"], "k": 1, "s": "a:b?",
    }  # fmt: skip


def test_places_are_right_in_a_text_that_needed_mending() -> None:
    text = steps("{id: a, type: set, values: {at: a:b, q: ok?}, valeus: 1}")
    assert marked(text, only(text)) == "valeus"


# ---- duplicates


def test_a_key_written_twice_names_both_lines() -> None:
    problem = only(
        "workflow:\n  id: a\n  name: b\n  version: 1.0.0\n  id: c\n  steps: [{id: a, type: set, values: {}}]\n"
    )
    assert problem.code == "yaml-duplicate-key"
    assert (problem.line, problem.related_line) == (5, 2)
    assert "line 2" in problem.message
    assert "line 5" in problem.message


def test_twins_are_found_inside_the_users_own_data() -> None:
    text = steps("{id: a, type: set, values: {x: {k: 1, k: 2}, y: {k: 1, k: 2}}}")
    assert codes(text) == ["yaml-duplicate-key", "yaml-duplicate-key"]


# ---- anchors, aliases, merges


def test_aliases_and_merges_are_expanded() -> None:
    text = "a: &a {x: 1, y: 2}\nb: &b {y: 3, z: 4}\nc: {<<: *a, y: 9}\nd: {<<: [*a, *b]}\ne: [*a]\nf: {<<: {q: 1}}\n"
    value = read_yaml(text).value
    assert value["c"] == {"x": 1, "y": 9}
    assert value["d"] == {"x": 1, "y": 2, "z": 4}
    assert value["e"] == [{"x": 1, "y": 2}]
    assert value["f"] == {"q": 1}


def test_own_keys_win_over_merged_ones_wherever_they_stand() -> None:
    assert read_yaml("a: &a {x: 1}\nb:\n  x: 2\n  <<: *a\n").value["b"] == {"x": 2}
    assert read_yaml("a: &a {x: 1}\nb:\n  <<: *a\n  x: 2\n").value["b"] == {"x": 2}


def test_a_quoted_merge_key_is_a_key() -> None:
    assert read_yaml('a: {"<<": 1}').value == {"a": {"<<": 1}}


def test_merging_what_is_no_mapping_is_refused_at_its_line() -> None:
    text = steps("{id: a, type: set, values: {<<: 5}}")
    problem = only(text)
    assert problem.code == "yaml-merge"
    assert marked(text, problem) == "5"


def test_an_anchor_that_contains_itself_is_named() -> None:
    for text in ("a: &me [*me]", "a: &me {b: [{c: *me}]}", "&me [*me]"):
        problem = only(text)
        assert problem.code == "yaml-alias-cycle"
        assert "&me" in problem.message


def test_a_hundred_thousand_nodes_by_alias_are_allowed_and_no_more() -> None:
    ten = "[" + ", ".join("x" * 9) + "]"  # ten nodes, the list included
    fits = f"a: &a {ten}\nb: [" + ", ".join(["*a"] * 10_000) + "]"
    assert "yaml-alias-budget" not in codes(fits)
    assert codes(fits[:-1] + ", *a]") == ["yaml-alias-budget"]


def test_steps_may_share_parts_by_alias() -> None:
    text = steps(
        "{id: a, type: set, values: &v {x: 1}, retry-policy: &r {max-retries: 2}}",
        "{id: b, type: set, values: *v, retry-policy: {<<: *r, jitter: full}}",
    )
    assert load(text).problems == []


def test_what_is_wrong_behind_an_alias_is_shown_where_the_alias_stands() -> None:
    text = steps(
        "{id: a, type: set, values: {x: &v {max-retries: 200}}}",
        "{id: b, type: set, values: {}, retry-policy: *v}",
    )
    problem = only(text)
    assert problem.code == "schema-range"
    assert (problem.line, marked(text, problem)) == (7, "*v")


# ---- syntax in plain words

SYNTAX = [
    ("a:\n\t- b\n", 2, 1, "tab"),
    ("a: 'b\nc: d\n", 1, 4, "never closed"),
    ('a: "b\n', 1, 4, "never closed"),
    ("a: [1, 2\n", 2, 1, "not closed"),
    ("a: {b: 1\n", 2, 1, "not closed"),
    ("a: b: c\n", 1, 5, "no key can end"),
    ("a: 1\n b: 2\n", 2, 3, "no key can end"),
    ("a:\n  b: 1\n c: 2\n", 3, 2, "does not fit the mapping"),
    ("a: @x\n", 1, 4, "begin with this character"),
    ('a: "\\q"\n', 1, 5, "escape"),
    ("- a\nb: 1\n", 2, 1, "does not belong to the list"),
    ("a: 1\nbcd\n", 3, 1, "without `:`"),
    ("%YAML 3.0\n---\na: 1\n", 1, 1, "version"),
]


@pytest.mark.parametrize(("text", "line", "column", "said"), SYNTAX)
def test_broken_syntax_is_explained_in_plain_words_at_its_place(
    text: str, line: int, column: int, said: str
) -> None:
    problem = only(text)
    assert problem.code == "yaml-syntax"
    assert (problem.line, problem.column) == (line, column)
    assert said in problem.message
    assert problem.hint


def test_an_unknown_complaint_of_the_parser_is_passed_on() -> None:
    assert only("a: !<x y\n").code == "yaml-syntax"


def test_a_file_that_asks_for_yaml_1_1_is_warned() -> None:
    text = "%YAML 1.1\n---\n" + steps("{id: a, type: set, values: {}}")
    assert [(p.code, p.severity) for p in load(text).problems] == [("yaml-version", "warning")]


def test_a_byte_order_mark_does_no_harm() -> None:
    assert load("\ufeff" + steps("{id: a, type: set, values: {}}")).problems == []


def test_the_byte_that_is_not_utf8_is_named() -> None:
    problem = only("a: é\nb: ".encode() + b"\xc3(")
    assert problem.code == "file-encoding"
    assert "byte 9" in problem.message
    assert (problem.line, problem.column) == (2, 4)


def test_line_breaks_and_tabs_are_no_control_characters() -> None:
    assert load(steps(r'{id: a, type: shell, run: "a\tb\nc\r\n"}')).problems == []


def test_characters_of_every_script_are_welcome() -> None:
    assert load(steps('{id: a, type: shell, run: "echo żółć 日本 🙂", name: "żółć 日本 🙂"}')).problems == []
