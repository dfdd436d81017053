"""Conditions that are not expressions: operators over a step's result, and handlers called by name.

Values are compared as JSON: `true` is not 1, 1 is 1.0, lists and maps are compared whole. Order is for two
numbers or two texts. `matches` finds a regular expression anywhere in a text, in linear time whatever the
pattern (so there are no look-arounds and no back-references).
"""

from __future__ import annotations

import operator as py
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any, Protocol, TypeAlias

from mplp_cli.errors import ExpressionError, UnresolvedReferenceError
from mplp_cli.workflow.language.references import kind_of, nearest
from mplp_cli.workflow.values import Json, StepId

MAX_PATTERN = 1_000
#: Bytes of memory that a compiled pattern may take.
_PATTERN_MEMORY = 1_000_000


# ---- operators ---------------------------------------------------------------------------------


def same(left: Json, right: Json) -> bool:
    """Whether two values are the same JSON."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(same(item, right[key]) for key, item in left.items())
    return bool(left == right)


def _ordered(name: str, compare: Callable[[Any, Any], bool]) -> Callable[[Json, Json], bool]:
    def judge(left: Json, right: Json) -> bool:
        numbers = _is_number(left) and _is_number(right)
        if not (numbers or (isinstance(left, str) and isinstance(right, str))):
            raise ExpressionError(
                f"`{name}` is for two numbers or two texts, not for {kind_of(left)} and {kind_of(right)}"
            )
        return compare(left, right)

    return judge


def _is_number(value: Json) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _contains(left: Json, right: Json) -> bool:
    """A list has the element, a text has the part, a map has the key."""
    if isinstance(left, list):
        return any(same(item, right) for item in left)
    if isinstance(left, str | dict):
        if not isinstance(right, str):
            what = "a part of text" if isinstance(left, str) else "a key of a map"
            raise ExpressionError(f"{what} is text, not {kind_of(right)}")
        return right in left
    raise ExpressionError(f"only lists, text and maps contain something, not {kind_of(left)}")


def _exists(left: Json, right: Json) -> bool:
    """`value: false` asks for the contrary; `left` is whether the value is there."""
    if right is not None and not isinstance(right, bool):
        raise ExpressionError(f"the value of `exists` is true or false, not {kind_of(right)}")
    return bool(left) is (right is not False)


def _matches(left: Json, right: Json) -> bool:
    if not isinstance(left, str):
        raise ExpressionError(f"`matches` is for text, not for {kind_of(left)}")
    problem = pattern_problem(right)
    if problem:
        raise ExpressionError(problem)
    return _finder(right)(left)


#: By name: (what was found, the condition's value) -> truth. ExpressionError if the kinds do not fit.
#: `exists` is told whether something was found.
OPERATORS: Mapping[str, Callable[[Json, Json], bool]] = {
    "equals": same,
    "not-equals": lambda left, right: not same(left, right),
    "greater-than": _ordered("greater-than", py.gt),
    "greater-or-equal": _ordered("greater-or-equal", py.ge),
    "less-than": _ordered("less-than", py.lt),
    "less-or-equal": _ordered("less-or-equal", py.le),
    "contains": _contains,
    "not-contains": lambda left, right: not _contains(left, right),
    "in": lambda left, right: _contains(right, left),
    "exists": _exists,
    "matches": _matches,
}


def judge_step_result(operator: str, found: Json, value: Json, missing: bool) -> bool:
    """Whether what was found in a step's result fits. `missing`: nothing is there; only `exists` copes.

    UnresolvedReferenceError if it is missing, ExpressionError if the kinds do not fit or there is no such
    operator.
    """
    judge = OPERATORS.get(operator)
    if judge is None:
        raise ExpressionError(f"there is no operator `{operator}`", hint=f"one of: {', '.join(OPERATORS)}")
    if operator == "exists":
        return judge(not missing, value)
    if missing:
        raise UnresolvedReferenceError(
            f"the step has no result to judge by `{operator}`", hint="ask with `operator: exists` first"
        )
    return judge(found, value)


def pattern_problem(pattern: Json) -> str | None:
    """What is wrong with a regular expression; None if `matches` can use it."""
    if not isinstance(pattern, str):
        return f"a regular expression is text, not {kind_of(pattern)}"
    if len(pattern) > MAX_PATTERN:
        return f"a regular expression has at most {MAX_PATTERN:,} characters, not {len(pattern):,}"
    try:
        _finder(pattern)
    except ValueError:
        return (
            f"`{pattern}` is not a regular expression that can be used here"
            " (no look-around, no back-references, no huge repetitions)"
        )
    return None


@lru_cache(maxsize=256)
def _finder(pattern: str) -> Callable[[str], bool]:
    """Says whether the pattern is anywhere in a text. ValueError if it cannot be used."""
    from jsonschema_rs import Draft202012Validator, RegexOptions, ValidationError

    try:
        limits = RegexOptions(size_limit=_PATTERN_MEMORY, dfa_size_limit=_PATTERN_MEMORY)
        return Draft202012Validator({"pattern": pattern}, pattern_options=limits).is_valid
    except ValidationError as error:
        raise ValueError(error.message) from None


# ---- handlers ----------------------------------------------------------------------------------


class ConditionView(Protocol):
    """What a handler may look at."""

    @property
    def inputs(self) -> Mapping[str, Json]:
        """The run's inputs."""
        ...

    def status(self, step_id: StepId) -> str:
        """The status of a step; StepError if there is none of that id."""
        ...

    def result(self, step_id: StepId) -> Json:
        """The result of a step, None if it has none."""
        ...

    def statuses(self) -> Mapping[StepId, str]:
        """The status of every step."""
        ...


