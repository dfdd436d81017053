"""What may become a step's result: JSON that can be stored and read again, and that fits the step's schema."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import structs
from msgspec.json import Encoder

from mplp_cli.errors import OutputLimitError, StepError
from mplp_cli.workflow.fold.history import Event, StepCompleted, StepFailed
from mplp_cli.workflow.fold.outcomes import ResultSchemaError
from mplp_cli.workflow.language.references import written
from mplp_cli.workflow.plan import CONTAINERS, PlanStep
from mplp_cli.workflow.values import Json

if TYPE_CHECKING:
    from mplp_cli.engine.world import World
    from mplp_cli.workflow.fold.state import RunState

#: Bytes of one result as JSON. References can double a value at every step; this is where it ends.
MAX_RESULT = 16 * 1024 * 1024
#: What is said of one result at most.
_SAID = 20
_encode = Encoder().encode


def kept(step: PlanStep, result: Json, world: World) -> Json:
    """`result`, if it can be kept. OutputLimitError if it is too large, StepError if it is not JSON,
    ResultSchemaError if it is not what the step says it is."""
    try:
        size = len(_encode(result))
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise StepError(f"the result cannot be kept as JSON: {error}") from None
    if size > MAX_RESULT:
        limit = MAX_RESULT // 1024 // 1024
        raise OutputLimitError(
            f"the result has {size:,} bytes as JSON, more than {limit} MiB",
            hint="write large data to a file and hand on its name",
        )
    return fitting(step, result, world)


def fitting(step: PlanStep, result: Json, world: World) -> Json:
    """`result`, if it fits the step's `result-schema`, if there is one. ResultSchemaError."""
    if step.result_schema is not None and (wrong := world.misfits(step.result_schema, result)):
        raise ResultSchemaError([(written("result", at), at, said) for at, said in wrong[:_SAID]])
    return result


def checked(step: PlanStep, end: Event, state: RunState, world: World) -> Event:
    """The end of a container, or of a step that fell back to another, with its result judged."""
    if not isinstance(end, StepCompleted):
        return end
    try:
        fitting(step, end.result, world)
    except ResultSchemaError as error:
        if step.kind in CONTAINERS or end.mended is None:
            return StepFailed(end.at, step.id, end.attempt, error.failure(), end.result)
        other = state.branches[step.number]
        said = f"{end.mended.message}; its fallback `{other}` does not mend it: {error.message}"
        return StepFailed(end.at, step.id, end.attempt, structs.replace(end.mended, message=said))
    return end
