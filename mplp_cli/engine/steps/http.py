"""HTTP steps: one request, its redirects, and what came back, within bounds.

Nothing is remembered from one step to the next (no cookies). How requests are made: `engine/requesting.py`.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from mplp_cli.errors import HttpConnectionError, HttpRequestError, HttpStatusError, OutputLimitError
from mplp_cli.protocols import Attempt, Clock
from mplp_cli.workflow.language.jsontext import parse_json
from mplp_cli.workflow.masking import Masker
from mplp_cli.workflow.retry import asked_wait
from mplp_cli.workflow.values import Json

if TYPE_CHECKING:
    import httpx2

    from mplp_cli.engine.requesting import Request

#: Bytes of a body that are read, decompressed.
MAX_BODY = 10 << 20
MAX_REDIRECTS = 5
#: Bytes of the body of an error that are read, and characters of it that are kept when it is masked.
_HEAD = 65_536
_KEPT = 4_000
_OK = ((200, 299),)
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_TEXT = re.compile(r"text/|application/(xml|javascript|x-www-form-urlencoded|yaml|toml)\b|[^;]*\+xml\b")


class Connections:
    """The connections of one run: opened on first use, closed at its end."""

    def __init__(self, *, deny_private: bool = False) -> None:
        self._deny_private = deny_private
        self._client: httpx2.AsyncClient | None = None
        self._opening = asyncio.Lock()

    async def client(self) -> httpx2.AsyncClient:
        """The one client of the run. Loading it takes a tenth of a second, in which the run goes on."""
        async with self._opening:
            if self._client is None:
                self._client = await asyncio.to_thread(self._open)
            return self._client

    def _open(self) -> httpx2.AsyncClient:
        from mplp_cli.engine.network import open_client

        return open_client(deny_private=self._deny_private)

    async def aclose(self) -> None:
        """Close what is open."""
        if self._client is not None:
            await self._client.aclose()
            self._client = None


async def run_http(attempt: Attempt, *, masker: Masker, connections: Connections, clock: Clock) -> Json:
    """Run one attempt of an HTTP step: `{status, headers, body}`."""
    client = await connections.client()
    from mplp_cli.engine.requesting import first_request, next_request

    body = attempt.body
    expected = body.get("expect") or _OK
    request = first_request(attempt)
    follow = body.get("follow")
    if follow is None:
        follow = request.method in ("GET", "HEAD")
    for _ in range(MAX_REDIRECTS + 1):
        try:
            async with client.stream(
                request.method, request.url, headers=list(request.headers), content=request.content
            ) as response:
                status = response.status_code
                goes_on = status in _REDIRECTS and follow and "location" in response.headers
                if _fits(status, expected):
                    result = _result(request, response, await _read(request, response, MAX_BODY))
                    return masker.value(result)
                if not goes_on:
                    raise _unexpected(request, response, await _head(response, masker), expected, clock)
                request = next_request(request, response, masker)
        except _errors() as error:
            _no_answer(request, error)
    raise HttpRequestError(
        f"more than {MAX_REDIRECTS} redirects, the last one to {request.shown}",
        details={"url": request.shown},
    )


# ---- the answer --------------------------------------------------------------------------------


def _fits(status: int, expected: Sequence[Sequence[int]]) -> bool:
    return any(low <= status <= high for low, high in expected)


async def _read(request: Request, response: httpx2.Response, limit: int) -> bytes:
    data = bytearray()
    async for piece in response.aiter_bytes():
        data += piece
        if len(data) > limit:
            raise OutputLimitError(
                f"{request.shown} answered with more than {limit >> 20} MiB",
                hint="fetch large files with a program in a shell step, and hand on their names",
                details={"limit": limit},
            )
    return bytes(data)


async def _head(response: httpx2.Response, masker: Masker) -> str:
    """The beginning of a body as text. It is cut when it is masked: half a secret would not be found."""
    data = b""
    async for piece in response.aiter_bytes():
        data += piece[: _HEAD - len(data)]
        if len(data) >= _HEAD:
            break
    text = data.decode(_codec(response.charset_encoding), "replace").replace("\0", "\ufffd")
    return masker.text(text)[:_KEPT]


def _headers(response: httpx2.Response) -> dict[str, str]:
    """Names in lower case; repeated ones are joined by `, `."""
    return {name: value.replace("\0", "\ufffd") for name, value in response.headers.items()}


def _result(request: Request, response: httpx2.Response, data: bytes) -> dict[str, Any]:
    return {
        "status": response.status_code,
        "headers": _headers(response),
        "body": _value(request, response, data),
    }


def _value(request: Request, response: httpx2.Response, data: bytes) -> Json:
    """JSON as a value (null if there is none), text as text, anything else as `{base64: ...}`."""
    kind = response.headers.get("content-type", "").lower()
    media = kind.partition(";")[0].strip()
    if media == "application/json" or media.endswith("+json"):
        text = data.decode("utf-8-sig", "replace")
        return parse_json(text, f"the answer of {request.shown}") if text.strip() else None
    if _TEXT.match(kind) or response.charset_encoding:
        return data.decode(_codec(response.charset_encoding), "replace").replace("\0", "\ufffd")
    try:
        text = data.decode()
    except UnicodeDecodeError:
        text = "\0"
    if "\0" not in text:
        return text
    from base64 import b64encode

    return {"base64": b64encode(data).decode()}


def _codec(name: str | None) -> str:
    """A text codec of that name, else UTF-8: what a server says need not exist."""
    try:
        b"a".decode(name or "utf-8", "replace")
        return name or "utf-8"
    except (LookupError, ValueError):
        return "utf-8"


# ---- failures ----------------------------------------------------------------------------------


def _unexpected(
    request: Request,
    response: httpx2.Response,
    head: str,
    expected: Sequence[Sequence[int]],
    clock: Clock,
) -> HttpStatusError:
    from http import HTTPStatus

    status = response.status_code
    name = f" {HTTPStatus(status).phrase}" if status in set(HTTPStatus) else ""
    wanted = ", ".join(str(low) if low == high else f"{low}-{high}" for low, high in expected)
    details: dict[str, Any] = {"url": request.shown, "headers": _headers(response), "body": head}
    after = asked_wait(response.headers.get("retry-after", ""), clock.now())
    if after is not None:
        details["retryAfter"] = after
    return HttpStatusError(
        f"{request.shown} was answered with {status}{name}, expected {wanted}", status, details
    )


def _errors() -> tuple[type[Exception], ...]:
    from httpx2 import InvalidURL, RequestError

    return RequestError, InvalidURL


def _no_answer(request: Request, error: Exception) -> NoReturn:
    import httpx2

    where = request.url.netloc.decode("ascii", "replace")
    said = _reason(error)
    match error:
        case httpx2.ConnectTimeout():
            message = f"no connection to {where} in time"
        case httpx2.ConnectError():
            message = f"cannot connect to {where}: {said}"
        case httpx2.ProxyError():
            message = f"the proxy does not connect to {where}: {said}"
        case httpx2.LocalProtocolError() | httpx2.UnsupportedProtocol() | httpx2.InvalidURL():
            raise HttpRequestError(f"{request.shown} cannot be sent: {said}") from None
        case httpx2.DecodingError():
            message = f"the answer of {request.shown} cannot be decompressed: {said}"
        case _:
            message = f"the connection broke before {request.shown} was answered in full: {said}"
    raise HttpConnectionError(message, details={"url": request.shown}) from None


def _reason(error: BaseException) -> str:
    """The plainest word for an error: what the system said, as deep down as it is known."""
    import os

    waiting: list[BaseException | None] = [error]
    while waiting:
        one = waiting.pop()
        if isinstance(one, BaseExceptionGroup):
            waiting += one.exceptions
        elif told := getattr(one, "verify_message", ""):
            return f"its certificate is not trusted: {told}"
        elif isinstance(one, OSError) and one.strerror:
            # A lookup's numbers are its own; for the rest asyncio replaces the system's words.
            known = one.errno is not None and one.errno > 0 and type(one).__module__ == "builtins"
            return os.strerror(one.errno) if known and one.errno else str(one.strerror)
        elif one is not None:
            waiting += [one.__context__, one.__cause__]
    return str(error) or type(error).__name__
