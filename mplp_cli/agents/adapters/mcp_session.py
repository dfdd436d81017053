"""One session with a server that speaks the Model Context Protocol.

A session is opened and closed in one task, which does nothing else: scopes of the SDK may not be left in another one.
Calls of many tasks share it.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Self, TextIO

from mplp_cli import __version__
from mplp_cli.agents.adapters.command import environment
from mplp_cli.agents.adapters.wire import Endpoint
from mplp_cli.agents.workshop import Workshop
from mplp_cli.workflow.agents import McpAgent

if TYPE_CHECKING:
    import httpx2
    from mcp import Client

#: Characters of what a server has written to standard error that are kept, and bytes that are read at once.
_TAIL: Final = 4_000
_CHUNK: Final = 65_536
#: Seconds for an orderly end: the SDK gives a program two to leave by itself, and two more before it is killed.
_CLOSE: Final = 6.0


@dataclass
class Link:
    """What was noticed of a connection."""

    #: Nothing can come any more.
    lost: bool = False
    #: The last thing that came and was no message.
    garbage: str = ""
    #: The end of what the program has written to standard error.
    stderr: str = ""
    #: The last refusal of a request: status, and `Retry-After` as it was sent.
    refused: tuple[int, str] | None = None
    #: Why the last request got no answer at all.
    broken: Exception | None = None

    def hear(self, data: bytes) -> None:
        """Keep the end of what is written to standard error."""
        self.stderr = (self.stderr + data.decode("utf-8", "replace"))[-_TAIL:]


#: Gives the streams of a new connection.
Open = Callable[[Link], AbstractAsyncContextManager[tuple[Any, Any]]]


@dataclass
class Session:
    """A session, from its making until `close`. `seconds`: how long the server may take until it speaks."""

    open: Open
    seconds: float
    link: Link = field(default_factory=Link)

    def __post_init__(self) -> None:
        loop = asyncio.get_running_loop()
        self._deadline = loop.time() + self.seconds
        self._stop = asyncio.Event()
        self._decided = asyncio.Event()
        self._client: Client | None = None
        self._failure: BaseException | None = None
        # Its parent is this session, which `close` does not leave before the task has ended.
        self._task = loop.create_task(self._own())

    @property
    def over(self) -> bool:
        """Whether no call can be answered any more."""
        return self._task.done() or self._stop.is_set() or self.link.lost or self._failure is not None

    async def client(self) -> Client:
        """What calls are made with. Raises why there is no session; TimeoutError if there is none yet."""
        async with asyncio.timeout_at(self._deadline if not self._decided.is_set() else None):
            await self._decided.wait()
        if self._client is None:
            raise self._failure or ConnectionError("the session is closed")
        return self._client

    async def close(self) -> None:
        """End it, and wait for its end."""
        self._stop.set()
        try:
            if self._decided.is_set():
                await asyncio.wait({self._task}, timeout=_CLOSE)
        finally:
            self._task.cancel()
        await asyncio.wait({self._task}, timeout=_CLOSE)

    async def _own(self) -> None:
        try:
            client_type = await asyncio.to_thread(_client_type)
            async with self.open(self.link) as streams, client_type(_Given(streams)) as client:
                self.link.refused = self.link.broken = (
                    None  # servers of older protocols refuse the first question
                )
                self._client = client
                self._decided.set()
                await self._stop.wait()
        except asyncio.CancelledError as error:
            self._failure = error
            raise
        except BaseException as error:  # noqa: BLE001 - whatever it is, it is told to those that ask
            self._failure = flattened(error)
        finally:
            self.link.lost = True
            self._decided.set()


def _client_type() -> type[Client]:
    """The client of the SDK; loading it takes a second, for which the run does not stand still. ImportError."""
    import logging

    # It tells of every message that is none; what matters of it is in our errors.
    logging.getLogger("mcp").addHandler(logging.NullHandler())
    from mcp import Client

    return Client


def flattened(error: BaseException) -> BaseException:
    """The first error of groups of groups."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


# ---- streams -------------------------------------------------------------------------------------


