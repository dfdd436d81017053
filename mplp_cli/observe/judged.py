"""Conditions looked at again: what was compared, with the values of that moment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, assert_never

from msgspec import UNSET, Struct, UnsetType

from mplp_cli.errors import StepError
from mplp_cli.workflow.language.conditions import judge_step_result
from mplp_cli.workflow.language.references import Missing, follow, json_text, written
from mplp_cli.workflow.language.templates import Formula, fill, holds, operands
from mplp_cli.workflow.plan import Custom, Judgement, StepResult
from mplp_cli.workflow.values import Json

if TYPE_CHECKING:
    from mplp_cli.workflow.fold.scope import RunScope


class Operand(Struct, frozen=True):
    """One value that a condition looked at, or why there was none."""

    name: str
    value: Json | UnsetType = UNSET
    missing: str = ""


class Judged(Struct, frozen=True, kw_only=True):
    """A condition as it was judged. `holds` is None if it could not be: `error` says why."""

    #: `when` of the step, the `condition` of a conditional, `until` and `while` of a loop.
    key: str
    expression: str
    holds: bool | None
    operands: list[Operand] = []
    error: str = ""


def judged(key: str, condition: Judgement, scope: RunScope, recorded: bool | None) -> Judged:
    """Judge a condition again, purely. `recorded` is what came of it; handlers are not called again."""
    match condition:
        case bool():
            return Judged(key=key, expression=str(condition).lower(), holds=condition)
        case Formula():
            found = operands(condition, scope)
            pairs = zip(condition.expression.names, found, strict=True)
            seen = [_operand(str(name), value) for name, value in pairs]
            return _answer(key, condition.expression.source, seen, lambda: holds(condition, scope))
        case StepResult():
            return _step_result(key, condition, scope)
        case Custom():
            arguments = fill(condition.arguments, scope)
            named = arguments if isinstance(arguments, dict) else {}
            seen = [Operand(str(name), value) for name, value in named.items()]
            return Judged(key=key, expression=condition.handler, holds=recorded, operands=seen)
    assert_never(condition)


def _operand(name: str, value: Any) -> Operand:
    return Operand(name, missing=value.reason) if isinstance(value, Missing) else Operand(name, value)


def _step_result(key: str, condition: StepResult, scope: RunScope) -> Judged:
    step = scope.state.plan.steps[scope.number(condition.number)].id
    name = written(f"{step}.result", condition.path)
    wanted = fill(condition.value, scope)
    result = scope.results[condition.number]
    found: Json = None
    gone = scope.why_missing(condition.number) if result is UNSET else ""
    if not gone:
        try:
            found = follow(result, condition.path, "result")
        except StepError as error:
            gone = error.message
    seen = [Operand(name, missing=gone) if gone else Operand(name, found)]
    tail = "" if condition.operator == "exists" and wanted is None else f" {json_text(wanted)}"
    return _answer(
        key,
        f"{name} {condition.operator}{tail}",
        seen,
        lambda: judge_step_result(condition.operator, found, wanted, bool(gone)),
    )


def _answer(key: str, expression: str, seen: list[Operand], judge: Any) -> Judged:
    try:
        return Judged(key=key, expression=expression, holds=judge(), operands=seen)
    except StepError as error:
        return Judged(key=key, expression=expression, holds=None, operands=seen, error=error.message)