#: Called with the condition's resolved `arguments`. It must be pure: the same answer for the same values.
Handler: TypeAlias = Callable[[Mapping[str, Json], ConditionView], bool]


def _arguments(name: str, given: Mapping[str, Json], needed: Iterable[str], more: Iterable[str] = ()) -> None:
    """ExpressionError unless `given` has what is needed and nothing that is unknown."""
    needed = list(needed)
    known = [*needed, *more]
    for argument in given:
        if argument not in known:
            close = nearest(argument, known)
            hint = f"did you mean `{close[0]}`?" if close else f"it takes: {', '.join(known) or 'nothing'}"
            raise ExpressionError(f"the condition `{name}` has no argument `{argument}`", hint=hint)
    for argument in needed:
        if argument not in given:
            raise ExpressionError(f"the condition `{name}` needs the argument `{argument}`")


def _statuses(name: str, arguments: Mapping[str, Json], view: ConditionView) -> list[str]:
    """The statuses of the steps that the argument `steps` lists, of all steps without it."""
    _arguments(name, arguments, (), ("steps",))
    if "steps" not in arguments:
        return list(view.statuses().values())
    steps = arguments["steps"]
    if not (isinstance(steps, list) and steps and all(isinstance(step, str) for step in steps)):
        raise ExpressionError(f"`steps` of the condition `{name}` is a list of step ids")
    return [view.status(step) for step in steps]


def _always(name: str, answer: bool) -> Handler:
    def judge(arguments: Mapping[str, Json], _view: ConditionView) -> bool:
        _arguments(name, arguments, ())
        return answer

    return judge


def _all_completed(arguments: Mapping[str, Json], view: ConditionView) -> bool:
    _arguments("all-completed", arguments, ("steps",))
    return all(status == "completed" for status in _statuses("all-completed", arguments, view))


def _any(name: str, wanted: str) -> Handler:
    return lambda arguments, view: wanted in _statuses(name, arguments, view)


def _none_failed(arguments: Mapping[str, Json], view: ConditionView) -> bool:
    return "failed" not in _statuses("none-failed", arguments, view)


def _between(arguments: Mapping[str, Json], _view: ConditionView) -> bool:
    """`min <= value <= max`."""
    _arguments("between", arguments, ("value", "min", "max"))
    value, at_most = arguments["value"], OPERATORS["less-or-equal"]
    return at_most(arguments["min"], value) and at_most(value, arguments["max"])


def _is_empty(arguments: Mapping[str, Json], _view: ConditionView) -> bool:
    """Null, or text, a list or a map with nothing in it."""
    _arguments("is-empty", arguments, ("value",))
    value = arguments["value"]
    if value is not None and not isinstance(value, str | list | dict):
        raise ExpressionError(f"only text, lists and maps can be empty, not {kind_of(value)}")
    return not value


#: Handlers that are always there; the entry-point group `mplp.conditions` adds more.
BUILTIN_CONDITIONS: Mapping[str, Handler] = {
    "all-completed": _all_completed,
    "always-false": _always("always-false", answer=False),
    "always-true": _always("always-true", answer=True),
    "any-failed": _any("any-failed", "failed"),
    "any-skipped": _any("any-skipped", "skipped"),
    "between": _between,
    "is-empty": _is_empty,
    "none-failed": _none_failed,
}
