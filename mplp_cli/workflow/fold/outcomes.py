"""Errors that are found in what the work of a step came to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mplp_cli.errors import Path, StepError


class ResultSchemaError(StepError):
    """A result does not fit the step's `result-schema`. `problems` are (where in it, what is wrong)."""

    retryable = False

    def __init__(self, problems: Sequence[tuple[str, Path, str]]) -> None:
        name, _, said = problems[0]
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        listed = [{"path": list(path), "message": what} for _, path, what in problems]
        super().__init__(
            f"the result does not fit `result-schema`: `{name}`: {said}{more}", details={"problems": listed}
        )


class ItemsFailedError(StepError):
    """Items of a foreach failed: `items` has `{index, error}` of each."""

    retryable = False

    def __init__(self, count: int, items: list[dict[str, Any]]) -> None:
        first = items[0]
        super().__init__(
            f"{len(items)} of {count} items failed; the first was [{first['index']}]: {first['error']['message']}",
            details={"items": items},
        )


class LoopExhaustedError(StepError):
    """A loop has used up its iterations, and its condition says that it should go on."""

    retryable = False


class UnknownOutcomeError(StepError):
    """The process that drove the run was lost during an attempt, which may have had its effect or not."""

    retryable = False

    def __init__(self, attempt: int) -> None:
        super().__init__(
            f"the process that drove the run was lost during attempt {attempt}: nobody knows what came of it",
            details={"attempt": attempt},
        )


class ArtifactError(StepError):
    """Files that a step is to leave cannot be kept: too many, too large, or the disk refuses."""

    retryable = False
