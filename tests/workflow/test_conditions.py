"""Conditions over a step's result, and the handlers that are always there."""

from __future__ import annotations

from collections.abc import Mapping
from time import perf_counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mplp_cli.errors import ExpressionError, UnresolvedReferenceError
from mplp_cli.workflow.language.conditions import (
    BUILTIN_CONDITIONS,
    OPERATORS,
    ConditionView,
    judge_step_result,
    pattern_problem,
    same,
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats(-9, 9) | st.text("ab", max_size=2),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab", max_size=2), inner, max_size=3),
    max_leaves=6,
)


@pytest.mark.parametrize(
    ("left", "operator", "right", "expected"),
    [
        (1, "equals", 1.0, True),
        (True, "equals", 1, False),
        ([1, True], "equals", [1, 1], False),
        ({"a": [1]}, "equals", {"a": [1]}, True),
        (None, "equals", None, True),
        (None, "equals", False, False),
        ("a", "not-equals", "b", True),
        (2, "greater-than", 1, True),
        (2, "greater-than", 2, False),
        (2, "greater-or-equal", 2, True),
        ("a", "less-than", "b", True),
        (2, "less-or-equal", 1.5, False),
        ([1, 2], "contains", 2, True),
        ([1, 2], "contains", True, False),
        ("abc", "contains", "bc", True),
        ({"a": 1}, "contains", "a", True),
        ({"a": 1}, "not-contains", "b", True),
        ("b", "in", ["a", "b"], True),
        ("b", "in", "abc", True),
        (3, "in", [], False),
        ("v1.20.3", "matches", r"^v\d+\.\d+", True),
        ("release v1", "matches", r"v\d", True),
        ("release", "matches", r"^\d", False),
    ],
)
def test_an_operator_compares_json(left: Any, operator: str, right: Any, expected: bool) -> None:
    assert judge_step_result(operator, left, right, missing=False) is expected


@pytest.mark.parametrize(
    ("left", "operator", "right", "says"),
    [
        (1, "greater-than", "a", "two numbers or two texts, not for a number and text"),
        (True, "less-than", 2, "not for a boolean and a number"),
        (None, "less-or-equal", 2, "null"),
        (5, "contains", 5, "only lists, text and maps"),
        ("abc", "contains", 5, "a part of text is text"),
        ({"a": 1}, "contains", 5, "a key of a map is text"),
        ("a", "in", 5, "only lists, text and maps"),
        (5, "matches", "a", "`matches` is for text"),
        ("a", "matches", 5, "a regular expression is text"),
        ("a", "matches", "(", "is not a regular expression"),
        ("a", "matches", r"(a)\1", "no back-references"),
        ("a", "matches", "a{1000}{1000}{1000}", "huge repetitions"),
        ("a", "matches", "a" * 1_001, "at most 1,000 characters"),
        ("a", "like", "b", "no operator `like`"),
        ("a", "exists", "yes", "true or false"),
    ],
)
def test_kinds_that_do_not_fit_are_an_error(left: Any, operator: str, right: Any, says: str) -> None:
    with pytest.raises(ExpressionError, match=says):
        judge_step_result(operator, left, right, missing=False)


@pytest.mark.parametrize(
    ("missing", "value", "expected"),
    [
        (False, None, True),
        (True, None, False),
        (False, False, False),
        (True, False, True),
        (True, True, False),
    ],
)
def test_exists_asks_whether_something_is_there(missing: bool, value: Any, expected: bool) -> None:
    assert judge_step_result("exists", None, value, missing=missing) is expected


@pytest.mark.parametrize("operator", sorted(set(OPERATORS) - {"exists"}))
def test_only_exists_copes_with_what_is_missing(operator: str) -> None:
    with pytest.raises(UnresolvedReferenceError, match="no result"):
        judge_step_result(operator, None, 1, missing=True)


@pytest.mark.parametrize(
    "pattern", ["(a+)+$", "^(a|a)*$", "(.*a){20}b", ".*.*.*.*b", "^(([a-z])+.)+[A-Z]([a-z])+$"]
)
def test_no_pattern_takes_long(pattern: str) -> None:
    began = perf_counter()
    assert judge_step_result("matches", "a" * 100_000 + "!", pattern, missing=False) is False
    assert perf_counter() - began < 1


