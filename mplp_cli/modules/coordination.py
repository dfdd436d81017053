"""`core/coordinate-modules`: one operation of several modules in one go."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, field

from mplp_cli.errors import StepError
from mplp_cli.modules.contract import Operation, Parameters, Result
from mplp_cli.modules.session import Session
from mplp_cli.modules.shapes import Text


class CoordinateModules(Parameters, frozen=True, kw_only=True):
    modules: Annotated[
        list[Text], Meta(min_length=1, description="names of modules, in the order of the calls")
    ]
    operation: Annotated[Text, Meta(description="an operation that all of them have")]
    parameters: dict[str, Any] = field(default_factory=dict)


class Answer(Result, frozen=True, kw_only=True):
    """What one module answered; `error` is `{type, message}` if it refused."""

    module: str
    status: Literal["success", "failure"]
    result: Any = None
    error: dict[str, str] | None = None


class Coordinated(Result, frozen=True, kw_only=True):
    status: Literal["success", "partial_success", "failure"]
    results: list[Answer]


def coordinate_modules(given: CoordinateModules, session: Session) -> Coordinated:
    """What one module refuses does not stop the others; what they write is stored together."""
    answers = []
    for module in given.modules:
        try:
            result = session.call(module, given.operation, given.parameters)
            answers.append(Answer(module=module, status="success", result=result))
        except StepError as refusal:
            error = {"type": refusal.type_name, "message": refusal.message}
            answers.append(Answer(module=module, status="failure", error=error))
    good = sum(answer.status == "success" for answer in answers)
    status: Literal["success", "partial_success", "failure"] = (
        "success" if good == len(answers) else "partial_success" if good else "failure"
    )
    return Coordinated(status=status, results=answers)


COORDINATE_MODULES = Operation(
    name="coordinate-modules",
    summary="Call one operation of several modules",
    parameters=CoordinateModules,
    result=Coordinated,
    handler=coordinate_modules,
)
