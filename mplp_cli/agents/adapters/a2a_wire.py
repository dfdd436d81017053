"""The requests of the A2A SDK, sent by the run's own client: its rules for addresses, tokens and sizes hold.

Imported with the first call of such an agent: it needs the extra `a2a`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack

import httpx
import httpx2

from mplp_cli.agents.adapters.wire import Endpoint, origin, reason_given
from mplp_cli.errors import AgentError

#: Headers that each connection sets by itself.
_OWN = frozenset(
    {"host", "connection", "content-length", "transfer-encoding", "user-agent", "accept-encoding"}
)
#: Of an answer: what held for the bytes on the wire.
_OF_BYTES = frozenset({"connection", "content-length", "content-encoding", "transfer-encoding"})
_REFUSED = frozenset({401, 403})


class Carrier(httpx.AsyncBaseTransport):
    """Sends what the SDK wants to be sent. AgentError for what goes wrong, as in every request to the endpoint.
    `headers` go with every request."""

    def __init__(self, endpoint: Endpoint, headers: Mapping[str, str]) -> None:
        self._endpoint = endpoint
        self._headers = headers
        self._open: list[AsyncExitStack] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        url = httpx2.URL(str(request.url))
        if origin(url) != origin(self._endpoint.url) and self._endpoint.headers:
            raise self._endpoint.error(
                "guard.denied",
                f"its card leads to {url.scheme}://{url.netloc.decode('ascii', 'replace')}",
                hint="tokens and headers go to no other server than the endpoint's: state the one that answers",
                sent=False,
            )
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _OWN}
        headers |= self._headers
        stack = AsyncExitStack()
        asked = self._endpoint.asked(request.method, url, await request.aread(), headers)
        try:
            response = await stack.enter_async_context(asked)
        except AgentError as error:
            raise self._said(error) from None
        self._open.append(stack)
        return httpx.Response(
            response.status_code,
            headers=[(name, value) for name, value in response.headers.items() if name not in _OF_BYTES],
            stream=_Body(self._endpoint, response, stack),
        )

    async def aclose(self) -> None:
        """Close what is open, also what the SDK has left open: its generators may end whenever they like."""
        while self._open:
            await self._open.pop().aclose()

    def _said(self, error: AgentError) -> AgentError:
        """A refusal in the words of the protocol is an answer of the agent."""
        status, body = error.details.get("status", 0), str(error.details.get("body", ""))
        words = reason_given(body) if body.lstrip().startswith("{") else ""
        if error.code != "agent.http" or status < 400 or status in _REFUSED or not words:
            return error
        return self._endpoint.error("agent.remote", words, status=status)


class _Body(httpx.AsyncByteStream):
    def __init__(self, endpoint: Endpoint, response: httpx2.Response, stack: AsyncExitStack) -> None:
        self._endpoint = endpoint
        self._response = response
        self._stack = stack

    async def __aiter__(self) -> AsyncIterator[bytes]:
        pieces = self._endpoint.pieces(self._response)
        try:
            async for piece in pieces:
                yield piece
        except (httpx2.RequestError, AgentError) as error:
            # What surrounds the response knows what a broken connection means.
            await self._stack.__aexit__(type(error), error, error.__traceback__)
            raise

    async def aclose(self) -> None:
        await self._stack.aclose()