@pytest.mark.parametrize("pattern", [r"\d+", "(?i)abc", r"^\p{L}+$", "a|b", ""])
def test_ordinary_patterns_are_usable(pattern: str) -> None:
    assert pattern_problem(pattern) is None


@given(JSON)
def test_every_value_is_the_same_as_itself(value: Any) -> None:
    assert same(value, value)
    assert not judge_step_result("not-equals", value, value, missing=False)


@given(JSON, JSON)
def test_being_the_same_goes_both_ways(left: Any, right: Any) -> None:
    assert same(left, right) is same(right, left)


@given(JSON, JSON, st.sampled_from(sorted(OPERATORS)))
def test_an_operator_gives_a_boolean_or_an_error_of_ours(left: Any, right: Any, operator: str) -> None:
    try:
        assert judge_step_result(operator, left, right, missing=False) in (True, False)
    except ExpressionError as error:
        assert error.message  # noqa: PT017  # the outcome may be either


# ---- handlers ----------------------------------------------------------------------------------


class Seen:
    """A run that has ended, as a handler sees it."""

    def __init__(self, **statuses: str) -> None:
        self.inputs: Mapping[str, Any] = {}
        self._statuses = statuses

    def status(self, step_id: str) -> str:
        if step_id not in self._statuses:
            raise UnresolvedReferenceError(f"there is no step `{step_id}`")
        return self._statuses[step_id]

    def result(self, step_id: str) -> Any:
        return self.status(step_id)

    def statuses(self) -> Mapping[str, str]:
        return self._statuses


VIEW: ConditionView = Seen(a="completed", b="failed", c="skipped")


@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        ("always-true", {}, True),
        ("always-false", {}, False),
        ("all-completed", {"steps": ["a"]}, True),
        ("all-completed", {"steps": ["a", "c"]}, False),
        ("any-failed", {"steps": ["a", "c"]}, False),
        ("any-failed", {"steps": ["a", "b"]}, True),
        ("any-failed", {}, True),
        ("any-skipped", {"steps": ["c"]}, True),
        ("any-skipped", {"steps": ["a"]}, False),
        ("none-failed", {"steps": ["a", "c"]}, True),
        ("none-failed", {}, False),
        ("between", {"value": 2, "min": 2, "max": 3}, True),
        ("between", {"value": 4, "min": 2, "max": 3}, False),
        ("between", {"value": "b", "min": "a", "max": "c"}, True),
        ("is-empty", {"value": []}, True),
        ("is-empty", {"value": None}, True),
        ("is-empty", {"value": " "}, False),
    ],
)
def test_a_handler_judges(name: str, arguments: dict[str, Any], expected: bool) -> None:
    assert BUILTIN_CONDITIONS[name](arguments, VIEW) is expected


@pytest.mark.parametrize(
    ("name", "arguments", "says", "hint"),
    [
        ("always-true", {"x": 1}, "no argument `x`", "it takes: nothing"),
        ("all-completed", {}, "needs the argument `steps`", None),
        ("all-completed", {"step": ["a"]}, "no argument `step`", "did you mean `steps`?"),
        ("any-failed", {"steps": "a"}, "a list of step ids", None),
        ("any-failed", {"steps": []}, "a list of step ids", None),
        ("between", {"value": 1, "min": 0}, "needs the argument `max`", None),
        ("between", {"value": "a", "min": 0, "max": 3}, "two numbers or two texts", None),
        ("is-empty", {"value": 0}, "only text, lists and maps", None),
    ],
)
def test_a_handler_refuses_arguments_that_do_not_fit(
    name: str, arguments: dict[str, Any], says: str, hint: str | None
) -> None:
    with pytest.raises(ExpressionError, match=says) as caught:
        BUILTIN_CONDITIONS[name](arguments, VIEW)
    assert caught.value.hint == hint


def test_a_handler_that_names_an_unknown_step_says_so() -> None:
    with pytest.raises(UnresolvedReferenceError, match="no step `z`"):
        BUILTIN_CONDITIONS["all-completed"]({"steps": ["z"]}, VIEW)
