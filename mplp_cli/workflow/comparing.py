"""`step-result` conditions, compiled: a path into the result of a step, compared with a value."""

from __future__ import annotations

from collections.abc import Callable, Container
from typing import Any, Protocol

from mplp_cli.errors import Path
from mplp_cli.workflow import model
from mplp_cli.workflow.conditions import OPERATORS, pattern_problem
from mplp_cli.workflow.plan import Judgement, StepResult
from mplp_cli.workflow.references import Reference, parse_reference
from mplp_cli.workflow.suggest import did_you_mean
from mplp_cli.workflow.templates import Template


class Values(Protocol):
    """The compiler, as it is needed here."""

    def values(self, value: Any, path: Path) -> Template:
        """A value, its references filled in later."""
        ...

    def problem(self, code: str, message: str, path: Path, hint: str | None = None) -> None:
        """Something that is wrong."""
        ...


def step_result(
    condition: model.StepResultCondition,
    path: Path,
    ids: Container[str],
    resolve: Callable[[Reference, Path], int],
    make: Values,
) -> Judgement:
    """The condition; what is wrong with it is told to `make`."""
    if condition.operator not in OPERATORS:
        make.problem(
            "cond-unknown-operator",
            f"there is no operator `{condition.operator}`",
            (*path, "operator"),
            did_you_mean(condition.operator, OPERATORS) or f"one of: {', '.join(OPERATORS)}",
        )
    source = f"{condition.step_id}.result"
    if condition.path:
        source += condition.path if condition.path.startswith("[") else f".{condition.path}"
    is_text = isinstance(condition.value, str) and "$" not in condition.value
    if (
        condition.operator == "matches"
        and is_text
        and (wrong := pattern_problem(condition.value)) is not None
    ):
        make.problem("cond-pattern", wrong, (*path, "value"))
    reference = parse_reference(source, ids)
    if reference is None:
        make.problem(
            "ref-syntax",
            f"`{condition.path}` is not a path",
            (*path, "path"),
            "write it like `items[0].name`",
        )
        return False
    number = resolve(reference, (*path, "step-id"))
    value = make.values(condition.value, (*path, "value"))
    return StepResult(number, reference.path, condition.operator, value)
