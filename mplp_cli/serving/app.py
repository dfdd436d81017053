"""The application: from a request to the operation that it calls, and every failure to an answer."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from mplp_cli.errors import Exit, MplpError
from mplp_cli.render.theme import safe
from mplp_cli.serving.answers import Answer, send_answer, send_error
from mplp_cli.serving.guard import Guard
from mplp_cli.serving.operations import Operation, called
from mplp_cli.serving.parts import Parts
from mplp_cli.serving.refusals import RequestError

if TYPE_CHECKING:
    from starlette.routing import Router


class _BugError(MplpError):
    """An error that is none of ours."""

    exit_code = Exit.BUG
    machine_name = "InternalError"


class _Place:
    """What can be called at one path, by method."""

    def __init__(self, parts: Parts, operations: Mapping[str, Operation]) -> None:
        self._parts = parts
        self._operations = operations

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer a request."""
        begun = False

        async def watched(message: Any) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            operation = self._operations.get(scope["method"])
            if operation is None:
                allowed = ", ".join(self._operations)
                raise RequestError(405, f"this takes {allowed} only", headers={"Allow": allowed})
            call = await called(operation, self._parts, scope, receive, scope["path_params"])
            made = await operation.act(call)
            if isinstance(made, Answer):
                await send_answer(watched, made)
            else:
                await made(receive, watched)
        except MplpError as error:
            if begun:
                raise
            await send_error(watched, error, close=True)
        except Exception as error:  # whoever asks is answered, and the server goes on
            what = safe(f"{scope['method']} {scope['path']}: {type(error).__name__}: {error}")
            sys.stderr.write(f"mplp serve: {what}\n")
            if begun:
                raise
            await send_error(watched, _BugError(f"a bug in mplp: {type(error).__name__}"), close=True)


def make_app(
    parts: Parts, operations: Iterable[Operation], *, token: str, hosts: Iterable[str], port: int
) -> Guard:
    """The ASGI application of a server that answers to these hosts."""
    told = ["/metrics"] if parts.runtime.settings.metrics.open else []
    return Guard(_routed(parts, operations), token=token, hosts=hosts, port=port, open=told)


def _routed(parts: Parts, operations: Iterable[Operation]) -> Router:
    from starlette.routing import Route, Router

    places: dict[str, dict[str, Operation]] = {}
    for operation in operations:
        places.setdefault(operation.path, {})[operation.method] = operation
    return Router(
        [Route(path, _Place(parts, there)) for path, there in places.items()],
        redirect_slashes=False,
        default=_nothing_there,
    )


async def _nothing_there(_scope: Any, _receive: Any, send: Any) -> None:
    error = RequestError(
        404, "there is nothing at this address", hint="/api/v1/openapi.json tells what there is"
    )
    await send_error(send, error, close=True)
