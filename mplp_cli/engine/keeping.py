"""What may become a step's result: JSON that can be stored and read again."""

from __future__ import annotations

from msgspec.json import Encoder

from mplp_cli.errors import OutputLimitError, StepError
from mplp_cli.workflow.values import Json

#: Bytes of one result as JSON. References can double a value at every step; this is where it ends.
MAX_RESULT = 16 * 1024 * 1024
_encode = Encoder().encode


def kept(result: Json) -> Json:
    """`result`, if it can be kept. OutputLimitError if it is too large, StepError if it is not JSON."""
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
    return result