class _Given:
    """Streams that are open already, as the SDK wants a transport."""

    def __init__(self, streams: tuple[Any, Any]) -> None:
        self._streams = streams

    async def __aenter__(self) -> tuple[Any, Any]:
        return self._streams

    async def __aexit__(self, *_: object) -> None:
        return None


class _Watched:
    """What comes from a server, and what `link` notices of it."""

    def __init__(self, inner: Any, link: Link) -> None:
        self._inner = inner
        self._link = link

    @property
    def last_context(self) -> Any:
        return getattr(self._inner, "last_context", None)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        try:
            return self._noticed(await self._inner.__anext__())
        except StopAsyncIteration:
            self._link.lost = True
            raise

    async def receive(self) -> Any:
        return self._noticed(await self._inner.receive())

    async def aclose(self) -> None:
        await self._inner.aclose()

    async def __aenter__(self) -> Self:
        await self._inner.__aenter__()
        return self

    async def __aexit__(self, *reason: object) -> bool | None:
        self._link.lost = True
        left: bool | None = await self._inner.__aexit__(*reason)
        return left

    def _noticed(self, item: Any) -> Any:
        if isinstance(item, Exception):
            said = item.errors()[0].get("input", "") if hasattr(item, "errors") else item
            self._link.garbage = str(said)
        return item


# ---- a program -----------------------------------------------------------------------------------


def program(agent: McpAgent, workshop: Workshop) -> Open:
    """A server that is started, and talked to over its standard input and output."""
    directory = os.path.normpath(os.path.join(workshop.directory, agent.cwd))  # noqa: PTH118

    @asynccontextmanager
    async def streams(link: Link) -> AsyncIterator[tuple[Any, Any]]:
        from mcp import StdioServerParameters
        from mcp.client.stdio import stdio_client

        command, *arguments = agent.command
        with workshop.keep_process(agent.id) as marks, _heard(link) as errors:
            start = StdioServerParameters(
                command=command,
                args=arguments,
                env={**environment(agent, workshop.environ), **marks},
                cwd=directory,
                encoding_error_handler="replace",
            )
            async with stdio_client(start, errlog=errors) as (read, write):
                yield _Watched(read, link), write

    return streams


@contextmanager
def _heard(link: Link) -> Iterator[TextIO]:
    """A file whose other end `link` hears."""
    read, write = os.pipe()
    os.set_blocking(read, False)

    def hear() -> None:
        with suppress(BlockingIOError):
            link.hear(os.read(read, _CHUNK))

    loop = asyncio.get_running_loop()
    loop.add_reader(read, hear)
    try:
        with open(write, "w", encoding="utf-8") as file:  # noqa: PTH123 - a number, not a path
            yield file
    finally:
        loop.remove_reader(read)
        hear()
        os.close(read)


# ---- an address ----------------------------------------------------------------------------------


def address(agent: McpAgent, endpoint: Endpoint, workshop: Workshop) -> Open:
    """A server that is reached over HTTP (streamable HTTP)."""

    @asynccontextmanager
    async def streams(link: Link) -> AsyncIterator[tuple[Any, Any]]:
        import httpx2
        from mcp.client.streamable_http import streamable_http_client

        seconds = agent.connect_timeout / 1000
        async with (
            httpx2.AsyncClient(
                transport=_relay(await workshop.connect(), link),
                headers={"user-agent": f"mplp/{__version__}", **endpoint.headers},
                timeout=httpx2.Timeout(None, connect=seconds),
                trust_env=False,
            ) as client,
            streamable_http_client(str(endpoint.url), http_client=client) as (read, write),
        ):
            yield _Watched(read, link), write

    return streams


def _relay(client: httpx2.AsyncClient, link: Link) -> httpx2.AsyncBaseTransport:
    """Sends over the connections of the run, which know what addresses may be called; headers stay the agent's own."""
    import httpx2

    class Relay(httpx2.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
            try:
                response = await client.send(request, stream=True, follow_redirects=False)
            except Exception as error:
                link.broken = error
                raise
            if request.method == "POST":
                status = response.status_code
                refused = status >= 400 or response.has_redirect_location
                link.refused = (status, response.headers.get("retry-after", "")) if refused else None
            return httpx2.Response(
                response.status_code,
                headers=response.headers,
                stream=response.stream,
                extensions=response.extensions,
            )

    return Relay()
