"""What a server answers when it does not do what it is asked: every error as a status and a document."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from mplp_cli.errors import (
    ConcurrencyLimitError,
    Exit,
    InputError,
    InsufficientResourcesError,
    MplpError,
    RunBusyError,
    RunStateError,
    StoreError,
    UnknownRunError,
    UsageError,
    WorkflowValidationError,
)

#: Status -> the name of the error, of those that no other part of mplp knows.
NAMES: Final = {
    400: "BadRequestError",
    401: "UnauthorizedError",
    403: "ForbiddenError",
    404: "NotFoundError",
    405: "MethodNotAllowedError",
    408: "RequestTimeoutError",
    409: "ConflictError",
    413: "ContentTooLargeError",
    415: "UnsupportedMediaTypeError",
    422: "UnprocessableContentError",
    429: "TooManyRequestsError",
    503: "ServiceUnavailableError",
}
#: Seconds after which somebody who was told to come back may do so.
RETRY_AFTER: Final = 1
#: Type of error -> status; the first that fits counts.
_STATUSES: Final[tuple[tuple[type[MplpError], int], ...]] = (
    (UnknownRunError, 404),
    (InputError, 422),
    (RunStateError, 409),
    (RunBusyError, 409),
    (ConcurrencyLimitError, 409),
    (InsufficientResourcesError, 409),
    (WorkflowValidationError, 409),
    (StoreError, 503),
    (UsageError, 400),
)
#: Errors of other parts by the name of their type.
_NAMED: Final = {"UnknownWorkflowError": 404, "UnknownTriggerError": 404, "QueueFullError": 429}


class RequestError(MplpError):
    """A request that is refused; `status` says how."""

    exit_code = Exit.USAGE

    def __init__(
        self,
        status: int,
        message: str,
        *,
        hint: str | None = None,
        details: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message, hint=hint, details=details)
        self.status = status
        self.headers = dict(headers or {})

    @property
    def type_name(self) -> str:
        return NAMES[self.status]


def status_of(error: MplpError) -> int:
    """The status that an error is answered with."""
    if isinstance(error, RequestError):
        return error.status
    if (named := _NAMED.get(type(error).__name__)) is not None:
        return named
    return next((status for kind, status in _STATUSES if isinstance(error, kind)), 500)


def headers_of(error: MplpError) -> dict[str, str]:
    """The headers that go with it."""
    given = dict(error.headers) if isinstance(error, RequestError) else {}
    if status_of(error) in (429, 503):
        given.setdefault("Retry-After", str(RETRY_AFTER))
    return given
